"""Usage that comes late for a plan with a minimum commitment: it fills up what was billed for missing, before it is charged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from carbonledger.domains.catalog.types import PercentDiscount
from carbonledger.domains.invoices.service import checking
from carbonledger.domains.invoices.types.invoices import LineKind, Origin, State
from carbonledger.domains.invoices.types.sellers import LateUsage
from carbonledger.infra import db
from tests.integration.domains.invoices import shops
from tests.integration.domains.invoices.shops import PAGES, Shop

END = datetime(2026, 2, 28, tzinfo=UTC)
NEXT = datetime(2026, 3, 31, tzinfo=UTC)
WITHIN = datetime(2026, 2, 10, 12, tzinfo=UTC)


async def committed(database: db.Database, **fields: Any) -> Shop:
    """A seller whose customer agreed to 20.00 a month, and used ten pages (1.00) by the end of the first: 19.00 were missing."""
    shop = await shops.opened(database)
    await shop.meter()
    plan = await shop.plan("pro", PAGES, minimum_commitment=Decimal("20.00"), **fields)
    await shop.subscribe(await shop.account(external_id="acme"), plan)
    await shop.use("acme", "10", at=WITHIN)
    await shop.bill(END)
    return shop


async def late(shop: Shop, quantity: str, *, days: int) -> None:
    await shop.use("acme", quantity, at=WITHIN)
    await shop.settle_late(END + timedelta(days=days))


async def amounts(shop: Shop, **filters: Any) -> list[tuple[str, Decimal]]:
    """Each line of these invoices: its kind, for late ones what it adds to, and its amount."""
    found = [line for invoice in await shop.invoices(**filters) for line in await shop.lines(invoice)]
    kinds = {line.cause: line.kind for line in found}
    return [(f"late {kinds[line.undoes].value}" if line.undoes in kinds else line.kind.value, line.amount) for line in found]


@pytest.fixture
async def shop(database: db.Database) -> Shop:
    return await committed(database)


async def test_late_usage_fills_up_the_commitment_before_it_is_charged(shop: Shop) -> None:
    """40 pages are 4.00 and 240 are 17.00, below the 20.00 that were paid; 340 are 22.00, so 2.00 are owed in the end."""
    for days, quantity in enumerate(("30", "200", "100"), start=2):
        await late(shop, quantity, days=days)
        await shop.settle_late(END + timedelta(days=days))  # however often it is looked at
    assert await amounts(shop) == [
        ("charge", Decimal("1.00")),
        ("commitment", Decimal("19.00")),
        ("late charge", Decimal("3.00")),
        ("late commitment", Decimal("-3.00")),
        ("late charge", Decimal("13.00")),
        ("late commitment", Decimal("-13.00")),
        ("late charge", Decimal("5.00")),
        ("late commitment", Decimal("-3.00")),
    ]
    (gathering,) = await shop.invoices(state=State.GATHERING)
    assert gathering.totals.total == Decimal("2.00")
    await shop.bill(NEXT)
    (_, second) = await shop.invoices()
    # Nothing was used in March: 20.00 are missing, and the 2.00 of before.
    assert (second.state, second.totals.total) == (State.ISSUED, Decimal("22.00"))
    async with shop.database.transaction(shop.organization_id) as uow:
        assert not (await checking.check(uow, organization_id=shop.organization_id)).is_wrong


async def test_a_correction_has_both_the_usage_and_what_it_fills_up(shop: Shop) -> None:
    await shop.settings(late_usage=LateUsage.CORRECTION)
    await late(shop, "240", days=3)  # 250 pages are 17.50
    first, correction = await shop.invoices()
    assert (correction.origin, correction.corrects, correction.totals.total) == (Origin.CORRECTION, first.id, Decimal("0.00"))
    usage, commitment = await shop.lines(correction)
    assert (usage.kind, usage.quantity, usage.amount) == (LineKind.LATE, Decimal(240), Decimal("16.50"))
    assert (commitment.kind, commitment.quantity, commitment.amount) == (LineKind.LATE, Decimal(1), Decimal("-16.50"))
    assert commitment.description == "Minimum commitment, what is missing of it, usage reported later"


async def test_what_is_let_go_is_what_exceeds_the_commitment(shop: Shop) -> None:
    """Not charged are the 7.00 of 27.00 that exceed the 20.00; what is charged afterwards is what comes on top."""
    await shop.settings(late_usage=LateUsage.IGNORE_AND_REPORT)
    await late(shop, "430", days=3)  # 440 pages are 10.00 + 17.00
    rows = await shop.fetch("SELECT cause, amount FROM late_usage WHERE organization_id = $1 ORDER BY id", shop.organization_id)
    assert [row["amount"] for row in rows] == [Decimal("26.00"), Decimal("-19.00")]
    (told,) = await shop.fetch(
        "SELECT after FROM events WHERE organization_id = $1 AND action = 'invoices.late_usage'", shop.organization_id
    )
    assert told["after"] == {"decision": "ignore_and_report", "lines": 2, "amount": "7.00", "currency": "EUR"}
    await shop.settings(late_usage=LateUsage.NEXT_INVOICE)
    await late(shop, "20", days=4)
    assert (await amounts(shop, state=State.GATHERING)) == [("late", Decimal("1.00"))]


async def test_a_commitment_is_filled_up_by_what_the_plan_takes_nothing_off(database: db.Database) -> None:
    """Half price: the commitment counts pages before that. 240 pages are 17.00, so 3.00 are missing; 8.50 are paid for pages: 11.50."""
    shop = await committed(database, discounts=(PercentDiscount(Decimal(50)),))
    await late(shop, "230", days=3)
    assert await amounts(shop) == [
        ("charge", Decimal("0.50")),
        ("commitment", Decimal("19.00")),
        ("late charge", Decimal("8.00")),
        ("late commitment", Decimal("-16.00")),
    ]


async def test_a_commitment_that_was_reached_is_left_alone(shop: Shop) -> None:
    await shop.use("acme", "390", at=NEXT - timedelta(days=3))  # 390 pages are 10.00 + 14.50
    await shop.bill(NEXT)
    await shop.use("acme", "10", at=NEXT - timedelta(days=2))
    await shop.settle_late(NEXT + timedelta(days=3))
    assert (await amounts(shop, state=State.GATHERING)) == [("late", Decimal("0.50"))]
