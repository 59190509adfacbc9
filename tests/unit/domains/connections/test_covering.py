"""Which time connections have told, and which is left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from carbonledger.domains.connections.core import covering
from carbonledger.domains.connections.core.covering import Stretch
from carbonledger.domains.connections.types import Carries, Stream, StreamState

AT = datetime(2026, 11, 20, tzinfo=UTC)
HOURS = Stream(name="hours", bucket_width_s=3600, carries=Carries.TOKENS)
MORE = Stream(name="more", bucket_width_s=3600, carries=Carries.TOKENS)
DAYS = Stream(name="days", bucket_width_s=86_400, carries=Carries.TOKENS, is_completed_only=True, instead_of="hours")
COSTS = Stream(name="costs", bucket_width_s=86_400, carries=Carries.COSTS)


def day(number: float) -> datetime:
    return AT + timedelta(days=number)


def state(name: str, read_to: datetime | None, *, polled_at: datetime | None = None, is_read: bool = True) -> StreamState:
    return StreamState(stream=name, is_read=is_read, read_from=None if read_to is None else AT, read_to=read_to, polled_at=polled_at)


UP_TO = [
    ([], AT),
    ([state("costs", day(5))], AT),  # no tokens
    ([state("hours", day(3))], day(3)),
    ([state("hours", day(3)), state("more", day(2))], day(2)),  # the least
    ([state("hours", day(3)), state("more", None)], AT),
    ([state("hours", day(3)), state("more", None, is_read=False)], day(3)),  # one that is not for the key
    ([state("hours", day(3)), state("more", day(2), is_read=False)], day(3)),  # nor any more
    ([state("hours", day(3), is_read=False)], day(3)),
    ([state("hours", day(3), is_read=False), state("days", None)], day(3)),  # of two that take each other's place the furthest
    ([state("hours", day(3), is_read=False), state("days", day(5))], day(5)),
    ([state("hours", day(3), polled_at=day(3) - timedelta(minutes=20))], day(3) - timedelta(minutes=20)),  # the hour was running
    ([state("hours", day(3), polled_at=day(1))], day(3) - timedelta(hours=1)),  # read on since, not to the end
    ([state("days", day(3), polled_at=day(3.5))], day(3)),
]


@pytest.mark.parametrize("states, end", UP_TO)
def test_tokens_are_told_up_to_the_least_of_their_streams(states: list[StreamState], end: datetime) -> None:
    by_name = {one.stream: one for one in states}
    assert covering.told_up_to((HOURS, MORE, DAYS, COSTS), by_name, since=AT) == end


GAPS = [
    ([], [(0, None)]),
    ([(0, 0)], [(0, None)]),
    ([(0, 3)], [(3, None)]),
    ([(-5, 3), (2, 4)], [(4, None)]),
    ([(2, None)], [(0, 2)]),
    ([(-1, None)], []),
    ([(5, 7), (1, 2)], [(0, 1), (2, 5), (7, None)]),
    ([(-9, -5)], [(0, None)]),
]


@pytest.mark.parametrize("told, gaps", GAPS)
def test_what_nobody_told_is_what_is_left(told: list[tuple[float, float | None]], gaps: list[tuple[float, float | None]]) -> None:
    def stretches(days: list[tuple[float, float | None]]) -> list[Stretch]:
        return [Stretch(day(start), None if end is None else day(end)) for start, end in days]

    assert covering.gaps(AT, stretches(told)) == stretches(gaps)
