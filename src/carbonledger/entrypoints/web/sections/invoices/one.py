"""One invoice: who sells to whom, its lines with what they were made of, its sums, what happened to it, and its PDF."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.accounts import service as accounts
from carbonledger.domains.identity.service import organizations
from carbonledger.domains.invoices.service import failing, printing, sellers, standing
from carbonledger.domains.invoices.types import invoices as types
from carbonledger.domains.invoices.types.invoices import Invoice, Line, Move, Origin, Party, State
from carbonledger.domains.subscriptions import service as subscriptions
from carbonledger.domains.subscriptions.types import Subscription, SubscriptionNotFound
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import exchange
from carbonledger.entrypoints.web import forms, routes, screens
from carbonledger.entrypoints.web.sections.invoices import drafts, pages, shown, wording
from carbonledger.infra import db
from carbonledger.kernel import zone as zones

router = routes.Router()
_PDF: Final = b"application/pdf"
LINES_SHOWN: Final = 200
_DONE: Final = {
    "drafted": "The draft is saved. Nothing of it is owed before it is issued.",
    "issued": "It is issued. Its PDF follows in a moment.",
    "paid": "The payment is recorded. Nothing of this invoice changes any more.",
    "void": "It is void. It keeps its number.",
    "given-up": "It is marked as uncollectible. If it is paid after all, record that here.",
    "retried": "It was done again, and has gone well.",
    "asked": "It is done again in a moment. Reload the page to see it.",
}


@router.page(pages.PATH + "/{invoice_id}", pages.READ)
async def invoice(call: routing.CallDep, invoice_id: UUID) -> exchange.Answer:
    """Show an invoice."""
    return await show(call, invoice_id, forms.Refused())


async def show(call: routing.Call, invoice_id: UUID, refused: forms.Refused, *, status: int = 200) -> exchange.Answer:
    """Return the page of an invoice, with a form that was refused."""
    organization_id, fields = call.caller.organization_id, screens.query(call)
    zone = zones.named(call.caller.time_zone)
    async with screens.reading(call) as uow:
        found = await standing.find(uow, organization_id=organization_id, invoice_id=invoice_id)
        request = call.page(limit=LINES_SHOWN, cursor=fields.given("cursor"), parts=1)
        lines = await standing.lines(uow, organization_id=organization_id, invoice_id=invoice_id, page=request)
        seller, buyer = await _parties(call, uow, found)
        failed = await failing.of_invoice(uow, organization_id=organization_id, invoice_id=invoice_id)
        return await screens.show(
            call,
            uow,
            "invoices/one.html",
            section="invoices",
            title=wording.name(found),
            path=f"{pages.PATH}/{invoice_id}",
            status=status,
            refused=refused,
            done=_DONE.get(fields.text("done"), ""),
            one=found,
            name=wording.name(found),
            lead=wording.lead(found, zone=zone),
            state=wording.STATES[found.state],
            payment=wording.payment(found, today=pages.today(call)),
            origin=wording.ORIGINS[found.origin],
            treatment=wording.TREATMENTS[found.tax_treatment],
            due="" if found.issued is None else wording.day(found.issued.due_on),
            seller=(seller.name, shown.party(seller)),
            buyer=(buyer.name, shown.party(buyer)),
            corrected=await _corrected(call, uow, found),
            troubles=[(one, wording.STEPS[one.step]) for one in failed],
            next_cursor=lines.next_cursor,
            history=wording.history(found),
            acts=acts(found),
            is_editable=drafts.of_draft(found, lines.data) is not None,
            is_preview=found.state in (State.GATHERING, State.DRAFT),
            **document(found, lines.data, await names(call, uow, lines.data)),
        )


def document(found: Invoice, lines: Iterable[Line], known: dict[UUID, str]) -> dict[str, Any]:
    """Return what the part of a page needs that shows a document: its lines in groups, its sums, its currency."""
    return {
        "groups": shown.groups(found, list(lines), known),
        "sums": shown.sums(found),
        "currency": found.currency.code,
        "document_zone": found.zone,
    }


def acts(found: Invoice) -> frozenset[str]:
    """Return what may be done with an invoice as it stands."""
    may = {move.value for move in Move if types.allows(found, move)}
    return frozenset(may - ({Move.DROP.value} if found.origin is not Origin.ONE_OFF else set()))


async def names(call: routing.Call, uow: db.UnitOfWork, lines: Iterable[Line]) -> dict[UUID, str]:
    """Return what the subscriptions of lines are called."""
    found: dict[UUID, str] = {}
    for subscription_id in dict.fromkeys(line.subscription_id for line in lines):
        if subscription_id is not None:
            found[subscription_id] = await _name(call, uow, subscription_id)
    return found


async def _name(call: routing.Call, uow: db.UnitOfWork, subscription_id: UUID) -> str:
    try:
        view = await subscriptions.find(uow, organization_id=call.caller.organization_id, now=call.now, subscription_id=subscription_id)
    except SubscriptionNotFound:
        return "Subscription"
    return called(view.subscription)


def called(subscription: Subscription) -> str:
    """Return what a subscription is called: by its name, its external id, or neither."""
    return subscription.name or subscription.external_id or "Subscription"


async def _parties(call: routing.Call, uow: db.UnitOfWork, found: Invoice) -> tuple[Party, Party]:
    """Return seller and buyer as the document names them; of one that is not issued, as they would be named now."""
    if found.issued is not None:
        return found.issued.seller, found.issued.buyer
    organization_id = call.caller.organization_id
    settings = await sellers.settings(uow, organization_id=organization_id)
    organization = await organizations.find(uow, organization_id=organization_id)
    account = await accounts.find(uow, organization_id=organization_id, account_id=found.account_id)
    seller = Party(name=settings.name or organization.name, address=settings.address, tax_ids=settings.tax_ids, email=settings.email)
    buyer = Party(name=account.name, address=account.address, tax_ids=account.tax_ids, email=account.email, reference=account.external_id)
    return seller, buyer


async def _corrected(call: routing.Call, uow: db.UnitOfWork, found: Invoice) -> tuple[UUID, str] | None:
    if found.corrects is None:
        return None
    before = await standing.find(uow, organization_id=call.caller.organization_id, invoice_id=found.corrects)
    return before.id, wording.name(before)


@router.page(pages.PATH + "/{invoice_id}/pdf", pages.READ)
async def pdf(call: routing.CallDep, invoice_id: UUID) -> exchange.Answer:
    """Give the PDF of an invoice."""
    async with screens.reading(call) as uow:
        number, content = await printing.document(uow, organization_id=call.caller.organization_id, invoice_id=invoice_id)
    name = "".join(each if each.isascii() and (each.isalnum() or each in "-_.") else "-" for each in number)
    headers = [(b"content-disposition", f'attachment; filename="{name}.pdf"'.encode())]
    return exchange.Answer(200, body=content, media_type=_PDF, headers=headers)
