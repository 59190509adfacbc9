"""What people and payments do to a subscription: each use case holds it, adds facts, tells of them, and returns it as it stands."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from carbonledger.domains.accounts import service as accounts
from carbonledger.domains.catalog import service as catalog
from carbonledger.domains.catalog.types import Proration
from carbonledger.domains.catalog.types.drafts import VersionDraft
from carbonledger.domains.subscriptions.core import commands, drafts
from carbonledger.domains.subscriptions.service import beginning, recording
from carbonledger.domains.subscriptions.service.recording import Hand
from carbonledger.domains.subscriptions.types import View, When
from carbonledger.infra import db
from carbonledger.kernel import errors
from carbonledger.kernel.actor import Actor


async def change_plan(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    organization_id: UUID,
    subscription_id: UUID,
    plan_id: UUID,
    version: int | None = None,
    when: When | None = None,
    quantity: int | None = None,
    proration: Proration | None = None,
    overrides: VersionDraft | None = None,
) -> View:
    """Change the plan, now or at renewal (``when`` None: by the present plan's policy); the seats too, if ``quantity`` says.

    ``overrides``: charges of this customer's own in place of the version's with the same codes; none given, it has none from then on. To
    what stands: what was planned is withdrawn. Raises ``SubscriptionNotFound``, ``SubscriptionStateRefuses``, ``PlanCurrencyDiffers``,
    ``PlanNotFound``, ``PlanVersionNotFound``, ``PlanArchived``, ``PlanNotEffective``, ``errors.Invalid``.
    """
    hand = Hand(uow=uow, actor=actor, now=now, organization_id=organization_id)
    held, desk = await recording.held(hand, subscription_id)
    await catalog.mark_plans_used(uow, organization_id=organization_id, plan_ids=[plan_id], kind=recording.KIND, now=now)
    target = await beginning.plan_version(uow, organization_id=organization_id, plan_id=plan_id, number=version, now=now)
    own, told = await beginning.own_charges(uow, organization_id=organization_id, now=now, version=target, draft=overrides)
    errors.refuse(told)
    desk = replace(desk, versions={**desk.versions, target.id: target})
    new = commands.change_plan(desk, target, when=when, quantity=quantity, proration=proration, overrides=own)
    return await recording.record(hand, held, desk, new)


async def change_quantity(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    organization_id: UUID,
    subscription_id: UUID,
    quantity: int,
    when: When | None = None,
    proration: Proration | None = None,
) -> View:
    """Change the seats, now or at renewal (``when`` None: more by the plan's policy for upgrades, fewer by that for downgrades).

    Raises ``SubscriptionNotFound``, ``SubscriptionStateRefuses``, ``errors.Invalid``.
    """
    hand = Hand(uow=uow, actor=actor, now=now, organization_id=organization_id)
    held, desk = await recording.held(hand, subscription_id)
    return await recording.record(hand, held, desk, commands.change_quantity(desk, quantity, when=when, proration=proration))


async def pause(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    organization_id: UUID,
    subscription_id: UUID,
    when: When = When.NOW,
    until: datetime | None = None,
    proration: Proration | None = None,
    reason: str | None = None,
) -> View:
    """Pause, now or from the end of the period, until it is resumed or until ``until``; a trial stands still meanwhile.

    Raises ``SubscriptionNotFound``, ``SubscriptionPaused``, ``SubscriptionStateRefuses``, ``errors.Invalid``.
    """
    hand = Hand(uow=uow, actor=actor, now=now, organization_id=organization_id)
    held, desk = await recording.held(hand, subscription_id)
    new = commands.pause(desk, when=when, until=until, proration=proration, reason=drafts.reason(reason))
    return await recording.record(hand, held, desk, new)


async def resume(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    organization_id: UUID,
    subscription_id: UUID,
    proration: Proration | None = None,
) -> View:
    """Resume now, or withdraw a pause that is planned. Raises ``SubscriptionNotFound``, ``SubscriptionNotPaused``."""
    hand = Hand(uow=uow, actor=actor, now=now, organization_id=organization_id)
    held, desk = await recording.held(hand, subscription_id)
    return await recording.record(hand, held, desk, commands.resume(desk, proration=proration))


async def cancel(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    organization_id: UUID,
    subscription_id: UUID,
    when: When = When.NOW,
    credit: bool = False,
    proration: Proration | None = None,
    reason: str | None = None,
) -> View:
    """Cancel, now or at the end of the period. ``credit``: what was charged ahead for the time after it is given back.

    Raises ``SubscriptionNotFound``, ``SubscriptionOver``, ``SubscriptionStateRefuses``, ``errors.Invalid``.
    """
    hand = Hand(uow=uow, actor=actor, now=now, organization_id=organization_id)
    held, desk = await recording.held(hand, subscription_id)
    new = commands.cancel(desk, when=when, credit=credit, proration=proration, reason=drafts.reason(reason))
    return await recording.record(hand, held, desk, new)


async def reactivate(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    organization_id: UUID,
    subscription_id: UUID,
    proration: Proration | None = None,
) -> View:
    """Withdraw a planned cancellation; or begin anew, from today, one that is canceled or ended, on the plan that it had.

    Raises ``SubscriptionNotFound``, ``SubscriptionNotCanceled``, ``AccountDeleted``.
    """
    hand = Hand(uow=uow, actor=actor, now=now, organization_id=organization_id)
    held, desk = await recording.held(hand, subscription_id)
    await accounts.hold(uow, organization_id=organization_id, account_ids=[held.account_id])
    account = await accounts.find(uow, organization_id=organization_id, account_id=held.account_id)
    return await recording.record(hand, held, desk, commands.reactivate(desk, zone=account.time_zone, proration=proration))


async def record_payment(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, subscription_id: UUID, failed: bool
) -> View:
    """Note that a payment for it failed, or that all is settled: past due, or active again; what waits for its first payment begins.

    Saying the same again is nothing. Raises ``SubscriptionNotFound``.
    """
    hand = Hand(uow=uow, actor=actor, now=now, organization_id=organization_id)
    held, desk = await recording.held(hand, subscription_id)
    return await recording.record(hand, held, desk, commands.payment(desk, failed=failed))


async def end(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, subscription_id: UUID, reason: str | None = None
) -> View:
    """End it now though nobody asked for that, as when its first payment never came.

    Raises ``SubscriptionNotFound``, ``SubscriptionOver``, ``errors.Invalid``.
    """
    hand = Hand(uow=uow, actor=actor, now=now, organization_id=organization_id)
    held, desk = await recording.held(hand, subscription_id)
    return await recording.record(hand, held, desk, commands.end(desk, reason=drafts.reason(reason)))
