"""Money: exact, one currency at a time, rounded where it says so, split without losing a cent."""

from __future__ import annotations

import copy
import decimal
import operator
import pickle
import threading
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.kernel import currency, decimals, errors, money
from carbonledger.kernel.decimals import Rounding
from carbonledger.kernel.money import Money

USD, EUR, JPY, KWD, CLF = (currency.by_code(code) for code in ("USD", "EUR", "JPY", "KWD", "CLF"))
CURRENCIES = st.sampled_from([USD, JPY, KWD, CLF])
UNITS = st.integers(-(10**15), 10**15)


def usd(amount: str) -> Money:
    return Money(Decimal(amount), USD)


def test_amounts_add_subtract_negate_and_compare() -> None:
    assert usd("0.1") + usd("0.2") == usd("0.3")  # as floats: 0.30000000000000004
    assert usd("1.00") - usd("2.50") == usd("-1.5")
    assert -usd("0") == usd("0.00")
    assert usd("1") < usd("1.01") <= usd("1.010")
    assert usd("2") > usd("-3") >= usd("-3.0")
    assert not usd("1") < usd("1.0")
    assert not usd("1") > usd("1.0")


def test_equal_amounts_are_one_key() -> None:
    assert hash(usd("1.5")) == hash(usd("1.50"))
    assert {usd("1.5"), usd("1.50")} == {usd("1.5")}


def test_a_product_is_exact() -> None:
    # 1,234,567 tokens at 0.15 USD a million: 0.18518505
    assert usd("0.00000015") * 1_234_567 == usd("0.18518505")
    assert Decimal("1.19") * usd("10.01") == usd("11.9119")


@pytest.mark.parametrize("combine", [operator.add, operator.sub, operator.lt, operator.le, operator.gt, operator.ge])
def test_two_currencies_never_meet(combine: Callable[[Money, Money], object]) -> None:
    with pytest.raises(money.CurrencyMismatch):
        combine(usd("1"), Money(Decimal(1), EUR))


def test_a_total_holds_one_currency() -> None:
    with pytest.raises(money.CurrencyMismatch):
        money.total([usd("1"), Money(Decimal(1), EUR)], currency=USD)


def test_equality_of_two_currencies_is_false_not_an_error() -> None:
    assert usd("1") != Money(Decimal(1), EUR)


@pytest.mark.parametrize("factor", [1.5, True, "2", usd("1"), None], ids=repr)
def test_a_factor_is_a_decimal_or_an_integer(factor: object) -> None:
    with pytest.raises(TypeError):
        usd("1") * factor  # type: ignore[operator]


@pytest.mark.parametrize("amount", [1.5, 1, "1", True], ids=repr)
def test_an_amount_is_a_decimal(amount: object) -> None:
    with pytest.raises(TypeError):
        Money(amount, USD)  # type: ignore[arg-type]


def test_adding_something_else_is_an_error() -> None:
    with pytest.raises(TypeError):
        usd("1") + Decimal(1)  # type: ignore[operator]


@pytest.mark.parametrize("amount", ["NaN", "sNaN", "Infinity", "-Infinity", "1E+38", "1E-39"])
def test_no_amount_is_without_end_or_bound(amount: str) -> None:
    with pytest.raises(decimals.NumberOutOfRange):
        usd(amount)


def test_a_product_of_too_many_digits_is_refused() -> None:
    with pytest.raises(decimals.NumberOutOfRange):
        usd("0.0000000000000000001") * Decimal("0.00000000000000000001")


ROUNDED = [
    # currency, amount, half up, half even
    (USD, "12.345", "12.35", "12.34"),  # a tie
    (USD, "-12.345", "-12.35", "-12.34"),  # away from zero, so that a credit mirrors its charge
    (USD, "12.3406", "12.34", "12.34"),
    (JPY, "1234.5", "1235", "1234"),  # no minor unit
    (KWD, "1.0005", "1.001", "1.000"),  # thousandths
    (CLF, "1.00005", "1.0001", "1.0000"),  # ten-thousandths
    (USD, "1", "1.00", "1.00"),  # nothing to do
]


@pytest.mark.parametrize("of, amount, half_up, half_even", ROUNDED)
def test_rounding_is_to_the_minor_unit_half_up_unless_named(of: currency.Currency, amount: str, half_up: str, half_even: str) -> None:
    value = Money(Decimal(amount), of)
    assert money.to_api_amount(value.round_to_minor()) == half_up
    assert money.to_api_amount(value.round_to_minor(Rounding.HALF_EVEN)) == half_even


def test_minor_units_are_whole_and_never_rounded() -> None:
    assert usd("12.30").minor_units == 1230
    assert Money(Decimal("-1.234"), KWD).minor_units == -1234
    assert Money(Decimal(500), JPY).minor_units == 500
    with pytest.raises(money.MinorUnitFraction):
        _ = usd("0.001").minor_units


@given(UNITS, CURRENCIES)
def test_minor_units_there_and_back(units: int, of: currency.Currency) -> None:
    assert Money.from_minor(units, of).minor_units == units


@pytest.mark.parametrize("units", [1.0, True, Decimal(1), "1"], ids=repr)
def test_minor_units_are_an_integer(units: object) -> None:
    with pytest.raises(TypeError):
        Money.from_minor(units, JPY)  # type: ignore[arg-type]


PORTIONS = [
    # amount, part, whole, result: worked by hand
    ("31.00", 17, 31, "17.00"),  # proration by day, even
    ("10.00", 17, 31, "5.48"),  # 5.4838…
    ("100.00", 1, 3, "33.33"),
    ("0.10", 1, 4, "0.03"),  # 0.025: the tie goes up
    ("-0.10", 1, 4, "-0.03"),
    ("119.00", 19, 119, "19.00"),  # the tax inside a price with 19 %
    ("20.00", 0, 31, "0.00"),
    ("20.00", 31, 31, "20.00"),
]


@pytest.mark.parametrize("amount, part, whole, result", PORTIONS)
def test_a_portion_is_rounded_once_to_the_minor_unit(amount: str, part: int, whole: int, result: str) -> None:
    assert money.to_api_amount(usd(amount).portion(part, whole)) == result


def test_a_portion_can_name_its_places_and_mode() -> None:
    assert usd("1").portion(1, 3, places=6) == usd("0.333333")
    assert usd("2").portion(1, 3, places=6, mode=Rounding.DOWN) == usd("0.666666")


ALLOCATIONS = [
    # units, weights, parts
    (5, (3, 7), (2, 3)),  # Fowler, Patterns of Enterprise Application Architecture, Money: 1.5 and 3.5, the first gets the cent
    (10, (47_000, 16_000, 15_900, 12_000, 6_000, 3_100), (5, 2, 1, 1, 1, 0)),  # Hare quota: the encyclopaedias' ten seats
    (100, (1, 1, 1), (34, 33, 33)),  # a tie: the earlier
    (101, (1, 1, 1), (34, 34, 33)),
    (-100, (1, 1, 1), (-34, -33, -33)),  # a credit mirrors its charge
    (0, (1, 2), (0, 0)),
    (1, (0, 0, 1, 1), (0, 0, 1, 0)),  # a zero weight gets nothing
    (7, (5,), (7,)),
]


@pytest.mark.parametrize("units, weights, parts", ALLOCATIONS)
def test_allocation_table(units: int, weights: tuple[int, ...], parts: tuple[int, ...]) -> None:
    assert tuple(part.minor_units for part in Money.from_minor(units, USD).allocate(weights)) == parts


def test_weights_may_be_fractions() -> None:
    # 0.25 : 0.2 : 0.05 is 5 : 4 : 1, so of 11 cents 5.5, 4.4 and 1.1.
    parts = usd("0.11").allocate((Decimal("0.25"), Decimal("0.2"), Decimal("0.05")))
    assert [part.minor_units for part in parts] == [6, 4, 1]


WEIGHTS = st.lists(st.integers(0, 10**12) | st.decimals(0, 1000, places=6), min_size=1, max_size=20).filter(any)


@given(UNITS, CURRENCIES, WEIGHTS)
def test_parts_add_up_and_lie_within_a_unit_of_their_share(units: int, of: currency.Currency, weights: list[Decimal | int]) -> None:
    whole = Money.from_minor(units, of)
    parts = whole.allocate(weights)
    assert money.total(parts, currency=of) == whole
    total_weight = sum(map(Fraction, weights))
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part.minor_units - Fraction(weight) * units / total_weight) < 1
        assert weight or not part.minor_units


@given(st.integers(0, 10**9), WEIGHTS)
def test_a_larger_weight_never_gets_less(units: int, weights: list[Decimal | int]) -> None:
    parts = [part.minor_units for part in Money.from_minor(units, USD).allocate(weights)]
    by_weight = [part for _, part in sorted(zip(weights, parts, strict=True), key=lambda pair: (pair[0], pair[1]))]
    assert by_weight == sorted(parts)


@pytest.mark.parametrize("weights", [(), (0,), (1, -1), (Decimal("-0.5"), 2)])
def test_weights_that_share_out_nothing_are_refused(weights: tuple[Decimal | int, ...]) -> None:
    with pytest.raises(ValueError, match="weights"):
        usd("1").allocate(weights)


def test_float_weights_are_refused() -> None:
    with pytest.raises(TypeError):
        usd("1").allocate((0.5, 0.5))  # type: ignore[arg-type]


def test_an_unrounded_amount_is_not_allocated() -> None:
    with pytest.raises(money.MinorUnitFraction):
        usd("0.005").allocate((1, 1))


def test_the_total_of_nothing_is_zero_of_the_currency() -> None:
    assert money.total([], currency=JPY) == Money.zero(JPY)


WIRE = [
    # currency, amount, text
    (USD, "12.3", "12.30"),  # at least the minor unit's digits
    (USD, "12", "12.00"),
    (USD, "0.0075", "0.0075"),  # beyond them, what is there
    (USD, "12.34060", "12.3406"),  # and no zeros at its end
    (USD, "-0.001", "-0.001"),
    (USD, "0", "0.00"),
    (USD, "-0", "0.00"),
    (USD, "1.5E-7", "0.00000015"),  # no exponent
    (USD, "1E+3", "1000.00"),
    (JPY, "1500", "1500"),
    (JPY, "0.5", "0.5"),
    (KWD, "1.5", "1.500"),
    (CLF, "1", "1.0000"),
]


@pytest.mark.parametrize("of, amount, text", WIRE)
def test_amounts_on_the_wire(of: currency.Currency, amount: str, text: str) -> None:
    value = Money(Decimal(amount), of)
    assert money.to_api_money(value) == {"amount": text, "currency": of.code}
    assert money.from_api_money({"amount": text, "currency": of.code}) == value
    assert money.from_api_amount(text, of) == value
    assert str(value) == f"{text} {of.code}"


@given(UNITS, st.integers(-8, 8), CURRENCIES)
def test_the_wire_gives_back_what_it_was_given(units: int, exponent: int, of: currency.Currency) -> None:
    value = Money(Decimal(units).scaleb(exponent), of)
    assert money.from_api_money(money.to_api_money(value)) == value


@pytest.mark.parametrize(
    "value, pointers",
    [
        ({"amount": "1e5", "currency": "usd"}, ["/amount", "/currency"]),  # all problems at once
        ({"amount": 12.5, "currency": "USD"}, ["/amount"]),
        ({"amount": "1", "currency": None}, ["/currency"]),
        ({"amount": "1"}, []),
        ({"amount": "1", "currency": "USD", "minor": 100}, []),  # nobody guesses which of two counts
        ("12.34 USD", []),
        (None, []),
    ],
)
def test_what_is_no_money_is_refused_with_all_its_problems(value: object, pointers: list[str]) -> None:
    with pytest.raises(money.MoneyUnreadable) as caught:
        money.from_api_money(value)
    assert [problem.pointer for problem in caught.value.problems] == pointers
    assert caught.value.kind is errors.Kind.INVALID


def test_unit_prices_have_a_bound_on_places() -> None:
    with pytest.raises(money.MoneyUnreadable):
        money.from_api_money({"amount": "0.0000000000001", "currency": "USD"}, places=12)


def test_money_survives_copies() -> None:
    value = usd("1.50")
    for twin in (copy.deepcopy(value), pickle.loads(pickle.dumps(value))):  # noqa: S301 - our own bytes
        assert twin == value
        assert twin + value == usd("3")


HOSTILE = [
    decimal.Context(prec=1, rounding=decimal.ROUND_CEILING, Emin=-1, Emax=1, traps=[]),  # rounds all, tells nothing
    decimal.Context(prec=3, rounding=decimal.ROUND_05UP, traps=list(decimal.Context().flags)),  # raises at anything
    decimal.Context(prec=6, capitals=0, clamp=1, traps=[decimal.Rounded, decimal.Subnormal, decimal.Clamped]),
]


def _everything() -> list[object]:
    price, fee = usd("1234567.123456789012"), usd("-0.015")
    return [
        *(price + fee, price - fee, -price, price * Decimal("0.333333333333"), price * 7),
        *(price < fee, price == usd("1234567.123456789012"), hash(price), repr(price), str(fee)),
        *(price.round_to_minor(), fee.round_to_minor(Rounding.HALF_EVEN)),
        *(price.portion(17, 31), price.portion(Decimal("0.1"), 3, places=20)),
        *(price.round_to_minor().allocate((1, Decimal("2.5"), 0))),
        *(usd("12.30").minor_units, Money.from_minor(123456789, KWD)),
        *(money.to_api_money(price), money.from_api_money({"amount": "98765.432101", "currency": "USD"})),
        money.total([price] * 3, currency=USD),
    ]


@pytest.mark.parametrize("hostile", HOSTILE, ids=["silent", "raising", "clamping"])
def test_the_ambient_decimal_context_changes_nothing(hostile: decimal.Context) -> None:
    expected = _everything()
    with decimal.localcontext(hostile):
        assert _everything() == expected


def test_every_thread_computes_alike() -> None:
    expected = _everything()
    found: list[object] = []

    def compute(context: decimal.Context) -> None:
        decimal.setcontext(context)
        found.append(_everything())

    threads = [threading.Thread(target=compute, args=(context,)) for context in HOSTILE]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * len(HOSTILE)
