"""What becomes of a connection when a poll ends, and what people are told of it."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from carbonledger.domains.connections import types
from carbonledger.domains.connections.types import Connection, LastError, State, Step
from carbonledger.kernel.errors import Kind, Problem


class News(enum.Enum):
    """What the end of a poll is to those who look after the connection."""

    NOTHING = "nothing"
    READ_BACK = "read_back"  # all there was has been read
    RECOVERED = "recovered"
    FAILED = "failed"
    STOPPED = "stopped"


class Reach(enum.Enum):
    """What a fault of one stream says of the others that are read with the same key."""

    STREAM = "stream"  # nothing: they are read to their end before the poll fails
    UNCLEAR = "unclear"  # it may be about all: the provider is asked what the key is
    ALL = "all"  # the key, or the whole provider: nothing more is asked


def moved(connection: Connection, step: Step, *, now: datetime) -> Connection:
    """Return the connection after ``step``. Raises ``ValueError`` where it may not happen: whoever calls has asked before."""
    if not types.allowed(connection.state, step):
        raise ValueError(f"a connection that is {connection.state.value} can't {step.value}")
    return replace(connection, state=types.TRANSITIONS[step][1], updated_at=now)


def read(connection: Connection, *, now: datetime) -> tuple[Connection, News]:
    """Return the connection after a poll that came to its end."""
    news = {State.READING_BACK: News.READ_BACK, State.ERROR: News.RECOVERED}.get(connection.state, News.NOTHING)
    return replace(moved(connection, Step.READ, now=now), failures=0, last_polled_at=now), news


def failed(connection: Connection, *, code: str, words: str, now: datetime) -> tuple[Connection, News]:
    """Return the connection after a poll that failed for good, or too often."""
    failures = connection.failures + 1
    gives_up = failures >= types.FAILURES_MAX
    after = moved(connection, Step.GIVE_UP if gives_up else Step.FAIL, now=now)
    news = News.STOPPED if gives_up else News.NOTHING if connection.state is State.ERROR else News.FAILED
    error = LastError(code, words, now)
    return replace(after, failures=failures, last_error=error, next_poll_at=None if gives_up else connection.next_poll_at), news


def is_passing(fault: types.ProviderFault) -> bool:
    """Say whether another attempt makes sense soon."""
    return fault.kind in {Kind.UNAVAILABLE, Kind.LIMITED}


def reach(fault: types.ProviderFault) -> Reach:
    """Say whom a fault is about, that is, whether the streams beside it are still worth asking for.

    One broken address must not keep the usage of all others from being read, and a provider that is away or asks us to wait is left alone.
    """
    if fault.retry_after_s is not None:
        return Reach.ALL
    match fault:
        case types.AnswerUnreadable() | types.RequestRefused() | types.RowsRefused():
            return Reach.STREAM
        case types.ProviderUnavailable(answered=True):
            return Reach.STREAM
        case types.KeyInsufficient() | types.ProviderUnavailable():  # a 403, or silence, of one address or of all
            return Reach.UNCLEAR
        case _:
            return Reach.ALL


def first_told(aside: Sequence[types.ProviderFault]) -> types.ProviderFault:
    """Return with which of the faults that were set aside a poll ends: one that may pass, for that is tried again soon, else the first."""
    return next((fault for fault in aside if is_passing(fault)), aside[0])


def words_of(fault: types.ProviderFault) -> str:
    """Return what went wrong, for people."""
    return fault.title() if fault.detail is None else f"{fault.title()} {fault.detail}"


def account_after(connection: Connection, told: str | None) -> str | None:
    """Return the account of a connection that is given a key of ``told``, None: unknown. Raises ``AccountDiffers`` where both are known.

    A key that does not tell its account is taken: it may be of the same one, and nothing says that it is not.
    """
    if told is None or connection.account is None:
        return connection.account or told
    if told != connection.account:
        raise types.AccountDiffers(
            f"It is a key of {told}, and this connection reads {connection.account}. Both would be mixed here: connect the other "
            "account by itself."
        )
    return told


def label_problems(label: str) -> tuple[Problem, ...]:
    """Return what is wrong with a label: it has 1 to 100 printable characters, none blank at an end."""
    if 1 <= len(label) <= types.LABEL_CHARS_MAX and label.isprintable() and label == label.strip():
        return ()
    return (Problem("/label", "label_invalid", f"Give 1 to {types.LABEL_CHARS_MAX} printable characters, none blank at an end."),)
