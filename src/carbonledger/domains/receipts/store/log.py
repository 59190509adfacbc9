"""Every SQL statement of the public log. It has no organization: its tables are global, and public."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg
from sqlalchemy import insert, select, update

from carbonledger.domains.receipts.tables import log as tables
from carbonledger.domains.receipts.types import log as types
from carbonledger.infra import db
from carbonledger_proof import merkle

# In the database, so that 256 hashes come as one value, and all that a proof takes in one round trip.
_HASHES = """
SELECT CASE WHEN t.level = 0
    THEN (SELECT string_agg(l.hash, ''::bytea ORDER BY l.index) FROM log_leaves l WHERE l.index >= t.first AND l.index < t.first + t.count)
    ELSE (SELECT string_agg(n.hash, ''::bytea ORDER BY n.index) FROM log_nodes n
        WHERE n.level = t.level AND n.index >= t.first AND n.index < t.first + t.count)
    END AS hashes
FROM unnest($1::smallint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS t(level, first, count, place) ORDER BY t.place
"""
# Not built by SQLAlchemy: they are asked for each proof and each tile, and building them would take longer than answering.
_HEAD = "SELECT size, peaks, signed_size, last_at, origin FROM log_head"
_ENTRY = "SELECT index, hash FROM log_leaves WHERE index = $1"
_ENTRY_BY_HASH = "SELECT index, hash FROM log_leaves WHERE hash = $1 ORDER BY index LIMIT 1"
_HEAD_LOCKED = "SELECT size, peaks, signed_size, last_at, origin FROM log_head FOR UPDATE"


async def head(uow: db.UnitOfWork, *, lock: bool = False) -> types.Head:
    """Return how far the log is. Locked, it stays so until the transaction ends, and whoever else appends waits."""
    row = await uow.conn.fetchrow(_HEAD_LOCKED if lock else _HEAD)
    if row is None:
        raise RuntimeError("The log has no head; migration 0012 makes it.")
    peaks = row["peaks"]
    hashes = tuple(peaks[at : at + merkle.HASH_BYTES] for at in range(0, len(peaks), merkle.HASH_BYTES))
    return types.Head(merkle.Frontier(row["size"], hashes), row["signed_size"], row["last_at"], row["origin"])


async def insert_leaves(uow: db.UnitOfWork, *, first: int, leaves: Sequence[types.Leaf]) -> None:
    """Add leaves from the index ``first`` on."""
    rows = [
        {"index": index, "kind": leaf.kind, "leaf": leaf.content, "hash": leaf.hash, "at": leaf.at}
        for index, leaf in enumerate(leaves, start=first)
    ]
    await uow.execute_many(insert(tables.log_leaves), rows)


async def insert_nodes(uow: db.UnitOfWork, *, nodes: Sequence[types.Node]) -> None:
    """Add nodes that became complete."""
    await uow.execute_many(insert(tables.log_nodes), [{"level": node.level, "index": node.index, "hash": node.hash} for node in nodes])


async def move_head(uow: db.UnitOfWork, *, frontier: merkle.Frontier, last_at: datetime) -> None:
    """Say how far the log is now; the head is locked."""
    await uow.execute(update(tables.log_head).values(size=frontier.size, peaks=b"".join(frontier.peaks), last_at=last_at))


async def name(uow: db.UnitOfWork, *, origin: str) -> None:
    """Give the log its name, for ever; the head is locked."""
    await uow.execute(update(tables.log_head).values(origin=origin))


async def insert_checkpoint(uow: db.UnitOfWork, *, checkpoint: types.Checkpoint) -> None:
    """Keep a checkpoint, and say how much of the log is signed; the head is locked."""
    row = {
        "size": checkpoint.size,
        "root": checkpoint.root,
        "note": checkpoint.note,
        "kid": checkpoint.kid,
        "signed_at": checkpoint.signed_at,
    }
    await uow.execute(insert(tables.log_checkpoints).values(row))
    await uow.execute(update(tables.log_head).values(signed_size=checkpoint.size))


async def latest_checkpoint(uow: db.UnitOfWork) -> types.Checkpoint | None:
    """Return the checkpoint of most leaves, or None."""
    return _to_checkpoint(await uow.fetch_one(select(tables.log_checkpoints).order_by(tables.log_checkpoints.c.size.desc()).limit(1)))


async def checkpoint(uow: db.UnitOfWork, *, size: int) -> types.Checkpoint | None:
    """Return the checkpoint of this size, or None."""
    return _to_checkpoint(await uow.fetch_one(select(tables.log_checkpoints).where(tables.log_checkpoints.c.size == size)))


async def checkpoint_from(uow: db.UnitOfWork, *, size: int) -> types.Checkpoint | None:
    """Return the first checkpoint that covers a tree of this size, or None."""
    statement = select(tables.log_checkpoints).where(tables.log_checkpoints.c.size >= size).order_by(tables.log_checkpoints.c.size).limit(1)
    return _to_checkpoint(await uow.fetch_one(statement))


async def checkpoints(uow: db.UnitOfWork, *, after: int, limit: int) -> list[types.Checkpoint]:
    """Return the next checkpoints of more than ``after`` leaves, by size."""
    statement = (
        select(tables.log_checkpoints).where(tables.log_checkpoints.c.size > after).order_by(tables.log_checkpoints.c.size).limit(limit)
    )
    return [_checkpoint(row) for row in await uow.fetch(statement)]


def _to_checkpoint(row: asyncpg.Record | None) -> types.Checkpoint | None:
    return None if row is None else _checkpoint(row)


def _checkpoint(row: asyncpg.Record) -> types.Checkpoint:
    return types.Checkpoint(size=row["size"], root=row["root"], note=row["note"], kid=row["kid"], signed_at=row["signed_at"])


async def leaves(uow: db.UnitOfWork, *, first: int, limit: int) -> list[types.Leaf]:
    """Return leaves in their order, from the index ``first`` on."""
    statement = (
        select(tables.log_leaves.c.kind, tables.log_leaves.c.leaf, tables.log_leaves.c.hash, tables.log_leaves.c.at)
        .where(tables.log_leaves.c.index >= first, tables.log_leaves.c.index < first + limit)
        .order_by(tables.log_leaves.c.index)
    )
    return [types.Leaf(row["kind"], row["leaf"], row["hash"], row["at"]) for row in await uow.fetch(statement)]


async def entry(uow: db.UnitOfWork, *, index: int) -> types.Entry | None:
    """Return the leaf of an index, or None."""
    return _to_entry(await uow.conn.fetchrow(_ENTRY, index))


async def entry_by_hash(uow: db.UnitOfWork, *, leaf_hash: bytes) -> types.Entry | None:
    """Return the first leaf of a hash, or None."""
    return _to_entry(await uow.conn.fetchrow(_ENTRY_BY_HASH, leaf_hash))


def _to_entry(row: asyncpg.Record | None) -> types.Entry | None:
    return None if row is None else types.Entry(row["index"], row["hash"])


async def hashes(uow: db.UnitOfWork, *, rows: Sequence[types.Stretch]) -> list[bytes]:
    """Return stretches of levels of the tree that are kept, each as hashes one after the other; fewer where there are not as many."""
    levels, firsts, counts = ([getattr(row, name) for row in rows] for name in ("level", "first", "count"))
    return [row["hashes"] or b"" for row in await uow.conn.fetch(_HASHES, levels, firsts, counts)]


async def nodes(uow: db.UnitOfWork, *, level: int, first: int, last: int) -> dict[tuple[int, int], bytes]:
    """Return the nodes of a level that are kept, from the index ``first`` to ``last``, by level and index."""
    wanted = (tables.log_nodes.c.level == level, tables.log_nodes.c.index >= first, tables.log_nodes.c.index <= last)
    return {
        (level, row["index"]): row["hash"]
        for row in await uow.fetch(select(tables.log_nodes.c.index, tables.log_nodes.c.hash).where(*wanted))
    }
