"""Jobs of every organization as an operator sees them: read in a transaction that runs as ``carbonledger_maintenance``, and in no other."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select

from carbonledger.infra import db, tables
from carbonledger.infra.queue import jobs, types

_jobs = tables.jobs
_PARKED = _jobs.c.state == types.JobState.PARKED.value


async def count_parked(uow: db.UnitOfWork) -> int:
    """Return how many jobs wait for an operator."""
    return int(await uow.fetch_value(select(func.count()).where(_PARKED)))


async def parked(uow: db.UnitOfWork, *, limit: int) -> list[types.Job]:
    """Return the jobs that wait for an operator, the latest first."""
    statement = select(_jobs).where(_PARKED).order_by(_jobs.c.finished_at.desc(), _jobs.c.id).limit(limit)
    return [jobs.to_job(row) for row in await uow.fetch(statement)]


async def find(uow: db.UnitOfWork, *, job_id: UUID) -> types.Job:
    """Return a job of any organization. Raises ``JobMissing``."""
    row = await uow.fetch_one(select(_jobs).where(_jobs.c.id == job_id))
    if row is None:
        raise types.JobMissing(f"No job {job_id}.")
    return jobs.to_job(row)
