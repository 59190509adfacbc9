"""Which roll-ups answer which time: any bounds, by whole days, whole hours, quarters of an hour and single events, exactly.

Bounds are moved to the nearest place where rows of the coarsest roll-up meet. What lies between a bound and where it was moved to is then
counted in the wrong one of the two buckets, so it is read once more from finer rows, added to one and taken from the other. Sums are of
integers and exact decimals, so this is no approximation; it reads a few hours for each local midnight of a zone instead of all of the day.

What is kept for every series has days (UTC) and hours. The broad roll-up (``core.rollup``) has days that begin at four hours, and quarters:
no zone's midnight is further than three hours from one of the four, and since 2015 every zone's is on a quarter.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from carbonledger.kernel import period as periods
from carbonledger.kernel.period import CalendarUnit, Period

_ENDLESS: Final = "a period that is cut has an end"


class Grain(enum.Enum):
    """What a part is read from; the value stands in the rows of the broad roll-up."""

    QUARTER = 0
    HOUR = 1
    DAY = 2
    DAY_FROM_6 = 3
    DAY_FROM_12 = 4
    DAY_FROM_18 = 5
    EVENT = 6
    """No roll-up: the events themselves."""


_DAYS: Final = (Grain.DAY, Grain.DAY_FROM_6, Grain.DAY_FROM_12, Grain.DAY_FROM_18)
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_STEPS: Final = {
    Grain.QUARTER: timedelta(minutes=15),
    Grain.HOUR: timedelta(hours=1),
    **dict.fromkeys(_DAYS, timedelta(days=1)),
}
_ORIGINS: Final = {grain: _EPOCH + timedelta(hours=6 * place) for place, grain in enumerate(_DAYS)}


class Part(NamedTuple):
    """A stretch of time to be read from one grain, added to one bucket and taken from another; None: neither."""

    grain: Grain
    start: datetime
    end: datetime
    adds: int | None
    takes: int | None


def plan(bounds: Sequence[datetime], *, coarsest: Grain = Grain.DAY, is_broad: bool = False) -> list[Part]:
    """Return the parts whose signed sums are the buckets between ``bounds``: two or more ascending instants, UTC.

    ``coarsest``: the roll-up that whole buckets are read from (DAY stands for any of the four); hours, where buckets are hours.
    """
    rungs = [(Grain.EVENT, bounds)]
    if coarsest is not Grain.EVENT:
        for grain in (Grain.QUARTER, Grain.HOUR) if is_broad else (Grain.HOUR,):
            rungs.append((grain, _moved_to(grain, rungs[-1][1])))
        if coarsest is Grain.DAY:
            rungs.append(_days(rungs[-1][1], _DAYS if is_broad else _DAYS[:1]))
    while len(rungs) > 1 and rungs[-1][1][0] == rungs[-1][1][-1]:
        rungs.pop()  # no whole row of it lies between
    parts = list(_whole(*rungs[-1]))
    for (grain, fine), (_, coarse) in itertools.pairwise(rungs):
        parts += _moved(grain, fine, coarse)
    return parts


def steps(parts: Sequence[Part]) -> int:
    """Return how many days, hours and quarters of an hour the parts are; single events count for nothing."""
    return sum((part.end - part.start) // _STEPS[part.grain] for part in parts if part.grain in _STEPS)


def _days(hours: Sequence[datetime], grains: Sequence[Grain]) -> tuple[Grain, list[datetime]]:
    """Return bounds moved to midnights, or to whichever of the hours is nearest to most."""
    places = {grain: _moved_to(grain, hours) for grain in grains}
    best = min(grains, key=lambda grain: sum((abs(hour - at) for hour, at in zip(hours, places[grain], strict=True)), timedelta()))
    return best, places[best]


def _moved_to(grain: Grain, bounds: Sequence[datetime]) -> list[datetime]:
    step, origin = _STEPS[grain], _ORIGINS.get(grain, _EPOCH)
    moved = []
    for at in bounds:
        rest = (at - origin) % step
        moved.append(at - rest if rest * 2 <= step else at - rest + step)
    return moved


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
    start, ends = period.start, periods.calendar_ends(period.start, unit, zone)
    while start < period.end:
        if len(stretches) == at_most:
            return None
        end = min(next(ends), period.end)
        stretches.append(Period(start, end))
        start = end
    return stretches
