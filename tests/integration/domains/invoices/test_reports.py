"""What came late, as it is reported: of which line, worth what, and where it is billed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from carbonledger.domains.invoices.service import reporting
from carbonledger.domains.invoices.types.failures import LateReport
from carbonledger.domains.invoices.types.invoices import Origin, State
from carbonledger.domains.invoices.types.sellers import LateUsage
from carbonledger.infra import db
from carbonledger.kernel import page as pages
from tests.integration.domains.invoices import shops
from tests.integration.domains.invoices.shops import PAGES, PLATFORM, START, Shop

END = datetime(2026, 2, 28, tzinfo=UTC)
NEXT = datetime(2026, 3, 31, tzinfo=UTC)
WITHIN = datetime(2026, 2, 10, 12, tzinfo=UTC)


@pytest.fixture
async def shop(database: db.Database) -> Shop:
    """A seller with one customer, acme, who pays for pages, 0.10 EUR each of the first 100, and whose February is billed with 90."""
    made = await shops.opened(database)
    await made.meter()
    await made.subscribe(await made.account(external_id="acme"), await made.plan("pro", PLATFORM, PAGES))
    await made.bill(START)
    await made.use("acme", "90", at=WITHIN)
    await made.bill(END)
    return made


async def reported(shop: Shop, **given: Any) -> list[LateReport]:
    """Return the reports, the first first."""
    async with shop.database.transaction(shop.organization_id) as uow:
        found = await reporting.late(uow, organization_id=shop.organization_id, page=pages.PageRequest(), **given)
    return list(reversed(found.data))


async def come_late(shop: Shop, quantity: str, *, days: int) -> None:
    await shop.use("acme", quantity, at=WITHIN)
    await shop.settle_late(END + timedelta(days=days))


async def test_what_is_gathered_names_the_line_that_will_bill_it_and_then_does(shop: Shop) -> None:
    await come_late(shop, "30", days=3)  # 120 pages are 10.00 + 1.00, of which 9.00 was billed
    await come_late(shop, "10", days=4)  # and 130 are 11.50
    issued = (await shop.invoices(state=State.ISSUED))[-1]
    for state in (State.GATHERING, State.ISSUED):
        one, other = await reported(shop)
        assert (one.line.description, one.invoice.id, one.late.amount) == ("Pages", issued.id, Decimal("2.00"))
        assert (one.late.quantity_before, one.late.quantity_after) == (Decimal(90), Decimal(120))
        assert (other.late.quantity_before, other.late.quantity_after, other.late.amount) == (Decimal(120), Decimal(130), Decimal("0.50"))
        assert one.billing is not None
        assert other.billing is not None
        assert [bill.state for bill, _ in (one.billing, other.billing)] == [state, state]
        assert [line.amount for _, line in (one.billing, other.billing)] == [Decimal("2.00"), Decimal("0.50")]
        await shop.bill(NEXT)


async def test_a_correction_is_named(shop: Shop) -> None:
    await shop.settings(late_usage=LateUsage.CORRECTION)
    await come_late(shop, "10", days=3)
    [one] = await reported(shop)
    assert one.billing is not None
    assert (one.billing[0].origin, one.billing[0].corrects, one.billing[1].amount) == (Origin.CORRECTION, one.invoice.id, Decimal("1.00"))


async def test_what_is_let_go_is_billed_nowhere_and_what_comes_after_it_has_its_own_line(shop: Shop) -> None:
    await shop.settings(late_usage=LateUsage.IGNORE_AND_REPORT)
    await come_late(shop, "10", days=3)
    await come_late(shop, "0", days=4)  # an event that changes nothing but the digest
    await shop.settings(late_usage=LateUsage.NEXT_INVOICE)
    await come_late(shop, "20", days=5)
    amounts = [(one.late.amount, None if one.billing is None else one.billing[1].amount) for one in await reported(shop)]
    # 100 pages are 10.00, of which 9.00 was billed; the next 20 cost 0.05 each.
    assert amounts == [(Decimal("1.00"), None), (Decimal("0.00"), None), (Decimal("1.00"), Decimal("1.00"))]


async def test_reports_are_of_one_account_or_invoice_where_they_are_asked_so_and_page_by_page(shop: Shop) -> None:
    await come_late(shop, "10", days=3)
    await come_late(shop, "20", days=4)
    one, other = await reported(shop)
    assert await reported(shop, account_id=one.late.account_id) == [one, other]
    assert await reported(shop, invoice_id=one.invoice.id) == [one, other]
    nothing: list[dict[str, UUID]] = [{"account_id": uuid4()}, {"invoice_id": uuid4()}]
    for asked in nothing:
        assert await reported(shop, **asked) == []
    async with shop.database.transaction(shop.organization_id) as uow:
        first = await reporting.late(uow, organization_id=shop.organization_id, page=pages.PageRequest(limit=1))
        assert first.next_cursor is not None
        after = pages.PageRequest(limit=1, after=pages.decode_cursor(first.next_cursor, parts=1))
        second = await reporting.late(uow, organization_id=shop.organization_id, page=after)
    assert [*second.data, *first.data] == [one, other]
    assert second.next_cursor is None
