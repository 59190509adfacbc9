"""How long things of the queue are kept: ended jobs a month, the queue's own log a day. Events are kept for ever and are not here."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select

from carbonledger.infra import db, tables

JOBS_KEPT = timedelta(days=30)
LOG_KEPT = timedelta(days=1)
WORKERS_KEPT = timedelta(days=1)
BATCH = 1_000  # rows in one transaction: short locks, and a job that is stopped in between loses little
_ORGANIZATIONS = "SELECT * FROM organizations_with_jobs_before($1, $2)"
_LOGS = (
    "DELETE FROM pgqueuer_log WHERE id IN (SELECT id FROM pgqueuer_log WHERE created < $1 ORDER BY created LIMIT $2)",
    "DELETE FROM pgqueuer_statistics WHERE id IN (SELECT id FROM pgqueuer_statistics WHERE created < $1 LIMIT $2)",
)


async def organizations_with_old_jobs(uow: db.UnitOfWork, *, at: datetime) -> list[UUID]:
    """Return some organizations that have jobs to purge; none left: an empty list."""
    return [row[0] for row in await uow.conn.fetch(_ORGANIZATIONS, at - JOBS_KEPT, BATCH)]


async def purge_jobs(uow: db.UnitOfWork, *, at: datetime) -> int:
    """Delete a batch of the organization's jobs that ended long ago, with their attempts and steps; return how many."""
    jobs = tables.jobs.c
    mine = jobs.organization_id == uow.organization_id
    old = select(jobs.id).where(mine, jobs.finished_at < at - JOBS_KEPT).limit(BATCH)
    return await uow.execute(delete(tables.jobs).where(mine, jobs.id.in_(old)))


async def purge_logs(uow: db.UnitOfWork, *, at: datetime) -> int:
    """Delete a batch of the queue's own log and statistics; return how many rows."""
    count = 0
    for statement in _LOGS:
        status = await uow.conn.execute(statement, at - LOG_KEPT, BATCH)
        count += int(status.rsplit(" ", 1)[-1])
    return count


async def purge_workers(uow: db.UnitOfWork, *, at: datetime) -> int:
    """Forget workers that have not been seen for long; return how many."""
    return await uow.execute(delete(tables.workers).where(tables.workers.c.seen_at < at - WORKERS_KEPT))
