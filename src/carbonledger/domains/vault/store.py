"""Every SQL statement of the vault, each filtered by organization."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy import delete, insert, select, update

from carbonledger.domains.vault import tables, types
from carbonledger.infra import db

secrets = tables.secrets
llm_keys = tables.llm_keys


async def insert_secret(
    uow: db.UnitOfWork, *, organization_id: UUID, secret_id: UUID, purpose: types.Purpose, sealed: str, fingerprint: str, now: datetime
) -> None:
    """Keep a sealed secret in the database."""
    values = {"organization_id": organization_id, "id": secret_id, "purpose": purpose.value, "created_at": now}
    await uow.execute(insert(secrets).values(sealed=sealed, key_fingerprint=fingerprint, **values))


async def secret(uow: db.UnitOfWork, *, organization_id: UUID, secret_id: UUID, lock: bool = False) -> types.Located | None:
    """Return where a secret is, or None. ``lock`` holds its row until the transaction ends."""
    statement = select(secrets).where(secrets.c.organization_id == organization_id, secrets.c.id == secret_id)
    row = await uow.fetch_one(statement.with_for_update() if lock else statement)
    return None if row is None else _located_from_row(row)


def _located_from_row(row: asyncpg.Record) -> types.Located:
    return types.Located(
        organization_id=row["organization_id"],
        secret_id=row["id"],
        purpose=types.Purpose(row["purpose"]),
        place=types.Place(row["place"]),
        sealed=row["sealed"],
        ref=row["ref"],
    )


async def reseal(uow: db.UnitOfWork, *, organization_id: UUID, secret_id: UUID, sealed: str, fingerprint: str, now: datetime) -> None:
    """Replace a secret's sealed text: the same value under another key."""
    await uow.execute(
        update(secrets)
        .where(secrets.c.organization_id == organization_id, secrets.c.id == secret_id)
        .values(place=types.Place.DATABASE.value, sealed=sealed, key_fingerprint=fingerprint, ref=None, resealed_at=now)
    )


async def move_outside(uow: db.UnitOfWork, *, organization_id: UUID, secret_id: UUID, ref: str) -> None:
    """Drop the sealed text and keep the reference to the outside store."""
    await uow.execute(
        update(secrets)
        .where(secrets.c.organization_id == organization_id, secrets.c.id == secret_id)
        .values(place=types.Place.OUTSIDE.value, sealed=None, key_fingerprint=None, ref=ref)
    )


async def delete_secret(uow: db.UnitOfWork, *, organization_id: UUID, secret_id: UUID) -> None:
    """Forget a secret."""
    await uow.execute(delete(secrets).where(secrets.c.organization_id == organization_id, secrets.c.id == secret_id))


async def secrets_to_reseal(uow: db.UnitOfWork, *, fingerprint: str, after: UUID, at_most: int) -> list[tuple[UUID, UUID]]:
    """Return (organization, secret) of rows of every organization that another key sealed, by id, through the look-up function."""
    query = "SELECT organization_id, id FROM secrets_to_reseal($1, $2, $3)"
    return [(row["organization_id"], row["id"]) for row in await uow.conn.fetch(query, fingerprint, after, at_most)]


async def fingerprints(uow: db.UnitOfWork) -> dict[str, int]:
    """Return how many secrets of all organizations each key has sealed, through the look-up function."""
    rows = await uow.conn.fetch("SELECT key_fingerprint, secrets FROM secret_key_fingerprints()")
    return {row["key_fingerprint"]: row["secrets"] for row in rows}


async def insert_llm_key(uow: db.UnitOfWork, *, organization_id: UUID, key: types.LlmKey, digest: bytes | None) -> None:
    """Add an LLM key. Raises ``asyncpg.UniqueViolationError`` when label or value are there already."""
    await uow.execute(
        insert(llm_keys).values(
            organization_id=organization_id,
            id=key.id,
            provider=key.provider,
            label=key.label,
            key_hint=key.key_hint,
            digest=digest,
            secret_id=key.secret_id,
            created_at=key.created_at,
        )
    )


async def llm_key(uow: db.UnitOfWork, *, organization_id: UUID, key_id: UUID, lock: bool = False) -> types.LlmKey | None:
    """Return an LLM key, or None. ``lock`` holds its row until the transaction ends."""
    statement = select(llm_keys).where(llm_keys.c.organization_id == organization_id, llm_keys.c.id == key_id)
    row = await uow.fetch_one(statement.with_for_update() if lock else statement)
    return None if row is None else _key_from_row(row)


async def list_llm_keys(
    uow: db.UnitOfWork, *, organization_id: UUID, provider: str | None, before: UUID | None, limit: int
) -> Sequence[types.LlmKey]:
    """Return LLM keys, newest first, at most ``limit``, made before the one named ``before``."""
    statement = select(llm_keys).where(llm_keys.c.organization_id == organization_id)
    if provider is not None:
        statement = statement.where(llm_keys.c.provider == provider)
    if before is not None:
        statement = statement.where(llm_keys.c.id < before)
    rows = await uow.fetch(statement.order_by(llm_keys.c.id.desc()).limit(limit))
    return [_key_from_row(row) for row in rows]


def _key_from_row(row: asyncpg.Record) -> types.LlmKey:
    names = ("id", "provider", "label", "key_hint", "secret_id", "created_at", "rotated_at")
    return types.LlmKey(**{name: row[name] for name in names})


async def change_llm_key(
    uow: db.UnitOfWork, *, organization_id: UUID, key_id: UUID, secret_id: UUID, key_hint: str | None, digest: bytes | None, now: datetime
) -> None:
    """Point an LLM key at its new secret. Raises ``asyncpg.UniqueViolationError`` when the value is there already."""
    await uow.execute(
        update(llm_keys)
        .where(llm_keys.c.organization_id == organization_id, llm_keys.c.id == key_id)
        .values(secret_id=secret_id, key_hint=key_hint, digest=digest, rotated_at=now)
    )


async def delete_llm_key(uow: db.UnitOfWork, *, organization_id: UUID, key_id: UUID) -> None:
    """Forget an LLM key; its secret is deleted after it."""
    await uow.execute(delete(llm_keys).where(llm_keys.c.organization_id == organization_id, llm_keys.c.id == key_id))
