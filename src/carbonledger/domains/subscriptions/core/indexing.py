"""What is kept beside the facts so that a subscription is found when something is due, and what happened to it as time went on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.catalog.types import PlanVersion, overridden
from carbonledger.domains.subscriptions.core import cycles, eras, standing, story
from carbonledger.domains.subscriptions.types import BILLED, Cycle, Fact, FactKind, Subscription, View
from carbonledger.kernel.period import Period

RENEWED = "renewed"
# That money came or failed to come makes nothing due: a bill run that settles what is past due has not left anything to bill.
_OF_PAYMENT: Final = frozenset({FactKind.PAST_DUE, FactKind.SETTLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One thing that came about as time went on: a planned fact took effect (``word`` is its kind), or a new period began (``RENEWED``)."""

    at: datetime
    word: str
    fact: Fact | None = None
    period: Period | None = None


def recorded(subscription: Subscription, new: Sequence[Fact], versions: Mapping[UUID, PlanVersion], *, now: datetime) -> Subscription:
    """Return the subscription with ``new`` facts, recorded at ``now``, and what is kept beside them."""
    facts = (*subscription.facts, *new)
    after = replace(subscription, facts=facts, updated_at=now)
    at_once = any(fact.effective_at <= now and fact.kind not in _OF_PAYMENT for fact in new)
    waits = subscription.billable_at if subscription.billable_at is not None and subscription.billable_at <= now else None
    return _kept(after, versions, now=now, billable=(waits, now if at_once else None))


def advanced(subscription: Subscription, versions: Mapping[UUID, PlanVersion], *, now: datetime) -> Subscription:
    """Return the subscription with what is kept beside its facts brought to ``now``."""
    return _kept(replace(subscription, updated_at=now), versions, now=now, billable=(subscription.billable_at,))


def _kept(
    subscription: Subscription, versions: Mapping[UUID, PlanVersion], *, now: datetime, billable: Sequence[datetime | None]
) -> Subscription:
    next_due_at = cycles.next_due(subscription.facts, versions, after=now)
    instants = [at for at in (*billable, next_due_at) if at is not None]
    return replace(
        subscription,
        status=standing.standing(subscription.facts, at=now).status,
        advanced_until=max(now, subscription.advanced_until),
        next_due_at=next_due_at,
        billable_at=min(instants, default=None),
    )


def happenings(facts: Sequence[Fact], versions: Mapping[UUID, PlanVersion], *, after: datetime, until: datetime) -> tuple[Happening, ...]:
    """Return what came about after ``after`` (outside) until ``until`` (inside), in order; of one instant facts first, then the period."""
    turns = story.tell(facts, until=until)
    found = [
        Happening(at=turn.fact.effective_at, word=turn.fact.kind.value, fact=turn.fact)
        for turn in turns
        if turn.fact.planned and turn.fact.effective_at > after
    ]
    for era in eras.eras(turns, versions):
        for span in era.spans(since=after):
            if span.start > until:
                break
            if span.start > max(after, era.since) and _is_billed(turns, span.start):
                found.append(Happening(at=span.start, word=RENEWED, period=Period(span.start, span.end)))
    return tuple(sorted(found, key=lambda happening: happening.at))  # stable: facts first


def _is_billed(turns: Sequence[story.Turn], at: datetime) -> bool:
    """Say whether time is charged at ``at``: a period that begins in a pause is no renewal."""
    return next((turn.after.status in BILLED for turn in reversed(turns) if turn.fact.effective_at <= at), False)


def view(subscription: Subscription, versions: Mapping[UUID, PlanVersion], *, at: datetime) -> View:
    """Return the subscription as it stands at ``at``."""
    stands = standing.standing(subscription.facts, at=at)
    span = cycles.current(subscription.facts, versions, at=at)
    period = None
    if span is not None:
        whole = Period(span.start, span.end)
        period = Cycle(service=whole, part=whole, first=span.first, after=span.after, zone=span.zone)
        known = cycles.cycles(subscription.facts, versions, since=at, limit=1)
        period = known[0] if known and known[0].service.contains(at) else period
    version = overridden(versions[stands.plan_version_id], stands.overrides)
    return View(subscription=subscription, standing=stands, version=version, period=period)
