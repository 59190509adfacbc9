"""Writing an invoice by hand: whom it bills, its lines, and what it comes to, shown by what writes it before anything is kept."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from carbonledger.domains.accounts import service as accounts
from carbonledger.domains.accounts.types import Account
from carbonledger.domains.catalog import service as catalog
from carbonledger.domains.invoices.service import one_off, sellers, standing
from carbonledger.domains.invoices.types.invoices import Invoice, InvoiceStateForbids
from carbonledger.entrypoints.rest import problems, routing
from carbonledger.entrypoints.shared import exchange
from carbonledger.entrypoints.web import forms, routes, screens
from carbonledger.entrypoints.web.sections.invoices import drafts, one, pages, shown, wording
from carbonledger.infra import db
from carbonledger.kernel import currency as currencies
from carbonledger.kernel import errors
from carbonledger.kernel import page as kernel_pages

router = routes.Router()
_NEW: Final = pages.PATH + "/new"
_RATES: Final = kernel_pages.LIMIT_MAX


@router.page(_NEW, pages.WRITE)
async def new(call: routing.CallDep) -> exchange.Answer:
    """Show the editor of an invoice; before that, whom it is for."""
    fields = screens.query(call)
    async with screens.reading(call) as uow:
        replaced = pages.uuid(fields.given("replaces"))
        if replaced is not None:
            invoice, form = await _draft(call, uow, replaced)
            account = await accounts.find(uow, organization_id=call.caller.organization_id, account_id=invoice.account_id)
            return await _editor(call, uow, form, account)
        chosen, choices = await pages.whose(call, uow, fields)
        if chosen is not None and chosen.deleted_at is None:
            return await _editor(call, uow, drafts.blank(), chosen)
        return await screens.show(
            call,
            uow,
            "invoices/whom.html",
            section="invoices",
            title="Write an invoice",
            path=_NEW,
            customer=fields.text("customer"),
            choices=choices,
            is_lost=pages.is_somebodys(fields) and not choices,
            has_accounts=bool(await _some_accounts(call, uow)),
        )


async def _some_accounts(call: routing.Call, uow: db.UnitOfWork) -> tuple[Account, ...]:
    return (await accounts.some(uow, organization_id=call.caller.organization_id, page=kernel_pages.PageRequest(limit=1))).data


async def _draft(call: routing.Call, uow: db.UnitOfWork, invoice_id: UUID) -> tuple[Invoice, drafts.Form]:
    """Return a draft and its form. Raises ``InvoiceNotFound``, ``InvoiceStateForbids``."""
    organization_id = call.caller.organization_id
    found = await standing.find(uow, organization_id=organization_id, invoice_id=invoice_id)
    request = kernel_pages.PageRequest(limit=drafts.LINES_MAX)
    lines = await standing.lines(uow, organization_id=organization_id, invoice_id=invoice_id, page=request)
    form = drafts.of_draft(found, lines.data)
    if form is None:
        raise InvoiceStateForbids("Only a draft that was written here can be changed.")
    form.values["replaces"] = str(invoice_id)
    return found, form


@router.act(pages.PATH + "/draft", pages.WRITE)
async def redraw(call: routing.CallDep) -> exchange.Answer:
    """Show the editor again with a line more or less, and what the invoice comes to. Nothing is kept."""
    fields = screens.sent(call)
    form = drafts.acted(drafts.read(fields), fields.text("act"))
    async with screens.reading(call) as uow:
        return await _editor(call, uow, form, await _account(call, uow, fields))


@router.act(pages.PATH, pages.WRITE)
async def save(call: routing.CallDep) -> exchange.Answer:
    """Save the draft, in place of the one that was changed if one was."""
    fields = screens.sent(call)
    form = drafts.read(fields)
    organization_id = call.caller.organization_id

    async def act(uow: db.UnitOfWork) -> str:
        account = await _account(call, uow, fields)
        draft = drafts.sent(form, account.id)
        replaced = pages.uuid(fields.given("replaces"))
        if replaced is not None:
            await standing.drop(uow, actor=call.actor, now=call.now, organization_id=organization_id, invoice_id=replaced)
        made = await one_off.create(uow, actor=call.actor, now=call.now, at=call.at, organization_id=organization_id, draft=draft)
        return f"{pages.PATH}/{made.id}?done=drafted"

    async def refusal(fault: errors.Fault) -> exchange.Answer:
        async with screens.reading(call) as uow:
            return await _editor(call, uow, form, await _account(call, uow, fields), fault)

    return await screens.attempt(call, act, refusal)


async def _account(call: routing.Call, uow: db.UnitOfWork, fields: forms.Fields) -> Account:
    named = pages.uuid(fields.given("account"))
    if named is None:
        raise errors.Malformed("The form names no account. Begin again from the list of invoices.")
    return await accounts.find(uow, organization_id=call.caller.organization_id, account_id=named)


async def _editor(
    call: routing.Call, uow: db.UnitOfWork, form: drafts.Form, account: Account, fault: errors.Fault | None = None
) -> exchange.Answer:
    organization_id = call.caller.organization_id
    rates = await catalog.list_tax_rates(uow, organization_id=organization_id, page=kernel_pages.PageRequest(limit=_RATES))
    settings = await sellers.settings(uow, organization_id=organization_id)
    usual = ", ".join(settings.tax_rate_codes) or "none"
    return await screens.show(
        call,
        uow,
        "invoices/new.html",
        section="invoices",
        title="Write an invoice",
        path=_NEW,
        kept=[("account", str(account.id))],
        status=200 if fault is None else problems.status_of(fault),
        form=form,
        account=account,
        refused=forms.Refused(
            form.fields(), "" if fault is None else forms.words(fault), {} if fault is None else drafts.beside(form, fault.problems)
        ),
        currencies=[(code, code) for code in (account.currency, *sorted(currencies.codes() - {account.currency}))],
        taxes=[
            (drafts.SELLERS, f"Usual: {usual}"),
            (drafts.NONE, "No tax"),
            *((rate.code, f"{rate.name}, {shown.number(rate.percent)} %") for rate in rates.data),
        ],
        treatment=wording.TREATMENTS[account.tax_treatment],
        **await _preview(call, uow, form, account),
    )


async def _preview(call: routing.Call, uow: db.UnitOfWork, form: drafts.Form, account: Account) -> dict[str, Any]:
    """Return the document that would be written; or what is wanting to it."""
    nothing: dict[str, Any] = {"document": None, "wanting": ()}
    if not form.written():
        return nothing
    try:
        draft = drafts.sent(form, account.id)
        invoice, lines = await one_off.preview(uow, now=call.now, at=call.at, organization_id=call.caller.organization_id, draft=draft)
    except errors.Fault as fault:
        if fault.kind not in screens.MENDABLE:
            raise
        return {**nothing, "wanting": tuple(dict.fromkeys(each.detail for each in fault.problems)) or (forms.words(fault),)}
    return {"document": one.document(invoice, lines, {}), "wanting": ()}
