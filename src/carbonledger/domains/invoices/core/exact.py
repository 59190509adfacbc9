"""Exact amounts as fractions: rounding them once, showing them, and sharing out a rounded whole. Pure.

Decimals are exact until something is divided: a part of a month is 17/31 of a price, tax inside a price is 19/119 of it. Fractions stay
exact there too, so that parts add up to the whole they were made of, and a tie is a tie.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

from carbonledger.kernel import decimals

SHOWN_PLACES: Final = 12
"""Digits after the point of a number that does not end, or that is too long, where it is shown. What is rounded is always the exact one."""
_TENS: Final[tuple[int, ...]] = tuple(10**places for places in range(decimals.DIGITS_MAX + 1))


def of(value: Decimal) -> Fraction:
    """Return a decimal as a fraction: what ``Fraction(value)`` is, in a third of the time."""
    return Fraction(*value.as_integer_ratio())


def units(amount: Fraction, minor_digits: int) -> int:
    """Return an amount in whole minor units, rounded half up: to the nearer one, a tie away from zero."""
    numerator, denominator = amount.numerator * _TENS[minor_digits], amount.denominator
    rounded = (2 * abs(numerator) + denominator) // (2 * denominator)
    return -rounded if numerator < 0 else rounded


@functools.lru_cache(maxsize=4096)  # a bill run asks for nothing, and for the prices of its plans, thousands of times
def amount_of(minor_units: int, minor_digits: int) -> Decimal:
    """Return minor units as an amount. Raises ``NumberOutOfRange`` beyond 38 digits."""
    return decimals.shifted(decimals.of(minor_units), -minor_digits)


def rounded(amount: Fraction, minor_digits: int) -> Decimal:
    """Return an amount rounded half up to the minor unit. Raises ``NumberOutOfRange`` beyond 38 digits."""
    return amount_of(units(amount, minor_digits), minor_digits)


def shown(amount: Fraction) -> Decimal:
    """Return an amount as a decimal: exactly where it ends within 38 digits, else rounded half up to ``SHOWN_PLACES``, or to as many places
    as fit. Raises ``NumberOutOfRange`` where its whole part alone is too long.
    """
    return _shown(amount.numerator, amount.denominator)


@functools.lru_cache(maxsize=4096)  # asked for the same amount by the line, and by what explains it
def _shown(numerator: int, denominator: int) -> Decimal:
    amount, places = Fraction(numerator, denominator), _places(denominator)
    if places is not None:
        try:
            return rounded(amount, places)
        except decimals.NumberOutOfRange:  # exact, and too long to be kept: less of it is shown
            pass
    whole_digits = len(str(abs(units(amount, 0))))
    return rounded(amount, max(min(SHOWN_PLACES, decimals.DIGITS_MAX - whole_digits), 0))


def _places(denominator: int) -> int | None:
    """Return after how many places a fraction in lowest terms ends; None: never, or after more than 38."""
    twos = (denominator & -denominator).bit_length() - 1
    rest, fives = denominator >> twos, 0
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    places = max(twos, fives)
    return places if rest == 1 and places <= decimals.DIGITS_MAX else None


def apportioned(exact: Sequence[Fraction], whole: int) -> list[int]:
    """Split ``whole`` units into parts near their exact shares, which add up to ``whole`` before rounding (within one half).

    Largest remainder (Hamilton): each share rounded down, and what is left goes one unit each to the largest remainders, of equal ones to
    the earlier. A share that is whole stays as it is. Shares may be of either sign; all signs turned, the parts turn theirs.
    """
    if not whole and not any(exact):
        return [0] * len(exact)
    if whole < 0:
        return [-part for part in apportioned([-share for share in exact], -whole)]
    parts = [share.numerator // share.denominator for share in exact]
    left = whole - sum(parts)
    by_remainder = sorted(range(len(exact)), key=lambda place: parts[place] - exact[place])  # stable: of equal ones the earlier
    for place in by_remainder[:left]:
        parts[place] += 1
    return parts
