"""When which stretch of time is read of each stream, and when the next poll is.

- the first time, everything back to where the connection reads from, in chunks; a chunk that was read stays read
- then each time the last 48 hours again, and what is still provisional before them: providers tell late, and correct themselves
- streams by the day once a day, 35 days back; where somebody asks, at once
- what a provider shows only after its end is read up to the last midnight (UTC)
- of two streams that tell the same usage, none is read for a time that the other was read for
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from carbonledger.domains.connections.types import Carries, Stream, StreamState, Window

REREAD: Final = timedelta(hours=48)
REREAD_BY_DAY: Final = timedelta(days=35)
OPEN_REACH: Final = timedelta(days=7)
"""How far back a provisional bucket still widens the window; what a provider no longer tells of stays provisional."""
RECONCILED: Final = timedelta(hours=24)
CHUNK: Final = timedelta(days=7)  # 168 hours: one page of the providers that have pages of hours
CHUNK_BY_DAY: Final = timedelta(days=62)  # two pages of a month
POLL_EVERY: Final = timedelta(hours=1)
POLL_NOT_BEFORE: Final = timedelta(minutes=10)  # after a poll that was asked for, the hour's own may be left out
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Reading:
    """A window of a stream that is to be read."""

    stream: Stream
    window: Window


def reads_from(now: datetime, *, first_read_days: int) -> datetime:
    """Return where the reading of a connection that is made ``now`` begins: a midnight."""
    return _floor(now, _DAY) - timedelta(days=first_read_days)


def next_poll(connection_id: UUID, now: datetime) -> datetime:
    """Return when the connection is polled next: by the hour, at a second of its own, so that not all are polled at once."""
    offset = timedelta(seconds=connection_id.int % int(POLL_EVERY.total_seconds()))
    earliest = now + POLL_NOT_BEFORE
    at = _floor(earliest - offset, POLL_EVERY) + offset
    return at if at >= earliest else at + POLL_EVERY


def plan(
    streams: Sequence[Stream],
    states: Mapping[str, StreamState],
    *,
    since: datetime,
    first_read_days: int,
    now: datetime,
    job_id: UUID,
    everything: bool,
) -> tuple[Reading, ...]:
    """Return what this job has to read, in order. What it has read to the end already, in an attempt that was lost, is left out.

    ``since``: where the connection reads from. ``everything``: streams by the day too, though they were read today.
    """
    first = max(since, reads_from(now, first_read_days=first_read_days))
    is_first_read = False
    readings: list[Reading] = []
    for stream in streams:
        state = states.get(stream.name)
        if state is None or not state.is_read or state.polled_by == job_id or not (everything or _is_due(stream, state, now)):
            continue
        is_first_read |= state.polled_at is None
        starts_at = max(_start(stream, state, now), first, *_taken_by_others(stream, streams, states))
        ends_at = _end(stream, now)
        if starts_at < ends_at:
            readings += _chunks(stream, Window(starts_at, ends_at))
    if is_first_read:  # so that all streams come forward together, which is what progress tells
        readings.sort(key=lambda reading: reading.window.starts_at)
    return tuple(readings)


def reconciliation(streams: Sequence[Stream], states: Mapping[str, StreamState], *, now: datetime) -> tuple[Reading, ...]:
    """Return the last 24 whole hours, or the last whole day, of each stream of tokens that was read up to there."""
    readings = []
    for stream in streams:
        state = states.get(stream.name)
        if stream.carries is not Carries.TOKENS or state is None or not state.is_read or state.read_from is None or state.read_to is None:
            continue
        ends_at = min(_floor(now, stream.bucket_width), state.read_to)
        starts_at = max(ends_at - RECONCILED, state.read_from, *_taken_by_others(stream, streams, states))
        if starts_at < ends_at:
            readings.append(Reading(stream, Window(starts_at, ends_at)))
    return tuple(readings)


def is_last(readings: Sequence[Reading], place: int) -> bool:
    """Say whether no later reading is of the same stream."""
    return all(later.stream.name != readings[place].stream.name for later in readings[place + 1 :])


def days_done(readings: Sequence[Reading], finished: int) -> tuple[int, int]:
    """Return how many days have been read for all streams after ``finished`` readings of a first read, and how many there are."""
    if not readings:
        return 0, 0
    first = min(reading.window.starts_at for reading in readings)
    last = max(reading.window.ends_at for reading in readings)
    until = min((reading.window.starts_at for reading in readings[finished:]), default=last)
    return (until - first) // _DAY, max((last - first) // _DAY, 1)


def _is_due(stream: Stream, state: StreamState, now: datetime) -> bool:
    return stream.bucket_width < _DAY or state.polled_at is None or state.polled_at.date() < now.date()


def _start(stream: Stream, state: StreamState, now: datetime) -> datetime:
    if state.read_to is None:
        return _EPOCH
    if stream.bucket_width >= _DAY:
        return min(state.read_to, _floor(now - REREAD_BY_DAY, stream.bucket_width))
    starts = [state.read_to, _floor(now - REREAD, stream.bucket_width)]
    if state.open_from is not None:
        starts.append(max(state.open_from, _floor(now - OPEN_REACH, stream.bucket_width)))
    return min(starts)


def _end(stream: Stream, now: datetime) -> datetime:
    """Return the end of what can be read: with the bucket that is running, unless the provider shows only those that are over."""
    if stream.is_completed_only:
        return _floor(now, max(stream.bucket_width, _DAY))
    return _ceiling(now, stream.bucket_width)


def _taken_by_others(stream: Stream, streams: Iterable[Stream], states: Mapping[str, StreamState]) -> list[datetime]:
    """Return up to when streams that tell the same usage were read, in whole buckets of this one."""
    same = [other for other in streams if other.name == stream.instead_of or other.instead_of == stream.name]
    found = [state.read_to for other in same if (state := states.get(other.name)) is not None and state.read_to is not None]
    return [_ceiling(read_to, stream.bucket_width) for read_to in found]


def _chunks(stream: Stream, window: Window) -> list[Reading]:
    width = CHUNK if stream.bucket_width < _DAY else CHUNK_BY_DAY
    count = -((window.starts_at - window.ends_at) // width)
    starts = (window.starts_at + number * width for number in range(count))
    return [Reading(stream, Window(start, min(start + width, window.ends_at))) for start in starts]


def _floor(at: datetime, width: timedelta) -> datetime:
    return at - (at - _EPOCH) % width


def _ceiling(at: datetime, width: timedelta) -> datetime:
    return at + (_EPOCH - at) % width


def reached(state: StreamState, window: Window) -> StreamState:
    """Return how far the stream was read once ``window`` is; after a gap, what is read begins anew behind it."""
    if state.read_from is None or state.read_to is None or window.starts_at > state.read_to:
        return replace(state, read_from=window.starts_at, read_to=window.ends_at)
    return replace(state, read_from=min(state.read_from, window.starts_at), read_to=max(state.read_to, window.ends_at))
