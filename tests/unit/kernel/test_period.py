"""Periods: half-open, never empty; the calendar's partition time in every zone; anchored dates never drift."""

from __future__ import annotations

import functools
import itertools
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.kernel import instant, period, zone
from carbonledger.kernel.period import CalendarUnit, Interval, Period

HOUR, DAY, WEEK, MONTH, QUARTER, HALF_YEAR, YEAR = CalendarUnit
ZONES = (
    "UTC", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", "America/New_York",
    "America/St_Johns",  # set back at 00:01 until 2011: midnight comes twice
    "Antarctica/Casey",  # jumps by three hours
)  # fmt: skip
SOON = timedelta(microseconds=1)
INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone


def at(text: str) -> datetime:
    return instant.from_api_instant(text)


def span(start: str, end: str | None) -> Period:
    return Period(at(start), None if end is None else at(end))


def days(first: int, last: int | None) -> Period:
    """The days ``first`` to ``last`` of May 2026, the last outside."""
    return Period(datetime(2026, 5, first, tzinfo=UTC), None if last is None else datetime(2026, 5, last, tzinfo=UTC))


@pytest.mark.parametrize("start, end", [(2, 2), (3, 2)])
def test_a_period_ends_after_it_starts(start: int, end: int) -> None:
    with pytest.raises(period.PeriodInvalid):
        days(start, end)


def test_a_period_is_held_in_utc() -> None:
    berlin = zone.named("Europe/Berlin")
    held = Period(datetime(2026, 5, 1, tzinfo=berlin), datetime(2026, 6, 1, tzinfo=berlin))
    assert held == span("2026-04-30T22:00:00Z", "2026-05-31T22:00:00Z")
    assert held.start.tzinfo is UTC


def test_a_local_time_bounds_nothing() -> None:
    with pytest.raises(ValueError, match="offset"):
        Period(datetime(2026, 5, 1), None)  # noqa: DTZ001 - the point


def test_the_start_is_inside_and_the_end_is_not() -> None:
    may = days(1, 31)
    assert may.contains(may.start)
    assert not may.contains(may.start - SOON)
    assert may.contains(datetime(2026, 5, 31, tzinfo=UTC) - SOON)
    assert not may.contains(datetime(2026, 5, 31, tzinfo=UTC))
    assert days(1, None).contains(datetime(9999, 1, 1, tzinfo=UTC))


OVERLAPS = [
    # one, other, what is in both
    (days(1, 10), days(5, 15), days(5, 10)),
    (days(1, 10), days(2, 3), days(2, 3)),  # one inside the other
    (days(1, 10), days(1, 10), days(1, 10)),
    (days(1, 10), days(10, 15), None),  # they meet
    (days(1, 10), days(11, 15), None),
    (days(1, None), days(5, 15), days(5, 15)),  # without end
    (days(1, None), days(5, None), days(5, None)),
    (days(5, None), days(1, 5), None),
]


@pytest.mark.parametrize("one, other, both", OVERLAPS)
def test_overlaps_table(one: Period, other: Period, both: Period | None) -> None:
    assert one.intersect(other) == other.intersect(one) == both
    assert one.overlaps(other) is other.overlaps(one) is (both is not None)


def test_the_duration_is_the_time_that_passes() -> None:
    assert days(1, 3).duration == timedelta(days=2)
    assert days(1, None).duration is None


def test_a_split_cuts_at_each_instant() -> None:
    fourth, seventh = datetime(2026, 5, 4, tzinfo=UTC), datetime(2026, 5, 7, tzinfo=UTC)
    assert days(1, 10).split(fourth, seventh) == (days(1, 4), days(4, 7), days(7, 10))
    assert days(1, None).split(fourth) == (days(1, 4), days(4, None))
    assert days(1, 10).split() == (days(1, 10),)


@pytest.mark.parametrize("cuts", [(1,), (10,), (11,), (4, 4), (7, 4)], ids=repr)
def test_a_cut_at_a_bound_outside_twice_or_out_of_order_is_refused(cuts: tuple[int, ...]) -> None:
    with pytest.raises(period.PeriodInvalid):
        days(1, 10).split(*(datetime(2026, 5, cut, tzinfo=UTC) for cut in cuts))


@pytest.mark.parametrize("other", [days(11, 12), days(9, 12), days(1, 10)])
def test_only_periods_that_meet_are_merged(other: Period) -> None:
    assert days(1, 10).merge(days(10, None)) == days(1, None)
    with pytest.raises(period.PeriodInvalid):
        days(1, 10).merge(other)


@given(st.lists(INSTANTS, min_size=2, max_size=8, unique=True), st.booleans())
def test_merging_the_parts_of_a_split_gives_the_period(bounds: list[datetime], endless: bool) -> None:
    start, *cuts, end = sorted(bounds)
    whole = Period(start, None if endless else end)
    parts = whole.split(*cuts)
    assert functools.reduce(Period.merge, parts) == whole
    for moment in bounds:
        assert sum(part.contains(moment) for part in parts) == whole.contains(moment)


CALENDAR = [
    # unit, zone, an instant, start, end: from the zone's rules, by hand
    (HOUR, "UTC", "2026-05-17T10:59:59.999999Z", "2026-05-17T10:00:00Z", "2026-05-17T11:00:00Z"),
    (HOUR, "Asia/Kathmandu", "2026-05-17T10:20:00Z", "2026-05-17T10:15:00Z", "2026-05-17T11:15:00Z"),  # 16:00 to 17:00 there
    (HOUR, "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"),  # 02:30, the first time
    (HOUR, "Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"),  # 02:30, the second
    # Lord Howe goes back from 02:00 to 01:30: the half hour is an hour of its own
    (HOUR, "Australia/Lord_Howe", "2026-04-04T14:45:00Z", "2026-04-04T14:00:00Z", "2026-04-04T15:00:00Z"),
    (HOUR, "Australia/Lord_Howe", "2026-04-04T15:15:00Z", "2026-04-04T15:00:00Z", "2026-04-04T15:30:00Z"),
    # and on from 02:00 to 02:30
    (HOUR, "Australia/Lord_Howe", "2026-10-03T15:45:00Z", "2026-10-03T15:30:00Z", "2026-10-03T16:00:00Z"),
    (DAY, "UTC", "2026-05-17T00:00:00Z", "2026-05-17T00:00:00Z", "2026-05-18T00:00:00Z"),
    (DAY, "Asia/Kathmandu", "2026-05-17T18:14:59Z", "2026-05-16T18:15:00Z", "2026-05-17T18:15:00Z"),
    (DAY, "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),  # 23 hours
    (DAY, "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),  # 25 hours
    (DAY, "America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"),  # midnight missing
    (DAY, "America/Sao_Paulo", "2018-02-18T02:30:00Z", "2018-02-17T02:00:00Z", "2018-02-18T03:00:00Z"),  # 23:30 again
    (DAY, "Australia/Lord_Howe", "2026-10-03T20:00:00Z", "2026-10-03T13:30:00Z", "2026-10-04T13:00:00Z"),  # 23.5 hours
    (DAY, "Australia/Lord_Howe", "2026-04-04T20:00:00Z", "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z"),  # 24.5 hours
    (DAY, "Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"),  # the 29th
    (DAY, "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"),  # the 31st
    (DAY, "America/St_Johns", "2010-11-07T02:45:00Z", "2010-11-07T02:30:00Z", "2010-11-08T03:30:00Z"),  # 23:15 again, of a day begun
    (WEEK, "UTC", "2026-01-01T00:00:00Z", "2025-12-29T00:00:00Z", "2026-01-05T00:00:00Z"),  # ISO week 1 of 2026
    (WEEK, "America/New_York", "2026-11-02T04:59:59Z", "2026-10-26T04:00:00Z", "2026-11-02T05:00:00Z"),  # 169 hours
    (WEEK, "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-26T10:00:00Z", "2012-01-01T10:00:00Z"),  # six days
    (MONTH, "Europe/Berlin", "2026-03-01T00:00:00Z", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"),
    (MONTH, "America/New_York", "2026-11-01T04:00:00Z", "2026-11-01T04:00:00Z", "2026-12-01T05:00:00Z"),
    (MONTH, "Pacific/Apia", "2011-12-15T00:00:00Z", "2011-12-01T10:00:00Z", "2011-12-31T10:00:00Z"),  # 30 days
    (MONTH, "UTC", "2024-02-29T23:59:59Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
    (QUARTER, "UTC", "2026-05-17T00:00:00Z", "2026-04-01T00:00:00Z", "2026-07-01T00:00:00Z"),
    (QUARTER, "Europe/Berlin", "2026-12-31T22:59:59Z", "2026-09-30T22:00:00Z", "2026-12-31T23:00:00Z"),
    (HALF_YEAR, "UTC", "2026-07-01T00:00:00Z", "2026-07-01T00:00:00Z", "2027-01-01T00:00:00Z"),
    (HALF_YEAR, "UTC", "2026-06-30T23:59:59Z", "2026-01-01T00:00:00Z", "2026-07-01T00:00:00Z"),
    (YEAR, "America/Sao_Paulo", "2026-01-01T02:59:59Z", "2025-01-01T03:00:00Z", "2026-01-01T03:00:00Z"),
]


@pytest.mark.parametrize("unit, name, moment, start, end", CALENDAR)
def test_calendar_table(unit: CalendarUnit, name: str, moment: str, start: str, end: str) -> None:
    assert period.calendar_period(at(moment), unit, zone.named(name)) == span(start, end)


def test_a_calendar_period_is_found_from_any_offset() -> None:
    berlin = zone.named("Europe/Berlin")
    local = datetime(2026, 10, 25, 2, 30, tzinfo=berlin, fold=1)
    for unit in CalendarUnit:
        assert period.calendar_period(local, unit, berlin) == period.calendar_period(local.astimezone(UTC), unit, berlin)


@given(INSTANTS, st.sampled_from(CalendarUnit), st.sampled_from(ZONES))
def test_the_calendar_partitions_time(moment: datetime, unit: CalendarUnit, name: str) -> None:
    """One period holds the instant, and its neighbours begin and end where it does."""
    there = zone.named(name)
    found = period.calendar_period(moment, unit, there)
    assert found.contains(moment)
    assert found.end is not None
    assert period.calendar_period(found.start, unit, there) == found
    assert period.calendar_period(found.end - SOON, unit, there) == found
    assert period.calendar_period(found.start - SOON, unit, there).end == found.start
    assert period.calendar_period(found.end, unit, there).start == found.end


@given(INSTANTS, st.sampled_from(CalendarUnit), st.sampled_from(ZONES))
def test_ends_follow_each_other_as_periods_do(moment: datetime, unit: CalendarUnit, name: str) -> None:
    there = zone.named(name)
    expected, at_ = [], moment
    for _ in range(5):
        found = period.calendar_period(at_, unit, there)
        assert found.end is not None
        expected.append(at_ := found.end)
    assert list(itertools.islice(period.calendar_ends(moment, unit, there), 5)) == expected


CHANGES = [
    # zone, when its clocks were set
    ("Europe/Berlin", "2026-03-29T01:00:00Z"),
    ("Europe/Berlin", "2026-10-25T01:00:00Z"),
    ("America/Sao_Paulo", "2018-11-04T03:00:00Z"),
    ("America/Sao_Paulo", "2018-02-18T02:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
    ("Asia/Kathmandu", "1985-12-31T18:30:00Z"),  # from +05:30 to +05:45
    ("America/New_York", "2026-03-08T07:00:00Z"),
    ("America/New_York", "2026-11-01T06:00:00Z"),
    ("America/St_Johns", "2010-11-07T02:31:00Z"),
    ("Antarctica/Casey", "2018-03-10T17:00:00Z"),
]


@pytest.mark.parametrize("name, change", CHANGES)
@pytest.mark.parametrize("unit", CalendarUnit)
def test_periods_meet_around_every_change_of_a_clock(unit: CalendarUnit, name: str, change: str) -> None:
    there, moment = zone.named(name), at(change) - timedelta(hours=30)
    found = period.calendar_period(moment, unit, there)
    while moment < at(change) + timedelta(hours=30):
        if not found.contains(moment):
            following = period.calendar_period(moment, unit, there)
            assert found.merge(following).contains(moment)
            found = following
        assert period.calendar_period(moment, unit, there) == found
        assert next(period.calendar_ends(moment, unit, there)) == found.end
        moment += timedelta(minutes=15)


ANCHORED = [
    # anchor, interval, dates 0, 1, 2, … by hand
    # Stripe documents it so: an anchor of 31 January renews on 28 (or 29) February, 31 March, 30 April
    (date(2026, 1, 31), Interval(MONTH), ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]),
    (date(2024, 1, 30), Interval(MONTH), ["2024-01-30", "2024-02-29", "2024-03-30"]),
    (date(2024, 2, 29), Interval(YEAR), ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]),
    (date(2023, 8, 31), Interval(HALF_YEAR), ["2023-08-31", "2024-02-29", "2024-08-31"]),
    (date(2026, 11, 30), Interval(QUARTER), ["2026-11-30", "2027-02-28", "2027-05-30", "2027-08-30"]),
    (date(2026, 12, 31), Interval(MONTH, 2), ["2026-12-31", "2027-02-28", "2027-04-30", "2027-06-30", "2027-08-31"]),
    (date(2026, 12, 28), Interval(WEEK), ["2026-12-28", "2027-01-04"]),
    (date(2026, 12, 28), Interval(WEEK, 2), ["2026-12-28", "2027-01-11"]),
    (date(2024, 2, 28), Interval(DAY), ["2024-02-28", "2024-02-29", "2024-03-01"]),
]


@pytest.mark.parametrize("anchor, interval, dates", ANCHORED)
def test_anchored_dates_table(anchor: date, interval: Interval, dates: list[str]) -> None:
    assert [period.anchored_date(anchor, interval, n).isoformat() for n in range(len(dates))] == dates


@given(
    st.dates(date(2015, 1, 1), date(2050, 12, 31)),
    st.sampled_from([MONTH, QUARTER, HALF_YEAR, YEAR]),
    st.integers(1, 4),
    st.integers(0, 100),
)
def test_an_anchored_date_is_the_anchors_day_or_the_last_of_a_shorter_month(anchor: date, unit: CalendarUnit, count: int, n: int) -> None:
    found = period.anchored_date(anchor, Interval(unit, count), n)
    assert found.day == anchor.day or (found.day < anchor.day and (found + timedelta(days=1)).day == 1)
    assert found < period.anchored_date(anchor, Interval(unit, count), n + 1)


@given(
    st.dates(date(2015, 1, 1), date(2035, 12, 31)),
    st.sampled_from([DAY, WEEK, MONTH, QUARTER, HALF_YEAR, YEAR]),
    st.integers(0, 40),
    st.sampled_from(ZONES),
)
def test_anchored_periods_meet(anchor: date, unit: CalendarUnit, n: int, name: str) -> None:
    there = zone.named(name)
    one, next_one = (period.anchored_period(anchor, Interval(unit), index, there) for index in (n, n + 1))
    assert one.merge(next_one) == Period(one.start, next_one.end)


def test_an_anchored_period_runs_from_local_midnight_to_local_midnight() -> None:
    found = period.anchored_period(date(2026, 1, 31), Interval(MONTH), 2, zone.named("Europe/Berlin"))
    assert found == span("2026-03-30T22:00:00Z", "2026-04-29T22:00:00Z")  # 31 March to 30 April, both in summer time


def test_a_day_that_a_zone_skipped_is_no_period() -> None:
    with pytest.raises(period.PeriodInvalid):
        period.anchored_period(date(2011, 12, 29), Interval(DAY), 1, zone.named("Pacific/Apia"))


@pytest.mark.parametrize("count", [0, -1, True, 1.0], ids=repr)
def test_an_interval_is_one_unit_or_more(count: int) -> None:
    with pytest.raises(period.PeriodInvalid):
        Interval(MONTH, count)


def test_dates_are_not_counted_in_hours_nor_backwards() -> None:
    with pytest.raises(period.PeriodInvalid):
        Interval(HOUR)
    with pytest.raises(ValueError, match="anchor"):
        period.anchored_date(date(2026, 1, 31), Interval(MONTH), -1)


LOCAL_DAYS = [
    # zone, period, days
    ("UTC", span("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"), 28),
    ("Europe/Berlin", span("2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"), 31),  # 743 hours
    ("Pacific/Apia", span("2011-12-01T10:00:00Z", "2011-12-31T10:00:00Z"), 31),  # one of them skipped: dates count, not hours
    ("America/New_York", span("2026-05-01T04:00:00Z", "2026-05-01T05:00:00Z"), 0),
]


@pytest.mark.parametrize("name, stretch, count", LOCAL_DAYS)
def test_days_are_counted_as_local_dates(name: str, stretch: Period, count: int) -> None:
    assert period.local_days(stretch, zone.named(name)) == count


def test_a_period_without_end_has_no_number_of_days() -> None:
    with pytest.raises(period.PeriodInvalid):
        period.local_days(days(1, None), zone.named("UTC"))
