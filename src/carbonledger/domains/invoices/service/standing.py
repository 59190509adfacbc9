"""How an issued invoice stands: made void, paid, given up. And the lists of invoices and lines."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.invoices.core import states
from carbonledger.domains.invoices.service import issuing, settling
from carbonledger.domains.invoices.store import reading, upkeep, writing
from carbonledger.domains.invoices.types import invoices as types
from carbonledger.domains.invoices.types.invoices import Filters, Invoice, Line, Move, Owed, State
from carbonledger.infra import db, outbox
from carbonledger.kernel import errors, line
from carbonledger.kernel import page as pages
from carbonledger.kernel.actor import Actor, Role
from carbonledger.kernel.errors import Problem

VOIDED: Final = "invoices.voided"
GIVEN_UP: Final = "invoices.uncollectible"
PAYMENT_FAILED: Final = "invoices.payment_failed"
_ACTIONS: Final = {Move.VOID: VOIDED, Move.GIVE_UP: GIVEN_UP, Move.PAY: issuing.PAID, Move.FAIL: PAYMENT_FAILED}
_PAYERS: Final = (Role.OWNER, Role.BILLING)


async def find(uow: db.UnitOfWork, *, organization_id: UUID, invoice_id: UUID) -> Invoice:
    """Return an invoice. Raises ``InvoiceNotFound``."""
    return _there(await reading.find(uow, organization_id=organization_id, invoice_id=invoice_id), invoice_id)


async def hold(uow: db.UnitOfWork, *, organization_id: UUID, invoice_id: UUID) -> Invoice:
    """Return an invoice that nobody else changes until the transaction ends. Raises ``InvoiceNotFound``."""
    return _there(await reading.find(uow, organization_id=organization_id, invoice_id=invoice_id, lock=True), invoice_id)


def _there(found: Invoice | None, invoice_id: UUID) -> Invoice:
    if found is None:
        raise types.InvoiceNotFound(f"There is no invoice {invoice_id}.")
    return found


async def listed(uow: db.UnitOfWork, *, organization_id: UUID, filters: Filters, page: pages.PageRequest) -> pages.Page[Invoice]:
    """Return invoices, the newest first."""
    found = await reading.listed(uow, organization_id=organization_id, filters=filters, before=pages.before_id(page), limit=page.limit + 1)
    return pages.cut(found, limit=page.limit, key=lambda last: (str(last.id),))


async def owed(uow: db.UnitOfWork, *, organization_id: UUID, today: date) -> list[Owed]:
    """Return what issued invoices are still owed, one for each currency in the order of codes, and what of it was due before ``today``."""
    return await reading.owed(uow, organization_id=organization_id, today=today)


async def lines(uow: db.UnitOfWork, *, organization_id: UUID, invoice_id: UUID, page: pages.PageRequest) -> pages.Page[Line]:
    """Return the lines of an invoice in their order. Raises ``InvoiceNotFound``."""
    await find(uow, organization_id=organization_id, invoice_id=invoice_id)
    after = 0
    if page.after is not None:
        (last,) = page.after
        if not (last.isascii() and last.isdigit() and len(last) < 10):  # noqa: PLR2004 - a position has at most four digits
            raise pages.CursorUnreadable("This cursor belongs to another list.")
        after = int(last)
    found = await reading.lines_of(uow, organization_id=organization_id, invoice_id=invoice_id, after=after, limit=page.limit + 1)
    return pages.cut(found, limit=page.limit, key=lambda last: (str(last.position),))


async def every_line(uow: db.UnitOfWork, *, organization_id: UUID, invoice_id: UUID) -> list[Line]:
    """Return all lines of an invoice in their order, at most ``LINES_MAX``."""
    return await reading.lines_of(uow, organization_id=organization_id, invoice_id=invoice_id)


async def void(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, invoice_id: UUID) -> Invoice:
    """Make an issued invoice void; it keeps its number. Doing it again changes nothing.

    What was on it stays billed: the causes of its lines are used up. Raises ``InvoiceNotFound``, ``AlreadyPaid``, ``InvoiceStateForbids``.
    """
    return await _moved(uow, actor=actor, now=now, organization_id=organization_id, invoice_id=invoice_id, move=Move.VOID)


async def give_up(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, invoice_id: UUID) -> Invoice:
    """Write that what is owed won't be paid; if it is after all, it can be. Raises as ``void`` does."""
    return await _moved(uow, actor=actor, now=now, organization_id=organization_id, invoice_id=invoice_id, move=Move.GIVE_UP)


async def record_payment(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, invoice_id: UUID, reference: str
) -> Invoice:
    """Write that an invoice was paid, wholly, outside: by a transfer that ``reference`` names. The same again changes nothing.

    Raises ``InvoiceNotFound``, ``AlreadyPaid`` (by something else), ``InvoiceStateForbids``, ``errors.Invalid``.
    """
    problems: list[Problem] = []
    kept = line.tidy(problems, "/reference", reference, max_chars=types.REFERENCE_MAX_CHARS)
    errors.refuse(problems)
    found = await hold(uow, organization_id=organization_id, invoice_id=invoice_id)
    if found.payment is types.Payment.PAID and found.reference == kept:
        return found
    return await _move(uow, actor=actor, now=now, organization_id=organization_id, before=found, move=Move.PAY, reference=kept)


async def fail_payment(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, invoice_id: UUID) -> Invoice:
    """Write that collecting an invoice failed. Saying so again changes nothing. Raises as ``void`` does."""
    found = await hold(uow, organization_id=organization_id, invoice_id=invoice_id)
    if found.payment is types.Payment.FAILED:
        return found
    return await _move(uow, actor=actor, now=now, organization_id=organization_id, before=found, move=Move.FAIL)


async def drop(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, invoice_id: UUID) -> None:
    """Drop a draft with its lines: nothing of it was billed. Raises ``InvoiceNotFound``, ``InvoiceStateForbids``.

    Only one that was made by hand: what a bill run drafted follows from its subscription, and would come again.
    """
    found = await hold(uow, organization_id=organization_id, invoice_id=invoice_id)
    states.require(found, Move.DROP)
    if found.origin is not types.Origin.ONE_OFF:
        raise types.InvoiceStateForbids("It follows from a subscription. Change that, and void the invoice once it is issued.")
    await let_go(uow, actor=actor, now=now, organization_id=organization_id, invoice_id=invoice_id)


async def let_go(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, invoice_id: UUID) -> None:
    """Drop a draft, which the transaction holds, with its lines; what a bill run put on it is not billed any more."""
    await upkeep.done_with(uow, organization_id=organization_id, invoice_ids=[invoice_id])
    await writing.drop(uow, organization_id=organization_id, invoice_ids=[invoice_id])
    await outbox.emit(uow, actor=actor, now=now, action="invoices.dropped", target_type=issuing.TARGET, target_id=invoice_id)


async def _moved(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, invoice_id: UUID, move: Move) -> Invoice:
    found = await hold(uow, organization_id=organization_id, invoice_id=invoice_id)
    if found.state is types.TRANSITIONS[move].state and found.state in (State.VOID, State.UNCOLLECTIBLE):
        return found
    return await _move(uow, actor=actor, now=now, organization_id=organization_id, before=found, move=move)


async def _move(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    organization_id: UUID,
    before: Invoice,
    move: Move,
    reference: str | None = None,
) -> Invoice:
    after = states.moved(before, move, now=now, reference=reference)
    await writing.put(uow, organization_id=organization_id, invoices=[after])
    if move is Move.PAY:
        await settling.settle(uow, actor=actor, now=now, organization_id=organization_id, invoice_ids=[after.id])
    elif move is Move.FAIL:
        await settling.fail(uow, actor=actor, now=now, organization_id=organization_id, invoice_id=after.id)
    elif move is Move.VOID:
        await upkeep.done_with(uow, organization_id=organization_id, invoice_ids=[after.id])
    is_alert = move is Move.FAIL
    await outbox.emit(
        uow,
        actor=actor,
        now=now,
        action=_ACTIONS[move],
        target_type=issuing.TARGET,
        target_id=after.id,
        before={"state": before.state.value, "payment": before.payment.value},
        after=issuing.told_of(after),
        severity="warning" if is_alert else None,
        audience=_PAYERS if is_alert else None,
    )
    return after
