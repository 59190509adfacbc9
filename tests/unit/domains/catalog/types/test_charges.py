"""A price that breaks a rule can't be made, and tells everything that is wrong with it at once."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from carbonledger.domains.catalog.types import charges
from carbonledger.domains.catalog.types.charges import Tier
from carbonledger.kernel import currency
from carbonledger.kernel.quantity import Co2eG

D = Decimal
FORTY_DIGITS = D("1234567890123456789012345678901234567890")


def _told(
    make: Callable[[], object], fault: type[charges.ChargeInvalid | charges.UsageInvalid] = charges.ChargeInvalid
) -> list[tuple[str, str]]:
    with pytest.raises(fault) as caught:
        make()
    return [(problem.pointer, problem.code) for problem in caught.value.problems]


def _tiers(*bounds: str | None) -> tuple[Tier, ...]:
    return tuple(Tier(None if bound is None else D(bound), D(1)) for bound in bounds)


@pytest.mark.parametrize(
    "tiers, told",
    [
        ((), [("/tiers", "tiers_count")]),
        (_tiers(*map(str, range(1, 101)), None), [("/tiers", "tiers_count")]),  # 101
        (_tiers("10", "5", None), [("/tiers/1/up_to", "tier_not_above")]),  # unsorted
        (_tiers("10", "10", None), [("/tiers/1/up_to", "tier_not_above")]),  # overlapping: 10 would have two prices
        (_tiers(None, "10", None), [("/tiers/0/up_to", "tier_unbounded")]),  # overlapping all that follow
        (_tiers("10", "20"), [("/tiers/1/up_to", "tier_bounded")]),  # a gap: 21 would have no price
        (_tiers("0", None), [("/tiers/0/up_to", "too_small")]),
        (_tiers("-1", None), [("/tiers/0/up_to", "too_small")]),
        (_tiers("NaN", None), [("/tiers/0/up_to", "number_out_of_range")]),
        (_tiers("Infinity", None), [("/tiers/0/up_to", "number_out_of_range")]),
        (_tiers("1E+400", None), [("/tiers/0/up_to", "number_out_of_range")]),
        (_tiers("0.0000000000001", None), [("/tiers/0/up_to", "too_many_places")]),
        ((Tier(None, D(-1)),), [("/tiers/0/unit_price", "too_small")]),
        ((Tier(None, D(1), D(-1)),), [("/tiers/0/flat_price", "too_small")]),
        ((Tier(None, FORTY_DIGITS),), [("/tiers/0/unit_price", "number_out_of_range")]),
        (  # all of it at once
            (Tier(D(10), D("-0.5")), Tier(D(5), D("1E-13"), D(-2)), Tier(D(20), D("NaN"))),
            [
                ("/tiers/0/unit_price", "too_small"),
                ("/tiers/1/unit_price", "too_many_places"),
                ("/tiers/1/flat_price", "too_small"),
                ("/tiers/1/up_to", "tier_not_above"),
                ("/tiers/2/unit_price", "number_out_of_range"),
                ("/tiers/2/up_to", "tier_bounded"),
            ],
        ),
    ],
)
@pytest.mark.parametrize("model", [charges.Graduated, charges.Volume])
def test_tiers_have_one_price_for_every_quantity(
    model: Callable[[tuple[Tier, ...]], object], tiers: tuple[Tier, ...], told: list[tuple[str, str]]
) -> None:
    assert _told(lambda: model(tiers)) == told


@pytest.mark.parametrize(
    "make, told",
    [
        (lambda: charges.Standard(D(-1)), [("/unit_price", "too_small")]),
        (lambda: charges.Standard(D("0.0000000000001")), [("/unit_price", "too_many_places")]),  # 13 places
        (
            lambda: charges.Package(D(0), D(-5), D(-1)),
            [("/package_size", "too_small"), ("/package_price", "too_small"), ("/free_units", "too_small")],
        ),
        (lambda: charges.Percentage(D(-1), free_event_count=-1), [("/rate_percent", "too_small"), ("/free_event_count", "count_invalid")]),
        (lambda: charges.Percentage(D(1), free_event_count=True), [("/free_event_count", "count_invalid")]),
        (
            lambda: charges.Percentage(D(1), per_event_minimum=D(2), per_event_maximum=D(1)),
            [("/per_event_minimum", "minimum_above_maximum")],
        ),
        (
            lambda: charges.GraduatedPercentage((charges.PercentTier(D(1), D(-1)),)),
            [("/tiers/0/rate_percent", "too_small"), ("/tiers/0/up_to", "tier_bounded")],
        ),
        (
            lambda: charges.CostPlus(D("-100.5"), {charges.TokenKind.OUTPUT: D(-101)}),
            [("/markup_percent", "too_small"), ("/by_token_kind/output", "too_small")],
        ),
        (lambda: charges.Carbon(D("Infinity")), [("/price_per_kg", "number_out_of_range")]),
        (lambda: charges.Flat(D(-1)), [("/amount", "too_small")]),
        (lambda: charges.Terms(free_units=D(-1), included=D(-1)), [("/free_units", "too_small"), ("/included", "too_small")]),
        (lambda: charges.Terms(minimum=D(2), maximum=D(1)), [("/minimum", "minimum_above_maximum")]),
    ],
)
def test_a_price_that_breaks_a_rule_is_refused(make: Callable[[], object], told: list[tuple[str, str]]) -> None:
    assert _told(make) == told


@pytest.mark.parametrize(
    "make",
    [
        lambda: charges.Standard(D("0.000000000001")),
        lambda: charges.Standard(D("1.5000000000000000")),
        lambda: charges.CostPlus(D(-100)),
        lambda: charges.Percentage(D(120)),
        lambda: charges.Graduated(_tiers("0.5", "0.75", None)),
        lambda: charges.Terms(minimum=D(5), maximum=D(5)),
    ],
    ids=["12_places", "zeros_at_the_end_are_no_places", "free", "more_than_was_paid", "parts_of_units", "minimum_is_maximum"],
)
def test_a_price_at_its_bound_is_one(make: Callable[[], object]) -> None:
    assert make() == make()


@pytest.mark.parametrize(
    "make, told",
    [
        (lambda: charges.Usage(quantity=D(-1)), [("/quantity", "too_small")]),
        (lambda: charges.Usage(quantity=FORTY_DIGITS), [("/quantity", "number_out_of_range")]),
        (
            lambda: charges.Usage(event_count=-1, event_amounts=(D(1), D("NaN"))),
            [("/event_count", "count_invalid"), ("/event_amounts/1", "number_out_of_range")],
        ),
        (
            lambda: charges.Usage(metered_cost=D(-1), cost_by_kind={charges.TokenKind.OUTPUT: D(-1)}),
            [("/metered_cost", "too_small"), ("/cost_by_kind/output", "too_small")],
        ),
    ],
)
def test_usage_that_is_none_is_refused(make: Callable[[], object], told: list[tuple[str, str]]) -> None:
    assert _told(make, charges.UsageInvalid) == told


def test_a_float_is_no_number() -> None:
    with pytest.raises(TypeError):
        charges.Standard(0.1)  # type: ignore[arg-type]


_BOUNDED = charges.Percentage(D(1), per_event_minimum=D(1))
_BY_KIND = charges.CostPlus(D(10), {charges.TokenKind.OUTPUT: D(20)})


@pytest.mark.parametrize(
    "model, usage, told",
    [
        (_BOUNDED, charges.Usage(quantity=D(9), event_count=3), [("/event_amounts", "required")]),
        (charges.Percentage(D(1), fixed_fee_per_event=D(1)), charges.Usage(quantity=D(9)), [("/event_count", "required")]),
        (charges.Percentage(D(1)), charges.Usage(quantity=D(9)), []),
        (_BOUNDED, charges.Usage(event_count=3, event_amounts=(D(1),)), [("/event_count", "count_mismatch")]),
        (charges.CostPlus(D(10)), charges.Usage(), [("/metered_cost", "required")]),
        (_BY_KIND, charges.Usage(metered_cost=D(9)), [("/cost_by_kind", "required")]),
        (_BY_KIND, charges.Usage(metered_cost=D(0)), []),
        (
            _BY_KIND,
            charges.Usage(metered_cost=D(9), cost_by_kind={charges.TokenKind.OUTPUT: D(10)}),
            [("/cost_by_kind", "parts_exceed_whole")],
        ),
        (charges.Carbon(D(1)), charges.Usage(quantity=D(9)), [("/co2e_g", "required")]),
        (charges.Carbon(D(1)), charges.Usage(co2e=Co2eG.point(9)), []),
    ],
)
def test_a_model_says_what_it_needs_to_know(model: charges.Model, usage: charges.Usage, told: list[tuple[str, str]]) -> None:
    problems = charges.usage_problems(model, usage, at="/lines/3")
    assert [(problem.pointer.removeprefix("/lines/3"), problem.code) for problem in problems] == told


@pytest.mark.parametrize(
    "code, amount, is_whole",
    [
        ("JPY", "10", True),
        ("JPY", "10.5", False),
        ("EUR", "10.50", True),
        ("EUR", "10.005", False),
        ("KWD", "10.005", True),
        ("KWD", "10.0005", False),
        ("CLF", "10.0005", True),
        ("CLF", "10.00005", False),
    ],
)
def test_an_amount_that_is_charged_as_it_stands_can_be_paid(code: str, amount: str, *, is_whole: bool) -> None:
    unit, terms = currency.by_code(code), charges.Terms(minimum=D(amount), maximum=D(amount))
    told = [problem.pointer for problem in charges.amount_problems(charges.Flat(D(amount)), terms, unit, at="/charges/0")]
    assert told == ([] if is_whole else ["/charges/0/amount", "/charges/0/minimum", "/charges/0/maximum"])


def test_problems_of_a_part_are_placed_in_the_whole() -> None:
    with pytest.raises(charges.ChargeInvalid) as caught:
        charges.Volume(_tiers("5"))
    assert [problem.pointer for problem in charges.placed(caught.value.problems, "/charges/3")] == ["/charges/3/tiers/0/up_to"]


def test_every_model_goes_by_one_name() -> None:
    assert sorted(charges.MODELS) == [
        "carbon", "cost_plus", "flat", "graduated", "graduated_percentage", "package", "percentage", "standard", "volume",
    ]  # fmt: skip
