"""Previews of invoices: what lines would come to, worked out by the very functions that bill. Nothing is read and nothing is stored."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from carbonledger.domains.accounts.types import TaxTreatment
from carbonledger.domains.catalog.types import charges, taxes
from carbonledger.domains.catalog.types.charges import Terms, Usage
from carbonledger.domains.invoices.service import previewing
from carbonledger.domains.invoices.types import previews
from carbonledger.domains.invoices.types.rating import WHOLE, Part, Rated, TierPart
from carbonledger.domains.invoices.types.totals import DocumentTotals, LineTotal, Tax, TaxRounding, TaxTotal
from carbonledger.entrypoints.rest import price_shapes, quantities, routing, shapes
from carbonledger.entrypoints.rest.price_shapes import Reader
from carbonledger.entrypoints.shared import access
from carbonledger.kernel import currency, decimals, money
from carbonledger.kernel.currency import Currency
from carbonledger.kernel.money import Money

router = routing.Router(prefix="/v1/invoices/preview", tag="Invoices")

_PART_MAX: Final = 10**9  # seconds of thirty years
_NUMBER_CHARS_MAX: Final = price_shapes.NUMBER_CHARS_MAX


class PartIn(shapes.In):
    """So many of a period's days, or seconds."""

    numerator: int = Field(ge=0, le=_PART_MAX)
    denominator: int = Field(ge=1, le=_PART_MAX)


class LineIn(price_shapes.PriceIn):
    """One line: a price, and what is priced."""

    quantity: str | None = price_shapes.number(
        "Units, or the amount of which a percentage is charged; of flat, 1 if left out; of carbon, kilograms in place of co2e_g. "
        "Not read where event_amounts or metered_cost say it."
    )
    event_count: int | None = Field(default=None, ge=0, le=charges.COUNT_MAX, description="Of percentage: how many events there were.")
    event_amounts: list[Annotated[str, Field(max_length=_NUMBER_CHARS_MAX)]] | None = Field(
        default=None,
        max_length=price_shapes.EVENT_AMOUNTS_MAX,
        description="Of percentage: the amount of each event, in the order in which they happened; their sum is the base.",
    )
    metered_cost: str | None = price_shapes.number("Of cost_plus: what the providers charged.")
    cost_by_kind: price_shapes.ByKindIn | None = Field(default=None, description="Of cost_plus: how much of it was for which tokens.")
    co2e_g: price_shapes.Co2eIn | None = Field(default=None, description="Of carbon.")
    free_units: str | None = price_shapes.number("Units that cost nothing, however short the period.")
    included: str | None = price_shapes.number("The allowance: units that cost nothing, for a part of a period that part of them.")
    minimum: str | None = price_shapes.number("What the line comes to at the least.")
    maximum: str | None = price_shapes.number("What the line comes to at the most.")
    part: PartIn | None = Field(
        default=None, description="The part of a service period: flat amounts, allowance, minimum and maximum are that part."
    )
    discounts: list[price_shapes.DiscountIn] = Field(
        default=[], max_length=previewing.DISCOUNTS_MAX, description="Off this line, in this order, before it is rounded."
    )
    tax_rate_percent: str | None = price_shapes.number("0 to 100, with at most 4 places.")
    tax_inclusive: bool = Field(default=False, description="Whether the price holds the tax already.")


class PreviewIn(shapes.In):
    """Lines to rate, and what is taken off the whole."""

    currency: str = Field(max_length=3, description="ISO 4217; every amount is in it.")
    lines: list[LineIn] = Field(min_length=1, max_length=previewing.LINES_MAX)
    discounts: list[price_shapes.DiscountIn] = Field(
        default=[], max_length=previewing.DISCOUNTS_MAX, description="Off the sum of the lines, in this order."
    )
    tax_rounding: Literal["document", "line"] = Field(
        default="document", description="Where tax is rounded: once, its parts given to the lines by largest remainder, or on each line."
    )
    tax_treatment: Literal["standard", "exempt", "reverse_charge"] = Field(
        default="standard", description="Of who is billed: anything but standard means no tax."
    )


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


def from_api_preview(body: PreviewIn) -> previews.Draft:
    """Return the document to work out. Raises ``PreviewInvalid`` with all that is wrong with any of its lines."""
    reader = Reader()
    unit = _currency(body.currency, reader)
    lines = {place: _line(line, reader, f"/lines/{place}") for place, line in enumerate(body.lines)}
    discounts = reader.discounts(body.discounts, "/discounts")
    read = {place: line for place, line in lines.items() if line is not None}
    if unit is not None:
        reader.problems += previewing.problems(read, unit)
        reader.problems += previewing.discount_problems(discounts, unit, at="/discounts")
    if reader.problems or unit is None:
        raise previews.PreviewInvalid(reader.problems)
    return previews.Draft(
        currency=unit,
        lines=tuple(read.values()),
        discounts=discounts,
        treatment=TaxTreatment(body.tax_treatment),
        rounding=TaxRounding(body.tax_rounding),
    )


def _currency(code: str, reader: Reader) -> Currency | None:
    return reader.made("/currency", lambda: currency.from_api_currency(code))


def _line(line: LineIn, reader: Reader, at: str) -> previews.DraftLine | None:
    """Return a line; None where a part of it can't be read, which the reader then knows."""
    before = len(reader.problems)
    model = price_shapes.from_api_model(line, reader, at)
    usage = _usage(line, reader, at)
    terms = _terms(line, reader, at)
    part = WHOLE if line.part is None else _part(line.part, reader, f"{at}/part")
    discounts = reader.discounts(line.discounts, f"{at}/discounts")
    tax = _tax(line, reader, at)
    if model is None or usage is None or terms is None or part is None or len(reader.problems) > before:
        return None
    return previews.DraftLine(model=model, usage=usage, terms=terms, part=part, discounts=discounts, taxes=() if tax is None else (tax,))


def _part(part: PartIn, reader: Reader, at: str) -> Part | None:
    return reader.made(at, lambda: Part(part.numerator, part.denominator))


def _terms(line: LineIn, reader: Reader, at: str) -> Terms | None:
    before = len(reader.problems)
    free, included = (
        reader.decimal(getattr(line, name), f"{at}/{name}", places=charges.QUANTITY_PLACES) for name in ("free_units", "included")
    )
    minimum, maximum = (reader.decimal(getattr(line, name), f"{at}/{name}") for name in ("minimum", "maximum"))
    if len(reader.problems) > before:
        return None
    given = {"free_units": free, "included": included, "minimum": minimum, "maximum": maximum}
    return reader.made(at, lambda: Terms(**{name: value for name, value in given.items() if value is not None}))


def _tax(line: LineIn, reader: Reader, at: str) -> Tax | None:
    percent = reader.decimal(line.tax_rate_percent, f"{at}/tax_rate_percent", places=taxes.PERCENT_PLACES)
    if percent is None:
        return None
    if not 0 <= percent <= taxes.PERCENT_MAX:
        reader.told(f"{at}/tax_rate_percent", "percent_invalid", "Give 0 to 100.")
    return Tax(decimals.to_api_decimal(percent), percent, line.tax_inclusive)


# What is priced, by model. Others are refused, but for a quantity, which every line may state.
_USAGE: Final = frozenset({"event_count", "event_amounts", "metered_cost", "cost_by_kind", "co2e_g"})
_USAGE_TAKEN: Final = {
    "percentage": frozenset({"event_count", "event_amounts"}),
    "cost_plus": frozenset({"metered_cost", "cost_by_kind"}),
    "carbon": frozenset({"co2e_g"}),
}


def _usage(line: LineIn, reader: Reader, at: str) -> Usage | None:
    name, before = line.charge_model, len(reader.problems)
    for member in sorted(_USAGE - _USAGE_TAKEN.get(name, frozenset())):
        if getattr(line, member) is not None:
            reader.told(f"{at}/{member}", "member_unexpected", f"The model {name} does not take this member.")
    given: dict[str, Any] = {
        "quantity": _quantity(line, reader, at),
        "event_count": line.event_count,
        "event_amounts": _amounts(line, reader, at),
        "metered_cost": reader.decimal(line.metered_cost, f"{at}/metered_cost", places=decimals.DIGITS_MAX),
        "cost_by_kind": reader.by_kind(line.cost_by_kind, f"{at}/cost_by_kind", places=decimals.DIGITS_MAX),
        "co2e": reader.co2e(line.co2e_g, f"{at}/co2e_g"),
    }
    if len(reader.problems) > before:
        return None
    if name == "carbon" and given["co2e"] is None:
        given["co2e"] = reader.made(f"{at}/quantity", lambda: price_shapes.kilograms(given["quantity"]))
    return reader.made(at, lambda: Usage(**{member: value for member, value in given.items() if value is not None}))


def _quantity(line: LineIn, reader: Reader, at: str) -> Decimal | None:
    said_otherwise = line.event_amounts is not None or line.charge_model == "cost_plus" or line.co2e_g is not None
    if line.quantity is None and line.charge_model == "flat":
        return Decimal(1)
    if line.quantity is None and said_otherwise:
        return None
    return reader.needed(line.quantity, f"{at}/quantity", places=charges.QUANTITY_PLACES)


def _amounts(line: LineIn, reader: Reader, at: str) -> tuple[Decimal, ...] | None:
    if line.event_amounts is None:
        return None
    found = [reader.decimal(text, f"{at}/event_amounts/{place}") for place, text in enumerate(line.event_amounts)]
    return tuple(amount for amount in found if amount is not None)


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
    errors=(previews.PreviewInvalid,),
)
async def preview_invoice(call: routing.CallDep, body: PreviewIn) -> PreviewOut:
    """Say what lines would come to, as a bill run would charge them. Nothing is stored.

    Each line: free units, the allowance, the model, minimum and maximum, its discounts, and then it is rounded half up, once. The
    document: the lines' sum, its discounts, and tax on what is left. At zero usage a first tier's flat price is charged unless
    `flat_at_zero` is false.
    """
    del call
    return to_api_preview(previewing.preview(from_api_preview(body)))
