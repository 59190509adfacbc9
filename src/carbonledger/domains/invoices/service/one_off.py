"""Invoices that somebody writes: for work, goods, or whatever no subscription charges. A draft until it is finalized."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final
from uuid import UUID

from carbonledger.domains.accounts import service as accounts
from carbonledger.domains.catalog.types import AmountDiscount, Discount
from carbonledger.domains.catalog.types.charges import ChargeInvalid, Standard, Usage
from carbonledger.domains.invoices.core import drafting, pieces, rating
from carbonledger.domains.invoices.core.pieces import Piece
from carbonledger.domains.invoices.service import billing, issuing, previewing, sellers
from carbonledger.domains.invoices.service import context as contexts
from carbonledger.domains.invoices.store import writing
from carbonledger.domains.invoices.types import invoices as types
from carbonledger.domains.invoices.types.invoices import Explained, Invoice, Line, LineKind, Origin
from carbonledger.domains.invoices.types.rating import AmountTooLarge
from carbonledger.domains.invoices.types.totals import DocumentDiscount
from carbonledger.infra import db, outbox
from carbonledger.kernel import currency as currencies
from carbonledger.kernel import errors, ids, line
from carbonledger.kernel.actor import Actor
from carbonledger.kernel.currency import Currency
from carbonledger.kernel.decimals import NumberOutOfRange
from carbonledger.kernel.errors import Problem
from carbonledger.kernel.period import Period

DRAFTED: Final = "invoices.drafted"
MEMO_MAX_CHARS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A line to be written: ``quantity`` times ``unit_price``, both 0 or more. ``tax_rate_codes`` None: those of the seller."""

    description: str
    quantity: Decimal
    unit_price: Decimal
    discounts: tuple[Discount, ...] = ()
    tax_rate_codes: tuple[str, ...] | None = None
    service: Period | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An invoice to be written. ``currency`` None: the account's. ``terms_days`` None: as the account's invoices are due."""

    account_id: UUID
    items: tuple[Item, ...]
    currency: str | None = None
    discounts: tuple[AmountDiscount, ...] = ()
    memo: str | None = None
    terms_days: int | None = None


async def create(uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, organization_id: UUID, draft: Draft) -> Invoice:
    """Write a draft. Raises ``AccountNotFound``, ``AccountDeleted``, and ``errors.Invalid`` with all that is wrong."""
    await accounts.hold(uow, organization_id=organization_id, account_ids=[draft.account_id])
    invoice, lines = await preview(uow, now=now, at=at, organization_id=organization_id, draft=draft)
    await writing.add(uow, organization_id=organization_id, invoices=[invoice])
    await writing.add_lines(uow, organization_id=organization_id, lines=[(invoice.id, one) for one in lines])
    after = issuing.told_of(invoice)
    await outbox.emit(uow, actor=actor, now=now, action=DRAFTED, target_type=issuing.TARGET, target_id=invoice.id, after=after)
    return invoice


async def preview(
    uow: db.UnitOfWork, *, now: datetime, at: datetime, organization_id: UUID, draft: Draft
) -> tuple[Invoice, tuple[Line, ...]]:
    """Return what ``create`` would write, and write nothing. Raises ``AccountNotFound``, and ``errors.Invalid`` with all that is wrong."""
    account = await accounts.find(uow, organization_id=organization_id, account_id=draft.account_id)
    settings = await sellers.settings(uow, organization_id=organization_id)
    unit = currencies.by_code(draft.currency or account.currency)
    codes = {code for item in draft.items for code in (settings.tax_rate_codes if item.tax_rate_codes is None else item.tax_rate_codes)}
    rates = await contexts.rates(uow, organization_id=organization_id, codes=codes)
    problems: list[Problem] = []
    memo = None if draft.memo is None else line.tidy(problems, "/memo", draft.memo, max_chars=MEMO_MAX_CHARS)
    problems += previewing.discount_problems(draft.discounts, unit, at="/discounts")
    made = _pieces(draft, unit, settings.tax_rate_codes, frozenset(rates), problems, new=billing.new_ids(at))
    errors.refuse(problems)
    off = tuple(DocumentDiscount(amount=one.amount, name=one.name) for one in draft.discounts)
    try:
        totals, lines = drafting.summed(
            made,
            currency=unit,
            discounts=off,
            treatment=account.tax_treatment,
            rounding=settings.tax_rounding,
            rates=rates,
            ids=billing.new_ids(at),
        )
    except NumberOutOfRange as fault:
        raise errors.invalid("/lines", fault.code, f"The lines come to too much. {fault}") from fault
    drafted = billing.drafted(
        account,
        totals,
        lines,
        currency=unit,
        discounts=off,
        settings=settings,
        billed_at=now,
        now=now,
        invoice_id=ids.new_id(at),
    )
    terms_days = account.payment_terms_days if draft.terms_days is None else draft.terms_days
    return replace(drafted, origin=Origin.ONE_OFF, memo=memo, terms_days=terms_days), lines


def _pieces(
    draft: Draft, unit: Currency, tax_codes: tuple[str, ...], known: frozenset[str], problems: list[Problem], *, new: Iterator[UUID]
) -> list[Piece]:
    if not 0 < len(draft.items) <= types.LINES_MAX:
        problems.append(Problem("/lines", "count", f"Give 1 to {types.LINES_MAX} lines."))
        return []
    made = [
        _piece(item, unit, tax_codes, known, problems, at=f"/lines/{place}", cause=f"item:{next(new)}")
        for place, item in enumerate(draft.items)
    ]
    return [one for one in made if one is not None]


def _piece(
    item: Item,
    unit: Currency,
    tax_codes: tuple[str, ...],
    known: frozenset[str],
    problems: list[Problem],
    *,
    at: str,
    cause: str,
) -> Piece | None:
    before = len(problems)
    description = line.tidy(problems, f"{at}/description", item.description, max_chars=types.DESCRIPTION_MAX_CHARS)
    codes = tax_codes if item.tax_rate_codes is None else item.tax_rate_codes
    problems += [
        Problem(f"{at}/tax_rate_codes", "tax_rate_unknown", f"There is no tax rate {code} in use.") for code in codes if code not in known
    ]
    problems += previewing.discount_problems(item.discounts, unit, at=f"{at}/discounts")
    try:
        rated = rating.rate(Standard(item.unit_price), Usage(quantity=item.quantity))
    except (ChargeInvalid, errors.Invalid) as fault:
        found: Sequence[Problem] = fault.problems or (Problem("", AmountTooLarge.code, str(fault)),)
        problems += [Problem(at + one.pointer, one.code, one.detail) for one in found]
        return None
    if len(problems) > before:
        return None
    kept = {"gross": str(rated.amount), "discounts": [pieces.discount_to_json(one) for one in item.discounts]}
    return Piece(
        cause=cause,
        kind=LineKind.ITEM,
        description=description,
        service=item.service,
        part=item.service,
        quantity=item.quantity,
        unit_price=item.unit_price,
        gross=Fraction(rated.amount),
        discounts=item.discounts,
        tax_codes=codes,
        explained=Explained(rated=kept),
    )
