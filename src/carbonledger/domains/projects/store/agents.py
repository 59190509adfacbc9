"""Agents."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy import func, insert, select, update

from carbonledger.domains.projects import tables, types
from carbonledger.infra import db

agents = tables.agents
EXTERNAL_ID_INDEX = "agents_external_id_idx"


def _from_row(row: asyncpg.Record) -> types.Agent:
    return types.Agent(
        id=row["id"],
        project_id=row["project_id"],
        name=row["name"],
        external_id=row["external_id"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        archived_at=row["archived_at"],
    )


async def add(uow: db.UnitOfWork, *, organization_id: UUID, agent: types.Agent) -> None:
    """Insert an agent. Raises ``asyncpg.UniqueViolationError`` when its name or external id is taken."""
    await uow.execute(
        insert(agents).values(
            organization_id=organization_id,
            id=agent.id,
            project_id=agent.project_id,
            name=agent.name,
            external_id=agent.external_id,
            created_at=agent.created_at,
            updated_at=agent.updated_at,
        )
    )


async def find(uow: db.UnitOfWork, *, organization_id: UUID, agent_id: UUID, lock: bool = False) -> types.Agent | None:
    """Return an agent of the organization, archived or not. ``lock`` holds it until the transaction ends."""
    statement = select(agents).where(agents.c.organization_id == organization_id, agents.c.id == agent_id)
    row = await uow.fetch_one(statement.with_for_update(key_share=True) if lock else statement)
    return None if row is None else _from_row(row)


async def some(
    uow: db.UnitOfWork, *, organization_id: UUID, project_id: UUID | None, archived: bool, before: UUID | None, limit: int
) -> tuple[types.Agent, ...]:
    """Return agents, in use or archived, of one project or of all, newest first, at most ``limit``, made before the one named."""
    statement = select(agents).where(
        agents.c.organization_id == organization_id,
        agents.c.archived_at.is_not(None) if archived else agents.c.archived_at.is_(None),
    )
    if project_id is not None:
        statement = statement.where(agents.c.project_id == project_id)
    if before is not None:
        statement = statement.where(agents.c.id < before)
    return tuple(_from_row(row) for row in await uow.fetch(statement.order_by(agents.c.id.desc()).limit(limit)))


async def count(uow: db.UnitOfWork, *, organization_id: UUID) -> int:
    """Return how many agents are in use."""
    found = await uow.fetch_value(
        select(func.count()).select_from(agents).where(agents.c.organization_id == organization_id, agents.c.archived_at.is_(None))
    )
    return int(found)


async def change(
    uow: db.UnitOfWork, *, organization_id: UUID, agent_id: UUID, now: datetime, values: Mapping[str, object]
) -> types.Agent | None:
    """Change columns of an agent and return it as it is then. Raises ``asyncpg.UniqueViolationError`` for a name that is taken."""
    statement = update(agents).where(agents.c.organization_id == organization_id, agents.c.id == agent_id)
    row = await uow.fetch_one(statement.values(updated_at=now, **values).returning(agents))
    return None if row is None else _from_row(row)
