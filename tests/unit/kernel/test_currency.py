"""The table of ISO 4217: complete, and with the digits that the standard gives."""

from __future__ import annotations

from collections import Counter

import pytest

from carbonledger.kernel import currency

DIGITS = [
    ("USD", 2),
    ("EUR", 2),
    ("JPY", 0),
    ("KRW", 0),
    ("VND", 0),
    ("CLP", 0),
    ("ISK", 0),  # a processor may see it otherwise
    ("UGX", 0),
    ("HUF", 2),  # the same, the other way round
    ("TWD", 2),
    ("KWD", 3),
    ("BHD", 3),
    ("JOD", 3),
    ("OMR", 3),
    ("TND", 3),
    ("IQD", 3),  # Unicode's CLDR says 0; the standard counts
    ("MGA", 2),  # a fifth in use, but two digits in the standard
    ("CLF", 4),  # Unidad de Fomento
    ("UYW", 4),
    ("ZWG", 2),  # amendment 177, 2024
    ("XCG", 2),  # amendment 176, 2025: took the place of ANG
    ("XAD", 2),  # Arab Accounting Dinar, 2025
]


@pytest.mark.parametrize("code, digits", DIGITS)
def test_minor_digits_are_those_of_the_standard(code: str, digits: int) -> None:
    assert currency.by_code(code).minor_digits == digits


def test_the_table_is_complete() -> None:
    # List One of 2026-09-17 has 178 codes: 17, 139, 7 and 2 with 0, 2, 3 and 4 digits, 13 without a minor unit.
    assert Counter(currency.by_code(code).minor_digits for code in currency.codes()) == {0: 17, 2: 139, 3: 7, 4: 2}


@pytest.mark.parametrize(
    "code, reason",
    [
        ("XAU", "no minor unit"),  # gold
        ("XXX", "no minor unit"),  # no currency
        ("BGN", "ISO 4217"),  # Bulgaria has the euro since 2026-01-01 (amendment 180)
        ("ANG", "ISO 4217"),
        ("usd", "capitals"),
        ("US", "three-letter"),
        ("", "three-letter"),
        ("USD ", "three-letter"),
        ("BTC", "ISO 4217"),
    ],
)
def test_what_amounts_can_not_be_in_is_refused_with_the_reason(code: str, reason: str) -> None:
    with pytest.raises(currency.CurrencyUnknown, match=reason):
        currency.by_code(code)


@pytest.mark.parametrize("value", [None, 840, ["USD"]])
def test_a_member_that_is_no_text_is_no_currency(value: object) -> None:
    with pytest.raises(currency.CurrencyUnknown):
        currency.from_api_currency(value)


def test_a_currency_outside_the_table_can_not_be_made() -> None:
    with pytest.raises(currency.CurrencyUnknown):
        currency.Currency("USD", 3)
