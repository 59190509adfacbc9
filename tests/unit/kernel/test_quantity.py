"""Ranges: ordered bounds that adding, scaling and combining keep, with units that never mix."""

from __future__ import annotations

import decimal
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from carbonledger.kernel import decimals, quantity
from carbonledger.kernel.quantity import Co2eG, EnergyWh, Range, WaterMl

NUMBERS = st.decimals(0, 10**6, places=6)
POSITIVE = st.decimals(Decimal("0.000001"), 10**4, places=6)


def made(low: str, mid: str, high: str) -> Range:
    return Range(Decimal(low), Decimal(mid), Decimal(high))


def bounds(value: Range) -> tuple[str, str, str]:
    low, mid, high = quantity.to_api_range(value).values()
    return str(low), str(mid), str(high)


def ranges(numbers: st.SearchStrategy[Decimal]) -> st.SearchStrategy[Range]:
    return st.lists(numbers, min_size=3, max_size=3).map(lambda three: Range(*sorted(three)))


@pytest.mark.parametrize("low, mid, high", [("2", "1", "3"), ("1", "3", "2"), ("3", "2", "1")])
def test_low_mid_and_high_are_in_order(low: str, mid: str, high: str) -> None:
    with pytest.raises(quantity.RangeInvalid):
        made(low, mid, high)


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), Decimal("1E-39")])
def test_a_bound_is_a_number_within_bounds(value: Decimal) -> None:
    with pytest.raises(decimals.NumberOutOfRange):
        Range(Decimal(0), Decimal(0), value)


def test_a_float_is_no_bound() -> None:
    with pytest.raises(TypeError):
        Range(0.1, 0.2, 0.3)  # type: ignore[arg-type]


def test_adding_adds_bound_to_bound() -> None:
    # The decode and prefill of a medium model, Wh per 1,000 tokens, as the proposed factors give them.
    assert made("0.25", "0.8", "2.6") + made("0.02", "0.075", "0.25") == made("0.27", "0.875", "2.85")


def test_units_never_mix() -> None:
    energy: Range = EnergyWh.point(1)
    carbon: Range = Co2eG.point(1)
    assert energy != carbon
    with pytest.raises(TypeError):
        energy + carbon
    with pytest.raises(TypeError):
        energy + Range.point(1)
    with pytest.raises(TypeError):
        quantity.total([EnergyWh.point(1), WaterMl.point(1)], unit=EnergyWh)


def test_scaling_keeps_the_unit() -> None:
    assert EnergyWh(Decimal("0.1"), Decimal("0.3"), Decimal("0.9")) * 1000 == EnergyWh(Decimal(100), Decimal(300), Decimal(900))
    assert Decimal("0.5") * Co2eG.point(3) == Co2eG.point(Decimal("1.5"))
    assert EnergyWh.point(7) * 0 == EnergyWh.zero()


def test_scaling_by_less_than_zero_is_refused() -> None:
    with pytest.raises(quantity.RangeInvalid):
        Range.point(1) * -1
    with pytest.raises(quantity.RangeInvalid):
        Range.point(1) * Decimal("-0.1")


@pytest.mark.parametrize("factor", [1.5, True, "2"], ids=repr)
def test_a_scale_is_a_decimal_or_an_integer(factor: object) -> None:
    with pytest.raises(TypeError):
        Range.point(1) * factor  # type: ignore[operator]


@given(ranges(NUMBERS), ranges(NUMBERS), NUMBERS)
def test_sums_and_multiples_stay_in_order_and_exact(left: Range, right: Range, factor: Decimal) -> None:
    both = left + right
    assert both.low <= both.mid <= both.high
    assert Fraction(both.high) == Fraction(left.high) + Fraction(right.high)
    assert both == right + left
    scaled = both * factor
    assert scaled.low <= scaled.mid <= scaled.high
    assert scaled == left * factor + right * factor


def test_the_total_of_nothing_is_zero_of_the_unit() -> None:
    assert quantity.total([], unit=Co2eG) == Co2eG.zero()
    assert quantity.total([Co2eG.point(1), Co2eG.point(2)], unit=Co2eG) == Co2eG.point(3)


def test_an_envelope_multiplies_the_outermost() -> None:
    # 1 Wh of IT energy, PUE of OpenAI, grid of the USA in g per Wh: by hand.
    factors = (Range.point(1), made("1.10", "1.18", "1.35"), made("0.25", "0.3844", "0.5"))
    assert quantity.envelope(*factors, unit=Co2eG) == Co2eG(Decimal("0.275"), Decimal("0.453592"), Decimal("0.675"))


def test_two_equal_independent_factors_move_the_bounds_by_the_root_of_two() -> None:
    # (1, 2, 4) twice: ln 2 twice, so the bounds are 4 / 2^sqrt(2) and 4 * 2^sqrt(2).
    # 2^sqrt(2) is the Gelfond-Schneider constant, 2.66514414269022518865… (OEIS A007507): 1.50085697…, 10.66057657…
    twice = quantity.combine(made("1", "2", "4"), made("1", "2", "4"), unit=Range)
    constant = Fraction("2.66514414269022518865029724987313984827421131371465949")
    assert twice.mid == 4
    assert abs(Fraction(twice.low) - 4 / constant) < Fraction(1, 10**11)
    assert abs(Fraction(twice.high) - 4 * constant) < Fraction(1, 10**10)
    assert len(twice.low.as_tuple().digits) == len(twice.high.as_tuple().digits) == 12


COMBINED = [
    # factors, low, mid, high: by hand
    ([("1", "2", "8")], "1", "2", "8"),  # one factor is itself
    ([("1", "2", "8"), ("3", "3", "3")], "3", "6", "24"),  # a point widens nothing
    ([("0", "2", "8"), ("1", "1", "1")], "0", "2", "8"),  # a low of zero
    ([("0", "0", "0"), ("1", "2", "3")], "0", "0", "0"),  # nothing of something
    ([("0.5", "0.5", "0.5")] * 3, "0.125", "0.125", "0.125"),
]


@pytest.mark.parametrize("factors, low, mid, high", COMBINED)
def test_combination_table(factors: list[tuple[str, str, str]], low: str, mid: str, high: str) -> None:
    assert bounds(quantity.combine(*(made(*factor) for factor in factors), unit=EnergyWh)) == (low, mid, high)


def test_a_mid_of_more_digits_than_a_bound_stays_between() -> None:
    mid = Decimal("0.66666666666666666666")  # to 12 digits it rounds up, which must not lift low over it
    assert quantity.combine(Range.point(mid), unit=Range) == Range(mid, mid, Decimal("0.666666666667"))


def test_a_factor_without_a_ratio_is_refused() -> None:
    with pytest.raises(quantity.RangeInvalid):
        quantity.combine(made("0", "0", "1"), unit=Range)


@pytest.mark.parametrize("product", [quantity.envelope, quantity.combine])
def test_products_need_factors_of_zero_or_more(product: object) -> None:
    assert callable(product)
    with pytest.raises(ValueError, match="factor"):
        product(unit=Range)
    with pytest.raises(quantity.RangeInvalid):
        product(made("-1", "0", "1"), unit=Range)


@given(st.lists(ranges(POSITIVE), min_size=1, max_size=3))
def test_a_combination_lies_within_the_envelope_and_holds_mid(factors: list[Range]) -> None:
    combined, outer = quantity.combine(*factors, unit=Range), quantity.envelope(*factors, unit=Range)
    slack = 1 + Decimal("1E-11")  # the envelope is exact, a combined bound has 12 digits
    assert combined.low <= combined.mid <= combined.high
    assert combined.mid == outer.mid
    assert outer.low <= combined.low * slack
    assert combined.high <= outer.high * slack


@given(ranges(POSITIVE), ranges(POSITIVE))
def test_another_uncertain_factor_never_narrows(left: Range, right: Range) -> None:
    assume(left.low < left.mid)
    alone, both = quantity.combine(left, unit=Range), quantity.combine(left, right, unit=Range)
    slack = 1 + Decimal("1E-10")
    assert both.mid / both.low * slack >= alone.mid / alone.low


def test_the_ambient_decimal_context_changes_nothing() -> None:
    factors = (made("0.25", "0.8", "2.6"), made("1.1", "1.18", "1.35"), made("0.25", "0.3844", "0.5"))
    expected = (quantity.combine(*factors, unit=Co2eG), quantity.envelope(*factors, unit=Co2eG), factors[0] + factors[1], factors[0] * 3)
    with decimal.localcontext(decimal.Context(prec=2, rounding=decimal.ROUND_UP, Emin=-1, Emax=1, traps=[])):
        found = (quantity.combine(*factors, unit=Co2eG), quantity.envelope(*factors, unit=Co2eG), factors[0] + factors[1], factors[0] * 3)
    assert found == expected


def test_ranges_on_the_wire() -> None:
    value = EnergyWh(Decimal("3E-7"), Decimal("0.10"), Decimal(100))
    assert quantity.to_api_range(value) == {"low": "0.0000003", "mid": "0.1", "high": "100"}
    assert quantity.from_api_range({"low": "0.0000003", "mid": "0.1", "high": "100"}, unit=EnergyWh) == value


@given(ranges(NUMBERS))
def test_the_wire_gives_back_what_it_was_given(value: Range) -> None:
    assert quantity.from_api_range(quantity.to_api_range(value), unit=Range) == value


@pytest.mark.parametrize(
    "value, pointers",
    [
        ({"low": "x", "mid": "1", "high": 2.5}, ["/low", "/high"]),  # all problems at once
        ({"low": "2", "mid": "1", "high": "3"}, []),  # out of order
        ({"low": "1", "mid": "2"}, []),
        ({"low": "1", "mid": "2", "high": "3", "unit": "Wh"}, []),
        ([1, 2, 3], []),
        (None, []),
    ],
)
def test_what_is_no_range_is_refused_with_all_its_problems(value: object, pointers: list[str]) -> None:
    with pytest.raises(quantity.RangeInvalid) as caught:
        quantity.from_api_range(value, unit=Range)
    assert [problem.pointer for problem in caught.value.problems] == pointers
