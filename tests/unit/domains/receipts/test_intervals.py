"""What of the inventory goes to a receipt, in which order, and what is left: worked by hand, and by a second way of counting."""

from __future__ import annotations

import dataclasses
from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.receipts.core import intervals
from carbonledger.domains.receipts.types.credits import (
    Bound,
    Interval,
    InventoryShort,
    OffsetPolicy,
    OffsetPolicyInvalid,
    Remainder,
    Share,
)

A, B, C = (UUID(int=number) for number in (1, 2, 3))


def remainder(lot: UUID, begin: int, end: int, *, vintage: int = 2020, day: int = 1, number: int | None = None) -> Remainder:
    return Remainder(lot, lot.int if number is None else number, vintage, date(2026, 1, day), Interval(begin, end))


def share(lot: UUID, begin: int, end: int) -> Share:
    return Share(lot, Interval(begin, end))


@pytest.mark.parametrize(
    "free, milligrams, expected",
    [
        ([remainder(A, 0, 100)], 40, [share(A, 0, 40)]),
        ([remainder(A, 40, 100)], 60, [share(A, 40, 100)]),  # to the last milligram
        ([remainder(A, 0, 100), remainder(B, 0, 50, vintage=2019)], 70, [share(B, 0, 50), share(A, 0, 20)]),  # oldest vintage first
        ([remainder(A, 0, 10, day=2), remainder(B, 0, 10, day=1)], 5, [share(B, 0, 5)]),  # then first retired
        ([remainder(A, 0, 10, number=9), remainder(B, 0, 10, number=8)], 5, [share(B, 0, 5)]),  # then first imported
        ([remainder(A, 60, 100), remainder(A, 0, 20)], 30, [share(A, 0, 20), share(A, 60, 70)]),  # a gap that was released is used first
        ([remainder(A, 0, 20), remainder(A, 20, 100)], 30, [share(A, 0, 30)]),  # what follows each other is one part
        ([remainder(A, 0, 1), remainder(B, 0, 1), remainder(C, 0, 1)], 3, [share(A, 0, 1), share(B, 0, 1), share(C, 0, 1)]),
    ],
)
def test_the_oldest_goes_first_from_its_beginning(free: list[Remainder], milligrams: int, expected: list[Share]) -> None:
    assert intervals.taken(free, milligrams=milligrams) == tuple(expected)
    assert intervals.taken(reversed(free), milligrams=milligrams) == tuple(expected)


def test_what_is_not_there_is_said_and_not_taken() -> None:
    with pytest.raises(InventoryShort) as short:
        intervals.taken([remainder(A, 0, 100), remainder(B, 50, 60)], milligrams=111)
    assert (short.value.needed_mg, short.value.available_mg) == (111, 110)
    with pytest.raises(InventoryShort):
        intervals.taken([], milligrams=1)
    for nonsense in (0, -1):
        with pytest.raises(ValueError, match="can't be allocated"):
            intervals.taken([remainder(A, 0, 100)], milligrams=nonsense)


# mid, high, policy -> owed. 12.5 % is none; 33 % of 100 mg = 33; of 101 = 33.33 -> 34.
@pytest.mark.parametrize(
    "mid, high, policy, owed",
    [
        (700, 1000, OffsetPolicy(), 1000),
        (700, 1000, OffsetPolicy(bound=Bound.MID), 700),
        (700, 1000, OffsetPolicy(percent=50), 500),
        (700, 1001, OffsetPolicy(percent=50), 501),  # rounded up: never less than what the plan says
        (100, 0, OffsetPolicy(bound=Bound.MID, percent=33), 33),
        (101, 0, OffsetPolicy(bound=Bound.MID, percent=33), 34),
        (1, 1, OffsetPolicy(percent=1), 1),
        (0, 0, OffsetPolicy(), 0),
        (-5, -1, OffsetPolicy(), 0),  # adjustments took more than the month has
        (2**60, 2**60 + 1, OffsetPolicy(percent=100), 2**60 + 1),  # exact beyond what a float holds
    ],
)
def test_what_is_owed_is_the_plans_share_of_the_gross(mid: int, high: int, policy: OffsetPolicy, owed: int) -> None:
    assert intervals.owed_mg(mid_mg=mid, high_mg=high, policy=policy) == owed


@pytest.mark.parametrize("percent", [0, 101, -1])
def test_a_share_is_one_to_a_hundred_percent(percent: int) -> None:
    with pytest.raises(OffsetPolicyInvalid):
        OffsetPolicy(percent=percent)


@pytest.mark.parametrize("begin, end", [(5, 5), (6, 5), (-1, 5)])
def test_an_interval_is_a_part_of_something(begin: int, end: int) -> None:
    with pytest.raises(ValueError, match="no part"):
        Interval(begin, end)


@pytest.mark.parametrize(
    "free, part, left",
    [
        ([(0, 10)], (0, 10), []),
        ([(0, 10)], (0, 4), [(4, 10)]),
        ([(0, 10)], (6, 10), [(0, 6)]),
        ([(0, 10)], (3, 5), [(0, 3), (5, 10)]),
        ([(0, 3), (3, 10), (20, 30)], (2, 5), [(0, 2), (5, 10), (20, 30)]),  # over the border of two that touch
    ],
)
def test_a_part_is_taken_out(free: list[tuple[int, int]], part: tuple[int, int], left: list[tuple[int, int]]) -> None:
    assert intervals.without([Interval(*one) for one in free], Interval(*part)) == tuple(Interval(*one) for one in left)


@pytest.mark.parametrize("part", [(9, 12), (10, 12), (15, 25), (0, 100)])
def test_what_is_not_free_can_not_be_taken_out(part: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="not free"):
        intervals.without([Interval(0, 10), Interval(20, 30)], Interval(*part))


def test_intervals_that_touch_are_one_and_none_overlap() -> None:
    parts = [Interval(5, 10), Interval(0, 5), Interval(12, 13)]
    assert intervals.merged(parts) == (Interval(0, 10), Interval(12, 13))
    assert intervals.total_mg(parts) == 11
    with pytest.raises(ValueError, match="overlaps"):
        intervals.merged([Interval(0, 5), Interval(4, 6)])


_SIZE = 60


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 25)), max_size=40))
def test_any_order_of_allocations_and_releases_gives_each_milligram_to_one_at_a_time(steps: list[tuple[bool, int]]) -> None:
    """The model is a list of milligrams, each held by nobody or by the number of a receipt."""
    held: list[int | None] = [None] * _SIZE
    free: tuple[Interval, ...] = (Interval(0, _SIZE),)
    receipts: dict[int, tuple[Share, ...]] = {}
    for number, (is_release, amount) in enumerate(steps):
        if is_release and receipts:
            gone = sorted(receipts)[amount % len(receipts)]
            free = intervals.merged([*free, *(one.interval for one in receipts.pop(gone))])
            held = [None if holder == gone else holder for holder in held]
        elif not is_release:
            spare = held.count(None)
            remainders = [dataclasses.replace(remainder(A, 0, _SIZE), interval=one) for one in free]
            if amount > spare:
                with pytest.raises(InventoryShort) as short:
                    intervals.taken(remainders, milligrams=amount)
                assert short.value.available_mg == spare
                continue
            shares = intervals.taken(remainders, milligrams=amount)
            # The model takes the first milligrams that nobody holds.
            places = [place for place, holder in enumerate(held) if holder is None][:amount]
            for place in places:
                held[place] = number
            assert [place for one in shares for place in range(one.interval.from_mg, one.interval.to_mg)] == places
            for one in shares:
                free = intervals.without(free, one.interval)
            receipts[number] = shares
        assert intervals.total_mg(free) == held.count(None)
