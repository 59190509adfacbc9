"""Bills that are easily made wrong: odd currencies, zones with odd offsets, instants on a bound, numbers too large, paused trials."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from carbonledger.domains.catalog.types import AmountDiscount, AnchorKind, Charge, Proration
from carbonledger.domains.catalog.types.charges import Flat, Standard, Timing
from carbonledger.domains.invoices.service import billing, standing
from carbonledger.domains.invoices.types.invoices import Payment, State
from carbonledger.domains.subscriptions import service as subscriptions
from carbonledger.domains.subscriptions import types as subscription_types
from carbonledger.domains.subscriptions.types import When
from carbonledger.infra import db
from carbonledger.kernel import currency
from tests.integration.domains.invoices import shops
from tests.integration.domains.invoices.shops import PLATFORM, START, Shop

END = datetime(2026, 2, 28, tzinfo=UTC)
PER_PAGE = Charge(code="pages", name="Pages", model=Standard(Decimal("0.01")), meter_code="pages")


@pytest.fixture
async def shop(database: db.Database) -> Shop:
    return await shops.opened(database)


async def did(shop: Shop, subscription_id: UUID, what: Callable[..., Awaitable[object]], *, now: datetime, **values: object) -> None:
    async with shop.database.transaction(shop.organization_id) as uow:
        await what(uow, actor=shop.actor, now=now, organization_id=shop.organization_id, subscription_id=subscription_id, **values)


async def amounts(shop: Shop) -> list[tuple[str, str, Decimal]]:
    """Each line of all invoices: kind, charge, amount."""
    return [
        (line.kind.value, line.charge_code or "", line.amount) for invoice in await shop.invoices() for line in await shop.lines(invoice)
    ]


@pytest.mark.parametrize(
    "code, price, change, credit, rest",
    [
        # 14 of 28 days of the old price, and of twice of it, each rounded half up at the currency's own digits
        ("JPY", "1001", "2001", "-501", "1001"),  # 500.5 and 1000.5: ties go away from zero
        ("KWD", "10.001", "20.003", "-5.001", "10.002"),  # 5.0005 and 10.0015
        ("CLF", "1.0001", "2.0003", "-0.5001", "1.0002"),  # 0.50005 and 1.00015
    ],
)
async def test_a_currency_is_rounded_at_its_own_digits(shop: Shop, code: str, price: str, change: str, credit: str, rest: str) -> None:
    unit = currency.by_code(code)
    flat = Charge(code="fee", name="Fee", timing=Timing.ADVANCE, model=Flat(Decimal(price)))
    small = await shop.plan("small", flat, currency=unit)
    large = await shop.plan("large", Charge(code="fee", name="Fee", timing=Timing.ADVANCE, model=Flat(Decimal(change))), currency=unit)
    subscription_id = await shop.subscribe(await shop.account(currency=code), small)
    await shop.bill(START)
    at = datetime(2026, 2, 14, tzinfo=UTC)
    await did(shop, subscription_id, subscriptions.change_plan, now=at, plan_id=large, when=When.NOW)
    await shop.bill(at)
    found = await amounts(shop)
    assert found[0] == ("charge", "fee", Decimal(price))
    assert sorted(found[1:]) == [("charge", "fee", Decimal(rest)), ("credit", "fee", Decimal(credit))]
    assert {one.currency.code for one in await shop.invoices()} == {code}


async def test_two_currencies_are_two_invoices_and_a_plan_of_another_is_refused(shop: Shop) -> None:
    account_id = await shop.account()
    euros, dollars = await shop.plan("eur"), await shop.plan("usd", currency=currency.by_code("USD"))
    first = await shop.subscribe(account_id, euros)
    await shop.subscribe(account_id, dollars)
    assert await shop.bill(START) == billing.Ran(issued=2, lines=2)
    assert sorted((one.currency.code, one.totals.total) for one in await shop.invoices()) == [
        ("EUR", Decimal("49.00")),
        ("USD", Decimal("49.00")),
    ]
    with pytest.raises(subscription_types.PlanCurrencyDiffers):
        await did(shop, first, subscriptions.change_plan, now=START, plan_id=dollars)


@pytest.mark.parametrize(
    "zone, bound",
    [
        # The first instant of 1 April 2026, by the offsets of the time zone database: +11, +11, -3, +12:45 and a half hour on, in Chatham
        ("Australia/Sydney", "2026-03-31T13:00:00"),
        ("Australia/Lord_Howe", "2026-03-31T13:00:00"),
        ("America/Sao_Paulo", "2026-04-01T03:00:00"),
        ("Pacific/Chatham", "2026-03-31T10:15:00"),
        ("Asia/Kathmandu", "2026-03-31T18:15:00"),
    ],
)
async def test_usage_on_a_bound_is_of_the_period_that_begins(shop: Shop, zone: str, bound: str) -> None:
    """A microsecond before midnight is of March, midnight itself of April: by a calendar month of the customer's own zone."""
    await shop.meter()
    midnight = datetime.fromisoformat(bound).replace(tzinfo=UTC)
    plan_id = await shop.plan("pages", PER_PAGE, anchor=AnchorKind.CALENDAR)
    await shop.subscribe(await shop.account(external_id="acme", time_zone=zone), plan_id, now=datetime(2026, 3, 2, tzinfo=UTC))
    await shop.use("acme", "100", at=midnight - timedelta(microseconds=1))
    await shop.use("acme", "1000", at=midnight)
    assert await shop.bill(midnight - timedelta(microseconds=1)) == billing.Ran()
    await shop.bill(midnight)
    (march,) = await shop.invoices()
    (line,) = await shop.lines(march)
    assert (line.service_end, line.quantity, line.amount) == (midnight, Decimal(100), Decimal("1.00"))
    await shop.bill(midnight + timedelta(days=31))
    _, april = await shop.invoices()
    (line,) = await shop.lines(april)
    assert (line.service_start, line.quantity, line.amount) == (midnight, Decimal(1000), Decimal("10.00"))


async def test_an_amount_of_too_many_digits_is_told_and_keeps_no_other_back(shop: Shop) -> None:
    """26 digits before the point are the most of a quantity. Ten of them are billed to the last digit; at 10^20 each there is no amount."""
    await shop.meter()
    dear = Charge(code="pages", name="Pages", model=Standard(Decimal(10**20)), meter_code="pages")
    plans = {"small": await shop.plan("pages", PER_PAGE), "large": await shop.plan("dear", dear)}
    accounts = {name: await shop.account(external_id=name) for name in ("small", "large", "long")}
    for name, account_id in accounts.items():
        await shop.subscribe(account_id, plans.get(name, plans["small"]))
        for _ in range(10):
            await shop.use(name, "9" * 26, at=START + timedelta(days=1))
    await shop.use("long", "0." + "0" * 11 + "1", at=START + timedelta(days=1))  # 27 digits before the point and 12 after it
    ran = await shop.bill(END)
    assert (ran.issued, ran.failed) == (1, 2)
    rows = await shop.fetch("SELECT account_id, step, code FROM billing_failures WHERE organization_id = $1", shop.organization_id)
    assert {row["account_id"]: (row["step"], row["code"]) for row in rows} == {
        accounts["large"]: ("rate", "amount_too_large"),
        accounts["long"]: ("rate", "number_out_of_range"),
    }
    (invoice,) = await shop.invoices()
    (line,) = await shop.lines(invoice)
    assert (str(line.quantity), str(invoice.totals.total)) == ("9" * 26 + "0", "9" * 25 + ".90")


async def test_a_trial_that_is_paused_charges_nothing_until_its_days_are_over(shop: Shop) -> None:
    """14 days from 31 January; paused after 4, for 10: it ends ten days later, on 24 February, and is charged from then on."""
    subscription_id = await shop.subscribe(await shop.account(), await shop.plan("pro", PLATFORM, trial_days=14))
    paused, resumed = START + timedelta(days=4), START + timedelta(days=14)
    await did(shop, subscription_id, subscriptions.pause, now=paused)
    assert await shop.bill(paused) == billing.Ran()
    await did(shop, subscription_id, subscriptions.resume, now=resumed)
    assert await shop.bill(datetime(2026, 2, 23, 23, 59, tzinfo=UTC)) == billing.Ran()
    assert await shop.bill(datetime(2026, 2, 24, tzinfo=UTC)) == billing.Ran(issued=1, lines=1)
    assert await amounts(shop) == [("charge", "platform", Decimal("49.00"))]


async def test_canceling_twice_gives_back_once(shop: Shop) -> None:
    subscription_id = await shop.subscribe(await shop.account(), await shop.plan())
    await shop.bill(START)
    at = datetime(2026, 2, 14, tzinfo=UTC)
    await did(shop, subscription_id, subscriptions.cancel, now=at, credit=True)
    with pytest.raises(subscription_types.SubscriptionOver):
        await did(shop, subscription_id, subscriptions.cancel, now=at, credit=True)
    for when in (at, at + timedelta(days=60)):
        await shop.bill(when)
    assert await amounts(shop) == [("charge", "platform", Decimal("49.00")), ("credit", "platform", Decimal("-24.50"))]


async def test_three_changes_in_one_second_leave_the_last(shop: Shop) -> None:
    """The seats go to 9, to 7 and to 5 within a second, each billed at once: half a month of five more is what is left."""
    seats = Charge(code="seats", name="Seats", timing=Timing.ADVANCE, model=Flat(Decimal("28.00")), per_seat=True)
    subscription_id = await shop.subscribe(await shop.account(), await shop.plan("seats", seats), quantity=2)
    await shop.bill(START)
    at = datetime(2026, 2, 14, 12, tzinfo=UTC)
    for count, quantity in enumerate((9, 7, 5)):
        now = at + timedelta(milliseconds=300 * count)
        await did(shop, subscription_id, subscriptions.change_quantity, now=now, quantity=quantity, when=When.NOW)
        await shop.bill(now)
    # 14 of 28 days: 56.00 for two seats, 28.00 of it back, 70.00 for five.
    assert sum(amount for _, _, amount in await amounts(shop)) == Decimal("98.00")


@pytest.mark.parametrize("proration", [Proration.DAY, Proration.SECOND])
async def test_a_change_on_the_anchor_instant_is_a_change_of_the_whole_period(shop: Shop, proration: Proration) -> None:
    small, large = await shop.plan("small", proration=proration), await shop.plan("large", SEAT_LIKE, proration=proration)
    subscription_id = await shop.subscribe(await shop.account(), small)
    await shop.bill(START)
    await shop.bill(END)  # the second period is billed, and then it is changed at its very first instant
    await did(shop, subscription_id, subscriptions.change_plan, now=END, plan_id=large, when=When.NOW)
    await shop.bill(END)
    assert sorted((await amounts(shop))[2:]) == [("charge", "base", Decimal("80.00")), ("credit", "platform", Decimal("-49.00"))]


SEAT_LIKE = Charge(code="base", name="Base", timing=Timing.ADVANCE, model=Flat(Decimal("80.00")))


async def test_a_change_and_the_change_back_come_to_nothing_whatever_the_discounts(shop: Shop) -> None:
    """Billed in between: the customer has paid in the end what the whole month costs, with its discount once."""
    fee = Charge(
        code="fee",
        name="Fee",
        timing=Timing.ADVANCE,
        model=Flat(Decimal("49.99")),
        discount=AmountDiscount(Decimal("7.77")),
    )
    small, large = await shop.plan("small", fee), await shop.plan("large", SEAT_LIKE)
    subscription_id = await shop.subscribe(await shop.account(), small)
    await shop.bill(START)
    at = datetime(2026, 2, 11, 9, tzinfo=UTC)
    for plan_id in (large, small):
        await did(shop, subscription_id, subscriptions.change_plan, now=at, plan_id=plan_id, when=When.NOW)
        await shop.bill(at)
        at += timedelta(hours=1)
    assert sum(one.totals.total for one in await shop.invoices()) == Decimal("42.22")


async def test_a_void_invoice_is_not_given_back(shop: Shop) -> None:
    """What was never owed in the end is not credited by a cancellation."""
    subscription_id = await shop.subscribe(await shop.account(), await shop.plan())
    await shop.bill(START)
    (first,) = await shop.invoices()
    async with shop.database.transaction(shop.organization_id) as uow:
        await standing.void(uow, actor=shop.actor, now=START, organization_id=shop.organization_id, invoice_id=first.id)
    at = datetime(2026, 2, 14, tzinfo=UTC)
    await did(shop, subscription_id, subscriptions.cancel, now=at, credit=True)
    await shop.bill(at)
    owed = [one.totals.total for one in await shop.invoices() if one.state is not State.VOID]
    assert sum(owed) == 0
    assert Payment.CREDIT not in {one.payment for one in await shop.invoices()}


async def test_a_clock_that_goes_back_bills_nothing_twice(shop: Shop) -> None:
    await shop.subscribe(await shop.account(), await shop.plan())
    await shop.bill(END)
    before = await amounts(shop)
    for back in (START, START - timedelta(days=400), END - timedelta(microseconds=1)):
        assert await shop.bill(back) == billing.Ran()
    assert await shop.bill(END) == billing.Ran()
    assert await amounts(shop) == before
