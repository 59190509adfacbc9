"""Uncertain quantities: low, mid and high, with the unit in the type.

Owns: adding and scaling ranges, and combining uncertain factors into one. It does not own any factor, nor what a bound means:
those are the factor set's.

Adding two ranges adds lows to lows and highs to highs, as if their errors were fully correlated; that never narrows a range,
whatever the truth is. Factors are multiplied in two ways: ``envelope`` (all lows, all highs: the outer bounds) and ``combine``
(independent factors). Sums, scalings and envelopes are exact; ``combine`` rounds its bounds to ``BOUND_DIGITS``.
"""

from __future__ import annotations

import decimal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Self, TypedDict, TypeVar

from carbonledger.kernel import decimals, errors

BOUND_DIGITS = 12  # significant digits of a combined bound: far beyond what a bound means, enough that rounding never shows


def _context(digits: int) -> decimal.Context:
    traps = [decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow]
    return decimal.Context(prec=digits, rounding=decimal.ROUND_HALF_EVEN, Emin=-9999, Emax=9999, capitals=1, clamp=0, traps=traps)


# Python's decimal rounds ln, exp and square root correctly, so these digits are the same on every machine; six spare digits keep
# the error of the few steps below what is cut off.
_WORKING = _context(BOUND_DIGITS + 6)
_BOUND = _context(BOUND_DIGITS)
_NONE = Decimal(0)
_ONE = Decimal(1)


class RangeInvalid(errors.Invalid):
    """A range needs low <= mid <= high."""

    code = "range_invalid"


class ApiRange(TypedDict):
    """A range on the wire: decimal strings."""

    low: str
    mid: str
    high: str


@dataclass(frozen=True, slots=True)
class Range:
    """A number known within bounds, without a unit (a factor). Quantities with a unit are its subclasses, and never mix."""

    low: Decimal
    mid: Decimal
    high: Decimal

    def __post_init__(self) -> None:
        low, mid, high = decimals.checked(self.low), decimals.checked(self.mid), decimals.checked(self.high)
        if not low <= mid <= high:
            raise RangeInvalid("Order the three numbers: low <= mid <= high.")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "mid", mid)
        object.__setattr__(self, "high", high)

    @classmethod
    def point(cls, value: Decimal | int) -> Self:
        """Return a number known exactly."""
        exact = decimals.of(value)
        return cls(exact, exact, exact)

    @classmethod
    def zero(cls) -> Self:
        """Return nothing, known exactly."""
        return cls(_NONE, _NONE, _NONE)

    def __add__(self, other: Self) -> Self:
        if type(other) is not type(self):
            raise TypeError(f"{type(self).__name__} and {type(other).__name__} can't be added")
        return _made(type(self), decimals.add(self.low, other.low), decimals.add(self.mid, other.mid), decimals.add(self.high, other.high))

    def __mul__(self, factor: Decimal | int) -> Self:
        """Multiply by an exact number of zero or more."""
        exact = decimals.of(factor)
        if exact < 0:
            raise RangeInvalid("A range can only be scaled by zero or more.")
        return _made(
            type(self), decimals.multiply(self.low, exact), decimals.multiply(self.mid, exact), decimals.multiply(self.high, exact)
        )

    __rmul__ = __mul__


class EnergyWh(Range):
    """Energy in watt-hours."""

    __slots__ = ()


class Co2eG(Range):
    """Emissions in grams of CO2 equivalent."""

    __slots__ = ()


class WaterMl(Range):
    """Water in millilitres."""

    __slots__ = ()


R = TypeVar("R", bound=Range)


def _made(unit: type[R], low: Decimal, mid: Decimal, high: Decimal) -> R:
    """Return a range of numbers that arithmetic on checked ranges has already kept exact and in order: the hot path."""
    made = object.__new__(unit)
    object.__setattr__(made, "low", low)
    object.__setattr__(made, "mid", mid)
    object.__setattr__(made, "high", high)
    return made


def total(ranges: Iterable[R], *, unit: type[R]) -> R:
    """Return the sum of ``ranges``, zero of ``unit`` if there are none."""
    result = unit.zero()
    for item in ranges:
        result += item
    return result


def envelope(*factors: Range, unit: type[R]) -> R:
    """Return the product of ``factors`` (none negative) with the outermost bounds: all lows, all highs. Exact.

    ``unit`` is the unit of the product, which only the caller knows: watt-hours times grams per watt-hour are grams.
    """
    _check_factors(factors)
    low = mid = high = _ONE
    for factor in factors:
        low, mid, high = decimals.multiply(low, factor.low), decimals.multiply(mid, factor.mid), decimals.multiply(high, factor.high)
    return unit(low, mid, high)


def combine(*factors: Range, unit: type[R]) -> R:
    """Return the product of independent ``factors`` (none negative) in ``unit``; mid is exact, the bounds have 12 digits.

    The distances of the bounds from mid, as logarithms of their ratios, add up as the root of the sum of squares, each side by
    itself: low = mid * exp(-sqrt(sum(ln(mid/low)^2))), high = mid * exp(sqrt(sum(ln(high/mid)^2))). First-order error
    propagation for a product (JCGM 100:2008, 5.1.6, in logarithms), as the carbon factor sets state it. A low of zero makes low
    zero. Takes about 0.1 ms: results for the same factors are worth keeping.
    """
    _check_factors(factors)
    mid = envelope(*(Range.point(factor.mid) for factor in factors), unit=Range).mid
    if not mid:
        if any(factor.high and not factor.mid for factor in factors):
            raise RangeInvalid("A mid of zero below a high above zero has no ratio to combine.")
        return unit.zero()
    lowered = [_log_ratio(factor.mid, factor.low) for factor in factors if factor.low]
    raised = [_log_ratio(factor.high, factor.mid) for factor in factors]
    low = _NONE if len(lowered) < len(factors) else _moved(mid, _root_sum_square(lowered).copy_negate())
    high = _moved(mid, _root_sum_square(raised))
    return unit(min(low, mid), mid, max(high, mid))  # mid may have more digits than a bound, and must stay between them


def _check_factors(factors: tuple[Range, ...]) -> None:
    if not factors:
        raise ValueError("a product needs a factor")
    if any(factor.low < 0 for factor in factors):
        raise RangeInvalid("Factors of a product must be zero or more.")


def _log_ratio(larger: Decimal, smaller: Decimal) -> Decimal:
    return _WORKING.ln(_WORKING.divide(larger, smaller))


def _root_sum_square(values: list[Decimal]) -> Decimal:
    squares = _NONE
    for value in values:
        squares = _WORKING.fma(value, value, squares)
    return _WORKING.sqrt(squares)


def _moved(mid: Decimal, log_distance: Decimal) -> Decimal:
    return _BOUND.multiply(mid, _WORKING.exp(log_distance))


def to_api_range(value: Range) -> ApiRange:
    """Return the range as it stands on the wire; the member that holds it names the unit."""
    return {
        "low": decimals.to_api_decimal(value.low),
        "mid": decimals.to_api_decimal(value.mid),
        "high": decimals.to_api_decimal(value.high),
    }


def from_api_range(value: object, *, unit: type[R]) -> R:
    """Return the range of ``{"low": "0.1", "mid": "0.3", "high": "1"}``. Raises ``RangeInvalid`` with all problems at once."""
    if not isinstance(value, Mapping) or set(value) != {"low", "mid", "high"}:
        raise RangeInvalid('Send exactly three members, such as {"low": "0.1", "mid": "0.3", "high": "1"}.')
    problems: list[errors.Problem] = []
    numbers: dict[str, Decimal] = {}
    for name in ("low", "mid", "high"):
        try:
            numbers[name] = decimals.from_api_decimal(value[name])
        except errors.Invalid as fault:
            problems.append(errors.Problem(f"/{name}", fault.code, str(fault)))
    if problems:
        raise RangeInvalid("Correct the members named in errors.", problems=tuple(problems))
    return unit(**numbers)
