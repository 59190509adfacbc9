"""A subscription whose first payment does not come: it ends by itself, and nobody owes anything for it."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from carbonledger.domains.invoices.service import expiring
from carbonledger.domains.invoices.types.invoices import State
from carbonledger.domains.subscriptions import service as subscriptions
from carbonledger.infra import db
from tests.integration.domains.invoices import shops
from tests.integration.domains.invoices.shops import PAGES, PLATFORM, START, Shop

OVER = START + timedelta(hours=23)


@pytest.fixture
async def shop(database: db.Database) -> Shop:
    return await shops.opened(database)


async def expire(shop: Shop, subscription_id: UUID) -> int:
    """Advance to the instant, and do what follows from the event of it."""
    async with shop.database.transaction(shop.organization_id) as uow:
        await subscriptions.run_due(uow, shop.actor, OVER)
    (told,) = await shop.fetch(
        "SELECT occurred_at, target_id FROM events WHERE organization_id = $1 AND action = $2", shop.organization_id, expiring.EXPIRED
    )
    assert (told["occurred_at"], told["target_id"]) == (OVER, str(subscription_id))
    async with shop.database.transaction(shop.organization_id) as uow:
        return await expiring.void_unpaid(
            uow, actor=shop.actor, now=OVER, organization_id=shop.organization_id, subscription_id=subscription_id
        )


async def test_its_unpaid_invoice_is_void_and_nothing_more_is_billed(shop: Shop) -> None:
    await shop.meter()
    plan_id = await shop.plan("pro", PLATFORM, PAGES)
    subscription_id = await shop.subscribe(await shop.account(external_id="acme"), plan_id, payment_first=True)
    await shop.bill(START)
    await shop.use("acme", "100", at=START + timedelta(hours=2))
    assert await expire(shop, subscription_id) == 1
    assert [one.state for one in await shop.invoices()] == [State.VOID]
    for days in (1, 40, 70):
        await shop.bill(START + timedelta(days=days))
    assert len(await shop.invoices()) == 1


async def test_its_invoice_has_nothing_else_on_it(shop: Shop) -> None:
    account_id, plan_id = await shop.account(), await shop.plan()
    await shop.subscribe(account_id, plan_id)
    waiting = await shop.subscribe(account_id, plan_id, payment_first=True)
    await shop.bill(START)
    assert await expire(shop, waiting) == 1
    states = {one.id: one.state for one in await shop.invoices()}
    owners = {invoice.id: {line.subscription_id for line in await shop.lines(invoice)} for invoice in await shop.invoices()}
    assert sorted((states[one] is State.VOID, owners[one] == {waiting}) for one in states) == [(False, False), (True, True)]


async def test_what_was_paid_is_not_void(shop: Shop) -> None:
    subscription_id = await shop.subscribe(await shop.account(), await shop.plan(), payment_first=True)
    await shop.bill(START)
    (first,) = await shop.invoices()
    await shop.pay(first, now=OVER - timedelta(seconds=1))
    async with shop.database.transaction(shop.organization_id) as uow:
        await subscriptions.run_due(uow, shop.actor, OVER)
        view = await subscriptions.find(uow, organization_id=shop.organization_id, subscription_id=subscription_id, now=OVER)
        assert view.standing.status.value == "active"
    assert (await shop.find(first)).state is State.ISSUED


async def test_what_expired_before_the_bill_run_is_not_billed(shop: Shop) -> None:
    await shop.subscribe(await shop.account(), await shop.plan(), payment_first=True)
    await shop.bill(OVER)
    assert await shop.invoices() == []
