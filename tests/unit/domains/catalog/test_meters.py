"""What a meter may count, what it may not; what a price has to know of usage."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from carbonledger.domains.catalog import types
from carbonledger.domains.catalog.core import meters as core
from carbonledger.domains.catalog.types import charges as models
from carbonledger.domains.catalog.types.meters import Aggregation, Detail, Dimension, Field, Filter, Measure, Meter, details_of

NOW = datetime(2026, 11, 26, tzinfo=UTC)
CALLS = Meter(id=UUID(int=9), code="calls", name="Calls", aggregation=Aggregation.COUNT, created_at=NOW, updated_at=NOW)
TOKENS = replace(CALLS, aggregation=Aggregation.SUM, measure=Measure.TOKENS)
JOBS = replace(CALLS, aggregation=Aggregation.SUM, event="job", measure=Measure.QUANTITY)
USERS = replace(CALLS, aggregation=Aggregation.UNIQUE, unique=Dimension(Field.PROPERTY, "user"))
MODEL = Dimension(Field.MODEL)


@pytest.mark.parametrize(
    "meter",
    [
        CALLS,
        TOKENS,
        JOBS,
        USERS,
        replace(TOKENS, aggregation=Aggregation.MAX),
        replace(TOKENS, aggregation=Aggregation.LATEST, measure=Measure.PROPERTY, property_name="score"),
        replace(JOBS, aggregation=Aggregation.WEIGHTED_SUM, recurring=True),
        replace(TOKENS, measure=Measure.CO2E_LOW),
        replace(TOKENS, group_by=(MODEL, Dimension(Field.PROPERTY, "team"))),
        replace(TOKENS, filters=(Filter(MODEL, ("gpt-4o",)), Filter(MODEL, ("gpt-4o-mini",), excluded=True))),
        replace(TOKENS, filters=(Filter(Dimension(Field.BATCH), ("true",)),)),
    ],
)
def test_what_a_meter_may_be(meter: Meter) -> None:
    assert core.checked(meter) == meter


@pytest.mark.parametrize(
    "meter, values, found",
    [
        (CALLS, {"code": "a/b"}, [("/code", "code_invalid")]),
        (CALLS, {"name": ""}, [("/name", "required")]),
        (CALLS, {"event": ""}, [("/event", "event_invalid")]),
        (CALLS, {"measure": Measure.TOKENS}, [("/measure", "not_of_this_aggregation")]),
        (CALLS, {"unique": MODEL}, [("/unique", "not_of_this_aggregation")]),
        (CALLS, {"recurring": True}, [("/recurring", "not_of_this_aggregation")]),
        (TOKENS, {"measure": None}, [("/measure", "required")]),
        (TOKENS, {"measure": Measure.QUANTITY}, [("/measure", "not_of_these_events")]),
        (JOBS, {"measure": Measure.COST}, [("/measure", "not_of_these_events")]),
        (TOKENS, {"measure": Measure.CO2E_MID, "aggregation": Aggregation.MAX}, [("/aggregation", "sum_only")]),
        (TOKENS, {"measure": Measure.PROPERTY}, [("/property", "required")]),
        (TOKENS, {"property_name": "x"}, [("/property", "not_needed")]),
        (USERS, {"unique": None}, [("/unique", "required")]),
        (USERS, {"unique": Dimension(Field.PROPERTY)}, [("/unique", "required")]),
        (USERS, {"unique": Dimension(Field.PROPERTY, "a" * 65)}, [("/unique", "property_invalid")]),
        (JOBS, {"group_by": (MODEL,)}, [("/group_by/0", "not_of_these_events")]),
        (TOKENS, {"group_by": (MODEL, MODEL)}, [("/group_by/1", "duplicate")]),
        (TOKENS, {"group_by": (MODEL,) * 5}, [("/group_by", "too_many")]),
        (TOKENS, {"filters": (Filter(MODEL, ()),)}, [("/filters/0/values", "values_count")]),
        (TOKENS, {"filters": (Filter(MODEL, ("a\0",)),)}, [("/filters/0/values/0", "value_invalid")]),
        (TOKENS, {"filters": (Filter(Dimension(Field.BATCH), ("yes",)),)}, [("/filters/0/values/0", "value_invalid")]),
        (TOKENS, {"filters": (Filter(MODEL, ("a",)), Filter(MODEL, ("b",)))}, [("/filters/1/field", "duplicate")]),
        (TOKENS, {"filters": (Filter(MODEL, ("a",)),) * 11}, [("/filters", "too_many")]),
    ],
)
def test_what_no_meter_may_be_is_named(meter: Meter, values: dict[str, Any], found: list[tuple[str, str]]) -> None:
    with pytest.raises(types.MeterInvalid) as caught:
        core.checked(replace(meter, **values))
    assert [(problem.pointer, problem.code) for problem in caught.value.problems] == found


@pytest.mark.parametrize(
    "model, details",
    [
        (models.Standard(Decimal(1)), set()),
        (models.Percentage(Decimal(1), Decimal("0.1")), set()),
        (models.Percentage(Decimal(1), per_event_minimum=Decimal(1)), {Detail.EVENT_AMOUNTS}),
        (models.CostPlus(Decimal(20)), {Detail.COST}),
        (models.CostPlus(Decimal(20), {models.TokenKind.OUTPUT: Decimal(5)}), {Detail.COST, Detail.COST_BY_KIND}),
        (models.Carbon(Decimal(1)), {Detail.CO2E}),
    ],
)
def test_what_a_price_has_to_know_of_usage(model: models.Model, details: set[Detail]) -> None:
    assert details_of(model) == details
