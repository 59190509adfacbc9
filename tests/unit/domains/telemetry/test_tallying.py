"""Tallies put together: what is left to be read is as little as may be and nothing twice, and parts come to what the whole does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.telemetry.core import tallying
from carbonledger.domains.telemetry.types.metering import Aggregation, Dimension, Field, Filter, Group, Measure, Query
from carbonledger.domains.telemetry.types.tallying import Range, Slot, Stretch, Tally, Told

D = Decimal
DAY = datetime(2026, 10, 25, tzinfo=UTC)
NOTHING = Tally((), 0, 0, None, None, None, None, None, D(0), 0, 0, None, ())
LATEST = Query(aggregation=Aggregation.LATEST, event="pages", measure=Measure.QUANTITY)


def at(hour: float) -> datetime:
    return DAY + timedelta(hours=hour)


def slot(start: float, end: float, *, is_kept: bool = False) -> Slot:
    return Slot(at(start), at(end), 9, (NOTHING,) if is_kept else None)


def told(end: float = 24, *, series: tuple[str | None, ...] = (), is_before: bool = False, **more: object) -> Told:
    return Told(NOTHING._replace(**more), series, at(end), is_before)  # type: ignore[arg-type]  # named as its fields


def test_what_has_no_tallies_is_read_in_as_few_stretches_as_may_be() -> None:
    slots = [slot(0, 1), slot(1, 2), slot(5, 6), slot(6, 7, is_kept=True), slot(9, 10), slot(10, 11, is_kept=True)]
    assert tallying.left(slots) == [Stretch(at(0), at(6)), Stretch(at(9), at(10))]
    assert tallying.left([]) == []


def test_a_slot_is_split_into_its_whole_hours_and_what_lies_at_its_ends() -> None:
    part = slot(0.5, 3.75)
    assert tallying.hours_of(part) == Stretch(at(1), at(3))
    kept = slot(1, 2, is_kept=True)
    edges = [Slot(at(0.5), at(1), 0, None), kept, Slot(at(3), at(3.75), 0, None)]
    assert tallying.split(part, [kept]) == edges
    assert tallying.split(slot(0, 2), [kept]) == [kept]
    assert tallying.hours_of(slot(0.5, 1.75)) is None
    assert tallying.split(slot(0.5, 1.75), []) == [slot(0.5, 1.75)]


stretches = st.builds(lambda first, length: Stretch(at(first), at(first + length)), st.integers(0, 50), st.integers(1, 9))


@given(st.lists(stretches))
def test_joined_time_is_the_same_time_once(given_: list[Stretch]) -> None:
    def hours(of: list[Stretch]) -> list[datetime]:
        return [one.start + timedelta(hours=n) for one in of for n in range(int((one.end - one.start) / tallying.HOUR))]

    found = hours(tallying.joined(given_))
    assert len(found) == len(set(found))
    assert found == sorted(set(hours(given_)))


def test_a_sum_that_recurs_is_known_from_where_events_begin() -> None:
    query = Query(aggregation=Aggregation.WEIGHTED_SUM, event="pages", measure=Measure.QUANTITY, recurring=True)
    wanted = [Range("c", at(24), at(48)), Range("c", DAY, at(24), is_before=True)]
    assert tallying.ranges(query, "c", at(24), at(48), earliest=DAY) == wanted
    assert tallying.ranges(query, "c", DAY, at(48), earliest=DAY) == [Range("c", DAY, at(48))]
    assert tallying.ranges(replace(query, recurring=False), "c", at(24), at(48), earliest=DAY) == wanted[:1]


@pytest.mark.parametrize(
    "other",
    [
        replace(LATEST, aggregation=Aggregation.MAX),
        replace(LATEST, event="other"),
        replace(LATEST, event=None, measure=Measure.TOKENS),
        replace(LATEST, measure=Measure.PROPERTY, property_name="v"),
        replace(LATEST, filters=(Filter(Dimension(Field.PROPERTY, "team"), ("a",)),)),
        replace(LATEST, filters=(Filter(Dimension(Field.PROPERTY, "team"), ("a",), excluded=True),)),
        replace(LATEST, group_by=(Dimension(Field.AGENT),)),
    ],
)
def test_queries_that_count_otherwise_keep_their_tallies_apart(other: Query) -> None:
    assert tallying.number_of(other) != tallying.number_of(LATEST)
    assert tallying.number_of(replace(other)) == tallying.number_of(other)


def test_the_last_is_of_the_latest_time_and_then_of_the_largest_id() -> None:
    one = told(events=2, value=D(5), last_at=at(3), last_id=UUID(int=7))
    other = told(events=1, value=D(9), last_at=at(3), last_id=UUID(int=8))
    earlier = told(events=1, value=D(11), last_at=at(2), last_id=UUID(int=9))
    found = tallying.answer(LATEST, frozenset(), Stretch(DAY, at(24)), [other, one, earlier, told(skipped=4)])
    assert (found.quantity, found.events, found.skipped) == (D(9), 4, 4)


def test_a_weighted_sum_counts_what_each_part_left_standing() -> None:
    # 6 units come before the day, 4 at 02:00 in a tally that ends at 04:00 and 2 go at 12:00 in one that ends at 18:00. Until midnight they
    # stand for 24, 22 and 12 hours: (6 * 24 + 4 * 22 - 2 * 12) / 24 = 208 / 24.
    query = replace(LATEST, aggregation=Aggregation.WEIGHTED_SUM, recurring=True)
    parts = [
        told(0, is_before=True, events=1, value=D(6), area=D(0)),
        told(4, events=1, value=D(4), area=D(4 * 2 * 3600)),
        told(18, events=1, value=D(-2), area=D(-2 * 6 * 3600)),
    ]
    found = tallying.answer(query, frozenset(), Stretch(DAY, at(24)), parts)
    assert found.quantity == D("8.666666666667")


def test_different_values_are_counted_once_whichever_tallies_have_them() -> None:
    team = Dimension(Field.PROPERTY, "team")
    query = Query(aggregation=Aggregation.UNIQUE, event="pages", unique=Dimension(Field.PROPERTY, "user"), group_by=(team,))
    parts = [
        told(labels=("a",), events=3, members=("ann", "bob")),
        told(labels=("b",), events=1, members=("bob",)),
        told(labels=("a",), events=1, members=("bob",)),
    ]
    found = tallying.answer(query, frozenset(), Stretch(DAY, at(24)), parts)
    assert (found.quantity, found.events) == (D(2), 5)
    assert found.groups == (Group(("a",), D(2), 4), Group(("b",), D(1), 1))


def test_of_a_field_of_series_what_has_none_is_no_value_and_no_event() -> None:
    region, team = Dimension(Field.REGION), Dimension(Field.PROPERTY, "team")
    query = Query(aggregation=Aggregation.UNIQUE, unique=region, filters=(Filter(team, ("a",)),))
    parts = [told(series=("eu",), events=2), told(series=(None,), events=5), told(series=("eu",), events=1)]
    found = tallying.answer(query, frozenset(), Stretch(DAY, at(24)), parts)
    assert (found.quantity, found.events) == (D(1), 3)
