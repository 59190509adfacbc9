"""Usage that came when its invoice was issued: what it is of, what it is worth, and what became of it."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query
from pydantic import Field

from carbonledger.domains.invoices.service import reporting
from carbonledger.domains.invoices.types import failures
from carbonledger.domains.invoices.types import sellers as types
from carbonledger.entrypoints.rest import quantities, routing, shapes
from carbonledger.entrypoints.shared import access
from carbonledger.kernel import decimals, page
from carbonledger.kernel import money as moneys
from carbonledger.kernel.money import Money

router = routing.Router(prefix="/v1/late-usage", tag="Invoices")
_READ: Final = access.scope("invoices:read")


class LateBillingOut(shapes.Out):
    """Where late usage is billed."""

    invoice_id: UUID
    line_id: UUID


class LateOut(shapes.Out):
    """Usage that came when its line was issued, and what was decided about it."""

    id: UUID
    cause: str = Field(description="Of the line.")
    account_id: UUID
    invoice_id: UUID = Field(description="The issued one that the line is on.")
    line_id: UUID
    subscription_id: UUID | None
    meter_code: str | None
    decision: types.LateUsage
    billing: LateBillingOut | None = Field(description="The line that bills it. Null: nothing is billed for it.")
    quantity_before: str = Field(pattern=quantities.DECIMAL)
    quantity_after: str = Field(pattern=quantities.DECIMAL)
    amount: str = Field(pattern=quantities.DECIMAL, description="What the difference is worth.")
    currency: str
    events: int
    events_sha256: str
    found_at: dt.datetime


_LATE: Final[dict[str, Any]] = {
    "id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d93",
    "cause": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d84/1/calls/2026-03-01T00:00:00Z",
    "account_id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d92",
    "invoice_id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d94",
    "line_id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d95",
    "subscription_id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d84",
    "meter_code": "calls",
    "decision": "ignore_and_report",
    "billing": None,
    "quantity_before": "2500",
    "quantity_after": "2600",
    "amount": "0.10",
    "currency": "EUR",
    "events": 2600,
    "events_sha256": "0f" * 32,
    "found_at": "2026-04-03T02:25:00Z",
}


@router.get(
    "",
    access=_READ,
    summary="List usage that came late",
    operation_id="listLateUsage",
    examples={"response": {"data": [_LATE], "next_cursor": None}},
    errors=(page.CursorUnreadable,),
)
async def list_late_usage(
    call: routing.CallDep,
    *,
    account_id: UUID | None = None,
    invoice_id: Annotated[UUID | None, Query(description="Only what came late for this one.")] = None,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=page.CURSOR_MAX_CHARS)] = None,
) -> shapes.ListOut[LateOut]:
    """List usage that came when its invoice was issued, newest first, with what it is worth and what became of it."""
    found = await reporting.late(
        call.uow,
        organization_id=call.caller.organization_id,
        page=call.page(limit=limit, cursor=cursor, parts=1),
        account_id=account_id,
        invoice_id=invoice_id,
    )
    return shapes.ListOut(data=[to_api_late(one) for one in found.data], next_cursor=found.next_cursor)


def to_api_late(report: failures.LateReport) -> LateOut:
    """Return what came late as callers see it."""
    one, line = report.late, report.line
    return LateOut(
        id=one.id,
        cause=one.cause,
        account_id=one.account_id,
        invoice_id=one.invoice_id,
        line_id=line.id,
        subscription_id=line.subscription_id,
        meter_code=line.explained.meter_code,
        decision=one.decision,
        billing=None if report.billing is None else LateBillingOut(invoice_id=report.billing[0].id, line_id=report.billing[1].id),
        quantity_before=decimals.to_api_decimal(one.quantity_before),
        quantity_after=decimals.to_api_decimal(one.quantity_after),
        amount=moneys.to_api_amount(Money(one.amount, one.currency)),
        currency=one.currency.code,
        events=one.events,
        events_sha256=one.digest,
        found_at=one.found_at,
    )
