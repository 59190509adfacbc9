"""Usage that comes when its invoice is issued: found by counting again, and then what the seller has decided.

    next invoice: the difference is gathered, and goes on the next one of the account and currency
    correction: the difference is an invoice of its own, issued at once
    ignore and report: nothing is charged, and the report says what was not

Whatever is decided, what was found (``late_finding``) is kept, and only what comes after it is found the next time. Each line is looked at
for ``WINDOW`` after the end of its service period.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from carbonledger.domains.accounts import service as accounts_service
from carbonledger.domains.accounts.types import Account
from carbonledger.domains.invoices.core import drafting, pieces
from carbonledger.domains.invoices.core.pieces import Piece
from carbonledger.domains.invoices.service import billing, issuing, late_finding, sellers
from carbonledger.domains.invoices.service import context as contexts
from carbonledger.domains.invoices.service.late_finding import Found
from carbonledger.domains.invoices.store import reading, upkeep, writing
from carbonledger.domains.invoices.types.invoices import Invoice, Origin, State
from carbonledger.domains.invoices.types.sellers import LateUsage, SellerSettings
from carbonledger.infra import db, outbox
from carbonledger.kernel import ids
from carbonledger.kernel.actor import Actor, Role

FOUND: Final = "invoices.late_usage"
WINDOW: Final = timedelta(days=62)
"""Two months: what providers revise, and what a customer's own systems hold back, has come by then."""
BEGINNING: Final = UUID(int=0)
"""Before every invoice."""
_READERS: Final = (Role.OWNER, Role.ADMIN, Role.BILLING)


async def settle(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, organization_id: UUID, after: UUID = BEGINNING, limit: int
) -> UUID | None:
    """Count the usage of up to ``limit`` issued lines again, from the invoice after ``after``, and do what was decided about it.

    Return the invoice to go on after, None at the end.
    """
    rows = await reading.metered(uow, organization_id=organization_id, since=now - WINDOW, after=after, limit=limit)
    if not rows:
        return None
    last = rows[-1][0]
    if len(rows) == limit and rows[0][0] != last:  # the last invoice may go on: it is the first of the next stretch
        rows = [row for row in rows if row[0] != last]
    settings = await sellers.settings(uow, organization_id=organization_id)
    found = await late_finding.found(uow, now=now, at=at, organization_id=organization_id, rows=rows, decision=settings.late_usage)
    for one in found:
        await upkeep.add_late(uow, organization_id=organization_id, late=one.late)
    charged = [one for one in found if one.late.amount]
    if settings.late_usage is LateUsage.NEXT_INVOICE:
        await _gather(uow, now=now, at=at, organization_id=organization_id, found=charged, settings=settings)
    elif settings.late_usage is LateUsage.CORRECTION:
        await _correct(uow, actor=actor, now=now, at=at, organization_id=organization_id, found=charged, settings=settings)
    await _tell(uow, actor=actor, now=now, found=charged)
    return rows[-1][0]


async def _gather(
    uow: db.UnitOfWork, *, now: datetime, at: datetime, organization_id: UUID, found: Sequence[Found], settings: SellerSettings
) -> None:
    """Put differences on what is gathered for their accounts, each currency by itself."""
    groups: dict[tuple[UUID, str], list[Found]] = {}
    for one in found:
        groups.setdefault((one.invoice.account_id, one.invoice.currency.code), []).append(one)
    if not groups:
        return
    standing = await reading.gathering(uow, organization_id=organization_id, account_ids={account_id for account_id, _ in groups})
    known = {(one.account_id, one.currency.code): one for one in standing}
    lines = await reading.lines_of_many(uow, organization_id=organization_id, invoice_ids=[one.id for one in standing])
    accounts = await accounts_service.find_many(uow, organization_id=organization_id, account_ids=[account_id for account_id, _ in groups])
    for (account_id, code), members in groups.items():
        there = known.get((account_id, code))
        made = [pieces.of_line(line) for line in lines[there.id]] if there is not None else []
        made += [one.piece for one in members]
        document = await _document(
            uow,
            organization_id=organization_id,
            made=made,
            account=accounts[account_id],
            example=members[0].invoice,
            state=State.GATHERING,
            origin=Origin.SUBSCRIPTION,
            settings=settings,
            now=now,
            at=at,
        )
        await writing.drop(uow, organization_id=organization_id, invoice_ids=[] if there is None else [there.id])
        await _write(uow, organization_id=organization_id, document=document)


async def _correct(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    at: datetime,
    organization_id: UUID,
    found: Sequence[Found],
    settings: SellerSettings,
) -> None:
    """Issue a correction for each invoice of which usage came late."""
    groups: dict[UUID, list[Found]] = {}
    for one in found:
        groups.setdefault(one.invoice.id, []).append(one)
    accounts = await accounts_service.find_many(
        uow, organization_id=organization_id, account_ids=[members[0].invoice.account_id for members in groups.values()]
    )
    drafts = []
    for invoice_id, members in groups.items():
        document = await _document(
            uow,
            organization_id=organization_id,
            made=[one.piece for one in members],
            account=accounts[members[0].invoice.account_id],
            example=members[0].invoice,
            state=State.DRAFT,
            origin=Origin.CORRECTION,
            settings=settings,
            now=now,
            at=at,
            corrects=invoice_id,
        )
        await _write(uow, organization_id=organization_id, document=document)
        drafts.append(document.invoice)
    await issuing.issue_all(uow, actor=actor, now=now, organization_id=organization_id, drafts=drafts, settings=settings)


async def _write(uow: db.UnitOfWork, *, organization_id: UUID, document: billing.Document) -> None:
    await writing.add(uow, organization_id=organization_id, invoices=[document.invoice])
    await writing.add_lines(uow, organization_id=organization_id, lines=[(document.invoice.id, line) for line in document.lines])


async def _document(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    made: Sequence[Piece],
    account: Account,
    example: Invoice,
    state: State,
    origin: Origin,
    settings: SellerSettings,
    now: datetime,
    at: datetime,
    corrects: UUID | None = None,
) -> billing.Document:
    rates = await contexts.rates(uow, organization_id=organization_id, codes={code for piece in made for code in piece.tax_codes})
    discounts = await contexts.amounts_off(uow, organization_id=organization_id, made=made, currency=example.currency)
    totals, lines = drafting.summed(
        made,
        currency=example.currency,
        discounts=discounts,
        treatment=account.tax_treatment,
        rounding=settings.tax_rounding,
        rates=rates,
        ids=billing.new_ids(at),
    )
    invoice = billing.drafted(
        account,
        totals,
        lines,
        currency=example.currency,
        discounts=discounts,
        settings=settings,
        billed_at=now,
        now=now,
        invoice_id=ids.new_id(at),
    )
    return billing.Document(replace(invoice, state=state, origin=origin, corrects=corrects), lines)


async def _tell(uow: db.UnitOfWork, *, actor: Actor, now: datetime, found: Sequence[Found]) -> None:
    """Tell of what came late; of what is not charged people are told."""
    by_invoice: dict[UUID, list[Found]] = {}
    for one in found:
        by_invoice.setdefault(one.invoice.id, []).append(one)
    for invoice_id, members in by_invoice.items():
        decision = members[0].late.decision
        is_alert = decision is LateUsage.IGNORE_AND_REPORT
        amount = sum((one.late.amount for one in members), Decimal(0))
        await outbox.emit(
            uow,
            actor=actor,
            now=now,
            action=FOUND,
            target_type=issuing.TARGET,
            target_id=invoice_id,
            after={
                "decision": decision.value,
                "lines": len(members),
                "amount": str(amount),
                "currency": members[0].invoice.currency.code,
            },
            severity="info" if is_alert else None,
            audience=_READERS if is_alert else None,
        )
