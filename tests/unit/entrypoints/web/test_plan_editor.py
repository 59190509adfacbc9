"""Whatever a version has is in its form, and the form sends it back: opening the editor and saving changes nothing."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings

from carbonledger.domains.catalog import types
from carbonledger.domains.catalog.types import charges as models
from carbonledger.domains.catalog.types.charges import Timing
from carbonledger.domains.catalog.types.plans import PlanState, PlanVersion
from carbonledger.entrypoints.rest import plan_shapes
from carbonledger.entrypoints.web import forms
from carbonledger.entrypoints.web.sections.plans import editor
from carbonledger.kernel import errors
from carbonledger.kernel.errors import Problem
from tests.unit.domains.catalog import versions


def as_the_api_makes_it(charge: types.Charge) -> types.Charge:
    """Usage is charged in arrears, a flat amount has no meter, and free units of packages are the model's own."""
    flat, package = isinstance(charge.model, models.Flat), isinstance(charge.model, models.Package)
    return replace(
        charge,
        name=charge.code,
        timing=charge.timing if flat else Timing.ARREARS,
        meter_code=None if flat else charge.meter_code,
        free_units=Decimal(0) if package else charge.free_units,
        discount=None if charge.discount is None else replace(charge.discount, name=None if charge.discount.name is None else "x"),
    )


@settings(max_examples=60)
@given(versions.every_version())
def test_a_version_that_is_opened_and_saved_costs_the_same(version: PlanVersion) -> None:
    version = replace(version, charges=tuple(map(as_the_api_makes_it, version.charges)))
    plan = types.Plan(
        id=version.plan_id,
        code="p",
        name="P",
        description=None,
        state=PlanState.ACTIVE,
        version=version,
        latest_number=1,
        created_at=version.created_at,
        updated_at=version.created_at,
        archived_at=None,
    )
    form = editor.of_version(plan, version)
    back = editor.read(forms.read(form.fields().query.encode())) if len(form.fields().pairs) <= forms.FIELDS_MAX else form
    _, draft = plan_shapes.from_api_change(editor.sent(back, plan_shapes.PlanChangeIn))
    assert not draft.problems
    assert draft.charges == version.charges
    for name in ("interval", "anchor", "setup_fee", "trial_days", "minimum_commitment", "proration"):
        assert draft.values[name] == getattr(version, name)


def test_problems_stand_beside_the_fields_that_they_are_about_though_blank_rows_lie_between() -> None:
    blank, tiered = editor.Charge(), editor.Charge({"code": "a", "charge_model": "volume"}, [{}, {"up_to": "5"}, {"unit_price": "x"}])
    form = editor.Form({}, [blank, tiered])
    found = editor.beside(
        form,
        [
            Problem("/charges/0/code", "c", "code"),
            Problem("/charges/0/tiers/1/unit_price", "c", "price"),
            Problem("/charges/0/discount/amount", "c", "off"),
            Problem("/charges/0/discount", "c", "one"),
            Problem("/charges/0/by_token_kind/output", "c", "kind"),
            Problem("/charges/9/code", "c", "nowhere"),
            Problem("/interval/count", "c", "interval"),
            Problem("/effective_at", "c", "date"),
        ],
    )
    assert found == {
        "charges.1.code": "code",
        "charges.1.tiers.2.unit_price": "price",
        "charges.1.discount_amount": "off",
        "charges.1.discount_percent": "one",
        "charges.1.kind_output": "kind",
        "charges": "nowhere",
        "interval_count": "interval",
        "effective_on": "date",
    }


def test_a_count_of_events_may_have_many_digits() -> None:
    charge = editor.Charge({"code": "a", "name": "A", "charge_model": "percentage", "rate_percent": "1", "free_event_count": "1000000"})
    body = editor.sent(editor.Form({}, [charge]), plan_shapes.PlanChangeIn)
    assert body.charges is not None
    assert body.charges[0].free_event_count == 1_000_000


@pytest.mark.parametrize("name", ["charges.99.code", "charges.x.code", "charges.-1.code", "charges.0", "charges.0.tiers.99.up_to"])
def test_fields_of_no_place_are_no_charge(name: str) -> None:
    form = editor.read(forms.Fields(((name, "x"),)))
    assert all(charge.is_blank and not charge.tiers for charge in form.charges)


def test_words_that_no_list_has_are_refused() -> None:
    form = editor.Form({"anchor": "never"}, [])
    with pytest.raises(errors.Invalid) as caught:
        editor.sent(form, plan_shapes.PlanChangeIn)
    assert [problem.pointer for problem in caught.value.problems] == ["/anchor"]
