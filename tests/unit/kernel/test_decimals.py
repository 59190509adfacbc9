"""Exact decimals: what is a number of ours, what arithmetic refuses, how it is rounded and written.

Expected values are worked by hand from the rule that the comment beside them names.
"""

from __future__ import annotations

import decimal
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.kernel import decimals
from carbonledger.kernel.decimals import Rounding

NINES = "9" * 38


@st.composite
def our_decimals(draw: st.DrawFn, *, digits: int = 38) -> Decimal:
    """Any decimal of ours with at most ``digits`` digits."""
    coefficient = draw(st.integers(-(10**digits) + 1, 10**digits - 1))
    return Decimal(coefficient).scaleb(-draw(st.integers(0, digits)), decimal.Context(prec=100))


@pytest.mark.parametrize(
    "text",
    [
        "0",
        NINES,  # 38 digits before the point
        f"0.{'0' * 37}1",  # 38 after it
        f"1.{'1' * 37}",  # 38 in all
        "1E+37",  # written out: a one and 37 zeros
        "1E-38",
        f"1.{'0' * 60}",  # zeros at the end say nothing
    ],
)
def test_up_to_38_digits_are_kept_exactly(text: str) -> None:
    assert decimals.checked(Decimal(text)) == Decimal(text)


@pytest.mark.parametrize(
    "text",
    [
        f"1{'0' * 38}",  # 39 digits
        f"0.{'0' * 38}1",  # 39 places
        f"10.{'1' * 37}",  # 39 in all
        "1E+38",
        "1E-39",
        "1E+999999",
        "1E-999999",
        "NaN",
        "sNaN",
        "Infinity",
        "-Infinity",
    ],
)
def test_a_number_beyond_the_bounds_is_refused_not_rounded(text: str) -> None:
    with pytest.raises(decimals.NumberOutOfRange):
        decimals.checked(Decimal(text))


def test_a_negative_zero_is_zero() -> None:
    assert not decimals.checked(Decimal("-0.00")).is_signed()
    assert not decimals.from_api_decimal("-0").is_signed()


@pytest.mark.parametrize("value", [1.5, float("nan"), True, "1.5", None], ids=repr)
def test_only_decimals_and_integers_are_exact_numbers(value: object) -> None:
    with pytest.raises(TypeError):
        decimals.of(value)  # type: ignore[arg-type]


def test_an_integer_of_39_digits_is_refused() -> None:
    assert decimals.of(10**38 - 1) == 10**38 - 1
    with pytest.raises(decimals.NumberOutOfRange):
        decimals.of(10**38)


def test_arithmetic_is_exact_or_refused() -> None:
    big, small = Decimal(NINES), Decimal("1E-38")
    assert decimals.multiply(Decimal(1234567890123456789), Decimal("9.87654321")) == Decimal("12193263112482853211.126352690")
    assert decimals.subtract(big, big) == 0
    with pytest.raises(decimals.NumberOutOfRange):  # 76 digits
        decimals.add(big, small)
    with pytest.raises(decimals.NumberOutOfRange):  # 39 digits before the point
        decimals.add(big, Decimal(1))
    with pytest.raises(decimals.NumberOutOfRange):  # 76 places
        decimals.multiply(small, small)


@given(our_decimals(digits=18), our_decimals(digits=18))
def test_sums_differences_and_products_agree_with_fractions(left: Decimal, right: Decimal) -> None:
    a, b = Fraction(left), Fraction(right)
    assert Fraction(decimals.add(left, right)) == a + b
    assert Fraction(decimals.subtract(left, right)) == a - b
    assert Fraction(decimals.multiply(left, right)) == a * b


ROUNDINGS = [
    # value, places, half up, half even, down, up
    ("2.345", 2, "2.35", "2.34", "2.34", "2.35"),  # a tie
    ("2.355", 2, "2.36", "2.36", "2.35", "2.36"),  # a tie beside an odd digit
    ("-2.345", 2, "-2.35", "-2.34", "-2.34", "-2.35"),  # half up is away from zero, also below it
    ("2.3449999999999999999999999999999999999", 2, "2.34", "2.34", "2.34", "2.35"),  # just below the tie
    ("2.3450000000000000000000000000000000001", 2, "2.35", "2.35", "2.34", "2.35"),  # just above it
    ("0.5", 0, "1", "0", "0", "1"),  # no places
    ("-0.4", 0, "0", "0", "0", "-1"),  # rounds to zero without a sign
    ("7", 2, "7", "7", "7", "7"),  # nothing to round
    (NINES, 2, NINES, NINES, NINES, NINES),  # no room for the places, and none needed
]


@pytest.mark.parametrize("value, places, half_up, half_even, down, up", ROUNDINGS)
def test_rounding_table(value: str, places: int, half_up: str, half_even: str, down: str, up: str) -> None:
    expected = {Rounding.HALF_UP: half_up, Rounding.HALF_EVEN: half_even, Rounding.DOWN: down, Rounding.UP: up}
    for mode, result in expected.items():
        assert decimals.to_api_decimal(decimals.rounded(Decimal(value), places=places, mode=mode)) == result


def _rounded_fraction(value: Fraction, places: int, mode: Rounding) -> Fraction:
    """Round by whole numbers alone: the second opinion."""
    scaled = abs(value) * 10**places
    whole, rest = divmod(scaled, 1)
    up = {
        Rounding.HALF_UP: rest >= Fraction(1, 2),
        Rounding.HALF_EVEN: rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole % 2 == 1),
        Rounding.DOWN: False,
        Rounding.UP: rest > 0,
    }[mode]
    return Fraction((-1 if value < 0 else 1) * (whole + up), 10**places)


@given(our_decimals(digits=8), our_decimals(digits=8), our_decimals(digits=8), st.integers(0, 12), st.sampled_from(Rounding))
def test_a_quotient_is_rounded_once_as_fractions_say(value: Decimal, part: Decimal, whole: Decimal, places: int, mode: Rounding) -> None:
    if not whole:
        with pytest.raises(ZeroDivisionError):
            decimals.quotient(value, part, whole, places=places, mode=mode)
        return
    expected = _rounded_fraction(Fraction(value) * Fraction(part) / Fraction(whole), places, mode)
    assert Fraction(decimals.quotient(value, part, whole, places=places, mode=mode)) == expected


@given(st.integers(-(10**60), 10**60), st.integers(-80, 0), st.integers(-3, 3))
def test_a_number_of_somebody_else_is_kept_exactly_or_as_the_nearest_that_fits(coefficient: int, exponent: int, shift: int) -> None:
    given_value = Decimal(coefficient).scaleb(exponent, decimal.Context(prec=100))
    exact = Fraction(coefficient) * Fraction(10) ** (exponent + shift)
    if abs(exact) >= 10**38 - Fraction(1, 2):
        with pytest.raises(decimals.NumberOutOfRange):
            decimals.fitted(given_value, shift=shift)
        return
    whole_digits = len(str(int(abs(exact)))) if abs(exact) >= 1 else 0
    expected = _rounded_fraction(exact, 38 - whole_digits, Rounding.HALF_EVEN)
    assert Fraction(decimals.fitted(given_value, shift=shift)) == expected


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1E+38", "1E+999999999"])
def test_what_is_too_large_is_not_made_to_fit(text: str) -> None:
    for shift in (0, -1) if text != "1E+38" else (0, 1):
        with pytest.raises(decimals.NumberOutOfRange):
            decimals.fitted(Decimal(text), shift=shift)


def test_a_quotient_just_below_a_tie_is_not_rounded_twice() -> None:
    # (5e34 - 1) / 1e37 = 0.005 - 1e-37: to 28 digits it is 0.005, which would then round up.
    part, whole = Decimal(5 * 10**34 - 1), Decimal(10**37)
    assert decimals.quotient(Decimal(1), part, whole, places=2, mode=Rounding.HALF_UP) == 0
    # The same with an endless quotient: 0.01 * (4.5e36 - 1) / 3e36 = 0.015 - 1/3e38.
    part, whole = Decimal(45 * 10**35 - 1), Decimal(3 * 10**36)
    assert decimals.quotient(Decimal("0.01"), part, whole, places=2, mode=Rounding.HALF_UP) == Decimal("0.01")


def test_a_quotient_has_up_to_38_places() -> None:
    third = decimals.quotient(Decimal(1), Decimal(1), Decimal(3), places=38, mode=Rounding.HALF_UP)
    assert decimals.to_api_decimal(third) == f"0.{'3' * 38}"


def test_a_quotient_beyond_the_bounds_is_refused() -> None:
    for whole in (Decimal("1E-1"), Decimal("1E-38")):
        with pytest.raises(decimals.NumberOutOfRange):
            decimals.quotient(Decimal(NINES), Decimal(NINES), whole, places=0, mode=Rounding.DOWN)


SPELLINGS = [
    # value, its one spelling
    ("0", "0"),
    ("-0.000", "0"),
    ("0E+5", "0"),  # a zero with an exponent
    ("1.500", "1.5"),
    ("100", "100"),  # zeros before the point stay
    ("1E+3", "1000"),
    ("100.00", "100"),
    ("0.00000015", "0.00000015"),  # str() would say 1.5E-7
    ("-12.30", "-12.3"),
    ("1E-38", f"0.{'0' * 37}1"),
]


@pytest.mark.parametrize("value, text", SPELLINGS)
def test_every_number_has_one_spelling(value: str, text: str) -> None:
    assert decimals.to_api_decimal(Decimal(value)) == text


@given(our_decimals())
def test_reading_what_was_written_gives_the_number_and_the_same_text(value: Decimal) -> None:
    try:
        kept = decimals.checked(value)
    except decimals.NumberOutOfRange:
        return
    text = decimals.to_api_decimal(kept)
    assert decimals.from_api_decimal(text) == kept
    assert decimals.to_api_decimal(decimals.from_api_decimal(text)) == text
    assert "E" not in text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1\n",  # a $ in the pattern would let it pass
        "+1",
        "1e3",
        "1E-7",
        ".5",
        "5.",
        "01",
        "1,5",
        "1_000",
        "0x1",
        "NaN",
        "Infinity",
        "--1",
        "١٢",  # Arabic digits, which \d and Decimal accept
        "1" * 39,
        f"0.{'1' * 39}",
        1.5,  # a JSON number has been through a float
        15,
        None,
        True,
    ],
    ids=repr,
)
def test_only_plain_decimal_text_is_read(text: object) -> None:
    with pytest.raises(decimals.NumberUnreadable):
        decimals.from_api_decimal(text)


def test_a_million_digits_are_refused_before_they_cost() -> None:
    with pytest.raises(decimals.NumberUnreadable):
        decimals.from_api_decimal("1" * 1_000_000)


def test_text_of_38_digits_on_each_side_is_out_of_range() -> None:
    with pytest.raises(decimals.NumberOutOfRange):
        decimals.from_api_decimal(f"{NINES}.{NINES}")


def test_a_caller_can_bound_the_places() -> None:
    assert decimals.from_api_decimal("0.000000000001", places=12) == Decimal("1E-12")
    with pytest.raises(decimals.NumberUnreadable, match="at most 12"):
        decimals.from_api_decimal("0.0000000000010", places=12)


def test_an_error_never_repeats_the_text() -> None:
    with pytest.raises(decimals.NumberUnreadable) as caught:
        decimals.from_api_decimal("secret")
    assert "secret" not in str(caught.value)
