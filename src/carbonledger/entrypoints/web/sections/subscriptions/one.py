"""One subscription: how it stands, its story and what is to come, its usage beside its allowance, and its next invoice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.accounts import service as accounts
from carbonledger.domains.catalog import service as catalog
from carbonledger.domains.identity.service import members
from carbonledger.domains.invoices.service import consumed as consuming
from carbonledger.domains.invoices.service import standing, upcoming
from carbonledger.domains.invoices.service.billing import Document
from carbonledger.domains.invoices.service.consumed import Consumed
from carbonledger.domains.invoices.types import invoices as invoice_types
from carbonledger.domains.invoices.types.invoices import Filters
from carbonledger.domains.subscriptions import service
from carbonledger.domains.subscriptions.service import telling
from carbonledger.domains.subscriptions.service.previewing import Change
from carbonledger.domains.subscriptions.service.telling import Story, Told
from carbonledger.domains.subscriptions.types import OVER, TRANSITIONS, Move, Status, View
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import exchange
from carbonledger.entrypoints.web import forms, routes, screens
from carbonledger.entrypoints.web.sections.invoices import one as documents
from carbonledger.entrypoints.web.sections.invoices import pages as invoices
from carbonledger.entrypoints.web.sections.invoices import shown
from carbonledger.entrypoints.web.sections.invoices import wording as invoice_words
from carbonledger.entrypoints.web.sections.subscriptions import pages, wording
from carbonledger.infra import db
from carbonledger.kernel import errors, humane
from carbonledger.kernel import page as kernel_pages
from carbonledger.kernel import zone as zones
from carbonledger.kernel.humane import Shown

router = routes.Router()
PERIODS_SHOWN: Final = 3
FACTS_SHOWN: Final = 100  # the API has all
_INVOICES: Final = 5
_DONE: Final = {
    "begun": "It is begun. Its first invoice is drafted within the hour.",
    "changed": "It is changed.",
    "planned": "The change is planned.",
    "paused": "It is paused.",
    "resumed": "It goes on.",
    "canceled": "It is canceled.",
    "reactivated": "It goes on.",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """Something on the timeline. ``status``: where it leads, if elsewhere than before; ``is_coming``: it is planned, or comes by itself."""

    at: datetime
    words: str
    by: str
    reason: str
    status: tuple[str, str] | None
    is_coming: bool


@dataclass(frozen=True, slots=True)
class Used:
    """The usage of one charge. ``share``: of the allowance, 0 to 1; ``co2e``: the range that a price of carbon rests on."""

    name: str
    model: str
    used: Shown
    allowance: str
    billable: Shown
    amount: str
    share: Decimal
    co2e: Shown | None
    events: str


@router.page(pages.PATH + "/{subscription_id}", pages.READ)
async def subscription(call: routing.CallDep, subscription_id: UUID) -> exchange.Answer:
    """Show a subscription."""
    return await show(call, subscription_id, forms.Refused())


async def show(call: routing.Call, subscription_id: UUID, refused: forms.Refused, *, status: int = 200) -> exchange.Answer:
    """Return the page of a subscription, with a form that was refused."""
    organization_id = call.caller.organization_id
    async with screens.reading(call) as uow:
        view = await service.find(uow, organization_id=organization_id, now=call.now, subscription_id=subscription_id)
        story = await telling.story_of(uow, organization_id=organization_id, now=call.now, view=view, periods=PERIODS_SHOWN)
        account = await accounts.find(uow, organization_id=organization_id, account_id=view.subscription.account_id)
        plan = (await pages.plan_names(call, uow, [view.version.plan_id]))[view.version.plan_id]
        return await screens.show(
            call,
            uow,
            "subscriptions/one.html",
            section="subscriptions",
            title=wording.called(view.subscription, plan),
            path=f"{pages.PATH}/{subscription_id}",
            status=status,
            refused=refused,
            done=_DONE.get(screens.query(call).text("done"), ""),
            view=view,
            name=wording.called(view.subscription, plan),
            account=account,
            plan=plan,
            seats=wording.seats(view.standing.quantity),
            every=wording.every(view.version.interval),
            standing=wording.STATUSES[view.standing.status],
            lead=wording.lead(view, zone=zones.named(view.standing.zone)),
            story_zone=zones.named(view.standing.zone),
            period="" if view.period is None else wording.days(view.period),
            timeline=await timeline(call, uow, story),
            left_out=max(len(story.told) - FACTS_SHOWN, 0),
            may_do=acts(view),
            invoices=await _invoices(call, uow, subscription_id),
            # What a reader of subscriptions may not see of invoices is not there.
            **(await _money(call, uow, subscription_id) if "invoices:read" in call.actor.scopes else _NOTHING),
        )


_NOTHING: Final[dict[str, Any]] = {"used": [], "used_wrong": "", "next": None, "next_wrong": ""}


def acts(view: View) -> frozenset[str]:
    """Return what may be done with a subscription as it stands."""
    stands = view.standing
    status = stands.status
    found = {move.value for move in (Move.CHANGE, Move.PAUSE, Move.CANCEL) if status in TRANSITIONS[move]}
    if status is Status.PAUSED or stands.pauses_at is not None:
        found.add(Move.RESUME.value)
    if status in OVER or stands.cancels_at is not None:
        found.add(Move.REACTIVATE.value)
    return frozenset(found)


async def timeline(call: routing.Call, uow: db.UnitOfWork, story: Story) -> list[Moment]:
    """Return a subscription's story in the order of time: the latest facts, what is planned, and the next periods."""
    told = story.told[-FACTS_SHOWN:]
    plans = await _plans(call, uow, story)
    people = await _people(call, uow)
    found = [_moment(one, plans, people, now=call.now) for one in told]
    found += [
        Moment(cycle.part.start, f"Renews for {wording.days(cycle)}", "by itself", "", None, is_coming=True) for cycle in story.coming
    ]
    return sorted(found, key=lambda one: one.at)


def _moment(told: Told, plans: dict[UUID, str], people: dict[UUID, str], *, now: datetime) -> Moment:
    fact = told.fact
    kind = wording.ACTORS.get(fact.actor_kind, fact.actor_kind)
    return Moment(
        at=fact.effective_at,
        words=wording.happened(told, plans),
        by=people.get(fact.actor_id, kind) if fact.actor_id is not None else kind,
        reason=fact.reason or "",
        status=wording.STATUSES[told.after] if told.after is not told.before else None,
        is_coming=fact.effective_at > now,
    )


async def _plans(call: routing.Call, uow: db.UnitOfWork, story: Story) -> dict[UUID, str]:
    """Return what the plan versions of a story are called."""
    ids = {one.fact.plan_version_id for one in story.told} | {one.version_before for one in story.told}
    versions = await catalog.find_versions(
        uow, organization_id=call.caller.organization_id, version_ids=sorted(one for one in ids if one is not None)
    )
    names = await pages.plan_names(call, uow, {one.plan_id for one in versions.values()})
    return {one.id: wording.version(one, names[one.plan_id]) for one in versions.values()}


async def _people(call: routing.Call, uow: db.UnitOfWork) -> dict[UUID, str]:
    request = kernel_pages.PageRequest(limit=kernel_pages.LIMIT_MAX)
    found = await members.page(uow, organization_id=call.caller.organization_id, request=request)
    return {one.user_id: one.name or one.email or "a member" for one in found.data}


async def _invoices(call: routing.Call, uow: db.UnitOfWork, subscription_id: UUID) -> list[invoices.Row]:
    if "invoices:read" not in call.actor.scopes:
        return []
    found = await standing.listed(
        uow,
        organization_id=call.caller.organization_id,
        filters=Filters(subscription_id=subscription_id),
        page=kernel_pages.PageRequest(limit=_INVOICES),
    )
    return [invoices.row(one, "", invoices.today(call)) for one in found.data]


async def _money(call: routing.Call, uow: db.UnitOfWork, subscription_id: UUID) -> dict[str, Any]:
    """Return usage and next invoice; where either can't be worked out, why not: the rest of the page is there all the same."""
    used: list[Used] = []
    used_wrong = ""
    try:
        found = await consuming.consumed(
            uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, subscription_id=subscription_id
        )
        used = [_used(one) for one in found]
    except errors.Fault as fault:
        used_wrong = forms.words(fault)
    next_invoice, next_wrong = await preview(call, uow, subscription_id, None)
    return {"used": used, "used_wrong": used_wrong, "next": next_invoice, "next_wrong": next_wrong}


def _used(one: Consumed) -> Used:
    return Used(
        name=one.charge.name,
        model=invoice_words.MODELS.get(one.charge.model.name, one.charge.model.name),
        used=shown.quantity(one.used, one.charge.model.name),
        allowance=shown.number(one.allowance) if one.allowance else "",
        billable=shown.quantity(one.billable, one.charge.model.name),
        amount=f"{shown.money(one.amount, one.currency)} {one.currency.code}",
        share=min(humane.share(one.used, one.allowance), Decimal(1)),
        co2e=shown.co2e(one.usage),
        events="" if one.events is None else f"{one.events:,}",
    )


async def preview(
    call: routing.Call, uow: db.UnitOfWork, subscription_id: UUID, change: Change | None
) -> tuple[dict[str, Any] | None, str]:
    """Return the next invoice as a document to be shown, as things stand or after a change; or why there is none.

    Raises what the change itself would, which is no matter of the invoice.
    """
    try:
        document = await upcoming.next_invoice(
            uow,
            actor=call.actor,
            now=call.now,
            at=call.at,
            organization_id=call.caller.organization_id,
            subscription_id=subscription_id,
            change=change,
        )
    except invoice_types.InvoicesFault as fault:
        return None, forms.words(fault)
    except errors.Fault as fault:
        if change is not None or fault.kind is errors.Kind.INTERNAL:
            raise
        return None, forms.words(fault)
    return await _shown(call, uow, document), ""


async def _shown(call: routing.Call, uow: db.UnitOfWork, document: Document) -> dict[str, Any]:
    known = await documents.names(call, uow, document.lines)
    zone = zones.named(document.invoice.zone)
    billed_at = document.invoice.billed_at
    return {
        **documents.document(document.invoice, document.lines, known),
        "total": f"{shown.money(document.invoice.totals.total, document.invoice.currency)} {document.invoice.currency.code}",
        "is_due": billed_at <= call.now,
        "on": invoice_words.when(billed_at, zone),
    }
