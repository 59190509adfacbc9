"""What a plan version may be, all that is wrong told at once; which version is in force; what is the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from carbonledger.domains.catalog import types
from carbonledger.domains.catalog.core import versions as core
from carbonledger.domains.catalog.types import charges as models
from carbonledger.domains.catalog.types.meters import Aggregation, Dimension, Field, Filter, Measure, Meter
from carbonledger.domains.catalog.types.plans import AmountDiscount, AnchorKind, Charge, PercentDiscount, PlanVersion
from carbonledger.kernel import currency
from carbonledger.kernel.errors import Problem
from carbonledger.kernel.period import CalendarUnit, Interval

D = Decimal
NOW = datetime(2026, 11, 26, tzinfo=UTC)
METER = Meter(id=UUID(int=9), code="calls", name="Calls", aggregation=Aggregation.COUNT, created_at=NOW, updated_at=NOW)
METERED = replace(METER, code="jobs", event="job", aggregation=Aggregation.SUM, measure=Measure.QUANTITY)
TEAM = replace(METER, code="team", filters=(Filter(Dimension(Field.PROPERTY, "team"), ("a",)),))
KNOWN = core.Known(meters={"calls": METER, "jobs": METERED, "team": TEAM}, tax_rates=frozenset({"vat"}))
SEAT = Charge(code="seat", name="Seat", timing=models.Timing.ADVANCE, model=models.Flat(D(20)))
CALLS = Charge(code="calls", name="Calls", model=models.Standard(D("0.1")), meter_code="calls")
VERSION = PlanVersion(
    id=UUID(int=1),
    plan_id=UUID(int=2),
    number=1,
    effective_at=NOW,
    currency=currency.by_code("USD"),
    interval=Interval(CalendarUnit.MONTH),
    charges=(SEAT, CALLS),
    created_at=NOW,
)


def problems(version: PlanVersion, **given: Any) -> list[tuple[str, str]]:
    with pytest.raises(types.PlanInvalid) as caught:
        core.checked(version, known=KNOWN, **given)
    return [(problem.pointer, problem.code) for problem in caught.value.problems]


@pytest.mark.parametrize(
    "charge, found",
    [
        (replace(SEAT, code=""), [("/charges/0/code", "code_invalid")]),
        (replace(SEAT, code="a b"), [("/charges/0/code", "code_invalid")]),
        (replace(SEAT, name=" "), [("/charges/0/name", "required")]),
        (replace(SEAT, meter_code="calls"), [("/charges/0/meter_code", "not_of_this_model")]),
        (replace(CALLS, meter_code=None), [("/charges/0/meter_code", "required")]),
        (replace(CALLS, meter_code="other"), [("/charges/0/meter_code", "meter_unknown")]),
        (replace(CALLS, timing=models.Timing.ADVANCE), [("/charges/0/timing", "usage_in_arrears")]),
        (replace(CALLS, included=D(-1)), [("/charges/0/included", "too_small")]),
        (replace(CALLS, free_units=D("0.0000000000001")), [("/charges/0/free_units", "too_many_places")]),
        (replace(CALLS, minimum=D(10), maximum=D(9)), [("/charges/0/minimum", "minimum_above_maximum")]),
        (replace(CALLS, minimum=D("0.001")), [("/charges/0/minimum", "minor_unit_fraction")]),
        (replace(SEAT, model=models.Flat(D("9.999"))), [("/charges/0/amount", "minor_unit_fraction")]),
        (replace(SEAT, tax_rate_codes=("no",)), [("/charges/0/tax_rate_codes/0", "tax_rate_unknown")]),
        (replace(SEAT, tax_rate_codes=("vat", "vat")), [("/charges/0/tax_rate_codes/1", "duplicate")]),
        (replace(SEAT, tax_rate_codes=("vat",) * 6), [("/charges/0/tax_rate_codes", "too_many")]),
        (replace(SEAT, discount=PercentDiscount(D(0))), [("/charges/0/discount/percent", "out_of_range")]),
        (replace(SEAT, discount=PercentDiscount(D("100.1"))), [("/charges/0/discount/percent", "out_of_range")]),
        (replace(SEAT, discount=AmountDiscount(D(0))), [("/charges/0/discount/amount", "too_small")]),
        (replace(SEAT, discount=AmountDiscount(D("0.005"))), [("/charges/0/discount/amount", "minor_unit_fraction")]),
        (replace(SEAT, discount=AmountDiscount(D(5), "x\0")), [("/charges/0/discount/name", "characters")]),
        (replace(CALLS, model=models.Carbon(D(1)), meter_code="jobs"), [("/charges/0/meter_code", "meter_without_cost")]),
        (
            replace(CALLS, model=models.CostPlus(D(20), {models.TokenKind.OUTPUT: D(5)}), meter_code="team"),
            [("/charges/0/by_token_kind", "meter_by_properties")],
        ),
        (replace(CALLS, model=models.CostPlus(D(20)), meter_code="jobs"), [("/charges/0/meter_code", "meter_without_cost")]),
    ],
)
def test_what_no_charge_may_be_is_named(charge: Charge, found: list[tuple[str, str]]) -> None:
    assert problems(replace(VERSION, charges=(charge,))) == found


@pytest.mark.parametrize(
    "values, found",
    [
        ({"charges": (SEAT, SEAT)}, [("/charges/1/code", "duplicate")]),
        ({"charges": tuple(replace(SEAT, code=f"c{n}") for n in range(101))}, [("/charges", "too_many")]),
        ({"setup_fee": D(-1)}, [("/setup_fee", "too_small")]),
        ({"setup_fee": D("0.001")}, [("/setup_fee", "minor_unit_fraction")]),
        ({"minimum_commitment": D(0)}, [("/minimum_commitment", "too_small")]),
        ({"trial_days": -1}, [("/trial_days", "out_of_range")]),
        ({"trial_days": 731}, [("/trial_days", "out_of_range")]),
        ({"interval": Interval(CalendarUnit.YEAR, 37)}, [("/interval/count", "out_of_range")]),
        ({"interval": Interval(CalendarUnit.MONTH, 2), "anchor": AnchorKind.CALENDAR}, [("/anchor", "calendar_counts_one")]),
        ({"discounts": (PercentDiscount(D(5)),) * 11}, [("/discounts", "too_many")]),
        ({"discounts": (PercentDiscount(D(5)), AmountDiscount(D(-5)))}, [("/discounts/1/amount", "too_small")]),
    ],
)
def test_what_no_version_may_be_is_named(values: dict[str, Any], found: list[tuple[str, str]]) -> None:
    assert problems(replace(VERSION, **values)) == found


# ISO 4217: the yen has no minor unit, the Kuwaiti dinar three digits of it, Chile's unit of account four.
@pytest.mark.parametrize("code, fits, too_fine", [("JPY", "5", "5.5"), ("KWD", "0.005", "0.0005"), ("CLF", "0.0005", "0.00005")])
def test_amounts_have_the_digits_of_their_currency(code: str, fits: str, too_fine: str) -> None:
    version = replace(
        VERSION, currency=currency.by_code(code), charges=(replace(SEAT, model=models.Flat(D(fits))), CALLS), setup_fee=D(fits)
    )
    assert core.checked(version, known=KNOWN) == version
    fine = replace(version, charges=(replace(SEAT, model=models.Flat(D(too_fine))),), setup_fee=D(too_fine))
    assert problems(fine) == [("/charges/0/amount", "minor_unit_fraction"), ("/setup_fee", "minor_unit_fraction")]


def test_unit_prices_may_be_finer_than_the_currency() -> None:
    version = replace(VERSION, currency=currency.by_code("JPY"), charges=(replace(CALLS, model=models.Standard(D("0.000000000001"))),))
    assert core.checked(version, known=KNOWN) == version


def test_what_providers_charge_is_billed_in_their_currency() -> None:
    cost = replace(CALLS, model=models.CostPlus(D(20)), meter_code=None)
    assert core.checked(replace(VERSION, charges=(cost,)), known=KNOWN).charges == (cost,)
    assert problems(replace(VERSION, currency=currency.by_code("EUR"), charges=(cost,))) == [
        ("/charges/0/charge_model", "currency_of_costs")
    ]


def test_everything_is_told_at_once_where_it_was_sent() -> None:
    told = [Problem("/charges/7/tiers/1/up_to", "tier_not_above", "")]
    version = replace(VERSION, charges=(replace(CALLS, meter_code="no"), replace(SEAT, code="?")), trial_days=-1)
    assert problems(version, told=told) == [
        ("/charges/7/tiers/1/up_to", "tier_not_above"),
        ("/charges/0/meter_code", "meter_unknown"),
        ("/charges/1/code", "code_invalid"),
        ("/trial_days", "out_of_range"),
    ]


@pytest.mark.parametrize(
    "effective, now, before, codes",
    [
        (-10, 0, None, []),  # the first may have been for long
        (10, 0, None, []),
        (0, 0, 0, []),
        (-1, 0, -5, ["in_the_past"]),
        (4, 0, 5, ["before_the_last"]),
        (-1, 0, 5, ["in_the_past", "before_the_last"]),
        (5, 0, 5, []),  # of one instant the later holds
    ],
)
def test_a_later_version_begins_neither_in_the_past_nor_before_the_last(
    effective: int, now: int, before: int | None, codes: list[str]
) -> None:
    days = [NOW + timedelta(days=number) for number in (effective, now)]
    last = None if before is None else replace(VERSION, effective_at=NOW + timedelta(days=before))
    found = core.effective_problems(days[0], now=days[1], before=last)
    assert [problem.code for problem in found] == codes


def test_in_force_is_what_began_last_and_of_these_the_newest() -> None:
    first, second, third = (replace(VERSION, number=n, effective_at=NOW + timedelta(days=day)) for n, day in ((1, 0), (2, 5), (3, 5)))
    assert core.in_force([third, first, second], NOW - timedelta(microseconds=1)) is None
    assert core.in_force([third, first, second], NOW) is first
    assert core.in_force([third, first, second], NOW + timedelta(days=5)) is third


def test_two_versions_are_the_same_if_they_cost_the_same() -> None:
    again = replace(VERSION, id=UUID(int=7), number=8, effective_at=NOW + timedelta(days=1), created_at=NOW + timedelta(days=1))
    assert core.same_terms(VERSION, again)
    assert not core.same_terms(VERSION, replace(again, trial_days=1))


def test_a_version_needs_the_meters_and_taxes_that_its_charges_name() -> None:
    version = replace(VERSION, charges=(replace(SEAT, tax_rate_codes=("vat", "city")), CALLS, replace(CALLS, code="more")))
    assert core.needs(version) == (frozenset({"calls"}), frozenset({"vat", "city"}))
