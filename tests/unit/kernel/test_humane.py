"""Numbers for the eye: three significant digits, a unit that suits the size, never more certainty than there is."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.kernel import humane
from carbonledger.kernel.quantity import Co2eG

D = Decimal


@pytest.mark.parametrize(
    "scale,value,number,unit,exact",
    [
        (humane.COUNT, 1_284_030, "1.28", "M", "1,284,030"),
        (humane.COUNT, 999, "999", "", "999"),
        (humane.COUNT, 999_999, "1", "M", "999,999"),
        (humane.COUNT, 0, "0", "", "0"),
        (humane.COUNT, 1_519_000_000, "1.52", "B", "1,519,000,000"),
        (humane.USD, D("0.000412"), "0.0412", "¢", "0.000412 USD"),
        (humane.USD, D("0.0075"), "0.75", "¢", "0.0075 USD"),
        (humane.USD, D("12.3412"), "12.34", "USD", "12.3412 USD"),
        (humane.USD, D("2044.5349"), "2,044.53", "USD", "2,044.5349 USD"),
        (humane.USD, D(128_400), "128", "k USD", "128,400 USD"),
        (humane.USD, D(1_234_567), "1.23", "M USD", "1,234,567 USD"),
        (humane.USD, D(0), "0", "USD", "0 USD"),
        (humane.CO2E, D("0.031"), "31", "mg CO2e", "0.031 g CO2e"),
        (humane.CO2E, D("71234.5"), "71.2", "kg CO2e", "71,234.5 g CO2e"),
        (humane.CO2E, D("0.0000001"), "0.1", "µg CO2e", "0.0000001 g CO2e"),
        (humane.ENERGY, D(1_940), "1.94", "kWh", "1,940 Wh"),
        (humane.WATER, D("1500"), "1.5", "l", "1,500 ml"),
        (humane.COUNT, -1_284_030, "-1.28", "M", "-1,284,030"),
    ],
)
def test_an_amount_is_shown_in_the_unit_that_suits_it(
    scale: humane.Scale, value: Decimal | int, number: str, unit: str, exact: str
) -> None:
    shown = scale.show(value)
    assert (shown.number, shown.unit, shown.exact) == (number, unit, exact)


def test_a_column_has_one_unit_that_of_its_largest_value() -> None:
    values = [D("1940"), D("0.5"), D("12000"), D("7300"), None]
    step = humane.ENERGY.of(values)
    assert step.unit == "kWh"
    assert [humane.ENERGY.show(value, step=step).number for value in values if value is not None] == ["1.94", "0.0005", "12.0", "7.30"]


@pytest.mark.parametrize(
    "low,mid,high,text",
    [
        ("800", "1500", "3099", "0.8 to 3.1 kg CO2e"),
        ("0.0659", "0.2368", "0.8181", "66 to 820 mg CO2e"),
        ("19000", "71000", "267400", "19 to 270 kg CO2e"),
        ("130", "400", "1705", "130 to 1,700 g CO2e"),
        ("2", "2", "2", "2 g CO2e"),
        ("0", "0", "0", "0 g CO2e"),
    ],
)
def test_a_range_has_one_unit_and_two_digits(low: str, mid: str, high: str, text: str) -> None:
    shown = humane.CO2E.show_range(Co2eG(D(low), D(mid), D(high)))
    assert shown.text == text
    assert shown.exact.startswith(f"low {humane.grouped(low)}, mid ")


@pytest.mark.parametrize(
    "now,before,words",
    [
        (112, 100, "12 % more than before"),
        (88, 100, "12 % less than before"),
        (300, 100, "3 times as much as before"),
        (5, 5, "the same as before"),
        (5, 0, "none before"),
        (0, 5, "none now"),
        (0, 0, "the same as before"),
        (1001, 1000, "0.1 % more than before"),
    ],
)
def test_a_change_is_said_in_words(now: int, before: int, words: str) -> None:
    assert humane.change(now, before) == words


@pytest.mark.parametrize(
    "share,words",
    [("0", "0 %"), ("0.000001", "< 0.1 %"), ("0.0084", "0.8 %"), ("0.27", "27 %"), ("0.9999", "> 99.9 %"), ("1", "100 %")],
)
def test_a_part_that_is_there_is_never_shown_as_none_nor_as_all(share: str, words: str) -> None:
    assert humane.percent(D(share)) == words


@given(st.lists(st.integers(min_value=0, max_value=10**12), min_size=1, max_size=8))
def test_parts_of_a_bar_stand_side_by_side(counts: list[int]) -> None:
    whole = sum(counts)
    shares = [humane.share(count, whole) for count in counts]
    starts = humane.cumulative(shares)
    assert starts == [sum(shares[:place], D(0)) for place in range(len(shares))]
    assert all(0 <= share <= 1 for share in shares)


@given(st.decimals(min_value=0, max_value=10**15, places=9), st.sampled_from([humane.COUNT, humane.USD, humane.CO2E, humane.ENERGY]))
def test_what_is_shown_is_within_half_a_percent_or_half_a_cent_of_the_exact_value(value: Decimal, scale: humane.Scale) -> None:
    step = scale.step(value)
    shown = D(scale.show(value).number.replace(",", ""))
    in_unit = value.scaleb(-step.power)
    assert abs(shown - in_unit) <= max(in_unit * D("0.005"), D("0.5") if in_unit >= 1000 else 0, D("0.005") if scale is humane.USD else 0)


def test_pages_hold_every_row_once_in_order() -> None:
    pages = humane.batched(list(range(7)), 3)
    assert pages == {1: [0, 1, 2], 2: [3, 4, 5], 3: [6]}
    assert humane.batched([], 3) == {}


@pytest.mark.parametrize(
    "seconds,words",
    [
        (0, "less than a minute"),
        (59, "less than a minute"),
        (60, "1 minute"),
        (3_599, "59 minutes"),
        (3_600, "1 hour"),
        (86_399, "23 hours"),
        (86_400, "1 day"),
        (200_000, "2 days"),
        (86_400 * 1_200, "1,200 days"),
    ],
)
def test_a_stretch_of_time_is_said_in_the_largest_unit_that_fits(seconds: int, words: str) -> None:
    assert humane.span(seconds) == words
