"""Workloads."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg
from sqlalchemy import insert, select, update

from carbonledger.domains.projects import tables, types
from carbonledger.infra import db

workloads = tables.workloads


def _from_row(row: asyncpg.Record) -> types.Workload:
    return types.Workload(
        id=row["id"],
        project_id=row["project_id"],
        name=row["name"],
        state=types.WorkloadState(row["state"]),
        opened_at=row["opened_at"],
        closed_at=row["closed_at"],
    )


async def add(uow: db.UnitOfWork, *, organization_id: UUID, workload: types.Workload) -> None:
    """Insert a workload."""
    await uow.execute(
        insert(workloads).values(
            organization_id=organization_id,
            id=workload.id,
            project_id=workload.project_id,
            name=workload.name,
            state=workload.state.value,
            opened_at=workload.opened_at,
            closed_at=workload.closed_at,
        )
    )


async def find(uow: db.UnitOfWork, *, organization_id: UUID, workload_id: UUID, lock: bool = False) -> types.Workload | None:
    """Return a workload of the organization. ``lock`` holds it until the transaction ends."""
    statement = select(workloads).where(workloads.c.organization_id == organization_id, workloads.c.id == workload_id)
    row = await uow.fetch_one(statement.with_for_update(key_share=True) if lock else statement)
    return None if row is None else _from_row(row)


async def those(uow: db.UnitOfWork, *, organization_id: UUID, workload_ids: Sequence[UUID]) -> tuple[types.Workload, ...]:
    """Return these workloads of the organization, in no particular order."""
    statement = select(workloads).where(workloads.c.organization_id == organization_id, workloads.c.id.in_(list(workload_ids)))
    return tuple(_from_row(row) for row in await uow.fetch(statement))


async def some(
    uow: db.UnitOfWork, *, organization_id: UUID, project_id: UUID, state: types.WorkloadState | None, before: UUID | None, limit: int
) -> tuple[types.Workload, ...]:
    """Return workloads of a project (``state`` None: of either), newest first, at most ``limit``, opened before the one named."""
    statement = select(workloads).where(workloads.c.organization_id == organization_id, workloads.c.project_id == project_id)
    if state is not None:
        statement = statement.where(workloads.c.state == state.value)
    if before is not None:
        statement = statement.where(workloads.c.id < before)
    return tuple(_from_row(row) for row in await uow.fetch(statement.order_by(workloads.c.id.desc()).limit(limit)))


async def close(uow: db.UnitOfWork, *, organization_id: UUID, workload: types.Workload) -> None:
    """Write the end of a workload, whose row the transaction holds."""
    await uow.execute(
        update(workloads)
        .where(
            workloads.c.organization_id == organization_id,
            workloads.c.id == workload.id,
            workloads.c.state == types.WorkloadState.ACTIVE.value,
        )
        .values(state=workload.state.value, closed_at=workload.closed_at)
    )
