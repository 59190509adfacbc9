"""Invoices: the list, one with its lines and what may be done with it, each line explained down to its events, and its PDF."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.accounts import service as accounts
from carbonledger.domains.invoices.service import collecting, explaining, failing, printing, standing
from carbonledger.domains.invoices.types import invoices as types
from carbonledger.domains.invoices.types.invoices import TRANSITIONS, Filters, Invoice, Move, Payment, State
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.entrypoints.web import forms, routes, screens
from carbonledger.entrypoints.web.sections.invoices import wording
from carbonledger.infra import db
from carbonledger.kernel import errors, page

router = routes.Router()
READ: Final = access.scope("invoices:read")
WRITE: Final = access.scope("invoices:write")
PATH: Final = "/invoices"
_PDF: Final = b"application/pdf"
_EVENTS: Final = 20
_DONE: Final = {
    "issued": "The invoice is issued. Its PDF follows in a moment.",
    "void": "The invoice is void. It keeps its number.",
    "paid": "The payment is recorded. The invoice does not change any more.",
    "uncollectible": "The invoice is given up. If it is paid after all, record that.",
}
_TABS: Final = {
    "": ("All", Filters()),
    "draft": ("Drafts", Filters(state=State.DRAFT)),
    "unpaid": ("Unpaid", Filters(state=State.ISSUED, payment=Payment.UNPAID)),
    "failed": ("Payment failed", Filters(payment=Payment.FAILED)),
    "paid": ("Paid", Filters(payment=Payment.PAID)),
}
_BY_HAND: Final = (Move.ISSUE, Move.PAY, Move.GIVE_UP, Move.VOID)
_SHOWN: Final = {errors.Kind.INVALID, errors.Kind.CONFLICT}
Act = Callable[..., Awaitable[Invoice]]


@router.page(PATH, READ)
async def invoices(call: routing.CallDep) -> exchange.Answer:
    """Show the invoices."""
    fields, organization_id = screens.query(call), call.caller.organization_id
    tab = fields.text("show") if fields.text("show") in _TABS else ""
    request = call.page(limit=page.LIMIT_DEFAULT, cursor=fields.given("cursor"), parts=1)
    async with screens.reading(call) as uow:
        found = await standing.listed(uow, organization_id=organization_id, filters=_TABS[tab][1], page=request)
        names = await accounts.find_many(uow, organization_id=organization_id, account_ids=[one.account_id for one in found.data])
        failed = await failing.listed(uow, organization_id=organization_id, page=page.PageRequest(limit=5))
        return await screens.show(
            call,
            uow,
            "invoices/list.html",
            section="invoices",
            title="Invoices",
            rows=[(one, names[one.account_id].name) for one in found.data],
            next_cursor=found.next_cursor,
            failed=failed.data,
            tabs={key: words for key, (words, _) in _TABS.items()},
            tab=tab,
            wording=wording,
        )


@router.page(PATH + "/{invoice_id}", READ)
async def invoice(call: routing.CallDep, invoice_id: UUID) -> exchange.Answer:
    """Show an invoice with its lines."""
    return await _one(call, invoice_id, forms.Refused())


async def _one(call: routing.Call, invoice_id: UUID, refused: forms.Refused, *, status: int = 200) -> exchange.Answer:
    fields, organization_id = screens.query(call), call.caller.organization_id
    async with screens.reading(call) as uow:
        found = await standing.find(uow, organization_id=organization_id, invoice_id=invoice_id)
        return await screens.show(
            call,
            uow,
            "invoices/one.html",
            section="invoices",
            title=wording.name(found),
            path=f"{PATH}/{invoice_id}",
            status=status,
            refused=refused,
            done=_DONE.get(fields.text("done"), ""),
            found=found,
            lines=await standing.every_line(uow, organization_id=organization_id, invoice_id=invoice_id),
            account=await accounts.find(uow, organization_id=organization_id, account_id=found.account_id),
            failed=await failing.of_invoice(uow, organization_id=organization_id, invoice_id=invoice_id),
            may_move={move.value for move in _BY_HAND if _may(found, move)},
            wording=wording,
        )


def _may(found: Invoice, move: Move) -> bool:
    rule = TRANSITIONS[move]
    return found.state in rule.states and found.payment in rule.payments


@router.page(PATH + "/{invoice_id}/lines/{line_id}", READ)
async def line(call: routing.CallDep, invoice_id: UUID, line_id: UUID) -> exchange.Answer:
    """Explain a line."""
    fields, organization_id = screens.query(call), call.caller.organization_id
    names: dict[str, Any] = {"organization_id": organization_id, "invoice_id": invoice_id, "line_id": line_id}
    request = call.page(limit=_EVENTS, cursor=fields.given("cursor"), parts=2)
    async with screens.reading(call) as uow:
        found = await explaining.explain(uow, now=call.now, **names)
        events = await explaining.events(uow, page=request, **names)
        return await screens.show(
            call,
            uow,
            "invoices/line.html",
            section="invoices",
            title=found.line.description,
            found=found,
            invoice=found.invoice,
            steps=wording.steps(found.line, found.invoice),
            events=events.data,
            next_cursor=events.next_cursor,
            wording=wording,
        )


@router.page(PATH + "/{invoice_id}/pdf", READ)
async def pdf(call: routing.CallDep, invoice_id: UUID) -> exchange.Answer:
    """Give an invoice's PDF."""
    async with screens.reading(call) as uow:
        number, content = await printing.document(uow, organization_id=call.caller.organization_id, invoice_id=invoice_id)
    name = "".join(each if each.isalnum() or each in "-_." else "-" for each in number)
    headers: list[exchange.Header] = [
        (b"content-disposition", f'attachment; filename="{name}.pdf"'.encode()),
        (b"content-security-policy", screens.POLICY.encode()),
    ]
    return exchange.Answer(200, body=content, media_type=_PDF, headers=headers)


@router.act(PATH + "/{invoice_id}/finalize", WRITE)
async def finalize(call: routing.CallDep, invoice_id: UUID) -> exchange.Answer:
    """Issue a draft."""
    return await _act(call, invoice_id, collecting.finalize, "issued")


@router.act(PATH + "/{invoice_id}/void", WRITE)
async def void(call: routing.CallDep, invoice_id: UUID) -> exchange.Answer:
    """Make an invoice void."""
    return await _act(call, invoice_id, standing.void, "void")


@router.act(PATH + "/{invoice_id}/uncollectible", WRITE)
async def uncollectible(call: routing.CallDep, invoice_id: UUID) -> exchange.Answer:
    """Give an invoice up."""
    return await _act(call, invoice_id, standing.give_up, "uncollectible")


@router.act(PATH + "/{invoice_id}/pay", WRITE)
async def pay(call: routing.CallDep, invoice_id: UUID) -> exchange.Answer:
    """Record a payment."""
    reference = screens.sent(call).text("reference")
    return await _act(call, invoice_id, standing.record_payment, "paid", reference=reference)


async def _act(call: routing.Call, invoice_id: UUID, act: Act, done: str, **given: str) -> exchange.Answer:
    try:
        async with screens.writing(call) as uow:
            await _run(call, uow, act, invoice_id, given)
    except errors.Fault as fault:
        if fault.kind not in _SHOWN or isinstance(fault, types.InvoiceNotFound):
            raise
        return await _one(call, invoice_id, forms.refused(fault, screens.sent(call), only="reference" if given else None), status=422)
    return screens.go(f"{PATH}/{invoice_id}?done={done}")


async def _run(call: routing.Call, uow: db.UnitOfWork, act: Act, invoice_id: UUID, given: dict[str, str]) -> None:
    await act(uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, invoice_id=invoice_id, **given)
