"""Usage that comes late for a plan with an amount off: what is left of the amount is off it, however it is billed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from carbonledger.domains.catalog.types import Aggregation, AmountDiscount, Charge
from carbonledger.domains.catalog.types.charges import Flat, Timing
from carbonledger.domains.invoices.service import checking
from carbonledger.domains.invoices.types.invoices import Origin, Payment, State
from carbonledger.domains.invoices.types.sellers import LateUsage
from carbonledger.infra import db
from tests.integration.domains.invoices import shops
from tests.integration.domains.invoices.shops import PAGES, START, Shop

END = datetime(2026, 2, 28, tzinfo=UTC)
NEXT = datetime(2026, 3, 31, tzinfo=UTC)
WITHIN = datetime(2026, 2, 10, 12, tzinfo=UTC)
TEN = AmountDiscount(Decimal("10.00"), "Welcome")
BASE = Charge(code="base", name="Base", timing=Timing.ADVANCE, model=Flat(Decimal("4.00")))


async def opened(database: db.Database, aggregation: Aggregation) -> Shop:
    """A seller whose customer has 10.00 off a month, and used 20 pages (2.00) beside 4.00 of a flat price: 4.00 are left."""
    made = await shops.opened(database)
    await made.meter(aggregation=aggregation)
    await made.subscribe(await made.account(external_id="acme"), await made.plan("pro", BASE, PAGES, discounts=(TEN,)))
    await made.use("acme", "20", at=WITHIN)
    await made.bill(START)
    await made.bill(END)
    return made


@pytest.fixture
async def shop(database: db.Database) -> Shop:
    return await opened(database, Aggregation.SUM)


async def late(shop: Shop, quantity: str, *, days: int) -> None:
    await shop.use("acme", quantity, at=WITHIN)
    await shop.settle_late(END + timedelta(days=days))


async def sums(shop: Shop) -> list[tuple[str, str]]:
    """What was taken off each invoice, and what it comes to."""
    async with shop.database.transaction(shop.organization_id) as uow:
        assert not (await checking.check(uow, organization_id=shop.organization_id)).is_wrong
    return [(str(one.totals.discount), str(one.totals.total)) for one in await shop.invoices()]


async def test_it_goes_on_the_next_invoice_with_what_is_left_off(shop: Shop) -> None:
    """30 pages are 3.00 and free; 250 in all are 17.50, of which 1.00 more is off; March has 4.00 of its own off its 4.00."""
    await late(shop, "30", days=2)
    (gathered,) = await shop.invoices(state=State.GATHERING)
    assert (gathered.totals.discount, gathered.totals.total) == (Decimal("3.00"), Decimal("0.00"))
    await late(shop, "200", days=3)
    (gathered,) = await shop.invoices(state=State.GATHERING)
    assert (gathered.totals.subtotal, gathered.totals.discount) == (Decimal("15.50"), Decimal("4.00"))
    await shop.bill(NEXT)
    # 4.00 + 15.50, less 4.00 of February's 10.00 and 4.00 of April's.
    assert await sums(shop) == [("4.00", "0.00"), ("6.00", "0.00"), ("8.00", "11.50")]
    await shop.settle_late(END + timedelta(days=40))
    assert not await shop.invoices(state=State.GATHERING)


async def test_each_correction_has_off_what_is_left(shop: Shop) -> None:
    await shop.settings(late_usage=LateUsage.CORRECTION)
    await late(shop, "30", days=2)
    await late(shop, "200", days=3)
    found = [one for one in await shop.invoices() if one.origin is Origin.CORRECTION]
    assert [(str(one.totals.discount), str(one.totals.total), one.payment) for one in found] == [
        ("3.00", "0.00", Payment.PAID),
        ("1.00", "11.50", Payment.UNPAID),
    ]


async def test_what_is_let_go_uses_nothing_up(shop: Shop) -> None:
    await shop.settings(late_usage=LateUsage.IGNORE_AND_REPORT)
    await late(shop, "30", days=2)
    await shop.settings(late_usage=LateUsage.CORRECTION)
    await late(shop, "50", days=3)  # 50 to 100 pages are 5.00
    assert (await sums(shop))[-1] == ("4.00", "1.00")


async def test_no_more_is_given_back_than_was_paid(database: db.Database) -> None:
    """What was told last counts. 250 pages are 17.50, 15.50 more, of which 4.00 are off. None at all: paid for them were the 11.50. Then
    60 pages are 6.00, and free again.
    """
    shop = await opened(database, Aggregation.LATEST)
    await shop.settings(late_usage=LateUsage.CORRECTION)
    for days, pages in enumerate(("250", "0", "60"), start=2):
        await shop.use("acme", pages, at=WITHIN + timedelta(hours=days))
        await shop.settle_late(END + timedelta(days=days))
    assert (await sums(shop))[2:] == [("4.00", "11.50"), ("0.00", "-11.50"), ("6.00", "0.00")]
    (*_, back, _) = await shop.invoices()
    (line,) = await shop.lines(back)
    assert (line.amount, line.explained.rated["kept"], line.explained.rated["billed"]) == (Decimal("-11.50"), "6", "17.5")
