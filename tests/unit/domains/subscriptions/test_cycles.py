"""Periods: from the original anchor in every zone, clamped date by date, without gap or overlap."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.catalog.types import AnchorKind
from carbonledger.domains.subscriptions.core import commands, cycles
from carbonledger.domains.subscriptions.types import Cycle, When
from carbonledger.kernel import zone as zones
from carbonledger.kernel.period import CalendarUnit, Interval
from tests.unit.domains.subscriptions.lives import Life, at, flat, local, plan

_, DAY, WEEK, MONTH, QUARTER, HALF_YEAR, YEAR = CalendarUnit
CALENDAR = AnchorKind.CALENDAR
ZONES = ("UTC", "Europe/Berlin", "Australia/Sydney", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia", "Pacific/Kiritimati")


def some(life: Life, limit: int = 6, *, since: datetime | None = None) -> tuple[Cycle, ...]:
    return cycles.cycles(life.facts, life.versions, since=since, limit=limit)


def firsts(life: Life, limit: int = 6) -> list[str]:
    """The dates on which the first periods begin."""
    return [f"{cycle.first}" for cycle in some(life, limit)]


@pytest.mark.parametrize(
    "start, interval, dates",
    [
        # stripe.com/docs/subscriptions/billing-cycle: 31 January, then 28 February, 31 March, 30 April, and so on
        ("2026-01-31", Interval(MONTH), ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]),
        # the same page, of a leap year
        ("2028-01-31", Interval(MONTH), ["2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30", "2028-05-31"]),
        # the same page: weekly from Friday, June 3 [2022], every Friday after
        ("2022-06-03", Interval(WEEK), ["2022-06-03", "2022-06-10", "2022-06-17", "2022-06-24", "2022-07-01"]),
        # getlago.com/changelog/anniversary-date: from August 10th, every 10th
        ("2026-08-10", Interval(MONTH), ["2026-08-10", "2026-09-10", "2026-10-10", "2026-11-10", "2026-12-10"]),
        # 29 February is one again in the next leap year
        ("2024-02-29", Interval(YEAR), ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]),
        ("2025-11-30", Interval(QUARTER), ["2025-11-30", "2026-02-28", "2026-05-30", "2026-08-30", "2026-11-30"]),
        ("2025-08-31", Interval(HALF_YEAR), ["2025-08-31", "2026-02-28", "2026-08-31", "2027-02-28", "2027-08-31"]),
        ("2026-01-30", Interval(MONTH, 2), ["2026-01-30", "2026-03-30", "2026-05-30", "2026-07-30", "2026-09-30"]),
        ("2026-02-27", Interval(DAY, 3), ["2026-02-27", "2026-03-02", "2026-03-05", "2026-03-08", "2026-03-11"]),
    ],
)
def test_the_nth_date_is_counted_from_the_anchor(start: str, interval: Interval, dates: list[str]) -> None:
    assert firsts(Life(plan("p", interval=interval), at(start)), 5) == dates


@pytest.mark.parametrize(
    "start, interval, dates",
    [
        ("2026-05-15", Interval(MONTH), ["2026-05-01", "2026-06-01", "2026-07-01"]),
        ("2026-05-15", Interval(QUARTER), ["2026-04-01", "2026-07-01", "2026-10-01"]),
        ("2026-05-15", Interval(HALF_YEAR), ["2026-01-01", "2026-07-01", "2027-01-01"]),
        ("2026-05-15", Interval(YEAR), ["2026-01-01", "2027-01-01", "2028-01-01"]),
        ("2026-05-15", Interval(WEEK), ["2026-05-11", "2026-05-18", "2026-05-25"]),  # a Friday; weeks begin on Monday (ISO 8601)
    ],
)
def test_the_calendar_cuts_where_it_does_and_the_first_period_is_a_part(start: str, interval: Interval, dates: list[str]) -> None:
    life = Life(plan("p", interval=interval, anchor=CALENDAR), at(start))
    assert firsts(life, 3) == dates
    assert some(life, 1)[0].part.start == at(start)


@pytest.mark.parametrize(
    "name, start, bounds",
    [
        # Berlin: clocks forward on 29 March 2026, so that the month has 31 days less an hour
        ("Europe/Berlin", "2026-03-01T10:00:00", ["2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"]),
        # Sydney: clocks back on 5 April 2026
        ("Australia/Sydney", "2026-04-01T10:00:00", ["2026-03-31T13:00:00Z", "2026-04-30T14:00:00Z"]),
        # Lord Howe: by half an hour, on 5 April 2026
        ("Australia/Lord_Howe", "2026-04-01T10:00:00", ["2026-03-31T13:00:00Z", "2026-04-30T13:30:00Z"]),
        # Sao Paulo: 4 November 2018 began at 01:00, its midnight was missing
        ("America/Sao_Paulo", "2018-10-04T10:00:00", ["2018-10-04T03:00:00Z", "2018-11-04T03:00:00Z"]),
        # Kiritimati: 14 hours ahead
        ("Pacific/Kiritimati", "2026-01-31T00:30:00", ["2026-01-30T10:00:00Z", "2026-02-27T10:00:00Z"]),
    ],
)
def test_bounds_are_local_midnights(name: str, start: str, bounds: list[str]) -> None:
    [cycle] = some(Life(plan("p"), local(start, name), name=name), 1)
    assert [cycle.service.start, cycle.service.end] == [at(bound) for bound in bounds]


def test_a_day_that_a_zone_skipped_has_no_period() -> None:
    # Samoa had no 30 December 2011: it moved across the date line.
    life = Life(plan("p", interval=Interval(DAY)), local("2011-12-28T08:00:00", "Pacific/Apia"), name="Pacific/Apia")
    assert firsts(life, 4) == ["2011-12-28", "2011-12-29", "2011-12-31", "2012-01-01"]
    found = some(life, 4)
    assert all(one.service.end == two.service.start for one, two in pairwise(found))


def test_after_a_move_the_next_period_starts_where_the_last_one_ended() -> None:
    # A month begun in Berlin ends at Berlin's midnight (22:00Z); the next one ends at New York's (04:00Z), and so on.
    life = Life(plan("p", flat("31")), local("2026-07-01T00:00:00", "Europe/Berlin"), name="Europe/Berlin")
    life.do(at("2026-07-10"), commands.change_zone, "America/New_York")
    found = some(life, 3)
    assert [f"{cycle.service.start:%m-%dT%H}" for cycle in found] == ["06-30T22", "07-31T22", "09-01T04"]
    assert [(cycle.after - cycle.first).days for cycle in found] == [31, 31, 30]
    due = life.due(at("2026-09-01T12:00:00Z"))
    assert [(one.numerator, one.denominator) for one in due] == [(31, 31), (31, 31), (30, 30)]


def test_the_anchor_outlives_changes_at_renewal() -> None:
    # From the 31st: the quarter takes over at 30 April, and is one of the 31st.
    life = Life(plan("p"), at("2026-01-31"))
    life.do(at("2026-04-02"), commands.change_plan, plan("q", interval=Interval(QUARTER)), when=When.RENEWAL)
    assert firsts(life) == ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-07-31", "2026-10-31"]


def test_a_trial_comes_before_the_anchor() -> None:
    assert firsts(Life(plan("p", trial_days=14), at("2026-01-17T10:00:00Z")), 3) == ["2026-01-31", "2026-02-28", "2026-03-31"]


@pytest.mark.parametrize("anchor", [date(2020, 2, 29), date(2031, 8, 31), date(2028, 2, 29), date(2026, 5, 16)])
@pytest.mark.parametrize("interval", [Interval(MONTH), Interval(QUARTER), Interval(YEAR), Interval(YEAR, 3), Interval(WEEK, 2)])
def test_a_named_anchor_may_lie_anywhere(anchor: date, interval: Interval) -> None:
    start = at("2026-05-15T09:00:00Z")
    found = some(Life(plan("p", interval=interval), start, anchor=anchor), 3)
    assert found[0].service.start <= start < found[1].service.start
    assert found[0].part.start == at("2026-05-15")
    assert anchor.weekday() == found[1].first.weekday() if interval.unit is WEEK else found[1].first.day in {anchor.day, 28, 30}


@given(
    name=st.sampled_from(ZONES),
    start=st.datetimes(datetime(2005, 1, 1), datetime(2035, 1, 1)),  # noqa: DTZ001 - local, the zone follows
    interval=st.builds(Interval, st.sampled_from([DAY, WEEK, MONTH, QUARTER, HALF_YEAR, YEAR]), st.integers(1, 4)),
    kind=st.sampled_from(AnchorKind),
    moves=st.lists(st.tuples(st.integers(1, 400), st.sampled_from(ZONES)), max_size=3),
)
def test_periods_partition_time_whatever_zones_do(
    name: str, start: datetime, interval: Interval, kind: AnchorKind, moves: list[tuple[int, str]]
) -> None:
    began = zones.to_instant(start, zones.named(name))
    life = Life(plan("p", flat("1"), interval=interval, anchor=kind), began, name=name)
    for days, zone in sorted(moves):
        life.do(began + timedelta(days=days), commands.change_zone, zone)
    found = some(life, 30)
    assert found[0].service.contains(began)
    assert found[0].part.start <= began
    for one, two in pairwise(found):
        assert one.service.end == two.service.start == two.part.start == one.part.end
        assert one.after <= two.first
    # Found from the middle on, they are the same: nothing depends on where one begins to look.
    middle = found[len(found) // 2]
    assert some(life, 3, since=middle.service.start)[0] == middle


def test_the_next_thing_due_is_the_next_fact_or_the_end_of_the_period() -> None:
    life = Life(plan("p", trial_days=14), at("2026-01-01"))

    def due(text: str) -> datetime | None:
        return cycles.next_due(life.facts, life.versions, after=at(text))

    assert due("2025-12-31") == at("2026-01-01")
    assert due("2026-01-01") == at("2026-01-15")
    assert due("2026-01-15") == at("2026-02-15")
    life.do(at("2026-01-20"), commands.pause, until=at("2026-03-01"))
    assert [due(text) for text in ("2026-01-20", "2026-02-15", "2026-03-01")] == [at("2026-02-15"), at("2026-03-01"), at("2026-03-15")]
    life.do(at("2026-03-02"), commands.cancel)
    assert due("2026-03-02") is None
