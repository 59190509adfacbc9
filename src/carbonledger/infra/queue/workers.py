"""The worker processes of the installation, as each reports itself: for health checks and operators, never for the running of jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql

from carbonledger.infra import db, tables

_workers = tables.workers


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker process and when it was last heard of."""

    id: UUID
    name: str
    running: int
    started_at: datetime
    seen_at: datetime
    stopped_at: datetime | None


async def report(uow: db.UnitOfWork, *, worker_id: UUID, name: str, running: int, started_at: datetime, at: datetime) -> None:
    """Say that the worker lives and how many jobs it runs."""
    row = {"id": worker_id, "name": name, "running": running, "started_at": started_at, "seen_at": at}
    statement = postgresql.insert(_workers).values(row)
    await uow.execute(statement.on_conflict_do_update(index_elements=["id"], set_={"running": running, "seen_at": at}))


async def sign_off(uow: db.UnitOfWork, *, worker_id: UUID, at: datetime) -> None:
    """Say that the worker has stopped on purpose."""
    await uow.execute(update(_workers).where(_workers.c.id == worker_id).values(running=0, seen_at=at, stopped_at=at))


async def seen_since(uow: db.UnitOfWork, *, since: datetime) -> list[Worker]:
    """Return the workers that live and were heard of since then, the latest first."""
    statement = select(_workers).where(_workers.c.stopped_at.is_(None), _workers.c.seen_at >= since).order_by(_workers.c.seen_at.desc())
    return [Worker(**dict(row)) for row in await uow.fetch(statement)]
