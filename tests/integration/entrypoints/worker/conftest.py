"""A bench for jobs: a database of its own, handlers declared for one test, and a worker that runs what is due, one job after another."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import structlog
from pgqueuer.domain import models
from pgqueuer.domain import types as pgq_types
from pgqueuer.ports.repository import EntrypointExecutionParameter

from carbonledger import bootstrap
from carbonledger.entrypoints.worker import runner
from carbonledger.infra import clock, crypto, db, queue, reach, retry, settings
from carbonledger.infra.queue import engine, pgq, registry
from tests import conftest, until

AT_ONCE = retry.Policy(attempts_max=8, unknown_attempts_max=8, base_s=0.0, cap_s=0.0)  # a retry is due when it is written
DEADLINE_S = until.DEADLINE_S
LONG_S = 3600.0  # waits that must not matter


async def eventually(condition: Callable[[], Awaitable[bool]], *, deadline_s: float = DEADLINE_S) -> None:
    """Return as soon as ``condition`` holds; fail after the deadline."""
    end = time.monotonic() + deadline_s
    while not await condition():
        assert time.monotonic() < end, f"not within {deadline_s} s"
        await asyncio.sleep(0.01)  # house: allow sleep-in-test - this is the wait for the condition


@dataclass(slots=True)
class Bench:
    """Declares, asks for and runs jobs of one test."""

    services: bootstrap.Services
    organization_id: UUID
    policy: retry.Policy = AT_ONCE
    worker: str = "bench"

    @property
    def database(self) -> db.Database:
        return self.services.database

    @staticmethod
    def declare(
        name: str,
        run: registry.Run,
        *,
        in_transaction: bool = True,
        attempts_max: int | None = None,
        timeout_s: float = DEADLINE_S,
        delivers: bool = False,
        resumes_after_s: float | None = None,
        returns: bool = False,
    ) -> None:
        """Declare a handler; the fixture forgets it after the test."""
        made = registry.Handler(name, run, in_transaction, timeout_s, attempts_max, delivers, resumes_after_s, returns)
        registry.declared.handlers[name] = made

    async def ask(self, name: str, *, organization_id: UUID | None = None, dedupe_key: str | None = None, **args: Any) -> UUID:
        async with self.database.transaction(organization_id or self.organization_id) as uow:
            return await queue.enqueue(uow, name=name, args=args, now=clock.now(), dedupe_key=dedupe_key)

    async def pick(self, *, heartbeat_timeout_s: float = LONG_S) -> list[models.Job]:
        """Pick what is due, as another worker would each time."""
        parameters = EntrypointExecutionParameter(concurrency_limit=0)
        names = {pgq_types.QueueEntrypoint(name): parameters for name in registry.declared.handlers}
        conn = await self.database.acquire()
        try:
            return await pgq.on(conn).dequeue(
                batch_size=100,
                entrypoints=names,
                queue_manager_id=pgq_types.QueueManagerId(uuid4()),
                global_concurrency_limit=None,
                heartbeat_timeout=timedelta(seconds=heartbeat_timeout_s),
            )
        finally:
            await self.database.release(conn)

    def runner(self) -> runner.Runner:
        return runner.Runner(
            services=self.services,
            declared=registry.declared,
            worker=self.worker,
            busy_delay_s=0.0,
            policy=self.policy,
            rng=random.Random(1),
        )

    async def run_once(self, *, heartbeat_timeout_s: float = LONG_S) -> int:
        """Run what is due now, one after another; return how many."""
        entries = await self.pick(heartbeat_timeout_s=heartbeat_timeout_s)
        await self.run(entries)
        return len(entries)

    async def run(self, entries: list[models.Job]) -> None:
        """Run what was picked, one after another."""
        for entry in entries:
            await self.runner().run(engine.read_ticket(entry))

    async def make_due(self) -> None:
        """Let the waits of all queued jobs be over."""
        async with self.database.transaction() as uow:
            await uow.conn.execute("UPDATE pgqueuer SET execute_after = now() - interval '1 second'")

    async def job(self, job_id: UUID, *, organization_id: UUID | None = None) -> queue.Job:
        async with self.database.transaction(organization_id or self.organization_id) as uow:
            return await queue.job(uow, job_id=job_id)

    async def attempts(self, job_id: UUID) -> list[asyncpg.Record]:
        async with self.database.transaction(self.organization_id) as uow:
            return await uow.conn.fetch("SELECT * FROM job_attempts WHERE job_id = $1 ORDER BY number", job_id)

    async def events(self) -> list[asyncpg.Record]:
        async with self.database.transaction(self.organization_id) as uow:
            return await uow.conn.fetch("SELECT * FROM events ORDER BY id")

    async def queue_row(self, job_id: UUID) -> asyncpg.Record | None:
        async with self.database.transaction() as uow:
            return await uow.conn.fetchrow(
                "SELECT *, status::text AS state, extract(epoch FROM execute_after - now()) AS wait_s FROM pgqueuer WHERE dedupe_key = $1",
                str(job_id),
            )

    async def mark(self, uow: db.UnitOfWork, word: str) -> None:
        """Do something that can be seen and counted."""
        await uow.conn.execute("UPDATE organizations SET name = name || $1", word)

    async def marks(self) -> str:
        """Return what was done, in order."""
        async with self.database.transaction(self.organization_id) as uow:
            name: str = await uow.conn.fetchval("SELECT name FROM organizations")
        return name


def configure(database: conftest.TestDatabase, home: Path, **given: object) -> settings.Settings:
    """Return settings for this database."""
    return settings.Settings.model_validate(
        {
            "home": home,
            "DATABASE_URL": database.owner,
            "app_database_url": database.app,
            "vault_keys": crypto.generate_key().reveal(),
            "database_pool_size": 6,
            **given,
        }
    )


@pytest.fixture
async def services(fresh_database: conftest.TestDatabase, tmp_path: Path) -> AsyncIterator[bootstrap.Services]:
    configuration = configure(fresh_database, tmp_path, job_attempts_max=3)
    addresses = reach.given(configuration)
    assert addresses is not None
    async with bootstrap.build(configuration, addresses, application="test-worker") as built:
        yield built


@pytest.fixture
def log() -> Iterator[list[structlog.typing.EventDict]]:
    """Return what is logged, which is otherwise not rendered."""
    with structlog.testing.capture_logs() as lines:
        yield lines


@pytest.fixture
async def bench(services: bootstrap.Services, monkeypatch: pytest.MonkeyPatch, log: list[structlog.typing.EventDict]) -> Bench:
    monkeypatch.setattr(registry.declared, "handlers", dict(registry.declared.handlers))
    monkeypatch.setattr(registry.declared, "subscribers", [])
    organization_id = await conftest.make_organization(services.database, name="-")
    return Bench(services=services, organization_id=organization_id)
