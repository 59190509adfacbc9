"""Commitments: removal ordered ahead from a seller. The intent is written, a job orders, what the seller says is written.

A commitment never enters the inventory and compensates nothing. What is delivered is imported as a lot, by an operator, once the registry
shows its retirement. Commitments are the installation's; every use case here is for a transaction of the house.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.receipts.core import commitments as core
from carbonledger.domains.receipts.store import commitments as store
from carbonledger.domains.receipts.types import commitments as types
from carbonledger.domains.receipts.types import credits as credit_types
from carbonledger.domains.receipts.types.commitments import Commitment, CommitmentState, Order
from carbonledger.domains.receipts.types.ports import CreditSeller
from carbonledger.infra import db, outbox, queue
from carbonledger.kernel import errors, ids
from carbonledger.kernel.actor import Actor
from carbonledger.kernel.errors import Problem

PLACE_JOB: Final = "receipts.place_commitment"
FOLLOW_JOB: Final = "receipts.follow_commitments"
LISTED_MAX: Final = 1_000
_TEXT_MAX: Final = 200
_ALERTS: Final = {
    CommitmentState.DELIVERED: "info",
    CommitmentState.CANCELED: "warning",
    CommitmentState.REFUSED: "warning",
}


def seller_of(seller: CreditSeller | None) -> CreditSeller:
    """Return the seller that is set up. Raises ``SellerMissing``."""
    if seller is None:
        raise types.SellerMissing("Set CARBONLEDGER_STRIPE_CLIMATE_KEY to a Stripe key that may order climate products.")
    return seller


async def ask(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    at: datetime,
    seller: str,
    offer_id: str,
    milligrams: int,
    beneficiary: str | None,
) -> Commitment:
    """Write that removal is to be ordered, and have a job order it. Raises ``errors.Invalid``."""
    errors.refuse(_problems(offer_id=offer_id, milligrams=milligrams, beneficiary=beneficiary))
    made = Commitment(
        id=ids.new_id(at),
        seller=seller,
        offer_id=offer_id,
        quantity_mg=milligrams,
        beneficiary=beneficiary,
        state=CommitmentState.ASKED,
        order=None,
        refused_words=None,
        asked_at=now,
        updated_at=now,
    )
    await store.add(uow, commitment=made)
    await queue.enqueue(uow, name=PLACE_JOB, args={"commitment_id": str(made.id)}, now=now, actor=actor, dedupe_key=f"commitment:{made.id}")
    await _tell(uow, actor=actor, now=now, commitment=made)
    return made


def _problems(*, offer_id: str, milligrams: int, beneficiary: str | None) -> list[Problem]:
    found = []
    if not (0 < len(offer_id) <= _TEXT_MAX and offer_id.isascii() and offer_id.isprintable()):
        found.append(Problem("/offer", "offer_invalid", "Give the id of an offer, as `carbonledger credits offers` shows it."))
    if not 0 < milligrams <= credit_types.QUANTITY_MAX_MG:
        found.append(Problem("/tonnes", "tonnes_invalid", "Give more than 0 and at most 9,007,199 tonnes."))
    if beneficiary is not None and not (0 < len(beneficiary) <= _TEXT_MAX and beneficiary.isprintable()):
        found.append(Problem("/beneficiary", "beneficiary_invalid", f"Give 1 to {_TEXT_MAX} printable characters. It is shown in public."))
    return found


async def find(uow: db.UnitOfWork, *, commitment_id: UUID) -> Commitment:
    """Return a commitment. Raises ``CommitmentNotFound``."""
    found = await store.find(uow, commitment_id=commitment_id)
    if found is None:
        raise types.CommitmentNotFound(f"There is no commitment {commitment_id}.")
    return found


async def every(uow: db.UnitOfWork) -> tuple[Commitment, ...]:
    """Return commitments, the last one first, at most ``LISTED_MAX``."""
    return await store.some(uow, states=tuple(CommitmentState), limit=LISTED_MAX)


async def followed(uow: db.UnitOfWork) -> tuple[Commitment, ...]:
    """Return the commitments of which something new may be said, the last one first, at most ``LISTED_MAX``."""
    return await store.some(uow, states=types.FOLLOWED, limit=LISTED_MAX)


async def seen(uow: db.UnitOfWork, *, actor: Actor, now: datetime, commitment_id: UUID, order: Order) -> Commitment:
    """Write what the seller says of a commitment; the same again changes nothing. Raises ``CommitmentNotFound``, ``CommitmentReversed``."""
    return await _change(uow, actor=actor, now=now, commitment_id=commitment_id, order=order, words=None)


async def refused(uow: db.UnitOfWork, *, actor: Actor, now: datetime, commitment_id: UUID, words: str) -> Commitment:
    """Write that the seller does not take a commitment. Raises ``CommitmentNotFound``, ``CommitmentReversed``."""
    return await _change(uow, actor=actor, now=now, commitment_id=commitment_id, order=None, words=words)


async def _change(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, commitment_id: UUID, order: Order | None, words: str | None
) -> Commitment:
    old = await store.find(uow, commitment_id=commitment_id, lock=True)
    if old is None:
        raise types.CommitmentNotFound(f"There is no commitment {commitment_id}.")
    new = core.refused(old, words or "", now=now) if order is None else core.seen(old, order, now=now)
    if new is old:
        return old
    await store.change(uow, commitment=new)
    if new.state is not old.state:
        await _tell(uow, actor=actor, now=now, commitment=new)
    return new


async def _tell(uow: db.UnitOfWork, *, actor: Actor, now: datetime, commitment: Commitment) -> None:
    severity = _ALERTS.get(commitment.state)
    await outbox.emit(
        uow,
        actor=actor,
        now=now,
        action=f"credit_commitment.{commitment.state.value}",
        target_type="credit_commitment",
        target_id=commitment.id,
        after={"seller": commitment.seller, "offer": commitment.offer_id, "quantity_mg": commitment.quantity_mg},
        severity=severity,
        audience=None if severity is None else (outbox.OPERATORS,),
    )
