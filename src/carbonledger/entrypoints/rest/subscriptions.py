"""Subscriptions: begun, listed, read, and their history."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query
from pydantic import Field

from carbonledger.domains.accounts import types as account_types
from carbonledger.domains.catalog import types as catalog_types
from carbonledger.domains.subscriptions import service, types
from carbonledger.entrypoints.rest import routing, shapes, subscription_shapes
from carbonledger.entrypoints.rest.subscription_shapes import FactOut, SubscriptionOut
from carbonledger.entrypoints.shared import access
from carbonledger.kernel import decimals, page

router = routing.Router(prefix="/v1/subscriptions", tag="Subscriptions")

_READ: Final = access.scope("subscriptions:read")
_WRITE: Final = access.scope("subscriptions:write")
_SENT: Final[dict[str, Any]] = {
    "account_id": subscription_shapes.ACCOUNT_ID,
    "plan_id": subscription_shapes.PLAN_ID,
    "quantity": 5,
    "external_id": "contract-17",
    "name": "Production",
    "metadata": {"contract": "2026-17"},
}

_Text = Annotated[str, Field(max_length=1000)]
_Metadata = Annotated[
    dict[Annotated[str, Field(max_length=1000)], Annotated[str, Field(max_length=10_000)]],
    Field(max_length=1000, description="At most 50 keys of 40 characters, with texts of 500."),
]


class TermsIn(shapes.In):
    """What a subscription takes, from when."""

    plan_id: UUID
    plan_version: Annotated[int, Field(ge=1, le=1_000_000, description="Not given: the one in force when it starts.")] | None = None
    quantity: subscription_shapes.Quantity = 1
    start_at: Annotated[datetime, Field(description="Not given: now. In the past, it is charged from then on.")] | None = None
    anchor: (
        Annotated[
            date,
            Field(description="The day from which periods are counted, with a part before the first. Not given: the first day charged."),
        ]
        | None
    ) = None
    trial_days: Annotated[int, Field(ge=-1_000_000, le=1_000_000, description="Not given: as the plan says.")] | None = None
    ends_at: Annotated[datetime, Field(description="When it ends by itself. Not given: never.")] | None = None
    proration: subscription_shapes.Cut | None = None
    charges: subscription_shapes.OwnCharges = Field(default_factory=list)


class SubscriptionIn(TermsIn):
    """A subscription to begin."""

    account_id: UUID
    payment_first: bool = Field(
        default=False,
        description="It is `incomplete` until its first payment is recorded; without one for 23 hours it ends, and its invoice is void.",
    )
    external_id: Annotated[str, Field(max_length=1000, description="Your own id. Put nothing personal in it.")] | None = None
    name: _Text | None = None
    metadata: _Metadata = Field(default_factory=dict)


@router.post(
    "",
    access=_WRITE,
    status_code=201,
    summary="Begin a subscription",
    operation_id="createSubscription",
    examples={"request": _SENT, "response": subscription_shapes.EXAMPLE},
    errors=(
        account_types.AccountNotFound,
        account_types.AccountDeleted,
        catalog_types.PlanNotFound,
        catalog_types.PlanVersionNotFound,
        catalog_types.PlanArchived,
        catalog_types.PlanNotEffective,
        types.SubscriptionExternalIdTaken,
    ),
)
async def create_subscription(call: routing.CallDep, body: SubscriptionIn) -> SubscriptionOut:
    """Begin a subscription of an account to a plan: now, later, or as of a day in the past.

    Its days begin at midnight in the account's time zone. It keeps the plan's version, whatever the plan becomes, until it is changed or
    the new version takes it along.
    """
    view = await service.create(
        call.uow,
        actor=call.actor,
        now=call.now,
        at=call.at,
        organization_id=call.caller.organization_id,
        draft=service.Draft(
            account_id=body.account_id,
            plan_id=body.plan_id,
            version=body.plan_version,
            quantity=body.quantity,
            start_at=body.start_at,
            anchor=body.anchor,
            trial_days=body.trial_days,
            ends_at=body.ends_at,
            payment_first=body.payment_first,
            proration=body.proration,
            overrides=subscription_shapes.from_api_charges(body.charges),
            external_id=body.external_id,
            name=body.name,
            metadata=body.metadata,
        ),
    )
    call.created(f"/v1/subscriptions/{view.subscription.id}")
    return subscription_shapes.to_api_subscription(view)


@router.get(
    "",
    access=_READ,
    summary="List subscriptions",
    operation_id="listSubscriptions",
    examples={"response": {"data": [subscription_shapes.EXAMPLE], "next_cursor": None}},
    errors=(page.CursorUnreadable,),
)
async def list_subscriptions(
    call: routing.CallDep,
    *,
    account_id: UUID | None = None,
    plan_id: UUID | None = None,
    status: types.Status | None = None,
    external_id: Annotated[str | None, Query(max_length=1000)] = None,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=page.CURSOR_MAX_CHARS)] = None,
) -> shapes.ListOut[SubscriptionOut]:
    """List subscriptions as they stand, newest first.

    `status` finds by what was noted last: one that changes by itself is found by its new status within the hour.
    """
    found = await service.some(
        call.uow,
        organization_id=call.caller.organization_id,
        now=call.now,
        page=call.page(limit=limit, cursor=cursor, parts=1),
        account_id=account_id,
        plan_id=plan_id,
        status=status,
        external_id=external_id,
    )
    return shapes.ListOut[SubscriptionOut](
        data=[subscription_shapes.to_api_subscription(view) for view in found.data], next_cursor=found.next_cursor
    )


@router.get(
    "/{subscription_id}",
    access=_READ,
    summary="Read a subscription",
    operation_id="getSubscription",
    examples={"response": subscription_shapes.EXAMPLE},
    errors=(types.SubscriptionNotFound,),
)
async def get_subscription(call: routing.CallDep, subscription_id: UUID) -> SubscriptionOut:
    """Read a subscription as it stands now, with what is planned."""
    view = await service.find(call.uow, organization_id=call.caller.organization_id, now=call.now, subscription_id=subscription_id)
    return subscription_shapes.to_api_subscription(view)


@router.get(
    "/{subscription_id}/history",
    access=_READ,
    summary="Read the history of a subscription",
    operation_id="getSubscriptionHistory",
    examples={"response": {"data": [subscription_shapes.FACT], "next_cursor": None}},
    errors=(types.SubscriptionNotFound, page.CursorUnreadable),
)
async def get_subscription_history(
    call: routing.CallDep,
    subscription_id: UUID,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=page.CURSOR_MAX_CHARS)] = None,
) -> shapes.ListOut[FactOut]:
    """List everything that was decided about a subscription, the last first. Nothing of it is ever changed."""
    found = await service.history(
        call.uow,
        organization_id=call.caller.organization_id,
        subscription_id=subscription_id,
        page=call.page(limit=limit, cursor=cursor, parts=1),
    )
    return shapes.ListOut[FactOut](data=[subscription_shapes.to_api_fact(fact) for fact in found.data], next_cursor=found.next_cursor)


class StretchUsageOut(shapes.Out):
    """What was used in a stretch of the period."""

    period: subscription_shapes.StretchOut
    quantity: str


class ChargeUsageOut(shapes.Out):
    """What was used of one charge."""

    code: str
    name: str
    charge_model: str
    meter_code: str | None
    quantity: str | None = Field(description="Of all stretches; null where it does not follow from theirs, as for unique values.")
    stretches: list[StretchUsageOut] = Field(description="One, unless a pause or another plan came between.")


class SubscriptionUsageOut(shapes.Out):
    """What was used in the current period."""

    subscription_id: UUID
    period: subscription_shapes.CycleOut | None = Field(description="Null before the start, in a trial, and when it is over.")
    as_of: datetime
    charges: list[ChargeUsageOut]


_USAGE: Final[dict[str, Any]] = {
    "subscription_id": subscription_shapes.SUBSCRIPTION_ID,
    "period": subscription_shapes.CYCLE,
    "as_of": "2026-11-20T10:00:00Z",
    "charges": [
        {
            "code": "calls",
            "name": "Calls",
            "charge_model": "standard",
            "meter_code": "calls",
            "quantity": "1204",
            "stretches": [{"period": {"start": "2026-11-01T00:00:00Z", "end": "2026-11-20T10:00:00Z"}, "quantity": "1204"}],
        }
    ],
}


def _to_api_used(used: service.Used) -> ChargeUsageOut:
    return ChargeUsageOut(
        code=used.charge.code,
        name=used.charge.name,
        charge_model=used.charge.model.name,
        meter_code=used.charge.meter_code,
        quantity=None if used.quantity is None else decimals.to_api_decimal(used.quantity),
        stretches=[
            StretchUsageOut(period=subscription_shapes.to_api_stretch(part), quantity=decimals.to_api_decimal(quantity))
            for part, quantity in used.stretches
        ],
    )


@router.get(
    "/{subscription_id}/usage",
    access=_READ,
    summary="Read the current usage of a subscription",
    operation_id="getSubscriptionUsage",
    examples={"response": _USAGE},
    errors=(types.SubscriptionNotFound,),
)
async def get_subscription_usage(call: routing.CallDep, subscription_id: UUID) -> SubscriptionUsageOut:
    """Read what was used in the current period until now, charge by charge.

    It is usage that carries the account's `external_id`.
    """
    view, used = await service.usage(call.uow, organization_id=call.caller.organization_id, now=call.now, subscription_id=subscription_id)
    return SubscriptionUsageOut(
        subscription_id=view.subscription.id,
        period=None if view.period is None else subscription_shapes.to_api_cycle(view.period),
        as_of=call.now,
        charges=[_to_api_used(one) for one in used],
    )
