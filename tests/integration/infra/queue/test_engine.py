"""A worker keeps fresh what it has picked, and nothing that another one took over."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from carbonledger.infra import clock, db
from carbonledger.infra.queue import attempts, engine, pgq, wire
from carbonledger.kernel import ids
from tests import conftest, until

LONG_AGO = timedelta(hours=1)


@pytest.mark.parametrize("taken_over,is_fresh", [(False, True), (True, False)])
async def test_a_row_that_another_worker_took_over_is_not_kept_fresh(
    fresh_database: conftest.TestDatabase, taken_over: bool, is_fresh: bool
) -> None:
    database = await db.connect(fresh_database.app, size=4, application="test")
    running, stopping = asyncio.Event(), asyncio.Event()

    async def run(_: attempts.Ticket) -> None:
        running.set()
        await stopping.wait()

    worker = engine.Engine(database, ("a.job",), run, engine.Options(), hears=lambda: False)
    async with database.transaction() as uow:
        payload = wire.Payload(ids.new_id(clock.now()), uuid4(), None, None)
        await pgq.on(uow.conn).enqueue("a.job", wire.pack(payload))
    serving = asyncio.create_task(worker.serve(stopping))
    try:
        await until.holds(running.is_set)
        async with database.transaction() as uow:
            await uow.conn.execute("UPDATE pgqueuer SET heartbeat = now() - $1::interval", LONG_AGO)
            if taken_over:
                await uow.conn.execute("UPDATE pgqueuer SET queue_manager_id = $1", uuid4())
        await worker._tell_alive()
        async with database.transaction() as uow:
            assert await uow.conn.fetchval("SELECT heartbeat > now() - $1::interval / 2 FROM pgqueuer", LONG_AGO) is is_fresh
    finally:
        stopping.set()
        await serving
        await database.close()
