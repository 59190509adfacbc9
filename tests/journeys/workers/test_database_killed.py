"""The postmaster is killed under a working worker: the same process goes on when the database is back, and every job is done once."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from carbonledger.infra import db, migrations, postgres, queue
from tests import conftest
from tests.journeys.workers.conftest import Plant, end, eventually
from tests.journeys.workers.process import QUICK

AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, db.DatabaseUnavailable)


@pytest.fixture
def lease() -> Iterator[postgres.Lease]:
    folder = Path(tempfile.mkdtemp(prefix="carbonledger-killed-"))
    folder.chmod(0o711)  # the server's own user must reach what is in it
    try:
        with postgres.ensure(postgres.ClusterOptions(data_dir=folder / "postgres")) as held:
            yield held
            held.close(wait=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def plant(lease: postgres.Lease, tmp_path: Path, handlers: None) -> AsyncIterator[Plant]:
    await migrations.upgrade(lease.dsn("owner"))
    target = conftest.TestDatabase(name=postgres.DATABASE, owner=lease.dsn("owner"), app=lease.dsn("app"), superuser=lease.dsn("superuser"))
    opened = await db.connect(target.app, size=4, application="test")
    try:
        made = Plant(target, opened, await conftest.make_organization(opened), tmp_path)
        try:
            yield made
        finally:
            for process in made.processes:
                if process.poll() is None:
                    end(process)
            print(made.logs())  # shown when the test has failed
    finally:
        await opened.close()


async def test_a_worker_outlives_its_database(plant: Plant, lease: postgres.Lease) -> None:
    worker = plant.start()
    await eventually(lambda: plant.workers_seen(1))
    made = 0
    for _ in range(2):
        for _ in range(10):
            await asked(plant)
            made += 1
        await asyncio.to_thread(lease.ensure)  # the server that the round before left has another process id
        assert lease.postmaster_pid is not None
        os.kill(lease.postmaster_pid, signal.SIGKILL)

        async def all_done(made: int = made) -> bool:
            try:
                return await plant.marks() == "x" * made
            except AWAY:
                return False

        await eventually(all_done)
    assert worker.poll() is None
    states = await plant.superuser("SELECT state, count(*) AS jobs FROM jobs GROUP BY state")
    assert [(row["state"], row["jobs"]) for row in states] == [(queue.JobState.SUCCEEDED.value, made)]
    assert end(worker, signal.SIGTERM) == 0


async def asked(plant: Plant) -> None:
    """Ask for a job; every connection of our own pool was cut too, and a refused one has asked for nothing."""

    async def once() -> bool:
        try:
            await plant.ask(QUICK)
        except AWAY:
            return False
        return True

    await eventually(once)
