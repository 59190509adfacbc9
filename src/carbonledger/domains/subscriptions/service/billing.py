"""What the bill run asks of subscriptions: what is due and not billed yet, when the next of it comes, and the note that it is billed.

How a bill run uses it, all in one transaction: ``due`` (which holds the subscriptions until the transaction ends, so that nobody
changes one of them meanwhile and two bill runs take turns), write the lines, ``billed`` with the same arguments. Where it dies in between,
nothing is written, and the next run gets the same charges with the same causes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from carbonledger.domains.subscriptions.core import charging, writing
from carbonledger.domains.subscriptions.service import recording
from carbonledger.domains.subscriptions.store import billing as store
from carbonledger.domains.subscriptions.types import DueCharge, Subscription
from carbonledger.infra import db
from carbonledger.kernel import actor as actors


async def due(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    account_ids: Sequence[UUID] | None = None,
    until: datetime,
) -> Mapping[UUID, tuple[DueCharge, ...]]:
    """Return, by account, the charges that are billable by ``until`` (inside) and not billed yet, by the time at which they became so.

    ``account_ids`` None: of every account of the organization. An account of which nothing is due is left out. A charge and the credit of
    all of it, both not billed, are left out too: together they are nothing. The subscriptions are held until the transaction ends, and
    brought to ``until``, which must not be after the organization's time; those of which nothing is due are noted as billed at once.
    """
    hand = recording.Hand(uow=uow, actor=actors.system(organization_id), now=until, organization_id=organization_id)
    found = await store.claim(uow, organization_id=organization_id, account_ids=account_ids, until=until)
    versions = await recording.versions_of(uow, organization_id=organization_id, subscriptions=found)
    late = [one for one in found if one.next_due_at is not None and one.next_due_at <= until]
    if late:
        await recording.bring(hand, late, versions)
    by_account: dict[UUID, list[DueCharge]] = {}
    nothing: list[UUID] = []
    for one in found:
        books = writing.Books(subscription_id=one.id, account_id=one.account_id, versions=versions)
        charges = _open(one, charging.due_charges(one.facts, books, since=one.billed_until, until=until))
        if charges:
            by_account.setdefault(one.account_id, []).extend(charges)
        else:
            nothing.append(one.id)
    if nothing:
        await store.settled(uow, organization_id=organization_id, subscription_ids=nothing, until=until)
    return {account_id: tuple(sorted(charges, key=lambda due: due.billable_at)) for account_id, charges in by_account.items()}


def _open(subscription: Subscription, charges: Sequence[DueCharge]) -> tuple[DueCharge, ...]:
    """Return what is not billed. A fact recorded at the very instant up to which was billed makes things billable at that instant."""
    until, facts = subscription.billed_until, subscription.billed_facts
    return charging.netted([due for due in charges if until is None or due.billable_at > until or due.fact > facts])


async def billed(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    account_ids: Sequence[UUID] | None = None,
    until: datetime,
) -> None:
    """Note that what ``due`` returned for the same arguments in this transaction is billed, so that it is never returned again.

    What began or became billable for these accounts meanwhile is not among it, and stays to be billed.
    """
    await store.billed(uow, organization_id=organization_id, account_ids=account_ids, until=until)


async def hold(
    uow: db.UnitOfWork, *, organization_id: UUID, account_ids: Sequence[UUID], until: datetime, wait: bool = False
) -> tuple[UUID, ...]:
    """Return those of the accounts that this transaction may bill alone until it ends, by id: held, before ``due`` is asked for them.

    Left out are those that another transaction holds and those of which nothing is billable any more. ``wait``: until the other one ends.
    """
    return await store.hold(uow, organization_id=organization_id, account_ids=account_ids, until=until, wait=wait)


async def accounts_due(
    uow: db.UnitOfWork, *, organization_id: UUID, until: datetime, after: UUID | None = None, limit: int
) -> tuple[UUID, ...]:
    """Return up to ``limit`` accounts of which something may be billable by ``until``, by id, from the one after ``after``.

    The batches of a bill run. Of one that is named nothing may turn out to be due; ``due`` has it no longer named then.
    """
    return await store.accounts(uow, organization_id=organization_id, until=until, after=after, limit=limit)


async def awaiting_payment(uow: db.UnitOfWork, *, organization_id: UUID, subscription_ids: Sequence[UUID]) -> tuple[UUID, ...]:
    """Return those of the subscriptions that a payment would change: incomplete until the first one, or past due."""
    if not subscription_ids:
        return ()
    return await store.awaiting_payment(uow, organization_id=organization_id, subscription_ids=subscription_ids)


async def next_billable_at(uow: db.UnitOfWork, *, organization_id: UUID, until: datetime) -> datetime | None:
    """Return when something may next be billable, at or before ``until``; None if nothing is. What waits already counts with its time."""
    return await store.next_billable_at(uow, organization_id=organization_id, until=until)
