"""Which local days a line is for, and which part of its period they are. Pure.

Days are told as they were counted when the line was charged; where that isn't kept, by the calendar of its invoice.
After a move the two differ: a month that was counted in Berlin begins on the 31st by the clocks of New York.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
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


def part(line: Line) -> tuple[int, int] | None:
    """Return the part of its period by which the amount of a line was counted, or the part that it gives back of what was charged.

    None where that is all of it; and for usage that nothing is included in, held at or off as an amount: it costs what it does whole.
    """
    kept = line.explained.rated
    numerator, denominator = kept.get("part", (1, 1))
    if numerator == denominator or ("stretches" in kept and not _is_bounded(kept)):
        return None
    return numerator, denominator


def _is_bounded(kept: Mapping[str, Any]) -> bool:
    charge = kept["charge"]
    has_bounds = any(Decimal(charge.get(name) or 0) for name in ("included", "minimum", "maximum"))
    return has_bounds or any("amount" in off for off in kept.get("discounts", ()))


def _days(line: Line, name: str, start: datetime | None, end: datetime | None, zone: ZoneInfo) -> Days | None:
    if start is None or end is None:
        return None
    counted = line.explained.rated.get(name)
    if counted is not None:
        first, last = counted
        return date.fromisoformat(first), date.fromisoformat(last)
    return zones.local_date(start, zone), zones.local_date(max(end - _INSTANT, start), zone)
