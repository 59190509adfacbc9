"""Invoices and their lines as callers see them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from pydantic import Field

from carbonledger.domains.accounts import types as account_types
from carbonledger.domains.invoices.types import failures, invoices
from carbonledger.domains.invoices.types.invoices import Invoice, Line
from carbonledger.entrypoints.rest import quantities, shapes
from carbonledger.kernel import decimals
from carbonledger.kernel import money as moneys
from carbonledger.kernel.money import Money

_ID: Final = "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d81"
ACCOUNT: Final = "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d82"
_LINE: Final = "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d83"


class PartyOut(shapes.Out):
    """Seller or buyer as the invoice names them."""

    name: str
    email: str | None
    reference: str | None = Field(description="Of a buyer: the account's external id.")
    address: dict[str, str]
    tax_ids: list[dict[str, str]]


class TaxOut(shapes.Out):
    """The tax of one rate on the whole invoice."""

    code: str
    name: str
    percent: str = Field(pattern=quantities.DECIMAL)
    inclusive: bool = Field(description="Whether prices hold it already, so that it is not added.")
    taxable: str = Field(pattern=quantities.DECIMAL)
    amount: str = Field(pattern=quantities.DECIMAL)


class InvoiceOut(shapes.Out):
    """An invoice: total = subtotal - discount + tax."""

    id: UUID
    number: str | None = Field(description="Null until it is issued.")
    account_id: UUID
    origin: invoices.Origin
    state: invoices.State = Field(description="How the document stands.")
    payment: invoices.Payment = Field(description="How it is paid. credit: its total is negative, so that it is the account that is owed.")
    currency: str
    subtotal: str = Field(pattern=quantities.DECIMAL)
    discount: str = Field(pattern=quantities.DECIMAL)
    tax: str = Field(pattern=quantities.DECIMAL, description="On top of prices.")
    total: str = Field(pattern=quantities.DECIMAL)
    lines: int = Field(description="How many lines it has.")
    tax_treatment: account_types.TaxTreatment
    billed_at: dt.datetime = Field(description="When what is on it became due.")
    collects_until: dt.datetime | None = Field(description="Of a draft: how long late usage is waited for.")
    issued_at: dt.datetime | None
    due_on: dt.date | None
    paid_at: dt.datetime | None
    reference: str | None = Field(description="What names the payment that was recorded.")
    ended_at: dt.datetime | None = Field(description="When it was made void or given up.")
    corrects: UUID | None = Field(description="The invoice that a correction adds to.")
    created_at: dt.datetime


class FailureOut(shapes.Out):
    """A step that failed, and is tried again by itself."""

    step: failures.Step
    code: str
    detail: str
    attempts: int
    last_failed_at: dt.datetime


class InvoiceDetailOut(InvoiceOut):
    """An invoice with its parties, taxes, and what could not be done for it yet."""

    memo: str | None
    seller: PartyOut | None
    buyer: PartyOut | None
    taxes: list[TaxOut]
    failures: list[FailureOut]


class LineOut(shapes.Out):
    """A line of an invoice."""

    id: UUID
    position: int
    kind: invoices.LineKind
    cause: str = Field(description="What it is for, once for ever.")
    description: str
    subscription_id: UUID | None
    plan_version_id: UUID | None
    charge: str | None = Field(description="The charge's code.")
    undoes: str | None = Field(description="The cause that a credit gives back, or late usage adds to.")
    service_start: dt.datetime | None
    service_end: dt.datetime | None
    part_start: dt.datetime | None = Field(description="The stretch of the service period that is charged.")
    part_end: dt.datetime | None
    quantity: str = Field(pattern=quantities.DECIMAL)
    unit_price: str | None = Field(description="Null where there is no single one.")
    amount: str = Field(pattern=quantities.DECIMAL, description="Rounded half up, after the line's own discounts.")
    amount_unrounded: str = Field(pattern=quantities.DECIMAL)
    discount: str = Field(pattern=quantities.DECIMAL, description="Its part of the invoice's discount.")
    tax: str = Field(pattern=quantities.DECIMAL, description="Its part of the tax on top.")
    tax_included: str = Field(pattern=quantities.DECIMAL, description="Tax that the amount holds already.")
    tax_rate_codes: list[str]
    meter: str | None = Field(description="The meter's code, for a line of usage.")
    events: int | None = Field(description="How many events were counted.")
    events_sha256: str | None = Field(description="SHA-256 over what the meter said of them: events, quantity, cost, CO2e.")
    factors: list[str] = Field(description="Versions of the factor sets that its CO2e rests on.")


INVOICE: Final[dict[str, Any]] = {
    "id": _ID,
    "number": "INV-00042",
    "account_id": ACCOUNT,
    "origin": "subscription",
    "state": "issued",
    "payment": "unpaid",
    "currency": "EUR",
    "subtotal": "155.50",
    "discount": "0.00",
    "tax": "29.55",
    "total": "185.05",
    "lines": 2,
    "tax_treatment": "standard",
    "billed_at": "2026-04-01T00:00:00Z",
    "collects_until": None,
    "issued_at": "2026-04-01T00:07:00Z",
    "due_on": "2026-05-01",
    "paid_at": None,
    "reference": None,
    "ended_at": None,
    "corrects": None,
    "created_at": "2026-04-01T00:07:00Z",
}
_PARTY: Final[dict[str, Any]] = {"name": "Acme", "email": None, "reference": None, "address": {"city": "Berlin"}, "tax_ids": []}
DETAIL: Final[dict[str, Any]] = {
    **INVOICE,
    "memo": None,
    "seller": _PARTY,
    "buyer": {**_PARTY, "reference": "cust-42"},
    "taxes": [{"code": "vat", "name": "VAT", "percent": "19", "inclusive": False, "taxable": "155.50", "amount": "29.55"}],
    "failures": [],
}
DRAFT: Final[dict[str, Any]] = {
    **DETAIL,
    "number": None,
    "state": "draft",
    "issued_at": None,
    "due_on": None,
    "seller": None,
    "buyer": None,
}
LINE_EXAMPLE: Final[dict[str, Any]] = {
    "id": _LINE,
    "position": 1,
    "kind": "charge",
    "cause": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d84:calls:2026-03-01T00:00:00Z:2026-03-01T00:00:00Z:charge",
    "description": "Calls",
    "subscription_id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d84",
    "plan_version_id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d85",
    "charge": "calls",
    "undoes": None,
    "service_start": "2026-03-01T00:00:00Z",
    "service_end": "2026-04-01T00:00:00Z",
    "part_start": "2026-03-01T00:00:00Z",
    "part_end": "2026-04-01T00:00:00Z",
    "quantity": "2500",
    "unit_price": None,
    "amount": "8.50",
    "amount_unrounded": "8.5",
    "discount": "0.00",
    "tax": "1.62",
    "tax_included": "0.00",
    "tax_rate_codes": ["vat"],
    "meter": "calls",
    "events": 2500,
    "events_sha256": "0f" * 32,
    "factors": [],
}


def _fields(invoice: Invoice) -> dict[str, Any]:
    issued = invoice.issued
    totals = invoice.totals
    return {
        "id": invoice.id,
        "number": None if issued is None else issued.number,
        "account_id": invoice.account_id,
        "origin": invoice.origin,
        "state": invoice.state,
        "payment": invoice.payment,
        "currency": invoice.currency.code,
        **{name: amount(getattr(totals, name), invoice) for name in ("subtotal", "discount", "tax", "total")},
        "lines": invoice.lines,
        "tax_treatment": invoice.tax_treatment,
        "billed_at": invoice.billed_at,
        "collects_until": invoice.collects_until if invoice.state is invoices.State.DRAFT else None,
        "issued_at": None if issued is None else issued.at,
        "due_on": None if issued is None else issued.due_on,
        "paid_at": invoice.paid_at,
        "reference": invoice.reference,
        "ended_at": invoice.ended_at,
        "corrects": invoice.corrects,
        "created_at": invoice.created_at,
    }


def amount(value: Decimal, invoice: Invoice) -> str:
    """Return an amount in an invoice's currency as the API writes it."""
    return moneys.to_api_amount(Money(value, invoice.currency))


def to_api_invoice(invoice: Invoice) -> InvoiceOut:
    """Return an invoice as lists show it."""
    return InvoiceOut(**_fields(invoice))


def to_api_detail(invoice: Invoice, failed: Iterable[failures.Failure]) -> InvoiceDetailOut:
    """Return an invoice with its parties, taxes, and what could not be done for it yet."""
    issued = invoice.issued
    return InvoiceDetailOut(
        **_fields(invoice),
        memo=invoice.memo,
        seller=None if issued is None else _party(issued.seller),
        buyer=None if issued is None else _party(issued.buyer),
        taxes=[
            TaxOut(
                code=one.code,
                name=one.name,
                percent=decimals.to_api_decimal(one.percent),
                inclusive=one.is_inclusive,
                taxable=amount(one.base, invoice),
                amount=amount(one.amount, invoice),
            )
            for one in invoice.totals.taxes
        ],
        failures=[
            FailureOut(step=one.step, code=one.code, detail=one.detail, attempts=one.attempts, last_failed_at=one.last_failed_at)
            for one in failed
        ],
    )


def _party(party: invoices.Party) -> PartyOut:
    names = ("line1", "line2", "city", "postal_code", "region", "country")
    return PartyOut(
        name=party.name,
        email=party.email,
        reference=party.reference,
        address={name: value for name in names if (value := getattr(party.address, name)) is not None},
        tax_ids=[{"kind": one.kind, "value": one.value} for one in party.tax_ids],
    )


def to_api_line(line: Line, invoice: Invoice) -> LineOut:
    """Return a line of an invoice."""
    return LineOut(**line_fields(line, invoice))


def line_fields(line: Line, invoice: Invoice) -> dict[str, Any]:
    """Return what the API says of a line."""
    explained = line.explained
    return {
        "id": line.id,
        "position": line.position,
        "kind": line.kind,
        "cause": line.cause,
        "description": line.description,
        "subscription_id": line.subscription_id,
        "plan_version_id": line.plan_version_id,
        "charge": line.charge_code,
        "undoes": line.undoes,
        "service_start": line.service_start,
        "service_end": line.service_end,
        "part_start": line.part_start,
        "part_end": line.part_end,
        "quantity": decimals.to_api_decimal(line.quantity),
        "unit_price": None if line.unit_price is None else decimals.to_api_decimal(line.unit_price),
        "amount": amount(line.amount, invoice),
        "amount_unrounded": decimals.to_api_decimal(line.unrounded),
        "discount": amount(line.discount, invoice),
        "tax": amount(line.tax, invoice),
        "tax_included": amount(line.tax_included, invoice),
        "tax_rate_codes": list(line.tax_codes),
        "meter": explained.meter_code,
        "events": explained.events,
        "events_sha256": explained.digest,
        "factors": list(explained.factors),
    }
