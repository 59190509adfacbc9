"""Worker processes killed by the kernel in the middle of a bill run, one after the other: every customer is billed once, without a gap."""

from __future__ import annotations

import signal
from datetime import timedelta
from decimal import Decimal

import pytest

from carbonledger.domains.invoices.service import checking
from carbonledger.entrypoints.worker import invoices as jobs
from carbonledger.infra import clock, queue
from tests.integration.domains.invoices.shops import Shop
from tests.journeys.workers import dying
from tests.journeys.workers.conftest import DEADLINE_S, Plant, eventually

# A step of the first batch, one of every sort after it, and steps further on that only a run with several batches reaches.
PLACES = (1, 6, 13, 20, 29, 41)
CUSTOMERS = 6
PROGRAM = ("-m", dying.__name__)


async def test_workers_are_killed_in_a_bill_run_one_after_the_other_and_the_last_ends_it(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(plant.database, plant.organization_id)
    began = clock.now() - timedelta(days=45)
    plan_id = await shop.plan(now=began)
    for _ in range(CUSTOMERS):
        await shop.subscribe(await shop.account(), plan_id, now=began)
    job_id = await plant.ask(jobs.BILL_JOB)
    ends = []
    for place in PLACES:
        monkeypatch.setenv(dying.DIE_AT, str(place))
        worker = plant.start(PROGRAM, heartbeat_timeout_s=1.0)

        async def is_over(worker: object = worker) -> bool:
            return plant.processes[-1].poll() is not None or await plant.is_in(job_id, queue.JobState.SUCCEEDED)

        await eventually(is_over, deadline_s=DEADLINE_S)
        if worker.poll() is None:  # the run was shorter than that
            break
        ends.append(worker.returncode)
    assert set(ends) == {-signal.SIGKILL}
    assert len(ends) >= 4, ends
    monkeypatch.delenv(dying.DIE_AT)
    plant.start(PROGRAM, heartbeat_timeout_s=1.0)
    await plant.until(job_id, queue.JobState.SUCCEEDED)
    outcomes = await plant.outcomes(job_id)
    assert outcomes == ["lost"] * len(ends) + ["succeeded"]

    invoices = await shop.invoices()
    assert sorted(one.issued.sequence for one in invoices if one.issued) == list(range(1, 2 * CUSTOMERS + 1))
    assert [one.totals.total for one in invoices] == [Decimal("49.00")] * 2 * CUSTOMERS
    assert {sum(1 for one in invoices if one.account_id == account) for account in {one.account_id for one in invoices}} == {2}
    async with plant.database.transaction(plant.organization_id) as uow:
        assert not (await checking.check(uow, organization_id=plant.organization_id)).is_wrong

    async def is_printed() -> bool:
        rows = await shop.fetch("SELECT count(*) AS made FROM invoice_documents WHERE organization_id = $1", plant.organization_id)
        return bool(rows[0]["made"] == 2 * CUSTOMERS)

    await eventually(is_printed)


async def test_two_workers_share_a_bill_run_and_the_one_that_is_left_ends_it(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop(plant.database, plant.organization_id)
    began = clock.now() - timedelta(days=45)
    plan_id = await shop.plan(now=began)
    for _ in range(CUSTOMERS):
        await shop.subscribe(await shop.account(), plan_id, now=began)
    staying = plant.start(PROGRAM, heartbeat_timeout_s=1.0)
    monkeypatch.setenv(dying.DIE_AT, "8")  # its first batch, whether it begins the run or is asked to take part
    mortal = plant.start(PROGRAM, heartbeat_timeout_s=1.0)

    async def are_up() -> bool:
        return await plant.workers_seen(2)

    async def has_died() -> bool:
        return mortal.poll() is not None

    await eventually(are_up)
    async with plant.database.transaction(plant.organization_id) as uow:
        # Somebody changes a subscription all the while, so the run is not over before both are at it.
        await uow.conn.fetch("SELECT id FROM subscriptions ORDER BY id LIMIT 1 FOR NO KEY UPDATE")
        job_id = await plant.ask(jobs.BILL_JOB)
        await eventually(has_died)
    assert mortal.returncode == -signal.SIGKILL
    await plant.until(job_id, queue.JobState.SUCCEEDED)

    async def is_billed() -> bool:
        return len(await shop.invoices()) == 2 * CUSTOMERS

    await eventually(is_billed)
    assert staying.poll() is None
    invoices = await shop.invoices()
    assert sorted(one.issued.sequence for one in invoices if one.issued) == list(range(1, 2 * CUSTOMERS + 1))
    assert {sum(1 for one in invoices if one.account_id == account) for account in {one.account_id for one in invoices}} == {2}
    async with plant.database.transaction(plant.organization_id) as uow:
        assert not (await checking.check(uow, organization_id=plant.organization_id)).is_wrong
