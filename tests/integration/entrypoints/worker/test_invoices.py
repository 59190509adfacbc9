"""Jobs of invoices: the bill run, PDFs, the nightly check; killed and run again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from carbonledger.domains.identity.service import organizations, test_clock
from carbonledger.domains.invoices.core import drafting
from carbonledger.domains.invoices.service import billing, checking, issuing, printing
from carbonledger.domains.invoices.types import invoices as types
from carbonledger.entrypoints.shared import bill_runs
from carbonledger.entrypoints.worker import identity as clock_jobs
from carbonledger.entrypoints.worker import invoices as jobs
from carbonledger.infra import clock, queue
from carbonledger.infra.queue import workers
from carbonledger.kernel import ids
from tests import conftest
from tests.integration.domains.invoices.shops import Shop
from tests.integration.entrypoints.worker import conftest as benches


@pytest.fixture
def shop(bench: benches.Bench) -> Shop:
    return Shop(bench.database, bench.organization_id)


async def subscribed(shop: Shop, count: int, plan_id: UUID | None = None) -> None:
    """So many customers with a monthly plan, begun a month and a half ago."""
    began = clock.now() - timedelta(days=45)
    plan_id = plan_id or await shop.plan(now=began)
    for _ in range(count):
        await shop.subscribe(await shop.account(), plan_id, now=began)


async def ended(bench: benches.Bench, name: str, **args: Any) -> None:
    """Ask for a job and run everything until nothing is left."""
    await bench.ask(name, **args)
    while await bench.run_once():
        pass


async def documents(shop: Shop) -> list[bytes]:
    return [
        row["content"] for row in await shop.fetch("SELECT content FROM invoice_documents WHERE organization_id = $1", shop.organization_id)
    ]


async def test_the_bill_run_bills_and_prints(bench: benches.Bench, shop: Shop) -> None:
    await subscribed(shop, 3)
    await ended(bench, jobs.BILL_JOB)
    invoices = await shop.invoices()
    assert len(invoices) == 6
    made = await documents(shop)
    assert len(made) == 6
    assert all(content.startswith(b"%PDF") for content in made)
    await ended(bench, jobs.BILL_JOB)
    assert len(await shop.invoices()) == 6


async def test_a_bill_run_that_is_killed_is_run_again(bench: benches.Bench, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await subscribed(shop, 2)
    rightly = issuing.issue_all

    async def dying(*args: Any, **named: Any) -> list[types.Invoice]:
        await rightly(*args, **named)
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr(issuing, "issue_all", dying)
        await bench.ask(jobs.BILL_JOB)
        await bench.run_once()
    assert await shop.invoices() == []
    await bench.make_due()
    while await bench.run_once():
        pass
    numbers = [one.issued.sequence for one in await shop.invoices() if one.issued is not None]
    assert sorted(numbers) == [1, 2, 3, 4]


def working(shop: Shop, now: datetime) -> Awaitable[billing.Ran]:
    """One of those who work at a run."""
    return bill_runs.run(shop.database, actor=shop.actor, now=now, at=now, organization_id=shop.organization_id)


async def test_those_who_work_at_one_run_bill_each_customer_once_between_them(
    bench: benches.Bench, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(billing, "BATCH", 2)
    await subscribed(shop, 7)
    now = clock.now()
    parts = await asyncio.gather(*(working(shop, now) for _ in range(3)))
    assert sum(part.issued for part in parts) == 14
    invoices = await shop.invoices()
    assert sorted(one.issued.sequence for one in invoices if one.issued) == list(range(1, 15))
    assert {sum(1 for one in invoices if one.account_id == account) for account in {one.account_id for one in invoices}} == {2}


async def test_an_account_that_is_held_in_part_waits_as_a_whole_and_keeps_no_other_back(
    bench: benches.Bench, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(billing, "BATCH", 1)
    began = clock.now() - timedelta(days=45)
    plan_id = await shop.plan(now=began)
    account = await shop.account()
    held = await shop.subscribe(account, plan_id, now=began)
    await shop.subscribe(account, plan_id, now=began)
    await subscribed(shop, 3, plan_id)
    async with shop.database.transaction(shop.organization_id) as uow:
        await uow.conn.fetch("SELECT 1 FROM subscriptions WHERE id = $1 FOR NO KEY UPDATE", held)
        run = asyncio.ensure_future(working(shop, clock.now()))

        async def are_others_billed() -> bool:
            return len(await shop.invoices()) == 2 * 3

        await benches.eventually(are_others_billed)
        assert account not in {one.account_id for one in await shop.invoices()}
    assert (await run).issued == 2 * 3 + 2
    assert [one.lines for one in await shop.invoices() if one.account_id == account] == [2, 2]


async def test_who_can_not_be_billed_is_tried_once_by_all_who_work_at_a_run(
    bench: benches.Bench, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(billing, "BATCH", 1)
    await subscribed(shop, 3)

    def failing(*args: object, **named: object) -> None:
        raise types.TaxUnknown("There is no such tax rate.")

    with monkeypatch.context() as patch:
        patch.setattr(drafting, "summed", failing)
        now = clock.now()
        parts = [await working(shop, now), await working(shop, now)]
    assert [part.failed for part in parts] == [3, 0]
    rows = await shop.fetch("SELECT attempts FROM billing_failures WHERE organization_id = $1", shop.organization_id)
    assert [row["attempts"] for row in rows] == [1, 1, 1]
    assert (await working(shop, clock.now())).issued == 6


async def test_a_run_of_several_batches_asks_the_other_workers_and_one_that_is_at_it_already_gives_its_part_on(
    bench: benches.Bench, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(billing, "BATCH", 2)
    await subscribed(shop, 5)
    async with bench.database.transaction() as uow:
        for name in ("one", "two", "three"):
            at = clock.now()
            await workers.report(uow, worker_id=ids.new_id(at), name=name, running=0, started_at=at, at=at)
    run_id = await bench.ask(jobs.BILL_JOB)
    await bench.run_once()
    asked = await beside(bench)
    assert [one.dedupe_key for one in asked] == [f"{run_id}:0", f"{run_id}:1"]
    with jobs._working(bench.organization_id):
        await bench.run_once()
    given_on = [one for one in await beside(bench) if one.state is queue.JobState.QUEUED]
    assert [one.args["turn"] for one in given_on] == [1, 1]
    await bench.make_due()
    while await bench.run_once():
        pass
    assert {one.state for one in await beside(bench)} == {queue.JobState.SUCCEEDED}
    assert len(await shop.invoices()) == 10


async def beside(bench: benches.Bench) -> list[queue.Job]:
    """Return the parts that others were asked to take, in the order of asking."""
    async with bench.database.transaction(bench.organization_id) as uow:
        rows = await uow.conn.fetch("SELECT id FROM jobs WHERE name = $1 ORDER BY id", jobs.BESIDE_JOB)
        return [await queue.job(uow, job_id=row["id"]) for row in rows]


async def test_a_pdf_that_fails_keeps_no_other_back_and_is_tried_again(
    bench: benches.Bench, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await shop.issued("1.00"), await shop.issued("2.00")
    rightly = printing.printed

    async def failing(prepared: printing.Prepared, **named: Any) -> bytes:
        if prepared.invoice_id == first.id:
            raise RuntimeError("typst")
        return await rightly(prepared, **named)

    with monkeypatch.context() as patch:
        patch.setattr(printing, "printed", failing)
        await bench.ask(issuing.PRINT_JOB, invoice_ids=[str(first.id), str(second.id)])
        await bench.run_once()
    rows = await shop.fetch("SELECT invoice_id FROM invoice_documents WHERE organization_id = $1", shop.organization_id)
    assert second.id in {row["invoice_id"] for row in rows}
    (failure,) = await shop.fetch("SELECT step, invoice_id FROM billing_failures WHERE organization_id = $1", shop.organization_id)
    assert tuple(failure) == ("print", first.id)
    await bench.make_due()
    while await bench.run_once():
        pass
    async with shop.database.transaction(shop.organization_id) as uow:
        for made in (first, second):
            _, content = await printing.document(uow, organization_id=shop.organization_id, invoice_id=made.id)
            assert content.startswith(b"%PDF")
    assert await shop.fetch("SELECT 1 FROM billing_failures WHERE organization_id = $1", shop.organization_id) == []


async def test_the_nightly_check_finds_nothing_and_says_so(bench: benches.Bench, shop: Shop) -> None:
    await shop.issued("1.00")
    await ended(bench, checking.CHECK_JOB)
    alerts = await shop.fetch("SELECT 1 FROM events WHERE organization_id = $1 AND action = $2", shop.organization_id, checking.WRONG)
    assert alerts == []


async def test_a_pdf_that_is_not_made_yet_is_told(shop: Shop) -> None:
    draft = await shop.draft(await shop.account(), "1.00")
    async with shop.database.transaction(shop.organization_id) as uow:
        with pytest.raises(types.InvoiceNotIssued):
            await printing.document(uow, organization_id=shop.organization_id, invoice_id=draft.id)
    (made,) = await shop.issue(draft)
    async with shop.database.transaction(shop.organization_id) as uow:
        with pytest.raises(types.InvoiceUnprinted):
            await printing.document(uow, organization_id=shop.organization_id, invoice_id=made.id)


async def test_the_clock_of_a_sandbox_bills_as_time_would_have(bench: benches.Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_jobs, "_SETTLE_S", 0.0)  # the bench has one place: what the clock waits for runs once it has given it up
    sandbox = Shop(bench.database, await conftest.make_organization(bench.database, name="Sandbox", sandbox=True))
    async with bench.database.transaction(sandbox.organization_id) as uow:
        began = await organizations.business_now(uow, organization_id=sandbox.organization_id, at=clock.now())
    plan_id = await sandbox.plan(now=began)
    for _ in range(3):
        await sandbox.subscribe(await sandbox.account(time_zone="UTC"), plan_id, now=began)
    async with bench.database.transaction(sandbox.organization_id) as uow:
        await test_clock.advance(
            uow,
            actor=sandbox.actor,
            at=clock.now(),
            organization_id=sandbox.organization_id,
            to=began + timedelta(days=75),  # two months and less than three, whenever
        )
    while await bench.run_once():
        await bench.make_due()
    invoices = await sandbox.invoices()
    assert len(invoices) == 3 * 3, "at the beginning, and twice when a month was over"
    assert [one.issued.sequence for one in invoices if one.issued] == list(range(1, 10))
    issued = sorted({one.issued.at for one in invoices if one.issued})
    assert issued[0] == began
    assert issued[-1] <= began + timedelta(days=75)
    assert all(one.issued is not None and one.issued.at == one.billed_at for one in invoices)
