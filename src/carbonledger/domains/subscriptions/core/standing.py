"""Where a subscription stands at an instant: facts in, standing out. The instant itself belongs to what takes effect at it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from carbonledger.domains.subscriptions.core import story
from carbonledger.domains.subscriptions.types import OVER, Fact, FactKind, Standing, Status


def standing(facts: Sequence[Fact], *, at: datetime) -> Standing:
    """Return what ``facts`` say at the instant ``at``."""
    turns = story.tell(facts, until=at)
    state = turns[-1].after if turns else story.beginning(facts)
    future = pending(facts, at=at)
    return Standing(
        status=state.status,
        plan_version_id=state.plan_version_id,
        overrides=state.overrides,
        quantity=state.quantity,
        zone=state.zone,
        started_at=story.first_of(facts).effective_at,
        trial=state.trial,
        owing=state.owing,
        trial_ends_at=_planned(future, FactKind.TRIAL_ENDED),
        paused_at=_since(turns, FactKind.PAUSED) if state.status is Status.PAUSED else None,
        resumes_at=_planned(future, FactKind.RESUMED),
        pauses_at=_planned(future, FactKind.PAUSED),
        cancels_at=_planned(future, FactKind.CANCELED),
        over_at=_since(turns, FactKind.CANCELED, FactKind.ENDED) if state.status in OVER else None,
        pending=future,
    )


def pending(facts: Sequence[Fact], *, at: datetime) -> tuple[Fact, ...]:
    """Return the facts that are to take effect after ``at``, in order. One that can't by then, as things stand, is left out."""
    if all(fact.effective_at <= at for fact in facts):
        return ()
    return tuple(turn.fact for turn in story.tell(facts) if turn.fact.effective_at > at)


def _planned(future: Sequence[Fact], kind: FactKind) -> datetime | None:
    return next((fact.effective_at for fact in future if fact.kind is kind), None)


def _since(turns: Sequence[story.Turn], *kinds: FactKind) -> datetime | None:
    return next((turn.fact.effective_at for turn in reversed(turns) if turn.fact.kind in kinds), None)
