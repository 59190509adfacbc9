"""A plan version is the same after it was kept; what was kept keeps its form; what is not ours is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given

from carbonledger.domains.catalog import types
from carbonledger.domains.catalog.types import charges as models
from carbonledger.domains.catalog.types import documents, plans
from carbonledger.kernel import currency
from carbonledger.kernel.period import CalendarUnit, Interval
from tests.unit.domains.catalog import versions

VERSION = plans.PlanVersion(
    id=UUID(int=2),
    plan_id=UUID(int=1),
    number=3,
    effective_at=datetime(2026, 12, 1, tzinfo=UTC),
    currency=currency.by_code("EUR"),
    interval=Interval(CalendarUnit.MONTH),
    charges=(
        plans.Charge(code="seat", name="Seat", timing=models.Timing.ADVANCE, model=models.Flat(Decimal("20.00")), per_seat=True),
        plans.Charge(
            code="calls",
            name="Calls",
            model=models.Graduated((models.Tier(Decimal(100), Decimal("0.10")), models.Tier(None, Decimal("0.08"), Decimal(5)))),
            meter_code="calls",
            discount=plans.PercentDiscount(Decimal("12.5")),
        ),
    ),
    created_at=datetime(2026, 11, 26, 4, tzinfo=UTC),
)
# Written by hand. What stands here is in databases: a change of it has to be a new schema.
KEPT = (
    '{"anchor":"anniversary","charges":[{"code":"seat","discount":null,"free_units":"0","included":"0","maximum":null,"meter_code":null,'
    '"minimum":null,"model":{"amount":"20","name":"flat"},"name":"Seat","per_seat":true,"prorated":true,"tax_rate_codes":[],'
    '"timing":"advance"},{"code":"calls","discount":{"kind":"percent","name":null,"value":"12.5"},"free_units":"0","included":"0",'
    '"maximum":null,"meter_code":"calls","minimum":null,"model":{"flat_at_zero":true,"name":"graduated","tiers":[{"flat_price":"0",'
    '"unit_price":"0.1","up_to":"100"},{"flat_price":"5","unit_price":"0.08","up_to":null}]},"name":"Calls","per_seat":false,'
    '"prorated":true,"tax_rate_codes":[],"timing":"arrears"}],"created_at":"2026-11-26T04:00:00Z","currency":"EUR","discounts":[],'
    '"downgrade":"renewal","effective_at":"2026-12-01T00:00:00Z","id":"00000000-0000-0000-0000-000000000002",'
    '"interval":{"count":1,"unit":"month"},"migration":"stay","minimum_commitment":null,"number":3,'
    '"plan_id":"00000000-0000-0000-0000-000000000001","proration":"day","schema":1,"setup_fee":null,"trial_days":0,"upgrade":"now"}'
)


@given(versions.every_version())
def test_a_version_comes_back_from_its_document_as_it_was(version: plans.PlanVersion) -> None:
    kept = documents.canonical(documents.to_document(version))
    back = documents.from_document(json.loads(kept))
    assert back == version
    assert documents.canonical(documents.to_document(back)) == kept
    assert documents.digest(back) == documents.digest(version)


@given(versions.charges())
def test_a_charge_and_its_model_come_back_alone_too(charge: plans.Charge) -> None:
    assert documents.charge_from_document(json.loads(documents.canonical(documents.charge_to_document(charge)))) == charge
    assert documents.model_from_document(json.loads(documents.canonical(documents.model_to_document(charge.model)))) == charge.model


def test_the_form_that_is_kept_stays() -> None:
    assert documents.canonical(documents.to_document(VERSION)).decode() == KEPT
    assert documents.from_document(json.loads(KEPT)) == VERSION


@pytest.mark.parametrize(
    "path, value",
    [
        (("schema",), 2),  # of a later program
        (("schema",), None),
        (("currency",), "XXX"),
        (("number",), "3"),
        (("charges", 1, "model", "name"), "dynamic"),
        (("charges", 1, "model", "tiers", 0, "up_to"), 100),  # a number is a string
        (("charges", 1, "model", "tiers", 0, "up_to"), None),  # tiers that no model may have
        (("charges", 0, "timing"), "later"),
        (("interval", "unit"), "hour"),
        (("effective_at",), "2026-12-01"),
        (("more",), 1),  # a member that nobody wrote
    ],
)
def test_what_is_not_of_this_schema_is_refused(path: tuple[str | int, ...], value: object) -> None:
    document: Any = json.loads(KEPT)
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(types.DocumentUnreadable):
        documents.from_document(document)


def test_a_document_without_one_of_its_members_is_refused() -> None:
    document = json.loads(KEPT)
    del document["setup_fee"]
    with pytest.raises(types.DocumentUnreadable):
        documents.from_document(document)


def test_an_accounts_own_charges_take_the_place_of_those_of_their_code() -> None:
    own = plans.Charge(code="calls", name="Calls", model=models.Standard(Decimal("0.05")), meter_code="calls")
    extra = plans.Charge(code="support", name="Support", model=models.Flat(Decimal(100)))
    changed = types.overridden(VERSION, [extra, own])
    assert changed.charges == (VERSION.charges[0], own, extra)
    assert types.overridden(VERSION, []) == VERSION
