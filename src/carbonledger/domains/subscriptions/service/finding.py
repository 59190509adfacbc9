"""Subscriptions as they stand, one and many, and the history of one."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from carbonledger.domains.catalog.types import PlanVersion
from carbonledger.domains.subscriptions.core import indexing
from carbonledger.domains.subscriptions.service import recording
from carbonledger.domains.subscriptions.store import subscriptions as store
from carbonledger.domains.subscriptions.types import Fact, Status, Subscription, View
from carbonledger.infra import db
from carbonledger.kernel import page as pages


async def find(uow: db.UnitOfWork, *, organization_id: UUID, now: datetime, subscription_id: UUID) -> View:
    """Return a subscription as it stands at ``now``. Raises ``SubscriptionNotFound``."""
    found = await store.find(uow, organization_id=organization_id, subscription_id=subscription_id)
    if found is None:
        raise recording.missing(subscription_id)
    versions = await recording.versions_of(uow, organization_id=organization_id, subscriptions=[found])
    return indexing.view(found, versions, at=now)


async def versions_of(uow: db.UnitOfWork, *, organization_id: UUID, subscription: Subscription) -> dict[UUID, PlanVersion]:
    """Return every plan version that the facts of a subscription name, by id."""
    return await recording.versions_of(uow, organization_id=organization_id, subscriptions=[subscription])


async def some(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    now: datetime,
    page: pages.PageRequest,
    account_id: UUID | None = None,
    plan_id: UUID | None = None,
    status: Status | None = None,
    external_id: str | None = None,
) -> pages.Page[View]:
    """Return subscriptions as they stand at ``now``, newest first.

    ``status`` finds by what was noted last: within the hour in which a status changes by itself it may be the one before.
    """
    rows = await store.some(
        uow,
        organization_id=organization_id,
        account_id=account_id,
        plan_id=plan_id,
        status=status,
        external_id=external_id,
        before=pages.before_id(page),
        limit=page.limit + 1,
    )
    versions = await recording.versions_of(uow, organization_id=organization_id, subscriptions=rows)
    views = [indexing.view(one, versions, at=now) for one in rows]
    return pages.cut(views, limit=page.limit, key=lambda view: (str(view.subscription.id),))


async def history(uow: db.UnitOfWork, *, organization_id: UUID, subscription_id: UUID, page: pages.PageRequest) -> pages.Page[Fact]:
    """Return the facts of a subscription, the last recorded first. Raises ``SubscriptionNotFound``."""
    found = await store.find(uow, organization_id=organization_id, subscription_id=subscription_id)
    if found is None:
        raise recording.missing(subscription_id)
    before = _number_before(page)
    rows = [fact for fact in reversed(found.facts) if before is None or fact.number < before]
    return pages.cut(rows[: page.limit + 1], limit=page.limit, key=lambda fact: (str(fact.number),))


def _number_before(page: pages.PageRequest) -> int | None:
    if page.after is None:
        return None
    (last,) = page.after
    if not last.isdecimal() or len(last) > 9:  # noqa: PLR2004 - more digits are no number of ours
        raise pages.CursorUnreadable("This cursor belongs to another list.")
    return int(last)
