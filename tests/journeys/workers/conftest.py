"""Real worker processes on a database of their own, and the means to watch, kill and stop them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from carbonledger.entrypoints.worker import registry as registries
from carbonledger.infra import clock, crypto, db, queue
from tests import conftest, until
from tests.journeys.workers import process as with_handlers

DEADLINE_S = until.DEADLINE_S
PRODUCT = ("-m", "carbonledger.entrypoints.worker.main")
WITH_HANDLERS = ("-m", with_handlers.__name__)


async def eventually(condition: Callable[[], Awaitable[bool]], *, deadline_s: float = DEADLINE_S) -> None:
    """Return as soon as ``condition`` holds; fail after the deadline."""
    end = time.monotonic() + deadline_s
    while not await condition():
        assert time.monotonic() < end, f"not within {deadline_s} s"
        await asyncio.sleep(0.02)  # house: allow sleep-in-test - this is the wait for the condition


@dataclass(slots=True)
class Plant:
    """Worker processes and the database they work on."""

    target: conftest.TestDatabase
    database: db.Database
    organization_id: UUID
    folder: Path
    vault_key: str = field(default_factory=lambda: crypto.generate_key().reveal())
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(
        self, program: tuple[str, ...] = WITH_HANDLERS, *, heartbeat_timeout_s: float = 2.0, drain_s: float = 20.0, concurrency: int = 4
    ) -> subprocess.Popen[bytes]:
        """Start a worker; its log is in a file of the folder."""
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CARBONLEDGER_")},
            "CARBONLEDGER_HOME": str(self.folder),
            "DATABASE_URL": self.target.owner,
            "CARBONLEDGER_APP_DATABASE_URL": self.target.app,
            "CARBONLEDGER_VAULT_KEYS": self.vault_key,
            "CARBONLEDGER_WORKER_CONCURRENCY": str(concurrency),
            "CARBONLEDGER_LOG_FORMAT": "json",
            "PYTHONPATH": f"{conftest.ROOT / 'src'}:{conftest.ROOT}",
        }
        flags = ("--heartbeat-timeout-s", str(heartbeat_timeout_s), "--drain-s", str(drain_s), "--schedule-poll-s", "0.2")
        with (self.folder / f"worker-{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen([sys.executable, *program, *flags], env=environ, stdout=log, stderr=log, cwd=conftest.ROOT)
        self.processes.append(process)
        return process

    def logs(self) -> str:
        """Return what the workers have said."""
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')}" for path in sorted(self.folder.glob("worker-*.log")))

    async def ask(self, name: str, **args: Any) -> UUID:
        async with self.database.transaction(self.organization_id) as uow:
            return await queue.enqueue(uow, name=name, args=args, now=clock.now())

    async def job(self, job_id: UUID) -> queue.Job:
        async with self.database.transaction(self.organization_id) as uow:
            return await queue.job(uow, job_id=job_id)

    async def is_in(self, job_id: UUID, state: queue.JobState) -> bool:
        return (await self.job(job_id)).state is state

    async def until(self, job_id: UUID, state: queue.JobState, *, deadline_s: float = DEADLINE_S) -> None:
        """Wait until the job is in ``state``."""
        await eventually(lambda: self.is_in(job_id, state), deadline_s=deadline_s)

    async def outcomes(self, job_id: UUID) -> list[str | None]:
        async with self.database.transaction(self.organization_id) as uow:
            rows = await uow.conn.fetch("SELECT outcome FROM job_attempts WHERE job_id = $1 ORDER BY number", job_id)
        return [row["outcome"] for row in rows]

    async def marks(self) -> str:
        async with self.database.transaction(self.organization_id) as uow:
            marks: str | None = await uow.conn.fetchval("SELECT external_id FROM organizations")
        return marks or ""

    async def workers_seen(self, count: int) -> bool:
        async with self.database.transaction() as uow:
            seen: int = await uow.conn.fetchval("SELECT count(*) FROM workers WHERE stopped_at IS NULL")
        return seen >= count

    async def superuser(self, statement: str, *args: object) -> list[asyncpg.Record]:
        conn = await asyncpg.connect(self.target.superuser)
        try:
            return await conn.fetch(statement, *args)
        finally:
            await conn.close()


def end(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGKILL, *, deadline_s: float = DEADLINE_S) -> int:
    """Send a signal and return the exit code."""
    process.send_signal(number)
    return process.wait(deadline_s)


@pytest.fixture
def handlers() -> None:
    """Let this process ask for the jobs of ``process``, which importing it has declared."""
    registries.load()


@pytest.fixture
async def plant(fresh_database: conftest.TestDatabase, tmp_path: Path, handlers: None) -> AsyncIterator[Plant]:
    opened = await db.connect(fresh_database.app, size=4, application="test")
    try:
        made = Plant(fresh_database, opened, await conftest.make_organization(opened), tmp_path)
        try:
            yield made
        finally:
            for process in made.processes:
                if process.poll() is None:
                    end(process)
            print(made.logs())  # shown when the test has failed
    finally:
        await opened.close()
