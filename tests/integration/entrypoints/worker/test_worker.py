"""A worker picks at once, never too much, keeps what it runs, takes over from the dead, finds a lost database again and stops in order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
import structlog

from carbonledger import bootstrap
from carbonledger.entrypoints.worker import main
from carbonledger.infra import clock, db, queue
from carbonledger.infra.queue import engine, pgq, types, work, workers
from tests import conftest
from tests.integration.entrypoints.worker.conftest import DEADLINE_S, LONG_S, Bench, configure, eventually

NAME = "tests.job"
Work = work.Work[bootstrap.Services]
Steps = work.Steps[bootstrap.Services]


@contextlib.asynccontextmanager
async def working(
    bench: Bench, *, concurrency: int = 4, heartbeat_timeout_s: float = LONG_S, drain_s: float = DEADLINE_S
) -> AsyncIterator[asyncio.Event]:
    """Run a worker during the block; setting the event stops it earlier."""
    stopping = asyncio.Event()
    options = main.Options(
        engine=engine.Options(concurrency=concurrency, heartbeat_timeout_s=heartbeat_timeout_s, drain_s=drain_s), schedule_poll_s=LONG_S
    )
    task = asyncio.create_task(main.work(bench.services, options=options, stopping=stopping))
    try:
        yield stopping
    finally:
        stopping.set()
        await task


async def is_in(bench: Bench, job_id: UUID, state: types.JobState) -> bool:
    return (await bench.job(job_id)).state is state


async def test_a_job_is_picked_when_it_is_asked_for_not_at_the_next_look(bench: Bench) -> None:
    async def run(uow: db.UnitOfWork, job: Work) -> None:
        await bench.mark(uow, "x")

    bench.declare(NAME, run)
    async with working(bench):
        await eventually(lambda: heard(bench))
        job_id = await bench.ask(NAME)
        await eventually(lambda: is_in(bench, job_id, types.JobState.SUCCEEDED))
    assert await bench.marks() == "-x"


async def heard(bench: Bench) -> bool:
    return bench.services.notifications.hears(pgq.CHANNEL)


async def test_a_job_for_later_is_run_when_it_is_due(bench: Bench) -> None:
    ran: list[datetime] = []

    async def run(uow: db.UnitOfWork, job: Work) -> None:
        ran.append(clock.now())

    bench.declare(NAME, run)
    async with working(bench):
        asked = clock.now()  # the delay counts from the transaction's beginning, by the database's clock
        async with bench.database.transaction(bench.organization_id) as uow:
            job_id = await queue.enqueue(uow, name=NAME, args={}, now=clock.now(), delay_s=0.3)
        await eventually(lambda: is_in(bench, job_id, types.JobState.SUCCEEDED))
    assert ran[0] - asked >= timedelta(seconds=0.3)


async def test_no_more_jobs_run_at_once_than_asked(bench: Bench) -> None:
    running, most, may_end = 0, 0, asyncio.Event()

    async def run(job: Steps) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await may_end.wait()
        running -= 1

    bench.declare(NAME, run, in_transaction=False)
    async with working(bench, concurrency=2):
        made = [await bench.ask(NAME) for _ in range(5)]

        async def two_run() -> bool:
            return running == 2

        await eventually(two_run)
        may_end.set()
        for job_id in made:
            await eventually(lambda job_id=job_id: is_in(bench, job_id, types.JobState.SUCCEEDED))  # type: ignore[misc]
    assert most == 2


async def test_a_dead_workers_job_is_taken_over(bench: Bench) -> None:
    async def run(uow: db.UnitOfWork, job: Work) -> None:
        await bench.mark(uow, "x")

    bench.declare(NAME, run)
    job_id = await bench.ask(NAME)
    assert len(await bench.pick()) == 1  # by a worker that does nothing more with it, and sends no heartbeat
    async with working(bench, heartbeat_timeout_s=0.4):
        await eventually(lambda: is_in(bench, job_id, types.JobState.SUCCEEDED))
    assert await bench.marks() == "-x"


async def test_a_long_job_stays_its_workers_own(bench: Bench) -> None:
    """Made to look as if its worker had been silent for an hour, it is soon spoken for again, so that no other may take it."""
    is_in_job, may_end = asyncio.Event(), asyncio.Event()

    async def run(job: Steps) -> None:
        is_in_job.set()
        await may_end.wait()

    bench.declare(NAME, run, in_transaction=False)
    job_id = await bench.ask(NAME)

    async def has_beaten() -> bool:
        row = await bench.queue_row(job_id)
        assert row is not None
        return bool(clock.now() - row["heartbeat"] < timedelta(minutes=30))

    async with working(bench, concurrency=1, heartbeat_timeout_s=0.8):  # one: it never looks for another, nor for its own again
        await is_in_job.wait()
        for _ in range(3):
            async with bench.database.transaction() as uow:
                await uow.conn.execute("UPDATE pgqueuer SET heartbeat = now() - interval '1 hour'")
            await eventually(has_beaten)
        assert await bench.pick(heartbeat_timeout_s=30 * 60.0) == []  # by another worker
        may_end.set()
        await eventually(lambda: is_in(bench, job_id, types.JobState.SUCCEEDED))
    assert len(await bench.attempts(job_id)) == 1


# --- stopping


async def test_a_worker_that_stops_finishes_what_runs_and_picks_no_more(bench: Bench) -> None:
    is_in_job, may_end = asyncio.Event(), asyncio.Event()

    async def run(job: Steps) -> None:
        is_in_job.set()
        await may_end.wait()

    bench.declare(NAME, run, in_transaction=False)
    first = await bench.ask(NAME)
    async with working(bench, concurrency=1) as stopping:
        await is_in_job.wait()
        stopping.set()
        second = await bench.ask(NAME)
        may_end.set()
    assert (await bench.job(first)).state is types.JobState.SUCCEEDED
    assert (await bench.job(second)).state is types.JobState.QUEUED


async def test_what_does_not_end_in_time_is_given_back_and_counts_as_no_failure(bench: Bench) -> None:
    is_in_job = asyncio.Event()

    async def run(job: Steps) -> None:
        await job.step("first", lambda uow: bench.mark(uow, "1"))
        is_in_job.set()
        await asyncio.Event().wait()

    bench.declare(NAME, run, in_transaction=False)
    job_id = await bench.ask(NAME)
    async with working(bench, drain_s=0.05) as stopping:
        await is_in_job.wait()
        stopping.set()
    job, row = await bench.job(job_id), await bench.queue_row(job_id)
    assert (job.state, job.failures) == (types.JobState.QUEUED, 0)
    assert row is not None
    assert (row["state"], row["wait_s"] <= 0) == ("queued", True)
    assert [attempt["outcome"] for attempt in await bench.attempts(job_id)] == ["released"]
    bench.declare(NAME, lambda job: job.step("first", lambda uow: bench.mark(uow, "again")), in_transaction=False)
    assert await bench.run_once() == 1
    assert await bench.marks() == "-1"


async def test_a_released_job_is_taken_by_another_worker_at_once(bench: Bench) -> None:
    starts: asyncio.Queue[int] = asyncio.Queue()

    async def run(job: Steps) -> None:
        starts.put_nowait(job.attempt.number)
        if job.attempt.number == 1:
            await asyncio.Event().wait()

    bench.declare(NAME, run, in_transaction=False)
    job_id = await bench.ask(NAME)
    async with working(bench, drain_s=0.05) as stopping:
        assert await starts.get() == 1
        async with working(bench):
            stopping.set()
            await eventually(lambda: is_in(bench, job_id, types.JobState.SUCCEEDED))


# --- the database


async def test_a_worker_whose_connections_are_all_cut_goes_on(
    bench: Bench, fresh_database: conftest.TestDatabase, log: list[structlog.typing.EventDict]
) -> None:
    async def run(uow: db.UnitOfWork, job: Work) -> None:
        await bench.mark(uow, "x")

    bench.declare(NAME, run)
    made: list[UUID] = []
    async with working(bench):
        for _ in range(3):
            await eventually(lambda: heard(bench))
            await cut(fresh_database)
            await eventually(lambda: can_ask(bench, made))
            await eventually(lambda: is_done(bench, made[-1]))
    assert await bench.marks() == "-xxx"


async def cut(database: conftest.TestDatabase) -> None:
    """End every connection of the database but our own."""
    conn = await asyncpg.connect(database.superuser)
    try:
        await conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    finally:
        await conn.close()


CUT = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, db.DatabaseUnavailable)


async def can_ask(bench: Bench, made: list[UUID]) -> bool:
    """Ask for a job; a connection of the pool that was cut may be the one that is given."""
    try:
        made.append(await bench.ask(NAME))
    except CUT:
        return False
    return True


async def is_done(bench: Bench, job_id: UUID) -> bool:
    try:
        return await is_in(bench, job_id, types.JobState.SUCCEEDED)
    except CUT:
        return False


async def test_a_job_whose_connection_is_cut_in_its_transaction_is_done_once_by_the_next_attempt(
    bench: Bench, fresh_database: conftest.TestDatabase
) -> None:
    async def run(uow: db.UnitOfWork, job: Work) -> None:
        await bench.mark(uow, "x")
        if job.attempt.number == 1:
            await cut(fresh_database)

    bench.declare(NAME, run)
    job_id = await bench.ask(NAME)
    await bench.run_once()
    assert (await bench.job(job_id)).state is types.JobState.QUEUED
    assert await bench.marks() == "-"
    await bench.make_due()
    await bench.run_once()
    assert await bench.marks() == "-x"
    assert [row["outcome"] for row in await bench.attempts(job_id)] == ["retried", "succeeded"]


async def test_what_cannot_pass_by_itself_ends_the_worker(bench: Bench, fresh_database: conftest.TestDatabase) -> None:
    conn = await asyncpg.connect(fresh_database.superuser)
    await conn.execute("ALTER TABLE pgqueuer RENAME TO elsewhere")
    await conn.close()
    with pytest.raises(asyncpg.UndefinedTableError):
        await main.work(bench.services, options=main.Options(schedule_poll_s=LONG_S), stopping=asyncio.Event())


async def test_a_row_that_nobody_can_read_harms_no_other(bench: Bench, log: list[structlog.typing.EventDict]) -> None:
    async def run(uow: db.UnitOfWork, job: Work) -> None:
        await bench.mark(uow, "x")

    bench.declare(NAME, run)
    async with bench.database.transaction() as uow:
        for payload in (b"", b"[]", b'{"v": 2}', b'{"v": 1}', b'{"v": 1, "job_id": "x", "organization_id": "y"}'):
            await uow.conn.execute(
                "INSERT INTO pgqueuer (priority, status, entrypoint, payload) VALUES (0, 'queued', $1, $2)", NAME, payload
            )
    job_id = await bench.ask(NAME)
    async with working(bench):
        await eventually(lambda: is_in(bench, job_id, types.JobState.SUCCEEDED))
    assert sum(line["event"] == "queue.row_unreadable" for line in log) == 5


# --- telling


async def test_a_worker_says_that_it_lives_and_that_it_stopped(bench: Bench) -> None:
    began = clock.now()

    async def seen() -> list[workers.Worker]:
        async with bench.database.transaction() as uow:
            return await workers.seen_since(uow, since=began)

    async def is_seen() -> bool:
        return len(await seen()) == 1

    async with working(bench):
        await eventually(is_seen)
    assert await seen() == []


def test_the_pool_is_never_smaller_than_the_jobs_need(tmp_path: Path) -> None:
    database = conftest.TestDatabase(name="x", owner="postgresql://x", app="postgresql://y", superuser="")
    assert main.sized(configure(database, tmp_path, worker_concurrency=50)).database_pool_size == 53
    assert main.sized(configure(database, tmp_path, worker_concurrency=1)).database_pool_size == 6
