"""An amount that a plan takes off: once a period of a subscription, for the part of it that is charged, whatever documents there are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from carbonledger.domains.catalog.types import AmountDiscount, Charge
from carbonledger.domains.catalog.types.charges import Flat, Timing
from carbonledger.domains.invoices.service import checking
from carbonledger.domains.subscriptions import service as subscriptions
from carbonledger.domains.subscriptions.types import When
from carbonledger.infra import db
from tests.integration.domains.invoices import shops
from tests.integration.domains.invoices.shops import PAGES, PLATFORM, SEATS, START, Shop

END = datetime(2026, 2, 28, tzinfo=UTC)
NEXT = datetime(2026, 3, 31, tzinfo=UTC)
HALF = datetime(2026, 2, 14, tzinfo=UTC)  # 14 of the 28 days from 31 January are left
TEN = AmountDiscount(Decimal("10.00"), "Welcome")
LARGE = Charge(code="base", name="Base", timing=Timing.ADVANCE, model=Flat(Decimal("80.00")))


@pytest.fixture
async def shop(database: db.Database) -> Shop:
    made = await shops.opened(database)
    await made.meter()
    return made


async def change(shop: Shop, subscription_id: UUID, *, now: datetime, **values: object) -> None:
    what = subscriptions.change_plan if "plan_id" in values else subscriptions.change_quantity
    async with shop.database.transaction(shop.organization_id) as uow:
        await what(
            uow,
            actor=shop.actor,
            now=now,
            organization_id=shop.organization_id,
            subscription_id=subscription_id,
            when=When.NOW,
            **values,  # type: ignore[arg-type]
        )
    await shop.bill(now)


async def sums(shop: Shop) -> list[tuple[Decimal, Decimal]]:
    """What was taken off each invoice, and what it comes to."""
    async with shop.database.transaction(shop.organization_id) as uow:
        assert not (await checking.check(uow, organization_id=shop.organization_id)).is_wrong
    return [(one.totals.discount, one.totals.total) for one in await shop.invoices()]


def money(*pairs: tuple[str, str]) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(off), Decimal(total)) for off, total in pairs]


async def test_a_change_in_the_middle_takes_it_off_as_a_flat_price_is(shop: Shop) -> None:
    """Half a month at 39.00 and half a month at 70.00: 54.50. The half of the 39.00 is given back, and half of the 10.00 is off 40.00."""
    small, large = await shop.plan("small", discounts=(TEN,)), await shop.plan("large", LARGE, discounts=(TEN,))
    subscription_id = await shop.subscribe(await shop.account(), small)
    await shop.bill(START)
    await change(shop, subscription_id, now=HALF, plan_id=large)
    await shop.bill(END)
    assert await sums(shop) == money(("10.00", "39.00"), ("5.00", "15.50"), ("10.00", "70.00"))


async def test_who_changes_and_changes_back_pays_as_if_they_had_not(shop: Shop) -> None:
    odd = Charge(code="fee", name="Fee", timing=Timing.ADVANCE, model=Flat(Decimal("49.99")))
    small, large = await shop.plan("small", odd, discounts=(TEN,)), await shop.plan("large", LARGE, discounts=(TEN,))
    subscription_id = await shop.subscribe(await shop.account(), small)
    await shop.bill(START)
    at = datetime(2026, 2, 11, 9, tzinfo=UTC)
    for plan_id in (large, small, large, small):
        await change(shop, subscription_id, now=at, plan_id=plan_id)
        at += timedelta(hours=1)
    assert sum(total for _, total in await sums(shop)) == Decimal("39.99")


async def test_seats_that_are_added_are_not_cheaper_by_the_discount_of_the_others(shop: Shop) -> None:
    """49.00 and five seats are 99.00 less 10.00; three seats more for half of the month are 15.00."""
    plan_id = await shop.plan("pro", PLATFORM, SEATS, discounts=(TEN,))
    subscription_id = await shop.subscribe(await shop.account(), plan_id, quantity=5)
    await shop.bill(START)
    await change(shop, subscription_id, now=HALF, quantity=8)
    (_, first), (_, second) = await sums(shop)
    assert (first, second) == (Decimal("89.00"), Decimal("15.00"))


async def test_usage_of_a_period_is_not_cheaper_by_what_its_flat_price_had(shop: Shop) -> None:
    """Two periods, two times 10.00: not a third time for the usage that is billed when the last of them is over."""
    plan_id = await shop.plan("pro", PLATFORM, PAGES, discounts=(TEN,))
    subscription_id = await shop.subscribe(await shop.account(external_id="acme"), plan_id)
    await shop.use("acme", "150", at=HALF)
    await shop.bill(START)
    await shop.bill(END)
    async with shop.database.transaction(shop.organization_id) as uow:
        await subscriptions.cancel(
            uow,
            actor=shop.actor,
            now=END,
            organization_id=shop.organization_id,
            subscription_id=subscription_id,
            when=When.RENEWAL,
        )
    await shop.use("acme", "150", at=END + timedelta(days=1))
    await shop.bill(NEXT)
    # 150 pages are 12.50.
    assert await sums(shop) == money(("10.00", "39.00"), ("10.00", "51.50"), ("0.00", "12.50"))


async def test_what_is_left_of_it_is_off_what_the_period_is_charged_later(shop: Shop) -> None:
    """4.00 in advance leave 6.00 of February's for its 12.50 of pages; of March's 4.00 are off its own."""
    small = Charge(code="base", name="Base", timing=Timing.ADVANCE, model=Flat(Decimal("4.00")))
    await shop.subscribe(await shop.account(external_id="acme"), await shop.plan("pro", small, PAGES, discounts=(TEN,)))
    await shop.use("acme", "150", at=HALF)
    await shop.bill(START)
    await shop.bill(END)
    assert await sums(shop) == money(("4.00", "0.00"), ("10.00", "6.50"))
    lines = {(line.charge_code, line.service_start): line.discount for line in await shop.lines((await shop.invoices())[-1])}
    assert lines == {("pages", START): Decimal("6.00"), ("base", END): Decimal("4.00")}


async def test_it_is_off_no_other_subscription_on_the_invoice(shop: Shop) -> None:
    account_id = await shop.account()
    small = Charge(code="base", name="Base", timing=Timing.ADVANCE, model=Flat(Decimal("5.00")))
    await shop.subscribe(account_id, await shop.plan("small", small, discounts=(TEN,)))
    await shop.subscribe(account_id, await shop.plan("pro"))
    await shop.bill(START)
    assert await sums(shop) == money(("5.00", "49.00"))


async def test_periods_that_are_billed_in_one_run_have_it_once_each(shop: Shop) -> None:
    await shop.subscribe(await shop.account(external_id="acme"), await shop.plan("pro", PLATFORM, PAGES, discounts=(TEN,)))
    await shop.use("acme", "150", at=HALF)
    await shop.bill(END)
    assert await sums(shop) == money(("10.00", "39.00"), ("10.00", "51.50"))


async def test_a_commitment_counts_what_another_invoice_of_the_same_run_charges(shop: Shop) -> None:
    """60.00 are agreed: 49.00 in advance and 1.00 of pages leave 10.00, also where all of it is billed when the month is over."""
    plan_id = await shop.plan("pro", PLATFORM, PAGES, minimum_commitment=Decimal("60.00"))
    await shop.subscribe(await shop.account(external_id="acme"), plan_id)
    await shop.use("acme", "10", at=HALF)
    await shop.bill(END)
    (_, second) = await shop.invoices()
    amounts = {line.kind.value: line.amount for line in await shop.lines(second) if line.charge_code != "platform"}
    assert amounts == {"charge": Decimal("1.00"), "commitment": Decimal("10.00")}


async def test_a_draft_keeps_it_when_its_usage_is_counted_again(shop: Shop) -> None:
    """3.00 used when the period ended, 12.50 when the draft is issued: 10.00 are off in the end, where 3.00 were."""
    await shop.settings(grace=timedelta(hours=6))
    await shop.subscribe(await shop.account(external_id="acme"), await shop.plan("pro", PAGES, discounts=(TEN,)))
    await shop.use("acme", "30", at=HALF)
    await shop.bill(END)
    assert await sums(shop) == money(("3.00", "0.00"))
    await shop.use("acme", "120", at=HALF)
    await shop.collect(END + timedelta(hours=6))
    assert await sums(shop) == money(("10.00", "2.50"))
