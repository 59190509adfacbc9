"""How a connection stands, in words: its state, how long ago it was read, how far a reading of it is and when that may end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from carbonledger.domains.connections.types import FAILURES_MAX, Connection, State
from carbonledger.infra import queue
from carbonledger.kernel import humane

STATES: Final[Mapping[State, tuple[str, str]]] = {
    State.READING_BACK: ("reading back", "notice"),
    State.ACTIVE: ("active", "good"),
    State.ERROR: ("error", "problem"),
    State.STOPPED: ("stopped", "problem"),
    State.DELETED: ("deleted", ""),
}
"""Each state's word and the colour of its mark."""
_MEANS: Final[Mapping[State, str]] = {
    State.READING_BACK: "Its past is being read; not everything is here yet.",
    State.ACTIVE: "The last reading was complete.",
    State.ERROR: "Its last reading failed. It is tried again every hour.",
    State.STOPPED: f"{FAILURES_MAX} readings in a row failed, so it is not read any more. With a new key it goes on where it stopped.",
    State.DELETED: "It is not read any more, and its key is destroyed. What was read stays.",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """A reading that waits or runs. ``total`` None: nobody knows how much there is. ``left``: a guess, empty while there is none."""

    words: str
    done: int
    total: int | None
    left: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How a connection stands. ``error``: why it is not read, only while that is so."""

    word: str
    mark: str
    means: str
    reading: Reading | None
    ago: str
    error: str


def standing(connection: Connection, job: queue.Job | None, *, now: datetime, at: datetime) -> Standing:
    """Return how a connection stands at the organization's ``now``, which is ``at`` in real time."""
    word, mark = STATES[connection.state]
    lag_s = connection.lag_s(now)
    is_failing = connection.failures > 0 and connection.last_error is not None
    return Standing(
        word=word,
        mark=mark,
        means=_MEANS[connection.state],
        reading=None if job is None else reading(job, at=at),
        ago="" if lag_s is None else f"{humane.span(lag_s)} ago",
        error=connection.last_error.words if is_failing and connection.last_error is not None else "",
    )


def reading(job: queue.Job, *, at: datetime) -> Reading:
    """Return how far a reading that has not ended is."""
    progress = job.progress
    if job.state is queue.JobState.RUNNING:
        words = progress.words or "It is being read now."
    else:
        words = "It is tried again soon." if job.failures else "It is read in a moment."
    return Reading(words, progress.done, progress.total, _left(job, at))


def _left(job: queue.Job, at: datetime) -> str:
    done, total = job.progress.done, job.progress.total
    if job.state is not queue.JobState.RUNNING or job.started_at is None or total is None or not 0 < done < total:
        return ""
    elapsed_s = max(int((at - job.started_at).total_seconds()), 0)
    return f"{humane.span(elapsed_s * (total - done) // done)} left, by a guess"
