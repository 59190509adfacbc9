"""Every SQL statement of the keys that sign. They have no organization: they are the installation's, and public."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import asyncpg
from sqlalchemy import insert, select, update

from carbonledger.domains.receipts.tables import keys as tables
from carbonledger.domains.receipts.types import keys as types
from carbonledger.infra import db
from carbonledger_proof import keys, signature


async def current(uow: db.UnitOfWork, *, purpose: keys.Purpose, share: bool = False, lock: bool = False) -> types.SigningKey | None:
    """Return the key that signs this now, or None.

    ``share``: none follows it before the transaction ends; ``lock``: this transaction is about to let one follow.
    """
    statement = select(tables.signing_keys).where(
        tables.signing_keys.c.purpose == purpose.value, tables.signing_keys.c.retired_at.is_(None)
    )
    if share or lock:
        statement = statement.with_for_update(read=not lock)
    return _to_key(await uow.fetch_one(statement))


async def get(uow: db.UnitOfWork, *, kid: str, lock: bool = False) -> types.SigningKey | None:
    """Return the key of a name, or None."""
    statement = select(tables.signing_keys).where(tables.signing_keys.c.kid == kid)
    return _to_key(await uow.fetch_one(statement.with_for_update() if lock else statement))


async def all_keys(uow: db.UnitOfWork) -> list[types.SigningKey]:
    """Return every key there ever was, the oldest first."""
    rows = await uow.fetch(select(tables.signing_keys).order_by(tables.signing_keys.c.created_at, tables.signing_keys.c.kid))
    return [_key(row) for row in rows]


async def insert_key(uow: db.UnitOfWork, *, key: types.SigningKey) -> None:
    """Add a key."""
    row = {
        "kid": key.kid,
        "purpose": key.key.purpose.value,
        "public": key.key.public.raw,
        "house_id": key.house_id,
        "secret_id": key.secret_id,
        "not_before": _instant(key.key.nbf),
        "created_at": key.created_at,
    }
    await uow.execute(insert(tables.signing_keys).values(row))


async def retire(uow: db.UnitOfWork, *, kid: str, at: datetime, not_after: datetime) -> None:
    """Say that a key signs no more, and that its private part is gone."""
    await uow.execute(
        update(tables.signing_keys).where(tables.signing_keys.c.kid == kid).values(retired_at=at, not_after=not_after, secret_id=None)
    )


async def revoke(uow: db.UnitOfWork, *, kid: str, at: datetime, reason: keys.Reason) -> None:
    """Say that a key ended before its time."""
    await uow.execute(
        update(tables.signing_keys).where(tables.signing_keys.c.kid == kid).values(revoked_at=at, revoked_reason=reason.value)
    )


def _to_key(row: asyncpg.Record | None) -> types.SigningKey | None:
    return None if row is None else _key(row)


def _key(row: asyncpg.Record) -> types.SigningKey:
    secret_id: UUID | None = row["secret_id"]
    revoked = None
    if row["revoked_at"] is not None:
        revoked = keys.Revoked(revoked_at=int(row["revoked_at"].timestamp()), reason=keys.Reason(row["revoked_reason"]))
    key = keys.Key(
        public=signature.PublicKey(row["public"]),
        purpose=keys.Purpose(row["purpose"]),
        nbf=int(row["not_before"].timestamp()),
        exp=None if row["not_after"] is None else int(row["not_after"].timestamp()),
        revoked=revoked,
    )
    return types.SigningKey(
        key=key, house_id=row["house_id"], secret_id=secret_id, retired_at=row["retired_at"], created_at=row["created_at"]
    )


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
