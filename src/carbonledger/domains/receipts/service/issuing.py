"""Receipts: issued of a closed period, deferred while there are too few credits, superseded, revoked.

Issuing is one transaction of the organization: the credits, their leaves, the serial, what is signed, its leaf and the row stand or fall
together. Locks are taken in one order: the period, its receipt, the counter of serials, the key, the head of the log, which orders the
inventory too. Asked again it finds what stands. Bundles and documents are made in ``bundling``.
"""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.identity.service import entitlements, organizations
from carbonledger.domains.receipts.core import stating
from carbonledger.domains.receipts.service import credits as inventory
from carbonledger.domains.receipts.service import log, periods, signing, totals
from carbonledger.domains.receipts.store import receipts as store
from carbonledger.domains.receipts.types import credits as credit_types
from carbonledger.domains.receipts.types import receipts as types
from carbonledger.domains.receipts.types.keys import Signing
from carbonledger.domains.receipts.types.receipts import Receipt, Signed, State
from carbonledger.domains.receipts.types.totals import ClosedPeriod
from carbonledger.infra import db, outbox, queue
from carbonledger.kernel import ids
from carbonledger.kernel import page as pages
from carbonledger.kernel.actor import Actor, Role
from carbonledger_proof import errors as proof_errors
from carbonledger_proof import keys, leaves, serials, statement

PROVE_JOB: Final = "receipts.prove"
ISSUED: Final = "receipts.issued"
DEFERRED: Final = "receipts.deferred"
SUPERSEDED: Final = "receipts.superseded"
REVOKED: Final = "receipts.revoked"
_SEED_BYTES: Final = 32
_LOOKS_MAX: Final = 5  # each further one is for credits that came between two statements of ours, and were given away between the next two
READERS: Final = (Role.OWNER, Role.BILLING)
"""Who is told of a receipt."""


class _CreditsCame(Exception):
    """There are enough credits now, though there were too few a moment ago."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Who acts, when (business time and real time), and for which organization."""

    actor: Actor
    now: datetime
    at: datetime
    organization_id: UUID
    salt: bytes = field(repr=False)
    """The secret of the organization that its pseudonym is made with (``proving.salt``)."""


@dataclass(frozen=True, slots=True)
class _Begun:
    """What a receipt to be signed begins with, taken in this order before the head of the log."""

    closed: ClosedPeriod
    is_test: bool
    serial: str
    by: Signing


async def issue(uow: db.UnitOfWork, *, turn: Turn, period_id: UUID, again: bool = False) -> Receipt | None:
    """Issue the receipt of a closed period, or defer it while there are too few credits; None where the plan has no receipts.

    What was issued is returned as it is. One that was revoked is followed by another only if it is asked for (``again``). Raises
    ``PeriodNotFound``, ``PeriodWaits``, ``SerialsExhausted``, ``SigningKeyClosed``, ``SigningKeyMissing``; ``InventoryShort`` only where
    credits came and were gone again at every look.
    """
    organization_id = turn.organization_id
    if not await entitlements.has(uow, organization_id=organization_id, key=types.RECEIPTS):
        return None
    await periods.hold(uow, organization_id=organization_id, period_id=period_id)  # of two at once the second finds what the first made
    closed = await totals.closed(uow, organization_id=organization_id, period_id=period_id)
    newest = await store.newest(uow, organization_id=organization_id, period_id=period_id)
    if newest is not None and (newest.state is State.ISSUED or (newest.state is State.REVOKED and not again)):
        return newest
    waits = newest if newest is not None and newest.state is State.DEFERRED else None
    for _ in range(_LOOKS_MAX):
        try:
            async with uow.savepoint():
                return await _issue(uow, turn, closed, waits)
        except credit_types.InventoryShort as short:
            needed_mg = short.needed_mg
        with contextlib.suppress(_CreditsCame):
            async with uow.savepoint():
                return await _defer(uow, turn, closed, waits, needed_mg=needed_mg)
    return await _issue(uow, turn, closed, waits)


async def _issue(uow: db.UnitOfWork, turn: Turn, closed: ClosedPeriod, waits: Receipt | None) -> Receipt:
    due = waits or _due(closed, at=turn.at)
    begun = await _begin(uow, turn, closed)
    made = await _signed(uow, turn, begun, due)
    put = store.add if waits is None else store.put
    await put(uow, organization_id=turn.organization_id, receipt=made)
    await _ask_for_proof(uow, turn, made)
    await _tell(uow, turn, made, action=ISSUED, audience=READERS, severity="info")
    return made


async def _defer(uow: db.UnitOfWork, turn: Turn, closed: ClosedPeriod, waits: Receipt | None, *, needed_mg: int) -> Receipt:
    """Write that the receipt waits. Raises ``_CreditsCame``: undo this, for issuing takes other locks before the head."""
    # Undoing the issue let go of the head: a lot that was imported since has had its jobs look at a table without this row. From here on
    # whoever imports comes after the row.
    await log.turn(uow, at=turn.at)
    if await inventory.suffices(uow, organization_id=turn.organization_id, milligrams=needed_mg):
        raise _CreditsCame
    if waits is not None and waits.required_mg == needed_mg:
        return waits
    if waits is not None:  # the plan changed
        changed = replace(waits, required_mg=needed_mg, updated_at=turn.at)
        await store.put(uow, organization_id=turn.organization_id, receipt=changed)
        return changed
    made = replace(_due(closed, at=turn.at), required_mg=needed_mg, deferred_at=turn.at)
    await store.add(uow, organization_id=turn.organization_id, receipt=made)
    await _tell(uow, turn, made, action=DEFERRED, audience=(outbox.OPERATORS,), severity="warning")
    return made


def _due(closed: ClosedPeriod, *, at: datetime, supersedes: UUID | None = None) -> Receipt:
    return Receipt(
        id=ids.new_id(at),
        period_id=closed.period.id,
        month=closed.period.month,
        state=State.DEFERRED,
        required_mg=0,
        signed=None,
        supersedes=supersedes,
        superseded_by=None,
        revocation=None,
        deferred_at=None,
        ended_at=None,
        bundle=None,
        document=None,
        created_at=at,
        updated_at=at,
    )


async def _begin(uow: db.UnitOfWork, turn: Turn, closed: ClosedPeriod) -> _Begun:
    is_test = (await organizations.find(uow, organization_id=turn.organization_id)).is_sandbox
    serial = await _serial(uow, closed)
    return _Begun(closed, is_test, serial, await signing.current(uow, purpose=keys.Purpose.RECEIPTS, at=turn.at))


async def _signed(uow: db.UnitOfWork, turn: Turn, begun: _Begun, due: Receipt, *, supersedes: str | None = None) -> Receipt:
    """Return the receipt as issued: with its credits, its signature and its leaf. Raises ``InventoryShort``."""
    policy = await inventory.offset_policy(uow, organization_id=turn.organization_id)
    required_mg = stating.required_mg(begun.closed, policy) or 0
    given = await inventory.allocate(
        uow,
        actor=turn.actor,
        now=turn.now,
        at=turn.at,
        organization_id=turn.organization_id,
        receipt_id=due.id,
        serial=begun.serial,
        milligrams=required_mg,
    )
    facts = await _facts(uow, turn, begun, supersedes=supersedes)
    receipt = stating.receipt(begun.closed, facts, policy=policy, allocations=given)
    entry = await log.append(uow, statement=leaves.of_receipt(receipt), at=turn.at)
    signed = Signed(
        receipt=receipt,
        signature=statement.signed(receipt, begun.by.sign),
        digest=bytes.fromhex(receipt.sha256),
        log_index=entry.index,
    )
    return replace(due, state=stating.move(due.state, State.ISSUED), required_mg=required_mg, signed=signed, updated_at=turn.at)


async def _facts(uow: db.UnitOfWork, turn: Turn, begun: _Begun, *, supersedes: str | None) -> stating.Facts:
    origin = await log.origin(uow)
    if origin is None:
        raise RuntimeError("there is a key, and the log has no name")
    mine = turn.organization_id
    return stating.Facts(
        test=begun.is_test,
        serial=begun.serial,
        issuer=origin,
        organization=stating.pseudonym(turn.salt, mine),
        issued_at=await log.turn(uow, at=turn.at),
        kid=begun.by.key.kid,
        receipts=await store.serials_of(uow, organization_id=mine),
        supersedes=supersedes,
    )


async def _serial(uow: db.UnitOfWork, closed: ClosedPeriod) -> str:
    # The seed hides from readers of serials how many there are. Who reads the table of it sees the receipts themselves: no secret to them.
    seed, number = await store.count_one(uow, month=closed.period.month, seed=secrets.token_bytes(_SEED_BYTES))
    try:
        return serials.make(seed, month=f"{closed.period.month:%Y-%m}", counter=number)
    except proof_errors.SerialsExhausted as error:
        raise types.SerialsExhausted(str(error)) from error


async def supersede(uow: db.UnitOfWork, *, turn: Turn, receipt_id: UUID) -> Receipt:
    """Put another receipt in the place of one, with the plan and the key of today; return the new one.

    What the old one held is free first, so that it may be given to the new one; with too few credits nothing happens. Raises
    ``ReceiptNotFound``, ``ReceiptEnded``, ``InventoryShort``.
    """
    organization_id, at = turn.organization_id, turn.at
    old = await _held(uow, organization_id=organization_id, receipt_id=receipt_id)
    state = stating.move(old.state, State.SUPERSEDED)
    closed = await totals.closed(uow, organization_id=organization_id, period_id=old.period_id)
    begun = await _begin(uow, turn, closed)
    await inventory.release(uow, actor=turn.actor, now=turn.now, at=at, organization_id=organization_id, receipt_id=old.id)
    due = _due(closed, at=at, supersedes=old.id)
    ended = replace(old, state=state, superseded_by=due.id, ended_at=at, updated_at=at, bundle=None, document=None)
    await store.put(uow, organization_id=organization_id, receipt=ended)
    made = await _signed(uow, turn, begun, due, supersedes=_stated(old).serial)
    await store.add(uow, organization_id=organization_id, receipt=made)
    leaf = leaves.ReceiptSuperseded(at=await log.turn(uow, at=at), serial=_stated(old).serial, by=_stated(made).serial)
    await log.append(uow, statement=leaf, at=at)
    await _ask_for_proof(uow, turn, made)
    await _tell(uow, turn, ended, action=SUPERSEDED, audience=READERS, severity="warning", by=_stated(made).serial)
    return made


async def revoke(uow: db.UnitOfWork, *, turn: Turn, receipt_id: UUID, reason: types.Revocation) -> Receipt:
    """End a receipt without another in its place; what it held is free again. Raises ``ReceiptNotFound``, ``ReceiptEnded``."""
    organization_id, at = turn.organization_id, turn.at
    old = await _held(uow, organization_id=organization_id, receipt_id=receipt_id)
    ended = replace(
        old, state=stating.move(old.state, State.REVOKED), revocation=reason, ended_at=at, updated_at=at, bundle=None, document=None
    )
    await inventory.release(uow, actor=turn.actor, now=turn.now, at=at, organization_id=organization_id, receipt_id=old.id)
    leaf = leaves.ReceiptRevoked(at=await log.turn(uow, at=at), serial=_stated(old).serial, reason=reason)
    await log.append(uow, statement=leaf, at=at)
    await store.put(uow, organization_id=organization_id, receipt=ended)
    await _ask_for_proof(uow, turn, ended)
    await _tell(uow, turn, ended, action=REVOKED, audience=(*READERS, outbox.OPERATORS), severity="warning")
    return ended


async def find(uow: db.UnitOfWork, *, organization_id: UUID, receipt_id: UUID) -> Receipt:
    """Return a receipt. Raises ``ReceiptNotFound``."""
    found = await store.find(uow, organization_id=organization_id, receipt_id=receipt_id)
    if found is None:
        raise types.ReceiptNotFound(f"There is no receipt {receipt_id}.")
    return found


async def list_receipts(uow: db.UnitOfWork, *, organization_id: UUID, page: pages.PageRequest) -> pages.Page[Receipt]:
    """Return receipts, the newest first; those that wait for credits and those that ended too."""
    rows = await store.some(uow, organization_id=organization_id, before=pages.before_id(page), limit=page.limit + 1)
    return pages.cut(rows, limit=page.limit, key=lambda receipt: (str(receipt.id),))


async def waiting(uow: db.UnitOfWork) -> list[tuple[UUID, UUID]]:
    """Return organization and period of every receipt that waits for credits, the oldest first; in no organization's transaction."""
    return await store.deferred(uow)


async def owner(uow: db.UnitOfWork, *, serial: str) -> tuple[UUID, UUID]:
    """Return organization and id of a receipt, for operators, who see every organization. Raises ``ReceiptNotFound``."""
    try:
        parsed = serials.parse(serial)
    except proof_errors.SerialInvalid as error:
        raise types.ReceiptNotFound(str(error)) from error
    found = await store.owner(uow, serial=parsed)
    if found is None:
        raise types.ReceiptNotFound(f"No receipt has the serial {parsed}.")
    return found


async def _held(uow: db.UnitOfWork, *, organization_id: UUID, receipt_id: UUID) -> Receipt:
    """Return a receipt, held, and its period before it, as whoever issues does."""
    found = await find(uow, organization_id=organization_id, receipt_id=receipt_id)
    await periods.hold(uow, organization_id=organization_id, period_id=found.period_id)
    held = await store.find(uow, organization_id=organization_id, receipt_id=receipt_id, lock=True)
    if held is None:
        raise AssertionError("a receipt is never deleted")
    return held


def _stated(receipt: Receipt) -> statement.Receipt:
    if receipt.signed is None:
        raise types.ReceiptDeferred("The receipt waits for retired credits.")
    return receipt.signed.receipt


async def _ask_for_proof(uow: db.UnitOfWork, turn: Turn, receipt: Receipt) -> None:
    await queue.enqueue(uow, name=PROVE_JOB, args={}, now=turn.now, actor=turn.actor, dedupe_key=f"{receipt.id} {receipt.state.value}")


async def _tell(
    uow: db.UnitOfWork, turn: Turn, receipt: Receipt, *, action: str, audience: tuple[Role | str, ...], severity: str, by: str | None = None
) -> None:
    after = {"period_id": str(receipt.period_id), "state": receipt.state.value, "required_mg": receipt.required_mg}
    if receipt.signed is not None:
        after["serial"] = receipt.signed.serial
    if by is not None:
        after["superseded_by"] = by
    await outbox.emit(
        uow,
        actor=turn.actor,
        now=turn.now,
        action=action,
        target_type="receipt",
        target_id=receipt.id,
        after=after,
        severity=severity,
        audience=audience,
    )
