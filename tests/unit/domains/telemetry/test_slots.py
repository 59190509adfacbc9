"""Plans of roll-ups: whatever the bounds, the signed parts are the buckets, and nothing is read for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import hypothesis
import pytest
from hypothesis import strategies

from carbonledger.domains.telemetry.core import slots
from carbonledger.domains.telemetry.core.slots import Grain, Part
from carbonledger.kernel import zone as zones
from carbonledger.kernel.period import CalendarUnit, Period

BASE = datetime(2026, 3, 27, tzinfo=UTC)
ZONES = (
    "UTC",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Europe/Berlin",
    "America/Los_Angeles",
    "Pacific/Apia",
    "Australia/Lord_Howe",
)
minutes = strategies.integers(0, 6 * 24 * 60)
instants = strategies.builds(
    lambda minute, micro: BASE + timedelta(minutes=minute, microseconds=micro), minutes, strategies.sampled_from([0, 0, 0, 1, 59_999_999])
)


def count(parts: Sequence[Part], at: datetime) -> dict[int, int]:
    """Return how often an event at this instant is counted in each bucket."""
    counts: dict[int, int] = {}
    for part in parts:
        if part.start <= at < part.end:
            for bucket, sign in ((part.adds, 1), (part.takes, -1)):
                if bucket is not None:
                    counts[bucket] = counts.get(bucket, 0) + sign
    return {bucket: number for bucket, number in counts.items() if number}


def holds(parts: Sequence[Part], bounds: Sequence[datetime], at: datetime) -> None:
    inside = [place for place in range(len(bounds) - 1) if bounds[place] <= at < bounds[place + 1]]
    assert count(parts, at) == dict.fromkeys(inside, 1), at


DAY_HOURS = {Grain.DAY: 0, Grain.DAY_FROM_6: 6, Grain.DAY_FROM_12: 12, Grain.DAY_FROM_18: 18}


def is_aligned(parts: Sequence[Part]) -> None:
    """A roll-up's row is read whole: parts begin and end where its rows do."""
    for part in parts:
        assert part.start < part.end
        for at in (part.start, part.end):
            if part.grain is not Grain.EVENT:
                assert (at.minute % 15, at.second, at.microsecond) == (0, 0, 0)
            if part.grain not in {Grain.EVENT, Grain.QUARTER}:
                assert at.minute == 0
            if part.grain in DAY_HOURS:
                assert at.hour == DAY_HOURS[part.grain]


@hypothesis.given(
    strategies.lists(instants, min_size=2, max_size=8, unique=True).map(sorted),
    strategies.lists(instants, min_size=1, max_size=20),
    strategies.sampled_from([Grain.DAY, Grain.HOUR, Grain.EVENT]),
    strategies.booleans(),
)
def test_an_event_is_in_its_bucket_once_and_in_no_other(
    bounds: list[datetime], events: list[datetime], coarsest: Grain, is_broad: bool
) -> None:
    parts = slots.plan(bounds, coarsest=coarsest, is_broad=is_broad)
    is_aligned(parts)
    assert is_broad or not {part.grain for part in parts} - {Grain.DAY, Grain.HOUR, Grain.EVENT}
    edges = [at + timedelta(microseconds=micro) for bound in bounds for micro in (-1, 0, 1) for at in (bound,)]
    for at in (*events, *edges):
        holds(parts, bounds, at)


@hypothesis.given(
    strategies.sampled_from(ZONES),
    instants,
    instants,
    strategies.sampled_from(list(CalendarUnit)[:4]),
    strategies.lists(instants),
    strategies.booleans(),
)
def test_the_calendars_stretches_of_any_zone_are_their_parts(
    zone: str, one: datetime, other: datetime, unit: CalendarUnit, events: list[datetime], is_broad: bool
) -> None:
    hypothesis.assume(one != other)
    period = Period(min(one, other), max(one, other))
    stretches = slots.cut(period, unit, zones.named(zone), at_most=1_000)
    assert stretches is not None
    bounds = [stretches[0].start, *(stretch.end for stretch in stretches if stretch.end)]
    assert (bounds[0], bounds[-1]) == (period.start, period.end)
    parts = slots.plan(bounds, coarsest=Grain.HOUR if unit is CalendarUnit.HOUR else Grain.DAY, is_broad=is_broad)
    is_aligned(parts)
    for at in events:
        holds(parts, bounds, at)


def plan_of_days(zone: str, month: int, *, is_broad: bool) -> list[Part]:
    """Return the plan of ten days from the third of a month of 2026."""
    tz = zones.named(zone)
    start = zones.midnight(datetime(2026, month, 3, tzinfo=UTC).date(), tz)
    stretches = slots.cut(Period(start, start + timedelta(days=10)), CalendarUnit.DAY, tz, at_most=100)
    assert stretches is not None
    assert len(stretches) == 10
    return slots.plan([stretches[0].start, *(stretch.end for stretch in stretches if stretch.end)], is_broad=is_broad)


def read(parts: Sequence[Part], *grains: Grain) -> timedelta:
    return sum((part.end - part.start for part in parts if part.grain in grains), timedelta())


@pytest.mark.parametrize(
    "zone, month, hours, events",
    [
        ("UTC", 7, 0, 0),
        ("Europe/Berlin", 11, 1, 0),  # midnight is 23:00 the day before: one hour for each
        ("America/Los_Angeles", 7, 7, 0),  # in summer, 8 in winter
        ("Asia/Kolkata", 7, 6, 30),  # 18:30 the day before: to 18:00 as events, then six hours to midnight
        ("America/St_Johns", 7, 3, 30),
    ],
)
def test_days_of_a_zone_read_the_hours_to_the_nearest_midnight_alone(zone: str, month: int, hours: int, events: int) -> None:
    parts = plan_of_days(zone, month, is_broad=False)
    assert read(parts, Grain.DAY) == timedelta(days=10)
    assert read(parts, Grain.HOUR) <= timedelta(hours=hours) * 11
    assert read(parts, Grain.EVENT) <= timedelta(minutes=events) * 11


@pytest.mark.parametrize(
    "zone, month, day, hours, quarters",
    [
        ("UTC", 7, Grain.DAY, 0, 0),
        ("Europe/Berlin", 11, Grain.DAY, 1, 0),
        ("America/Los_Angeles", 7, Grain.DAY_FROM_6, 1, 0),  # midnight is 07:00
        ("America/Los_Angeles", 12, Grain.DAY_FROM_6, 2, 0),
        ("Asia/Kolkata", 7, Grain.DAY_FROM_18, 0, 2),  # 18:30
        ("Asia/Kathmandu", 7, Grain.DAY_FROM_18, 0, 1),  # 18:15
        ("Pacific/Chatham", 7, Grain.DAY_FROM_12, 1, 1),  # 11:15
        ("Asia/Tokyo", 7, Grain.DAY_FROM_12, 3, 0),  # 15:00 is as far from either as it can be
    ],
)
def test_broad_days_of_a_zone_read_three_hours_at_most_and_no_event(zone: str, month: int, day: Grain, hours: int, quarters: int) -> None:
    parts = plan_of_days(zone, month, is_broad=True)
    assert read(parts, *DAY_HOURS) == read(parts, day) == timedelta(days=10)
    assert read(parts, Grain.HOUR) == timedelta(hours=hours) * 11
    assert read(parts, Grain.QUARTER) == timedelta(minutes=15 * quarters) * 11
    assert read(parts, Grain.EVENT) == timedelta()


@pytest.mark.parametrize(
    "zone, is_broad, steps",
    [
        ("UTC", True, 10),  # ten days
        ("Europe/Berlin", True, 10 + 11),  # an hour for each of eleven midnights of winter
        ("Asia/Kathmandu", True, 10 + 11),  # a quarter for each
        ("Asia/Kolkata", False, 10 + 11 * 6),  # six hours for each; half an hour of events counts for nothing
    ],
)
def test_steps_are_the_days_hours_and_quarters_of_all_parts(zone: str, is_broad: bool, steps: int) -> None:
    assert slots.steps(plan_of_days(zone, 11, is_broad=is_broad)) == steps


def test_a_short_period_reads_no_whole_day() -> None:
    parts = slots.plan([BASE + timedelta(hours=9), BASE + timedelta(hours=11)])
    assert parts == [Part(Grain.HOUR, BASE + timedelta(hours=9), BASE + timedelta(hours=11), 0, None)]
    minutes = [BASE + timedelta(hours=9, minutes=10), BASE + timedelta(hours=9, minutes=20)]
    assert slots.plan(minutes) == [Part(Grain.EVENT, minutes[0], minutes[1], 0, None)]


def test_more_stretches_than_are_allowed_are_none() -> None:
    period = Period(BASE, BASE + timedelta(days=3))
    assert slots.cut(period, CalendarUnit.DAY, zones.named("UTC"), at_most=2) is None
    assert len(slots.cut(period, CalendarUnit.DAY, zones.named("UTC"), at_most=3) or ()) == 3
