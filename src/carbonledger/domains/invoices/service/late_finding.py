"""Issued lines whose usage is not what was billed: counted again, and each difference as a piece, with what is kept of it.

A commitment that was made good on the same invoice is looked at again with its usage, as what is missing of it now is another amount. So
what comes late fills up the commitment first: the customer pays what they would have, had it come in time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final
from uuid import UUID

from carbonledger.domains.accounts import service as accounts_service
from carbonledger.domains.invoices.core import amounts_off, drafting, exact, pieces, services, words
from carbonledger.domains.invoices.core import late as late_core
from carbonledger.domains.invoices.core.pieces import Measured, Piece
from carbonledger.domains.invoices.service import collecting, measuring
from carbonledger.domains.invoices.service import context as contexts
from carbonledger.domains.invoices.store import reading, upkeep
from carbonledger.domains.invoices.types.failures import Late
from carbonledger.domains.invoices.types.invoices import DESCRIPTION_MAX_CHARS, Invoice, Line, LineKind
from carbonledger.domains.invoices.types.sellers import LateUsage
from carbonledger.infra import db
from carbonledger.kernel import decimals, ids

_ONE: Final = Decimal(1)
"""A commitment has no quantity: it is one thing before and after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A line that would come to something else now: the difference as a piece, and what is kept of it."""

    invoice: Invoice
    line: Line
    piece: Piece
    late: Late


@dataclass(frozen=True, slots=True, kw_only=True)
class _Before:
    """What was found of lines before, by their causes: the latest, and what was billed for it or let go. ``times``: how often billed."""

    latest: Mapping[str, Late]
    times: Mapping[str, int]
    billed: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fresh:
    """A line as it would be made now, and what shows it."""

    piece: Piece
    events: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """When is looked, and what was decided about what is found. ``at``: the clock of ids."""

    now: datetime
    at: datetime
    decision: LateUsage


async def found(
    uow: db.UnitOfWork, *, now: datetime, at: datetime, organization_id: UUID, rows: Sequence[tuple[UUID, Line]], decision: LateUsage
) -> list[Found]:
    """Return what differs of issued lines of usage, each with its invoice, and of the commitments beside them; the invoices are held.

    Lines of an invoice that was voided since they were chosen are left out: nothing is owed by it any more.
    """
    held = await reading.some(uow, organization_id=organization_id, invoice_ids={invoice_id for invoice_id, _ in rows}, lock=True)
    invoices = {one.id: one for one in held if one.state in reading.COUNTED_AGAIN}
    rows = [row for row in rows if row[0] in invoices]
    accounts = await accounts_service.find_many(
        uow, organization_id=organization_id, account_ids=[one.account_id for one in invoices.values()]
    )
    wanted = [
        one for invoice_id, line in rows if (one := collecting.wanted_of(line, accounts[invoices[invoice_id].account_id])) is not None
    ]
    measured = await measuring.measure(uow, now=now, organization_id=organization_id, wanted=wanted)
    before = await _before(uow, organization_id=organization_id, causes=list(measured))
    changed = [(invoice_id, line) for invoice_id, line in rows if _is_news(line, measured.get(line.cause), before)]
    fresh = {line.cause: pieces.again(pieces.of_line(line), measured[line.cause]) for _, line in rows if line.cause in measured}
    look = _Look(now=now, at=at, decision=decision)
    usage = [
        _difference(invoices[invoice_id], line, _of_usage(fresh[line.cause], measured[line.cause]), before, look)
        for invoice_id, line in changed
    ]
    usage += await _commitments(
        uow, organization_id=organization_id, invoices=invoices, changed=changed, fresh=fresh, measured=measured, look=look
    )
    return usage if decision is LateUsage.IGNORE_AND_REPORT else await _kept(uow, organization_id=organization_id, found=usage)


async def _kept(uow: db.UnitOfWork, *, organization_id: UUID, found: Sequence[Found]) -> list[Found]:
    """Return what was found with what is not given back of it, since it was never paid."""
    less = [one.piece for one in found if one.piece.gross < 0]
    if not less:
        return list(found)
    served = await contexts.served(uow, organization_id=organization_id, services=services.of_pieces(less))
    kept: dict[str, Decimal] = {}
    for service, earlier in served.items():
        mine = [one for one in found if services.of_piece(one.piece) == service]
        kept |= amounts_off.not_given_back([one.piece for one in mine], earlier=earlier, currency=mine[0].invoice.currency)
    return [replace(one, piece=amounts_off.keeping(one.piece, kept[one.piece.cause])) if one.piece.cause in kept else one for one in found]


async def _before(uow: db.UnitOfWork, *, organization_id: UUID, causes: Collection[str]) -> _Before:
    already = await reading.late_amounts(uow, organization_id=organization_id, causes=causes)
    ignored = await upkeep.ignored(uow, organization_id=organization_id, causes=causes)
    nothing = (0, Decimal(0))
    return _Before(
        latest=await upkeep.latest(uow, organization_id=organization_id, causes=causes),
        times={cause: times for cause, (times, _) in already.items()},
        billed={cause: already.get(cause, nothing)[1] + ignored.get(cause, Decimal(0)) for cause in causes},
    )


def _is_news(line: Line, usage: Measured | None, before: _Before) -> bool:
    known = before.latest[line.cause].digest if line.cause in before.latest else line.explained.digest
    return usage is not None and usage.digest != known


def _of_usage(piece: Piece, usage: Measured) -> _Fresh:
    return _Fresh(piece=piece, events=usage.events or 0, digest=usage.digest or "")


async def _commitments(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    invoices: Mapping[UUID, Invoice],
    changed: Sequence[tuple[UUID, Line]],
    fresh: Mapping[str, Piece],
    measured: Mapping[str, Measured],
    look: _Look,
) -> list[Found]:
    """Return the commitments of which something else is missing now that these lines have changed."""
    touched = {services.of_piece(pieces.of_line(line)) for _, line in changed}
    on_them = await reading.commitments(uow, organization_id=organization_id, invoice_ids={invoice_id for invoice_id, _ in changed})
    lines = [(invoice_id, line) for invoice_id, line in on_them if services.of_piece(pieces.of_line(line)) in touched]
    if not lines:
        return []
    wanted = drafting.commitments_of(line for _, line in lines)
    served = await contexts.served(uow, organization_id=organization_id, services=wanted)
    others = {service: [line for line in charged if line.cause not in fresh] for service, charged in served.items()}
    before = await _before(uow, organization_id=organization_id, causes=[line.cause for _, line in lines])
    made = []
    for invoice_id, line in lines:
        invoice = invoices[invoice_id]
        (now, *_) = drafting.recommitted([pieces.of_line(line), *fresh.values()], served=others, currency=invoice.currency)
        shown = [one for cause, one in measured.items() if services.of_piece(fresh[cause]) == services.of_piece(now)]
        made.append(_difference(invoice, line, _of_commitment(now, shown), before, look))
    return [one for one in made if one.late.amount]


def _of_commitment(piece: Piece, usage: Sequence[Measured]) -> _Fresh:
    """Return a commitment as it is now; what shows it is all the usage that counts for it."""
    digests = "".join(sorted(one.digest or "" for one in usage))
    return _Fresh(piece=piece, events=sum(one.events or 0 for one in usage), digest=hashlib.sha256(digests.encode()).hexdigest())


def _difference(invoice: Invoice, line: Line, fresh: _Fresh, before: _Before, look: _Look) -> Found:
    """Return what a line would come to now, less what was decided about: the line itself, and what came late before, billed or let go."""
    piece = fresh.piece
    billed = Fraction(line.amount) + Fraction(before.billed.get(line.cause, Decimal(0)))
    amount = exact.rounded(pieces.debited(piece) - billed, invoice.currency.minor_digits)
    latest = before.latest.get(line.cause)
    quantity_before = line.quantity if latest is None else latest.quantity_after
    said = words.WORDS[invoice.locale].late.format(name=line.description)
    said_of = {key: value for key, value in piece.explained.rated.items() if key not in ("gross", "discounts")}
    said_of["billed"] = decimals.to_api_decimal(exact.shown(billed))
    late = Late(
        id=ids.new_id(look.at),
        cause=line.cause,
        invoice_id=invoice.id,
        account_id=invoice.account_id,
        decision=look.decision,
        quantity_before=quantity_before,
        quantity_after=piece.quantity,
        amount=amount,
        currency=invoice.currency,
        events=fresh.events,
        digest=fresh.digest,
        found_at=look.now,
    )
    difference = replace(
        piece,
        cause=late_core.cause(line.cause, before.times.get(line.cause, 0) + 1),
        kind=LineKind.LATE,
        description=said[:DESCRIPTION_MAX_CHARS],
        undoes=line.cause,
        quantity=_ONE if line.kind is LineKind.COMMITMENT else piece.quantity - quantity_before,
        unit_price=None,
        gross=Fraction(amount),
        discounts=(),
        explained=replace(piece.explained, rated={**said_of, "gross": str(Fraction(amount)), "discounts": []}),
    )
    return Found(invoice=invoice, line=line, piece=difference, late=late)
