"""How the clock of a sandbox moves from one thing due to the next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.identity.core import clock

START = datetime(2026, 1, 31, tzinfo=UTC)


def day(number: int) -> datetime:
    return START + timedelta(days=number)


@pytest.mark.parametrize(
    "due, stop",
    [
        ([], None),
        ([None, None], None),
        ([3], 3),
        ([5, None, 3, 4], 3),  # the earliest
        ([10], 10),  # at the target it still happens
        ([11], None),  # after it, not
        ([-2], 0),  # overdue: it happens where the clock stands
        ([-2, 3], 0),
        ([0], 0),
    ],
)
def test_the_next_stop(due: list[int | None], stop: int | None) -> None:
    found = clock.next_stop(START, day(10), [None if number is None else day(number) for number in due])
    assert found == (None if stop is None else day(stop))


@given(st.lists(st.integers(-5, 15), max_size=20))
def test_everything_due_happens_once_in_order_and_the_clock_never_goes_back(numbers: list[int]) -> None:
    left, at, happened = sorted(numbers), START, []
    while (stop := clock.next_stop(at, day(10), [day(left[0]) if left else None])) is not None:
        assert at <= stop <= day(10)
        at = stop
        happened.append(left.pop(0))
    assert happened == sorted(number for number in numbers if number <= 10)
