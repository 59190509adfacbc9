"""The facts of a subscription told in order: which took effect, and what stood before and after each.

Facts count in the order of ``(effective_at, number)``, so the order in which a store gives them out decides nothing. One that was withdrawn
before its instant, or whose move ``TRANSITIONS`` refuses there, has no effect and is not told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from carbonledger.domains.catalog.types import Charge
from carbonledger.domains.subscriptions import types
from carbonledger.domains.subscriptions.types import Fact, FactKind, Move, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What stands between two facts. ``trial``: it was never charged yet, because a trial is not over."""

    status: Status
    plan_version_id: UUID
    overrides: tuple[Charge, ...]
    quantity: int
    zone: str
    trial: bool
    owing: bool = False
    payment_first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A fact that took effect, and the states around it."""

    fact: Fact
    move: Move
    before: State
    after: State


_CHANGES = {FactKind.PLAN_CHANGED, FactKind.QUANTITY_CHANGED, FactKind.ZONE_CHANGED}
_PLAIN_MOVES = {
    FactKind.PAUSED: Move.PAUSE,
    FactKind.PAST_DUE: Move.FAIL_PAYMENT,
    FactKind.SETTLED: Move.SETTLE,
    FactKind.CANCELED: Move.CANCEL,
    FactKind.ENDED: Move.END,
    FactKind.EXPIRED: Move.EXPIRE,
    FactKind.REACTIVATED: Move.REACTIVATE,
    **dict.fromkeys(_CHANGES, Move.CHANGE),
}


def first_of(facts: Iterable[Fact]) -> Fact:
    """Return the fact that began it all. Raises ``ValueError`` where there is none: that is no subscription."""
    for fact in facts:
        if fact.kind is FactKind.STARTED:
            return fact
    raise ValueError("a subscription begins with its start")


def ordered(facts: Iterable[Fact]) -> tuple[Fact, ...]:
    """Return the facts that were not withdrawn in time, in the order in which they take effect."""
    every = tuple(facts)
    withdrawn = {fact.withdraws: fact.effective_at for fact in every if fact.kind is FactKind.WITHDRAWN}
    standing = (
        fact
        for fact in every
        if fact.kind is not FactKind.WITHDRAWN and not (fact.number in withdrawn and withdrawn[fact.number] < fact.effective_at)
    )
    return tuple(sorted(standing, key=lambda fact: (fact.effective_at, fact.number)))


def beginning(facts: Iterable[Fact]) -> State:
    """Return what stood before anything took effect."""
    start = first_of(facts)
    if start.plan_version_id is None or start.quantity is None or start.zone is None:
        raise ValueError("a start names its plan version, quantity and zone")
    return State(
        status=Status.SCHEDULED,
        plan_version_id=start.plan_version_id,
        overrides=start.overrides,
        quantity=start.quantity,
        zone=start.zone,
        trial=start.trialing,
        payment_first=start.payment_first,
    )


def tell(facts: Sequence[Fact], *, until: datetime | None = None) -> tuple[Turn, ...]:
    """Return the turns by ``until`` (inside; None: all that are known), in order."""
    state = beginning(facts)
    turns = []
    for fact in ordered(facts):
        if until is not None and fact.effective_at > until:
            break
        move = _move(state, fact)
        after = _after(state, fact, move)
        if after is not None:
            turns.append(Turn(fact=fact, move=move, before=state, after=after))
            state = after
    return tuple(turns)


def allows(state: State, move: Move) -> bool:
    """Say whether the table lets ``move`` happen in ``state``."""
    return state.status in types.TRANSITIONS[move]


def turned(state: State, fact: Fact) -> State | None:
    """Return what stands after ``fact``, or None if it can't happen in ``state``."""
    return _after(state, fact, _move(state, fact))


def _after(state: State, fact: Fact, move: Move) -> State | None:
    if fact.kind is FactKind.TRIAL_ENDED and state.status is not Status.TRIALING:
        return None  # the table lets a scheduled one become active, but by its start alone
    status = types.TRANSITIONS[move].get(state.status)
    return None if status is None else replace(state, status=status, **_effects(state, fact))


def _move(state: State, fact: Fact) -> Move:
    if fact.kind in (FactKind.STARTED, FactKind.TRIAL_ENDED):
        if fact.kind is FactKind.STARTED and state.trial:
            return Move.BEGIN_TRIAL
        return Move.AWAIT_PAYMENT if state.payment_first else Move.ACTIVATE
    if fact.kind is FactKind.RESUMED:
        if state.trial:
            return Move.RESUME_TRIAL
        return Move.RESUME_OWING if state.owing else Move.RESUME
    return _PLAIN_MOVES[fact.kind]


def _effects(state: State, fact: Fact) -> dict[str, Any]:
    """Return what the fact says of a state's fields, but for the status."""
    said: dict[str, Any] = {}
    match fact.kind:
        case FactKind.PLAN_CHANGED if fact.plan_version_id is not None:
            quantity = state.quantity if fact.quantity is None else fact.quantity
            said = {"plan_version_id": fact.plan_version_id, "overrides": fact.overrides, "quantity": quantity}
        case FactKind.QUANTITY_CHANGED if fact.quantity is not None:
            said = {"quantity": fact.quantity}
        case FactKind.ZONE_CHANGED if fact.zone is not None:
            said = {"zone": fact.zone}
        case FactKind.TRIAL_ENDED:
            said = {"trial": False}
        case FactKind.REACTIVATED:
            said = {"trial": False, "owing": False, "payment_first": False, "zone": fact.zone or state.zone}
        case FactKind.PAST_DUE | FactKind.SETTLED:
            said = {"owing": fact.kind is FactKind.PAST_DUE}
        case _:
            pass
    return said
