"""Tallies of attempts, and the ids of Clerk's messages that were done: what is kept before anybody is known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as upsert

from carbonledger.domains.identity import tables
from carbonledger.domains.identity.core.lockout import Tally
from carbonledger.infra import db


async def lock(uow: db.UnitOfWork, *, keys: Sequence[bytes], at: datetime) -> dict[bytes, Tally]:
    """Return the tallies under these keys, locked until the transaction ends, those that are new at nought.

    Keys are taken in one order, so that two attempts never wait for each other.
    """
    ordered = sorted(set(keys))
    rows = [{"key": key, "count": 0, "last_at": at} for key in ordered]
    await uow.execute(upsert(tables.attempt_tallies).values(rows).on_conflict_do_nothing(index_elements=[tables.attempt_tallies.c.key]))
    key = tables.attempt_tallies.c.key
    statement = select(tables.attempt_tallies).where(key.in_(ordered)).order_by(key).with_for_update()
    return {row["key"]: Tally(count=row["count"], last_at=row["last_at"]) for row in await uow.fetch(statement)}


async def put(uow: db.UnitOfWork, *, key: bytes, tally: Tally) -> None:
    """Write a tally."""
    values = {"count": tally.count, "last_at": tally.last_at}
    statement = upsert(tables.attempt_tallies).values(key=key, **values)
    await uow.execute(statement.on_conflict_do_update(index_elements=[tables.attempt_tallies.c.key], set_=values))


async def take_back(uow: db.UnitOfWork, *, key: bytes) -> None:
    """Take one attempt back from a tally."""
    await uow.conn.execute("UPDATE attempt_tallies SET count = count - 1 WHERE key = $1 AND count > 0", key)


async def drop(uow: db.UnitOfWork, *, key: bytes) -> None:
    """Forget a tally."""
    await uow.execute(delete(tables.attempt_tallies).where(tables.attempt_tallies.c.key == key))


async def take_message(uow: db.UnitOfWork, *, message_id: str, at: datetime) -> bool:
    """Write down that a message is being done; False if it was done before."""
    statement = upsert(tables.clerk_messages).values(id=message_id, received_at=at)
    return await uow.execute(statement.on_conflict_do_nothing(index_elements=[tables.clerk_messages.c.id])) == 1


async def purge(uow: db.UnitOfWork, *, tallies_before: datetime, messages_before: datetime) -> int:
    """Delete tallies and message ids that are old, and return how many."""
    gone = await uow.execute(delete(tables.attempt_tallies).where(tables.attempt_tallies.c.last_at < tallies_before))
    return gone + await uow.execute(delete(tables.clerk_messages).where(tables.clerk_messages.c.received_at < messages_before))
