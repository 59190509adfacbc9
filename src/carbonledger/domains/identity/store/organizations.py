"""Organizations and their entitlements."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from carbonledger.domains.identity import tables, types
from carbonledger.infra import db

organizations = tables.organizations
entitlements = tables.entitlements


def _from_row(row: asyncpg.Record) -> types.Organization:
    return types.Organization(
        id=row["id"],
        name=row["name"],
        external_id=row["external_id"],
        tier=types.Tier(row["tier"]),
        time_zone=row["time_zone"],
        currency=row["currency"],
        is_house=row["is_house"],
        is_sandbox=row["is_sandbox"],
        clock_at=row["clock_at"],
        clock_target=row["clock_target"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


# Written out: reading one's own organization is what nearly every page and script does first.
_FIND = (
    # house: allow tenant-query - the tenant column of organizations is its id
    "SELECT id, name, external_id, tier, time_zone, currency, is_house, is_sandbox, clock_at, clock_target, created_at, updated_at "
    "FROM organizations WHERE id = $1"
)
_FIND_AND_LOCK = f"{_FIND} FOR NO KEY UPDATE"


async def add(uow: db.UnitOfWork, organization: types.Organization) -> bool:
    """Insert an organization; False if its external id is taken. The transaction must serve it."""
    statement = upsert(organizations).values(
        id=organization.id,
        name=organization.name,
        external_id=organization.external_id,
        tier=organization.tier.value,
        time_zone=organization.time_zone,
        currency=organization.currency,
        is_house=organization.is_house,
        is_sandbox=organization.is_sandbox,
        clock_at=organization.clock_at,
        clock_target=organization.clock_target,
        created_at=organization.created_at,
        updated_at=organization.updated_at,
    )
    return await uow.execute(statement.on_conflict_do_nothing(index_elements=[organizations.c.external_id])) == 1


async def find(uow: db.UnitOfWork, *, organization_id: UUID, lock: bool = False) -> types.Organization | None:
    """Return an organization. ``lock`` holds it until the transaction ends: whoever changes its members takes turns here."""
    row = await uow.conn.fetchrow(_FIND_AND_LOCK if lock else _FIND, organization_id)
    return None if row is None else _from_row(row)


async def change(uow: db.UnitOfWork, *, organization_id: UUID, now: datetime, values: Mapping[str, object]) -> types.Organization | None:
    """Change columns of an organization and return it as it is then."""
    statement = update(organizations).where(organizations.c.id == organization_id)
    row = await uow.fetch_one(statement.values(updated_at=now, **values).returning(organizations))
    return None if row is None else _from_row(row)


async def every(uow: db.UnitOfWork, *, before: UUID | None, limit: int) -> tuple[types.Organization, ...]:
    """Return organizations, newest first, at most ``limit``, made before the one named; all only to ``carbonledger_maintenance``."""
    statement = select(organizations).order_by(organizations.c.id.desc())  # house: allow tenant-query - an operator's list of tenants
    if before is not None:
        statement = statement.where(organizations.c.id < before)
    return tuple(_from_row(row) for row in await uow.fetch(statement.limit(limit)))


async def entitlement(uow: db.UnitOfWork, *, organization_id: UUID, name: str) -> types.Entitlement | None:
    """Return what the organization's plan says under one key."""
    row = await uow.fetch_one(select(entitlements).where(entitlements.c.organization_id == organization_id, entitlements.c.name == name))
    return None if row is None else types.Entitlement(name=row["name"], quota=row["quota"], enabled=row["enabled"])


async def all_entitlements(uow: db.UnitOfWork, *, organization_id: UUID) -> tuple[types.Entitlement, ...]:
    """Return everything the organization's plan says, by name."""
    rows = await uow.fetch(select(entitlements).where(entitlements.c.organization_id == organization_id).order_by(entitlements.c.name))
    return tuple(types.Entitlement(name=row["name"], quota=row["quota"], enabled=row["enabled"]) for row in rows)


async def put_entitlement(uow: db.UnitOfWork, *, organization_id: UUID, now: datetime, entitlement: types.Entitlement) -> None:
    """Write what the plan says under one key."""
    kind = "quota" if entitlement.enabled is None else "feature"
    values = {"kind": kind, "quota": entitlement.quota, "enabled": entitlement.enabled, "updated_at": now}
    statement = upsert(entitlements).values(organization_id=organization_id, name=entitlement.name, **values)
    await uow.execute(statement.on_conflict_do_update(index_elements=["organization_id", "name"], set_=values))
