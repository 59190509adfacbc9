"""Drafts on their way to be issued: usage is counted once more when their time to collect is over, or when somebody finalizes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from carbonledger.domains.accounts import service as accounts_service
from carbonledger.domains.accounts.types import Account
from carbonledger.domains.invoices.core import drafting, pieces, states
from carbonledger.domains.invoices.core.pieces import Piece
from carbonledger.domains.invoices.service import context as contexts
from carbonledger.domains.invoices.service import failing, issuing, measuring, standing
from carbonledger.domains.invoices.service.measuring import Wanted
from carbonledger.domains.invoices.store import reading, writing
from carbonledger.domains.invoices.types.failures import Step
from carbonledger.domains.invoices.types.invoices import Invoice, Line, LineKind, Move
from carbonledger.infra import db
from carbonledger.kernel import errors
from carbonledger.kernel.actor import Actor


async def finalize(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, invoice_id: UUID) -> Invoice:
    """Issue a draft now, with its usage as it stands. Raises ``InvoiceNotFound``, ``InvoiceStateForbids``, ``InvoiceEmpty``."""
    draft = await standing.hold(uow, organization_id=organization_id, invoice_id=invoice_id)
    states.require(draft, Move.ISSUE)
    fresh = await _counted(uow, now=now, organization_id=organization_id, drafts=[draft])
    (issued,) = await issuing.issue_all(uow, actor=actor, now=now, organization_id=organization_id, drafts=fresh)
    return issued


async def run(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, organization_id: UUID, limit: int, strictly: bool = False
) -> int:
    """Issue up to ``limit`` drafts whose time to collect is over, and return how many were taken up.

    One that can't be counted stays with its reason; ``strictly``: it fails all.
    """
    drafts = await reading.collected(uow, organization_id=organization_id, until=now, limit=limit)
    if not drafts:
        return 0
    try:
        async with uow.savepoint():
            fresh = await _counted(uow, now=now, organization_id=organization_id, drafts=drafts)
    except errors.Fault:
        if strictly:
            raise
        fresh = await _one_by_one(uow, now=now, at=at, organization_id=organization_id, drafts=drafts)
    await issuing.issue_all(uow, actor=actor, now=now, organization_id=organization_id, drafts=fresh)
    return len(fresh)


async def _one_by_one(
    uow: db.UnitOfWork, *, now: datetime, at: datetime, organization_id: UUID, drafts: Sequence[Invoice]
) -> list[Invoice]:
    """Count each draft by itself, write down those that can't be, and return the others."""
    fresh: list[Invoice] = []
    for draft in drafts:
        try:
            async with uow.savepoint():
                fresh += await _counted(uow, now=now, organization_id=organization_id, drafts=[draft])
        except errors.Fault as fault:
            await failing.write(
                uow,
                now=now,
                at=at,
                organization_id=organization_id,
                account_id=draft.account_id,
                invoice_id=draft.id,
                step=Step.COLLECT,
                fault=fault,
            )
    return fresh


async def _counted(uow: db.UnitOfWork, *, now: datetime, organization_id: UUID, drafts: Sequence[Invoice]) -> list[Invoice]:
    """Count the usage of drafts again and put it in place of what was there; return them with their new sums."""
    lines = await reading.lines_of_many(uow, organization_id=organization_id, invoice_ids=[draft.id for draft in drafts])
    wanted = await _wanted(uow, organization_id=organization_id, drafts=drafts, lines=lines)
    changing = {one.cause for one in wanted}
    if not changing:
        return list(drafts)
    measured = await measuring.measure(uow, now=now, organization_id=organization_id, wanted=wanted)
    codes = {code for found in lines.values() for line in found for code in line.tax_codes}
    rates = await contexts.rates(uow, organization_id=organization_id, codes=codes)
    fresh, written = [], []
    for draft in drafts:
        made = [_again(line, measured) for line in lines[draft.id]]
        totals, found = drafting.summed(
            made,
            currency=draft.currency,
            discounts=draft.discounts,
            treatment=draft.tax_treatment,
            rounding=draft.tax_rounding,
            rates=rates,
            ids=iter([line.id for line in lines[draft.id]]),
        )
        fresh.append(replace(draft, totals=totals, updated_at=now))
        written += [(draft.id, line) for line in found]
    await writing.drop_lines(uow, organization_id=organization_id, invoice_ids=[draft.id for draft in drafts])
    await writing.add_lines(uow, organization_id=organization_id, lines=written)
    return fresh


def _again(line: Line, measured: dict[str, pieces.Measured]) -> Piece:
    piece = pieces.of_line(line)
    return pieces.again(piece, measured[line.cause]) if line.cause in measured else piece


async def _wanted(uow: db.UnitOfWork, *, organization_id: UUID, drafts: Sequence[Invoice], lines: dict[UUID, list[Line]]) -> list[Wanted]:
    accounts = await accounts_service.find_many(uow, organization_id=organization_id, account_ids=[draft.account_id for draft in drafts])
    return [found for draft in drafts for line in lines[draft.id] if (found := wanted_of(line, accounts[draft.account_id])) is not None]


def wanted_of(line: Line, account: Account) -> Wanted | None:
    """Return what to ask the meters for the usage of a line; None for one of no usage."""
    charge = pieces.details(line.explained) if line.kind is LineKind.CHARGE else None
    if charge is None or not pieces.is_usage(charge):
        return None
    return Wanted(line.cause, account, charge, pieces.stretches(line.explained))
