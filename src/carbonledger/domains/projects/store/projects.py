"""Projects."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from uuid import UUID

import asyncpg
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from carbonledger.domains.projects import tables, types
from carbonledger.infra import db

projects = tables.projects
Lock = Literal["none", "share", "change"]
"""``share``: nobody archives the project before the transaction ends. ``change``: nobody else holds it meanwhile."""


def _from_row(row: asyncpg.Record) -> types.Project:
    return types.Project(
        id=row["id"],
        name=row["name"],
        is_default=row["is_default"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        archived_at=row["archived_at"],
    )


async def add(uow: db.UnitOfWork, *, organization_id: UUID, project: types.Project) -> bool:
    """Insert a project; False if its name is taken, or if it is a default where one is there. Waits for others who do the same."""
    statement = upsert(projects).values(
        organization_id=organization_id,
        id=project.id,
        name=project.name,
        is_default=project.is_default,
        created_at=project.created_at,
        updated_at=project.updated_at,
    )
    return await uow.execute(statement.on_conflict_do_nothing()) == 1


async def find(uow: db.UnitOfWork, *, organization_id: UUID, project_id: UUID, lock: Lock = "none") -> types.Project | None:
    """Return a project of the organization, archived or not."""
    statement = select(projects).where(projects.c.organization_id == organization_id, projects.c.id == project_id)
    if lock != "none":
        statement = statement.with_for_update(read=lock == "share", key_share=lock == "change")
    row = await uow.fetch_one(statement)
    return None if row is None else _from_row(row)


async def default(uow: db.UnitOfWork, *, organization_id: UUID) -> types.Project | None:
    """Return the organization's default project, or None before the first need."""
    row = await uow.fetch_one(select(projects).where(projects.c.organization_id == organization_id, projects.c.is_default))
    return None if row is None else _from_row(row)


async def some(uow: db.UnitOfWork, *, organization_id: UUID, archived: bool, before: UUID | None, limit: int) -> tuple[types.Project, ...]:
    """Return projects, in use or archived, newest first, at most ``limit``, made before the one named."""
    statement = select(projects).where(
        projects.c.organization_id == organization_id,
        projects.c.archived_at.is_not(None) if archived else projects.c.archived_at.is_(None),
    )
    if before is not None:
        statement = statement.where(projects.c.id < before)
    return tuple(_from_row(row) for row in await uow.fetch(statement.order_by(projects.c.id.desc()).limit(limit)))


async def change(
    uow: db.UnitOfWork, *, organization_id: UUID, project_id: UUID, now: datetime, values: Mapping[str, object]
) -> types.Project | None:
    """Change columns of a project and return it as it is then. Raises ``asyncpg.UniqueViolationError`` for a name that is taken."""
    statement = update(projects).where(projects.c.organization_id == organization_id, projects.c.id == project_id)
    row = await uow.fetch_one(statement.values(updated_at=now, **values).returning(projects))
    return None if row is None else _from_row(row)
