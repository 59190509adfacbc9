"""Which roll-ups answer which time: any bounds, by whole days (UTC), whole hours and single events, exactly.

A bound between two buckets is moved to the nearest midnight, where daily roll-ups meet. What lies between the bound and that midnight is
then counted in the wrong one of the two buckets, so it is read once more, in whole hours and for the rest as events, added to one and
taken from the other. Sums are of integers and exact decimals, so this is no approximation; it reads a few hours for each local
midnight of a zone instead of all hours of the day.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from carbonledger.kernel import period as periods
from carbonledger.kernel.period import CalendarUnit, Period

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_ENDLESS: Final = "a period that is cut has an end"


class Grain(enum.Enum):
    """What a part is read from."""

    DAY = "day"
    HOUR = "hour"
    EVENT = "event"


class Part(NamedTuple):
    """A stretch of time to be read from one grain, added to one bucket and taken from another; None: neither."""

    grain: Grain
    start: datetime
    end: datetime
    adds: int | None
    takes: int | None


def plan(bounds: Sequence[datetime], *, coarsest: Grain = Grain.DAY) -> list[Part]:
    """Return the parts whose signed sums are the buckets between ``bounds``: two or more ascending instants, UTC.

    ``coarsest``: the roll-up that whole buckets are read from; hours, where buckets are hours.
    """
    hours = [_nearest(bound, _HOUR) for bound in bounds]
    days = [_nearest(hour, _DAY) for hour in hours]
    if coarsest is Grain.DAY and days[0] == days[-1]:
        coarsest = Grain.HOUR  # no whole day lies between
    if coarsest is Grain.HOUR and hours[0] == hours[-1]:
        coarsest = Grain.EVENT
    if coarsest is Grain.EVENT:
        return list(_whole(Grain.EVENT, bounds))
    events = _moved(Grain.EVENT, bounds, hours)
    if coarsest is Grain.HOUR:
        return [*_whole(Grain.HOUR, hours), *events]
    return [*_whole(Grain.DAY, days), *_moved(Grain.HOUR, hours, days), *events]


def _nearest(at: datetime, step: timedelta) -> datetime:
    since = (at + step / 2) - datetime.min.replace(tzinfo=at.tzinfo)
    return at + step / 2 - since % step


def _whole(grain: Grain, bounds: Sequence[datetime]) -> Iterator[Part]:
    for bucket, (start, end) in enumerate(itertools.pairwise(bounds)):
        if start < end:
            yield Part(grain, start, end, bucket, None)


def _moved(grain: Grain, bounds: Sequence[datetime], coarse: Sequence[datetime]) -> Iterator[Part]:
    """Yield what lies between each bound and where it was moved to."""
    last = len(bounds) - 1
    for place, (bound, moved) in enumerate(zip(bounds, coarse, strict=True)):
        before, after = place - 1 if place else None, place if place < last else None
        if bound < moved:
            yield Part(grain, bound, moved, after, before)
        elif moved < bound:
            yield Part(grain, moved, bound, before, after)


def cut(period: Period, unit: CalendarUnit, zone: ZoneInfo, *, at_most: int) -> list[Period] | None:
    """Return the calendar's stretches of ``zone`` in the period, the first and last cut to it; None: more than ``at_most``."""
    if period.end is None:
        raise ValueError(_ENDLESS)
    stretches: list[Period] = []
    start = period.start
    while start < period.end:
        if len(stretches) == at_most:
            return None
        whole = periods.calendar_period(start, unit, zone)
        end = period.end if whole.end is None else min(whole.end, period.end)
        stretches.append(Period(start, end))
        start = end
    return stretches
