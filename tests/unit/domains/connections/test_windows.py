"""Which stretch of time a poll reads of which stream, and when the next poll is."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.connections.core import windows
from carbonledger.domains.connections.types import Carries, Stream, StreamState, Window

HOURLY = Stream(name="tokens", bucket_width_s=3600, carries=Carries.TOKENS)
COSTS = Stream(name="costs", bucket_width_s=86_400, carries=Carries.COSTS)
BY_DAY = Stream(name="by_day", bucket_width_s=86_400, carries=Carries.TOKENS, is_completed_only=True, instead_of="tokens")
STREAMS = (HOURLY, BY_DAY, COSTS)
NOW = datetime(2026, 11, 20, 12, 20, tzinfo=UTC)
EARLY, LATE = datetime(2020, 1, 1, tzinfo=UTC).replace(tzinfo=None), datetime(2030, 1, 1, tzinfo=UTC).replace(tzinfo=None)
JOB = UUID(int=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=UTC)


def read(stream: str, until: datetime, **more: Any) -> StreamState:
    return StreamState(stream=stream, read_from=at(1), read_to=until, polled_at=more.pop("polled_at", NOW - HOUR), **more)


def plan(*states: StreamState, now: datetime = NOW, days: int = 10, everything: bool = False) -> list[tuple[str, datetime, datetime]]:
    found = windows.plan(
        STREAMS,
        {state.stream: state for state in states},
        since=at(1),
        first_read_days=days,
        now=now,
        job_id=JOB,
        everything=everything,
    )
    return [(reading.stream.name, reading.window.starts_at, reading.window.ends_at) for reading in found]


def test_the_first_time_all_days_are_read_in_chunks_and_the_running_hour_too() -> None:
    assert plan(StreamState(stream="tokens"), StreamState(stream="costs")) == [
        ("tokens", at(10), at(17)),
        ("costs", at(10), at(21)),
        ("tokens", at(17), at(20, 13)),
    ]


def test_a_first_read_that_broke_off_goes_on_where_it_was() -> None:
    half = StreamState(stream="tokens", read_from=at(10), read_to=at(17))
    assert plan(half) == [("tokens", at(17), at(20, 13))]


def test_then_the_last_48_hours_are_read_again_each_time() -> None:
    assert plan(read("tokens", at(20, 12))) == [("tokens", at(18, 12), at(20, 13))]


@pytest.mark.parametrize(
    "open_from, starts_at",
    [
        (at(18, 7), at(18, 7)),  # it ended 52 hours ago and was not seen since
        (at(19), at(18, 12)),
        (at(2), at(13, 12)),  # the provider tells of it no more: it does not widen the window for ever
    ],
)
def test_what_is_still_provisional_widens_the_window(open_from: datetime, starts_at: datetime) -> None:
    found = plan(read("tokens", at(20, 12), open_from=open_from))
    assert (found[0][1], found[-1][2]) == (starts_at, at(20, 13))


def test_what_was_missed_while_nobody_polled_is_read() -> None:
    assert plan(read("tokens", at(14, 3))) == [("tokens", at(14, 3), at(20, 13))]


def test_days_are_read_once_a_day_35_days_back_and_at_once_when_asked_for() -> None:
    today, yesterday = read("costs", at(21), polled_at=at(20, 0)), read("costs", at(20), polled_at=at(19, 23))
    assert plan(today, days=60) == []
    assert plan(yesterday, days=60) == [("costs", at(1), at(21))]
    assert plan(today, days=60, everything=True) == [("costs", at(1), at(21))]
    later = datetime(2026, 12, 20, 12, tzinfo=UTC)
    assert [starts_at for _, starts_at, _ in plan(yesterday, now=later, days=60)] == [at(15)]  # 35 days before 20 December


def test_what_is_shown_only_after_its_end_is_read_up_to_the_last_midnight() -> None:
    assert plan(StreamState(stream="by_day")) == [("by_day", at(10), at(20))]
    assert plan(StreamState(stream="by_day"), now=at(20)) == [("by_day", at(10), at(20))]


def test_no_time_is_read_of_two_streams_that_tell_the_same() -> None:
    hours_are_over = read("tokens", at(18, 5), is_read=False)
    assert plan(hours_are_over, StreamState(stream="by_day")) == [("by_day", at(19), at(20))]
    days_are_over = read("by_day", at(19), is_read=False)
    assert plan(days_are_over, StreamState(stream="tokens")) == [("tokens", at(19), at(20, 13))]


def test_a_stream_that_the_key_may_not_read_or_this_job_has_read_is_left_out() -> None:
    assert plan(read("tokens", at(20, 12), is_read=False)) == []
    assert plan(read("tokens", at(20, 12), polled_by=JOB)) == []


def test_the_reconciliation_reads_the_last_24_whole_hours_of_tokens() -> None:
    states = {"tokens": read("tokens", at(20, 13)), "costs": read("costs", at(20))}
    [reading] = windows.reconciliation(STREAMS, states, now=NOW)
    assert (reading.stream, reading.window) == (HOURLY, Window(at(19, 12), at(20, 12)))


@given(
    now=st.datetimes(EARLY, LATE).map(lambda found: found.replace(tzinfo=UTC)),
    behind=st.integers(0, 2000),
    open_behind=st.none() | st.integers(0, 2000),
    days=st.integers(1, 60),
)
def test_every_plan_is_of_whole_buckets_in_order_up_to_now(now: datetime, behind: int, open_behind: int | None, days: int) -> None:
    hour = now.replace(minute=0, second=0, microsecond=0)
    state = StreamState(
        stream="tokens",
        read_from=hour - 3000 * HOUR,
        read_to=hour - behind * HOUR,
        polled_at=now,
        open_from=None if open_behind is None else hour - open_behind * HOUR,
    )
    found = windows.plan(
        (HOURLY,), {"tokens": state}, since=hour - 3000 * HOUR, first_read_days=days, now=now, job_id=JOB, everything=False
    )
    assert all(reading.window.is_whole(HOURLY) for reading in found)
    assert all(before.window.ends_at == after.window.starts_at for before, after in itertools.pairwise(found))
    assert hour <= found[-1].window.ends_at - (HOUR if now != hour else timedelta(0)) <= now
    assert all(reading.window.ends_at - reading.window.starts_at <= 7 * DAY for reading in found)
    assert windows.days_done(found, len(found))[0] <= days + 1  # and today


def test_days_done_counts_what_is_read_of_all_streams() -> None:
    found = windows.plan(
        STREAMS,
        {"tokens": StreamState(stream="tokens"), "costs": StreamState(stream="costs")},
        since=at(1),
        first_read_days=10,
        now=NOW,
        job_id=JOB,
        everything=False,
    )
    assert [windows.days_done(found, finished) for finished in range(4)] == [(0, 11), (0, 11), (7, 11), (11, 11)]


@given(st.uuids(), st.datetimes(EARLY, LATE).map(lambda found: found.replace(tzinfo=UTC)))
def test_the_next_poll_is_within_an_hour_and_ten_minutes_at_a_second_of_its_own(connection_id: UUID, now: datetime) -> None:
    found = windows.next_poll(connection_id, now)
    assert timedelta(minutes=10) <= found - now < timedelta(minutes=70)
    assert windows.next_poll(connection_id, found) - found == HOUR
