"""What a document comes to: discounts, rounding and tax, in one stated order. Pure.

1. Each line: its own discounts, one after the other, off the unrounded amount; then it is rounded half up, once.
2. Subtotal: the sum of the rounded lines.
3. The document's discounts, one after the other, each off what the one before it left, never below zero; rounded once, as a whole.
4. Tax of each line on its unrounded amount less its share of the exact discount. Tax on top is summed over the document and rounded
   once, tax inside prices likewise, and the lines get their parts by largest remainder; or each tax of each line is rounded
   (``TaxRounding.LINE``).
5. Total = subtotal - discount + tax on top.

A discount takes nothing off what is zero or less, so that a credit is never made smaller and a document of credits has
none: the lines that are charged share it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from carbonledger.domains.accounts.types import TaxTreatment
from carbonledger.domains.catalog.types.plans import Discount, PercentDiscount
from carbonledger.domains.invoices.core import exact
from carbonledger.domains.invoices.types.rating import WHOLE, Part
from carbonledger.domains.invoices.types.totals import DocumentTotals, Item, LineTax, LineTotal, Tax, TaxRounding, TaxTotal
from carbonledger.kernel import decimals
from carbonledger.kernel.currency import Currency

_NOTHING: Final = Fraction(0)
_WHOLE: Final = Fraction(1)
_ZERO: Final = Decimal(0)
_PERCENT: Final = 100


@dataclass(frozen=True, slots=True)
class _Cell:
    """One tax of one line, exact and in major units."""

    line: int
    tax: Tax
    exact: Fraction


def total(
    items: Sequence[Item],
    *,
    currency: Currency,
    discounts: Sequence[Discount] = (),
    treatment: TaxTreatment = TaxTreatment.STANDARD,
    rounding: TaxRounding = TaxRounding.DOCUMENT,
) -> DocumentTotals:
    """Return what a document of these lines comes to. Raises ``NumberOutOfRange`` for an amount of more than 38 digits.

    An account that is exempt, or owes the tax itself (reverse charge), is charged no tax: a price that includes tax stays what it is, and
    all of it is the seller's.
    """
    digits = currency.minor_digits
    unrounded = [left(item.unrounded, item.discounts, item.share) for item in items]
    lines = [exact.units(amount, digits) for amount in unrounded]
    subtotal = sum(lines)
    taken = _taken(Fraction(subtotal), discounts, 10**digits)
    steps = _steps(taken)
    charged = sum(line for line in lines if line > 0)
    shares, bases = [0] * len(lines), unrounded
    if taken and charged:
        off = taken[-1] / charged  # what share of every line that is charged the document takes off
        shares = exact.apportioned([line * off if line > 0 else _NOTHING for line in lines], sum(steps))
        bases = [amount * (1 - off) if amount > 0 else amount for amount in unrounded]
    is_taxed = treatment is TaxTreatment.STANDARD and any(item.taxes for item in items)
    taxed = _taxed(items, bases, digits, rounding) if is_taxed else []
    on_top = sum(part for cell, part in taxed if not cell.tax.inclusive)
    made = _lines(items, unrounded, list(zip(lines, shares, strict=True)), taxed, digits)
    return DocumentTotals(
        currency=currency,
        lines=made,
        subtotal=exact.amount_of(subtotal, digits),
        discounts=tuple(exact.amount_of(step, digits) for step in steps),
        discount=exact.amount_of(sum(steps), digits),
        taxes=_tax_totals(made),
        tax=exact.amount_of(on_top, digits),
        tax_included=exact.amount_of(sum(part for _, part in taxed) - on_top, digits),
        total=exact.amount_of(subtotal - sum(steps) + on_top, digits),
    )


def left(amount: Fraction, discounts: Iterable[Discount], share: Fraction = _WHOLE) -> Fraction:
    """Return what discounts, one after the other, leave of an amount: never less than zero, and nothing off what is no more than that.

    ``share``: the part of a period that is charged has that part of an amount off, so that parts come to the whole.
    """
    for discount in discounts:
        amount -= _off(amount, discount, share)
    return amount


def _off(amount: Fraction, discount: Discount, scale: int | Fraction) -> Fraction:
    """Return what a discount takes off an amount; one that is an amount itself counts ``scale`` times."""
    if amount <= 0:
        return _NOTHING
    if isinstance(discount, PercentDiscount):
        return amount * exact.of(discount.percent) / _PERCENT
    return min(exact.of(discount.amount) * scale, amount)


def _taken(subtotal: Fraction, discounts: Iterable[Discount], scale: int) -> list[Fraction]:
    """Return what is off after each of the document's discounts, exactly, in minor units."""
    taken, off = [], _NOTHING
    for discount in discounts:
        off += _off(subtotal - off, discount, scale)
        taken.append(off)
    return taken


def _steps(taken: Sequence[Fraction]) -> list[int]:
    """Return what each discount takes off, in minor units, so that they add up to the rounded whole."""
    whole = [exact.units(off, 0) for off in taken]
    return [now - before for before, now in zip([0, *whole], whole, strict=False)]


def _cells(items: Sequence[Item], bases: Sequence[Fraction]) -> Iterator[_Cell]:
    for place, (item, base) in enumerate(zip(items, bases, strict=True)):
        included = sum((exact.of(tax.percent) for tax in item.taxes if tax.inclusive), _NOTHING)
        net = base * _PERCENT / (_PERCENT + included)
        for tax in item.taxes:
            yield _Cell(place, tax, net * exact.of(tax.percent) / _PERCENT)


def _tax_units(cells: Sequence[_Cell], digits: int, rounding: TaxRounding) -> list[int]:
    """Return the rounded amount of each cell, in minor units."""
    if rounding is TaxRounding.LINE:
        return [exact.units(cell.exact, digits) for cell in cells]
    parts = [0] * len(cells)
    for inclusive in (False, True):  # two sums: one is added to the total, one is inside it
        places = [place for place, cell in enumerate(cells) if cell.tax.inclusive is inclusive]
        shares = [cells[place].exact * 10**digits for place in places]
        whole = exact.units(sum(shares, _NOTHING), 0)
        for place, part in zip(places, exact.apportioned(shares, whole), strict=True):
            parts[place] = part
    return parts


def _taxed(items: Sequence[Item], bases: Sequence[Fraction], digits: int, rounding: TaxRounding) -> list[tuple[_Cell, int]]:
    """Return every tax of every line with its rounded amount, in minor units."""
    cells = list(_cells(items, bases))
    return list(zip(cells, _tax_units(cells, digits, rounding), strict=True))


def _lines(
    items: Sequence[Item],
    unrounded: Sequence[Fraction],
    amounts: Sequence[tuple[int, int]],
    taxed: Iterable[tuple[_Cell, int]],
    digits: int,
) -> tuple[LineTotal, ...]:
    """Return the lines with what they are told of the whole. ``amounts``: of each, and its share of the discount, in minor units."""
    of_line: list[list[tuple[Tax, int]]] = [[] for _ in items]
    for cell, part in taxed:
        of_line[cell.line].append((cell.tax, part))
    return tuple(
        LineTotal(
            unrounded=left_over,
            line_discount=_NOTHING if left_over is item.unrounded else item.unrounded - left_over,
            amount=exact.amount_of(amount, digits),
            discount=exact.amount_of(share, digits),
            tax=exact.amount_of(sum(part for tax, part in taxes if not tax.inclusive), digits),
            tax_included=exact.amount_of(sum(part for tax, part in taxes if tax.inclusive), digits),
            taxes=tuple(LineTax(tax, exact.amount_of(part, digits)) for tax, part in taxes),
        )
        for item, left_over, (amount, share), taxes in zip(items, unrounded, amounts, of_line, strict=True)
    )


def _tax_totals(lines: Sequence[LineTotal]) -> tuple[TaxTotal, ...]:
    """Return the sums by tax, in the order in which lines name them first."""
    sums: dict[Tax, tuple[Decimal, Decimal]] = {}
    for line in lines:
        taxable = decimals.subtract(decimals.subtract(line.amount, line.discount), line.tax_included)
        for one in line.taxes:
            base, amount = sums.get(one.tax, (_ZERO, _ZERO))
            sums[one.tax] = decimals.add(base, taxable), decimals.add(amount, one.amount)
    return tuple(TaxTotal(tax, base, amount) for tax, (base, amount) in sums.items())


def true_up(commitment: Decimal, charged: Iterable[Decimal], *, currency: Currency, part: Part = WHOLE) -> Decimal:
    """Return what is missing of a minimum commitment for a part of its interval; 0 where nothing is.

    ``charged``: the rounded amounts of the lines that count for it, before the document's discounts and tax. The commitment's part is
    rounded half up, so that the document comes to it exactly.
    """
    due = exact.rounded(Fraction(commitment) * part.share, currency.minor_digits)
    for amount in charged:
        due = decimals.subtract(due, amount)
    return max(due, _ZERO)
