"""Exact decimals: their bounds, the arithmetic that keeps them exact, and their one spelling on the wire.

Owns: which number may be an amount, a price, a factor or a quantity, and how it is added, multiplied, divided, rounded and
written. Does not own units: those are in ``money`` and ``quantity``.

A decimal of ours is finite and, written out plainly, has at most 38 digits (leading zeros of a fraction included): what a
decimal128 of Arrow, Parquet and ClickHouse holds, and well inside PostgreSQL's ``numeric``. Sums, differences and products are
exact or refused; only ``rounded`` and ``quotient`` round, to the places and by the mode that the caller names, and ``fitted``, which is
for numbers that somebody else has made.

Every operation names its own context. The thread's ambient one is never used, so a library that sets ``getcontext().prec = 6``
changes no bill, and the same input gives the same digits everywhere.
"""

from __future__ import annotations

import decimal
import enum
import re
from decimal import Decimal

from carbonledger.kernel import errors

DIGITS_MAX = 38

# Every field is named: what a Context leaves out it takes from ``decimal.DefaultContext``, which anybody may have changed.
# The bounds are the context's own: no exponent above 37 and, Etiny being Emin - prec + 1, none below -38. Whatever does not
# fit raises Overflow or Inexact. Flags that an operation leaves behind are never read, so threads may share it.
_EXACT = decimal.Context(
    prec=DIGITS_MAX,
    rounding=decimal.ROUND_HALF_EVEN,
    Emin=-1,
    Emax=DIGITS_MAX - 1,
    capitals=1,
    clamp=0,
    traps=[decimal.Inexact, decimal.Overflow, decimal.InvalidOperation, decimal.DivisionByZero],
)
# Room for the product of two decimals (76 digits) and a guard. ROUND_05UP marks an inexact quotient in its last digit, so that
# rounding it again to fewer digits, by any mode, gives what rounding once would (General Decimal Arithmetic 1.70, "round-05up").
_WIDE = decimal.Context(
    prec=100,
    rounding=decimal.ROUND_05UP,
    Emin=-999,
    Emax=999,
    capitals=1,
    clamp=0,
    traps=[decimal.Overflow, decimal.InvalidOperation, decimal.DivisionByZero],
)
_UNITS = tuple(Decimal((0, (1,), -places)) for places in range(DIGITS_MAX + 1))
# A JSON number without an exponent. Bounded here, so that hostile text costs nothing.
_PLAIN = re.compile(r"-?(?:0|[1-9][0-9]{0,37})(?:\.([0-9]{1,38}))?")


class NumberOutOfRange(errors.Invalid):
    """The number has more digits than are kept."""

    code = "number_out_of_range"

    def __init__(self) -> None:
        super().__init__(f"Numbers are exact, and have at most {DIGITS_MAX} digits when written out.")


class NumberUnreadable(errors.Invalid):
    """The value is not a plain decimal number."""

    code = "number_unreadable"


class Rounding(enum.Enum):
    """How a number between two neighbours is rounded."""

    HALF_UP = decimal.ROUND_HALF_UP  # to the nearer, a tie away from zero: what a bill uses
    HALF_EVEN = decimal.ROUND_HALF_EVEN  # to the nearer, a tie to the even digit
    DOWN = decimal.ROUND_DOWN  # towards zero
    UP = decimal.ROUND_UP  # away from zero


def checked(value: Decimal) -> Decimal:
    """Return ``value`` if it is one of our decimals, a negative zero as zero.

    Raises ``TypeError`` for anything but a ``Decimal`` (a float above all) and ``NumberOutOfRange`` for NaN, an infinity or
    too many digits.
    """
    if type(value) is not Decimal:
        raise TypeError(f"expected a Decimal, got {type(value).__name__}")
    if not value.is_finite():
        raise NumberOutOfRange
    try:
        return _EXACT.plus(value)
    except ArithmeticError as error:
        raise NumberOutOfRange from error


def of(number: Decimal | int) -> Decimal:
    """Return an exact number as one of our decimals. Raises ``TypeError`` for a float or a bool, ``NumberOutOfRange``."""
    if type(number) is not int:
        return checked(number)  # type: ignore[arg-type]  # a Decimal, or refused there
    try:
        return _EXACT.create_decimal(number)
    except ArithmeticError as error:
        raise NumberOutOfRange from error


def add(left: Decimal, right: Decimal) -> Decimal:
    """Return the exact sum of two of our decimals. Raises ``NumberOutOfRange``."""
    try:
        return _EXACT.add(left, right)
    except ArithmeticError as error:
        raise NumberOutOfRange from error


def subtract(left: Decimal, right: Decimal) -> Decimal:
    """Return the exact difference of two of our decimals. Raises ``NumberOutOfRange``."""
    try:
        return _EXACT.subtract(left, right)
    except ArithmeticError as error:
        raise NumberOutOfRange from error


def multiply(left: Decimal, right: Decimal) -> Decimal:
    """Return the exact product of two of our decimals. Raises ``NumberOutOfRange``."""
    try:
        return _EXACT.multiply(left, right)
    except ArithmeticError as error:
        raise NumberOutOfRange from error


def shifted(value: Decimal, places: int) -> Decimal:
    """Return ``value`` times ten to the power of ``places``, exactly. Raises ``NumberOutOfRange``."""
    return checked(_WIDE.scaleb(value, places))


def rounded(value: Decimal, *, places: int, mode: Rounding) -> Decimal:
    """Return ``value`` with at most ``places`` (0 to 38) digits after the point. Raises ``NumberOutOfRange``."""
    return checked(value.quantize(_UNITS[places], rounding=mode.value, context=_WIDE))


def fitted(value: Decimal, *, shift: int = 0) -> Decimal:
    """Return a number of any length times ten to the power of ``shift`` as one of ours: exactly if it fits, else the nearest that does.

    A tie goes to the even digit. Raises ``TypeError`` and ``NumberOutOfRange`` as ``checked``, the latter where 38 digits before the point
    are not enough: only what is too fine is rounded, to 38 digits or places, never what is too large.
    """
    if type(value) is Decimal and not value.is_finite():
        raise NumberOutOfRange
    try:
        wide = _WIDE.scaleb(value, shift) if shift else value
    except ArithmeticError as error:
        raise NumberOutOfRange from error
    try:
        return checked(wide)
    except NumberOutOfRange:
        places = DIGITS_MAX - max(wide.adjusted() + 1, 0)
        if places < 0:
            raise
        return rounded(wide, places=places, mode=Rounding.HALF_EVEN)


def quotient(value: Decimal, part: Decimal, whole: Decimal, *, places: int, mode: Rounding) -> Decimal:
    """Return ``value * part / whole`` with ``places`` (0 to 38) digits after the point, rounded once.

    Raises ``NumberOutOfRange``, and ``ZeroDivisionError`` where ``whole`` is zero.
    """
    if not whole:
        raise ZeroDivisionError("a part of nothing is undefined")
    unrounded = _WIDE.divide(_WIDE.multiply(value, part), whole)
    try:
        return checked(unrounded.quantize(_UNITS[places], rounding=mode.value, context=_WIDE))
    except decimal.InvalidOperation as error:  # over 100 digits
        raise NumberOutOfRange from error


def to_api_decimal(value: Decimal) -> str:
    """Return the one spelling of ``value``: no exponent, no zero at the end of a fraction, no point without one, no ``-0``."""
    if not value:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def from_api_decimal(text: object, *, places: int = DIGITS_MAX) -> Decimal:
    """Return the decimal that ``text`` spells: a JSON number without exponent, as a string, of at most ``places`` places.

    Raises ``NumberUnreadable`` and ``NumberOutOfRange``.
    """
    if not isinstance(text, str):
        raise NumberUnreadable('Send the number as a string, such as "12.34".')
    match = _PLAIN.fullmatch(text)
    if match is None:
        raise NumberUnreadable(f'Write the number plainly, such as "12.34", with at most {DIGITS_MAX} digits and no exponent.')
    if len(match[1] or "") > places:
        raise NumberUnreadable(f"Give at most {places} digits after the point.")
    try:
        return _EXACT.plus(_EXACT.create_decimal(text))
    except ArithmeticError as error:
        raise NumberOutOfRange from error
