"""Which local days a line is for: as they were counted when it was charged; where that isn't kept, by the calendar of its invoice. Pure.

After a move the two differ: a month that was counted in Berlin begins on the 31st by the clocks of New York.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from carbonledger.domains.invoices.types.invoices import Line
from carbonledger.domains.subscriptions.types import Days, DueCharge
from carbonledger.kernel import zone as zones

_PART, _SERVICE = "days", "service_days"
_INSTANT: Final = timedelta(microseconds=1)


def kept(due: DueCharge) -> dict[str, list[str]]:
    """Return the days of a due charge as they are kept with its line."""
    found = {_PART: due.days, _SERVICE: due.service_days}
    return {name: [day.isoformat() for day in days] for name, days in found.items() if days is not None}


def of_part(line: Line, zone: ZoneInfo) -> Days | None:
    """Return the first and the last day of what a line charges; None where it is for no time."""
    return _days(line, _PART, line.part_start, line.part_end, zone)


def of_service(line: Line, zone: ZoneInfo) -> Days | None:
    """Return the first and the last day of the service period of a line; None where it is for none."""
    return _days(line, _SERVICE, line.service_start, line.service_end, zone)


def _days(line: Line, name: str, start: datetime | None, end: datetime | None, zone: ZoneInfo) -> Days | None:
    if start is None or end is None:
        return None
    counted = line.explained.rated.get(name)
    if counted is not None:
        first, last = counted
        return date.fromisoformat(first), date.fromisoformat(last)
    return zones.local_date(start, zone), zones.local_date(max(end - _INSTANT, start), zone)
