"""How a subscription stands and what was decided about it, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from carbonledger.domains.catalog.types import PlanVersion
from carbonledger.domains.subscriptions.service.telling import Told
from carbonledger.domains.subscriptions.types import Cycle, Fact, FactKind, Status, Subscription, View
from carbonledger.entrypoints.web.sections.invoices import wording as invoices
from carbonledger.kernel import zone as zones
from carbonledger.kernel.period import CalendarUnit, Interval

STATUSES: Final[Mapping[Status, tuple[str, str]]] = {
    Status.SCHEDULED: ("scheduled", ""),
    Status.TRIALING: ("trialing", "notice"),
    Status.INCOMPLETE: ("incomplete", "notice"),
    Status.ACTIVE: ("active", "good"),
    Status.PAST_DUE: ("past due", "problem"),
    Status.PAUSED: ("paused", "notice"),
    Status.CANCELED: ("canceled", ""),
    Status.ENDED: ("ended", ""),
}
"""Each status's word and the colour of its mark."""
ACTORS: Final[Mapping[str, str]] = {
    "member": "a member",
    "api_key": "an API key",
    "token": "a token",
    "system": "by itself",
    "operator": "the operator",
}
_KINDS: Final[Mapping[FactKind, str]] = {
    FactKind.STARTED: "the start",
    FactKind.TRIAL_ENDED: "the end of the trial",
    FactKind.PLAN_CHANGED: "the change of plan",
    FactKind.QUANTITY_CHANGED: "the change of seats",
    FactKind.ZONE_CHANGED: "the move to another time zone",
    FactKind.PAUSED: "the pause",
    FactKind.RESUMED: "the resumption",
    FactKind.PAST_DUE: "the failed payment",
    FactKind.SETTLED: "the payment",
    FactKind.CANCELED: "the cancellation",
    FactKind.ENDED: "the end",
    FactKind.EXPIRED: "the end without a payment",
    FactKind.REACTIVATED: "the reactivation",
    FactKind.WITHDRAWN: "a withdrawal",
}
_UNITS: Final[Mapping[CalendarUnit, str]] = {
    CalendarUnit.DAY: "day",
    CalendarUnit.WEEK: "week",
    CalendarUnit.MONTH: "month",
    CalendarUnit.QUARTER: "quarter",
    CalendarUnit.HALF_YEAR: "half-year",
    CalendarUnit.YEAR: "year",
}


def called(subscription: Subscription, plan: str) -> str:
    """Return what a subscription is called: its own name or external id, else its plan's name."""
    return subscription.name or subscription.external_id or plan


def seats(count: int) -> str:
    """Return so many seats."""
    return f"{count:,} seat{'' if count == 1 else 's'}"


def every(interval: Interval) -> str:
    """Return how often a plan's periods begin: ``each month``, ``every 2 weeks``."""
    unit = _UNITS.get(interval.unit, interval.unit.value)
    return f"each {unit}" if interval.count == 1 else f"every {interval.count} {unit}s"


def days(cycle: Cycle) -> str:
    """Return the days of a period that the subscription has."""
    return invoices.days(cycle.part, zones.named(cycle.zone))


def happened(told: Told, plans: Mapping[UUID, str]) -> str:
    """Return what a fact is, in words. ``plans``: what plan versions are called, by id."""
    told_by = _TOLD.get(told.fact.kind)
    return _PLAIN[told.fact.kind] if told_by is None else told_by(told, plans)


def _started(told: Told, plans: Mapping[UUID, str]) -> str:
    fact = told.fact
    more = ", with a trial" if fact.trialing else ", waiting for its first payment" if fact.payment_first else ""
    return f"Started on {_plan(fact, plans)} with {seats(fact.quantity or 0)}{more}"


def _plan_changed(told: Told, plans: Mapping[UUID, str]) -> str:
    more = "" if told.fact.quantity is None else f", {seats(told.fact.quantity)}"
    return f"Plan changed from {plans.get(told.version_before, 'another')} to {_plan(told.fact, plans)}{more}"


def _quantity_changed(told: Told, _: Mapping[UUID, str]) -> str:
    return f"{seats(told.fact.quantity or 0)} in place of {told.quantity_before:,}"


def _zone_changed(told: Told, _: Mapping[UUID, str]) -> str:
    return f"Days are those of {told.fact.zone} from here on"


def _canceled(told: Told, _: Mapping[UUID, str]) -> str:
    return f"Canceled{', and what was charged ahead is given back' if told.fact.credit else ''}"


def _withdrawn(told: Told, _: Mapping[UUID, str]) -> str:
    return "Withdrawn" if told.withdrawn is None else f"{_sentence(_KINDS[told.withdrawn.kind])} was taken back before it came"


_TOLD: Final[Mapping[FactKind, Callable[[Told, Mapping[UUID, str]], str]]] = {
    FactKind.STARTED: _started,
    FactKind.PLAN_CHANGED: _plan_changed,
    FactKind.QUANTITY_CHANGED: _quantity_changed,
    FactKind.ZONE_CHANGED: _zone_changed,
    FactKind.CANCELED: _canceled,
    FactKind.WITHDRAWN: _withdrawn,
}
_PLAIN: Final[Mapping[FactKind, str]] = {
    FactKind.TRIAL_ENDED: "Trial ended",
    FactKind.PAUSED: "Paused; nothing is charged for this time",
    FactKind.RESUMED: "Resumed",
    FactKind.PAST_DUE: "A payment failed",
    FactKind.SETTLED: "All is paid",
    FactKind.ENDED: "Ended",
    FactKind.EXPIRED: "Ended, since its first payment did not come in time",
    FactKind.REACTIVATED: "Reactivated, with a new period from here on",
}


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]


def _plan(fact: Fact, plans: Mapping[UUID, str]) -> str:
    return plans.get(fact.plan_version_id, "a plan") if fact.plan_version_id is not None else "a plan"


def version(of: PlanVersion, plan: str) -> str:
    """Return what a plan version is called."""
    return f"{plan}, version {of.number}"


def lead(view: View, *, zone: ZoneInfo) -> str:
    """Return what comes next for a subscription, in a sentence."""
    stands = view.standing
    if stands.over_at is not None:
        return f"It is over since {invoices.when(stands.over_at, zone)}. It can be reactivated."
    if stands.cancels_at is not None:
        return f"It is canceled as of {_on(stands.cancels_at, zone)}, and goes on until then."
    match stands.status:
        case Status.PAUSED:
            return _paused(view, zone)
        case Status.TRIALING:
            return _trialing(view, zone)
        case Status.SCHEDULED:
            return f"It begins on {_on(stands.started_at, zone)}."
        case _:
            return f"{_FIRST.get(stands.status, '')}{_renews(view, zone)}"


def _on(at: datetime, zone: ZoneInfo) -> str:
    return invoices.when(at, zone)


def _renews(view: View, zone: ZoneInfo) -> str:
    if view.standing.pauses_at is not None:
        return f"It pauses on {_on(view.standing.pauses_at, zone)}."
    if view.period is None:
        return "No period runs."
    return f"It renews on {invoices.day(view.period.after)}."


def _paused(view: View, zone: ZoneInfo) -> str:
    resumes = view.standing.resumes_at
    return "It is paused until somebody resumes it." if resumes is None else f"It is paused until {_on(resumes, zone)}."


def _trialing(view: View, zone: ZoneInfo) -> str:
    ends = view.standing.trial_ends_at
    return "It is on trial." if ends is None else f"It is on trial until {_on(ends, zone)}; then it is charged."


_FIRST: Final[Mapping[Status, str]] = {
    Status.INCOMPLETE: "It waits for its first payment. ",
    Status.PAST_DUE: "A payment failed. ",
}
