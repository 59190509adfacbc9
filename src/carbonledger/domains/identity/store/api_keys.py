"""API keys."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy import insert, select, update

from carbonledger.domains.identity import tables, types
from carbonledger.infra import db

api_keys = tables.api_keys
_SHOWN = [column for column in api_keys.c if column.name != "token_hash"]


def _from_row(row: asyncpg.Record) -> types.ApiKey:
    return types.ApiKey(
        id=row["id"],
        organization_id=row["organization_id"],
        label=row["label"],
        prefix=row["prefix"],
        last_four=row["last_four"],
        scopes=tuple(row["scopes"]),
        created_by=row["created_by"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        last_used_at=row["last_used_at"],
        revoked_at=row["revoked_at"],
    )


async def add(uow: db.UnitOfWork, *, key: types.ApiKey, token_hash: bytes) -> None:
    """Keep a key under the hash of its secret."""
    await uow.execute(
        insert(api_keys).values(
            organization_id=key.organization_id,
            id=key.id,
            label=key.label,
            prefix=key.prefix,
            last_four=key.last_four,
            token_hash=token_hash,
            scopes=list(key.scopes),
            created_by=key.created_by,
            created_at=key.created_at,
            expires_at=key.expires_at,
        )
    )


async def find(uow: db.UnitOfWork, *, organization_id: UUID, key_id: UUID) -> types.ApiKey | None:
    """Return a key of the organization."""
    row = await uow.fetch_one(select(*_SHOWN).where(api_keys.c.organization_id == organization_id, api_keys.c.id == key_id))
    return None if row is None else _from_row(row)


async def is_kept(uow: db.UnitOfWork, *, organization_id: UUID, token_hash: bytes) -> bool:
    """Say whether the organization has a key of this hash, revoked or not."""
    found = select(api_keys.c.id).where(api_keys.c.organization_id == organization_id, api_keys.c.token_hash == token_hash)
    return await uow.fetch_value(found) is not None


async def some(uow: db.UnitOfWork, *, organization_id: UUID, before: UUID | None, limit: int) -> tuple[types.ApiKey, ...]:
    """Return keys of the organization, newest first, at most ``limit``, made before the one named."""
    statement = select(*_SHOWN).where(api_keys.c.organization_id == organization_id).order_by(api_keys.c.id.desc())
    if before is not None:
        statement = statement.where(api_keys.c.id < before)
    return tuple(_from_row(row) for row in await uow.fetch(statement.limit(limit)))


async def revoke(uow: db.UnitOfWork, *, organization_id: UUID, key_id: UUID, at: datetime) -> bool:
    """Mark a key as revoked; False if it was already, or is not there."""
    statement = update(api_keys).where(
        api_keys.c.organization_id == organization_id, api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None)
    )
    return await uow.execute(statement.values(revoked_at=at)) == 1
