"""Who is the authority for a provider's usage, and which events it makes duplicates of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from carbonledger.domains.telemetry import tables
from carbonledger.infra import db, statements

authorities = tables.authorities

_SINCE: Final = statements.Prepared(  # asked with every batch
    select(authorities.c.provider, func.min(authorities.c.since).label("since"))
    .where(authorities.c.organization_id == bindparam("organization_id"))
    .group_by(authorities.c.provider)
)
_DIRECT: Final = """
SELECT e.id, e.occurred_at FROM telemetry_events e JOIN telemetry_series s ON s.organization_id = e.organization_id AND s.id = e.series_id
WHERE e.organization_id = $1 AND s.provider = $2 AND s.source <> 'connection' AND e.facts & $3 {}
    AND e.occurred_at >= $4 AND (e.occurred_at, e.id) > ($5, $6) AND ($7::timestamptz IS NULL OR e.occurred_at < $7)
ORDER BY e.occurred_at, e.id LIMIT $8
"""
_WITH, _WITHOUT = _DIRECT.format("<> 0"), _DIRECT.format("= 0")


async def add(uow: db.UnitOfWork, *, organization_id: UUID, provider: str, connection_id: UUID, since: datetime) -> None:
    """Write that the connection is the authority for a provider from an instant on."""
    values = {"organization_id": organization_id, "provider": provider, "connection_id": connection_id, "since": since}
    keys = ["organization_id", "provider", "connection_id"]
    await uow.execute(insert(authorities).values(values).on_conflict_do_update(index_elements=keys, set_={"since": since}))


async def remove(uow: db.UnitOfWork, *, organization_id: UUID, connection_id: UUID) -> None:
    """Forget that the connection is an authority."""
    await uow.execute(
        delete(authorities).where(authorities.c.organization_id == organization_id, authorities.c.connection_id == connection_id)
    )


async def since(uow: db.UnitOfWork, *, organization_id: UUID) -> Mapping[str, datetime]:
    """Return from when on each provider has an authority."""
    return {row["provider"]: row["since"] for row in await uow.fetch(_SINCE(organization_id=organization_id))}


async def direct_events(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    provider: str,
    fact: int,
    has_fact: bool,
    since: datetime,
    until: datetime | None,
    after: tuple[datetime, UUID],
    at_most: int,
) -> list[tuple[datetime, UUID]]:
    """Return (time, id) of a provider's events from ``since`` that came directly and have a fact or lack it, in order, behind ``after``."""
    query = _WITH if has_fact else _WITHOUT
    rows = await uow.conn.fetch(query, organization_id, provider, fact, since, *after, until, at_most)
    return [(row["occurred_at"], row["id"]) for row in rows]
