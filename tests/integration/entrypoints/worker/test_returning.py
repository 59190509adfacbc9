"""What was parked and what nothing else would ask for again is put back every night, until it is done or canceled."""

from __future__ import annotations

import pytest

from carbonledger.domains.receipts.service import commitments, issuing
from carbonledger.entrypoints.worker import activity, receipts, receipts_periods, runner, subscriptions
from carbonledger.infra import db, queue
from carbonledger.infra.queue import registry
from carbonledger.kernel import errors
from tests.integration.entrypoints.worker.conftest import Bench

NAME, OTHER = "tests.returns", "tests.stays"


class Refused(errors.Invalid):
    """The other side does not take this today."""

    code = "refused"


async def fails(uow: db.UnitOfWork, job: runner.Job) -> None:
    raise Refused


async def succeeds(uow: db.UnitOfWork, job: runner.Job) -> queue.JobArgs:
    return job.args


async def night(bench: Bench) -> dict[str, int]:
    """Run the nightly job alone, and return what it says."""
    job_id = await bench.ask(activity.RETURN_JOB)
    await bench.run([entry for entry in await bench.pick(heartbeat_timeout_s=0.0) if entry.entrypoint == activity.RETURN_JOB])
    result: dict[str, int] = (await bench.job(job_id)).result
    return result


async def test_it_comes_back_every_night_until_it_is_done(bench: Bench) -> None:
    bench.declare(NAME, fails, returns=True)
    job_id = await bench.ask(NAME, month="2026-10")
    for _ in range(3):
        await bench.run_once()
        assert (await bench.job(job_id)).state is queue.JobState.PARKED
        assert await night(bench) == {"returned": 1}
    bench.declare(NAME, succeeds, returns=True)
    await bench.run_once(heartbeat_timeout_s=0.0)
    done = await bench.job(job_id)
    assert (done.state, done.result) == (queue.JobState.SUCCEEDED, {"month": "2026-10"})
    assert await night(bench) == {"returned": 0}


async def test_what_is_asked_for_otherwise_was_canceled_or_has_a_live_twin_is_left_alone(bench: Bench) -> None:
    bench.declare(NAME, fails, returns=True)
    bench.declare(OTHER, fails)
    other, canceled = await bench.ask(OTHER), await bench.ask(NAME)
    parked = await bench.ask(NAME, dedupe_key="one of a kind")
    await bench.run_once()
    async with bench.database.transaction(bench.organization_id) as uow:
        await queue.cancel(uow, job_id=canceled)
    await bench.ask(NAME, dedupe_key="one of a kind")
    assert await night(bench) == {"returned": 0}
    states = [(await bench.job(job_id)).state for job_id in (other, canceled, parked)]
    assert states == [queue.JobState.PARKED, queue.JobState.CANCELED, queue.JobState.PARKED]


@pytest.mark.parametrize("name", [receipts.RETRY_JOB, subscriptions.MIGRATE_JOB])
def test_what_begins_with_the_first_at_every_try_may_take_an_hour(name: str) -> None:
    assert registry.declared.handlers[name].timeout_s == 3600


def test_it_runs_every_night_for_what_one_event_alone_asks_for() -> None:
    schedule = registry.declared.schedules[activity.RETURN_JOB]
    assert (schedule.cron.expression, schedule.each_organization) == ("25 5 * * *", True)
    assert set(registry.declared.returning()) == {
        receipts.ISSUE_JOB,
        issuing.PROVE_JOB,
        receipts_periods.PLAN_PAYMENT_JOB,
        commitments.PLACE_JOB,
    }
