"""Plans, without what they cost, and what uses them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy import insert, or_, select, update

from carbonledger.domains.catalog import tables
from carbonledger.domains.catalog.types import PlanState
from carbonledger.infra import db

plans = tables.plans


@dataclass(frozen=True, slots=True)
class Head:
    """A plan without its versions."""

    id: UUID
    code: str
    name: str
    description: str | None
    state: PlanState
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


def _from_row(row: asyncpg.Record) -> Head:
    return Head(
        id=row["id"],
        code=row["code"],
        name=row["name"],
        description=row["description"],
        state=PlanState(row["state"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        archived_at=row["archived_at"],
    )


async def add(uow: db.UnitOfWork, *, organization_id: UUID, head: Head) -> None:
    """Insert a plan. Raises ``asyncpg.UniqueViolationError`` for a code that is taken."""
    await uow.execute(
        insert(plans).values(
            organization_id=organization_id,
            id=head.id,
            code=head.code,
            name=head.name,
            description=head.description,
            state=head.state.value,
            created_at=head.created_at,
            updated_at=head.updated_at,
        )
    )


async def find(uow: db.UnitOfWork, *, organization_id: UUID, plan_id: UUID, lock: bool = False) -> Head | None:
    """Return a plan that is not deleted. ``lock``: nobody else changes it, or marks it as used, until the transaction ends."""
    statement = select(plans).where(plans.c.organization_id == organization_id, plans.c.id == plan_id, plans.c.deleted_at.is_(None))
    row = await uow.fetch_one(statement.with_for_update() if lock else statement)
    return None if row is None else _from_row(row)


async def with_code(uow: db.UnitOfWork, *, organization_id: UUID, code: str) -> Head | None:
    """Return the plan of this code."""
    statement = select(plans).where(plans.c.organization_id == organization_id, plans.c.code == code, plans.c.deleted_at.is_(None))
    row = await uow.fetch_one(statement)
    return None if row is None else _from_row(row)


async def those(uow: db.UnitOfWork, *, organization_id: UUID, plan_ids: Sequence[UUID]) -> tuple[Head, ...]:
    """Return these plans, in no particular order, in one statement."""
    rows = await uow.conn.fetch(
        "SELECT * FROM plans WHERE organization_id = $1 AND id = ANY ($2::uuid[]) AND deleted_at IS NULL", organization_id, plan_ids
    )
    return tuple(_from_row(row) for row in rows)


async def some(
    uow: db.UnitOfWork, *, organization_id: UUID, state: PlanState | None, search: str | None, before: UUID | None, limit: int
) -> tuple[Head, ...]:
    """Return plans of a state (None: all), newest first, at most ``limit``, made before the one named."""
    statement = select(plans).where(plans.c.organization_id == organization_id, plans.c.deleted_at.is_(None))
    if state is not None:
        statement = statement.where(plans.c.state == state.value)
    if search:
        statement = statement.where(or_(*(column.icontains(search, autoescape=True) for column in (plans.c.name, plans.c.code))))
    if before is not None:
        statement = statement.where(plans.c.id < before)
    return tuple(_from_row(row) for row in await uow.fetch(statement.order_by(plans.c.id.desc()).limit(limit)))


async def change(uow: db.UnitOfWork, *, organization_id: UUID, plan_id: UUID, values: Mapping[str, object]) -> None:
    """Write columns of a plan, whose row the transaction holds."""
    await uow.execute(update(plans).where(plans.c.organization_id == organization_id, plans.c.id == plan_id).values(**values))


_HOLD: Final = "SELECT id FROM plans WHERE organization_id = $1 AND id = ANY ($2::uuid[]) AND deleted_at IS NULL ORDER BY id FOR KEY SHARE"
# No row is written twice, so whoever begins something on a plan that has others waits for nobody.
_USE: Final = """
INSERT INTO plan_uses (organization_id, plan_id, kind, first_at)
SELECT $1, u, $3, $4 FROM unnest($2::uuid[]) AS u ORDER BY u ON CONFLICT DO NOTHING
"""
_USES: Final = "SELECT kind FROM plan_uses WHERE organization_id = $1 AND plan_id = $2 ORDER BY kind"


async def held(uow: db.UnitOfWork, *, organization_id: UUID, plan_ids: Sequence[UUID]) -> frozenset[UUID]:
    """Return which of these plans are there and not deleted; none of them is deleted before the transaction ends."""
    return frozenset(row["id"] for row in await uow.conn.fetch(_HOLD, organization_id, plan_ids))


async def use(uow: db.UnitOfWork, *, organization_id: UUID, plan_ids: Sequence[UUID], kind: str, at: datetime) -> None:
    """Write that things of this kind use plans."""
    await uow.conn.execute(_USE, organization_id, plan_ids, kind, at)


async def uses_of(uow: db.UnitOfWork, *, organization_id: UUID, plan_id: UUID) -> tuple[str, ...]:
    """Return the kinds of things that use a plan, or did."""
    return tuple(row["kind"] for row in await uow.conn.fetch(_USES, organization_id, plan_id))
