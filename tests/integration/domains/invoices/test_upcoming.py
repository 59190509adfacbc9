"""Preview = charge: the next invoice of a subscription, as it stands or after a change, is the one that is then made."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from carbonledger.domains.catalog.types import AmountDiscount, Charge, PercentDiscount, Proration
from carbonledger.domains.catalog.types.charges import Flat, Timing
from carbonledger.domains.invoices.service import billing, upcoming
from carbonledger.domains.invoices.types import invoices as types
from carbonledger.domains.subscriptions import service as subscriptions
from carbonledger.domains.subscriptions.service.previewing import Change
from carbonledger.domains.subscriptions.types import When
from carbonledger.infra import clock, db
from tests.integration.domains.invoices import shops
from tests.integration.domains.invoices.shops import PLATFORM, SEATS, START, SUPPORT, Shop


@pytest.fixture
async def shop(database: db.Database) -> Shop:
    return await shops.opened(database)


async def seen(shop: Shop, subscription_id: object, *, now: datetime, change: Change | None = None) -> billing.Document:
    async with shop.database.transaction(shop.organization_id, read_only=True) as uow:  # so nothing can be written
        return await upcoming.next_invoice(
            uow,
            actor=shop.actor,
            now=now,
            at=clock.now(),
            organization_id=shop.organization_id,
            subscription_id=subscription_id,  # type: ignore[arg-type]  # an id
            change=change,
        )


async def equals_the_last_one(shop: Shop, preview: billing.Document) -> None:
    made = (await shop.invoices())[-1]
    assert (made.totals, made.currency, made.discounts, made.billed_at) == (
        preview.invoice.totals,
        preview.invoice.currency,
        preview.invoice.discounts,
        preview.invoice.billed_at,
    )

    def said(line: types.Line) -> tuple[object, ...]:
        return line.cause, line.kind, line.amount, line.unrounded, line.discount, line.tax, line.part_start, line.part_end

    assert [said(line) for line in await shop.lines(made)] == [said(line) for line in preview.lines]


async def test_the_first_invoice(shop: Shop) -> None:
    subscription_id = await shop.subscribe(await shop.account(), await shop.plan("pro", PLATFORM, SEATS, setup_fee=Decimal("99.00")))
    preview = await seen(shop, subscription_id, now=START)
    assert preview.invoice.totals.total == Decimal("158.00")  # 49.00 + 10.00 + 99.00
    await shop.bill(START)
    await equals_the_last_one(shop, preview)
    after = await seen(shop, subscription_id, now=START + timedelta(hours=1))
    assert after.invoice.billed_at == datetime(2026, 2, 28, tzinfo=UTC)
    await shop.bill(after.invoice.billed_at)
    await equals_the_last_one(shop, after)


@pytest.mark.parametrize("seed", range(12))
async def test_any_change_at_any_time(shop: Shop, seed: int) -> None:
    dice = random.Random(seed)
    discounts = dice.choice([(), (PercentDiscount(Decimal("12.5")),), (AmountDiscount(Decimal("7.00")), PercentDiscount(Decimal(10)))])
    proration = dice.choice(list(Proration))

    def charges() -> tuple[Charge, ...]:
        price = Decimal(dice.randrange(1, 20_000)) / 100
        return (
            Charge(code="platform", name="Platform", timing=Timing.ADVANCE, model=Flat(price)),
            Charge(code="seats", name="Seats", timing=dice.choice(list(Timing)), model=Flat(price / 4 * 4), per_seat=True),
            SUPPORT,
        )

    zone = dice.choice(["UTC", "Australia/Lord_Howe", "America/Sao_Paulo", "Europe/Berlin"])
    plans = [await shop.plan(code, *charges(), discounts=discounts, proration=proration) for code in ("small", "large")]
    account_id = await shop.account(time_zone=zone)
    subscription_id = await shop.subscribe(account_id, plans[0], quantity=dice.randrange(1, 5))
    await shop.bill(START)
    now = START
    for _ in range(3):
        now += timedelta(minutes=dice.randrange(1, 60 * 24 * 40))
        await shop.bill(now)
        plan_id = dice.choice([None, *plans])
        quantity = dice.randrange(1, 9) if plan_id is None or dice.random() < 0.5 else None
        change = Change(at=now, plan_id=plan_id, quantity=quantity, when=When.NOW)
        try:
            preview = await seen(shop, subscription_id, now=now, change=change)
        except types.NothingUpcoming:
            preview = None
        async with shop.database.transaction(shop.organization_id) as uow:
            if plan_id is not None:
                await subscriptions.change_plan(
                    uow,
                    actor=shop.actor,
                    now=now,
                    organization_id=shop.organization_id,
                    subscription_id=subscription_id,
                    plan_id=plan_id,
                    quantity=quantity,
                    when=When.NOW,
                )
            elif quantity is not None:
                await subscriptions.change_quantity(
                    uow,
                    actor=shop.actor,
                    now=now,
                    organization_id=shop.organization_id,
                    subscription_id=subscription_id,
                    quantity=quantity,
                    when=When.NOW,
                )
        if preview is not None:
            await shop.bill(preview.invoice.billed_at)
            await equals_the_last_one(shop, preview)
            now = max(now, preview.invoice.billed_at)


async def test_what_is_over_makes_no_further_invoice(shop: Shop) -> None:
    subscription_id = await shop.subscribe(await shop.account(), await shop.plan())
    await shop.bill(START)
    async with shop.database.transaction(shop.organization_id) as uow:
        await subscriptions.cancel(
            uow, actor=shop.actor, now=START, organization_id=shop.organization_id, subscription_id=subscription_id, when=When.NOW
        )
    await shop.bill(START)
    with pytest.raises(types.NothingUpcoming):
        await seen(shop, subscription_id, now=START)
