"""Plan versions: written once, read by id, by number or by the instant at which they are in force."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy import insert

from carbonledger.domains.catalog import tables
from carbonledger.domains.catalog.types import PlanVersion, documents
from carbonledger.infra import db


def _from_row(row: asyncpg.Record) -> PlanVersion:
    return documents.from_document(row["document"])


async def add(
    uow: db.UnitOfWork, *, organization_id: UUID, version: PlanVersion, meter_ids: Iterable[UUID], tax_rate_ids: Iterable[UUID]
) -> None:
    """Insert a version with what it needs, which from then on can't go."""
    await uow.execute(
        insert(tables.plan_versions).values(
            organization_id=organization_id,
            id=version.id,
            plan_id=version.plan_id,
            number=version.number,
            effective_at=version.effective_at,
            currency=version.currency.code,
            document=documents.to_document(version),
            digest=documents.digest(version),
            created_at=version.created_at,
        )
    )
    needed = [("meter", one) for one in sorted(meter_ids)] + [("tax_rate", one) for one in sorted(tax_rate_ids)]
    await uow.execute_many(
        insert(tables.plan_version_needs),
        [{"organization_id": organization_id, "version_id": version.id, "kind": kind, "needed_id": one} for kind, one in needed],
    )


_IN_FORCE: Final = """
SELECT DISTINCT ON (v.plan_id) v.document FROM plan_versions v
WHERE v.organization_id = $1 AND v.plan_id = ANY ($2::uuid[]) AND v.effective_at <= $3
ORDER BY v.plan_id, v.effective_at DESC, v.number DESC
"""
_LATEST: Final = """
SELECT DISTINCT ON (v.plan_id) v.document FROM plan_versions v
WHERE v.organization_id = $1 AND v.plan_id = ANY ($2::uuid[]) ORDER BY v.plan_id, v.number DESC
"""
_OF_PLANS: Final = """
SELECT v.document FROM plan_versions v WHERE v.organization_id = $1 AND v.plan_id = ANY ($2::uuid[]) ORDER BY v.plan_id, v.number
"""
_SOME: Final = """
SELECT v.document FROM plan_versions v WHERE v.organization_id = $1 AND v.plan_id = $2 AND ($3::integer IS NULL OR v.number < $3)
ORDER BY v.number DESC LIMIT $4
"""
_NUMBERED: Final = "SELECT v.document FROM plan_versions v WHERE v.organization_id = $1 AND v.plan_id = $2 AND v.number = $3"
_THOSE: Final = "SELECT v.document FROM plan_versions v WHERE v.organization_id = $1 AND v.id = ANY ($2::uuid[])"


async def in_force(uow: db.UnitOfWork, *, organization_id: UUID, plan_ids: Sequence[UUID], at: datetime) -> dict[UUID, PlanVersion]:
    """Return the version of each plan that is effective at an instant; a plan without one is left out."""
    found = (_from_row(row) for row in await uow.conn.fetch(_IN_FORCE, organization_id, plan_ids, at))
    return {version.plan_id: version for version in found}


async def latest(uow: db.UnitOfWork, *, organization_id: UUID, plan_ids: Sequence[UUID]) -> dict[UUID, PlanVersion]:
    """Return the version of each plan that was made last."""
    found = (_from_row(row) for row in await uow.conn.fetch(_LATEST, organization_id, plan_ids))
    return {version.plan_id: version for version in found}


async def of_plans(uow: db.UnitOfWork, *, organization_id: UUID, plan_ids: Sequence[UUID]) -> tuple[PlanVersion, ...]:
    """Return every version of these plans, by plan and number."""
    return tuple(_from_row(row) for row in await uow.conn.fetch(_OF_PLANS, organization_id, plan_ids))


async def some(uow: db.UnitOfWork, *, organization_id: UUID, plan_id: UUID, before: int | None, limit: int) -> tuple[PlanVersion, ...]:
    """Return versions of a plan, newest first, at most ``limit``, of smaller numbers than the one given."""
    return tuple(_from_row(row) for row in await uow.conn.fetch(_SOME, organization_id, plan_id, before, limit))


async def numbered(uow: db.UnitOfWork, *, organization_id: UUID, plan_id: UUID, number: int) -> PlanVersion | None:
    """Return one version of a plan."""
    row = await uow.conn.fetchrow(_NUMBERED, organization_id, plan_id, number)
    return None if row is None else _from_row(row)


async def those(uow: db.UnitOfWork, *, organization_id: UUID, version_ids: Sequence[UUID]) -> tuple[PlanVersion, ...]:
    """Return these versions, in no particular order, in one statement."""
    return tuple(_from_row(row) for row in await uow.conn.fetch(_THOSE, organization_id, version_ids))


_NEEDED_BY: Final = """
SELECT DISTINCT p.code FROM plan_version_needs n
JOIN plan_versions v ON v.organization_id = n.organization_id AND v.id = n.version_id
JOIN plans p ON p.organization_id = v.organization_id AND p.id = v.plan_id
WHERE n.organization_id = $1 AND n.needed_id = $2 AND p.deleted_at IS NULL ORDER BY p.code LIMIT 20
"""


async def needed_by(uow: db.UnitOfWork, *, organization_id: UUID, needed_id: UUID) -> tuple[str, ...]:
    """Return the codes of up to 20 plans that charge by a meter or a tax rate in any of their versions."""
    return tuple(row["code"] for row in await uow.conn.fetch(_NEEDED_BY, organization_id, needed_id))
