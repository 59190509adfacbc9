"""Connections and their streams, and the look-ups that reach over organizations."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import asyncpg
from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy.dialects import postgresql

from carbonledger.domains.connections import tables, types
from carbonledger.domains.connections.types import Connection, LastError, State, StreamState
from carbonledger.infra import db

connections = tables.connections
streams = tables.streams
buckets = tables.buckets
Lock = Literal["none", "change"]
ACCOUNT_INDEX: Final = tables.ACCOUNT_INDEX
NOBODY: Final = UUID(int=0)  # before every id
_PLAIN: Final = (
    *("id", "provider", "account", "label", "secret_id", "key_hint", "workload_id", "failures", "last_polled_at", "next_poll_at"),
    *("reads_from", "covers_direct", "synced_at", "created_at", "updated_at", "deleted_at"),
)
_STREAM: Final = ("is_read", "read_from", "read_to", "polled_at", "polled_by", "refused")


def _from_row(row: asyncpg.Record) -> Connection:
    error = row["last_error_at"]
    return Connection(
        **{name: row[name] for name in _PLAIN},
        state=State(row["state"]),
        last_error=None if error is None else LastError(row["last_error_code"], row["last_error_words"], error),
    )


def _to_row(connection: Connection) -> dict[str, Any]:
    error = connection.last_error
    return {
        **{name: getattr(connection, name) for name in _PLAIN},
        "state": connection.state.value,
        "last_error_code": None if error is None else error.code,
        "last_error_words": None if error is None else error.words,
        "last_error_at": None if error is None else error.at,
    }


async def add(uow: db.UnitOfWork, *, organization_id: UUID, connection: Connection, key_digest: bytes | None) -> None:
    """Insert a connection. Raises ``asyncpg.UniqueViolationError`` when another has the same key or account."""
    await uow.execute(insert(connections).values(organization_id=organization_id, key_digest=key_digest, **_to_row(connection)))


async def change(uow: db.UnitOfWork, *, organization_id: UUID, connection: Connection) -> None:
    """Write a connection, whose row the transaction holds; all but its key's digest.

    Raises ``asyncpg.UniqueViolationError`` when another has the same account.
    """
    statement = update(connections).where(connections.c.organization_id == organization_id, connections.c.id == connection.id)
    await uow.execute(statement.values(_to_row(connection)))


async def set_key_digest(uow: db.UnitOfWork, *, organization_id: UUID, connection_id: UUID, key_digest: bytes | None) -> None:
    """Write by what the key is known again. Raises ``asyncpg.UniqueViolationError`` when another connection has the same key."""
    statement = update(connections).where(connections.c.organization_id == organization_id, connections.c.id == connection_id)
    await uow.execute(statement.values(key_digest=key_digest))


async def find(uow: db.UnitOfWork, *, organization_id: UUID, connection_id: UUID, lock: Lock = "none") -> Connection | None:
    """Return a connection, deleted or not. ``change`` holds its row until the transaction ends."""
    statement = select(connections).where(connections.c.organization_id == organization_id, connections.c.id == connection_id)
    row = await uow.fetch_one(statement.with_for_update(key_share=True) if lock == "change" else statement)
    return None if row is None else _from_row(row)


async def with_key(uow: db.UnitOfWork, *, organization_id: UUID, provider: str, key_digest: bytes | None) -> Connection | None:
    """Return the connection that has this key and is not deleted; None for a key that is not known again."""
    if key_digest is None:
        return None
    return await _live(uow, connections.c.key_digest == key_digest, organization_id=organization_id, provider=provider)


async def with_account(uow: db.UnitOfWork, *, organization_id: UUID, provider: str, account: str) -> Connection | None:
    """Return the connection that reads this account and is not deleted."""
    return await _live(uow, connections.c.account == account, organization_id=organization_id, provider=provider)


async def _live(uow: db.UnitOfWork, which: ColumnElement[bool], *, organization_id: UUID, provider: str) -> Connection | None:
    statement = select(connections).where(
        connections.c.organization_id == organization_id, connections.c.provider == provider, connections.c.deleted_at.is_(None), which
    )
    row = await uow.fetch_one(statement)
    return None if row is None else _from_row(row)


async def some(
    uow: db.UnitOfWork, *, organization_id: UUID, provider: str | None, before: UUID | None, limit: int
) -> tuple[Connection, ...]:
    """Return connections that are not deleted, newest first, at most ``limit``, made before the one named."""
    statement = select(connections).where(connections.c.organization_id == organization_id, connections.c.deleted_at.is_(None))
    if provider is not None:
        statement = statement.where(connections.c.provider == provider)
    if before is not None:
        statement = statement.where(connections.c.id < before)
    return tuple(_from_row(row) for row in await uow.fetch(statement.order_by(connections.c.id.desc()).limit(limit)))


async def covering(uow: db.UnitOfWork, *, organization_id: UUID, provider: str) -> list[Connection]:
    """Return the connections of a provider that cover what is sent directly, those that were deleted too."""
    statement = select(connections).where(
        connections.c.organization_id == organization_id, connections.c.provider == provider, connections.c.covers_direct.is_(True)
    )
    return [_from_row(row) for row in await uow.fetch(statement.order_by(connections.c.id))]


async def counts(uow: db.UnitOfWork, *, organization_id: UUID) -> dict[State, int]:
    """Return how many connections are in each state, without those that were deleted."""
    statement = (
        select(connections.c.state, func.count().label("count"))
        .where(connections.c.organization_id == organization_id, connections.c.deleted_at.is_(None))
        .group_by(connections.c.state)
    )
    return {State(row["state"]): row["count"] for row in await uow.fetch(statement)}


async def ailing(uow: db.UnitOfWork, *, organization_id: UUID, limit: int) -> tuple[Connection, ...]:
    """Return connections that fail or are stopped, those that have failed longest ago first, at most ``limit``."""
    states = [state.value for state in types.AILING]
    statement = (
        select(connections)
        .where(connections.c.organization_id == organization_id, connections.c.state.in_(states))
        .order_by(connections.c.last_error_at, connections.c.id)
    )
    return tuple(_from_row(row) for row in await uow.fetch(statement.limit(limit)))


async def due(uow: db.UnitOfWork, *, at: datetime, after: UUID, at_most: int) -> list[tuple[UUID, UUID]]:
    """Return (organization, connection) of what is due in any organization but sandboxes, by id, through the look-up function."""
    query = "SELECT organization_id, connection_id FROM due_connections($1, $2, $3)"
    return [(row["organization_id"], row["connection_id"]) for row in await uow.conn.fetch(query, at, after, at_most)]


async def read_before(uow: db.UnitOfWork, *, after: UUID, at_most: int) -> list[tuple[UUID, UUID]]:
    """Return (organization, connection) of what was read at least once in any organization but sandboxes, by id."""
    query = "SELECT organization_id, connection_id FROM read_connections($1, $2)"
    return [(row["organization_id"], row["connection_id"]) for row in await uow.conn.fetch(query, after, at_most)]


async def polls(uow: db.UnitOfWork) -> types.Polls:
    """Return how the polls of all organizations are, through the look-up function."""
    row = await uow.conn.fetchrow("SELECT connections, last_polled_at FROM connection_polls()")
    if row is None:
        raise RuntimeError("An aggregate returned no row.")
    return types.Polls(row["connections"], row["last_polled_at"])


async def stream_states(uow: db.UnitOfWork, *, organization_id: UUID, connection_ids: Iterable[UUID]) -> dict[UUID, list[StreamState]]:
    """Return the streams of connections, each with its earliest bucket that is still provisional, by name."""
    first_open = (
        select(func.min(buckets.c.starts_at))
        .where(
            buckets.c.organization_id == streams.c.organization_id,
            buckets.c.connection_id == streams.c.connection_id,
            buckets.c.stream == streams.c.stream,
            buckets.c.is_final.is_(False),
        )
        .correlate(streams)
        .scalar_subquery()
    )
    statement = (
        select(streams, first_open.label("open_from"))
        .where(streams.c.organization_id == organization_id, streams.c.connection_id.in_(list(connection_ids)))
        .order_by(streams.c.stream)
    )
    found: dict[UUID, list[StreamState]] = {}
    for row in await uow.fetch(statement):
        state = StreamState(stream=row["stream"], open_from=row["open_from"], **{name: row[name] for name in _STREAM})
        found.setdefault(row["connection_id"], []).append(state)
    return found


async def set_stream(uow: db.UnitOfWork, *, organization_id: UUID, connection_id: UUID, state: StreamState) -> None:
    """Write how far a stream was read."""
    values = {name: getattr(state, name) for name in _STREAM}
    keys = {"organization_id": organization_id, "connection_id": connection_id, "stream": state.stream}
    statement = postgresql.insert(streams).values(**keys, **values)
    await uow.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=values))
