"""Previews: what lines would come to, by the functions that bill them. Nothing is read and nothing is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from carbonledger.domains.catalog.types import charges, taxes
from carbonledger.domains.catalog.types.plans import Discount, PercentDiscount
from carbonledger.domains.invoices.core import exact, rating, totals
from carbonledger.domains.invoices.types import previews
from carbonledger.domains.invoices.types.rating import AmountTooLarge, Rated
from carbonledger.domains.invoices.types.totals import Item
from carbonledger.kernel import decimals
from carbonledger.kernel.currency import Currency
from carbonledger.kernel.decimals import Rounding
from carbonledger.kernel.errors import Problem

LINES_MAX: Final = 1000
"""Of one document: as many as an invoice may have."""
DISCOUNTS_MAX: Final = 10

shown = exact.shown
"""An exact amount as a decimal, to be read: see ``core.exact``."""


def problems(lines: Mapping[int, previews.DraftLine], currency: Currency) -> Iterator[Problem]:
    """Yield what of lines, by their places in the document (``/lines/3``), can't be rated, or paid in ``currency``."""
    for place, line in lines.items():
        at = f"/lines/{place}"
        yield from charges.usage_problems(line.model, line.usage, at=at)
        yield from charges.amount_problems(line.model, line.terms, currency, at=at)
        yield from discount_problems(line.discounts, currency, at=f"{at}/discounts")


def discount_problems(discounts: tuple[Discount, ...], currency: Currency, *, at: str) -> Iterator[Problem]:
    """Yield which discounts take off nothing, too much, or what can't be paid; ``at`` is the pointer of their list."""
    for place, discount in enumerate(discounts):
        if isinstance(discount, PercentDiscount):
            if not 0 < discount.percent <= taxes.PERCENT_MAX:
                yield Problem(f"{at}/{place}/percent", "out_of_range", "Give more than 0 and at most 100.")
            continue
        if discount.amount <= 0:
            yield Problem(f"{at}/{place}/amount", "too_small", "Give more than 0.")
        yield from charges.minor_unit_problems(discount.amount, currency, at=f"{at}/{place}/amount")


def tax_problems(percent: Decimal, *, at: str) -> Iterator[Problem]:
    """Yield what is wrong with a rate of tax; ``at`` is its pointer."""
    if not 0 <= percent <= taxes.PERCENT_MAX:
        yield Problem(at, "out_of_range", "Give 0 to 100.")
    elif decimals.rounded(percent, places=taxes.PERCENT_PLACES, mode=Rounding.DOWN) != percent:
        yield Problem(at, "too_many_places", f"Give at most {taxes.PERCENT_PLACES} digits after the point.")


def preview(draft: previews.Draft) -> previews.Preview:
    """Return what the document would come to. Raises ``PreviewInvalid`` with all that stands in the way."""
    found = [*problems(dict(enumerate(draft.lines)), draft.currency), *discount_problems(draft.discounts, draft.currency, at="/discounts")]
    if found:
        raise previews.PreviewInvalid(found)
    rated = _rated(draft)
    items = [Item(one.amount, line.discounts, line.taxes, line.part.share) for one, line in zip(rated, draft.lines, strict=True)]
    try:
        for one in rated:
            exact.shown(one.amount)
        summed = totals.total(items, currency=draft.currency, discounts=draft.discounts, treatment=draft.treatment, rounding=draft.rounding)
    except decimals.NumberOutOfRange as fault:
        raise previews.PreviewInvalid([Problem("/lines", fault.code, f"The lines come to too much. {fault}")]) from fault
    return previews.Preview(rated, summed)


def _rated(draft: previews.Draft) -> tuple[Rated, ...]:
    rated, found = [], []
    for place, line in enumerate(draft.lines):
        try:
            rated.append(rating.rate(line.model, line.usage, line.terms, line.part))
        except AmountTooLarge as fault:
            found.append(Problem(f"/lines/{place}", fault.code, str(fault)))
    if found:
        raise previews.PreviewInvalid(found)
    return tuple(rated)
