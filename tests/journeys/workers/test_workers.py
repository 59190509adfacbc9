"""Worker processes killed, stopped and cut off: nothing asked for is lost, nothing is done twice."""

from __future__ import annotations

import random
import signal

from carbonledger.infra import clock, queue
from tests.journeys.workers.conftest import DEADLINE_S, PRODUCT, Plant, end, eventually
from tests.journeys.workers.process import DEAF, QUICK, STUCK, STUCK_STEPS

RUNNING, SUCCEEDED, QUEUED = queue.JobState.RUNNING, queue.JobState.SUCCEEDED, queue.JobState.QUEUED
TIMEOUT_S = 2.0


async def test_a_job_of_a_killed_worker_is_done_once_by_another_in_bounded_time(plant: Plant) -> None:
    first = plant.start(heartbeat_timeout_s=TIMEOUT_S)
    job_id = await plant.ask(STUCK)
    await plant.until(job_id, RUNNING)
    plant.start(heartbeat_timeout_s=TIMEOUT_S)
    await eventually(lambda: plant.workers_seen(2))
    end(first)
    # A look follows within half the timeout after it has run out; the rest of the deadline is for a busy machine.
    await plant.until(job_id, SUCCEEDED, deadline_s=1.5 * TIMEOUT_S + DEADLINE_S)
    assert await plant.marks() == "x"
    assert await plant.outcomes(job_id) == ["lost", "succeeded"]


async def test_a_worker_killed_between_two_steps_leaves_the_first_done(plant: Plant) -> None:
    first = plant.start()
    job_id = await plant.ask(STUCK_STEPS)

    async def first_step_is_done() -> bool:
        return (await plant.job(job_id)).progress.done == 1

    await eventually(first_step_is_done)
    end(first)
    plant.start()
    await plant.until(job_id, SUCCEEDED)
    assert await plant.marks() == "12"
    assert await plant.outcomes(job_id) == ["lost", "succeeded"]


async def test_under_load_with_workers_killed_at_random_every_job_is_done_exactly_once(plant: Plant) -> None:
    chance = random.Random(20260301)
    workers = [plant.start() for _ in range(2)]
    await eventually(lambda: plant.workers_seen(2))
    made = []
    for _ in range(4):
        made += [await plant.ask(QUICK) for _ in range(25)]

        async def some_run() -> bool:
            async with plant.database.transaction(plant.organization_id) as uow:
                running: int = await uow.conn.fetchval("SELECT count(*) FROM jobs WHERE state = 'running'")
                left: int = await uow.conn.fetchval("SELECT count(*) FROM jobs WHERE state <> 'succeeded'")
            return running > 0 or left == 0

        await eventually(some_run)
        victim = chance.randrange(len(workers))
        end(workers[victim])
        workers[victim] = plant.start()
    for job_id in made:
        await plant.until(job_id, SUCCEEDED)
    assert await plant.marks() == "x" * 100
    async with plant.database.transaction() as uow:
        assert await uow.conn.fetchval("SELECT count(*) FROM pgqueuer") == 0


async def test_sigterm_lets_a_job_in_flight_end_then_exits_with_zero(plant: Plant) -> None:
    worker = plant.start(concurrency=1)
    running = await plant.ask(DEAF)
    await plant.until(running, RUNNING)
    worker.send_signal(signal.SIGTERM)
    waiting = await plant.ask(QUICK)
    async with plant.database.transaction(plant.organization_id) as uow:
        await uow.conn.execute("UPDATE organizations SET external_id = '?'")
    assert worker.wait(DEADLINE_S) == 0
    assert await plant.is_in(running, SUCCEEDED)
    assert await plant.is_in(waiting, QUEUED)
    assert await plant.marks() == "?!"
    assert not await plant.workers_seen(1)


async def test_sigterm_gives_back_what_does_not_end_in_time(plant: Plant) -> None:
    worker = plant.start(drain_s=0.3)
    job_id = await plant.ask(STUCK)
    await plant.until(job_id, RUNNING)
    assert end(worker, signal.SIGTERM) == 0
    assert await plant.is_in(job_id, QUEUED)
    assert await plant.outcomes(job_id) == ["released"]
    assert await plant.marks() == ""
    plant.start()
    await plant.until(job_id, SUCCEEDED)
    assert await plant.marks() == "x"


async def test_three_workers_of_the_product_fire_its_schedule_once(plant: Plant) -> None:
    async with plant.database.transaction(plant.organization_id) as uow:
        await uow.conn.execute("UPDATE organizations SET is_house = true")
    # One that does not come due by itself meanwhile: they do at 23 and at 41 minutes past the hour.
    name = "identity.purge" if 10 <= clock.now().minute < 24 else "activity.purge"
    for _ in range(3):
        plant.start(PRODUCT)
    await eventually(lambda: plant.workers_seen(3))

    async def purges() -> list[str]:
        async with plant.database.transaction(plant.organization_id) as uow:
            return [row["state"] for row in await uow.conn.fetch("SELECT state FROM jobs WHERE name = $1", name)]

    for times in range(1, 4):

        async def done(times: int = times) -> bool:
            return await purges() == ["succeeded"] * times

        await plant.superuser(f"UPDATE pgqueuer_schedules SET next_run = now() - interval '3 hours' WHERE entrypoint = '{name}'")
        await eventually(done)
    [row] = await plant.superuser(f"SELECT next_run > now() AS is_ahead FROM pgqueuer_schedules WHERE entrypoint = '{name}'")
    assert row["is_ahead"]


async def test_a_worker_whose_connections_are_terminated_again_and_again_goes_on(plant: Plant) -> None:
    worker = plant.start()
    await eventually(lambda: plant.workers_seen(1))
    made = []
    for _ in range(5):
        made += [await plant.ask(QUICK) for _ in range(10)]
        await plant.superuser(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name LIKE 'carbonledger-worker%'"
        )
    for job_id in made:
        await plant.until(job_id, SUCCEEDED)
    assert await plant.marks() == "x" * 50
    assert worker.poll() is None  # the same process, not one that was started anew
