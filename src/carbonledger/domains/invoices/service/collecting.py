"""Drafts on their way to be issued: usage is counted once more when their time to collect is over, or when somebody finalizes them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from carbonledger.domains.accounts import service as accounts_service
from carbonledger.domains.accounts.types import Account
from carbonledger.domains.invoices.core import drafting, pieces, states
from carbonledger.domains.invoices.core.pieces import Piece
from carbonledger.domains.invoices.core.services import Service
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


@dataclass(frozen=True, slots=True)
class Collected:
    """What became of drafts: how many were issued, and which could not be counted."""

    issued: int = 0
    failed: tuple[UUID, ...] = ()


async def run(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    at: datetime,
    organization_id: UUID,
    limit: int,
    apart_from: Collection[UUID] = (),
    strictly: bool = False,
) -> Collected:
    """Issue up to ``limit`` drafts whose time to collect is over; none issued and none failed: there are no more.

    One that can't be counted stays with its reason; ``apart_from``: leave those alone, so that they keep none of the others back.
    ``strictly``: it fails all.
    """
    drafts = await reading.collected(uow, organization_id=organization_id, until=now, limit=limit, apart_from=apart_from)
    if not drafts:
        return Collected()
    try:
        async with uow.savepoint():
            fresh = await _counted(uow, now=now, organization_id=organization_id, drafts=drafts)
    except errors.Fault:
        if strictly:
            raise
        fresh = await _one_by_one(uow, now=now, at=at, organization_id=organization_id, drafts=drafts)
    await issuing.issue_all(uow, actor=actor, now=now, organization_id=organization_id, drafts=fresh)
    counted = {one.id for one in fresh}
    return Collected(len(fresh), tuple(one.id for one in drafts if one.id not in counted))


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
    served = await _served(uow, organization_id=organization_id, lines=lines)
    rates = await contexts.rates(uow, organization_id=organization_id, codes=codes)
    fresh, written = [], []
    for draft in drafts:
        made = drafting.recommitted([_again(line, measured) for line in lines[draft.id]], served=served, currency=draft.currency)
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


async def _served(uow: db.UnitOfWork, *, organization_id: UUID, lines: Mapping[UUID, Sequence[Line]]) -> Mapping[Service, Sequence[Line]]:
    """Return what other documents charged for what commitments on these drafts are for."""
    own = [line for found in lines.values() for line in found]
    found = await contexts.served(uow, organization_id=organization_id, services=drafting.commitments_of(own))
    causes = {line.cause for line in own}
    return {service: [line for line in charged if line.cause not in causes] for service, charged in found.items()}


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
    return Wanted(line.cause, named(line, account), charge, pieces.stretches(line.explained))


def named(line: Line, account: Account) -> str | None:
    """Return by what name the usage of a line is the account's: as it was billed, so that another name since gives nothing back."""
    return pieces.account_of(line.explained) or account.external_id
