"""Bill runs over subscriptions: the right lines on the right days, once, whatever else happens at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from carbonledger.domains.accounts.types import Account
from carbonledger.domains.invoices.service import billing, checking, standing
from carbonledger.domains.invoices.store import numbers, writing
from carbonledger.domains.invoices.types import invoices as types
from carbonledger.domains.invoices.types.invoices import LineKind, Payment, State
from carbonledger.domains.subscriptions import service as subscriptions
from carbonledger.domains.subscriptions.service import billing as due_charges
from carbonledger.domains.subscriptions.types import DueCharge
from carbonledger.infra import db, outbox
from tests.integration.domains.invoices import shops
from tests.integration.domains.invoices.shops import PLATFORM, SEATS, START, SUPPORT, Shop


@pytest.fixture
async def shop(database: db.Database) -> Shop:
    return await shops.opened(database)


class Killed(Exception):
    """The process is gone."""


def killed_after(act: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Do something, and die."""

    async def run(*args: Any, **named: Any) -> None:
        await act(*args, **named)
        raise Killed

    return run


async def lines_of(shop: Shop) -> list[tuple[Any, ...]]:
    return [
        (row["number"], row["charge_code"], row["part_start"].date().isoformat(), row["part_end"].date().isoformat(), row["amount"])
        for row in await shop.fetch(
            """
            SELECT i.number, l.charge_code, l.part_start, l.part_end, l.amount FROM invoice_lines l JOIN invoices i ON i.id = l.invoice_id
            WHERE l.organization_id = $1 ORDER BY i.sequence, l.position
            """,
            shop.organization_id,
        )
    ]


async def whole(shop: Shop) -> None:
    """The books are right: every invoice with its lines, every series with its numbers."""
    async with shop.database.transaction(shop.organization_id) as uow:
        assert not (await checking.check(uow, organization_id=shop.organization_id)).is_wrong


async def test_a_batch_waits_for_another_longer_than_a_request_would(shop: Shop) -> None:
    account_id = await shop.account(time_zone="UTC")
    await shop.subscribe(account_id, await shop.plan())
    async with shop.database.transaction(shop.organization_id) as uow:
        held = await billing.hold(uow, now=START, organization_id=shop.organization_id, account_ids=[account_id])
        assert held == (account_id,)
        assert await uow.conn.fetchval("SHOW statement_timeout") == "10min"


async def test_a_subscription_is_billed_in_advance_and_in_arrears(shop: Shop) -> None:
    account_id = await shop.account(time_zone="UTC")
    await shop.subscribe(account_id, await shop.plan("pro", PLATFORM, SUPPORT))
    assert await shop.bill(START) == billing.Ran(issued=1, lines=1)
    assert await shop.bill(datetime(2026, 2, 27, 23, tzinfo=UTC)) == billing.Ran()
    assert await shop.bill(datetime(2026, 2, 28, tzinfo=UTC)) == billing.Ran(issued=1, lines=2)
    assert await shop.bill(datetime(2026, 3, 31, tzinfo=UTC)) == billing.Ran(issued=1, lines=2)
    # The 31st, clamped to the 28th of February for that date alone.
    assert await lines_of(shop) == [
        ("INV-00001", "platform", "2026-01-31", "2026-02-28", Decimal("49.00")),
        ("INV-00002", "support", "2026-01-31", "2026-02-28", Decimal("15.00")),
        ("INV-00002", "platform", "2026-02-28", "2026-03-31", Decimal("49.00")),
        ("INV-00003", "support", "2026-02-28", "2026-03-31", Decimal("15.00")),
        ("INV-00003", "platform", "2026-03-31", "2026-04-30", Decimal("49.00")),
    ]
    await whole(shop)


async def test_what_a_run_missed_is_billed_as_it_would_have_been(shop: Shop) -> None:
    await shop.subscribe(await shop.account(), await shop.plan())
    assert await shop.bill(datetime(2026, 4, 15, tzinfo=UTC)) == billing.Ran(issued=3, lines=3)
    billed = [(one.billed_at.date().isoformat(), one.totals.total) for one in await shop.invoices()]
    assert billed == [(day, Decimal("49.00")) for day in ("2026-01-31", "2026-02-28", "2026-03-31")]


async def test_subscriptions_of_an_account_share_an_invoice(shop: Shop) -> None:
    account_id, plan_id = await shop.account(), await shop.plan()
    for _ in range(3):
        await shop.subscribe(account_id, plan_id)
    assert await shop.bill(START) == billing.Ran(issued=1, lines=3)


async def test_a_change_credits_what_was_debited(shop: Shop) -> None:
    account_id = await shop.account()
    subscription_id = await shop.subscribe(account_id, await shop.plan("pro", SEATS), quantity=2)
    await shop.bill(START)
    change = datetime(2026, 2, 14, tzinfo=UTC)
    async with shop.database.transaction(shop.organization_id) as uow:
        await subscriptions.change_quantity(
            uow,
            actor=shop.actor,
            now=change,
            organization_id=shop.organization_id,
            subscription_id=subscription_id,
            quantity=5,
        )
    await shop.bill(change)
    _, second = await shop.invoices()
    lines = await shop.lines(second)
    # 14 of 28 days: 10.00 of the 20.00 that were debited are given back, and half of 50.00 is charged.
    assert sorted((line.kind.value, line.amount) for line in lines) == [("charge", Decimal("25.00")), ("credit", Decimal("-10.00"))]
    assert second.totals.total == Decimal("15.00")
    await whole(shop)


async def test_a_cancel_with_credit_is_owed_to_the_account(shop: Shop) -> None:
    subscription_id = await shop.subscribe(await shop.account(), await shop.plan())
    await shop.bill(START)
    at = datetime(2026, 2, 14, tzinfo=UTC)
    async with shop.database.transaction(shop.organization_id) as uow:
        await subscriptions.cancel(
            uow, actor=shop.actor, now=at, organization_id=shop.organization_id, subscription_id=subscription_id, credit=True
        )
    await shop.bill(at)
    _, second = await shop.invoices()
    assert (second.totals.total, second.payment, second.state) == (Decimal("-24.50"), Payment.CREDIT, State.ISSUED)
    (line,) = await shop.lines(second)
    assert line.kind is LineKind.CREDIT


async def test_a_year_of_subscriptions_passes(shop: Shop) -> None:
    plan_id = await shop.plan("pro", PLATFORM, SUPPORT)
    for _ in range(5):
        await shop.subscribe(await shop.account(), plan_id)
    stops = await shop.pass_time(datetime(2027, 1, 31, tzinfo=UTC))
    assert stops >= 13
    invoices = await shop.invoices()
    assert len(invoices) == 5 * 13
    assert [one.issued.sequence for one in invoices if one.issued] == list(range(1, 66))
    assert sum(one.totals.total for one in invoices) == 5 * (13 * Decimal("49.00") + 12 * Decimal("15.00"))
    await whole(shop)


async def test_a_run_that_dies_leaves_nothing_and_the_next_one_bills(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after each of its steps in turn: each time the transaction is gone, and in the end everything is billed once."""
    account_id = await shop.account()
    await shop.subscribe(account_id, await shop.plan("pro", PLATFORM, SEATS), quantity=2)

    for module, name in (
        (due_charges, "due"),
        (writing, "add"),
        (writing, "add_lines"),
        (due_charges, "billed"),
        (numbers, "take"),
        (writing, "put"),
        (outbox, "emit_many"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, killed_after(getattr(module, name)))
            with pytest.raises(Killed):
                await shop.bill(START)
        assert await shop.invoices() == []
    assert await shop.bill(START) == billing.Ran(issued=1, lines=2)
    (made,) = await shop.invoices()
    assert made.issued is not None
    assert made.issued.sequence == 1
    assert await shop.bill(START) == billing.Ran()
    await whole(shop)


async def test_two_hundred_runs_and_changes_at_once(shop: Shop) -> None:
    """No line is there twice, none is missing, and the numbers have no gap."""
    plan_id = await shop.plan("pro", SEATS)
    subscribed = [await shop.subscribe(await shop.account(), plan_id, quantity=1) for _ in range(10)]
    await shop.bill(START)
    begin = datetime(2026, 2, 3, tzinfo=UTC)

    turns = asyncio.Semaphore(8)  # as many as have connections; who waited for one too long would only be told to come again

    async def act(number: int) -> None:
        async with turns:
            await (shop.bill(begin, limit=3) if number % 2 else change(number))

    async def change(number: int) -> None:
        async with shop.database.transaction(shop.organization_id) as uow:
            await subscriptions.change_quantity(
                uow,
                actor=shop.actor,
                now=begin,
                organization_id=shop.organization_id,
                subscription_id=subscribed[number % len(subscribed)],
                quantity=1 + number,
            )

    await asyncio.gather(*(act(number) for number in range(200)))
    await shop.bill(begin)
    await shop.bill(begin + timedelta(days=60))
    causes = [row["cause"] for row in await shop.fetch("SELECT cause FROM invoice_lines WHERE organization_id = $1", shop.organization_id)]
    assert len(causes) == len(set(causes))
    await whole(shop)
    # What each account was charged for February in the end is its last quantity for 25 of 28 days, and its first one for 3 of 28.
    rows = await shop.fetch(
        """
        SELECT l.subscription_id, sum(l.unrounded) AS amount FROM invoice_lines l
        WHERE l.organization_id = $1 AND l.service_start = $2 GROUP BY l.subscription_id
        """,
        shop.organization_id,
        START,
    )
    amounts = {row["subscription_id"]: row["amount"] for row in rows}
    async with shop.database.transaction(shop.organization_id) as uow:
        for subscription_id in subscribed:
            view = await subscriptions.find(
                uow, organization_id=shop.organization_id, subscription_id=subscription_id, now=begin + timedelta(days=60)
            )
            seats = Decimal(view.standing.quantity)
            expected = (Decimal(10) * 3 + seats * 10 * 25) / 28
            assert abs(amounts[subscription_id] - expected) < Decimal("0.000001")


async def test_an_account_that_cannot_be_rated_keeps_no_other_back(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    plan_id = await shop.plan()
    bad, good = sorted([await shop.account(), await shop.account()])
    for account_id in (bad, good):
        await shop.subscribe(account_id, plan_id)
    rightly = billing.documents

    def documents(due: Sequence[DueCharge], *args: Any, account: Account, **named: Any) -> list[billing.Document]:
        if account.id == bad:
            raise types.TaxUnknown("There is no tax rate vat.")
        return rightly(due, *args, account=account, **named)

    with monkeypatch.context() as patch:
        patch.setattr(billing, "documents", documents)
        for _ in range(2):
            ran = await shop.bill(START)
            assert ran.failed == 1
    (row,) = await shop.fetch("SELECT step, code, attempts FROM billing_failures WHERE organization_id = $1", shop.organization_id)
    assert tuple(row) == ("rate", "tax_unknown", 2)
    assert [one.account_id for one in await shop.invoices()] == [good]
    assert await shop.bill(START) == billing.Ran(issued=1, lines=1)
    assert await shop.fetch("SELECT 1 FROM billing_failures WHERE organization_id = $1", shop.organization_id) == []
    assert {one.account_id for one in await shop.invoices()} == {bad, good}


async def test_a_payment_is_what_a_subscription_waits_for(shop: Shop) -> None:
    subscription_id = await shop.subscribe(await shop.account(), await shop.plan(), payment_first=True)

    async def status(now: datetime) -> str:
        async with shop.database.transaction(shop.organization_id) as uow:
            view = await subscriptions.find(uow, organization_id=shop.organization_id, subscription_id=subscription_id, now=now)
            return view.standing.status.value

    await shop.bill(START)
    assert await status(START) == "incomplete"
    (first,) = await shop.invoices()
    await shop.pay(first, now=START)
    assert await status(START) == "active"
    later = datetime(2026, 2, 28, tzinfo=UTC)
    await shop.bill(later)
    _, second = await shop.invoices()
    async with shop.database.transaction(shop.organization_id) as uow:
        await standing.fail_payment(uow, actor=shop.actor, now=later, organization_id=shop.organization_id, invoice_id=second.id)
    assert await status(later) == "past_due"
    await shop.pay(second, now=later)
    assert await status(later) == "active"
