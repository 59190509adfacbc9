"""Invoices: those of an organization, narrowed by how they stand and whose they are; what is owed; and what could not be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from carbonledger.domains.accounts import service as accounts
from carbonledger.domains.accounts.types import Account
from carbonledger.domains.invoices.service import failing, standing
from carbonledger.domains.invoices.types.failures import Failure
from carbonledger.domains.invoices.types.invoices import Filters, Invoice, Owed, Payment, State
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.entrypoints.web import forms, routes, screens
from carbonledger.entrypoints.web.sections.invoices import shown, wording
from carbonledger.infra import db
from carbonledger.kernel import page as pages
from carbonledger.kernel import zone as zones

router = routes.Router()
READ: Final = access.scope("invoices:read")
WRITE: Final = access.scope("invoices:write")
PATH: Final = "/invoices"
_ROWS: Final = 50
_FAILURES: Final = 20
_ACCOUNTS: Final = 8  # that a search may leave to choose from
_NUMBER_MAX_CHARS: Final = 100
_KEPT: Final = ("view", "number", "account", "customer", "subscription", "issued_from", "issued_to")
_DONE: Final = {
    "dropped": "The draft is gone. Nothing of it was billed.",
    "retried": "It was done again, and has gone well.",
    "asked": "It is done again in a moment. Reload the page to see it.",
}
VIEWS: Final[Mapping[str, tuple[str, Filters]]] = {
    "": ("All", Filters()),
    "coming": ("Gathering", Filters(state=State.GATHERING)),
    "drafts": ("Drafts", Filters(state=State.DRAFT)),
    "open": ("Unpaid", Filters(state=State.ISSUED, payment=Payment.UNPAID)),
    "overdue": ("Overdue", Filters()),
    "failed": ("Payment failed", Filters(state=State.ISSUED, payment=Payment.FAILED)),
    "paid": ("Paid", Filters(payment=Payment.PAID)),
    "credit": ("In their favour", Filters(state=State.ISSUED, payment=Payment.CREDIT)),
    "void": ("Void", Filters(state=State.VOID)),
    "uncollectible": ("Uncollectible", Filters(state=State.UNCOLLECTIBLE)),
}
"""What the tabs show."""


@dataclass(frozen=True, slots=True)
class Row:
    """An invoice in the list."""

    invoice: Invoice
    name: str
    account: str
    state: tuple[str, str]
    payment: tuple[str, str]
    due: str
    total: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """A step that failed, with what it is of."""

    failure: Failure
    what: str
    invoice: str
    account: str


@dataclass(frozen=True, slots=True)
class Due:
    """What is owed in a currency, as figures."""

    currency: str
    amount: str
    invoices: int
    overdue_amount: str
    overdue: int


def today(call: routing.Call) -> date:
    """Return the organization's day."""
    return zones.local_date(call.now, zones.named(call.caller.time_zone))


@router.page(PATH, READ)
async def invoices(call: routing.CallDep) -> exchange.Answer:
    """Show the invoices."""
    async with screens.reading(call) as uow:
        return await show(call, uow, forms.Refused())


async def show(call: routing.Call, uow: db.UnitOfWork, refused: forms.Refused, *, status: int = 200) -> exchange.Answer:
    """Return the list; ``refused``: what a retry was refused for."""
    fields, organization_id = screens.query(call), call.caller.organization_id
    chosen, choices = await whose(call, uow, fields)
    filters = filters_of(call, fields, chosen)
    found: pages.Page[Invoice] = pages.Page((), None)
    is_lost = chosen is None and is_somebodys(fields)
    if not is_lost:
        request = call.page(limit=_ROWS, cursor=fields.given("cursor"), parts=1)
        found = await standing.listed(uow, organization_id=organization_id, filters=filters, page=request)
    failed = await failing.listed(uow, organization_id=organization_id, page=pages.PageRequest(limit=_FAILURES))
    known = await accounts.find_many(
        uow,
        organization_id=organization_id,
        account_ids=[*(one.account_id for one in found.data), *(one.account_id for one in failed.data)],
    )
    kept = fields.named(_KEPT)
    view = fields.text("view") if fields.text("view") in VIEWS else ""
    return await screens.show(
        call,
        uow,
        "invoices/list.html",
        section="invoices",
        title="Invoices",
        path=PATH,
        status=status,
        refused=refused,
        rows=[row(one, known[one.account_id].name, today(call)) for one in found.data],
        next_cursor=found.next_cursor,
        owed=[_owed(one) for one in await standing.owed(uow, organization_id=organization_id, today=today(call))],
        troubles=await _troubles(uow, organization_id, failed.data, known),
        views=[(key, words, kept.replaced(view=key or None).query) for key, (words, _) in VIEWS.items()],
        view=view,
        number=fields.text("number"),
        issued_from=fields.text("issued_from"),
        issued_to=fields.text("issued_to"),
        as_table=f"{PATH}/table.csv?{kept.query}",
        account=chosen,
        customer=fields.text("customer"),
        is_lost=is_lost and not choices,
        choices=[(one, kept.replaced(customer=None, account=str(one.id)).query) for one in choices],
        subscription=uuid(fields.given("subscription")),
        without=lambda *names: kept.replaced(**dict.fromkeys(names)).query,
        is_narrowed=bool(kept.pairs),
        again=f"{PATH}?{kept.query}&" if kept.pairs else f"{PATH}?",
        done=_DONE.get(fields.text("done"), ""),
        tab="invoices",
    )


async def whose(call: routing.Call, uow: db.UnitOfWork, fields: forms.Fields) -> tuple[Account | None, Sequence[Account]]:
    """Return the account that is asked for; where only words are given that several have, those to choose from."""
    organization_id, words = call.caller.organization_id, fields.given("customer")
    named = uuid(fields.given("account")) or uuid(words)
    if named is not None:
        known = await accounts.find_many(uow, organization_id=organization_id, account_ids=[named])
        return known.get(named), ()
    if words is None:
        return None, ()
    some = await accounts.some(uow, organization_id=organization_id, page=pages.PageRequest(limit=_ACCOUNTS), search=words)
    return (some.data[0], ()) if len(some.data) == 1 else (None, some.data)


def is_somebodys(fields: forms.Fields) -> bool:
    """Say whether only what is of some account is asked for."""
    return fields.given("account") is not None or fields.given("customer") is not None


def uuid(given: str | None) -> UUID | None:
    """Return the id that an address names; None where it is none."""
    try:
        return None if given is None else UUID(given)
    except ValueError:
        return None


def filters_of(call: routing.Call, fields: forms.Fields, account: Account | None) -> Filters:
    """Return which invoices an address asks for. Raises ``errors.Invalid`` for a day that is none."""
    view = fields.text("view")
    _, filters = VIEWS.get(view, VIEWS[""])
    return replace(
        filters,
        number=(fields.given("number") or "")[:_NUMBER_MAX_CHARS] or None,
        account_id=None if account is None else account.id,
        subscription_id=uuid(fields.given("subscription")),
        overdue_on=today(call) if view == "overdue" else None,
        issued_from=forms.midnight(fields, "issued_from", call.caller.time_zone),
        issued_before=_after(call, fields),
    )


def _after(call: routing.Call, fields: forms.Fields) -> datetime | None:
    """Return the end of the last day on which what is asked for was issued."""
    last = forms.midnight(fields, "issued_to", call.caller.time_zone)
    if last is None:
        return None
    zone = zones.named(call.caller.time_zone)
    return zones.midnight(zones.local_date(last, zone) + timedelta(days=1), zone)


def row(invoice: Invoice, account: str, on: date) -> Row:
    """Return an invoice as lists show it, on a day."""
    return Row(
        invoice=invoice,
        name=wording.name(invoice),
        account=account,
        state=wording.STATES[invoice.state],
        payment=wording.payment(invoice, today=on),
        due="" if invoice.issued is None else wording.day(invoice.issued.due_on),
        total=shown.money(invoice.totals.total, invoice.currency),
    )


def _owed(one: Owed) -> Due:
    return Due(
        one.currency.code, shown.money(one.amount, one.currency), one.invoices, shown.money(one.overdue_amount, one.currency), one.overdue
    )


async def _troubles(uow: db.UnitOfWork, organization_id: UUID, failed: Sequence[Failure], known: Mapping[UUID, Account]) -> list[Trouble]:
    names: dict[UUID, str] = {}
    for one in failed:
        if one.invoice_id is not None and one.invoice_id not in names:
            found = await standing.find(uow, organization_id=organization_id, invoice_id=one.invoice_id)
            names[one.invoice_id] = wording.name(found)
    return [
        Trouble(one, wording.STEPS[one.step], names.get(one.invoice_id, "") if one.invoice_id else "", known[one.account_id].name)
        for one in failed
    ]
