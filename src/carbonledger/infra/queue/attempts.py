"""What a worker does to a job: begin an attempt, end it one way or another, each time in a transaction of the job's organization.

The job's row is the lock and the truth. An attempt *fences* itself before it writes: it locks the row and checks that the job still runs
under its number, so that a worker that was believed dead, or whose job was canceled, writes nothing any more. The queue's row goes, comes
back or waits in the same transaction, so a live job always has exactly one.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pgqueuer.domain import models
from sqlalchemy import bindparam, exists, insert, or_, select, update

from carbonledger.infra import db, statements, tables
from carbonledger.infra.queue import failures, jobs, pgq, types
from carbonledger.infra.queue.types import Outcome, Step
from carbonledger.kernel import ids

_jobs, _attempts = tables.jobs, tables.job_attempts
# Run for every job, and so compiled once. The ticket's ids have names that no column has, since these statements set columns, too.
_THIS = (_jobs.c.organization_id == bindparam("of_organization"), _jobs.c.id == bindparam("of_job"))
_LOCK = statements.Prepared(select(_jobs).where(*_THIS).with_for_update())
_LOCK_IF_FREE = statements.Prepared(select(_jobs).where(*_THIS).with_for_update(skip_locked=True))
_BEGUN = ("organization_id", "id", "job_id", "number", "worker", "started_at")
_BEGIN = statements.Prepared(insert(_attempts).values({name: bindparam(name) for name in _BEGUN}))
_SAID = ("classification", "error_type", "error_text")  # of a failure; NULL until an attempt ends
_CLOSE = statements.Prepared(
    update(_attempts)
    .where(
        _attempts.c.organization_id == bindparam("of_organization"),
        _attempts.c.job_id == bindparam("of_job"),
        _attempts.c.number == bindparam("of_number"),
    )
    .values({name: bindparam(name) for name in ("finished_at", "outcome", *_SAID)})
)
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
    locked = await uow.fetch_one(_LOCK_IF_FREE(of_organization=ticket.organization_id, of_job=ticket.job_id))
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
        _BEGIN(organization_id=ticket.organization_id, id=ids.new_id(at), job_id=job.id, number=number, worker=worker, started_at=at)
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
    row = await uow.fetch_one(_LOCK(of_organization=attempt.ticket.organization_id, of_job=attempt.ticket.job_id))
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
    await _move(uow, attempt.ticket, Step.RETRY, fails=True, error=failure.words)
    await _close(uow, attempt, Outcome.RETRIED, at=at, failure=failure)
    await _wait_in_queue(uow, attempt.ticket, delay_s)


async def park(uow: db.UnitOfWork, *, attempt: Attempt, failure: failures.Failure, at: datetime) -> None:
    """End the attempt and set the job aside for an operator. In a fenced transaction."""
    await _move(uow, attempt.ticket, Step.PARK, fails=True, error=failure.words, finished_at=at)
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


async def _move(uow: db.UnitOfWork, ticket: Ticket, step: Step, *, fails: bool = False, **values: object) -> types.Job:
    """Write a transition and return the job. The row is locked; a state that does not allow the step must not pass unseen."""
    statement = _moved(step, frozenset(values), fails=fails)
    row = await uow.fetch_one(statement(of_organization=ticket.organization_id, of_job=ticket.job_id, **values))
    if row is None:
        raise Superseded(f"{ticket.name} {ticket.job_id} can't {step.value} any more.")
    return jobs.to_job(row)


@functools.cache
def _moved(step: Step, names: frozenset[str], *, fails: bool) -> statements.Prepared:
    """Return the statement of a step that sets these columns, and counts another failure if ``fails``."""
    before, after = types.TRANSITIONS[step]
    allowed = or_(*(_jobs.c.state == state.value for state in before))
    values: dict[str, Any] = {"state": after.value, **{name: bindparam(name) for name in sorted(names)}}
    if fails:
        values["failures"] = _jobs.c.failures + 1
    return statements.Prepared(update(_jobs).where(*_THIS, allowed).values(values).returning(_jobs))


async def _close(uow: db.UnitOfWork, attempt: Attempt, outcome: Outcome, *, at: datetime, failure: failures.Failure | None = None) -> None:
    said = (None,) * 3 if failure is None else (failure.outcome.value, failure.error_type, failure.text)
    await uow.execute(
        _CLOSE(
            of_organization=attempt.ticket.organization_id,
            of_job=attempt.ticket.job_id,
            of_number=attempt.number,
            finished_at=at,
            outcome=outcome.value,
            **dict(zip(_SAID, said, strict=True)),
        )
    )


async def _leave_queue(uow: db.UnitOfWork, ticket: Ticket, status: pgq.Status) -> None:
    await pgq.on(uow.conn).log_jobs([(ticket.entry, status, None)])


async def _wait_in_queue(uow: db.UnitOfWork, ticket: Ticket, delay_s: float) -> None:
    await pgq.on(uow.conn).retry_job(ticket.entry, timedelta(seconds=delay_s), None)
    await pgq.tell_workers(uow.conn)
