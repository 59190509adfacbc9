"""Meters and tax rates in the database: they come back as they were made, and only their names change."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from carbonledger.domains.catalog import service, types
from carbonledger.domains.catalog.types.meters import Aggregation, Dimension, Field, Filter, Measure
from carbonledger.kernel import page
from tests.integration.domains.catalog.conftest import Desk

METERS: list[dict[str, Any]] = [
    {"aggregation": Aggregation.COUNT},
    {"aggregation": Aggregation.SUM, "measure": Measure.CO2E_HIGH, "group_by": (Dimension(Field.MODEL), Dimension(Field.PROPERTY, "team"))},
    {"aggregation": Aggregation.UNIQUE, "unique": Dimension(Field.PROPERTY, "user")},
    {"aggregation": Aggregation.WEIGHTED_SUM, "event": "storage", "measure": Measure.PROPERTY, "property_name": "gb", "recurring": True},
    {
        "aggregation": Aggregation.SUM,
        "measure": Measure.TOKENS,
        "filters": (
            Filter(Dimension(Field.PROVIDER), ("openai", "anthropic")),
            Filter(Dimension(Field.PROPERTY, "env"), ("test",), excluded=True),
        ),
    },
]


@pytest.mark.parametrize("given", METERS)
async def test_a_meter_comes_back_as_it_was_made(desk: Desk, given: dict[str, Any]) -> None:
    made = await desk.meter("m", **given)
    assert await desk.see(service.find_meter, meter_id=made.id) == made
    assert {name: getattr(made, name) for name in given} == given


async def test_a_meter_is_renamed_archived_and_its_code_free_again(desk: Desk) -> None:
    made = await desk.meter()
    with pytest.raises(types.MeterCodeTaken):
        await desk.meter()
    renamed = await desk.do(service.rename_meter, meter_id=made.id, name="All calls")
    assert renamed.name == "All calls"
    await desk.do(service.archive_meter, meter_id=made.id)
    await desk.do(service.archive_meter, meter_id=made.id)
    second = await desk.meter()
    assert (await desk.see(service.list_meters, page=page.PageRequest())).data == (second,)
    assert [one.id for one in (await desk.see(service.list_meters, page=page.PageRequest(), archived=True)).data] == [made.id]
    assert [action for action, _, _ in await desk.trail(made.id)] == ["meter.created", "meter.changed", "meter.archived"]


async def test_the_life_of_a_tax_rate(desk: Desk) -> None:
    made = await desk.tax_rate(percent="8.875")
    assert (made.percent, made.inclusive) == (Decimal("8.875"), False)
    assert await desk.see(service.find_tax_rate, tax_rate_id=made.id) == made
    with pytest.raises(types.TaxRateCodeTaken):
        await desk.tax_rate()
    renamed = await desk.do(service.rename_tax_rate, tax_rate_id=made.id, name="Sales tax")
    assert await desk.see(service.tax_rates_by_code, codes=["vat", "no"]) == {"vat": renamed}
    await desk.do(service.archive_tax_rate, tax_rate_id=made.id)
    assert await desk.see(service.tax_rates_by_code, codes=["vat"]) == {}
    assert (await desk.see(service.list_tax_rates, page=page.PageRequest())).data == ()
    with pytest.raises(types.TaxRateInvalid) as caught:
        await desk.tax_rate("x y", percent="100.00001")
    assert [problem.pointer for problem in caught.value.problems] == ["/code", "/percent"]
