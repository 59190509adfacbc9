"""Periods: stretches of time with the start inside and the end outside, and the calendar's own.

Owns: the algebra of ``[start, end)``, the calendar's hours to years in a zone, and dates counted from an anchor. It does not
own which periods a thing has (accounting months, billing cycles): those rules are the domains'.

The calendar periods of a zone partition time: every instant is in exactly one of each unit, whatever its clocks do. A day and
all longer units begin at local midnight (``zone`` says which, where it is missing or double): where clocks are set back over
midnight, the day that began stays begun, and a date that a zone skipped has no period. Hours are cut where the local clock
shows a full hour, and where it is set by less than one (Lord Howe Island), which leaves a short hour.
"""

from __future__ import annotations

import bisect
import calendar
import enum
import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from carbonledger.kernel import errors, instant
from carbonledger.kernel import zone as zones


class PeriodInvalid(errors.Invalid):
    """A period ends after it starts."""

    code = "period_invalid"


class CalendarUnit(enum.Enum):
    """A stretch of the calendar. A week begins on Monday (ISO 8601)."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    HALF_YEAR = "half_year"
    YEAR = "year"


DAYS: Final = {CalendarUnit.DAY: 1, CalendarUnit.WEEK: 7}
"""How many days the units are that are a number of days."""
MONTHS: Final = {CalendarUnit.MONTH: 1, CalendarUnit.QUARTER: 3, CalendarUnit.HALF_YEAR: 6, CalendarUnit.YEAR: 12}
"""How many months the units are that are a number of months."""
# Beginnings looked at, in units from the one that the local date names. That one is already over where clocks were set back over
# its end, and a skipped day begins when the next does; further than this no zone strays.
_AROUND = range(-1, 3)
_HOUR = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Period:
    """The instants from ``start`` (inside) to ``end`` (outside; None: without end), in UTC. Never empty."""

    start: datetime
    end: datetime | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", instant.utc(self.start))
        if self.end is not None:
            object.__setattr__(self, "end", instant.utc(self.end))
            if self.end <= self.start:
                raise PeriodInvalid("Give an end after the start.")

    @property
    def duration(self) -> timedelta | None:
        """The time that passes; None without end."""
        return None if self.end is None else self.end - self.start

    def contains(self, at: datetime) -> bool:
        """Say whether ``at`` is inside."""
        return self.start <= at and (self.end is None or at < self.end)

    def overlaps(self, other: Period) -> bool:
        """Say whether an instant is inside both."""
        return (other.end is None or self.start < other.end) and (self.end is None or other.start < self.end)

    def intersect(self, other: Period) -> Period | None:
        """Return what is inside both; None if that is nothing."""
        if not self.overlaps(other):
            return None
        ends = [end for end in (self.end, other.end) if end is not None]
        return Period(max(self.start, other.start), min(ends, default=None))

    def split(self, *at: datetime) -> tuple[Period, ...]:
        """Cut at each of the instants ``at``, given in order, each inside and after the start. The parts meet without gap."""
        if at and not self.contains(at[-1]):
            raise PeriodInvalid("A period can only be split at instants inside it.")
        return tuple(Period(start, end) for start, end in zip((self.start, *at), (*at, self.end), strict=True))

    def merge(self, later: Period) -> Period:
        """Return this and ``later`` as one; ``later`` must start where this ends."""
        if self.end != later.start:
            raise PeriodInvalid("Only a period that starts where the other ends can be merged to it.")
        return Period(self.start, later.end)


def calendar_period(at: datetime, unit: CalendarUnit, zone: ZoneInfo) -> Period:
    """Return the calendar's ``unit`` in ``zone`` that holds the instant ``at``."""
    at = instant.utc(at)  # elsewhere adding an hour would move the clock's hands, not time
    if unit is CalendarUnit.HOUR:
        return Period(*_hour(at, zone))
    bounds = _bounds(first_day(zones.local_date(at, zone), unit), unit, zone)
    position = bisect.bisect_right(bounds, at)
    return Period(bounds[position - 1], bounds[position])


def calendar_ends(at: datetime, unit: CalendarUnit, zone: ZoneInfo) -> Iterator[datetime]:
    """Yield where the calendar's ``unit`` in ``zone`` that holds ``at`` ends, and then each that follows, as long as is asked for.

    The same as ``calendar_period`` of each end, but every midnight is looked for once.
    """
    at = instant.utc(at)
    if unit is CalendarUnit.HOUR:
        while True:
            _, at = _hour(at, zone)
            yield at
    first = first_day(zones.local_date(at, zone), unit)
    for count in itertools.count(_AROUND.start):
        end = zones.midnight(_advanced(first, unit, count), zone)
        if end > at:
            yield (at := end)


@functools.lru_cache(maxsize=4096)  # many customers ask about the same days
def _bounds(first: date, unit: CalendarUnit, zone: ZoneInfo) -> tuple[datetime, ...]:
    """Return the midnights at which the units around the one of ``first`` begin, in order."""
    return tuple(sorted({zones.midnight(_advanced(first, unit, count), zone) for count in _AROUND}))


def first_day(day: date, unit: CalendarUnit) -> date:
    """Return the first day of the ``unit`` (a day or longer) that ``day`` is in."""
    if unit is CalendarUnit.DAY:
        return day
    if unit is CalendarUnit.WEEK:
        return day - timedelta(days=day.weekday())
    months = MONTHS[unit]
    return date(day.year, (day.month - 1) // months * months + 1, 1)


def _hour(at: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the bounds of the hour around ``at``: the full one of its own offset, shorter where an offset that cuts elsewhere applies."""
    cut = _cut(at, zone)
    full = at - (at - _EPOCH + cut) % _HOUR
    start, end = full, full + _HOUR
    if _cut(start, zone) != cut:
        start = _change(full, at, zone)
    if _cut(end, zone) != cut:
        end = _change(full, end, zone)
    return start, end


def _cut(at: datetime, zone: ZoneInfo) -> timedelta:
    """Return where the zone's offset at ``at`` cuts hours: the part of it that is less than an hour."""
    offset = at.astimezone(zone).utcoffset()
    return (offset or timedelta()) % _HOUR  # a ZoneInfo always has an offset


def _change(full: datetime, later: datetime, zone: ZoneInfo) -> datetime:
    """Return when the cut of ``later``, in the hour after ``full``, began to apply. Offsets change at whole seconds."""
    cut = _cut(later, zone)
    passed_s = bisect.bisect_left(range(3600), True, key=lambda second: _cut(full + timedelta(seconds=second), zone) == cut)
    return full + timedelta(seconds=passed_s)


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch between dates: ``count`` (1 or more) days, weeks, months, quarters, half-years or years."""

    unit: CalendarUnit
    count: int = 1

    def __post_init__(self) -> None:
        if self.unit is CalendarUnit.HOUR or type(self.count) is not int or self.count < 1:
            raise PeriodInvalid("An interval is one or more days, weeks, months, quarters, half-years or years.")


def anchored_date(anchor: date, interval: Interval, n: int) -> date:
    """Return the ``n``-th date (0: the anchor) of a series, each counted from the anchor itself.

    A day that its month lacks becomes the month's last, for that date alone: 31 January, 28 February, 31 March.
    """
    if n < 0:
        raise ValueError("a series begins with its anchor")
    return _advanced(anchor, interval.unit, n * interval.count)


def anchored_period(anchor: date, interval: Interval, n: int, zone: ZoneInfo) -> Period:
    """Return the ``n``-th period (0: the first) of a series: local midnight of the ``n``-th date to that of the next.

    Raises ``PeriodInvalid`` for a single day that the zone skipped.
    """
    return Period(zones.midnight(anchored_date(anchor, interval, n), zone), zones.midnight(anchored_date(anchor, interval, n + 1), zone))


def _advanced(day: date, unit: CalendarUnit, count: int) -> date:
    if unit in DAYS:
        return day + timedelta(days=DAYS[unit] * count)
    year, month = divmod(day.year * 12 + day.month - 1 + MONTHS[unit] * count, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def local_days(period: Period, zone: ZoneInfo) -> int:
    """Return the days of an ended period as the difference of its local dates: what proration by day counts."""
    if period.end is None:
        raise PeriodInvalid("A period without end has no number of days.")
    return (zones.local_date(period.end, zone) - zones.local_date(period.start, zone)).days
