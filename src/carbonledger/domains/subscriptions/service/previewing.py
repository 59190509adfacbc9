"""Previews: periods and due charges of a subscription that doesn't exist, or of a change that nobody made, by the very same rules."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.accounts import service as accounts
from carbonledger.domains.catalog.types import PlanVersion, Proration
from carbonledger.domains.identity.service import organizations
from carbonledger.domains.subscriptions.core import charging, commands, cycles, standing, writing
from carbonledger.domains.subscriptions.service import beginning, recording
from carbonledger.domains.subscriptions.service.beginning import Draft
from carbonledger.domains.subscriptions.store import subscriptions as store
from carbonledger.domains.subscriptions.types import Cycle, DueCharge, Subscription, When
from carbonledger.infra import db
from carbonledger.kernel import errors
from carbonledger.kernel import zone as zones
from carbonledger.kernel.actor import Actor

PERIODS_MAX: Final = 60
CHANGES_MAX: Final = 20
_NOBODY: Final = UUID(int=0)
"""Whose charges a preview without an account shows, and the subscription that isn't."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change that a preview makes at ``at``: of plan, of quantity, or both."""

    at: datetime
    plan_id: UUID | None = None
    version: int | None = None
    quantity: int | None = None
    when: When | None = None
    proration: Proration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would be: periods in order, due charges in the order of becoming billable, and the plan versions that they name, by id."""

    zone: str
    currency: str
    trial_ends_at: datetime | None
    periods: tuple[Cycle, ...]
    charges: tuple[DueCharge, ...]
    versions: dict[UUID, PlanVersion]


async def preview(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    organization_id: UUID,
    draft: Draft,
    changes: tuple[Change, ...] = (),
    periods: int = 12,
) -> Preview:
    """Return the first ``periods`` (1 to ``PERIODS_MAX``) of a subscription as ``draft`` says, with ``changes`` by their times.

    Nothing is written. Raises what ``create`` and the changes would.
    """
    zone = await _zone(uow, organization_id=organization_id, draft=draft)
    version = await beginning.plan_version(
        uow, organization_id=organization_id, plan_id=draft.plan_id, number=draft.version, now=now, at=draft.start_at
    )
    own, told = await beginning.own_charges(uow, organization_id=organization_id, now=now, version=version, draft=draft.overrides)
    began = min(now, draft.start_at or now)
    facts, _ = beginning.begun(draft, version, actor=actor, now=began, zone=zone, overrides=own, told=told)
    desk = commands.Desk(facts=facts, versions={version.id: version}, actor=actor, at=now)
    for change in sorted(changes, key=lambda one: one.at):
        desk = await _changed(uow, desk, change, organization_id=organization_id, now=now)
    return _seen(
        desk, zone=zone, subscription_id=_NOBODY, account_id=draft.account_id or _NOBODY, periods=periods, since=None, charged_since=None
    )


async def preview_change(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, subscription_id: UUID, change: Change, periods: int = 2
) -> Preview:
    """Return what a change of a subscription would make of it: its periods from now on, and what would become billable that isn't billed.

    Nothing is written. Raises ``SubscriptionNotFound``, and what the change would.
    """
    found = await store.find(uow, organization_id=organization_id, subscription_id=subscription_id)
    if found is None:
        raise recording.missing(subscription_id)
    versions = await recording.versions_of(uow, organization_id=organization_id, subscriptions=[found])
    desk = commands.Desk(facts=found.facts, versions=versions, actor=actor, at=now)
    desk = await _changed(uow, desk, replace(change, at=max(change.at, now)), organization_id=organization_id, now=now)
    return _unbilled(desk, found, periods=periods)


async def preview_upcoming(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, subscription_id: UUID, periods: int = 2
) -> Preview:
    """Return a subscription as it stands: its periods from now on, and what becomes billable that isn't billed.

    Nothing is written. Raises ``SubscriptionNotFound``.
    """
    found = await store.find(uow, organization_id=organization_id, subscription_id=subscription_id)
    if found is None:
        raise recording.missing(subscription_id)
    versions = await recording.versions_of(uow, organization_id=organization_id, subscriptions=[found])
    desk = commands.Desk(facts=found.facts, versions=versions, actor=actor, at=now)
    return _unbilled(desk, found, periods=periods)


async def _zone(uow: db.UnitOfWork, *, organization_id: UUID, draft: Draft) -> str:
    if draft.account_id is not None:
        account = await accounts.find(uow, organization_id=organization_id, account_id=draft.account_id)
        return draft.zone or account.time_zone
    if draft.zone is not None:
        try:
            zones.named(draft.zone)
        except zones.ZoneUnknown as fault:
            raise errors.invalid("/time_zone", fault.code, str(fault)) from fault
        return draft.zone
    return (await organizations.find(uow, organization_id=organization_id)).time_zone


async def _changed(uow: db.UnitOfWork, desk: commands.Desk, change: Change, *, organization_id: UUID, now: datetime) -> commands.Desk:
    at = replace(desk, at=change.at)
    if change.plan_id is not None:
        target = await beginning.plan_version(
            uow, organization_id=organization_id, plan_id=change.plan_id, number=change.version, now=now, at=change.at
        )
        at = replace(at, versions={**at.versions, target.id: target})
        new = commands.change_plan(at, target, when=change.when, quantity=change.quantity, proration=change.proration)
    elif change.quantity is not None:
        new = commands.change_quantity(at, change.quantity, when=change.when, proration=change.proration)
    else:
        raise errors.invalid("/changes", "change_empty", "Change the plan, the quantity or both.")
    return replace(at, facts=(*at.facts, *new))


def _unbilled(desk: commands.Desk, found: Subscription, *, periods: int) -> Preview:
    """Return what ``desk`` makes of a subscription, with what becomes billable from now on, or is and isn't billed."""
    seen = _seen(
        desk,
        zone=desk.standing.zone,
        subscription_id=found.id,
        account_id=found.account_id,
        periods=periods,
        since=desk.at,
        charged_since=found.billed_until,
    )
    open_ = [
        due for due in seen.charges if found.billed_until is None or due.billable_at > found.billed_until or due.fact > found.billed_facts
    ]
    return replace(seen, charges=charging.netted(open_))


def _seen(
    desk: commands.Desk,
    *,
    zone: str,
    subscription_id: UUID,
    account_id: UUID,
    periods: int,
    since: datetime | None,
    charged_since: datetime | None,
) -> Preview:
    """Return periods that end after ``since``, and what becomes billable from ``charged_since`` on for them and those before."""
    found = cycles.cycles(desk.facts, desk.versions, since=since, limit=periods)
    books = writing.Books(subscription_id=subscription_id, account_id=account_id, versions=desk.versions)
    until = found[-1].part.end if found and found[-1].part.end is not None else desk.at
    due = charging.due_charges(desk.facts, books, since=charged_since, until=until)
    # The next period's charges in advance are due with the end of the last one shown, but are not of it.
    charges = tuple(one for one in due if one.service.start < until)
    started = standing.standing(desk.facts, at=desk.facts[0].effective_at)
    return Preview(
        zone=zone,
        currency=desk.version.currency.code,
        trial_ends_at=started.trial_ends_at,
        periods=found,
        charges=charges,
        versions=dict(desk.versions),
    )
