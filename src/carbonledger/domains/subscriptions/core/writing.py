"""How a due charge is written: its cause, which stays the same for ever, and which part of the price its stretches are."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.catalog.types import Charge, PlanVersion, Proration, overridden
from carbonledger.domains.subscriptions.core.coverage import Stretch, Terms
from carbonledger.domains.subscriptions.core.spans import Span
from carbonledger.domains.subscriptions.types import Days, DueCharge, DueKind, Fact
from carbonledger.kernel import instant
from carbonledger.kernel.period import Period

SETUP_CODE: Final = "setup_fee"
COMMITMENT_CODE: Final = "minimum_commitment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Whose charges are counted, and by which versions (each that the facts name, by id)."""

    subscription_id: UUID
    account_id: UUID
    versions: Mapping[UUID, PlanVersion]

    def charges(self, terms: Terms) -> tuple[Charge, ...]:
        """Return what is charged under ``terms``, this customer's own charges in their places."""
        version = self.versions[terms.plan_version_id]
        return overridden(version, terms.overrides).charges if terms.overrides else version.charges


def written(
    books: Books,
    span: Span,
    fact: Fact,
    at: datetime,
    *,
    kind: DueKind,
    charge: Charge | None,
    stretches: tuple[Stretch, ...],
    proration: Proration,
) -> DueCharge:
    """Return the due charge of ``stretches`` of a cycle, billable at ``at``, that follows from ``fact``."""
    terms = stretches[-1].terms
    shape = _shape(span, tuple((one.start, one.end) for one in stretches), proration)
    code = charge.code if charge is not None else SETUP_CODE if kind is DueKind.SETUP else f"{COMMITMENT_CODE}/{terms.plan_version_id}"
    return DueCharge(
        cause=f"{books.subscription_id}/{code}/{shape.spelt}/{kind.value}/{fact.number}",
        kind=kind,
        subscription_id=books.subscription_id,
        account_id=books.account_id,
        plan_version_id=terms.plan_version_id,
        charge=charge,
        service=shape.service,
        part=shape.part,
        stretches=shape.stretches,
        proration=proration,
        numerator=shape.numerator,
        denominator=shape.denominator,
        quantity=terms.quantity if charge is not None and charge.per_seat else 1,
        billable_at=max(at, fact.effective_at) if kind is DueKind.CREDIT else at,
        fact=fact.number,
        days=shape.days,
        service_days=shape.service_days,
    )


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a due charge says of time: the same for all charges of a cycle, and for all customers whose cycles are the same."""

    service: Period
    part: Period
    stretches: tuple[Period, ...]
    numerator: int
    denominator: int
    days: Days
    service_days: Days
    spelt: str
    """Its place in a cause."""


@functools.lru_cache(maxsize=4096)
def _shape(span: Span, bounds: tuple[tuple[datetime, datetime], ...], proration: Proration) -> _Shape:
    service, part = Period(span.start, span.end), Period(bounds[0][0], bounds[-1][1])
    numerator, denominator = _fraction(span, bounds, proration)
    spelt = f"{instant.to_api_instant(service.start)}/{instant.to_api_instant(part.start)}"
    days = (span.day(bounds[0][0]), span.last_day(bounds[-1][1]))
    return _Shape(service, part, _periods(bounds), numerator, denominator, days, (span.first, span.last_day(span.end)), spelt)


def periods_of(stretches: Sequence[Stretch]) -> tuple[Period, ...]:
    """Return the stretches as periods, those that meet as one."""
    return _periods([(one.start, one.end) for one in stretches])


def _periods(bounds: Sequence[tuple[datetime, datetime]]) -> tuple[Period, ...]:
    merged: list[Period] = []
    for start, end in bounds:
        if merged and merged[-1].end == start:
            merged[-1] = Period(merged[-1].start, end)
        else:
            merged.append(Period(start, end))
    return tuple(merged)


def fraction(span: Span, stretches: Sequence[Stretch], proration: Proration) -> tuple[int, int]:
    """Return the part that ``stretches`` are of the cycle: local days, whole seconds, or 1 of 1."""
    return _fraction(span, [(one.start, one.end) for one in stretches], proration)


def _fraction(span: Span, bounds: Sequence[tuple[datetime, datetime]], proration: Proration) -> tuple[int, int]:
    if proration is Proration.NONE:
        return 1, 1
    if proration is Proration.SECOND:
        return sum(_seconds(start, end) for start, end in bounds), _seconds(span.start, span.end)
    days = sum((span.day(end) - span.day(start)).days for start, end in bounds)
    return days, (span.after - span.first).days


def _seconds(start: datetime, end: datetime) -> int:
    return int(end.timestamp()) - int(start.timestamp())
