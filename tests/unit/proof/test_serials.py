"""Serials: a bijection of each month's counters, and a check character that finds every single mistake. Both are tried exhaustively."""

from __future__ import annotations

import functools
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger_proof import errors, serials

SECRET = bytes(range(32))
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
MONTH = "2026-11"
COUNTERS = st.integers(0, 2**20 - 1)


def test_every_counter_of_a_month_has_a_number_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serials, "_mixed", functools.cache(serials._mixed))
    numbers = bytearray(2**20)
    for counter in range(2**20):
        numbers[serials.permuted(SECRET, month=MONTH, counter=counter)] += 1
    assert numbers == b"\x01" * 2**20


@given(COUNTERS)
def test_the_issuer_can_follow_a_number_back(counter: int) -> None:
    number = serials.permuted(SECRET, month=MONTH, counter=counter)
    assert serials.counter_of(SECRET, month=MONTH, number=number) == counter


def test_the_1048577th_of_a_month_is_refused_loudly() -> None:
    assert serials.is_serial(serials.make(SECRET, month=MONTH, counter=1_048_575))
    with pytest.raises(errors.SerialsExhausted, match="1,048,576 serials of 2026-11"):
        serials.make(SECRET, month=MONTH, counter=1_048_576)


def test_months_and_secrets_have_orders_of_their_own() -> None:
    first = [serials.permuted(SECRET, month=MONTH, counter=counter) for counter in range(64)]
    assert first != [serials.permuted(SECRET, month="2026-12", counter=counter) for counter in range(64)]
    assert first != [serials.permuted(SECRET[::-1], month=MONTH, counter=counter) for counter in range(64)]
    assert sorted(first) != first
    steps = {(right - left) % 2**20 for left, right in itertools.pairwise(first)}
    assert len(steps) == 63, "neighbours tell nothing of each other"


@pytest.mark.parametrize("number", [0, 1, 31, 32, 123_456, 699_050, 2**20 - 1])
def test_every_wrong_character_and_every_exchange_of_two_is_found(number: int) -> None:
    serial = serials.of_number(MONTH, number)
    places = [*range(3, 9), *range(10, 15)]
    for place in places:
        for character in ALPHABET:
            if character != serial[place]:
                assert not serials.is_serial(serial[:place] + character + serial[place + 1 :])
    for left, right in itertools.combinations(places, 2):
        characters = list(serial)
        characters[left], characters[right] = characters[right], characters[left]
        assert "".join(characters) == serial or not serials.is_serial("".join(characters))


def test_no_two_elements_make_the_same_product_with_a_weight() -> None:
    """The proof in the module's docstring, exhaustively: each weight is a bijection of GF(2^5), and so is each sum of two."""
    for weight in serials._WEIGHTS:
        assert {serials._product(value, weight) for value in range(32)} == set(range(32))
    for left, right in itertools.combinations(serials._WEIGHTS, 2):
        assert {serials._product(value, left ^ right) for value in range(32)} == set(range(32))
    assert len(set(serials._WEIGHTS)) == 11


def test_multiplication_is_that_of_the_field() -> None:
    """x^5 = x^2 + 1, so x has order 31: 1, 2, 4, 8, 16, 5, 10, 20, 13, 26, 17, ... (the table of powers of this polynomial)."""
    assert [serials._power(exponent) for exponent in range(12)] == [1, 2, 4, 8, 16, 5, 10, 20, 13, 26, 17, 7]
    assert serials._power(31) == 1
    assert len({serials._power(exponent) for exponent in range(31)}) == 31


def test_a_serial_worked_by_hand() -> None:
    """Number 0 in January of the year 0000: of eleven characters only the 1 of the month counts, at place 5: x^5 = 5."""
    assert serials.of_number("0000-01", 0) == "CL-000001-00005"
    assert serials.of_number("0000-10", 0) == "CL-000010-0000A"
    assert serials.of_number("0000-01", 1) == "CL-000001-00017"  # and 1 times x: 5 + 2


@pytest.mark.parametrize("typed", ["cl-000001-00005", "CL-OOOOOl-oooo5", " CL-000001-00005 ", "CL-00000i-00005"])
def test_what_looks_alike_is_read(typed: str) -> None:
    assert serials.parse(typed) == "CL-000001-00005"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "CL-000001-00006",
        "CL-000013-00005",
        "CL-000000-00000",
        "CL-000001-0000U",
        "XX-000001-00005",
        "CL000001-00005",
        "CL-\u0660\u06600001-00005",  # digits of another script
        "1" * 10_000,
    ],
)
def test_what_is_no_serial_is_refused(typed: str) -> None:
    with pytest.raises(errors.SerialInvalid):
        serials.parse(typed)


@given(COUNTERS)
def test_a_serial_names_its_month(counter: int) -> None:
    serial = serials.make(SECRET, month=MONTH, counter=counter)
    assert len(serial) == 15
    assert serials.month_of(serial) == MONTH
    assert serials.parse(serial.lower()) == serial


@pytest.mark.parametrize("secret,month,counter", [(b"short", MONTH, 0), (SECRET, "2026-13", 0), (SECRET, "202611", 0), (SECRET, MONTH, -1)])
def test_what_no_serial_can_be_made_of_is_refused(secret: bytes, month: str, counter: int) -> None:
    with pytest.raises(errors.SerialInvalid):
        serials.make(secret, month=month, counter=counter)
    with pytest.raises(errors.SerialInvalid):
        serials.counter_of(secret, month=month, number=counter or 2**20)
    with pytest.raises(errors.SerialInvalid):
        serials.of_number(month, counter or 2**20)
