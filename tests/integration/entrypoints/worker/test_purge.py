"""Jobs that ended long ago go, with their attempts; what has not ended stays, and events stay for ever."""

from __future__ import annotations

from carbonledger import bootstrap
from carbonledger.entrypoints.worker import activity
from carbonledger.infra import clock, db, outbox
from carbonledger.infra.queue import work
from carbonledger.kernel import actor
from tests import conftest
from tests.integration.entrypoints.worker.conftest import Bench

NAME = "tests.job"
Work = work.Work[bootstrap.Services]


async def test_only_what_ended_long_ago_is_purged(bench: Bench) -> None:
    async def run(uow: db.UnitOfWork, job: Work) -> None:
        who = actor.system(job.organization_id)
        await outbox.emit(uow, actor=who, now=job.now, action="tests.done", target_type="test", target_id="1")

    bench.declare(NAME, run)
    other = await conftest.make_organization(bench.database)
    old = {organization: await bench.ask(NAME, organization_id=organization) for organization in (bench.organization_id, other)}
    await bench.run_once()
    for organization in old:
        async with bench.database.transaction(organization) as uow:
            await uow.conn.execute("UPDATE jobs SET finished_at = finished_at - interval '31 days'")
    young = await bench.ask(NAME)
    await bench.run_once()
    async with bench.database.transaction() as uow:
        await uow.conn.execute(
            "UPDATE pgqueuer_log SET created = created - interval '2 days' WHERE job_id < (SELECT max(job_id) FROM pgqueuer_log)"
        )
    waiting = await bench.ask(NAME)
    purge = await bench.ask(activity.PURGE_JOB)
    entries = [entry for entry in await bench.pick() if entry.entrypoint == activity.PURGE_JOB]
    await bench.run(entries)

    assert (await bench.job(purge)).result == {"jobs": 2, "log_rows": 6}
    async with bench.database.transaction(bench.organization_id) as uow:
        left = {row["id"] for row in await uow.conn.fetch("SELECT id FROM jobs")}
        assert left == {young, waiting, purge}
        assert await uow.conn.fetchval("SELECT count(*) FROM job_attempts") == 2
        assert await uow.conn.fetchval("SELECT count(*) FROM events") == 2
    async with bench.database.transaction(other) as uow:
        assert await uow.conn.fetchval("SELECT count(*) FROM jobs") == 0
        assert await uow.conn.fetchval("SELECT count(*) FROM events") == 1


async def test_workers_of_long_ago_are_forgotten(bench: Bench) -> None:
    async with bench.database.transaction() as uow:
        for age in ("1 hour", "2 days"):
            await uow.conn.execute(
                f"INSERT INTO workers (id, name, started_at, seen_at) VALUES (gen_random_uuid(), $1, $2, now() - interval '{age}')",
                age,
                clock.now(),
            )
    await bench.ask(activity.PURGE_JOB)
    await bench.run_once()
    async with bench.database.transaction() as uow:
        assert [row["name"] for row in await uow.conn.fetch("SELECT name FROM workers")] == ["1 hour"]
