"""What a worker does to a job: begin an attempt, end it one way or another, each time in a transaction of the job's organization.

The job's row is the lock and the truth. An attempt *fences* itself before it writes: it locks the row and checks that the job still runs
under its number, so that a worker that was believed dead, or whose job was canceled, writes nothing any more. The queue's row goes, comes
back or waits in the same transaction, so a live job always has exactly one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pgqueuer.domain import models
from sqlalchemy import exists, insert, select, update

from carbonledger.infra import db, tables
from carbonledger.infra.queue import failures, jobs, pgq, types
from carbonledger.infra.queue.types import Outcome, Step
from carbonledger.kernel import ids

_jobs, _attempts = tables.jobs, tables.job_attempts
QUIET_FOR = timedelta(days=1)  # a schedule that fails for good tells its operators once a day, not once a minute


class Superseded(types.QueueFault):
    """The job goes on without this attempt: another worker has it, or it was canceled."""

    code = "job_superseded"


@dataclass(frozen=True, slots=True)
class Ticket:
    """A row of the queue that this worker has picked."""

    job_id: UUID
    organization_id: UUID
    name: str
    request_id: str | None
    traceparent: str | None
    entry: models.Job = field(repr=False)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a job by one worker. ``job`` is as it was when the attempt began."""

    ticket: Ticket
    job: types.Job
    number: int


async def begin(uow: db.UnitOfWork, *, ticket: Ticket, worker: str, at: datetime, busy_delay_s: float) -> Attempt | None:
    """Begin an attempt, closing one that was left open as lost; None when there is nothing to do for this ticket.

    A job that somebody holds locked is being worked on by a worker whose heartbeat came late: we look again later.
    """
    locked = await uow.fetch_one(select(_jobs).where(*_this(ticket)).with_for_update(skip_locked=True))
    if locked is None:
        if await uow.fetch_one(select(_jobs.c.id).where(*_this(ticket))) is None:
            await _leave_queue(uow, ticket, "deleted")
        else:
            await _wait_in_queue(uow, ticket, busy_delay_s)
        return None
    job = jobs.to_job(locked)
    if not types.allowed(job.state, Step.START):
        await _leave_queue(uow, ticket, "deleted")
        return None
    # Only a job that was running can have an attempt that nobody closed.
    lost = await _close_lost(uow, ticket, at=at) if job.state is types.JobState.RUNNING else 0
    number = job.attempts + 1
    begun = await _move(uow, ticket, Step.START, attempts=number, failures=job.failures + lost, started_at=job.started_at or at)
    await uow.execute(
        insert(_attempts).values(
            organization_id=ticket.organization_id, id=ids.new_id(at), job_id=job.id, number=number, worker=worker, started_at=at
        )
    )
    return Attempt(ticket=ticket, job=begun, number=number)


async def _close_lost(uow: db.UnitOfWork, ticket: Ticket, *, at: datetime) -> int:
    where = (_attempts.c.organization_id == ticket.organization_id, _attempts.c.job_id == ticket.job_id)
    return await uow.execute(
        update(_attempts)
        .where(*where, _attempts.c.finished_at.is_(None))
        .values(
            finished_at=at,
            outcome=Outcome.LOST.value,
            classification=failures.LOST.outcome.value,
            error_type=failures.LOST.error_type,
            error_text=failures.LOST.text,
        )
    )


async def fence(uow: db.UnitOfWork, *, attempt: Attempt) -> types.Job:
    """Lock the job's row and return it if it still runs under this attempt. Raises ``Superseded``."""
    row = await uow.fetch_one(select(_jobs).where(*_this(attempt.ticket)).with_for_update())
    if row is None or row["state"] != types.JobState.RUNNING.value or row["attempts"] != attempt.number:
        raise Superseded(f"{attempt.ticket.name} {attempt.ticket.job_id} no longer runs as attempt {attempt.number}.")
    return jobs.to_job(row)


async def succeed(uow: db.UnitOfWork, *, attempt: Attempt, result: Any, at: datetime) -> None:  # noqa: ANN401 - JSON
    """End the job well, in the fenced transaction that holds its effect."""
    await _move(uow, attempt.ticket, Step.SUCCEED, result=result, error=None, finished_at=at)
    await _close(uow, attempt, Outcome.SUCCEEDED, at=at)
    await _leave_queue(uow, attempt.ticket, "successful")


async def retry(uow: db.UnitOfWork, *, attempt: Attempt, failure: failures.Failure, delay_s: float, at: datetime) -> None:
    """End the attempt; the job is tried again after ``delay_s``. In a fenced transaction."""
    await _move(uow, attempt.ticket, Step.RETRY, failures=_jobs.c.failures + 1, error=failure.words)
    await _close(uow, attempt, Outcome.RETRIED, at=at, failure=failure)
    await _wait_in_queue(uow, attempt.ticket, delay_s)


async def park(uow: db.UnitOfWork, *, attempt: Attempt, failure: failures.Failure, at: datetime) -> None:
    """End the attempt and set the job aside for an operator. In a fenced transaction."""
    await _move(uow, attempt.ticket, Step.PARK, failures=_jobs.c.failures + 1, error=failure.words, finished_at=at)
    await _close(uow, attempt, Outcome.PARKED, at=at, failure=failure)
    await _leave_queue(uow, attempt.ticket, "exception")


async def release(uow: db.UnitOfWork, *, attempt: Attempt, at: datetime) -> None:
    """Give the job back unfinished, for another worker to take at once; it counts as no failure. In a fenced transaction."""
    await _move(uow, attempt.ticket, Step.RELEASE)
    await _close(uow, attempt, Outcome.RELEASED, at=at)
    await _wait_in_queue(uow, attempt.ticket, 0)


async def was_parked_lately(uow: db.UnitOfWork, *, job: types.Job, at: datetime) -> bool:
    """Say whether another job of the same name and key was parked within ``QUIET_FOR``, so that operators know already."""
    if job.dedupe_key is None:
        return False
    same = (_jobs.c.organization_id == job.organization_id, _jobs.c.name == job.name, _jobs.c.dedupe_key == job.dedupe_key)
    parked = (_jobs.c.id != job.id, _jobs.c.state == types.JobState.PARKED.value, _jobs.c.finished_at > at - QUIET_FOR)
    return bool(await uow.fetch_value(select(exists().where(*same, *parked))))


def _this(ticket: Ticket) -> tuple[Any, Any]:
    return _jobs.c.organization_id == ticket.organization_id, _jobs.c.id == ticket.job_id


async def _move(uow: db.UnitOfWork, ticket: Ticket, step: Step, **values: object) -> types.Job:
    """Write a transition and return the job. The row is locked; a state that does not allow the step must not pass unseen."""
    before, after = types.TRANSITIONS[step]
    allowed = _jobs.c.state.in_([state.value for state in before])
    row = await uow.fetch_one(update(_jobs).where(*_this(ticket), allowed).values(state=after.value, **values).returning(_jobs))
    if row is None:
        raise Superseded(f"{ticket.name} {ticket.job_id} can't {step.value} any more.")
    return jobs.to_job(row)


async def _close(uow: db.UnitOfWork, attempt: Attempt, outcome: Outcome, *, at: datetime, failure: failures.Failure | None = None) -> None:
    said = {}
    if failure is not None:
        said = {"classification": failure.outcome.value, "error_type": failure.error_type, "error_text": failure.text}
    job = attempt.ticket
    where = (_attempts.c.organization_id == job.organization_id, _attempts.c.job_id == job.job_id, _attempts.c.number == attempt.number)
    await uow.execute(update(_attempts).where(*where).values(finished_at=at, outcome=outcome.value, **said))


async def _leave_queue(uow: db.UnitOfWork, ticket: Ticket, status: pgq.Status) -> None:
    await pgq.on(uow.conn).log_jobs([(ticket.entry, status, None)])


async def _wait_in_queue(uow: db.UnitOfWork, ticket: Ticket, delay_s: float) -> None:
    await pgq.on(uow.conn).retry_job(ticket.entry, timedelta(seconds=delay_s), None)
    await pgq.tell_workers(uow.conn)
