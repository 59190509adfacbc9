"""Words of the queue: the states of a job, what may follow what, the job itself, and its failures. Pure.

A job is **queued**, then **running**; it ends **succeeded**, **canceled** or **parked**. A failed attempt that may be repeated leads back
to queued, as does an operator who unparks. A worker that takes over from one that was killed goes from running to running. Queued and
running jobs are *live*: each has exactly one row in the queue, and no second live job has its name and dedupe key.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from carbonledger.kernel import errors

JobArgs = Mapping[str, Any]
"""What a job is told: a small JSON object of ids and plain values. Never a secret, never personal data: it lies in a table."""


class JobState(enum.Enum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARKED = "parked"  # failed for good or too often; waits for an operator
    CANCELED = "canceled"


class Step(enum.Enum):
    """What happens to a job."""

    START = "start"  # a worker takes it, also from one that was killed
    SUCCEED = "succeed"
    RETRY = "retry"  # failed, and may be tried again
    RELEASE = "release"  # given back unfinished by a worker that stops
    PARK = "park"
    UNPARK = "unpark"
    CANCEL = "cancel"


_Q, _R, _P = JobState.QUEUED, JobState.RUNNING, JobState.PARKED
TRANSITIONS: Mapping[Step, tuple[frozenset[JobState], JobState]] = {
    Step.START: (frozenset({_Q, _R}), _R),
    Step.SUCCEED: (frozenset({_R}), JobState.SUCCEEDED),
    Step.RETRY: (frozenset({_R}), _Q),
    Step.RELEASE: (frozenset({_R}), _Q),
    Step.PARK: (frozenset({_R}), _P),
    Step.UNPARK: (frozenset({_P}), _Q),
    Step.CANCEL: (frozenset({_Q, _R, _P}), JobState.CANCELED),
}
"""Each step: the states it may start from, and the one it leads to."""


def allowed(state: JobState, step: Step) -> bool:
    """Say whether ``step`` may happen to a job in ``state``."""
    return state in TRANSITIONS[step][0]


class Outcome(enum.Enum):
    """How an attempt ended."""

    SUCCEEDED = "succeeded"
    RETRIED = "retried"
    PARKED = "parked"
    RELEASED = "released"
    CANCELED = "canceled"
    LOST = "lost"  # its worker was killed or cut off; the next attempt says so


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: ``done`` of ``total`` (None: unknown), and words for a person."""

    done: int = 0
    total: int | None = None
    words: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job as its organization sees it. ``occurred_at`` is the organization's time when it was asked for; the rest is real time."""

    id: UUID
    organization_id: UUID
    name: str
    args: JobArgs
    state: JobState
    attempts: int
    failures: int
    progress: Progress
    result: Any
    error: str | None
    dedupe_key: str | None
    request_id: str | None
    traceparent: str | None
    occurred_at: datetime
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class QueueFault(errors.Fault):
    """The queue could not do it."""


class JobMissing(QueueFault):
    """There is no such job here."""

    kind = errors.Kind.NOT_FOUND
    code = "job_not_found"


class JobNotParked(QueueFault):
    """Only a parked job can be put back into the queue."""

    kind = errors.Kind.CONFLICT
    code = "job_not_parked"


class JobHasLiveTwin(QueueFault):
    """Another job of the same name and key is queued or running already."""

    kind = errors.Kind.CONFLICT
    code = "job_has_live_twin"


class JobOver(QueueFault):
    """The job has already ended."""

    kind = errors.Kind.CONFLICT
    code = "job_over"


class JobUnknown(QueueFault):
    """No handler has this name, so the job would wait for ever."""

    code = "job_unknown"


class NotLoaded(QueueFault):
    """The handlers and subscribers were not loaded, so an event would reach nobody."""

    code = "queue_not_loaded"
