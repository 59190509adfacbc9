"""What each time bucket said last, and the costs that providers report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, select, tuple_
from sqlalchemy.dialects import postgresql

from carbonledger.domains.connections import tables
from carbonledger.domains.connections.types import StoredBucket, StoredCost, ToldRow
from carbonledger.infra import db

buckets = tables.buckets
costs = tables.reported_costs
cost_revisions = tables.reported_cost_revisions
_BUCKET_KEYS: Final = ("organization_id", "connection_id", "stream", "starts_at")
_COST_KEYS: Final = (*_BUCKET_KEYS, "digest")
_REPLACED: Final = ("revision", "amount", "currency", "quantity", "unit", "read_at")


async def stored(
    uow: db.UnitOfWork, *, organization_id: UUID, connection_id: UUID, stream: str, starts: Sequence[datetime]
) -> dict[datetime, StoredBucket]:
    """Return what is known of the buckets with these starts, by start."""
    statement = select(buckets).where(
        buckets.c.organization_id == organization_id,
        buckets.c.connection_id == connection_id,
        buckets.c.stream == stream,
        buckets.c.starts_at.in_(list(starts)),
    )
    return {
        row["starts_at"]: StoredBucket(
            starts_at=row["starts_at"],
            payload_digest=row["payload_digest"],
            content_digest=row["content_digest"],
            told=tuple(_told_from_row(one) for one in row["told"]),
            read_at=row["read_at"],
            is_final=row["is_final"],
            revisions=row["revisions"],
        )
        for row in await uow.fetch(statement)
    }


async def store(
    uow: db.UnitOfWork, *, organization_id: UUID, connection_id: UUID, stream: str, width_s: int, found: Sequence[StoredBucket]
) -> None:
    """Write what buckets say, in place of what they said."""
    if not found:
        return
    rows = [
        {
            "organization_id": organization_id,
            "connection_id": connection_id,
            "stream": stream,
            "starts_at": one.starts_at,
            "width_s": width_s,
            "payload_digest": one.payload_digest,
            "content_digest": one.content_digest,
            "told": [_told_to_row(row) for row in one.told],
            "read_at": one.read_at,
            "is_final": one.is_final,
            "revisions": one.revisions,
        }
        for one in found
    ]
    statement = postgresql.insert(buckets)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in _BUCKET_KEYS}
    await uow.execute_many(statement.on_conflict_do_update(index_elements=list(_BUCKET_KEYS), set_=changed), rows)


def _told_from_row(one: dict[str, Any]) -> ToldRow:
    return ToldRow(one["digest"], one.get("model"), one.get("event"), one.get("batch", False), one.get("service_tier"), one.get("region"))


def _told_to_row(row: ToldRow) -> dict[str, Any]:
    members = {
        "digest": row.digest,
        "model": row.model,
        "event": row.event,
        "batch": row.batch or None,
        "service_tier": row.service_tier,
        "region": row.region,
    }
    return {name: value for name, value in members.items() if value is not None}


async def stored_costs(
    uow: db.UnitOfWork, *, organization_id: UUID, connection_id: UUID, stream: str, starts: Sequence[datetime]
) -> dict[tuple[datetime, str], StoredCost]:
    """Return the costs of the buckets with these starts, by start and digest."""
    statement = select(*(costs.c[name] for name in StoredCost._fields)).where(
        costs.c.organization_id == organization_id,
        costs.c.connection_id == connection_id,
        costs.c.stream == stream,
        costs.c.starts_at.in_(list(starts)),
    )
    rows = await uow.fetch(statement)
    return {(row["starts_at"], row["digest"]): StoredCost(*row.values()) for row in rows}


async def store_costs(
    uow: db.UnitOfWork, *, organization_id: UUID, connection_id: UUID, stream: str, found: Sequence[StoredCost], now: datetime
) -> None:
    """Write costs, new or in place of what they were; what they were is kept among the revisions."""
    if not found:
        return
    place = {"organization_id": organization_id, "connection_id": connection_id, "stream": stream}
    replaced = [(one.starts_at, one.digest) for one in found if one.revision]
    if replaced:
        names = ("starts_at", "digest", *_REPLACED)
        statement = select(*(costs.c[name] for name in names)).where(
            costs.c.organization_id == organization_id,
            costs.c.connection_id == connection_id,
            costs.c.stream == stream,
            tuple_(costs.c.starts_at, costs.c.digest).in_(replaced),
        )
        rows = await uow.fetch(statement)
        old = [{**place, **dict(row), "replaced_at": now} for row in rows]
        await uow.execute_many(insert(cost_revisions), old)
    adding = postgresql.insert(costs)
    changed = {name: adding.excluded[name] for name in StoredCost._fields if name not in _COST_KEYS}
    rows_now = [{**place, **one._asdict()} for one in found]
    await uow.execute_many(adding.on_conflict_do_update(index_elements=list(_COST_KEYS), set_=changed), rows_now)
