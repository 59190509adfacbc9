"""Who prepares a database takes turns with whoever else does."""

from __future__ import annotations

import asyncio

import pytest

from carbonledger.infra import server, turn
from tests import conftest, until

WAITING = "SELECT count(*) FROM pg_locks JOIN pg_database ON oid = database WHERE locktype = 'advisory' AND NOT granted AND datname = $1"


async def test_the_next_one_waits_for_the_end_of_a_turn(worker_database: conftest.TestDatabase) -> None:
    order: list[str] = []
    async with server.connected(worker_database.owner) as first, server.connected(worker_database.owner) as second:

        async def follow() -> None:
            async with turn.taken(second):
                order.append("second")

        async def waits() -> bool:
            return bool(await first.fetchval(WAITING, worker_database.name))

        async with turn.taken(first):
            following = asyncio.create_task(follow())
            await until.comes(waits)
            order.append("first")
        await following

    assert order == ["first", "second"]


async def test_who_waits_too_long_is_told(worker_database: conftest.TestDatabase) -> None:
    async with server.connected(worker_database.owner) as first, server.connected(worker_database.owner) as second, turn.taken(first):
        with pytest.raises(turn.PreparedElsewhere, match=r"for 0\.01 s"):
            async with turn.taken(second, patience_s=0.01):
                pass
