"""What can be done to a subscription: its plan and quantity changed, paused, resumed, canceled, reactivated."""

from __future__ import annotations

import enum
import functools
from datetime import datetime
from typing import Annotated, Any, Final, Protocol
from uuid import UUID

from pydantic import Field

from carbonledger.domains.accounts import types as account_types
from carbonledger.domains.catalog import types as catalog_types
from carbonledger.domains.subscriptions import service, types
from carbonledger.entrypoints.rest import routing, shapes, subscription_shapes
from carbonledger.entrypoints.rest.subscription_shapes import EXAMPLE, SubscriptionOut
from carbonledger.entrypoints.shared import access
from carbonledger.infra import db
from carbonledger.kernel.actor import Actor

router = routing.Router(prefix="/v1/subscriptions/{subscription_id}", tag="Subscriptions")

_WRITE: Final = access.scope("subscriptions:write")
_PAUSED: Final[dict[str, Any]] = {**EXAMPLE, "status": "paused", "paused_at": "2026-11-10T09:00:00Z"}
_CANCELED: Final[dict[str, Any]] = {**EXAMPLE, "status": "canceled", "current_period": None, "over_at": "2026-11-10T09:00:00Z"}

_Reason = Annotated[str, Field(max_length=10_000, description="For the history: up to 500 characters. No event carries it.")]


class Moment(enum.Enum):
    """When it takes effect."""

    NOW = "now"
    PERIOD_END = "period_end"


_WHEN: Final = {Moment.NOW: types.When.NOW, Moment.PERIOD_END: types.When.RENEWAL}


class SubscriptionPlanIn(shapes.In):
    """A change of plan."""

    plan_id: UUID
    plan_version: Annotated[int, Field(ge=1, le=1_000_000, description="Not given: the one in force.")] | None = None
    quantity: subscription_shapes.Quantity | None = None
    when: Annotated[types.When, Field(description="Not given: by the present plan's policy for upgrades or downgrades.")] | None = None
    proration: subscription_shapes.Cut | None = None
    charges: subscription_shapes.OwnCharges = Field(default_factory=list)


class SubscriptionQuantityIn(shapes.In):
    """A change of seats."""

    quantity: subscription_shapes.Quantity
    when: Annotated[types.When, Field(description="Not given: by the plan's policy for upgrades or downgrades.")] | None = None
    proration: subscription_shapes.Cut | None = None


class PauseIn(shapes.In):
    """A pause."""

    when: Moment = Moment.NOW
    until: Annotated[datetime, Field(description="When it resumes by itself. Not given: when somebody resumes it.")] | None = None
    proration: subscription_shapes.Cut | None = None
    reason: _Reason | None = None


class ResumeIn(shapes.In):
    """A resumption."""

    proration: subscription_shapes.Cut | None = None


class CancelIn(shapes.In):
    """A cancellation."""

    when: Moment = Moment.NOW
    credit: bool = Field(default=False, description="Give back what was charged ahead for the time after it.")
    proration: subscription_shapes.Cut | None = None
    reason: _Reason | None = None


class ReactivateIn(shapes.In):
    """A reactivation."""

    proration: subscription_shapes.Cut | None = None


class _UseCase(Protocol):
    async def __call__(
        self, uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, subscription_id: UUID
    ) -> types.View: ...


async def _done(call: routing.Call, subscription_id: UUID, use_case: _UseCase) -> SubscriptionOut:
    view = await use_case(
        call.uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, subscription_id=subscription_id
    )
    return subscription_shapes.to_api_subscription(view)


@router.post(
    "/change-plan",
    access=_WRITE,
    summary="Change the plan of a subscription",
    operation_id="changeSubscriptionPlan",
    examples={"request": {"plan_id": subscription_shapes.PLAN_ID, "when": "now"}, "response": EXAMPLE},
    errors=(
        types.SubscriptionNotFound,
        types.SubscriptionOver,
        types.SubscriptionStateRefuses,
        types.SubscriptionFactsFull,
        types.PlanCurrencyDiffers,
        catalog_types.PlanNotFound,
        catalog_types.PlanVersionNotFound,
        catalog_types.PlanArchived,
        catalog_types.PlanNotEffective,
    ),
)
async def change_subscription_plan(call: routing.CallDep, subscription_id: UUID, body: SubscriptionPlanIn) -> SubscriptionOut:
    """Change the plan, now or at renewal. A change that is planned already is replaced; to the plan it has, it is withdrawn.

    Now: what was charged ahead is given back for the time that is left, at the price that was charged, and the new plan is charged for it.
    The day of the change belongs to the new plan. A longer interval is an upgrade, a shorter one a downgrade; of one length the dearer is
    the upgrade. With another interval a new period begins.
    """
    changed = functools.partial(
        service.change_plan,
        plan_id=body.plan_id,
        version=body.plan_version,
        when=body.when,
        quantity=body.quantity,
        proration=body.proration,
        overrides=subscription_shapes.from_api_charges(body.charges),
    )
    return await _done(call, subscription_id, changed)


@router.post(
    "/change-quantity",
    access=_WRITE,
    summary="Change the seats of a subscription",
    operation_id="changeSubscriptionQuantity",
    examples={"request": {"quantity": 5}, "response": EXAMPLE},
    errors=(types.SubscriptionNotFound, types.SubscriptionOver, types.SubscriptionStateRefuses, types.SubscriptionFactsFull),
)
async def change_subscription_quantity(call: routing.CallDep, subscription_id: UUID, body: SubscriptionQuantityIn) -> SubscriptionOut:
    """Change the number of seats, now or at renewal."""
    changed = functools.partial(
        service.change_quantity,
        quantity=body.quantity,
        when=body.when,
        proration=body.proration,
    )
    return await _done(call, subscription_id, changed)


@router.post(
    "/pause",
    access=_WRITE,
    summary="Pause a subscription",
    operation_id="pauseSubscription",
    examples={"request": {"when": "now", "until": None}, "response": _PAUSED},
    errors=(
        types.SubscriptionNotFound,
        types.SubscriptionOver,
        types.SubscriptionPaused,
        types.SubscriptionStateRefuses,
        types.SubscriptionFactsFull,
    ),
)
async def pause_subscription(call: routing.CallDep, subscription_id: UUID, body: PauseIn) -> SubscriptionOut:
    """Pause, now or from the end of the period, until it is resumed or until a day.

    A pause is not charged: what was charged ahead for it is given back. The dates of periods stay. A paused trial has the days left
    that it had.
    """
    changed = functools.partial(
        service.pause,
        when=_WHEN[body.when],
        until=body.until,
        proration=body.proration,
        reason=body.reason,
    )
    return await _done(call, subscription_id, changed)


@router.post(
    "/resume",
    access=_WRITE,
    summary="Resume a subscription",
    operation_id="resumeSubscription",
    examples={"request": {}, "response": EXAMPLE},
    errors=(types.SubscriptionNotFound, types.SubscriptionNotPaused, types.SubscriptionFactsFull),
)
async def resume_subscription(call: routing.CallDep, subscription_id: UUID, body: ResumeIn) -> SubscriptionOut:
    """Resume now; the rest of the current period is charged. A pause that is only planned is withdrawn."""
    return await _done(call, subscription_id, functools.partial(service.resume, proration=body.proration))


@router.post(
    "/cancel",
    access=_WRITE,
    summary="Cancel a subscription",
    operation_id="cancelSubscription",
    examples={"request": {"when": "now", "credit": True}, "response": _CANCELED},
    errors=(types.SubscriptionNotFound, types.SubscriptionOver, types.SubscriptionStateRefuses, types.SubscriptionFactsFull),
)
async def cancel_subscription(call: routing.CallDep, subscription_id: UUID, body: CancelIn) -> SubscriptionOut:
    """Cancel, now or at the end of the period. Asked for the end again, nothing changes; now comes before the end.

    What is in arrears, and the usage until now, is due at once. The day of the cancellation still counts.
    """
    changed = functools.partial(
        service.cancel,
        when=_WHEN[body.when],
        credit=body.credit,
        proration=body.proration,
        reason=body.reason,
    )
    return await _done(call, subscription_id, changed)


@router.post(
    "/reactivate",
    access=_WRITE,
    summary="Reactivate a subscription",
    operation_id="reactivateSubscription",
    examples={"request": {}, "response": EXAMPLE},
    errors=(
        types.SubscriptionNotFound,
        types.SubscriptionNotCanceled,
        types.SubscriptionFactsFull,
        account_types.AccountDeleted,
    ),
)
async def reactivate_subscription(call: routing.CallDep, subscription_id: UUID, body: ReactivateIn) -> SubscriptionOut:
    """Withdraw a planned cancellation; or, of one that is canceled or ended, begin a new period today on the plan that it had."""
    return await _done(call, subscription_id, functools.partial(service.reactivate, proration=body.proration))
