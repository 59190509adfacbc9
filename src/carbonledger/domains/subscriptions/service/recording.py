"""What every use case does: hold a subscription, bring it to now, add facts, and tell of them in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.accounts import service as accounts
from carbonledger.domains.catalog import service as catalog
from carbonledger.domains.catalog.types import PlanVersion
from carbonledger.domains.subscriptions import types
from carbonledger.domains.subscriptions.core import commands, indexing, standing
from carbonledger.domains.subscriptions.store import facts as fact_store
from carbonledger.domains.subscriptions.store import subscriptions as store
from carbonledger.domains.subscriptions.types import OVER, Fact, FactKind, Subscription, View
from carbonledger.infra import db, outbox
from carbonledger.kernel import instant
from carbonledger.kernel.actor import Actor

KIND: Final = "subscriptions"
"""What accounts and plans call these things when they say what uses them."""
CREATED: Final = "subscription.created"
PLANNED: Final = "subscription.planned"
WITHDRAWN: Final = "subscription.withdrawn"
_AREA: Final = "subscription"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """Who does what, when, for whom: what every step of a use case takes."""

    uow: db.UnitOfWork
    actor: Actor
    now: datetime
    organization_id: UUID

    async def emit(self, action: str, subscription: Subscription, after: Mapping[str, object]) -> None:
        """Write an event of a subscription."""
        told = {"account_id": str(subscription.account_id), **after}
        await outbox.emit(self.uow, actor=self.actor, now=self.now, action=action, target_type=_AREA, target_id=subscription.id, after=told)


async def versions_of(uow: db.UnitOfWork, *, organization_id: UUID, subscriptions: Iterable[Subscription]) -> dict[UUID, PlanVersion]:
    """Return every plan version that the facts of subscriptions name, in one statement."""
    wanted = {fact.plan_version_id for one in subscriptions for fact in one.facts if fact.plan_version_id is not None}
    return await catalog.find_versions(uow, organization_id=organization_id, version_ids=sorted(wanted)) if wanted else {}


def missing(subscription_id: UUID) -> types.SubscriptionNotFound:
    """Return the fault of a subscription that is not there."""
    return types.SubscriptionNotFound(f"There is no subscription {subscription_id}.")


async def held(hand: Hand, subscription_id: UUID) -> tuple[Subscription, commands.Desk]:
    """Return a subscription that nobody else changes or bills until the transaction ends, brought to now, and the desk for a command."""
    found = await store.find(hand.uow, organization_id=hand.organization_id, subscription_id=subscription_id, lock=True)
    if found is None:
        raise missing(subscription_id)
    versions = await versions_of(hand.uow, organization_id=hand.organization_id, subscriptions=[found])
    if found.next_due_at is not None and found.next_due_at <= hand.now:
        [found] = await bring(hand, [found], versions)
    return found, desk_of(hand, found, versions)


def desk_of(hand: Hand, subscription: Subscription, versions: Mapping[UUID, PlanVersion]) -> commands.Desk:
    """Return the desk for a command on a held subscription. What is billed is past, also where this clock shows a little less."""
    at = max(hand.now, subscription.billed_until or hand.now)
    return commands.Desk(facts=subscription.facts, versions=versions, actor=hand.actor, at=at)


async def bring(hand: Hand, found: Sequence[Subscription], versions: Mapping[UUID, PlanVersion]) -> list[Subscription]:
    """Bring held subscriptions to now: tell what came about, and write what their facts say, in few statements however many."""
    brought = [indexing.advanced(one, versions, now=hand.now) for one in found]
    await store.write(hand.uow, organization_id=hand.organization_id, written=[(one, _plan_id(one, versions)) for one in brought])
    await _tell(hand, found, versions)
    await _count(hand, [(before, after) for before, after in zip(found, brought, strict=True)])
    return brought


async def _tell(hand: Hand, found: Sequence[Subscription], versions: Mapping[UUID, PlanVersion]) -> None:
    """Tell what came about of subscriptions since they were looked at last: in order, and what is alike in one statement."""
    alike: dict[tuple[datetime, bool, str], list[tuple[UUID | str, Mapping[str, object]]]] = {}
    for one in found:
        for happening in indexing.happenings(one.facts, versions, after=one.advanced_until, until=hand.now):
            key = (happening.at, happening.word == indexing.RENEWED, happening.word)
            alike.setdefault(key, []).append((one.id, {"account_id": str(one.account_id), **_happened(happening)}))
    for (at, _, word), changes in sorted(alike.items()):
        await outbox.emit_many(hand.uow, actor=hand.actor, now=at, action=f"{_AREA}.{word}", target_type=_AREA, changes=changes)


def _happened(happening: indexing.Happening) -> dict[str, object]:
    if happening.period is not None and happening.period.end is not None:
        period = {"start": instant.to_api_instant(happening.period.start), "end": instant.to_api_instant(happening.period.end)}
        return {"period": period}
    return {} if happening.fact is None else told(happening.fact)


def _plan_id(subscription: Subscription, versions: Mapping[UUID, PlanVersion]) -> UUID:
    stands = standing.standing(subscription.facts, at=subscription.advanced_until)
    return versions[stands.plan_version_id].plan_id


async def _count(hand: Hand, moved: Sequence[tuple[Subscription, Subscription]]) -> None:
    """Tell accounts how many subscriptions are live for them, where one began or ended."""
    changed = sorted({after.account_id for before, after in moved if (before.status in OVER) is not (after.status in OVER)})
    if changed:
        await count(hand, changed)


async def count(hand: Hand, account_ids: Sequence[UUID]) -> None:
    """Tell accounts how many subscriptions are live for them.

    To tell holds what is told of these accounts until the transaction ends. Whoever did so before may have ended one that was counted
    here as live, so it is counted again then.
    """
    live = await store.live(hand.uow, organization_id=hand.organization_id, account_ids=account_ids)
    await accounts.set_uses(hand.uow, organization_id=hand.organization_id, kind=KIND, live=live)
    again = await store.live(hand.uow, organization_id=hand.organization_id, account_ids=account_ids)
    if again != live:
        await accounts.set_uses(hand.uow, organization_id=hand.organization_id, kind=KIND, live=again)


async def record(hand: Hand, subscription: Subscription, desk: commands.Desk, new: tuple[Fact, ...]) -> View:
    """Add facts to a held subscription, tell of them, and return it as it stands then. Nothing new changes nothing."""
    if not new:
        return indexing.view(subscription, desk.versions, at=desk.now)
    after = indexing.recorded(subscription, new, desk.versions, now=desk.now)
    await fact_store.add(hand.uow, organization_id=hand.organization_id, recorded=[(after.id, fact) for fact in new])
    await store.write(hand.uow, organization_id=hand.organization_id, written=[(after, _plan_id(after, desk.versions))])
    for fact in new:
        await hand.emit(action_of(fact, now=desk.now), after, told(fact))
    await _count(hand, [(subscription, after)])
    return indexing.view(after, desk.versions, at=desk.now)


def action_of(fact: Fact, *, now: datetime) -> str:
    """Return the event of a fact when it is recorded: what happened, or that it is planned; and of one withdrawn."""
    if fact.kind is FactKind.WITHDRAWN:
        return WITHDRAWN
    return PLANNED if fact.effective_at > now else f"{_AREA}.{fact.kind.value}"


def told(fact: Fact) -> dict[str, object]:
    """Return what an event says of a fact: never a reason, which may be about a person."""
    words: dict[str, object | None] = {
        "fact": fact.number,
        "kind": fact.kind.value,
        "effective_at": instant.to_api_instant(fact.effective_at),
        "plan_version_id": None if fact.plan_version_id is None else str(fact.plan_version_id),
        "quantity": fact.quantity,
        "proration": None if fact.proration is None else fact.proration.value,
        "zone": fact.zone,
        "credit": fact.credit,
        "withdraws": fact.withdraws,
    }
    return {name: value for name, value in words.items() if value is not None}
