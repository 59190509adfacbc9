"""Subscriptions: those of an organization, narrowed by how they stand, whose they are, and to which plan; and beginning one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from carbonledger.domains.accounts import service as accounts
from carbonledger.domains.accounts.types import Account
from carbonledger.domains.catalog import service as catalog
from carbonledger.domains.subscriptions import service
from carbonledger.domains.subscriptions.types import Status, View
from carbonledger.entrypoints.rest import problems, routing
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.entrypoints.web import forms, routes, screens
from carbonledger.entrypoints.web.sections.invoices import pages as invoices
from carbonledger.entrypoints.web.sections.invoices import wording as invoice_words
from carbonledger.entrypoints.web.sections.subscriptions import wording
from carbonledger.infra import db
from carbonledger.kernel import errors
from carbonledger.kernel import page as pages
from carbonledger.kernel import zone as zones

router = routes.Router()
READ: Final = access.scope("subscriptions:read")
WRITE: Final = access.scope("subscriptions:write")
PATH: Final = "/subscriptions"
_ROWS: Final = 50
PLANS_MAX: Final = 200  # to choose from
_KEPT: Final = ("status", "account", "customer", "plan")
_NUMBER_MAX_CHARS: Final = 12


@dataclass(frozen=True, slots=True)
class Row:
    """A subscription in the list."""

    view: View
    name: str
    plan: str
    account: str
    status: tuple[str, str]
    seats: str
    period: str
    next: str


@router.page(PATH, READ)
async def subscriptions(call: routing.CallDep) -> exchange.Answer:
    """Show the subscriptions."""
    fields, organization_id = screens.query(call), call.caller.organization_id
    async with screens.reading(call) as uow:
        chosen, choices = await invoices.whose(call, uow, fields)
        status = next((one for one in Status if one.value == fields.text("status")), None)
        found: pages.Page[View] = pages.Page((), None)
        is_lost = chosen is None and invoices.is_somebodys(fields)
        if not is_lost:
            found = await service.some(
                uow,
                organization_id=organization_id,
                now=call.now,
                page=call.page(limit=_ROWS, cursor=fields.given("cursor"), parts=1),
                account_id=None if chosen is None else chosen.id,
                plan_id=invoices.uuid(fields.given("plan")),
                status=status,
            )
        kept = fields.named(_KEPT)
        return await screens.show(
            call,
            uow,
            "subscriptions/list.html",
            section="subscriptions",
            title="Subscriptions",
            rows=await rows(call, uow, found.data),
            next_cursor=found.next_cursor,
            views=[
                ("", "All", kept.replaced(status=None).query),
                *((one.value, wording.STATUSES[one][0].capitalize(), kept.replaced(status=one.value).query) for one in Status),
            ],
            view="" if status is None else status.value,
            account=chosen,
            customer=fields.text("customer"),
            is_lost=is_lost and not choices,
            choices=[(one, kept.replaced(customer=None, account=str(one.id)).query) for one in choices],
            plan=await _plan(call, uow, invoices.uuid(fields.given("plan"))),
            without=lambda *names: kept.replaced(**dict.fromkeys(names)).query,
            is_narrowed=bool(kept.pairs),
            again=f"{PATH}?{kept.query}&" if kept.pairs else f"{PATH}?",
        )


async def _plan(call: routing.Call, uow: db.UnitOfWork, plan_id: UUID | None) -> tuple[UUID, str] | None:
    if plan_id is None:
        return None
    return plan_id, (await plan_names(call, uow, [plan_id])).get(plan_id, "no plan")


async def plan_names(call: routing.Call, uow: db.UnitOfWork, plan_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return what plans are called."""
    found = await catalog.find_plans(uow, organization_id=call.caller.organization_id, plan_ids=list(plan_ids), now=call.now)
    return {plan.id: plan.name for plan in found.values()}


async def rows(call: routing.Call, uow: db.UnitOfWork, found: Sequence[View]) -> list[Row]:
    """Return subscriptions as lists show them."""
    known = await accounts.find_many(
        uow, organization_id=call.caller.organization_id, account_ids=[view.subscription.account_id for view in found]
    )
    plans = await plan_names(call, uow, [view.version.plan_id for view in found])
    return [
        Row(
            view=view,
            name=wording.called(view.subscription, plans[view.version.plan_id]),
            plan=plans[view.version.plan_id],
            account=known[view.subscription.account_id].name,
            status=wording.STATUSES[view.standing.status],
            seats=f"{view.standing.quantity:,}",
            period="" if view.period is None else wording.days(view.period),
            next=wording.lead(view, zone=zones.named(view.standing.zone)),
        )
        for view in found
    ]


@router.page(PATH + "/new", WRITE)
async def new(call: routing.CallDep) -> exchange.Answer:
    """Show the form that begins a subscription."""
    return await _form(call, forms.Refused(screens.query(call)))


@router.act(PATH, WRITE)
async def begin(call: routing.CallDep) -> exchange.Answer:
    """Begin a subscription."""
    fields = screens.sent(call)

    async def make(uow: db.UnitOfWork) -> str:
        account = await _account(call, uow, fields)
        draft = service.Draft(
            account_id=account.id,
            plan_id=_chosen_plan(fields),
            quantity=whole(fields, "quantity"),
            start_at=forms.midnight(fields, "start", account.time_zone),
            name=fields.given("name"),
        )
        made = await service.create(
            uow, actor=call.actor, now=call.now, at=call.at, organization_id=call.caller.organization_id, draft=draft
        )
        return f"{PATH}/{made.subscription.id}?done=begun"

    async def refusal(fault: errors.Fault) -> exchange.Answer:
        return await _form(call, refused(fault, fields), status=problems.status_of(fault))

    return await screens.attempt(call, make, refusal)


def _chosen_plan(fields: forms.Fields) -> UUID:
    found = invoices.uuid(fields.given("plan"))
    if found is None:
        raise errors.invalid("/plan", "required", "Choose a plan.")
    return found


async def _account(call: routing.Call, uow: db.UnitOfWork, fields: forms.Fields) -> Account:
    """Return the account that is named by its id, its external id, or words that it alone has."""
    chosen, choices = await invoices.whose(call, uow, forms.Fields((("customer", fields.text("account")),)))
    if chosen is not None:
        return chosen
    named = [one for one in choices if fields.text("account").strip() in (one.external_id, one.name)]
    if len(named) == 1:
        return named[0]
    words = "Several accounts have these words. Give its external id." if choices else "There is no such account."
    raise errors.invalid("/account", "account_unknown", words)


def whole(fields: forms.Fields, name: str) -> int:
    """Return a whole number that a form holds. Raises ``errors.Invalid``."""
    text = fields.text(name).strip()
    if text.isascii() and text.isdigit() and len(text) <= _NUMBER_MAX_CHARS:
        return int(text)
    raise errors.invalid(f"/{name}", "whole_number", "Give a whole number.")


def refused(fault: errors.Fault, fields: forms.Fields) -> forms.Refused:
    """Return a form with what was wrong: beside its fields, or in whole sentences above it."""
    kept = forms.refused(fault, fields)
    return forms.Refused(fields, forms.words(fault), {_FIELDS.get(name, name): words for name, words in kept.beside.items()})


_FIELDS: Final = {"start_at": "start", "plan_id": "plan", "account_id": "account"}


async def _form(call: routing.Call, given: forms.Refused, *, status: int = 200) -> exchange.Answer:
    async with screens.reading(call) as uow:
        return await screens.show(
            call,
            uow,
            "subscriptions/new.html",
            section="subscriptions",
            title="Begin a subscription",
            path=PATH + "/new",
            status=status,
            refused=given,
            plans=await plan_choices(call, uow),
            today=invoice_words.day(invoices.today(call)),
        )


async def plan_choices(call: routing.Call, uow: db.UnitOfWork, *, currency: str | None = None) -> list[tuple[str, str]]:
    """Return the plans that can be taken, in ``currency`` if one is given, by their names."""
    found = await catalog.list_plans(
        uow, organization_id=call.caller.organization_id, page=pages.PageRequest(limit=PLANS_MAX), now=call.now
    )
    takeable = [(plan, plan.version) for plan in found.data if plan.version is not None]
    return [
        (str(plan.id), f"{plan.name}, {version.currency.code} {wording.every(version.interval)}")
        for plan, version in sorted(takeable, key=lambda pair: pair[0].name.casefold())
        if currency is None or version.currency.code == currency
    ]
