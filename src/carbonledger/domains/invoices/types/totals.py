"""Words of a document's totals: lines before and after rounding, discounts, taxes, and what it all comes to. Pure.

    line:      unrounded -> its discounts -> rounded half up, once
    document:  subtotal = sum of rounded lines;  total = subtotal - discount + tax

Tax that prices include already is inside the subtotal, and so is told beside the sum (``tax_included``) and never added to it. All rounded
amounts are whole numbers of the currency's minor unit, and what a line is told of a whole (its share of discount and tax) adds up to it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from carbonledger.domains.catalog.types.plans import Discount
from carbonledger.kernel import decimals
from carbonledger.kernel.currency import Currency
from carbonledger.kernel.period import Period


class TaxRounding(enum.Enum):
    """Where tax is rounded. Stored by these words."""

    DOCUMENT = "document"  # once for the document; lines get their parts by largest remainder
    LINE = "line"  # on each line, each tax by itself


@dataclass(frozen=True, slots=True)
class Tax:
    """A tax on a line: ``percent`` (0 to 100) of it, on top, or inside it already (``inclusive``)."""

    code: str
    percent: Decimal
    inclusive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentDiscount:
    """An amount off a document (above 0), never more than there is: off all of its lines; or, of a plan, off what one subscription is
    charged for one service period by one version of it.
    """

    amount: Decimal
    name: str | None = None
    subscription_id: UUID | None = None
    plan_version_id: UUID | None = None
    service: Period | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """What a line is made of. ``unrounded`` may be negative (a credit). ``discounts`` are taken off in their order; of one that is an
    amount, ``share`` of it: the part of the period that is charged.
    """

    unrounded: Fraction
    discounts: tuple[Discount, ...] = ()
    taxes: tuple[Tax, ...] = ()
    share: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True)
class LineTax:
    """What one tax of a line comes to, rounded."""

    tax: Tax
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class LineTotal:
    """One line as it stands on the document.

    ``unrounded``: after the line's own discounts; ``amount``: that, rounded half up. ``line_discount``: what they took off, unrounded.
    ``discount``: its share of the document's. ``tax``: on top; ``tax_included``: inside the amount. ``taxes`` has both.
    """

    unrounded: Fraction
    line_discount: Fraction
    amount: Decimal
    discount: Decimal
    tax: Decimal
    tax_included: Decimal
    taxes: tuple[LineTax, ...]


@dataclass(frozen=True, slots=True)
class TaxTotal:
    """What one tax comes to on the whole document. ``taxable``: what it is of, after discounts and without included tax."""

    tax: Tax
    taxable: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentTotals:
    """What a document comes to: ``total = subtotal - discount + tax``.

    ``lines``: in the order of what they are made of. ``discounts``: what each of the document's takes off, in their order; they add up to
    ``discount``. ``taxes``: in the order in which the lines name them first. ``tax``: on top; ``tax_included``: inside the subtotal.
    """

    currency: Currency
    lines: tuple[LineTotal, ...]
    subtotal: Decimal
    discounts: tuple[Decimal, ...]
    discount: Decimal
    taxes: tuple[TaxTotal, ...]
    tax: Decimal
    tax_included: Decimal
    total: Decimal

    @property
    def net(self) -> Decimal:
        """What the seller keeps: the total without any tax."""
        return decimals.subtract(decimals.subtract(self.total, self.tax), self.tax_included)

    @property
    def is_empty(self) -> bool:
        """Whether there is no line, so that no document is made; one whose lines come to nothing is."""
        return not self.lines
