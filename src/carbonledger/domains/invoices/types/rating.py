"""Words of rating: what usage came to by its price, tier by tier, and for which part of a period. Pure.

Amounts are in major units of the document's one currency and unrounded. Where something was divided (a part of a period, a margin that an
allowance is taken off), an amount need not end as a decimal, so amounts are fractions: exact, until a line is rounded, once.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from carbonledger.kernel import errors


class PartInvalid(errors.Invalid):
    """A part of a period is a numerator from 0 up to a denominator of 1 or more."""

    code = "part_invalid"


class AmountTooLarge(errors.Invalid):
    """The price and the quantity together come to more digits than are kept."""

    code = "amount_too_large"


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a service period that is charged: so many of its days, or of its seconds. Raises ``PartInvalid``."""

    numerator: int
    denominator: int

    def __post_init__(self) -> None:
        if not 0 <= self.numerator <= self.denominator or self.denominator < 1:
            raise PartInvalid(f"{self.numerator} of {self.denominator} is no part.")

    @property
    def share(self) -> Fraction:
        """The part as a number from 0 to 1."""
        return Fraction(self.numerator, self.denominator)


WHOLE: Final = Part(1, 1)


class Bounded(enum.Enum):
    """By what an amount was held that its price alone would not have come to. Stored by these words."""

    MINIMUM = "minimum"
    MAXIMUM = "maximum"


@dataclass(frozen=True, slots=True, kw_only=True)
class TierPart:
    """What fell into one tier: ``quantity`` above ``above`` and up to ``up_to`` (None: no end), at a unit price or a rate in percent.

    ``amount`` is the whole of it, ``flat_price`` included.
    """

    above: Decimal
    up_to: Decimal | None
    quantity: Decimal
    unit_price: Decimal | None = None
    rate_percent: Decimal | None = None
    flat_price: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """What usage came to.

    ``quantity``: what was measured: units, an amount, what providers charged, kilograms of CO2e. ``billable``: what of it is priced, after
    free units and the allowance. ``priced``: what its price made of it; of a flat amount, for the part. ``bounded``: whether the minimum or
    the maximum took its place. ``amount``: the result, unrounded. ``tiers``: those that something fell into, in their order.
    """

    quantity: Decimal
    billable: Decimal
    priced: Fraction
    bounded: Bounded | None
    amount: Fraction
    tiers: tuple[TierPart, ...] = ()
