"""Invoices: written, issued, made void, paid, given up; listed with their lines and their PDFs."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from carbonledger.domains.accounts import types as account_types
from carbonledger.domains.invoices.service import collecting, failing, one_off, printing, standing
from carbonledger.domains.invoices.types import invoices
from carbonledger.domains.invoices.types.invoices import Filters, Invoice
from carbonledger.entrypoints.rest import invoice_drafts, invoice_shapes, routing, shapes
from carbonledger.entrypoints.shared import access
from carbonledger.kernel import errors, page

router = routing.Router(prefix="/v1/invoices", tag="Invoices")
READ: Final = access.scope("invoices:read")
WRITE: Final = access.scope("invoices:write")
_PDF: Final = "application/pdf"
_FAULTS: Final = (invoices.InvoiceNotFound,)
_MOVES: Final = (*_FAULTS, invoices.InvoiceStateForbids, invoices.AlreadyPaid)


async def _detail(call: routing.Call, invoice: Invoice) -> invoice_shapes.InvoiceDetailOut:
    failed = await failing.of_invoice(call.uow, organization_id=call.caller.organization_id, invoice_id=invoice.id)
    return invoice_shapes.to_api_detail(invoice, failed)


@router.get(
    "",
    access=READ,
    summary="List invoices",
    operation_id="listInvoices",
    examples={"response": {"data": [invoice_shapes.INVOICE], "next_cursor": None}},
    errors=(page.CursorUnreadable,),
)
async def list_invoices(
    call: routing.CallDep,
    *,
    account_id: UUID | None = None,
    subscription_id: UUID | None = None,
    state: invoices.State | None = None,
    payment: invoices.Payment | None = None,
    number: Annotated[str | None, Query(min_length=1, max_length=100, description="A part of the number.")] = None,
    issued_from: Annotated[dt.datetime | None, Query(description="Issued at this time or later.")] = None,
    issued_before: Annotated[dt.datetime | None, Query(description="Issued before this time.")] = None,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=page.CURSOR_MAX_CHARS)] = None,
) -> shapes.ListOut[invoice_shapes.InvoiceOut]:
    """List invoices, newest first, drafts and what is gathered for the next one among them."""
    filters = Filters(
        account_id=account_id,
        subscription_id=subscription_id,
        state=state,
        payment=payment,
        number=number,
        issued_from=issued_from,
        issued_before=issued_before,
    )
    request = call.page(limit=limit, cursor=cursor, parts=1)
    found = await standing.listed(call.uow, organization_id=call.caller.organization_id, filters=filters, page=request)
    return shapes.ListOut(data=[invoice_shapes.to_api_invoice(one) for one in found.data], next_cursor=found.next_cursor)


@router.post(
    "",
    access=WRITE,
    status_code=201,
    large=True,
    summary="Write an invoice",
    operation_id="createInvoice",
    examples={
        "request": {
            "account_id": invoice_shapes.ACCOUNT,
            "currency": "EUR",
            "lines": [{"description": "Integration work", "quantity": "12.5", "unit_price": "120.00"}],
        },
        "response": invoice_shapes.DRAFT,
    },
    errors=(account_types.AccountNotFound, account_types.AccountDeleted),
)
async def create_invoice(call: routing.CallDep, body: invoice_drafts.InvoiceIn) -> invoice_shapes.InvoiceDetailOut:
    """Write an invoice that no subscription makes. It is a draft until it is finalized."""
    made = await one_off.create(
        call.uow,
        actor=call.actor,
        now=call.now,
        at=call.at,
        organization_id=call.caller.organization_id,
        draft=invoice_drafts.from_api_invoice(body),
    )
    call.created(f"/v1/invoices/{made.id}")
    return await _detail(call, made)


@router.get(
    "/{invoice_id}",
    access=READ,
    summary="Show an invoice",
    operation_id="getInvoice",
    examples={"response": invoice_shapes.DETAIL},
    errors=_FAULTS,
)
async def get_invoice(call: routing.CallDep, invoice_id: UUID) -> invoice_shapes.InvoiceDetailOut:
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
    examples={"response": {"data": [invoice_shapes.LINE_EXAMPLE], "next_cursor": None}},
    errors=(*_FAULTS, page.CursorUnreadable),
)
async def list_invoice_lines(
    call: routing.CallDep,
    invoice_id: UUID,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=page.CURSOR_MAX_CHARS)] = None,
) -> shapes.ListOut[invoice_shapes.LineOut]:
    """List the lines of an invoice in their order."""
    invoice = await _found(call, invoice_id)
    request = call.page(limit=limit, cursor=cursor, parts=1)
    found = await standing.lines(call.uow, organization_id=call.caller.organization_id, invoice_id=invoice_id, page=request)
    return shapes.ListOut(data=[invoice_shapes.to_api_line(one, invoice) for one in found.data], next_cursor=found.next_cursor)


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
    examples={"response": invoice_shapes.DETAIL},
    errors=(*_FAULTS, invoices.InvoiceStateForbids, invoices.InvoiceEmpty),
)
async def finalize_invoice(call: routing.CallDep, invoice_id: UUID) -> invoice_shapes.InvoiceDetailOut:
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
    examples={"response": {**invoice_shapes.DETAIL, "state": "void", "ended_at": "2026-04-02T00:00:00Z"}},
    errors=_MOVES,
)
async def void_invoice(call: routing.CallDep, invoice_id: UUID) -> invoice_shapes.InvoiceDetailOut:
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
        "response": {**invoice_shapes.DETAIL, "payment": "paid", "paid_at": "2026-04-14T00:00:00Z", "reference": "SEPA 2026-04-14 / 8821"},
    },
    errors=(*_MOVES, invoices.CollectionUnavailable),
)
async def pay_invoice(call: routing.CallDep, invoice_id: UUID, body: invoice_drafts.PayIn) -> invoice_shapes.InvoiceDetailOut:
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
    examples={"response": {**invoice_shapes.DETAIL, "state": "uncollectible", "ended_at": "2026-07-01T00:00:00Z"}},
    errors=_MOVES,
)
async def mark_invoice_uncollectible(call: routing.CallDep, invoice_id: UUID) -> invoice_shapes.InvoiceDetailOut:
    """Write that what is owed won't be paid. If it is paid after all, that can be recorded."""
    made = await standing.give_up(
        call.uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, invoice_id=invoice_id
    )
    return await _detail(call, made)
