"""Money: an exact amount in one currency.

Owns: adding, comparing, multiplying, rounding and splitting amounts, and their two shapes on the wire. It does not own prices,
rates or exchange: two currencies never meet.

The amount is in major units and may have more digits than the currency's minor unit (a unit price, an unrounded line). It is
exact at every step; a result is rounded once, at the place that says so: ``round_to_minor`` or ``portion``. The mode is half up,
away from zero on a tie, unless the caller names another.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypedDict

from carbonledger.kernel import currency as currencies
from carbonledger.kernel import decimals, errors
from carbonledger.kernel.currency import Currency
from carbonledger.kernel.decimals import Rounding


class CurrencyMismatch(errors.Invalid):
    """Amounts of different currencies can't be combined."""

    code = "currency_mismatch"


class MinorUnitFraction(errors.Invalid):
    """The amount is not a whole number of the currency's minor unit."""

    code = "minor_unit_fraction"


class MoneyUnreadable(errors.Invalid):
    """The value is not an amount of money."""

    code = "money_unreadable"


class ApiMoney(TypedDict):
    """An amount on the wire."""

    amount: str
    currency: str


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount of a currency, of any sign. ``1.5`` and ``1.50`` are equal; amounts of two currencies never are."""

    amount: Decimal
    currency: Currency

    def __post_init__(self) -> None:
        object.__setattr__(self, "amount", decimals.checked(self.amount))

    @classmethod
    def from_minor(cls, units: int, currency: Currency) -> Money:
        """Return ``units`` of the currency's minor unit. Raises ``TypeError`` for anything but an integer."""
        if type(units) is not int:
            raise TypeError(f"expected an int, got {type(units).__name__}")
        return cls(decimals.shifted(decimals.of(units), -currency.minor_digits), currency)

    @classmethod
    def zero(cls, currency: Currency) -> Money:
        """Return nothing, in ``currency``."""
        return cls(Decimal(0), currency)

    @property
    def minor_units(self) -> int:
        """The amount as a whole number of the minor unit. Raises ``MinorUnitFraction``; it never rounds."""
        scaled = decimals.shifted(self.amount, self.currency.minor_digits)
        units = int(scaled)
        if units != scaled:
            raise MinorUnitFraction(f"{self} has more than {self.currency.minor_digits} digits after the point.")
        return units

    def __str__(self) -> str:
        return f"{to_api_amount(self)} {self.currency.code}"

    def __add__(self, other: Money) -> Money:
        return Money(decimals.add(self.amount, self._amount_of(other)), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(decimals.subtract(self.amount, self._amount_of(other)), self.currency)

    def __neg__(self) -> Money:
        return Money(self.amount.copy_negate(), self.currency)

    def __mul__(self, factor: Decimal | int) -> Money:
        """Multiply exactly. A product of more than 38 digits is refused: round first, or take a ``portion``."""
        return Money(decimals.multiply(self.amount, decimals.of(factor)), self.currency)

    __rmul__ = __mul__

    def __lt__(self, other: Money) -> bool:
        return self.amount < self._amount_of(other)

    def __le__(self, other: Money) -> bool:
        return self.amount <= self._amount_of(other)

    def __gt__(self, other: Money) -> bool:
        return self.amount > self._amount_of(other)

    def __ge__(self, other: Money) -> bool:
        return self.amount >= self._amount_of(other)

    def round_to_minor(self, mode: Rounding = Rounding.HALF_UP) -> Money:
        """Return the amount rounded to a whole number of the minor unit."""
        return Money(decimals.rounded(self.amount, places=self.currency.minor_digits, mode=mode), self.currency)

    def portion(
        self,
        part: Decimal | int,
        whole: Decimal | int,
        *,
        places: int | None = None,
        mode: Rounding = Rounding.HALF_UP,
    ) -> Money:
        """Return ``part / whole`` of the amount, rounded once, to ``places`` digits or else to the minor unit.

        For one share alone (17 of 31 days). Shares that must add up to the amount come from ``allocate``.
        """
        digits = self.currency.minor_digits if places is None else places
        share = decimals.quotient(self.amount, decimals.of(part), decimals.of(whole), places=digits, mode=mode)
        return Money(share, self.currency)

    def allocate(self, weights: Sequence[Decimal | int]) -> tuple[Money, ...]:
        """Split the amount in proportion to ``weights`` (none negative, not all zero) into parts that add up to it exactly.

        Largest remainder (Hamilton's method): each part gets its share rounded towards zero to the minor unit, and the units
        left over go one each to the largest remainders; of equal remainders the earlier weight's first. A weight of zero gets
        nothing. A negative amount splits as the positive one does. Raises ``MinorUnitFraction`` for an unrounded amount.
        """
        whole_weights = _as_whole_numbers(weights)
        units = self.minor_units
        sign = -1 if units < 0 else 1
        shares = _largest_remainder(abs(units), whole_weights)
        return tuple(Money.from_minor(sign * share, self.currency) for share in shares)

    def _amount_of(self, other: Money) -> Decimal:
        if not isinstance(other, Money):
            raise TypeError(f"expected Money, got {type(other).__name__}")
        if other.currency is not self.currency and other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency.code} and {other.currency.code} can't be combined.")
        return other.amount


def _as_whole_numbers(weights: Sequence[Decimal | int]) -> tuple[int, ...]:
    """Return whole numbers in the same proportion as ``weights``."""
    exact = tuple(decimals.of(weight) for weight in weights)
    if any(weight < 0 for weight in exact) or not any(exact):
        raise ValueError("weights must be zero or more, and one of them more")
    ratios = tuple(weight.as_integer_ratio() for weight in exact)
    scale = math.lcm(*(denominator for _, denominator in ratios))
    return tuple(numerator * (scale // denominator) for numerator, denominator in ratios)


def _largest_remainder(units: int, weights: tuple[int, ...]) -> list[int]:
    whole = sum(weights)
    shares, remainders = [], []
    for weight in weights:
        share, remainder = divmod(units * weight, whole)
        shares.append(share)
        remainders.append(remainder)
    left = units - sum(shares)
    by_remainder = sorted(range(len(weights)), key=lambda index: -remainders[index])  # stable: ties keep their order
    for index in by_remainder[:left]:
        shares[index] += 1
    return shares


def total(amounts: Iterable[Money], *, currency: Currency) -> Money:
    """Return the sum of ``amounts``, zero of ``currency`` if there are none. Raises ``CurrencyMismatch``."""
    result = Money.zero(currency)
    for amount in amounts:
        result += amount
    return result


def to_api_amount(value: Money) -> str:
    """Return the amount as text: no exponent, at least the minor unit's digits (``12.30``), beyond them no zeros at the end."""
    text = decimals.to_api_decimal(value.amount)
    missing = value.currency.minor_digits - len(text.partition(".")[2])
    if missing <= 0:
        return text
    return f"{text}{'' if '.' in text else '.'}{'0' * missing}"


def from_api_amount(text: object, currency: Currency, *, places: int = decimals.DIGITS_MAX) -> Money:
    """Return the amount that ``text`` spells, of at most ``places`` places (12 for a unit price), in ``currency``."""
    return Money(decimals.from_api_decimal(text, places=places), currency)


def to_api_money(value: Money) -> ApiMoney:
    """Return the amount with its currency, as it stands on the wire."""
    return {"amount": to_api_amount(value), "currency": value.currency.code}


def from_api_money(value: object, *, places: int = decimals.DIGITS_MAX) -> Money:
    """Return the money of ``{"amount": "12.34", "currency": "USD"}``. Raises ``MoneyUnreadable`` with all problems at once."""
    if not isinstance(value, Mapping) or set(value) != {"amount", "currency"}:
        raise MoneyUnreadable('Send exactly two members, such as {"amount": "12.34", "currency": "USD"}.')
    problems: list[errors.Problem] = []
    amount = currency = None
    try:
        amount = decimals.from_api_decimal(value["amount"], places=places)
    except errors.Invalid as fault:
        problems.append(errors.Problem("/amount", fault.code, str(fault)))
    try:
        currency = currencies.from_api_currency(value["currency"])
    except errors.Invalid as fault:
        problems.append(errors.Problem("/currency", fault.code, str(fault)))
    if amount is None or currency is None:
        raise MoneyUnreadable("Correct the members named in errors.", problems=tuple(problems))
    return Money(amount, currency)
