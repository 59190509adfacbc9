"""What meters say is what a price takes: its quantity, and the details that its model needs."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from carbonledger.domains.catalog.service import metering, meters
from carbonledger.domains.catalog.types import charges as models
from carbonledger.domains.catalog.types.meters import Aggregation, Measure
from carbonledger.domains.catalog.types.plans import Charge
from carbonledger.kernel.quantity import Co2eG
from tests.integration.domains.catalog.conftest import Desk, a_meter
from tests.integration.domains.telemetry import kit

DAY = timedelta(days=1)
TIME = (kit.AT - DAY, kit.AT + DAY)


async def test_each_price_gets_what_it_needs(desk: Desk) -> None:
    drafts = [kit.draft(str(n), account="c", counts=kit.tokens(1000, 0, 500)) for n in range(3)]
    sales = [
        kit.metered(f"s{n}", amount, at=kit.AT + n * timedelta(hours=1), event="sale", account="c") for n, amount in enumerate(("10", "20"))
    ]
    await kit.accept(desk.database, desk.organization_id, *drafts, *sales)
    calls, sale = a_meter("calls"), a_meter("sale", event="sale", aggregation=Aggregation.SUM, measure=Measure.QUANTITY)
    charges = [
        (Charge(code="calls", name="Calls", model=models.Standard(Decimal("0.1"))), calls),
        (Charge(code="cost", name="Cost", model=models.CostPlus(Decimal(20), {models.TokenKind.OUTPUT: Decimal(50)})), meters.ALL_USAGE),
        (Charge(code="co2e", name="CO2e", model=models.Carbon(Decimal(1))), meters.ALL_USAGE),
        (Charge(code="sale", name="Sales", model=models.Percentage(Decimal(2), per_event_minimum=Decimal(1))), sale),
        (Charge(code="fee", name="Fee", model=models.Percentage(Decimal(2))), sale),
    ]
    requests = [metering.request_of(charge, meter, account="c", start=TIME[0], end=TIME[1]) for charge, meter in charges]
    found = [one.usage for one in await desk.see(metering.quantities, requests=requests)]
    for (charge, _), usage in zip(charges, found, strict=True):
        assert not list(models.usage_problems(charge.model, usage))
    assert (found[0].quantity, found[0].event_count, found[0].metered_cost, found[0].co2e) == (Decimal(3), 3, None, None)
    # gpt-4o: 2.50 and 10.00 USD for a million tokens in and out. 3,000 * 0.0000025 + 1,500 * 0.00001 = 0.0075 + 0.015.
    assert found[1].metered_cost == Decimal("0.0225")
    assert dict(found[1].cost_by_kind) == {models.TokenKind.UNCACHED_INPUT: Decimal("0.0075"), models.TokenKind.OUTPUT: Decimal("0.015")}
    assert found[2].co2e is not None
    assert Co2eG.zero().mid < found[2].co2e.low <= found[2].co2e.mid <= found[2].co2e.high
    assert found[3].event_amounts == (Decimal(10), Decimal(20))
    assert (found[4].quantity, found[4].event_count, found[4].event_amounts) == (Decimal(30), 2, None)


async def test_a_quantity_is_never_below_zero(desk: Desk) -> None:
    draft = kit.metered("a", "1", event="gb", account="c", properties={"gb": -3})
    await kit.accept(desk.database, desk.organization_id, draft)
    meter = a_meter("gb", event="gb", aggregation=Aggregation.SUM, measure=Measure.PROPERTY, property_name="gb")
    charge = Charge(code="gb", name="GB", model=models.Standard(Decimal(1)))
    request = metering.request_of(charge, meter, account="c", start=TIME[0], end=TIME[1])
    [found] = await desk.see(metering.quantities, requests=[request])
    assert (found.usage.quantity, found.usage.event_count) == (Decimal(0), 1)
