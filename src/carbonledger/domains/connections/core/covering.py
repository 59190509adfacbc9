"""Of which time connections have told all tokens, and of which nobody has: where usage that came directly counts again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from carbonledger.domains.connections.types import Carries, Stream, StreamState


class Stretch(NamedTuple):
    """A stretch of time; without an end it goes on."""

    starts_at: datetime
    ends_at: datetime | None


def told_up_to(streams: Sequence[Stream], states: Mapping[str, StreamState], *, since: datetime) -> datetime:
    """Return up to when the connection that reads from ``since`` has told all tokens: the least of its streams of tokens.

    Of streams that take each other's place the furthest counts. One that is not for the key tells nothing and is no part of it.
    """
    groups: dict[str, list[datetime]] = {}
    read: set[str] = set()
    for stream in streams:
        state = states.get(stream.name)
        if stream.carries is Carries.TOKENS and state is not None:
            name = stream.instead_of or stream.name
            groups.setdefault(name, []).append(_read_up_to(stream, state) or since)
            if state.is_read:
                read.add(name)
    ends = [max(groups[name]) for name in read or groups]
    return max(min(ends, default=since), since)


def _read_up_to(stream: Stream, state: StreamState) -> datetime | None:
    """Return up to when a stream was read: of a bucket that was running then, to the reading and not to the bucket's end."""
    if state.read_to is None or state.polled_at is None:
        return state.read_to
    return min(state.read_to, max(state.polled_at, state.read_to - stream.bucket_width))


def gaps(since: datetime, told: Iterable[Stretch]) -> list[Stretch]:
    """Return the stretches from ``since`` on that are in none of ``told``, in order."""
    found: list[Stretch] = []
    for stretch in sorted(told, key=lambda one: one.starts_at):
        if stretch.starts_at > since:
            found.append(Stretch(since, stretch.starts_at))
        if stretch.ends_at is None:
            return found
        since = max(since, stretch.ends_at)
    return [*found, Stretch(since, None)]
