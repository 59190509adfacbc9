"""The current usage of a subscription: what its charges would count if the period ended now."""

from __future__ import annotations

from decimal import Decimal

from carbonledger.domains.catalog import service as catalog
from carbonledger.domains.catalog.types import Aggregation, Charge, Measure, Meter
from carbonledger.domains.catalog.types.charges import CostPlus, Standard
from carbonledger.domains.subscriptions import service
from carbonledger.infra import clock
from carbonledger.kernel import ids
from tests.integration.domains.subscriptions.conftest import Desk, at, flat
from tests.integration.domains.telemetry import kit

PAGES = Charge(code="pages", name="Pages", model=Standard(Decimal("0.1")), meter_code="pages")
COST = Charge(code="ai", name="AI", model=CostPlus(Decimal(20)))  # of no meter: all usage


async def page_meter(desk: Desk) -> None:
    meter = Meter(
        id=ids.new_id(clock.now()),
        code="pages",
        name="Pages",
        event="pages",
        aggregation=Aggregation.SUM,
        measure=Measure.QUANTITY,
        created_at=desk.now,
        updated_at=desk.now,
    )
    await desk.do(catalog.create_meter, at=clock.now(), meter=meter)


async def read(desk: Desk, account: str, days: dict[str, str]) -> None:
    """Pages read, by day of June."""
    drafts = [kit.metered(f"{account}{day}", pages, at=at(f"2026-06-{day}"), account=account) for day, pages in days.items()]
    await kit.accept(desk.database, desk.organization_id, *drafts, at=at("2026-06-30"))


async def test_the_current_period_is_counted_and_a_pause_is_not(desk: Desk) -> None:
    await page_meter(desk)
    desk.account_id = await desk.account("Reader", external_id="reader")
    await desk.plan("pages", PAGES, flat("5"), COST)
    made = await desk.begin("pages")
    await read(desk, "reader", {"02": "7", "11": "100", "15": "5"})
    await read(desk, "somebody", {"02": "1000"})
    desk.now = at("2026-06-10")
    await desk.do(service.pause, subscription_id=made.subscription.id)
    desk.now = at("2026-06-13")
    await desk.do(service.resume, subscription_id=made.subscription.id)
    desk.now = at("2026-06-20")
    view, used = await desk.see(service.usage, now=desk.now, subscription_id=made.subscription.id)
    assert view.period is not None
    assert [(one.charge.code, one.quantity) for one in used] == [("pages", Decimal(12)), ("ai", Decimal(0))]
    assert [(f"{part.start:%d}", f"{part.end:%d}", quantity) for part, quantity in used[0].stretches] == [
        ("01", "10", Decimal(7)),
        ("13", "20", Decimal(5)),
    ]


async def test_nothing_is_counted_in_a_trial_after_the_end_or_of_an_account_without_a_name(desk: Desk) -> None:
    await page_meter(desk)
    await desk.plan("pages", PAGES)
    nameless = await desk.begin("pages")
    desk.account_id = await desk.account("Reader", external_id="reader")
    trial = await desk.begin("pages", trial_days=20)
    over = await desk.begin("pages")
    await read(desk, "reader", {"02": "7"})
    desk.now = at("2026-06-10")
    await desk.do(service.cancel, subscription_id=over.subscription.id)
    for view, quantities in ((nameless, [Decimal(0)]), (trial, []), (over, [])):
        _, used = await desk.see(service.usage, now=desk.now, subscription_id=view.subscription.id)
        assert [one.quantity for one in used] == quantities
