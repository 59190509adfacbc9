"""How subscriptions stand on the wire: one as it stands, its facts, its periods and what is due."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import Field

from carbonledger.domains.catalog.types import AnchorKind, Proration, drafts
from carbonledger.domains.subscriptions import types
from carbonledger.entrypoints.rest import plan_shapes, shapes
from carbonledger.kernel import decimals, money
from carbonledger.kernel.currency import Currency
from carbonledger.kernel.period import Period

SUBSCRIPTION_ID: Final = "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0f01"
ACCOUNT_ID: Final = "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0e01"
PLAN_ID: Final = "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0f11"
VERSION_ID: Final = "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0f12"
_PERIOD: Final[dict[str, Any]] = {"start": "2026-11-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"}
CYCLE: Final[dict[str, Any]] = {
    "service": _PERIOD,
    "part": _PERIOD,
    "first_day": "2026-11-01",
    "last_day": "2026-11-30",
    "time_zone": "UTC",
}
EXAMPLE: Final[dict[str, Any]] = {
    "id": SUBSCRIPTION_ID,
    "account_id": ACCOUNT_ID,
    "external_id": "contract-17",
    "name": "Production",
    "status": "active",
    "plan_id": PLAN_ID,
    "plan_version_id": VERSION_ID,
    "plan_version": 1,
    "currency": "EUR",
    "quantity": 5,
    "time_zone": "UTC",
    "interval": {"unit": "month", "count": 1},
    "anchor_kind": "anniversary",
    "started_at": "2026-11-01T00:00:00Z",
    "trial_ends_at": None,
    "current_period": CYCLE,
    "paused_at": None,
    "pauses_at": None,
    "resumes_at": None,
    "cancels_at": None,
    "expires_at": None,
    "over_at": None,
    "own_charges": [],
    "planned": [],
    "metadata": {"contract": "2026-17"},
    "created_at": "2026-11-01T00:00:00Z",
    "updated_at": "2026-11-01T00:00:00Z",
}
FACT: Final[dict[str, Any]] = {
    "number": 1,
    "kind": "started",
    "effective_at": "2026-11-01T00:00:00Z",
    "recorded_at": "2026-11-01T00:00:00Z",
    "planned": False,
    "actor": {"kind": "api_key", "id": None},
    "plan_version_id": VERSION_ID,
    "quantity": 5,
    "proration": "day",
    "time_zone": "UTC",
    "anchor": None,
    "credit": None,
    "withdraws": None,
    "reason": None,
}

Quantity = Annotated[
    int,
    Field(ge=-1_000_000, le=10**12, description=f"Seats: a whole number from 0 to {types.QUANTITY_MAX:,}, for charges that are per seat."),
]
Cut = Annotated[Proration, Field(description="How a part of a period is charged. Not given: as the plan says.")]


OwnCharges = Annotated[
    list[plan_shapes.ChargeIn],
    Field(
        max_length=100,
        description="Charges of this customer's own, in place of the plan's with the same codes. They name its meters and tax rates only.",
    ),
]


class StretchOut(shapes.Out):
    """A stretch of time, `start` inside and `end` outside."""

    start: datetime
    end: datetime


class CycleOut(shapes.Out):
    """A service period, from local midnight to local midnight."""

    service: StretchOut = Field(description="The whole period.")
    part: StretchOut = Field(description="What the subscription has of it: less in a first or last one.")
    first_day: date
    last_day: date = Field(description="The last day inside.")
    time_zone: str


class ActorOut(shapes.Out):
    """Who decided."""

    kind: str
    id: UUID | None


class FactOut(shapes.Out):
    """One thing decided about a subscription. What does not belong to its kind is null."""

    number: int = Field(description="Counts from 1 in the order of recording.")
    kind: types.FactKind
    effective_at: datetime = Field(description="From when it holds.")
    recorded_at: datetime
    planned: bool = Field(description="It was decided before its instant.")
    actor: ActorOut
    plan_version_id: UUID | None
    quantity: int | None
    proration: Proration | None
    time_zone: str | None
    anchor: date | None
    credit: bool | None = Field(description="Of a cancellation: whether what was charged ahead is given back.")
    withdraws: int | None = Field(description="The number of a planned fact that this one takes back.")
    reason: str | None


class SubscriptionOut(shapes.Out):
    """A subscription as it stands."""

    id: UUID
    account_id: UUID
    external_id: str | None
    name: str | None
    status: types.Status
    plan_id: UUID
    plan_version_id: UUID
    plan_version: int
    currency: str
    quantity: int
    time_zone: str
    interval: plan_shapes.IntervalOut
    anchor_kind: AnchorKind
    started_at: datetime
    trial_ends_at: datetime | None
    current_period: CycleOut | None = Field(description="Null before the start, in a trial, and when it is over.")
    paused_at: datetime | None
    pauses_at: datetime | None = Field(description="When a planned pause begins.")
    resumes_at: datetime | None
    cancels_at: datetime | None = Field(description="When a planned cancellation takes effect.")
    expires_at: datetime | None = Field(description="When it ends unless its first payment comes; its unpaid invoice is void then.")
    over_at: datetime | None = Field(description="When it was canceled or ended.")
    own_charges: list[plan_shapes.ChargeOut] = Field(description="In place of the plan's with the same codes.")
    planned: list[FactOut] = Field(description="What takes effect later, in order.")
    metadata: dict[str, str]
    created_at: datetime
    updated_at: datetime


class DueChargeOut(shapes.Out):
    """One thing that is due: what for, when, which part of its price, and what it comes to."""

    cause: str = Field(description="Unique for ever; the line of an invoice carries it.")
    kind: types.DueKind
    code: str | None = Field(description="The charge's code; null for a setup fee and a commitment.")
    name: str | None
    charge_model: str | None
    plan_version_id: UUID
    service: StretchOut
    part: StretchOut
    numerator: int
    denominator: int = Field(description="`numerator / denominator` of the price is due: days, seconds, or 1 of 1.")
    quantity: int
    price: str | None = Field(description="The plan's figure of a setup fee or a commitment.")
    billable_at: datetime
    credits: str | None = Field(description="The cause that a credit gives back.")
    amount: str | None = Field(description="After the line's own discounts, before tax. Null where it rests on usage.")


def from_api_charges(charges: list[plan_shapes.ChargeIn]) -> drafts.VersionDraft | None:
    """Return a customer's own charges as they were sent, to be checked; None of none."""
    if not charges:
        return None
    _, draft = plan_shapes.from_api_change(plan_shapes.PlanChangeIn(charges=charges))
    return draft


def to_api_stretch(period: Period) -> StretchOut:
    """Return a period that has an end."""
    return StretchOut(start=period.start, end=period.end or period.start)


def to_api_cycle(cycle: types.Cycle) -> CycleOut:
    """Return a service period."""
    return CycleOut(
        service=to_api_stretch(cycle.service),
        part=to_api_stretch(cycle.part),
        first_day=cycle.first,
        last_day=cycle.last,
        time_zone=cycle.zone,
    )


def to_api_fact(fact: types.Fact) -> FactOut:
    """Return a fact."""
    return FactOut(
        number=fact.number,
        kind=fact.kind,
        effective_at=fact.effective_at,
        recorded_at=fact.recorded_at,
        planned=fact.planned,
        actor=ActorOut(kind=fact.actor_kind, id=fact.actor_id),
        plan_version_id=fact.plan_version_id,
        quantity=fact.quantity,
        proration=fact.proration,
        time_zone=fact.zone,
        anchor=fact.anchor,
        credit=fact.credit,
        withdraws=fact.withdraws,
        reason=fact.reason,
    )


def to_api_subscription(view: types.View) -> SubscriptionOut:
    """Return a subscription as it stands."""
    one, stands, version = view.subscription, view.standing, view.version
    return SubscriptionOut(
        id=one.id,
        account_id=one.account_id,
        external_id=one.external_id,
        name=one.name,
        status=stands.status,
        plan_id=version.plan_id,
        plan_version_id=version.id,
        plan_version=version.number,
        currency=one.currency,
        quantity=stands.quantity,
        time_zone=stands.zone,
        interval=plan_shapes.IntervalOut(unit=version.interval.unit, count=version.interval.count),
        anchor_kind=version.anchor,
        started_at=stands.started_at,
        trial_ends_at=stands.trial_ends_at,
        current_period=None if view.period is None else to_api_cycle(view.period),
        paused_at=stands.paused_at,
        pauses_at=stands.pauses_at,
        resumes_at=stands.resumes_at,
        cancels_at=stands.cancels_at,
        expires_at=stands.expires_at,
        over_at=stands.over_at,
        own_charges=[plan_shapes.to_api_charge(charge) for charge in stands.overrides],
        planned=[to_api_fact(fact) for fact in stands.pending],
        metadata=dict(one.metadata),
        created_at=one.created_at,
        updated_at=one.updated_at,
    )


def to_api_due_charge(due: types.DueCharge, amount: Decimal | None, currency: Currency) -> DueChargeOut:
    """Return a due charge with what it comes to."""
    charge = due.charge
    return DueChargeOut(
        cause=due.cause,
        kind=due.kind,
        code=None if charge is None else charge.code,
        name=None if charge is None else charge.name,
        charge_model=None if charge is None else charge.model.name,
        plan_version_id=due.plan_version_id,
        service=to_api_stretch(due.service),
        part=to_api_stretch(due.part),
        numerator=due.numerator,
        denominator=due.denominator,
        quantity=due.quantity,
        price=None if due.amount is None else decimals.to_api_decimal(due.amount),
        billable_at=due.billable_at,
        credits=due.credits,
        amount=None if amount is None else money.to_api_amount(money.Money(amount, currency)),
    )
