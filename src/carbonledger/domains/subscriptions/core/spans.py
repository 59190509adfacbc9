"""The dates of a subscription's periods, and the periods between them.

The n-th date is counted from the anchor, clamped to its month for itself. A span is one period: between local midnights, its days counted
in the zone that was in force when it began.
"""

from __future__ import annotations

import calendar
import functools
import math
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from carbonledger.domains.catalog.types import AnchorKind, PlanVersion
from carbonledger.kernel import period as periods
from carbonledger.kernel import zone as zones
from carbonledger.kernel.period import CalendarUnit, Interval

_LEAP_YEARS = 4
ROUND = 2
"""Cycles looked at before the one that dates alone point to: offsets and clamping move a bound by a day at most, a zone by one more."""


@dataclass(frozen=True, slots=True)
class Series:
    """The dates ``offset + n * step`` days (or months) after ``anchor``, n from 0; each clamped for itself."""

    anchor: date
    unit: CalendarUnit  # day or month
    offset: int
    step: int

    def on(self, n: int) -> date:
        """Return the n-th date."""
        return _date(self.anchor, self.unit, self.offset + n * self.step)

    def near(self, day: date) -> int:
        """Return an n (0 or more) whose date is not after ``day`` by much, nor before it by many steps."""
        if self.unit is CalendarUnit.DAY:
            passed = (day - self.anchor).days
        else:
            passed = (day.year - self.anchor.year) * 12 + day.month - self.anchor.month
        return max(0, (passed - self.offset) // self.step - ROUND)


@functools.lru_cache(maxsize=4096)  # many customers have the same dates, and each is asked for several times
def _date(anchor: date, unit: CalendarUnit, n: int) -> date:
    return periods.anchored_date(anchor, Interval(unit), n)


@functools.lru_cache(maxsize=4096)
def midnight(day: date, zone: str) -> datetime:
    """Return the instant at which a local day begins."""
    return zones.midnight(day, zones.named(zone))


@dataclass(frozen=True, slots=True)
class Joint:
    """An instant at which days were counted in one zone until then, and are in another from then on; and the date that it is in both."""

    at: datetime
    on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One cycle: its service period ``[start, end)``, the dates of its bounds, and the zone in which its days are counted.

    ``joint``: where charging takes over in it from a cycle whose days were those of another zone, by which that instant is another date.
    """

    start: datetime
    end: datetime
    first: date
    after: date
    zone: str
    joint: Joint | None = None

    def day(self, at: datetime) -> date:
        """Return the date of an instant in it, as its days are counted: the bounds are ``first`` and ``after`` in every zone.

        No day that was counted before a joint is counted again: the one that begins with it is longer, or shorter, than others.
        """
        if at <= self.start:
            return self.first
        if at >= self.end:
            return self.after
        if self.joint is not None and at == self.joint.at:
            return self.joint.on
        earliest = self.first if self.joint is None or at < self.joint.at else max(self.first, self.joint.on)
        return min(max(zones.local_date(at, zones.named(self.zone)), earliest), self.after)

    def last_day(self, end: datetime) -> date:
        """Return the date of the last day of a part of it that ends at ``end``, of which it may have only some hours."""
        return min(self.day(end - timedelta(microseconds=1)), self.after - timedelta(days=1))

    def begin_of_day(self, at: datetime) -> datetime:
        """Return when the local day of ``at`` began, within the cycle."""
        day = periods.calendar_period(at, CalendarUnit.DAY, zones.named(self.zone))
        return min(max(day.start, self.start), self.end)

    def end_of_day(self, at: datetime) -> datetime:
        """Return when the local day of ``at`` is over, within the cycle; a day that only begins at ``at`` counts as not begun."""
        if at <= self.start or at == midnight(zones.local_date(at, zones.named(self.zone)), self.zone):
            return min(max(at, self.start), self.end)
        return min(midnight(self.day(at) + timedelta(days=1), self.zone), self.end)


def series_of(version: PlanVersion, day: date, anchor: date | None) -> Series:
    """Return the series whose first cycle holds ``day``; ``anchor`` is another day to count from (anniversary only)."""
    unit, step = steps(version.interval)
    if version.anchor is AnchorKind.CALENDAR:
        return Series(periods.first_day(day, version.interval.unit), unit, 0, step)
    if anchor is None or anchor == day:
        return Series(day, unit, 0, step)
    rooted = _rooted(anchor, day, unit, step)
    passed = Series(rooted, unit, 0, step)
    n = passed.near(day)
    while passed.on(n + 1) <= day:
        n += 1
    return Series(rooted, unit, n * step, step)


def steps(interval: Interval) -> tuple[CalendarUnit, int]:
    """Return an interval as days or months, and how many."""
    if interval.unit in periods.DAYS:
        return CalendarUnit.DAY, periods.DAYS[interval.unit] * interval.count
    return CalendarUnit.MONTH, periods.MONTHS[interval.unit] * interval.count


def _rooted(anchor: date, day: date, unit: CalendarUnit, step: int) -> date:
    """Return a day from which the series of ``anchor`` can be counted forward to ``day``."""
    if anchor <= day:
        return anchor
    if unit is CalendarUnit.DAY:
        return anchor - timedelta(days=-(-(anchor - day).days // step) * step)
    year = anchor.year
    # By whole steps that are whole years too, and to a leap year again for 29 February, so that no date is clamped for good.
    years = math.lcm(math.lcm(step, 12) // 12, _LEAP_YEARS)
    while not _has(year, anchor) or anchor.replace(year=year) > day:
        year -= years
    return anchor.replace(year=year)


def _has(year: int, anchor: date) -> bool:
    return anchor.day <= calendar.monthrange(year, anchor.month)[1]
