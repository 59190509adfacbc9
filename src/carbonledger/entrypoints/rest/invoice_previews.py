"""Previews of invoices: what lines would come to, worked out by the very functions that bill. Nothing is stored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import Field

from carbonledger.domains.catalog.types import Proration
from carbonledger.domains.invoices.service import billing, previewing, upcoming
from carbonledger.domains.invoices.types import invoices as invoice_types
from carbonledger.domains.invoices.types import previews
from carbonledger.domains.invoices.types.rating import Rated, TierPart
from carbonledger.domains.invoices.types.totals import DocumentTotals, LineTotal, TaxTotal
from carbonledger.domains.subscriptions import types as subscription_types
from carbonledger.domains.subscriptions.service.previewing import Change
from carbonledger.entrypoints.rest import invoice_preview_lines, quantities, routing, shapes
from carbonledger.entrypoints.shared import access
from carbonledger.kernel import decimals, errors, money
from carbonledger.kernel.money import Money

router = routing.Router(prefix="/v1/invoices/preview", tag="Invoices")


class TierOut(shapes.Out):
    """What fell into a tier."""

    above: str = Field(pattern=quantities.DECIMAL, description="The bound of the tier before it; outside.")
    up_to: str | None = Field(pattern=quantities.DECIMAL)
    quantity: str = Field(pattern=quantities.DECIMAL)
    unit_price: str | None = Field(pattern=quantities.DECIMAL)
    rate_percent: str | None = Field(pattern=quantities.DECIMAL)
    flat_price: str = Field(pattern=quantities.DECIMAL)
    amount: str = Field(pattern=quantities.DECIMAL, description="Unrounded, the flat price included.")


class LineOut(shapes.Out):
    """A line as it would stand on the invoice."""

    amount: str = Field(pattern=quantities.DECIMAL, description="Rounded half up to the minor unit, after the line's own discounts.")
    amount_unrounded: str = Field(
        pattern=quantities.DECIMAL, description="What was rounded; where it does not end as a decimal, 12 places of it."
    )
    quantity: str = Field(pattern=quantities.DECIMAL, description="What was priced: units, an amount, a cost, kilograms of CO2e.")
    billable_quantity: str = Field(pattern=quantities.DECIMAL, description="Of it, after free units and the allowance.")
    bounded_by: Literal["minimum", "maximum"] | None = Field(description="What took the place of the price's own result.")
    tiers: list[TierOut] = Field(description="Those that something fell into; empty for models without tiers.")
    discount: str = Field(pattern=quantities.DECIMAL, description="The line's share of the document's discount.")
    tax: str = Field(pattern=quantities.DECIMAL, description="On top of the amount.")
    tax_included: str = Field(pattern=quantities.DECIMAL, description="Inside the amount.")


class UpcomingLineOut(LineOut):
    """A line of a subscription's next invoice."""

    kind: invoice_types.LineKind
    description: str
    charge: str | None = Field(description="The charge's code.")
    service_start: datetime | None = Field(description="What is paid for.")
    service_end: datetime | None
    part_start: datetime | None = Field(description="The stretch of it that is charged.")
    part_end: datetime | None


class TaxOut(shapes.Out):
    """What a tax rate comes to on the whole document."""

    percent: str = Field(pattern=quantities.DECIMAL)
    inclusive: bool
    taxable: str = Field(pattern=quantities.DECIMAL, description="What it is of: after discounts, without tax.")
    amount: str = Field(pattern=quantities.DECIMAL)


class PreviewOut(shapes.Out):
    """What the document would come to: total = subtotal - discount + tax."""

    currency: str = Field(max_length=3)
    lines: list[LineOut]
    subtotal: str = Field(pattern=quantities.DECIMAL, description="Sum of the lines' amounts.")
    discount: str = Field(pattern=quantities.DECIMAL, description="What the document's discounts take off.")
    discounts: list[str] = Field(description="What each of them takes off, in their order.")
    tax: str = Field(pattern=quantities.DECIMAL, description="On top of prices.")
    tax_included: str = Field(pattern=quantities.DECIMAL, description="Inside prices, and so inside the subtotal.")
    taxes: list[TaxOut]
    total: str = Field(pattern=quantities.DECIMAL)


class UpcomingOut(PreviewOut):
    """The next invoice of a subscription as it would be."""

    lines: list[UpcomingLineOut]  # type: ignore[assignment]  # read only, and each is a line
    billable_at: datetime = Field(description="When it becomes due.")


class ChangeIn(shapes.In):
    """A change of a subscription that nobody has made yet."""

    plan_id: UUID | None = None
    plan_version: int | None = Field(default=None, ge=1, le=1_000_000)
    quantity: int | None = Field(default=None, ge=0, le=subscription_types.QUANTITY_MAX)
    at: datetime | None = Field(default=None, description="Left out: now.")
    when: subscription_types.When | None = None
    proration: Proration | None = None


class AnyPreviewIn(invoice_preview_lines.PreviewIn):
    """Lines to rate, with their currency; or a subscription, whose next invoice is worked out, after a change if one is given."""

    currency: str | None = Field(default=None, max_length=3, description="ISO 4217; every amount of the lines is in it.")  # type: ignore[assignment]  # needed with lines only
    lines: list[invoice_preview_lines.LineIn] = Field(default=[], max_length=previewing.LINES_MAX)
    subscription_id: UUID | None = None
    change: ChangeIn | None = Field(default=None, description="Of the subscription.")


def to_api_preview(preview: previews.Preview) -> PreviewOut:
    """Return what a document would come to as callers see it."""
    totals = preview.totals
    return PreviewOut(
        currency=totals.currency.code,
        lines=[_line_out(rated, line, totals) for rated, line in zip(preview.rated, totals.lines, strict=True)],
        subtotal=_amount(totals.subtotal, totals),
        discount=_amount(totals.discount, totals),
        discounts=[_amount(one, totals) for one in totals.discounts],
        tax=_amount(totals.tax, totals),
        tax_included=_amount(totals.tax_included, totals),
        taxes=[_tax_out(one, totals) for one in totals.taxes],
        total=_amount(totals.total, totals),
    )


def _amount(amount: Decimal, totals: DocumentTotals) -> str:
    return money.to_api_amount(Money(amount, totals.currency))


def _line_out(rated: Rated, line: LineTotal, totals: DocumentTotals) -> LineOut:
    return LineOut(
        amount=_amount(line.amount, totals),
        amount_unrounded=decimals.to_api_decimal(previewing.shown(line.unrounded)),
        quantity=decimals.to_api_decimal(rated.quantity),
        billable_quantity=decimals.to_api_decimal(rated.billable),
        bounded_by=None if rated.bounded is None else rated.bounded.value,
        tiers=[_tier_out(part) for part in rated.tiers],
        discount=_amount(line.discount, totals),
        tax=_amount(line.tax, totals),
        tax_included=_amount(line.tax_included, totals),
    )


def _tier_out(part: TierPart) -> TierOut:
    optional = {
        name: None if value is None else decimals.to_api_decimal(value)
        for name, value in (("up_to", part.up_to), ("unit_price", part.unit_price), ("rate_percent", part.rate_percent))
    }
    plain = {name: decimals.to_api_decimal(getattr(part, name)) for name in ("above", "quantity", "flat_price", "amount")}
    return TierOut(**plain, **optional)


def _tax_out(one: TaxTotal, totals: DocumentTotals) -> TaxOut:
    return TaxOut(
        percent=decimals.to_api_decimal(one.tax.percent),
        inclusive=one.tax.inclusive,
        taxable=_amount(one.taxable, totals),
        amount=_amount(one.amount, totals),
    )


_REQUEST: Final[dict[str, Any]] = {
    "currency": "USD",
    "lines": [
        {
            "charge_model": "graduated",
            "quantity": "12000",
            "tiers": [
                {"up_to": "1000", "unit_price": "0", "flat_price": "5"},
                {"up_to": None, "unit_price": "0.0012341"},
            ],
            "tax_rate_percent": "19",
        },
        {"charge_model": "cost_plus", "metered_cost": "40.125", "multiplier": "1.2", "tax_rate_percent": "19"},
    ],
    "discounts": [{"percent": "10"}],
    "tax_rounding": "document",
}
_RESPONSE: Final[dict[str, Any]] = {
    "currency": "USD",
    "lines": [
        {
            "amount": "18.58",
            "amount_unrounded": "18.5751",
            "quantity": "12000",
            "billable_quantity": "12000",
            "bounded_by": None,
            "tiers": [
                {
                    "above": "0",
                    "up_to": "1000",
                    "quantity": "1000",
                    "unit_price": "0",
                    "rate_percent": None,
                    "flat_price": "5",
                    "amount": "5",
                },
                {
                    "above": "1000",
                    "up_to": None,
                    "quantity": "11000",
                    "unit_price": "0.0012341",
                    "rate_percent": None,
                    "flat_price": "0",
                    "amount": "13.5751",
                },
            ],
            "discount": "1.86",
            "tax": "3.18",
            "tax_included": "0.00",
        },
        {
            "amount": "48.15",
            "amount_unrounded": "48.15",
            "quantity": "40.125",
            "billable_quantity": "40.125",
            "bounded_by": None,
            "tiers": [],
            "discount": "4.81",
            "tax": "8.23",
            "tax_included": "0.00",
        },
    ],
    "subtotal": "66.73",
    "discount": "6.67",
    "discounts": ["6.67"],
    "tax": "11.41",
    "tax_included": "0.00",
    "taxes": [{"percent": "19", "inclusive": False, "taxable": "60.06", "amount": "11.41"}],
    "total": "71.47",
}


@router.post(
    "",
    access=access.scope("invoices:read"),
    summary="Preview lines of an invoice",
    operation_id="previewInvoice",
    examples={"request": _REQUEST, "response": _RESPONSE},
    errors=(previews.PreviewInvalid, subscription_types.SubscriptionNotFound, invoice_types.NothingUpcoming),
)
async def preview_invoice(call: routing.CallDep, body: AnyPreviewIn) -> PreviewOut | UpcomingOut:
    """Say what lines would come to, or the next invoice of a subscription, by the very functions that bill. Nothing is stored.

    Each line: free units, the allowance, the model, minimum and maximum, its discounts, and then it is rounded half up, once. The
    document: the lines' sum, its discounts, and tax on what is left. At zero usage a first tier's flat price is charged unless
    `flat_at_zero` is false.
    """
    if body.subscription_id is not None:
        return await _upcoming(call, body, body.subscription_id)
    found = [errors.Problem("/change", "member_unexpected", "Name the subscription_id that changes.")] if body.change is not None else []
    found += [
        errors.Problem(f"/{name}", "required", "Give lines and their currency.")
        for name in ("currency", "lines")
        if not getattr(body, name)
    ]
    if found:
        raise previews.PreviewInvalid(found)
    return to_api_preview(previewing.preview(invoice_preview_lines.from_api_preview(body)))


async def _upcoming(call: routing.Call, body: AnyPreviewIn, subscription_id: UUID) -> UpcomingOut:
    """Return the next invoice of a subscription."""
    others = sorted(body.model_fields_set - {"subscription_id", "change"})
    if others:
        raise previews.PreviewInvalid([errors.Problem(f"/{name}", "member_unexpected", "A subscription has its own.") for name in others])
    change = body.change
    document = await upcoming.next_invoice(
        call.uow,
        actor=call.actor,
        now=call.now,
        at=call.at,
        organization_id=call.caller.organization_id,
        subscription_id=subscription_id,
        change=None
        if change is None
        else Change(
            at=change.at or call.now,
            plan_id=change.plan_id,
            version=change.plan_version,
            quantity=change.quantity,
            when=change.when,
            proration=change.proration,
        ),
    )
    return _upcoming_out(document)


def _upcoming_out(document: billing.Document) -> UpcomingOut:
    invoice, totals = document.invoice, document.invoice.totals

    def shown(amount: Decimal) -> str:
        return money.to_api_amount(Money(amount, invoice.currency))

    inside = sum((one.amount for one in totals.taxes if one.is_inclusive), Decimal(0))
    return UpcomingOut(
        currency=invoice.currency.code,
        lines=[_upcoming_line(line, shown) for line in document.lines],
        subtotal=shown(totals.subtotal),
        discount=shown(totals.discount),
        discounts=[],
        tax=shown(totals.tax),
        tax_included=shown(inside),
        taxes=[
            TaxOut(
                percent=decimals.to_api_decimal(one.percent), inclusive=one.is_inclusive, taxable=shown(one.base), amount=shown(one.amount)
            )
            for one in totals.taxes
        ],
        total=shown(totals.total),
        billable_at=invoice.billed_at,
    )


def _upcoming_line(line: invoice_types.Line, shown: Callable[[Decimal], str]) -> UpcomingLineOut:
    rated = line.explained.rated.get("rated") or {}
    quantity = decimals.to_api_decimal(line.quantity)
    return UpcomingLineOut(
        amount=shown(line.amount),
        amount_unrounded=decimals.to_api_decimal(line.unrounded),
        quantity=quantity,
        billable_quantity=rated.get("billable", quantity),
        bounded_by=rated.get("bounded"),
        tiers=[TierOut(**tier) for tier in line.explained.rated.get("tiers", ())],
        discount=shown(line.discount),
        tax=shown(line.tax),
        tax_included=shown(line.tax_included),
        kind=line.kind,
        description=line.description,
        charge=line.charge_code,
        service_start=line.service_start,
        service_end=line.service_end,
        part_start=line.part_start,
        part_end=line.part_end,
    )
