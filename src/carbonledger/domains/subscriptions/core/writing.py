"""How a due charge is written: its cause, which stays the same for ever, and which part of the price its stretches are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.catalog.types import Charge, PlanVersion, Proration, overridden
from carbonledger.domains.subscriptions.core.coverage import Stretch, Terms
from carbonledger.domains.subscriptions.core.eras import Span
from carbonledger.domains.subscriptions.types import DueCharge, DueKind, Fact
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
    numerator, denominator = fraction(span, stretches, proration)
    service = Period(span.start, span.end)
    part = Period(stretches[0].start, stretches[-1].end)
    code = charge.code if charge is not None else SETUP_CODE if kind is DueKind.SETUP else f"{COMMITMENT_CODE}/{terms.plan_version_id}"
    names = (str(books.subscription_id), code, _spelt(service.start), _spelt(part.start), kind.value, str(fact.number))
    return DueCharge(
        cause="/".join(names),
        kind=kind,
        subscription_id=books.subscription_id,
        account_id=books.account_id,
        plan_version_id=terms.plan_version_id,
        charge=charge,
        service=service,
        part=part,
        stretches=periods_of(stretches),
        proration=proration,
        numerator=numerator,
        denominator=denominator,
        quantity=terms.quantity if charge is not None and charge.per_seat else 1,
        billable_at=max(at, fact.effective_at) if kind is DueKind.CREDIT else at,
        fact=fact.number,
    )


def _spelt(at: datetime) -> str:
    return instant.to_api_instant(at)


def periods_of(stretches: Sequence[Stretch]) -> tuple[Period, ...]:
    """Return the stretches as periods, those that meet as one."""
    merged: list[Period] = []
    for stretch in stretches:
        if merged and merged[-1].end == stretch.start:
            merged[-1] = Period(merged[-1].start, stretch.end)
        else:
            merged.append(Period(stretch.start, stretch.end))
    return tuple(merged)


def fraction(span: Span, stretches: Sequence[Stretch], proration: Proration) -> tuple[int, int]:
    """Return the part that ``stretches`` are of the cycle: local days, whole seconds, or 1 of 1."""
    if proration is Proration.NONE:
        return 1, 1
    if proration is Proration.SECOND:
        return sum(_seconds(stretch.start, stretch.end) for stretch in stretches), _seconds(span.start, span.end)
    days = sum((span.day(stretch.end) - span.day(stretch.start)).days for stretch in stretches)
    return days, (span.after - span.first).days


def _seconds(start: datetime, end: datetime) -> int:
    return int(end.timestamp()) - int(start.timestamp())
