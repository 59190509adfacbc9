"""What usage comes to: rules that hold for every price and quantity. Golden tables are in ``tests/vectors/rating.json``."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from carbonledger.domains.catalog.types import charges
from carbonledger.domains.catalog.types.charges import Flat, Graduated, Standard, Terms, Tier, TokenKind, Usage, Volume
from carbonledger.domains.invoices.core import exact
from carbonledger.domains.invoices.core.rating import rate
from carbonledger.domains.invoices.types.rating import WHOLE, AmountTooLarge, Bounded, Part, PartInvalid
from carbonledger.kernel.quantity import Co2eG

D, F = Decimal, Fraction


def _decimals(least: int, most: int, *, places: int) -> st.SearchStrategy[Decimal]:
    """Decimals between two whole numbers, made of integers, which are drawn many times faster."""
    return st.integers(least * 10**places, most * 10**places).map(lambda units: D(units).scaleb(-places))


prices = _decimals(0, 1000, places=6)
quantities = _decimals(0, 10**9, places=3)
amounts = _decimals(0, 10**6, places=2)
fractions = st.builds(Fraction, st.integers(-(10**6), 10**6), st.sampled_from([1, 2, 7, 30, 31, 366, 1000, 3100]))


@st.composite
def parts(draw: st.DrawFn) -> Part:
    denominator = draw(st.integers(1, 366))
    return Part(draw(st.integers(0, denominator)), denominator)


@st.composite
def tiers(draw: st.DrawFn, *, falling: bool = False) -> tuple[Tier, ...]:
    bounds = sorted(D(units).scaleb(-3) for units in draw(st.sets(st.integers(1, 10**12), max_size=5)))
    unit_prices = draw(st.lists(prices, min_size=len(bounds) + 1, max_size=len(bounds) + 1))
    if falling:
        unit_prices.sort(reverse=True)
    flats = draw(st.lists(amounts, min_size=len(bounds) + 1, max_size=len(bounds) + 1))
    return tuple(map(Tier, (*bounds, None), unit_prices, flats))


@given(tiers(), quantities, st.booleans())
def test_tiers_of_a_graduated_price_hold_the_quantity_and_add_up_to_the_amount(
    some: tuple[Tier, ...], quantity: Decimal, flat_at_zero: bool
) -> None:
    rated = rate(Graduated(some, flat_at_zero), Usage(quantity=quantity))
    assert sum((F(part.quantity) for part in rated.tiers), F(0)) == F(quantity)
    assert sum((F(part.amount) for part in rated.tiers), F(0)) == rated.amount


@given(tiers(), quantities, quantities)
def test_a_graduated_price_never_falls_with_more_usage(some: tuple[Tier, ...], one: Decimal, other: Decimal) -> None:
    less, more = sorted((one, other))
    assert rate(Graduated(some), Usage(quantity=less)).amount <= rate(Graduated(some), Usage(quantity=more)).amount


@given(tiers(), st.data())
def test_a_volume_price_never_falls_with_more_usage_inside_a_tier(some: tuple[Tier, ...], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(some) - 1))
    low = D(0) if place == 0 else some[place - 1].up_to or D(0)
    high = some[place].up_to or D(2 * 10**9)
    inside = st.integers(int(low * 1000) + (place > 0), int(high * 1000)).map(lambda units: D(units).scaleb(-3))
    less, more = sorted((data.draw(inside), data.draw(inside)))
    assert rate(Volume(some), Usage(quantity=less)).amount <= rate(Volume(some), Usage(quantity=more)).amount


@given(tiers(falling=True), quantities)
def test_unit_prices_that_fall_make_volume_no_dearer_than_graduated(some: tuple[Tier, ...], quantity: Decimal) -> None:
    plain = tuple(Tier(tier.up_to, tier.unit_price) for tier in some)
    assert rate(Volume(plain), Usage(quantity=quantity)).amount <= rate(Graduated(plain), Usage(quantity=quantity)).amount


@given(prices, prices, quantities)
def test_one_tier_is_a_standard_price(price: Decimal, flat: Decimal, quantity: Decimal) -> None:
    tier = (Tier(None, price, flat),)
    expected = rate(Standard(price), Usage(quantity=quantity)).amount + F(flat)
    assert rate(Graduated(tier), Usage(quantity=quantity)).amount == expected
    assert rate(Volume(tier), Usage(quantity=quantity)).amount == expected


@given(amounts, st.integers(2, 366), st.data())
def test_a_flat_amount_split_at_any_days_comes_to_the_whole(amount: Decimal, days: int, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, days - 1), max_size=6)))
    lengths = [end - start for start, end in zip([0, *cuts], [*cuts, days], strict=True)]
    model, seats = Flat(amount), Usage(quantity=D(data.draw(st.integers(1, 50))))
    split = sum((rate(model, seats, part=Part(length, days)).amount for length in lengths), F(0))
    assert split == rate(model, seats).amount


@given(amounts, st.integers(1, 366), st.data())
def test_two_parts_that_meet_come_to_the_part_that_they_make(amount: Decimal, days: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, days))
    second = data.draw(st.integers(0, days - first))
    one, other, both = (rate(Flat(amount), Usage(quantity=D(1)), part=Part(part, days)).amount for part in (first, second, first + second))
    assert one + other == both


@given(quantities, amounts, amounts, parts())
def test_an_amount_stays_between_the_part_of_its_minimum_and_maximum(quantity: Decimal, one: Decimal, other: Decimal, part: Part) -> None:
    minimum, maximum = sorted((one, other))
    rated = rate(Standard(D("0.01")), Usage(quantity=quantity), Terms(minimum=minimum, maximum=maximum), part)
    assert F(minimum) * part.share <= rated.amount <= F(maximum) * part.share
    assert rated.bounded is (Bounded.MINIMUM if rated.amount > rated.priced else Bounded.MAXIMUM if rated.amount < rated.priced else None)


@given(quantities, quantities, quantities)
def test_units_that_cost_nothing_are_taken_off_whichever_they_are(quantity: Decimal, free: Decimal, included: Decimal) -> None:
    rated = rate(Standard(D(3)), Usage(quantity=quantity), Terms(free_units=free, included=included))
    assert rated.billable == max(quantity - free - included, D(0))
    assert rated.amount == 3 * F(rated.billable)


@given(st.lists(amounts, max_size=20), prices, prices, amounts, st.integers(0, 25))
def test_events_priced_one_by_one_come_to_what_their_sum_does(
    events: list[Decimal], percent: Decimal, fee: Decimal, free_base: Decimal, free_events: int
) -> None:
    """A maximum that no event reaches changes nothing but the way."""
    model = charges.Percentage(percent, fee, free_base_amount=free_base, free_event_count=free_events)
    bounded = charges.Percentage(percent, fee, None, D(10**12), free_base, free_events)
    told = Usage(event_amounts=tuple(events))
    summed = Usage(quantity=sum(events, D(0)), event_count=len(events))
    assert rate(bounded, told).amount == rate(model, told).amount == rate(model, summed).amount


@given(amounts, _decimals(-100, 500, places=2), st.data())
def test_one_margin_for_every_kind_of_token_is_the_margin_of_the_whole(cost: Decimal, markup: Decimal, data: st.DataObject) -> None:
    assume(cost > 0)
    output = D(data.draw(st.integers(0, int(cost * 100)))).scaleb(-2)
    by_kind = charges.CostPlus(markup, {TokenKind.OUTPUT: markup})
    usage = Usage(metered_cost=cost, cost_by_kind={TokenKind.OUTPUT: output})
    assert rate(by_kind, usage).amount == rate(charges.CostPlus(markup), Usage(metered_cost=cost)).amount


def test_a_margin_by_kind_of_token_is_on_its_own_cost() -> None:
    """10.00 of which 6.00 for output: 6.00 x 1.50 + 4.00 x 1.20 = 9.00 + 4.80; of 2.50 for nothing, three quarters of it."""
    model = charges.CostPlus(D(20), {TokenKind.OUTPUT: D(50)})
    usage = Usage(metered_cost=D(10), cost_by_kind={TokenKind.OUTPUT: D(6)})
    assert rate(model, usage).amount == F("13.8")
    assert rate(model, usage, Terms(included=D("2.50"))).amount == F("10.35")


@pytest.mark.parametrize("bound, expected", [(charges.Bound.LOW, "0.05"), (charges.Bound.MID, "0.1"), (charges.Bound.HIGH, "0.4")])
def test_carbon_is_charged_by_the_bound_that_was_chosen(bound: charges.Bound, expected: str) -> None:
    """500, 1,000 and 4,000 g at 0.10 a kilogram."""
    rated = rate(charges.Carbon(D("0.10"), bound), Usage(co2e=Co2eG(D(500), D(1000), D(4000))))
    assert rated.amount == F(expected)


def test_for_a_part_of_a_period_usage_is_what_was_used_and_its_allowance_and_bounds_are_parts() -> None:
    """Half a month of 1,000 included: 500. 700 used, 200 over at 0.10: 20.00. Half of a minimum of 60.00: 30.00."""
    rated = rate(Standard(D("0.10")), Usage(quantity=D(700)), Terms(included=D(1000)), Part(15, 30))
    assert (rated.billable, rated.amount) == (D(200), F(20))
    assert rate(Standard(D("0.10")), Usage(quantity=D(700)), Terms(included=D(1000), minimum=D(60)), Part(15, 30)).amount == 30


def test_free_units_are_whole_in_a_part_of_a_period() -> None:
    assert rate(Standard(D(1)), Usage(quantity=D(700)), Terms(free_units=D(600)), Part(15, 30)).billable == D(100)


def test_an_allowance_that_does_not_divide_is_rounded_to_what_a_quantity_can_be() -> None:
    """1,000 x 17/31 = 548.387096774193548…"""
    rated = rate(Standard(D(1)), Usage(quantity=D(600)), Terms(included=D(1000)), Part(17, 31))
    assert rated.billable == D("51.612903225806")


def test_what_is_used_up_by_free_units_is_no_usage() -> None:
    """The first tier's flat price is charged at zero usage, or is not, as the price says."""
    tier = (Tier(D(10), D(1), D(5)), Tier(None, D(1)))
    for model in (Graduated, Volume):
        assert rate(model(tier), Usage(quantity=D(4)), Terms(free_units=D(9))).amount == 5
        assert rate(model(tier, flat_at_zero=False), Usage(quantity=D(4)), Terms(free_units=D(9))).amount == 0


@pytest.mark.parametrize(
    "model, usage",
    [
        (Standard(D("1.01")), Usage(quantity=D("9" * 38))),
        (Flat(D("9" * 20)), Usage(quantity=D("9" * 20))),
        (charges.Package(D("0.000000000001"), D(1)), Usage(quantity=D("9" * 38))),
    ],
)
def test_an_amount_of_too_many_digits_is_refused_and_never_rounded(model: charges.Model, usage: Usage) -> None:
    with pytest.raises(AmountTooLarge):
        rate(model, usage)


def test_usage_that_lacks_what_the_price_needs_is_refused() -> None:
    with pytest.raises(charges.UsageInvalid) as caught:
        rate(charges.CostPlus(D(10)), Usage(quantity=D(3)))
    assert [problem.pointer for problem in caught.value.problems] == ["/metered_cost"]


@pytest.mark.parametrize("numerator, denominator", [(-1, 30), (31, 30), (0, 0), (0, -1)])
def test_no_part_is_more_than_the_whole(numerator: int, denominator: int) -> None:
    with pytest.raises(PartInvalid):
        Part(numerator, denominator)


def test_the_whole_is_a_part() -> None:
    assert Part(31, 31).share == WHOLE.share == 1


# --- exact amounts


@pytest.mark.parametrize(
    "amount, digits, expected",
    [
        (F("0.005"), 2, "0.01"),  # a tie goes away from zero
        (F("-0.005"), 2, "-0.01"),
        (F("0.0049999999999999999999"), 2, "0"),
        (F(1, 3), 2, "0.33"),
        (F(2, 3), 2, "0.67"),
        (F("0.5"), 0, "1"),  # yen
        (F("2.5"), 0, "3"),  # not to the even one
        (F("1.0005"), 3, "1.001"),  # fils
        (F("1.00005"), 4, "1.0001"),
    ],
)
def test_amounts_are_rounded_half_up_at_the_minor_unit(amount: Fraction, digits: int, expected: str) -> None:
    assert exact.rounded(amount, digits) == D(expected)


@pytest.mark.parametrize(
    "amount, expected",
    [
        (F("12.3406"), "12.3406"),
        (F(1, 2**10), "0.0009765625"),
        (F(1, 3), "0.333333333333"),
        (F(2, 3), "0.666666666667"),
        (F(-2, 3), "-0.666666666667"),
        (F("0.000000000001") * F("0.000000000001"), "0.000000000000000000000001"),
        (F(10**20) + F(1, 10**20), "100000000000000000000"),  # 41 digits: twelve places of it
        (F(10**30 - 1) + F(1, 3), "999999999999999999999999999999.33333333"),  # eight places fit
        (F(10**30 - 1) + F(2**100 - 1, 2**100), "1000000000000000000000000000000"),
        (F(10**37) + F(2, 3), "10000000000000000000000000000000000001"),
    ],
)
def test_an_exact_amount_is_shown_as_it_is_or_rounded_where_it_does_not_end(amount: Fraction, expected: str) -> None:
    assert exact.shown(amount) == D(expected)


@given(st.lists(fractions, min_size=1, max_size=20))
def test_shares_of_a_rounded_whole_add_up_to_it_and_stay_within_one(shares: list[Fraction]) -> None:
    whole = exact.units(sum(shares, F(0)), 0)
    parts_of_it = exact.apportioned(shares, whole)
    assert sum(parts_of_it) == whole
    assert all(abs(part - share) <= 1 for part, share in zip(parts_of_it, shares, strict=True))
    assert all(part == share for part, share in zip(parts_of_it, shares, strict=True) if share.denominator == 1)


@given(st.lists(fractions, min_size=1, max_size=20))
def test_shares_with_their_signs_turned_are_the_same_ones_turned(shares: list[Fraction]) -> None:
    whole = exact.units(sum(shares, F(0)), 0)
    assume(whole != 0)
    assert exact.apportioned([-share for share in shares], -whole) == [-part for part in exact.apportioned(shares, whole)]
