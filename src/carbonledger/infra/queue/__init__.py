"""Jobs: enqueued in the business transaction, run at least once, in effect exactly once.

The package's face; callers write ``queue.enqueue(uow, …)``. Owns jobs, their attempts, steps and schedules, and everything that
touches pgqueuer. It does not own the running of a job (``entrypoints.worker``) nor what a job does (a handler beside it).
"""

from __future__ import annotations

from carbonledger.infra.queue.jobs import NoOrganization, cancel, depth, enqueue, job, live, parked, unpark
from carbonledger.infra.queue.registry import handler, schedule, steps, subscriber
from carbonledger.infra.queue.types import Job, JobArgs, JobHasLiveTwin, JobMissing, JobNotParked, JobState, NotLoaded
from carbonledger.infra.queue.work import Ended

__all__ = [
    "Ended",
    "Job",
    "JobArgs",
    "JobHasLiveTwin",
    "JobMissing",
    "JobNotParked",
    "JobState",
    "NoOrganization",
    "NotLoaded",
    "cancel",
    "depth",
    "enqueue",
    "handler",
    "job",
    "live",
    "parked",
    "schedule",
    "steps",
    "subscriber",
    "unpark",
]
