"""Previews of subscriptions that don't exist: dates and lines, from any anchor, zone, interval and change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import Field

from carbonledger.domains.accounts import types as account_types
from carbonledger.domains.catalog import types as catalog_types
from carbonledger.domains.catalog.types import charges
from carbonledger.domains.invoices.service import foreseeing
from carbonledger.domains.invoices.types import invoices as invoice_types
from carbonledger.domains.invoices.types.rating import AmountTooLarge
from carbonledger.domains.subscriptions import service, types
from carbonledger.domains.subscriptions.service import previewing
from carbonledger.entrypoints.rest import routing, shapes, subscription_shapes
from carbonledger.entrypoints.rest.price_models import DecimalText, Reader
from carbonledger.entrypoints.rest.subscription_shapes import CycleOut, DueChargeOut
from carbonledger.entrypoints.rest.subscriptions import TermsIn
from carbonledger.entrypoints.shared import access
from carbonledger.kernel import currency, errors
from carbonledger.kernel.errors import Problem

router = routing.Router(prefix="/v1/subscriptions/preview", tag="Subscriptions")

_CAUSE: Final = "00000000-0000-0000-0000-000000000000/seats/2026-11-01T00:00:00Z/2026-11-01T00:00:00Z/charge/1"
_LINE: Final[dict[str, Any]] = {
    "cause": _CAUSE,
    "kind": "charge",
    "code": "seats",
    "name": "Seats",
    "charge_model": "flat",
    "plan_version_id": subscription_shapes.VERSION_ID,
    "service": subscription_shapes.CYCLE["service"],
    "part": subscription_shapes.CYCLE["part"],
    "numerator": 30,
    "denominator": 30,
    "quantity": 5,
    "price": None,
    "billable_at": "2026-11-01T00:00:00Z",
    "credits": None,
    "amount": "50.00",
}


class PreviewedChangeIn(shapes.In):
    """A change of plan or seats that the preview makes."""

    at: datetime
    plan_id: UUID | None = None
    plan_version: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    quantity: subscription_shapes.Quantity | None = None
    when: types.When | None = None
    proration: subscription_shapes.Cut | None = None


class ExpectedUsageIn(shapes.In):
    """Usage that is expected in each period, of a meter or of one charge."""

    meter: Annotated[str, Field(max_length=64, description="The code of a meter: all charges that it has.")] | None = None
    charge: Annotated[str, Field(max_length=64, description="The code of a charge; counts before what is said of its meter.")] | None = None
    quantity: DecimalText = Field(
        description="In the charge's unit, for a whole period; a part has that part of it. Of cost_plus what providers charge in USD, of "
        "carbon kilograms of CO2e."
    )
    event_count: int | None = Field(default=None, ge=0, le=charges.COUNT_MAX, description="percentage: how many events there are.")


class SubscriptionPreviewIn(TermsIn):
    """A subscription that might be."""

    account_id: Annotated[UUID, Field(description="Whose time zone counts.")] | None = None
    time_zone: Annotated[str, Field(max_length=100, description="Not given: the account's, else the organization's.")] | None = None
    changes: Annotated[list[PreviewedChangeIn], Field(max_length=previewing.CHANGES_MAX)] = Field(default_factory=list)
    periods: Annotated[int, Field(ge=1, le=previewing.PERIODS_MAX)] = 12
    usage: Annotated[
        list[ExpectedUsageIn],
        Field(max_length=foreseeing.EXPECTED_MAX, description="What is expected; a line of usage of which nothing is said has no amount."),
    ] = Field(default_factory=list)


class SubscriptionPreviewOut(shapes.Out):
    """Its first periods, and what would be due for them."""

    time_zone: str
    currency: str
    trial_ends_at: datetime | None
    periods: list[CycleOut]
    lines: list[DueChargeOut] = Field(description="By the time at which each becomes billable.")


@router.post(
    "",
    access=access.scope("subscriptions:read"),
    summary="Preview a subscription",
    operation_id="previewSubscription",
    examples={
        "request": {
            "plan_id": subscription_shapes.PLAN_ID,
            "quantity": 5,
            "start_at": "2026-11-01T00:00:00Z",
            "time_zone": "UTC",
            "periods": 1,
        },
        "response": {
            "time_zone": "UTC",
            "currency": "EUR",
            "trial_ends_at": None,
            "periods": [subscription_shapes.CYCLE],
            "lines": [_LINE],
        },
    },
    errors=(
        account_types.AccountNotFound,
        catalog_types.PlanNotFound,
        catalog_types.PlanVersionNotFound,
        catalog_types.PlanArchived,
        catalog_types.PlanNotEffective,
        types.SubscriptionOver,
        types.SubscriptionStateRefuses,
        types.PlanCurrencyDiffers,
        invoice_types.CostUnconvertible,
        AmountTooLarge,
    ),
)
async def preview_subscription(call: routing.CallDep, body: SubscriptionPreviewIn) -> SubscriptionPreviewOut:
    """Say which periods a subscription would have and what would be due for them, from any day on, with any changes. Nothing is stored.

    It is worked out by the rules that charge, and what lines come to by those that bill; what usage comes to as far as `usage` says how
    much is expected of it.
    """
    found = await service.preview(
        call.uow,
        actor=call.actor,
        now=call.now,
        organization_id=call.caller.organization_id,
        draft=service.Draft(
            account_id=body.account_id,
            plan_id=body.plan_id,
            version=body.plan_version,
            quantity=body.quantity,
            start_at=body.start_at,
            zone=body.time_zone,
            anchor=body.anchor,
            trial_days=body.trial_days,
            ends_at=body.ends_at,
            proration=body.proration,
            overrides=subscription_shapes.from_api_charges(body.charges),
        ),
        changes=tuple(
            previewing.Change(
                at=change.at,
                plan_id=change.plan_id,
                version=change.plan_version,
                quantity=change.quantity,
                when=change.when,
                proration=change.proration,
            )
            for change in body.changes
        ),
        periods=body.periods,
    )
    usage = foreseeing.usage_of(found.charges, _expected(body.usage))
    amounts = foreseeing.amounts(found.charges, found.versions, usage=usage)
    in_currency = currency.by_code(found.currency)
    return SubscriptionPreviewOut(
        time_zone=found.zone,
        currency=found.currency,
        trial_ends_at=found.trial_ends_at,
        periods=[subscription_shapes.to_api_cycle(cycle) for cycle in found.periods],
        lines=[subscription_shapes.to_api_due_charge(due, amounts.get(due.cause), in_currency) for due in found.charges],
    )


def _expected(given: Sequence[ExpectedUsageIn]) -> tuple[foreseeing.Expected, ...]:
    problems: list[Problem] = []
    quantities = [Reader(problems, f"/usage/{place}").decimal("quantity", one.quantity) for place, one in enumerate(given)]
    errors.refuse(problems)
    return tuple(
        foreseeing.Expected(meter=one.meter, charge=one.charge, quantity=quantity or Decimal(0), event_count=one.event_count)
        for one, quantity in zip(given, quantities, strict=True)
    )
