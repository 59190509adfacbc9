"""Coverage: what of a cycle is charged under which terms, as stretches that meet without gap or overlap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from carbonledger.domains.catalog.types import Charge
from carbonledger.domains.subscriptions.core.story import State
from carbonledger.domains.subscriptions.types import BILLED


@dataclass(frozen=True, slots=True)
class Terms:
    """What a stretch is charged by: a plan version, this customer's own charges in it, and seats.

    ``billed``: whether it is charged at all.
    """

    plan_version_id: UUID
    overrides: tuple[Charge, ...]
    quantity: int
    billed: bool


@dataclass(frozen=True, slots=True)
class Stretch:
    """The time ``[start, end)`` under ``terms``. Never empty."""

    start: datetime
    end: datetime
    terms: Terms


Coverage = tuple[Stretch, ...]


def terms_of(state: State) -> Terms:
    """Return the terms of a state."""
    return Terms(state.plan_version_id, state.overrides, state.quantity, state.status in BILLED)


def covered(start: datetime, end: datetime, terms: Terms) -> Coverage:
    """Return one stretch, or none where it would be empty."""
    return (Stretch(start, end, terms),) if start < end else ()


def changed(coverage: Coverage, at: datetime, change: Callable[[Terms], Terms]) -> Coverage:
    """Return the coverage with ``change`` made to the terms from ``at`` on."""
    parts: list[Stretch] = []
    for stretch in coverage:
        for start, end, terms in (
            (stretch.start, min(stretch.end, at), stretch.terms),
            (max(stretch.start, at), stretch.end, change(stretch.terms)),
        ):
            if start < end:
                parts.append(Stretch(start, end, terms))
    return _merged(parts)


def _merged(parts: Sequence[Stretch]) -> Coverage:
    merged: list[Stretch] = []
    for part in parts:
        if merged and merged[-1].terms == part.terms and merged[-1].end == part.start:
            merged[-1] = replace(merged[-1], end=part.end)
        else:
            merged.append(part)
    return tuple(merged)


def followed(before: State, after: State) -> Callable[[Terms], Terms]:
    """Return what a turn makes of the terms of a stretch: only what it changed, so that a change during a pause charges nothing."""

    def change(terms: Terms) -> Terms:
        if (before.plan_version_id, before.overrides) != (after.plan_version_id, after.overrides):
            terms = replace(terms, plan_version_id=after.plan_version_id, overrides=after.overrides)
        if before.quantity != after.quantity:
            terms = replace(terms, quantity=after.quantity)
        billed = after.status in BILLED
        return replace(terms, billed=billed) if billed != (before.status in BILLED) else terms

    return change


def without(start: datetime, end: datetime, taken: Sequence[tuple[datetime, datetime]]) -> Iterator[tuple[datetime, datetime]]:
    """Yield what is left of ``[start, end)`` without the stretches ``taken``."""
    for taken_start, taken_end in sorted(taken):
        if taken_start > start and min(taken_start, end) > start:
            yield start, min(taken_start, end)
        start = max(start, taken_end)
        if start >= end:
            return
    if start < end:
        yield start, end
