"""The house bills its tenants with its own engine: what they pay is what the periods of their receipts wait for."""

from __future__ import annotations

from datetime import UTC
from uuid import UUID

import pytest

from carbonledger.domains.identity.service import house
from carbonledger.domains.invoices.service import issuing, standing
from carbonledger.domains.receipts.service import periods, plan_payments
from carbonledger.domains.receipts.types.periods import Payment, PeriodNotFound
from carbonledger.entrypoints.worker import activity
from carbonledger.entrypoints.worker import receipts_periods as jobs
from carbonledger.infra import clock, queue
from carbonledger.kernel import page as pages
from carbonledger.kernel.period import CalendarUnit, Interval
from tests.integration.domains.invoices.shops import Shop
from tests.integration.entrypoints.worker import conftest as benches

NOW = clock.now()
BEGAN = NOW.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
MONTH = f"{BEGAN:%Y-%m}"


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no month end while a test runs."""
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.fixture
async def seller(bench: benches.Bench) -> Shop:
    """The house as a seller of plans."""
    async with bench.database.transaction() as uow:
        found = await house.ensure(uow, at=clock.now(), email="owner@example.com")
    return Shop(bench.database, found.organization_id)


async def told(bench: benches.Bench, seller: Shop, action: str) -> None:
    """Run the job of each event of an action, twice: what is delivered again changes nothing."""
    rows = await seller.fetch("SELECT id FROM events WHERE organization_id = $1 AND action = $2", seller.organization_id, action)
    assert rows
    for row in [*rows, *rows]:
        async with bench.database.transaction(seller.organization_id) as uow:
            await queue.enqueue(uow, name=jobs.PLAN_PAYMENT_JOB, args={"event_id": str(row["id"])}, now=clock.now())
    while await bench.run_once():
        pass


async def payments(bench: benches.Bench) -> dict[str, Payment]:
    """How each month of the customer is paid."""
    async with bench.database.transaction(bench.organization_id) as uow:
        found = await periods.list_periods(uow, organization_id=bench.organization_id, page=pages.PageRequest(limit=50))
    return {f"{one.month:%Y-%m}": one.payment for one in found.data}


async def subscribed(seller: Shop, customer: UUID, *, zone: str = "UTC", **fields: object) -> None:
    account_id = await seller.account(external_id=str(customer), time_zone=zone)
    plan_id = await seller.plan(f"plan-{customer}", now=BEGAN, **fields)
    await seller.subscribe(account_id, plan_id, now=BEGAN)
    await seller.bill(BEGAN)


async def test_a_paid_invoice_pays_the_month_of_the_plan(bench: benches.Bench, seller: Shop) -> None:
    await subscribed(seller, bench.organization_id)
    (invoice,) = await seller.invoices()
    await seller.pay(invoice, now=BEGAN)
    await told(bench, seller, issuing.PAID)
    assert (await payments(bench))[MONTH] is Payment.PAID


async def test_a_failed_payment_is_told_and_may_be_made_good(bench: benches.Bench, seller: Shop) -> None:
    await subscribed(seller, bench.organization_id)
    (invoice,) = await seller.invoices()
    async with seller.database.transaction(seller.organization_id) as uow:
        await standing.fail_payment(uow, actor=seller.actor, now=BEGAN, organization_id=seller.organization_id, invoice_id=invoice.id)
    await told(bench, seller, standing.PAYMENT_FAILED)
    assert (await payments(bench))[MONTH] is Payment.FAILED
    await seller.pay(invoice, now=BEGAN)
    await told(bench, seller, issuing.PAID)
    assert (await payments(bench))[MONTH] is Payment.PAID


async def noted(bench: benches.Bench) -> list[str]:
    """The months of the customer that were paid for, begun or not."""
    async with bench.database.transaction(bench.organization_id) as uow:
        return [f"{row['month']:%Y-%m}" for row in await uow.conn.fetch("SELECT month FROM paid_months ORDER BY month")]


@pytest.mark.parametrize("interval, count", [(Interval(CalendarUnit.YEAR), 12), (Interval(CalendarUnit.QUARTER), 3)])
async def test_a_longer_plan_pays_its_months_ahead(bench: benches.Bench, seller: Shop, interval: Interval, count: int) -> None:
    await subscribed(seller, bench.organization_id, interval=interval)
    (invoice,) = await seller.invoices()
    await seller.pay(invoice, now=BEGAN)
    await told(bench, seller, issuing.PAID)
    months = [BEGAN.year * 12 + BEGAN.month - 1 + number for number in range(count)]
    assert await noted(bench) == [f"{month // 12}-{month % 12 + 1:02}" for month in months]
    assert await payments(bench) == {MONTH: Payment.PAID}


async def test_the_months_are_those_of_the_bills_zone(bench: benches.Bench, seller: Shop) -> None:
    """Berlin's first of the month is the last of the one before in New York, where the customer keeps its calendar."""
    async with bench.database.transaction(bench.organization_id) as uow:
        await uow.conn.execute("UPDATE organizations SET time_zone = 'America/New_York'")
    await subscribed(seller, bench.organization_id, zone="Europe/Berlin")
    (invoice,) = await seller.invoices()
    await seller.pay(invoice, now=BEGAN)
    await told(bench, seller, issuing.PAID)
    assert await noted(bench) == [MONTH]


async def test_a_failed_payment_says_nothing_of_months_ahead(bench: benches.Bench, seller: Shop) -> None:
    await subscribed(seller, bench.organization_id, interval=Interval(CalendarUnit.YEAR))
    (invoice,) = await seller.invoices()
    async with seller.database.transaction(seller.organization_id) as uow:
        await standing.fail_payment(uow, actor=seller.actor, now=BEGAN, organization_id=seller.organization_id, invoice_id=invoice.id)
    await told(bench, seller, standing.PAYMENT_FAILED)
    assert (await noted(bench), await payments(bench)) == ([], {MONTH: Payment.FAILED})


async def test_what_could_not_be_recorded_is_recorded_the_next_night(
    bench: benches.Bench, seller: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await subscribed(seller, bench.organization_id)
    (invoice,) = await seller.invoices()
    await seller.pay(invoice, now=BEGAN)

    async def fails(*args: object, **given: object) -> None:
        raise PeriodNotFound("of the test")

    with monkeypatch.context() as patch:
        patch.setattr(plan_payments, "record", fails)
        await told(bench, seller, issuing.PAID)
    assert Payment.PAID not in (await payments(bench)).values()
    await bench.ask(activity.RETURN_JOB, organization_id=seller.organization_id)
    while await bench.run_once():
        pass
    assert (await payments(bench))[MONTH] is Payment.PAID


async def test_another_sellers_invoice_says_nothing(bench: benches.Bench) -> None:
    seller = Shop(bench.database, bench.organization_id)
    await subscribed(seller, bench.organization_id)
    (invoice,) = await seller.invoices()
    await seller.pay(invoice, now=BEGAN)
    await told(bench, seller, issuing.PAID)
    assert Payment.PAID not in (await payments(bench)).values()
