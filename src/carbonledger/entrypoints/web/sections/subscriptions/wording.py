"""How a subscription's facts read on a screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.invoices.types.invoices import Invoice
from carbonledger.domains.subscriptions.types import Fact, FactKind, Status, View
from carbonledger.entrypoints.web.sections.invoices import wording as invoices

_WORDS: Final[Mapping[FactKind, str]] = {
    FactKind.STARTED: "Began",
    FactKind.TRIAL_ENDED: "Trial over",
    FactKind.PLAN_CHANGED: "Plan changed",
    FactKind.QUANTITY_CHANGED: "Quantity changed",
    FactKind.ZONE_CHANGED: "Time zone changed",
    FactKind.PAUSED: "Paused",
    FactKind.RESUMED: "Resumed",
    FactKind.PAST_DUE: "A payment failed",
    FactKind.SETTLED: "Settled",
    FactKind.CANCELED: "Canceled",
    FactKind.ENDED: "Ended",
    FactKind.REACTIVATED: "Taken up again",
    FactKind.WITHDRAWN: "A plan for later withdrawn",
}
_MARKS: Final[Mapping[Status, str]] = {
    Status.ACTIVE: "good",
    Status.PAST_DUE: "failed",
    Status.INCOMPLETE: "provisional",
    Status.TRIALING: "provisional",
    Status.SCHEDULED: "provisional",
    Status.PAUSED: "provisional",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a life. ``is_ahead``: it has not happened yet."""

    at: datetime
    words: str
    detail: str
    href: str | None = None
    is_ahead: bool = False


def mark(status: Status) -> tuple[str, str]:
    """Return a status in words, with its look."""
    return status.value.replace("_", " "), _MARKS.get(status, "")


def life(view: View, facts: tuple[Fact, ...], bills: tuple[Invoice, ...], plans: Mapping[UUID, str], *, now: datetime) -> list[Entry]:
    """Return what was decided and what was charged, what is ahead first, then the latest first."""
    found = [*_decided(facts, plans, now=now), *_charged(bills)]
    if view.period is not None and view.period.part.end is not None:
        found.append(Entry(view.period.part.end, "The next period begins", "unless something changes until then", is_ahead=True))
    return sorted(found, key=lambda entry: entry.at, reverse=True)


def _decided(facts: tuple[Fact, ...], plans: Mapping[UUID, str], *, now: datetime) -> Iterator[Entry]:
    withdrawn = {fact.withdraws for fact in facts if fact.kind is FactKind.WITHDRAWN}
    for fact in facts:
        if fact.number in withdrawn:
            continue
        is_ahead = fact.effective_at > now
        words = f"{_WORDS[fact.kind]}, planned" if is_ahead else _WORDS[fact.kind]
        yield Entry(fact.effective_at, words, ", ".join(_details(fact, plans)), is_ahead=is_ahead)


def _details(fact: Fact, plans: Mapping[UUID, str]) -> Iterator[str]:
    if fact.plan_version_id is not None:
        yield plans.get(fact.plan_version_id, "another plan")
    if fact.quantity is not None:
        yield f"{fact.quantity:,} seats"
    if fact.zone is not None and fact.kind is FactKind.ZONE_CHANGED:
        yield fact.zone
    if fact.trialing:
        yield "with a trial"
    if fact.credit:
        yield "what was paid ahead is given back"
    if fact.reason:
        yield fact.reason


def _charged(bills: tuple[Invoice, ...]) -> Iterator[Entry]:
    for one in bills:
        marks = ", ".join(mark.word for mark in invoices.marks(one))
        words = f"{invoices.name(one)}: {invoices.money(one.totals.total, one)}"
        yield Entry(one.billed_at, words, marks, href=f"/invoices/{one.id}")
