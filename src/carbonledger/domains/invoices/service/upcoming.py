"""The next invoice of a subscription before there is one, as it stands or after a change that nobody has made: worked out by what bills.

Nothing is written. Usage is what was used until now; what was gathered for the account goes on it, as it will.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from carbonledger.domains.accounts import service as accounts_service
from carbonledger.domains.catalog.types import PlanVersion
from carbonledger.domains.invoices.service import billing
from carbonledger.domains.invoices.service import context as contexts
from carbonledger.domains.invoices.service.billing import Document
from carbonledger.domains.invoices.types import invoices as types
from carbonledger.domains.subscriptions.service import previewing as subscriptions
from carbonledger.domains.subscriptions.service.previewing import Change
from carbonledger.domains.subscriptions.types import DueCharge
from carbonledger.infra import db
from carbonledger.kernel.actor import Actor


async def next_invoice(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    at: datetime,
    organization_id: UUID,
    subscription_id: UUID,
    change: Change | None = None,
) -> Document:
    """Return the next invoice that a subscription makes, after ``change`` if there is one.

    Raises ``SubscriptionNotFound``, ``NothingUpcoming``, what the change would, and what billing would.
    """
    seen = await _seen(uow, actor=actor, now=now, organization_id=organization_id, subscription_id=subscription_id, change=change)
    first = min((one.billable_at for one in seen.charges), default=None)
    if first is None:
        raise types.NothingUpcoming("It is over, or paused without an end, or everything is billed.")
    due = tuple(one for one in seen.charges if one.billable_at == first)
    return await _document(uow, now=now, at=at, organization_id=organization_id, due=due, versions=seen.versions)


async def _seen(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, subscription_id: UUID, change: Change | None
) -> subscriptions.Preview:
    if change is None:
        return await subscriptions.preview_upcoming(
            uow, now=now, actor=actor, organization_id=organization_id, subscription_id=subscription_id
        )
    return await subscriptions.preview_change(
        uow, actor=actor, now=now, organization_id=organization_id, subscription_id=subscription_id, change=change
    )


async def _document(
    uow: db.UnitOfWork,
    *,
    now: datetime,
    at: datetime,
    organization_id: UUID,
    due: tuple[DueCharge, ...],
    versions: dict[UUID, PlanVersion],
) -> Document:
    account_id = due[0].account_id
    gathered = await billing.gathered(uow, organization_id=organization_id, account_ids=[account_id], lock=False)
    late = billing.lines_of(gathered)
    known = await contexts.of_due(uow, now=now, organization_id=organization_id, due={account_id: due}, late=late)
    known = replace(known, versions={**known.versions, **versions})
    account = await accounts_service.find(uow, organization_id=organization_id, account_id=account_id)
    (document,) = billing.documents(due, known, gathered.get(account_id, {}), account=account, now=now, at=at)
    return document
