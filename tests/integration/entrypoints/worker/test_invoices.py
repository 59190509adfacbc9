"""Jobs of invoices: the bill run, PDFs, the nightly check; killed and run again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from carbonledger.domains.identity.service import organizations, test_clock
from carbonledger.domains.invoices.service import checking, issuing, printing
from carbonledger.domains.invoices.types import invoices as types
from carbonledger.entrypoints.worker import identity as clock_jobs
from carbonledger.entrypoints.worker import invoices as jobs
from carbonledger.infra import clock
from tests import conftest
from tests.integration.domains.invoices.shops import Shop
from tests.integration.entrypoints.worker import conftest as benches


@pytest.fixture
def shop(bench: benches.Bench) -> Shop:
    return Shop(bench.database, bench.organization_id)


async def subscribed(shop: Shop, count: int) -> None:
    """So many customers with a monthly plan, begun a month and a half ago."""
    began = clock.now() - timedelta(days=45)
    plan_id = await shop.plan(now=began)
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
            uow, actor=sandbox.actor, at=clock.now(), organization_id=sandbox.organization_id, to=began + timedelta(days=90)
        )
    while await bench.run_once():
        await bench.make_due()
    invoices = await sandbox.invoices()
    assert len(invoices) == 3 * 3, "at the beginning, and twice when a month was over"
    assert [one.issued.sequence for one in invoices if one.issued] == list(range(1, 10))
    issued = sorted({one.issued.at for one in invoices if one.issued})
    assert issued[0] == began
    assert issued[-1] <= began + timedelta(days=90)
    assert all(one.issued is not None and one.issued.at == one.billed_at for one in invoices)
