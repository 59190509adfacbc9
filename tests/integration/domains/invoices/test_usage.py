"""Usage on invoices: counted for its period, waited for in the grace, and settled afterwards as the seller has decided."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from carbonledger.domains.catalog.types import Charge
from carbonledger.domains.catalog.types.charges import Bound, Carbon, CostPlus
from carbonledger.domains.invoices.service import checking, collecting, explaining, measuring, standing
from carbonledger.domains.invoices.store import reading
from carbonledger.domains.invoices.types import invoices as types
from carbonledger.domains.invoices.types.invoices import Invoice, LineKind, Origin, State
from carbonledger.domains.invoices.types.sellers import LateUsage
from carbonledger.infra import db
from carbonledger.kernel import currency
from carbonledger.kernel import page as pages
from tests.integration.domains.invoices import shops
from tests.integration.domains.invoices.shops import PAGES, PLATFORM, START, Shop
from tests.integration.domains.telemetry import kit as ledger

END = datetime(2026, 2, 28, tzinfo=UTC)
NEXT = datetime(2026, 3, 31, tzinfo=UTC)
WITHIN = datetime(2026, 2, 10, 12, tzinfo=UTC)


@pytest.fixture
async def shop(database: db.Database) -> Shop:
    """A seller with one customer, acme, who pays for pages."""
    made = await shops.opened(database)
    await made.meter()
    await made.subscribe(await made.account(external_id="acme"), await made.plan("pro", PLATFORM, PAGES))
    await made.bill(START)
    return made


async def last(shop: Shop) -> tuple[Invoice, dict[str | None, types.Line]]:
    found = (await shop.invoices())[-1]
    return found, {line.charge_code: line for line in await shop.lines(found)}


async def whole(shop: Shop) -> None:
    async with shop.database.transaction(shop.organization_id) as uow:
        assert not (await checking.check(uow, organization_id=shop.organization_id)).is_wrong


async def test_usage_is_that_of_its_period(shop: Shop) -> None:
    await shop.use("acme", "120", at=WITHIN)
    await shop.use("acme", "30", at=END - timedelta(seconds=1))
    await shop.use("acme", "1000", at=END)  # of the next period
    await shop.use("other", "1000", at=WITHIN)  # another's
    await shop.bill(END + timedelta(hours=1))
    invoice, lines = await last(shop)
    pages = lines["pages"]
    # 100 x 0.10 + 50 x 0.05
    assert (pages.quantity, pages.amount, invoice.totals.total) == (Decimal(150), Decimal("12.50"), Decimal("61.50"))
    assert (pages.explained.events, pages.explained.meter_code, pages.service_start, pages.service_end) == (2, "pages", START, END)
    assert pages.explained.digest is not None


async def test_a_period_without_usage_is_billed_with_nothing(shop: Shop) -> None:
    await shop.bill(END)
    _, lines = await last(shop)
    assert (lines["pages"].quantity, lines["pages"].amount, lines["pages"].explained.events) == (Decimal(0), Decimal(0), 0)


async def test_a_draft_waits_for_late_usage_and_counts_it(shop: Shop) -> None:
    await shop.settings(grace=timedelta(hours=6))
    await shop.use("acme", "10", at=WITHIN)
    ran = await shop.bill(END)
    assert (ran.issued, ran.drafted) == (0, 1)
    draft, lines = await last(shop)
    assert (draft.state, draft.collects_until, lines["pages"].amount) == (State.DRAFT, END + timedelta(hours=6), Decimal("1.00"))
    await shop.use("acme", "20", at=END - timedelta(minutes=1))
    assert await shop.collect(END + timedelta(hours=5)) == 0
    assert await shop.collect(END + timedelta(hours=6)) == 1
    invoice, lines = await last(shop)
    assert (invoice.id, invoice.state, lines["pages"].amount, invoice.totals.total) == (
        draft.id,
        State.ISSUED,
        Decimal("3.00"),
        Decimal("52.00"),
    )
    assert lines["pages"].explained.events == 2
    await whole(shop)


async def test_late_usage_goes_on_the_next_invoice_at_the_price_of_its_own_period(shop: Shop) -> None:
    await shop.use("acme", "90", at=WITHIN)
    await shop.bill(END)
    first, lines = await last(shop)
    assert lines["pages"].amount == Decimal("9.00")
    await shop.use("acme", "30", at=WITHIN)
    for _ in range(3):  # however often it is looked at
        await shop.settle_late(END + timedelta(days=3))
    (gathering,) = await shop.invoices(state=State.GATHERING)
    (line,) = await shop.lines(gathering)
    # 120 pages are 10.00 + 1.00, of which 9.00 was billed.
    assert (line.kind, line.amount, line.quantity, line.undoes) == (LineKind.LATE, Decimal("2.00"), Decimal(30), lines["pages"].cause)
    await shop.use("acme", "10", at=WITHIN)
    await shop.settle_late(END + timedelta(days=4))
    await shop.bill(NEXT)
    second, _ = await last(shop)
    kinds = [(one.kind.value, one.amount) for one in await shop.lines(second)]
    # And 130 are 11.50. The 30 and the 10 came by themselves.
    assert sorted(kinds) == [
        ("charge", Decimal("0.00")),
        ("charge", Decimal("49.00")),
        ("late", Decimal("0.50")),
        ("late", Decimal("2.00")),
    ]
    assert second.totals.total == Decimal("51.50")
    assert await shop.invoices(state=State.GATHERING) == []
    assert await shop.find(first) == first
    await whole(shop)


async def test_late_usage_is_a_correction_of_its_own(shop: Shop) -> None:
    await shop.settings(late_usage=LateUsage.CORRECTION)
    await shop.bill(END)
    first, _ = await last(shop)
    await shop.use("acme", "50", at=WITHIN)
    await shop.settle_late(END + timedelta(days=3))
    correction, _ = await last(shop)
    assert (correction.origin, correction.state, correction.corrects) == (Origin.CORRECTION, State.ISSUED, first.id)
    assert correction.totals.total == Decimal("5.00")
    await shop.settle_late(END + timedelta(days=4))
    assert (await last(shop))[0] == correction
    await whole(shop)


async def test_an_invoice_that_is_voided_after_its_lines_were_chosen_is_not_counted_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.settings(late_usage=LateUsage.CORRECTION)
    await shop.bill(END)
    first, _ = await last(shop)
    await shop.use("acme", "50", at=WITHIN)
    metered = reading.metered

    async def chosen(uow: db.UnitOfWork, **given: Any) -> list[tuple[UUID, types.Line]]:
        rows = await metered(uow, **given)
        async with shop.database.transaction(shop.organization_id) as another:
            await standing.void(another, actor=shop.actor, now=END, organization_id=shop.organization_id, invoice_id=first.id)
        monkeypatch.setattr(reading, "metered", metered)
        return rows

    monkeypatch.setattr(reading, "metered", chosen)
    count = len(await shop.invoices())
    await shop.settle_late(END + timedelta(days=3))
    assert (await shop.find(first)).state is State.VOID
    assert len(await shop.invoices()) == count
    assert await shop.fetch("SELECT FROM late_usage WHERE organization_id = $1", shop.organization_id) == []
    await whole(shop)


async def test_late_usage_is_ignored_and_reported(shop: Shop) -> None:
    await shop.settings(late_usage=LateUsage.IGNORE_AND_REPORT)
    await shop.bill(END)
    await shop.use("acme", "50", at=WITHIN)
    count = len(await shop.invoices())
    for _ in range(2):
        await shop.settle_late(END + timedelta(days=3))
    assert len(await shop.invoices()) == count
    (row,) = await shop.fetch("SELECT decision, amount, quantity_after FROM late_usage WHERE organization_id = $1", shop.organization_id)
    assert tuple(row) == ("ignore_and_report", Decimal("5.00"), Decimal(50))
    alerts = await shop.fetch(
        "SELECT severity FROM events WHERE organization_id = $1 AND action = 'invoices.late_usage'", shop.organization_id
    )
    assert [alert["severity"] for alert in alerts] == ["info"]


async def test_usage_after_two_months_is_left_alone(shop: Shop) -> None:
    await shop.bill(END)
    await shop.use("acme", "50", at=WITHIN)
    await shop.settle_late(END + timedelta(days=63))
    assert await shop.invoices(state=State.GATHERING) == []


async def test_provider_cost_with_a_margin_and_its_carbon(database: db.Database) -> None:
    """The cost on the invoice is the ledger's, to the last digit."""
    shop = await shops.opened(database)
    cost = Charge(code="ai", name="AI", model=CostPlus(markup_percent=Decimal(20)))
    carbon = Charge(code="carbon", name="Carbon", model=Carbon(price_per_kg=Decimal("0.20"), bound=Bound.HIGH))
    usd = currency.by_code("USD")
    await shop.subscribe(await shop.account(external_id="acme", currency="USD"), await shop.plan("ai", cost, carbon, currency=usd))
    await shop.send(
        *(
            ledger.draft(f"call {number}", at=WITHIN, counts=ledger.tokens(uncached=123_457 + number, output=6_789), account="acme")
            for number in range(20)
        ),
        at=WITHIN,
    )
    await shop.bill(END)
    invoice, lines = await last(shop)
    (row,) = await shop.fetch("SELECT sum(cost_amount) AS cost FROM telemetry_events WHERE organization_id = $1", shop.organization_id)
    assert row["cost"] > 0
    assert lines["ai"].quantity == row["cost"]
    assert lines["ai"].unrounded == row["cost"] * Decimal("1.2")
    assert lines["carbon"].quantity > 0
    # The one factor set that is published; what is priced by tokens or flat rests on none.
    assert (lines["carbon"].explained.factors, lines["ai"].explained.factors) == (("1.0",), ())
    assert invoice.currency.code == "USD"
    await whole(shop)


async def test_a_line_is_explained_down_to_its_events(shop: Shop) -> None:
    await shop.use("acme", "100", at=WITHIN)
    await shop.use("acme", "20", at=WITHIN + timedelta(days=2))
    await shop.use("acme", "7", at=WITHIN, event="other")
    await shop.bill(END)
    invoice, lines = await last(shop)
    names: dict[str, Any] = {"organization_id": shop.organization_id, "invoice_id": invoice.id, "line_id": lines["pages"].id}
    async with shop.database.transaction(shop.organization_id, read_only=True) as uow:
        found = await explaining.explain(uow, now=END, **names)
        events = await explaining.events(uow, page=pages.PageRequest(limit=50), **names)
        plain = await explaining.explain(uow, now=END, **{**names, "line_id": lines["platform"].id})
        with pytest.raises(types.LineNotFound):
            await explaining.explain(uow, now=END, **{**names, "line_id": invoice.id})
    assert found.charge == PAGES
    assert found.version is not None
    assert found.version.charge("pages") == PAGES
    assert found.usage is not None
    assert found.usage.digest == found.line.explained.digest
    assert [(str(day.date), day.quantity, day.events) for day in found.usage.days] == [
        ("2026-02-10", Decimal(100), 1),
        ("2026-02-12", Decimal(20), 1),
    ]
    assert [one.event.quantity for one in events.data] == [Decimal(20), Decimal(100)]
    assert plain.usage is None
    await shop.use("acme", "1", at=WITHIN)
    async with shop.database.transaction(shop.organization_id, read_only=True) as uow:
        changed = await explaining.explain(uow, now=END, **names)
    assert changed.usage is not None
    assert changed.usage.digest != changed.line.explained.digest


async def test_usage_that_comes_in_the_grace_counts_for_the_commitment(database: db.Database) -> None:
    """20.00 are agreed. 1.00 was used when the period ended, 3.00 when the draft is issued: the customer owes 20.00 and not 22.00."""
    shop = await shops.opened(database)
    await shop.settings(grace=timedelta(hours=6))
    await shop.meter()
    plan = await shop.plan("pro", PAGES, minimum_commitment=Decimal("20.00"))
    await shop.subscribe(await shop.account(external_id="acme"), plan)
    await shop.use("acme", "10", at=WITHIN)
    await shop.bill(END)
    draft, _ = await last(shop)
    assert (draft.state, draft.totals.total) == (State.DRAFT, Decimal("20.00"))
    await shop.use("acme", "20", at=WITHIN)
    await shop.collect(END + timedelta(hours=6))
    invoice, _ = await last(shop)
    amounts = {line.kind.value: line.amount for line in await shop.lines(invoice)}
    assert amounts == {"charge": Decimal("3.00"), "commitment": Decimal("17.00")}
    assert (invoice.state, invoice.totals.total) == (State.ISSUED, Decimal("20.00"))
    await whole(shop)


async def test_what_was_let_go_stays_so_and_is_reported_once(shop: Shop) -> None:
    await shop.settings(late_usage=LateUsage.IGNORE_AND_REPORT)
    await shop.bill(END)
    for quantity in ("50", "10"):
        await shop.use("acme", quantity, at=WITHIN)
        await shop.settle_late(END + timedelta(days=3))
    await shop.settings(late_usage=LateUsage.NEXT_INVOICE)
    await shop.use("acme", "20", at=WITHIN)
    await shop.settle_late(END + timedelta(days=4))
    rows = await shop.fetch("SELECT decision, amount FROM late_usage WHERE organization_id = $1 ORDER BY id", shop.organization_id)
    # 50 pages are 5.00 and 10 more 1.00; the last 20 are 2.00, and the seller never asks for the first 60 any more.
    assert [tuple(row) for row in rows] == [
        ("ignore_and_report", Decimal("5.00")),
        ("ignore_and_report", Decimal("1.00")),
        ("next_invoice", Decimal("2.00")),
    ]
    (gathering,) = await shop.invoices(state=State.GATHERING)
    assert gathering.totals.total == Decimal("2.00")


async def test_an_account_under_another_name_gives_nothing_back(shop: Shop) -> None:
    """What was billed by one external id is looked at by that one, also when the account has another by then."""
    await shop.use("acme", "100", at=WITHIN)
    await shop.bill(END)
    invoice, lines = await last(shop)
    await shop.fetch("UPDATE accounts SET external_id = 'renamed' WHERE organization_id = $1 RETURNING id", shop.organization_id)
    await shop.settle_late(END + timedelta(days=3))
    assert await shop.invoices(state=State.GATHERING) == []
    names: dict[str, Any] = {"organization_id": shop.organization_id, "invoice_id": invoice.id, "line_id": lines["pages"].id}
    async with shop.database.transaction(shop.organization_id, read_only=True) as uow:
        found = await explaining.explain(uow, now=END, **names)
        events = await explaining.events(uow, page=pages.PageRequest(limit=50), **names)
    assert found.usage is not None
    assert found.usage.digest == lines["pages"].explained.digest
    assert len(events.data) == 1


async def test_the_days_of_a_line_add_up_to_what_its_price_is_for(database: db.Database) -> None:
    """Of a margin that is the provider's cost, and of carbon the kilograms, not how many calls there were."""
    shop = await shops.opened(database)
    cost = Charge(code="ai", name="AI", model=CostPlus(markup_percent=Decimal(20)))
    carbon = Charge(code="carbon", name="Carbon", model=Carbon(price_per_kg=Decimal("0.20"), bound=Bound.HIGH))
    usd = currency.by_code("USD")
    await shop.subscribe(await shop.account(external_id="acme", currency="USD"), await shop.plan("ai", cost, carbon, currency=usd))
    for number in range(3):
        call = ledger.draft(f"call {number}", at=WITHIN + timedelta(days=number), counts=ledger.tokens(uncached=10**6), account="acme")
        await shop.send(call, at=WITHIN + timedelta(days=number))
    await shop.bill(END)
    invoice, lines = await last(shop)
    (priced,) = await shop.fetch(
        "SELECT DISTINCT version FROM price_books JOIN telemetry_events ON price_books.id = price_book_id WHERE organization_id = $1",
        shop.organization_id,
    )
    for line in lines.values():
        names: dict[str, Any] = {"organization_id": shop.organization_id, "invoice_id": invoice.id, "line_id": line.id}
        async with shop.database.transaction(shop.organization_id, read_only=True) as uow:
            found = await explaining.explain(uow, now=END, **names)
        assert found.usage is not None
        assert [day.events for day in found.usage.days] == [1, 1, 1]
        by = (priced["version"],) if line.charge_code == "ai" else ()
        assert (line.explained.prices, found.usage.prices) == (by, by)
        assert sum(day.quantity for day in found.usage.days) == line.quantity


async def test_a_digest_is_worked_out_by_hand(shop: Shop) -> None:
    """The bytes that are hashed, written out here from the form that ``usage.SCHEMA`` names; nothing of ours is asked for them."""
    await shop.use("acme", "100", at=WITHIN)
    await shop.use("acme", "20.5", at=WITHIN)
    await shop.bill(END)
    _, lines = await last(shop)
    line = lines["pages"]
    content = (
        '{"account":"acme","meter":"' + str(line.explained.meter_id) + '","said":[{"amounts":null,"co2e_g":null,"cost":null,'
        '"cost_by_kind":{},"end":"2026-02-28T00:00:00Z","events":2,"quantity":"120.5","start":"2026-01-31T00:00:00Z"}],'
        '"schema":"carbon-ledger/usage/v1"}'
    )
    assert line.explained.digest == hashlib.sha256(content.encode()).hexdigest()


async def test_drafts_that_cannot_be_counted_keep_no_other_back(database: db.Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many they are: each is tried once in a run, and the run goes on behind them."""
    shop = await shops.opened(database)
    await shop.settings(grace=timedelta(hours=6))
    await shop.meter()
    plan = await shop.plan("pro", PAGES)
    for number in range(5):
        await shop.subscribe(await shop.account(external_id=f"c{number}"), plan)
    await shop.bill(END)
    rightly, bad = measuring.measure, {"c0", "c1", "c2"}

    async def measure(uow: db.UnitOfWork, *, wanted: Sequence[measuring.Wanted], **named: Any) -> dict[str, Any]:
        if bad & {one.account for one in wanted}:
            raise types.TaxUnknown("There is no tax rate vat.")
        return await rightly(uow, wanted=wanted, **named)

    monkeypatch.setattr(measuring, "measure", measure)
    failed: set[Any] = set()
    issued = 0
    for _ in range(6):
        async with shop.database.transaction(shop.organization_id) as uow:
            done = await collecting.run(
                uow,
                actor=shop.actor,
                now=END + timedelta(hours=6),
                at=END,
                organization_id=shop.organization_id,
                limit=2,
                apart_from=failed,
            )
        if done == collecting.Collected():
            break
        issued += done.issued
        failed |= set(done.failed)
    assert (issued, len(failed)) == (2, 3)
    rows = await shop.fetch("SELECT step, attempts FROM billing_failures WHERE organization_id = $1", shop.organization_id)
    assert [tuple(row) for row in rows] == [("collect", 1)] * 3
