"""The life of a subscription told in order: what was decided, what came of it, what is planned, and the periods to come."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from carbonledger.domains.subscriptions.core import cycles, story
from carbonledger.domains.subscriptions.service import recording
from carbonledger.domains.subscriptions.types import Cycle, Fact, FactKind, Status, View
from carbonledger.infra import db


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A fact with the status before and after it. ``withdrawn``: of a fact that took one back, the one that it took back.

    A fact that never took effect, since it was withdrawn or could not happen any more, is not told by itself.
    """

    fact: Fact
    before: Status
    after: Status
    quantity_before: int
    version_before: UUID
    withdrawn: Fact | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A subscription's facts in the order in which they take effect, planned ones included, and the periods that begin after now."""

    told: tuple[Told, ...]
    coming: tuple[Cycle, ...]


async def story_of(uow: db.UnitOfWork, *, organization_id: UUID, now: datetime, view: View, periods: int) -> Story:
    """Return the story of a subscription with up to ``periods`` periods that begin after ``now``."""
    found = view.subscription
    versions = await recording.versions_of(uow, organization_id=organization_id, subscriptions=[found])
    seen = cycles.cycles(found.facts, versions, since=now, limit=periods + 1)
    return Story(told=_told(found.facts), coming=tuple(cycle for cycle in seen if cycle.part.start > now)[:periods])


def _told(facts: Sequence[Fact]) -> tuple[Told, ...]:
    turns = story.tell(facts)
    withdrawals = [_withdrawal(fact, facts, turns) for fact in facts if fact.kind is FactKind.WITHDRAWN]
    every = [*(_entry(turn.fact, turn.before, turn.after) for turn in turns), *withdrawals]
    return tuple(sorted(every, key=lambda one: (one.fact.effective_at, one.fact.number)))


def _withdrawal(fact: Fact, facts: Sequence[Fact], turns: Sequence[story.Turn]) -> Told:
    """Return what a withdrawal changed: nothing of how it stood then, and one fact less to come."""
    before = bisect.bisect(turns, (fact.effective_at, fact.number), key=lambda turn: (turn.fact.effective_at, turn.fact.number))
    state = turns[before - 1].after if before else story.beginning(facts)
    return _entry(fact, state, state, withdrawn=next(one for one in facts if one.number == fact.withdraws))


def _entry(fact: Fact, before: story.State, after: story.State, *, withdrawn: Fact | None = None) -> Told:
    return Told(
        fact=fact,
        before=before.status,
        after=after.status,
        quantity_before=before.quantity,
        version_before=before.plan_version_id,
        withdrawn=withdrawn,
    )
