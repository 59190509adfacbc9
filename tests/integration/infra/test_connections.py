"""Connections handed from one to the next: none is lost, none is shared, and whoever waits is told."""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid
from collections.abc import AsyncIterator

import asyncpg
import pytest

from carbonledger.infra import connections, db, ddl
from tests import conftest, until

SIZE = 2


@pytest.fixture
async def opened(worker_database: conftest.TestDatabase) -> AsyncIterator[db.Database]:
    made = await db.connect(worker_database.app, size=SIZE, application="test")
    try:
        yield made
    finally:
        await made.close()


async def all_can_be_taken(opened: db.Database) -> bool:
    """Whether as many connections as the pool has can be had at once, each of them alive."""
    async with asyncio.timeout(until.DEADLINE_S):
        taken = [await opened.acquire() for _ in range(SIZE)]
    alive = [await conn.fetchval("SELECT pg_backend_pid()") for conn in taken]
    for conn in taken:
        await opened.release(conn)
    return len(set(alive)) == SIZE


async def test_one_after_the_other_uses_one_connection(opened: db.Database) -> None:
    backends = set()
    for _ in range(5):
        async with opened.transaction() as uow:
            backends.add(await uow.conn.fetchval("SELECT pg_backend_pid()"))

    assert len(backends) == 1
    assert opened.connections.idle == 1


async def test_of_many_at_once_each_gets_one_in_turn_and_alone(opened: db.Database) -> None:
    busy: set[int] = set()

    async def use() -> int:
        async with opened.transaction() as uow:
            backend: int = await uow.conn.fetchval("SELECT pg_backend_pid()")
            assert backend not in busy
            busy.add(backend)
            await uow.conn.execute("SELECT pg_sleep(0.001)")
            busy.remove(backend)
            return backend

    used = await asyncio.gather(*(use() for _ in range(60)))

    assert len(set(used)) == SIZE


async def test_who_waits_too_long_is_told_and_takes_none_away(opened: db.Database) -> None:
    few = connections.Connections(opened.pool, wait_s=0.01, end=db.end_read)
    taken = [await few.take() for _ in range(SIZE)]

    with pytest.raises(TimeoutError):
        await few.take()

    for conn in taken:
        await few.give(conn)
    assert [await few.take() for _ in range(SIZE)] == taken[::-1]
    for conn in taken:
        await few.give(conn)
    await few.close()


@pytest.mark.parametrize("seed", range(5))
async def test_none_is_lost_when_those_who_wait_are_cancelled_at_any_moment(opened: db.Database, seed: int) -> None:
    chance = random.Random(seed)

    async def use() -> None:
        async with opened.transaction() as uow:
            await uow.conn.execute("SELECT 1")

    for _ in range(30):
        tasks = [asyncio.create_task(use()) for _ in range(8)]
        for task in chance.sample(tasks, 5):
            for _ in range(chance.randrange(6)):
                await asyncio.sleep(0)
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    assert await all_can_be_taken(opened)


async def test_a_connection_that_was_lost_makes_room_for_those_who_wait(
    opened: db.Database, worker_database: conftest.TestDatabase
) -> None:
    taken = [await opened.acquire() for _ in range(SIZE)]
    waiting = asyncio.create_task(opened.acquire())
    await asyncio.sleep(0)
    assert not waiting.done()

    taken[0].terminate()
    await opened.release(taken[0])

    async with asyncio.timeout(until.DEADLINE_S):
        made = await waiting
    assert await made.fetchval("SELECT 1") == 1
    for conn in (taken[1], made):
        await opened.release(conn)
    assert await all_can_be_taken(opened)


async def test_what_nobody_needed_for_a_while_goes_back_to_the_pool(opened: db.Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "KEPT_S", -1.0)

    assert await all_can_be_taken(opened)

    assert opened.pool.get_idle_size() == SIZE  # which ends them after its own while
    assert opened.connections.idle == SIZE


async def test_closing_waits_for_who_is_at_work(worker_database: conftest.TestDatabase) -> None:
    opened = await db.connect(worker_database.app, size=SIZE, application="test")
    async with opened.transaction() as uow:
        closing = asyncio.create_task(opened.close())
        await uow.conn.execute("SELECT pg_sleep(0.01)")
        assert not closing.done()

    await closing
    assert opened.pool.get_size() == 0


# --- reads, whose transaction the next user of the connection ends


async def states(opened: db.Database, worker_database: conftest.TestDatabase) -> list[str]:
    """Return what PostgreSQL says of the connections of the pool."""
    conn = await asyncpg.connect(worker_database.app)
    try:
        rows = await conn.fetch("SELECT state FROM pg_stat_activity WHERE application_name = 'test' AND datname = current_database()")
    finally:
        await conn.close()
    return [row["state"] for row in rows]


async def test_the_next_unit_of_work_ends_a_reads_transaction_and_sees_nothing_of_its_organization(opened: db.Database) -> None:
    organization_id = uuid.uuid4()
    ask = f"SELECT pg_backend_pid(), now(), current_setting('{ddl.TENANT_SETTING}', true)"
    seen: list[asyncpg.Record] = []
    for tenant in (organization_id, None, organization_id):
        async with opened.transaction(tenant, read_only=True) as uow:
            seen += await uow.conn.fetch(ask)

    assert len({row[0] for row in seen}) == 1  # one connection
    assert len({row[1] for row in seen}) == 3  # three transactions
    assert [row[2] or None for row in seen] == [str(organization_id), None, str(organization_id)]


async def test_a_read_that_nobody_follows_is_ended_all_the_same(opened: db.Database, worker_database: conftest.TestDatabase) -> None:
    async with opened.transaction(read_only=True) as uow:
        await uow.conn.fetchval("SELECT 1")

    async with asyncio.timeout(until.DEADLINE_S):
        while await states(opened, worker_database) != ["idle"]:
            pass
    assert await all_can_be_taken(opened)


async def test_what_is_taken_for_something_else_has_no_transaction(opened: db.Database) -> None:
    async with opened.transaction(read_only=True) as uow:
        await uow.conn.fetchval("SELECT 1")

    conn = await opened.acquire()

    assert not conn.is_in_transaction()
    await opened.release(conn)


async def test_a_write_after_a_read_is_committed(opened: db.Database, worker_database: conftest.TestDatabase) -> None:
    async with opened.transaction(read_only=True) as uow:
        assert await uow.conn.fetchval("SHOW transaction_read_only") == "on"
    async with opened.transaction() as uow:
        assert await uow.conn.fetchval("SHOW transaction_read_only") == "off"
        number = await uow.conn.fetchval("SELECT pg_current_xact_id()::text::bigint")

    conn = await asyncpg.connect(worker_database.app)
    try:
        assert await conn.fetchval("SELECT pg_xact_status($1::text::xid8)", str(number)) == "committed"
    finally:
        await conn.close()


async def test_a_read_whose_connection_is_lost_afterwards_costs_nobody_anything_but_its_place(opened: db.Database) -> None:
    async with opened.transaction(read_only=True) as uow:
        conn = uow.conn
    conn.terminate()

    async with opened.transaction(read_only=True) as uow:
        assert await uow.conn.fetchval("SELECT 1") == 1
    assert await all_can_be_taken(opened)


async def test_closing_ends_reads_at_once(worker_database: conftest.TestDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LINGER_S", 0.05)
    opened = await db.connect(worker_database.app, size=SIZE, application="test")
    async with opened.transaction(read_only=True) as uow:
        await uow.conn.fetchval("SELECT 1")

    await opened.close()

    assert opened.pool.get_size() == 0
