"""The bill run: what is due of some hundred accounts becomes invoices, in one transaction.

    due charges -> quantities -> rating -> totals -> drafts and lines -> noted as billed -> issued, numbers last

Several transactions share a run: each holds the subscriptions of its batch and leaves what another one holds (``hold``); whoever comes
second finds nothing due. A run that dies leaves nothing, and the next one makes the same lines with the same causes, which the database
takes once. An account that can't be rated is left out with its reason, and keeps none of the others back; it is tried again with every run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.accounts.types import Account
from carbonledger.domains.invoices.core import amounts_off, drafting, pieces, services, words
from carbonledger.domains.invoices.core.pieces import Piece
from carbonledger.domains.invoices.service import context as contexts
from carbonledger.domains.invoices.service import failing, issuing
from carbonledger.domains.invoices.service.context import Context
from carbonledger.domains.invoices.store import reading, upkeep, writing
from carbonledger.domains.invoices.types import invoices as types
from carbonledger.domains.invoices.types.failures import Step
from carbonledger.domains.invoices.types.invoices import Invoice, Line, Totals
from carbonledger.domains.invoices.types.sellers import SellerSettings
from carbonledger.domains.invoices.types.totals import DocumentDiscount
from carbonledger.domains.subscriptions.service import billing as subscriptions
from carbonledger.domains.subscriptions.types import DueCharge
from carbonledger.infra import db
from carbonledger.kernel import errors, ids
from carbonledger.kernel.actor import Actor
from carbonledger.kernel.currency import Currency

BATCH: Final = 300
"""Accounts of one transaction: enough that statements cost little, few enough that a run that dies loses little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a batch came to: ``drafted`` wait for late usage, ``failed`` are accounts that could not be rated."""

    issued: int = 0
    drafted: int = 0
    lines: int = 0
    failed: int = 0

    def __add__(self, other: Ran) -> Ran:
        return Ran(
            issued=self.issued + other.issued,
            drafted=self.drafted + other.drafted,
            lines=self.lines + other.lines,
            failed=self.failed + other.failed,
        )


@dataclass(frozen=True, slots=True)
class Document:
    """A draft with its lines."""

    invoice: Invoice
    lines: tuple[Line, ...]


async def batch(uow: db.UnitOfWork, *, now: datetime, organization_id: UUID, after: UUID | None = None) -> tuple[UUID, ...]:
    """Return the next accounts of which something may be due, by id, from the one after ``after``; none at the end."""
    return await subscriptions.accounts_due(uow, organization_id=organization_id, until=now, after=after, limit=BATCH)


async def hold(
    uow: db.UnitOfWork, *, now: datetime, organization_id: UUID, account_ids: Sequence[UUID], wait: bool = False
) -> tuple[UUID, ...]:
    """Return those of a batch that are this transaction's to bill at ``now``, held: the others are in the hands of another one, are billed,
    or could not be at this very ``now``, which is the whole run's. ``wait``: until the others are out of their hands.

    On a busy machine that, or the turn for numbers, may take longer than a request would wait, so this transaction is patient.
    """
    await uow.be_patient()
    held = await subscriptions.hold(uow, organization_id=organization_id, account_ids=account_ids, until=now, wait=wait)
    failed = await upkeep.failed_at(uow, organization_id=organization_id, step=Step.RATE, account_ids=held, at=now) if held else set()
    return tuple(one for one in held if one not in failed)


async def next_due(uow: db.UnitOfWork, organization_id: UUID, until: datetime) -> datetime | None:
    """Return when something is next to be billed, or a draft has waited long enough, at or before ``until``."""
    instants = (
        await subscriptions.next_billable_at(uow, organization_id=organization_id, until=until),
        await reading.next_collected_at(uow, organization_id=organization_id, until=until),
    )
    return min((one for one in instants if one is not None), default=None)


async def run(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    at: datetime,
    organization_id: UUID,
    account_ids: Sequence[UUID],
    strictly: bool = False,
) -> Ran:
    """Bill accounts for all that is due at ``now``. ``strictly``: one that can't be rated fails the whole batch.

    Raises ``CauseBilled`` where something was billed outside of a run; nothing of the batch is, then.
    """
    due = await subscriptions.due(uow, organization_id=organization_id, account_ids=account_ids, until=now)
    if not due:
        await subscriptions.billed(uow, organization_id=organization_id, account_ids=account_ids, until=now)
        return Ran()
    late = await gathered(uow, organization_id=organization_id, account_ids=list(due))
    try:
        known = await contexts.of_due(uow, now=now, organization_id=organization_id, due=due, late=lines_of(late))
    except errors.Fault as fault:
        if strictly:
            raise
        return await _apart(uow, actor=actor, now=now, at=at, organization_id=organization_id, account_ids=list(due), fault=fault)
    made: list[Document] = []
    failed: dict[UUID, errors.Fault] = {}
    for account_id, charges in due.items():
        try:
            made += documents(charges, known, late.get(account_id, {}), account=known.accounts[account_id], now=now, at=at)
        except errors.Fault as fault:
            if strictly:
                raise
            failed[account_id] = fault
    billed = [account_id for account_id in account_ids if account_id not in failed]
    used = [one.invoice.id for account_id in billed for one in late.get(account_id, {}).values() if _is_used(one, made)]
    await writing.drop(uow, organization_id=organization_id, invoice_ids=used)
    await writing.add(uow, organization_id=organization_id, invoices=[document.invoice for document in made])
    lines = [(document.invoice.id, line) for document in made for line in document.lines]
    await writing.add_lines(uow, organization_id=organization_id, lines=lines)
    if billed:
        await subscriptions.billed(uow, organization_id=organization_id, account_ids=billed, until=now)
        await upkeep.done(uow, organization_id=organization_id, step=Step.RATE, account_ids=billed)
    for account_id, reason in failed.items():
        await failing.write(
            uow, now=now, at=at, organization_id=organization_id, account_id=account_id, invoice_id=None, step=Step.RATE, fault=reason
        )
    ready = [document.invoice for document in made if document.invoice.collects_until is None]
    issued = await issuing.issue_all(uow, actor=actor, now=now, organization_id=organization_id, drafts=ready, settings=known.settings)
    return Ran(issued=len(issued), drafted=len(made) - len(issued), lines=len(lines), failed=len(failed))


async def _apart(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    at: datetime,
    organization_id: UUID,
    account_ids: Sequence[UUID],
    fault: errors.Fault,
) -> Ran:
    """Bill each account by itself, since the usage of one of them can't be told; that one is left out with its reason."""
    if len(account_ids) == 1:
        await failing.write(
            uow, now=now, at=at, organization_id=organization_id, account_id=account_ids[0], invoice_id=None, step=Step.RATE, fault=fault
        )
        return Ran(failed=1)
    ran = Ran()
    for account_id in account_ids:
        ran += await run(uow, actor=actor, now=now, at=at, organization_id=organization_id, account_ids=[account_id])
    return ran


def lines_of(late: Mapping[UUID, Mapping[Currency, Document]]) -> list[Line]:
    """Return the lines of what was gathered."""
    return [line for documents in late.values() for one in documents.values() for line in one.lines]


def _is_used(late: Document, made: Sequence[Document]) -> bool:
    """Say whether what was gathered is on one of the documents now."""
    causes = {line.cause for line in late.lines}
    return any(
        document.invoice.account_id == late.invoice.account_id and any(line.cause in causes for line in document.lines) for document in made
    )


async def gathered(
    uow: db.UnitOfWork, *, organization_id: UUID, account_ids: Sequence[UUID], lock: bool = True
) -> dict[UUID, dict[Currency, Document]]:
    """Return what was gathered for accounts, by account and currency; locked, it stays so until the transaction ends."""
    invoices = await reading.gathering(uow, organization_id=organization_id, account_ids=account_ids, lock=lock)
    lines = await reading.lines_of_many(uow, organization_id=organization_id, invoice_ids=[one.id for one in invoices]) if invoices else {}
    found: dict[UUID, dict[Currency, Document]] = {}
    for one in invoices:
        found.setdefault(one.account_id, {})[one.currency] = Document(one, tuple(lines[one.id]))
    return found


def documents(
    due: Sequence[DueCharge],
    known: Context,
    late: Mapping[Currency, Document],
    *,
    account: Account,
    now: datetime,
    at: datetime,
) -> list[Document]:
    """Return the drafts of what is due of an account: one for each instant and currency, by time; what was gathered goes on the first.

    What a subscription owes that waits for its first payment is a draft of its own, with nothing else on it.

    The one way from what is due to a document, for bill runs and previews. Raises ``UsageInvalid``, ``AmountTooLarge``, ``TaxUnknown``,
    ``LinesTooMany``.
    """
    groups: dict[tuple[datetime, str, str], list[DueCharge]] = {}
    for one in due:
        apart = str(one.subscription_id) if one.alone else ""
        groups.setdefault((one.billable_at, known.versions[one.plan_version_id].currency.code, apart), []).append(one)
    left = dict(late)
    made, earlier, served = [], dict(known.billed), dict(known.served)
    for (billable_at, _, apart), charges in sorted(groups.items()):
        currency = known.versions[charges[0].plan_version_id].currency
        waiting = None if apart else left.pop(currency, None)
        more = () if waiting is None else tuple(pieces.of_line(line) for line in waiting.lines)
        so_far = replace(known, billed=earlier, served=served)
        document = _document(charges, so_far, more, account=account, currency=currency, billable_at=billable_at, now=now, at=at)
        for line in document.lines:  # an invoice of the same run may credit this one, or be for the same period
            earlier[line.cause] = line
            served[services.of_line(line)] = [*served.get(services.of_line(line), ()), line]
        made.append(document)
    return made


def _document(
    due: Sequence[DueCharge],
    known: Context,
    more: Sequence[Piece],
    *,
    account: Account,
    currency: Currency,
    billable_at: datetime,
    now: datetime,
    at: datetime,
) -> Document:
    settings = known.settings
    asked = drafting.Known(
        words=words.WORDS[account.locale],
        currency=currency,
        versions=known.versions,
        tax_codes=settings.tax_rate_codes,
        measured=known.measured,
        billed=known.billed,
        served=known.served,
    )
    made = [*drafting.pieces_of(due, asked), *more]
    discounts = amounts_off.discounts_of(made, earlier=known.served, versions=known.versions, currency=currency)
    totals, lines = drafting.summed(
        made,
        currency=currency,
        discounts=discounts,
        treatment=account.tax_treatment,
        rounding=settings.tax_rounding,
        rates=known.rates,
        ids=new_ids(at),
    )
    collects_until = billable_at + settings.grace
    waits = collects_until > now and any(one.cause in known.measured for one in due)
    invoice = drafted(
        account,
        totals,
        lines,
        currency=currency,
        discounts=discounts,
        settings=settings,
        billed_at=billable_at,
        now=now,
        invoice_id=ids.new_id(at),
    )
    return Document(replace(invoice, collects_until=collects_until if waits else None), lines)


def drafted(
    account: Account,
    totals: Totals,
    lines: Sequence[Line],
    *,
    currency: Currency,
    discounts: tuple[DocumentDiscount, ...],
    settings: SellerSettings,
    billed_at: datetime,
    now: datetime,
    invoice_id: UUID,
) -> Invoice:
    """Return a draft of an account, as it wants its documents."""
    return Invoice(
        id=invoice_id,
        account_id=account.id,
        currency=currency,
        origin=types.Origin.SUBSCRIPTION,
        state=types.State.DRAFT,
        payment=types.Payment.UNPAID,
        totals=totals,
        lines=len(lines),
        discounts=discounts,
        tax_treatment=account.tax_treatment,
        tax_rounding=settings.tax_rounding,
        locale=account.locale,
        zone=account.time_zone,
        terms_days=account.payment_terms_days,
        billed_at=billed_at,
        created_at=now,
        updated_at=now,
    )


def new_ids(at: datetime) -> Iterator[UUID]:
    """Yield new ids."""
    while True:
        yield ids.new_id(at)
