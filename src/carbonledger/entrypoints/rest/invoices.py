"""Invoices: written, issued, made void, paid, given up; listed with their lines and their PDFs."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from carbonledger.domains.accounts import types as account_types
from carbonledger.domains.catalog.types import AmountDiscount, Discount, PercentDiscount
from carbonledger.domains.invoices.service import collecting, failing, one_off, printing, standing
from carbonledger.domains.invoices.types import failures, invoices
from carbonledger.domains.invoices.types.invoices import Filters, Invoice, Line
from carbonledger.entrypoints.rest import quantities, routing, shapes
from carbonledger.entrypoints.shared import access
from carbonledger.kernel import decimals, errors, page
from carbonledger.kernel import money as moneys
from carbonledger.kernel.errors import Problem
from carbonledger.kernel.money import Money
from carbonledger.kernel.period import Period, PeriodInvalid

router = routing.Router(prefix="/v1/invoices", tag="Invoices")
READ: Final = access.scope("invoices:read")
WRITE: Final = access.scope("invoices:write")
_PDF: Final = "application/pdf"
_NUMBER_CHARS_MAX: Final = 100
_FAULTS: Final = (invoices.InvoiceNotFound,)
_MOVES: Final = (*_FAULTS, invoices.InvoiceStateForbids, invoices.AlreadyPaid)
_ID: Final = "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d81"
_ACCOUNT: Final = "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d82"
_LINE: Final = "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d83"


class DiscountIn(shapes.In):
    """A discount: a percentage, or an amount of the invoice's currency. Give one of them."""

    percent: str | None = Field(default=None, max_length=_NUMBER_CHARS_MAX, description="More than 0, at most 100.")
    amount: str | None = Field(default=None, max_length=_NUMBER_CHARS_MAX, description="More than 0, in whole minor units.")
    name: str | None = Field(default=None, min_length=1, max_length=200)


class PeriodIn(shapes.In):
    """A stretch of time: the start inside, the end outside."""

    start: dt.datetime
    end: dt.datetime


class ItemIn(shapes.In):
    """A line: so much of something, at a price."""

    description: str = Field(max_length=1000)
    quantity: str = Field(default="1", max_length=_NUMBER_CHARS_MAX, description="0 or more, with at most 12 places.")
    unit_price: str = Field(max_length=_NUMBER_CHARS_MAX, description="0 or more, with at most 12 places.")
    discounts: list[DiscountIn] = Field(default=[], max_length=10, description="Off this line, in this order.")
    tax_rate_codes: list[Annotated[str, Field(max_length=64)]] | None = Field(
        default=None, max_length=5, description="Left out: those of the seller. Empty: none."
    )
    service: PeriodIn | None = Field(default=None, description="The time that the line is for, if it is for one.")


class AmountIn(shapes.In):
    """An amount off the whole invoice."""

    amount: str = Field(max_length=_NUMBER_CHARS_MAX, description="More than 0, in whole minor units.")
    name: str | None = Field(default=None, min_length=1, max_length=200)


class InvoiceIn(shapes.In):
    """An invoice to write."""

    account_id: UUID
    currency: str | None = Field(default=None, max_length=3, description="ISO 4217. Left out: the account's.")
    lines: list[ItemIn] = Field(min_length=1, max_length=invoices.LINES_MAX)
    discounts: list[AmountIn] = Field(default=[], max_length=10, description="Off the whole, in this order.")
    memo: str | None = Field(default=None, max_length=1000, description="A sentence that stands under the sums.")
    terms_days: int | None = Field(default=None, ge=0, le=365, description="Days until it is due. Left out: the account's.")


class PayIn(shapes.In):
    """How an invoice is paid."""

    mode: Literal["collect", "record"] = Field(description="record: it was paid outside, by a transfer for instance.")
    reference: str | None = Field(default=None, max_length=1000, description="Of record: what names the payment.")


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
    events_sha256: str | None = Field(description="SHA-256 over the events that were counted.")


_INVOICE: Final[dict[str, Any]] = {
    "id": _ID,
    "number": "INV-00042",
    "account_id": _ACCOUNT,
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
_DETAIL: Final[dict[str, Any]] = {
    **_INVOICE,
    "memo": None,
    "seller": _PARTY,
    "buyer": {**_PARTY, "reference": "cust-42"},
    "taxes": [{"code": "vat", "name": "VAT", "percent": "19", "inclusive": False, "taxable": "155.50", "amount": "29.55"}],
    "failures": [],
}
_DRAFT: Final[dict[str, Any]] = {
    **_DETAIL,
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


async def _detail(call: routing.Call, invoice: Invoice) -> InvoiceDetailOut:
    organization_id = call.caller.organization_id
    failed = await failing.of_invoice(call.uow, organization_id=organization_id, invoice_id=invoice.id)
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
    }


def _from_api_invoice(body: InvoiceIn) -> one_off.Draft:
    problems: list[Problem] = []
    items = [_item(one, problems, at=f"/lines/{place}") for place, one in enumerate(body.lines)]
    off = [_decimal(one.amount, problems, f"/discounts/{place}/amount") for place, one in enumerate(body.discounts)]
    errors.refuse(problems)
    return one_off.Draft(
        account_id=body.account_id,
        currency=body.currency,
        items=tuple(items),
        discounts=tuple(AmountDiscount(value, given.name) for value, given in zip(off, body.discounts, strict=True)),
        memo=body.memo,
        terms_days=body.terms_days,
    )


def _item(item: ItemIn, problems: list[Problem], *, at: str) -> one_off.Item:
    return one_off.Item(
        description=item.description,
        quantity=_decimal(item.quantity, problems, f"{at}/quantity"),
        unit_price=_decimal(item.unit_price, problems, f"{at}/unit_price"),
        discounts=tuple(_discount(one, problems, at=f"{at}/discounts/{place}") for place, one in enumerate(item.discounts)),
        tax_rate_codes=None if item.tax_rate_codes is None else tuple(item.tax_rate_codes),
        service=None if item.service is None else _period(item.service, problems, at=f"{at}/service"),
    )


def _period(given: PeriodIn, problems: list[Problem], *, at: str) -> Period | None:
    try:
        return Period(given.start, given.end)
    except PeriodInvalid as fault:
        problems.append(Problem(at, fault.code, str(fault)))
        return None


def _discount(given: DiscountIn, problems: list[Problem], *, at: str) -> Discount:
    if (given.percent is None) == (given.amount is None):
        problems.append(Problem(at, "one_of", "Give a percent or an amount."))
    if given.percent is not None:
        return PercentDiscount(_decimal(given.percent, problems, f"{at}/percent"), given.name)
    return AmountDiscount(_decimal(given.amount or "0", problems, f"{at}/amount"), given.name)


def _decimal(text: str, problems: list[Problem], at: str) -> Decimal:
    """Return the number that ``text`` spells; where it spells none, the problem is kept and nothing is done with what is returned."""
    try:
        return decimals.from_api_decimal(text, places=12)
    except errors.Invalid as fault:
        problems.append(Problem(at, fault.code, str(fault)))
        return Decimal(0)


@router.get(
    "",
    access=READ,
    summary="List invoices",
    operation_id="listInvoices",
    examples={"response": {"data": [_INVOICE], "next_cursor": None}},
    errors=(page.CursorUnreadable,),
)
async def list_invoices(
    call: routing.CallDep,
    *,
    account_id: UUID | None = None,
    subscription_id: UUID | None = None,
    state: invoices.State | None = None,
    payment: invoices.Payment | None = None,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=page.CURSOR_MAX_CHARS)] = None,
) -> shapes.ListOut[InvoiceOut]:
    """List invoices, newest first, drafts and what is gathered for the next one among them."""
    filters = Filters(account_id=account_id, subscription_id=subscription_id, state=state, payment=payment)
    request = call.page(limit=limit, cursor=cursor, parts=1)
    found = await standing.listed(call.uow, organization_id=call.caller.organization_id, filters=filters, page=request)
    return shapes.ListOut(data=[to_api_invoice(one) for one in found.data], next_cursor=found.next_cursor)


@router.post(
    "",
    access=WRITE,
    status_code=201,
    large=True,
    summary="Write an invoice",
    operation_id="createInvoice",
    examples={
        "request": {
            "account_id": _ACCOUNT,
            "currency": "EUR",
            "lines": [{"description": "Integration work", "quantity": "12.5", "unit_price": "120.00"}],
        },
        "response": _DRAFT,
    },
    errors=(account_types.AccountNotFound, account_types.AccountDeleted),
)
async def create_invoice(call: routing.CallDep, body: InvoiceIn) -> InvoiceDetailOut:
    """Write an invoice that no subscription makes. It is a draft until it is finalized."""
    made = await one_off.create(
        call.uow,
        actor=call.actor,
        now=call.now,
        at=call.at,
        organization_id=call.caller.organization_id,
        draft=_from_api_invoice(body),
    )
    call.created(f"/v1/invoices/{made.id}")
    return await _detail(call, made)


@router.get(
    "/{invoice_id}", access=READ, summary="Show an invoice", operation_id="getInvoice", examples={"response": _DETAIL}, errors=_FAULTS
)
async def get_invoice(call: routing.CallDep, invoice_id: UUID) -> InvoiceDetailOut:
    """Show an invoice without its lines."""
    return await _detail(call, await _found(call, invoice_id))


async def _found(call: routing.Call, invoice_id: UUID) -> Invoice:
    return await standing.find(call.uow, organization_id=call.caller.organization_id, invoice_id=invoice_id)


@router.delete(
    "/{invoice_id}",
    access=WRITE,
    status_code=204,
    summary="Drop a draft",
    operation_id="deleteInvoice",
    errors=(*_FAULTS, invoices.InvoiceStateForbids),
)
async def delete_invoice(call: routing.CallDep, invoice_id: UUID) -> None:
    """Drop a draft that was written by hand. An issued invoice stays for ever: make it void."""
    await standing.drop(call.uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, invoice_id=invoice_id)


@router.get(
    "/{invoice_id}/lines",
    access=READ,
    summary="List the lines of an invoice",
    operation_id="listInvoiceLines",
    examples={"response": {"data": [LINE_EXAMPLE], "next_cursor": None}},
    errors=(*_FAULTS, page.CursorUnreadable),
)
async def list_invoice_lines(
    call: routing.CallDep,
    invoice_id: UUID,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=page.CURSOR_MAX_CHARS)] = None,
) -> shapes.ListOut[LineOut]:
    """List the lines of an invoice in their order."""
    invoice = await _found(call, invoice_id)
    request = call.page(limit=limit, cursor=cursor, parts=1)
    found = await standing.lines(call.uow, organization_id=call.caller.organization_id, invoice_id=invoice_id, page=request)
    return shapes.ListOut(data=[to_api_line(one, invoice) for one in found.data], next_cursor=found.next_cursor)


@router.get(
    "/{invoice_id}/pdf",
    access=READ,
    summary="Get an invoice's PDF",
    operation_id="getInvoicePdf",
    answers=(_PDF,),
    errors=(*_FAULTS, invoices.InvoiceNotIssued, invoices.InvoiceUnprinted),
)
async def get_invoice_pdf(call: routing.CallDep, invoice_id: UUID) -> Response:
    """Give the invoice as PDF/A-3 in the account's language, with all its lines attached as JSON."""
    number, content = await printing.document(call.uow, organization_id=call.caller.organization_id, invoice_id=invoice_id)
    name = "".join(each if each.isalnum() or each in "-_." else "-" for each in number)
    return Response(content, media_type=_PDF, headers={"content-disposition": f'attachment; filename="{name}.pdf"'})


@router.post(
    "/{invoice_id}/finalize",
    access=WRITE,
    summary="Finalize an invoice",
    operation_id="finalizeInvoice",
    examples={"response": _DETAIL},
    errors=(*_FAULTS, invoices.InvoiceStateForbids, invoices.InvoiceEmpty),
)
async def finalize_invoice(call: routing.CallDep, invoice_id: UUID) -> InvoiceDetailOut:
    """Issue a draft now: its usage is counted once more, it gets its number, and never changes again."""
    made = await collecting.finalize(
        call.uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, invoice_id=invoice_id
    )
    return await _detail(call, made)


@router.post(
    "/{invoice_id}/void",
    access=WRITE,
    summary="Make an invoice void",
    operation_id="voidInvoice",
    examples={"response": {**_DETAIL, "state": "void", "ended_at": "2026-04-02T00:00:00Z"}},
    errors=_MOVES,
)
async def void_invoice(call: routing.CallDep, invoice_id: UUID) -> InvoiceDetailOut:
    """Make an issued invoice void. It keeps its number, so that there is no gap; what was on it is not billed again by itself."""
    made = await standing.void(call.uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, invoice_id=invoice_id)
    return await _detail(call, made)


@router.post(
    "/{invoice_id}/pay",
    access=WRITE,
    summary="Pay an invoice",
    operation_id="payInvoice",
    examples={
        "request": {"mode": "record", "reference": "SEPA 2026-04-14 / 8821"},
        "response": {**_DETAIL, "payment": "paid", "paid_at": "2026-04-14T00:00:00Z", "reference": "SEPA 2026-04-14 / 8821"},
    },
    errors=(*_MOVES, invoices.CollectionUnavailable),
)
async def pay_invoice(call: routing.CallDep, invoice_id: UUID, body: PayIn) -> InvoiceDetailOut:
    """Write that an invoice was paid outside, wholly. Then it does not change at all any more."""
    if body.mode == "collect":
        raise invoices.CollectionUnavailable('Record the payment once it has arrived: {"mode": "record", "reference": "…"}.')
    if body.reference is None:
        raise errors.invalid("/reference", "required", "Say what names the payment, such as the line on the statement.")
    made = await standing.record_payment(
        call.uow,
        actor=call.actor,
        now=call.now,
        organization_id=call.caller.organization_id,
        invoice_id=invoice_id,
        reference=body.reference,
    )
    return await _detail(call, made)


@router.post(
    "/{invoice_id}/mark-uncollectible",
    access=WRITE,
    summary="Give up an invoice",
    operation_id="markInvoiceUncollectible",
    examples={"response": {**_DETAIL, "state": "uncollectible", "ended_at": "2026-07-01T00:00:00Z"}},
    errors=_MOVES,
)
async def mark_invoice_uncollectible(call: routing.CallDep, invoice_id: UUID) -> InvoiceDetailOut:
    """Write that what is owed won't be paid. If it is paid after all, that can be recorded."""
    made = await standing.give_up(
        call.uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, invoice_id=invoice_id
    )
    return await _detail(call, made)
