"""Currencies of ISO 4217 and how many digits their minor unit has.

Owns the table. It does not own what a payment processor makes of a currency (some treat ISK, HUF, TWD or UGX in their own way:
that map is the adapter's), nor names and symbols, which are a matter of language.

Source: ISO 4217 List One, current currencies and funds, published 2026-09-17 by the maintenance agency, SIX:
https://www.six-group.com/dam/download/financial-information/data-center/iso-currrency/lists/list-one.xml
178 codes: 165 have a minor unit and can carry money, 13 have none. A code that ISO withdraws later stays in this table, since
documents keep it for ever.
"""

from __future__ import annotations

from dataclasses import dataclass

from carbonledger.kernel import errors

_CODES_BY_MINOR_DIGITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: """
        AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP COU
        CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES
        KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR
        NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP
        TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG
        """,
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_MINOR_DIGITS = {code: digits for digits, codes in _CODES_BY_MINOR_DIGITS.items() for code in codes.split()}
# Metals, bond market units, the Special Drawing Right and two other units of account, "for tests" and "no currency".
_WITHOUT_MINOR_UNIT = {"XAG", "XAU", "XBA", "XBB", "XBC", "XBD", "XDR", "XPD", "XPT", "XSU", "XTS", "XUA", "XXX"}


class CurrencyUnknown(errors.Invalid):
    """This is not a currency that amounts can be in."""

    code = "currency_unknown"


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency of ISO 4217: its alphabetic code and the digits of its minor unit (2: a cent is a hundredth).

    Taken from the table by ``by_code``; a currency that the table does not hold can't be made.
    """

    code: str
    minor_digits: int

    def __post_init__(self) -> None:
        if _MINOR_DIGITS.get(self.code) != self.minor_digits:
            raise CurrencyUnknown(f"ISO 4217 has no currency of this code with {self.minor_digits} digits.")

    def __str__(self) -> str:
        return self.code


_CURRENCIES = {code: Currency(code, digits) for code, digits in _MINOR_DIGITS.items()}


def by_code(code: str) -> Currency:
    """Return the currency of this alphabetic code, in capitals. Raises ``CurrencyUnknown``."""
    found = _CURRENCIES.get(code)
    if found is not None:
        return found
    if code in _WITHOUT_MINOR_UNIT:
        raise CurrencyUnknown(f"{code} has no minor unit, so no amount can be in it.")
    raise CurrencyUnknown("Give a three-letter code of ISO 4217 in capitals, such as EUR.")


def from_api_currency(value: object) -> Currency:
    """Return the currency that a member of a request names. Raises ``CurrencyUnknown``, also where it is not a text."""
    return by_code(value if isinstance(value, str) else "")


def codes() -> frozenset[str]:
    """Return the codes of all currencies that amounts can be in."""
    return frozenset(_CURRENCIES)
