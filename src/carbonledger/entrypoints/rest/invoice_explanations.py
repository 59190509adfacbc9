"""What a line of an invoice was made of, down to the events."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query
from pydantic import Field

from carbonledger.domains.invoices.service import explaining
from carbonledger.domains.invoices.types import invoices as types
from carbonledger.domains.telemetry.types.answers import Listed
from carbonledger.entrypoints.rest import invoice_shapes, invoices, plan_shapes, quantities, routing, shapes
from carbonledger.kernel import decimals, instant, page

router = routing.Router(prefix="/v1/invoices", tag="Invoices")


class StretchOut(shapes.Out):
    """A stretch of time: the start inside, the end outside."""

    start: dt.datetime
    end: dt.datetime | None


class TierOut(shapes.Out):
    """What fell into a tier."""

    above: str = Field(pattern=quantities.DECIMAL)
    up_to: str | None
    quantity: str = Field(pattern=quantities.DECIMAL)
    unit_price: str | None
    rate_percent: str | None
    flat_price: str = Field(pattern=quantities.DECIMAL)
    amount: str = Field(pattern=quantities.DECIMAL)


class RatedOut(shapes.Out):
    """How the charge came to its amount: quantity, less free units and allowance; its price; minimum or maximum."""

    quantity: str = Field(pattern=quantities.DECIMAL)
    billable_quantity: str = Field(pattern=quantities.DECIMAL)
    priced: str = Field(pattern=quantities.DECIMAL)
    bounded_by: str | None
    amount: str = Field(pattern=quantities.DECIMAL, description="Unrounded, before discounts.")
    part: list[int] = Field(description="The part of the period that is charged: numerator and denominator.")
    discounts: list[dict[str, str | None]] = Field(description="Off the line, in this order.")


class VersionOut(shapes.Out):
    """The plan version that the charge is of."""

    id: UUID
    plan_id: UUID
    number: int
    effective_at: dt.datetime
    sha256: str = Field(description="Over its canonical document: what names exactly these prices.")


class DayOut(shapes.Out):
    """What was counted on a day of the account's zone."""

    date: dt.date
    quantity: str = Field(pattern=quantities.DECIMAL)
    events: int


class UsedEventOut(shapes.Out):
    """An event that was counted, with the versions that it was priced and rated by."""

    id: UUID
    occurred_at: dt.datetime
    provider: str | None
    model: str | None
    event: str | None
    quantity: str | None
    requests: int | None
    cost_usd: str | None
    price_version: str | None
    factor_version: str | None
    revision: int


class UsageOut(shapes.Out):
    """What a line of usage rests on."""

    meter_id: UUID
    meter: str
    name: str
    aggregation: str
    stretches: list[StretchOut] = Field(description="The times in which it was counted.")
    metered_at: dt.datetime | None = Field(description="When it was counted for the invoice.")
    events_sha256_now: str | None = Field(description="What the ledger says now has this SHA-256; the line has its own.")
    is_unchanged: bool = Field(description="Whether the ledger still says what was billed.")
    prices: list[str] = Field(description="Versions of the price book by which it was priced, where it rests on providers' prices.")
    prices_now: list[str] = Field(description="Those by which its events are priced now, if they were priced anew since.")
    days: list[DayOut] = Field(description="Each day on which something was used.")


class ExplanationOut(shapes.Out):
    """A line, and what it was made of."""

    line: invoice_shapes.LineOut
    charge: plan_shapes.ChargeOut | None = Field(description="As it stood when the line was rated.")
    version: VersionOut | None
    rated: RatedOut | None
    tiers: list[TierOut]
    undone: invoice_shapes.LineOut | None = Field(description="The line that it gives back, or adds to.")
    usage: UsageOut | None


_EXAMPLE: Final[dict[str, Any]] = {
    "line": invoice_shapes.LINE_EXAMPLE,
    "charge": None,
    "version": {
        "id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d85",
        "plan_id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d86",
        "number": 1,
        "effective_at": "2026-01-01T00:00:00Z",
        "sha256": "0f" * 32,
    },
    "rated": {
        "quantity": "2500",
        "billable_quantity": "2500",
        "priced": "8.5",
        "bounded_by": None,
        "amount": "8.5",
        "part": [1, 1],
        "discounts": [],
    },
    "tiers": [
        {"above": "0", "up_to": "1000", "quantity": "1000", "unit_price": "0.002", "rate_percent": None, "flat_price": "5", "amount": "7"},
        {
            "above": "1000",
            "up_to": None,
            "quantity": "1500",
            "unit_price": "0.001",
            "rate_percent": None,
            "flat_price": "0",
            "amount": "1.5",
        },
    ],
    "undone": None,
    "usage": {
        "meter_id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d87",
        "meter": "calls",
        "name": "Calls",
        "aggregation": "count",
        "stretches": [{"start": "2026-03-01T00:00:00Z", "end": "2026-04-01T00:00:00Z"}],
        "metered_at": "2026-04-01T00:12:00Z",
        "events_sha256_now": "0f" * 32,
        "is_unchanged": True,
        "prices": [],
        "prices_now": [],
        "days": [{"date": "2026-03-02", "quantity": "2500", "events": 2500}],
    },
}


_EVENT: Final[dict[str, Any]] = {
    "id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d88",
    "occurred_at": "2026-03-02T10:00:00Z",
    "provider": "openai",
    "model": "gpt-4o",
    "event": None,
    "quantity": None,
    "requests": 1,
    "cost_usd": "0.0075",
    "price_version": "2026-11-01",
    "factor_version": "1.0",
    "revision": 0,
}


@router.get(
    "/{invoice_id}/lines/{line_id}/explain",
    access=invoices.READ,
    summary="Explain a line of an invoice",
    operation_id="explainInvoiceLine",
    examples={"response": _EXAMPLE},
    errors=(types.InvoiceNotFound, types.LineNotFound),
)
async def explain_invoice_line(call: routing.CallDep, invoice_id: UUID, line_id: UUID) -> ExplanationOut:
    """Show what a line was made of: charge and plan version as they stood, tiers, the meter, each day, and whether it is still so."""
    found = await explaining.explain(
        call.uow, now=call.now, organization_id=call.caller.organization_id, invoice_id=invoice_id, line_id=line_id
    )
    return to_api_explanation(found)


@router.get(
    "/{invoice_id}/lines/{line_id}/events",
    access=invoices.READ,
    summary="List the events of a line",
    operation_id="listInvoiceLineEvents",
    examples={"response": {"data": [_EVENT], "next_cursor": None}},
    errors=(types.InvoiceNotFound, types.LineNotFound, page.CursorUnreadable),
)
async def list_invoice_line_events(
    call: routing.CallDep,
    invoice_id: UUID,
    line_id: UUID,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=page.CURSOR_MAX_CHARS)] = None,
) -> shapes.ListOut[UsedEventOut]:
    """List the events that a line of usage counted, latest first; a page may hold fewer than asked for. Of another line there are none."""
    found = await explaining.events(
        call.uow,
        organization_id=call.caller.organization_id,
        invoice_id=invoice_id,
        line_id=line_id,
        page=call.page(limit=limit, cursor=cursor, parts=2),
    )
    return shapes.ListOut(data=[_event(one) for one in found.data], next_cursor=found.next_cursor)


def to_api_explanation(found: explaining.Explanation) -> ExplanationOut:
    """Return an explanation as the API shows it."""
    kept = found.line.explained.rated
    return ExplanationOut(
        line=invoice_shapes.to_api_line(found.line, found.invoice),
        charge=None if found.charge is None else plan_shapes.to_api_charge(found.charge),
        version=_version(found),
        rated=_rated(found),
        tiers=[TierOut(**tier) for tier in kept.get("tiers", ())],
        undone=None if found.undone is None else invoice_shapes.to_api_line(found.undone, found.invoice),
        usage=None if found.usage is None else _usage(found.usage, found.line),
    )


def _version(found: explaining.Explanation) -> VersionOut | None:
    version = found.version
    if version is None or found.version_digest is None:
        return None
    return VersionOut(
        id=version.id,
        plan_id=version.plan_id,
        number=version.number,
        effective_at=version.effective_at,
        sha256=found.version_digest,
    )


def _rated(found: explaining.Explanation) -> RatedOut | None:
    kept = found.line.explained.rated
    rated = kept.get("rated")
    if rated is None:
        return None
    return RatedOut(
        quantity=rated["quantity"],
        billable_quantity=rated["billable"],
        priced=rated["priced"],
        bounded_by=rated["bounded"],
        amount=rated["amount"],
        part=list(kept["part"]),
        discounts=[dict(one) for one in kept.get("discounts", ())],
    )


def _usage(usage: explaining.Usage, line: types.Line) -> UsageOut:
    return UsageOut(
        meter_id=usage.meter.id,
        meter=usage.meter.code,
        name=usage.meter.name,
        aggregation=usage.meter.aggregation.value,
        stretches=[StretchOut(start=one.start, end=one.end) for one in usage.stretches],
        metered_at=line.explained.metered_at,
        events_sha256_now=usage.digest,
        is_unchanged=usage.digest == line.explained.digest,
        prices=list(line.explained.prices),
        prices_now=list(usage.prices),
        days=[DayOut(date=one.date, quantity=decimals.to_api_decimal(one.quantity), events=one.events) for one in usage.days],
    )


def _event(listed: Listed) -> UsedEventOut:
    event = listed.event
    return UsedEventOut(
        id=event.id,
        occurred_at=instant.utc(event.occurred_at),
        provider=event.series.provider,
        model=event.series.model,
        event=event.series.event,
        quantity=None if event.quantity is None else decimals.to_api_decimal(event.quantity),
        requests=event.requests,
        cost_usd=None if event.cost_amount is None else decimals.to_api_decimal(event.cost_amount),
        price_version=event.price_version,
        factor_version=listed.factor_version,
        revision=event.revision,
    )
