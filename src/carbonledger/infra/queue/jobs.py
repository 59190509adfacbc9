"""Jobs as the code that asks for them sees them: ask, look up, cancel, put back. Every change keeps job and queue row in step.

It does not own what a worker does to a job while running it (``attempts``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
import structlog
from sqlalchemy import bindparam, select, text, update
from sqlalchemy.dialects import postgresql

from carbonledger.infra import clock, db, statements, tables
from carbonledger.infra.queue import pgq, registry, types, wire
from carbonledger.kernel import actor as actors
from carbonledger.kernel import ids

if TYPE_CHECKING:
    import asyncpg

_jobs = tables.jobs
_LIVE = text("dedupe_key IS NOT NULL AND state IN ('queued', 'running')")
_WANTED = ("organization_id", "id", "name", "args", "dedupe_key", "request_id", "traceparent", "occurred_at", "created_at")
_INSERT = statements.Prepared(
    postgresql.insert(_jobs)
    .values({name: bindparam(name) for name in _WANTED})
    .on_conflict_do_nothing(index_elements=["organization_id", "name", "dedupe_key"], index_where=_LIVE)
    .returning(_jobs.c.id)
)
_TWIN = statements.Prepared(
    select(_jobs.c.id).where(
        _jobs.c.organization_id == bindparam("organization_id"),
        _jobs.c.name == bindparam("name"),
        _jobs.c.dedupe_key == bindparam("dedupe_key"),
        _LIVE,
    )
)
_TWIN_TRIES = 5  # a live twin that ends between our INSERT and our look costs one more try; five in a row is a defect
_LEAVE_QUEUE = "DELETE FROM pgqueuer WHERE dedupe_key = $1"
_DEPTH = """
SELECT count(*) AS depth, coalesce(extract(epoch FROM now() - min(execute_after)), 0)::float8 AS oldest_s
FROM pgqueuer WHERE status = 'queued' AND execute_after <= now()
"""


class NoOrganization(types.QueueFault):
    """A job belongs to an organization, and this transaction has none."""

    code = "job_without_organization"


async def enqueue(
    uow: db.UnitOfWork,
    *,
    name: str,
    args: types.JobArgs,
    now: datetime,
    actor: actors.Actor | None = None,
    request_id: str | None = None,
    dedupe_key: str | None = None,
    delay_s: float = 0,
) -> UUID:
    """Ask for a job in this transaction, to be run after it commits and ``delay_s``; return its id.

    While a job of this name and ``dedupe_key`` is live its id is returned instead. ``now`` is the organization's time. The request id
    and trace context come from the arguments, the actor or the present log context, so that what follows can be traced to the cause.
    Raises ``JobUnknown`` when no handler has this name.
    """
    registry.declared.require(name)
    if uow.organization_id is None:
        raise NoOrganization(f"{name} was asked for outside an organization's transaction.")
    context = structlog.contextvars.get_contextvars()
    at = clock.now()
    payload = wire.Payload(
        job_id=ids.new_id(at),
        organization_id=uow.organization_id,
        request_id=request_id or (actor.request_id if actor else None) or context.get("request_id"),
        traceparent=context.get("traceparent"),
    )
    row = {
        "organization_id": payload.organization_id,
        "id": payload.job_id,
        "name": name,
        "args": orjson.loads(wire.to_json(dict(args))),
        "dedupe_key": dedupe_key,
        "request_id": payload.request_id,
        "traceparent": payload.traceparent,
        "occurred_at": now,
        "created_at": at,
    }
    twin = await _insert(uow, row)
    if twin is None:
        await _put_in_queue(uow, name, payload, delay_s=delay_s)
    return twin or payload.job_id


async def _insert(uow: db.UnitOfWork, row: dict[str, Any]) -> UUID | None:
    """Insert the job, or return the id of its live twin."""
    for _ in range(_TWIN_TRIES):
        if await uow.fetch_one(_INSERT(**row)) is not None:
            return None
        twin: UUID | None = await uow.fetch_value(
            _TWIN(organization_id=row["organization_id"], name=row["name"], dedupe_key=row["dedupe_key"])
        )
        if twin is not None:
            return twin
    raise types.JobHasLiveTwin(f"{row['name']} with key {row['dedupe_key']} keeps appearing and ending.")


async def _put_in_queue(uow: db.UnitOfWork, name: str, payload: wire.Payload, *, delay_s: float) -> None:
    """Insert the queue's row. Its dedupe key is the job's id: one row for each live job, and a way to find it."""
    # No headers: our connections write jsonb from Python objects, and the library hands over text, which would be encoded twice.
    await pgq.on(uow.conn).enqueue(name, wire.pack(payload), execute_after=timedelta(seconds=delay_s), dedupe_key=str(payload.job_id))


def to_job(row: asyncpg.Record) -> types.Job:
    """Read a row of ``jobs``."""
    return types.Job(
        id=row["id"],
        organization_id=row["organization_id"],
        name=row["name"],
        args=row["args"],
        state=types.JobState(row["state"]),
        attempts=row["attempts"],
        failures=row["failures"],
        progress=types.Progress(done=row["progress_done"], total=row["progress_total"], words=row["progress_words"]),
        result=row["result"],
        error=row["error"],
        dedupe_key=row["dedupe_key"],
        request_id=row["request_id"],
        traceparent=row["traceparent"],
        occurred_at=row["occurred_at"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
    )


async def job(uow: db.UnitOfWork, *, job_id: UUID, lock: bool = False) -> types.Job:
    """Return the job, locked against workers and operators if asked. Raises ``JobMissing``."""
    statement = select(_jobs).where(_jobs.c.organization_id == uow.organization_id, _jobs.c.id == job_id)
    row = await uow.fetch_one(statement.with_for_update() if lock else statement)
    if row is None:
        raise types.JobMissing(f"No job {job_id}.")
    return to_job(row)


async def live(uow: db.UnitOfWork, *, name: str, dedupe_keys: Iterable[str]) -> dict[str, types.Job]:
    """Return the jobs of this name that are queued or run, by dedupe key; none for a key that no live job has."""
    wanted = (_jobs.c.organization_id == uow.organization_id, _jobs.c.name == name, _jobs.c.dedupe_key.in_(list(dedupe_keys)), _LIVE)
    return {row["dedupe_key"]: to_job(row) for row in await uow.fetch(select(_jobs).where(*wanted))}


async def parked(uow: db.UnitOfWork, *, names: Collection[str]) -> list[UUID]:
    """Return the ids of the organization's parked jobs of these names, the first asked for first."""
    asked = select(_jobs.c.id).where(_jobs.c.organization_id == uow.organization_id, _jobs.c.name.in_(list(names)))
    parked = asked.where(_jobs.c.state == types.JobState.PARKED.value)
    return [row["id"] for row in await uow.fetch(parked.order_by(_jobs.c.id))]


async def cancel(uow: db.UnitOfWork, *, job_id: UUID) -> types.Job:
    """End a job that has not ended. One that runs now stops at its next transaction or report. Raises ``JobOver``, ``JobMissing``."""
    found = await job(uow, job_id=job_id, lock=True)
    if not types.allowed(found.state, types.Step.CANCEL):
        raise types.JobOver(f"It {found.state.value} at {found.finished_at}.")
    at = clock.now()
    await _move(uow, job_id, types.Step.CANCEL, finished_at=at)
    attempt = tables.job_attempts.c
    running = (attempt.organization_id == uow.organization_id, attempt.job_id == job_id, attempt.finished_at.is_(None))
    await uow.execute(update(tables.job_attempts).where(*running).values(finished_at=at, outcome=types.Outcome.CANCELED.value))
    await uow.conn.execute(_LEAVE_QUEUE, str(job_id))
    return await job(uow, job_id=job_id)


async def unpark(uow: db.UnitOfWork, *, job_id: UUID) -> types.Job:
    """Put a parked job back into the queue with its count of failures at nought: its cause is gone, or may be.

    Raises ``JobNotParked``, ``JobHasLiveTwin``, ``JobMissing``.
    """
    found = await job(uow, job_id=job_id, lock=True)
    if not types.allowed(found.state, types.Step.UNPARK):
        raise types.JobNotParked(f"It is {found.state.value}.")
    if found.dedupe_key is not None and await _has_live_twin(uow, found):
        raise types.JobHasLiveTwin(f"Let that one finish, then unpark {job_id} if it is still needed.")
    await _move(uow, job_id, types.Step.UNPARK, finished_at=None, failures=0, error=None)
    payload = wire.Payload(found.id, found.organization_id, found.request_id, found.traceparent)
    await _put_in_queue(uow, found.name, payload, delay_s=0)
    return await job(uow, job_id=job_id)


async def _has_live_twin(uow: db.UnitOfWork, found: types.Job) -> bool:
    statement = select(_jobs.c.id).where(
        _jobs.c.organization_id == found.organization_id, _jobs.c.name == found.name, _jobs.c.dedupe_key == found.dedupe_key, _LIVE
    )
    return await uow.fetch_one(statement) is not None


async def _move(uow: db.UnitOfWork, job_id: UUID, step: types.Step, **values: object) -> None:
    """Write a transition; the caller holds the row's lock and has checked that it is allowed."""
    _, to = types.TRANSITIONS[step]
    where = (_jobs.c.organization_id == uow.organization_id, _jobs.c.id == job_id)
    await uow.execute(update(_jobs).where(*where).values(state=to.value, **values))


async def depth(conn: db.Connection) -> tuple[int, float]:
    """Return how many jobs are due and wait, and for how many seconds the oldest of them has been due."""
    row = await conn.fetchrow(_DEPTH)
    if row is None:
        raise RuntimeError("An aggregate returned no row.")
    return int(row["depth"]), float(row["oldest_s"])
