"""Invoices that callers write, and reading them: every number is a decimal string, and all that is wrong is told at once."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import Field

from carbonledger.domains.catalog.types import AmountDiscount, Discount, PercentDiscount
from carbonledger.domains.invoices.service import one_off
from carbonledger.domains.invoices.types import invoices
from carbonledger.entrypoints.rest import shapes
from carbonledger.kernel import decimals, errors
from carbonledger.kernel.errors import Problem
from carbonledger.kernel.period import Period, PeriodInvalid

_NUMBER_CHARS_MAX: Final = 100


class DiscountIn(shapes.In):
    """A discount: a percentage, or an amount of the invoice's currency. Give one of them."""

    percent: str | None = Field(default=None, max_length=_NUMBER_CHARS_MAX, description="More than 0, at most 100.")
    amount: str | None = Field(default=None, max_length=_NUMBER_CHARS_MAX, description="More than 0, in whole minor units.")
    name: str | None = Field(default=None, min_length=1, max_length=200)


class PeriodIn(shapes.In):
    """A stretch of time: the start inside, the end outside."""

    start: dt.datetime
    end: dt.datetime


class ItemIn(shapes.In):
    """A line: so much of something, at a price."""

    description: str = Field(max_length=1000)
    quantity: str = Field(default="1", max_length=_NUMBER_CHARS_MAX, description="0 or more, with at most 12 places.")
    unit_price: str = Field(max_length=_NUMBER_CHARS_MAX, description="0 or more, with at most 12 places.")
    discounts: list[DiscountIn] = Field(default=[], max_length=10, description="Off this line, in this order.")
    tax_rate_codes: list[Annotated[str, Field(max_length=64)]] | None = Field(
        default=None, max_length=5, description="Left out: those of the seller. Empty: none."
    )
    service: PeriodIn | None = Field(default=None, description="The time that the line is for, if it is for one.")


class AmountIn(shapes.In):
    """An amount off the whole invoice."""

    amount: str = Field(max_length=_NUMBER_CHARS_MAX, description="More than 0, in whole minor units.")
    name: str | None = Field(default=None, min_length=1, max_length=200)


class InvoiceIn(shapes.In):
    """An invoice to write."""

    account_id: UUID
    currency: str | None = Field(default=None, max_length=3, description="ISO 4217. Left out: the account's.")
    lines: list[ItemIn] = Field(min_length=1, max_length=invoices.LINES_MAX)
    discounts: list[AmountIn] = Field(default=[], max_length=10, description="Off the whole, in this order.")
    memo: str | None = Field(default=None, max_length=1000, description="A sentence that stands under the sums.")
    terms_days: int | None = Field(default=None, ge=0, le=365, description="Days until it is due. Left out: the account's.")


class PayIn(shapes.In):
    """How an invoice is paid."""

    mode: Literal["collect", "record"] = Field(description="record: it was paid outside, by a transfer for instance.")
    reference: str | None = Field(default=None, max_length=1000, description="Of record: what names the payment.")


def from_api_invoice(body: InvoiceIn) -> one_off.Draft:
    """Return the invoice to write. Raises ``Invalid`` with every number that can't be read."""
    problems: list[Problem] = []
    items = [_item(one, problems, at=f"/lines/{place}") for place, one in enumerate(body.lines)]
    off = [_decimal(one.amount, problems, f"/discounts/{place}/amount") for place, one in enumerate(body.discounts)]
    errors.refuse(problems)
    return one_off.Draft(
        account_id=body.account_id,
        currency=body.currency,
        items=tuple(items),
        discounts=tuple(AmountDiscount(value, given.name) for value, given in zip(off, body.discounts, strict=True)),
        memo=body.memo,
        terms_days=body.terms_days,
    )


def _item(item: ItemIn, problems: list[Problem], *, at: str) -> one_off.Item:
    return one_off.Item(
        description=item.description,
        quantity=_decimal(item.quantity, problems, f"{at}/quantity"),
        unit_price=_decimal(item.unit_price, problems, f"{at}/unit_price"),
        discounts=tuple(_discount(one, problems, at=f"{at}/discounts/{place}") for place, one in enumerate(item.discounts)),
        tax_rate_codes=None if item.tax_rate_codes is None else tuple(item.tax_rate_codes),
        service=None if item.service is None else _period(item.service, problems, at=f"{at}/service"),
    )


def _period(given: PeriodIn, problems: list[Problem], *, at: str) -> Period | None:
    try:
        return Period(given.start, given.end)
    except PeriodInvalid as fault:
        problems.append(Problem(at, fault.code, str(fault)))
        return None


def _discount(given: DiscountIn, problems: list[Problem], *, at: str) -> Discount:
    if (given.percent is None) == (given.amount is None):
        problems.append(Problem(at, "one_of", "Give a percent or an amount."))
    if given.percent is not None:
        return PercentDiscount(_decimal(given.percent, problems, f"{at}/percent"), given.name)
    return AmountDiscount(_decimal(given.amount or "0", problems, f"{at}/amount"), given.name)


def _decimal(text: str, problems: list[Problem], at: str) -> Decimal:
    """Return the number that ``text`` spells; where it spells none, the problem is kept and nothing is done with what is returned."""
    try:
        return decimals.from_api_decimal(text, places=12)
    except errors.Invalid as fault:
        problems.append(Problem(at, fault.code, str(fault)))
        return Decimal(0)
