"""A schedule fires once however many watch, makes up for what was missed with one job, does not pile up, and leaves sandboxes alone."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from carbonledger import bootstrap
from carbonledger.entrypoints.worker import schedules as watching
from carbonledger.infra import db
from carbonledger.infra.queue import cron, registry, schedules, types, work
from tests import conftest
from tests.integration.entrypoints.worker.conftest import Bench

NAME = "tests.tick"
# Once a day, at the minute that ended half a day ago: the database's own clock fires schedules, and no test lasts until the next time.
DAILY_AT = datetime.now(UTC) - timedelta(hours=12, minutes=1)
DAILY = f"{DAILY_AT.minute} {DAILY_AT.hour} * * *"
Work = work.Work[bootstrap.Services]


@pytest.fixture(autouse=True)
def only_ours(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.declared, "schedules", {})


@pytest.fixture
async def house_id(bench: Bench) -> UUID:
    async with bench.database.transaction(bench.organization_id) as uow:
        await uow.conn.execute("UPDATE organizations SET is_house = true")
    return bench.organization_id


def declare(expression: str = DAILY, *, each_organization: bool = False) -> registry.Schedule:
    schedule = registry.Schedule(NAME, cron.parse(expression), NAME, {"a": 1}, each_organization)
    registry.declared.schedules[NAME] = schedule
    return schedule


def watcher(bench: Bench) -> watching.Scheduler:
    return watching.Scheduler(database=bench.database, registry=registry.declared, poll_s=30.0)


async def declare_rows(bench: Bench) -> None:
    async with bench.database.transaction() as uow:
        await schedules.declare(uow, schedules=registry.declared.schedules.values())


async def make_due(bench: Bench, *, ago: str = "1 second") -> None:
    async with bench.database.transaction() as uow:
        await uow.conn.execute(f"UPDATE pgqueuer_schedules SET next_run = now() - interval '{ago}'")


async def rows(bench: Bench) -> list[tuple[str, str, datetime]]:
    async with bench.database.transaction() as uow:
        found = await uow.conn.fetch("SELECT entrypoint, expression, next_run FROM pgqueuer_schedules ORDER BY id")
    return [(row["entrypoint"], row["expression"], row["next_run"]) for row in found]


async def jobs(bench: Bench) -> list[types.JobState]:
    async with bench.database.transaction(bench.organization_id) as uow:
        found = await uow.conn.fetch("SELECT state FROM jobs WHERE name = $1 ORDER BY id", NAME)
    return [types.JobState(row["state"]) for row in found]


async def nothing(uow: db.UnitOfWork, job: Work) -> None:
    """Do nothing."""


async def test_a_new_schedule_waits_for_its_time(bench: Bench, house_id: UUID) -> None:
    bench.declare(NAME, nothing)
    declare()
    await declare_rows(bench)
    assert 0 < await watcher(bench).fire() <= 43_200
    assert await jobs(bench) == []
    [(_, _, next_run)] = await rows(bench)
    assert (next_run.hour, next_run.minute, next_run.second) == (DAILY_AT.hour, DAILY_AT.minute, 0)


async def test_three_workers_fire_a_schedule_once(bench: Bench, house_id: UUID) -> None:
    bench.declare(NAME, nothing)
    declare()
    await declare_rows(bench)
    for round_number in range(1, 6):
        await make_due(bench)
        await asyncio.gather(*(watcher(bench).fire() for _ in range(3)))
        await bench.run_once()  # so that the key of the round before is free, and could not hide a second firing
        await asyncio.gather(*(watcher(bench).fire() for _ in range(3)))
        assert len(await jobs(bench)) == round_number
    [(_, _, next_run)] = await rows(bench)
    assert next_run > datetime.now(UTC)


async def test_missed_firings_make_one_job(bench: Bench, house_id: UUID) -> None:
    bench.declare(NAME, nothing)
    declare()
    await declare_rows(bench)
    await make_due(bench, ago="30 days")
    for _ in range(3):
        await watcher(bench).fire()
        await bench.run_once()
    assert await jobs(bench) == [types.JobState.SUCCEEDED]


async def test_a_schedule_whose_job_has_not_ended_makes_no_second_one(bench: Bench, house_id: UUID) -> None:
    bench.declare(NAME, nothing)
    declare()
    await declare_rows(bench)
    for _ in range(3):
        await make_due(bench)
        await watcher(bench).fire()
    assert await jobs(bench) == [types.JobState.QUEUED]


async def test_a_firing_that_fails_leaves_the_schedule_due(bench: Bench, house_id: UUID) -> None:
    declare()  # without a handler: the job can't be asked for
    await declare_rows(bench)
    await make_due(bench)
    with pytest.raises(types.JobUnknown):
        await watcher(bench).fire()
    bench.declare(NAME, nothing)
    await watcher(bench).fire()
    assert await jobs(bench) == [types.JobState.QUEUED]


async def test_before_there_is_a_house_nothing_is_due(bench: Bench) -> None:
    bench.declare(NAME, nothing)
    declare()
    await declare_rows(bench)
    await make_due(bench)
    assert await watcher(bench).fire() == 30.0
    async with bench.database.transaction(bench.organization_id) as uow:
        await uow.conn.execute("UPDATE organizations SET is_house = true")
    await watcher(bench).fire()
    assert await jobs(bench) == [types.JobState.QUEUED]


async def test_another_expression_takes_the_place_of_the_old_one(bench: Bench, house_id: UUID) -> None:
    declare("0 3 * * *")
    await declare_rows(bench)
    await declare_rows(bench)  # every worker does
    declare("0 4 * * *")
    await declare_rows(bench)
    assert [(name, expression) for name, expression, _ in await rows(bench)] == [(NAME, "0 4 * * *")]


async def test_a_schedule_of_each_organization_reaches_all_but_sandboxes(bench: Bench, house_id: UUID) -> None:
    ran: list[UUID] = []

    async def run(uow: db.UnitOfWork, job: Work) -> None:
        assert job.args == {"a": 1}
        ran.append(job.organization_id)

    bench.declare(NAME, run)
    declare(each_organization=True)
    customers = {await conftest.make_organization(bench.database) for _ in range(3)}
    await conftest.make_organization(bench.database, sandbox=True)
    await declare_rows(bench)
    await make_due(bench)
    await watcher(bench).fire()
    assert await bench.run_once() == 1  # the job that fans out
    assert await bench.run_once() == 4
    assert sorted(ran) == sorted({house_id, *customers})
