"""A change of plan or seats: what it would cost, shown by what charges it, before it is confirmed."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from carbonledger.domains.subscriptions import service
from carbonledger.domains.subscriptions.service import previewing
from carbonledger.domains.subscriptions.service.previewing import Change
from carbonledger.domains.subscriptions.types import View, When
from carbonledger.entrypoints.rest import problems, routing
from carbonledger.entrypoints.shared import exchange
from carbonledger.entrypoints.web import forms, routes, screens
from carbonledger.entrypoints.web.sections.invoices import pages as invoices
from carbonledger.entrypoints.web.sections.subscriptions import one, pages, wording
from carbonledger.infra import db
from carbonledger.kernel import errors

router = routes.Router()
_CHANGE: Final = pages.PATH + "/{subscription_id}/change"
WHENS: Final = (
    ("", "As the plan says"),
    (When.NOW.value, "Now"),
    (When.RENEWAL.value, "When the period ends"),
)


@router.page(_CHANGE, pages.WRITE)
async def change(call: routing.CallDep, subscription_id: UUID) -> exchange.Answer:
    """Show what a change of plan or seats would cost."""
    return await _show(call, subscription_id, screens.query(call))


@router.act(_CHANGE, pages.WRITE)
async def confirm(call: routing.CallDep, subscription_id: UUID) -> exchange.Answer:
    """Change the plan, the seats or both."""
    fields = screens.sent(call)

    async def act(uow: db.UnitOfWork) -> str:
        view = await service.find(uow, organization_id=call.caller.organization_id, now=call.now, subscription_id=subscription_id)
        after = await _made(call, uow, subscription_id, _wanted(call, fields, view))
        is_planned = bool(after.standing.pending) and (after.standing.plan_version_id, after.standing.quantity) == (
            view.standing.plan_version_id,
            view.standing.quantity,
        )
        return f"{pages.PATH}/{subscription_id}?done={'planned' if is_planned else 'changed'}"

    async def refusal(fault: errors.Fault) -> exchange.Answer:
        return await _show(call, subscription_id, fields, fault=fault)

    return await screens.attempt(call, act, refusal)


async def _made(call: routing.Call, uow: db.UnitOfWork, subscription_id: UUID, wanted: Change) -> View:
    given: dict[str, Any] = {
        "actor": call.actor,
        "now": call.now,
        "organization_id": call.caller.organization_id,
        "subscription_id": subscription_id,
        "when": wanted.when,
    }
    if wanted.plan_id is not None:
        return await service.change_plan(uow, plan_id=wanted.plan_id, quantity=wanted.quantity, **given)
    if wanted.quantity is None:
        raise errors.invalid("/plan", "change_empty", "Choose another plan, or another number of seats.")
    return await service.change_quantity(uow, quantity=wanted.quantity, **given)


def _wanted(call: routing.Call, fields: forms.Fields, view: View) -> Change:
    """Return the change that a form asks for: what it leaves as it stands is no part of it. Raises ``errors.Invalid``."""
    plan_id = invoices.uuid(fields.given("plan"))
    quantity = pages.whole(fields, "quantity") if fields.given("quantity") is not None else None
    when = next((one for one in When if one.value == fields.text("when")), None)
    if plan_id == view.version.plan_id:
        plan_id = None
    if quantity == view.standing.quantity:
        quantity = None
    if plan_id is None and quantity is None:
        raise errors.invalid("/plan", "change_empty", "Choose another plan, or another number of seats.")
    return Change(at=call.now, plan_id=plan_id, quantity=quantity, when=when)


async def _show(call: routing.Call, subscription_id: UUID, fields: forms.Fields, *, fault: errors.Fault | None = None) -> exchange.Answer:
    organization_id = call.caller.organization_id
    async with screens.reading(call) as uow:
        view = await service.find(uow, organization_id=organization_id, now=call.now, subscription_id=subscription_id)
        plan = (await pages.plan_names(call, uow, [view.version.plan_id]))[view.version.plan_id]
        seen: dict[str, Any] = {}
        if fault is None and (fields.given("plan") or fields.given("quantity")):
            try:
                seen = await _preview(call, uow, view, _wanted(call, fields, view))
            except errors.Fault as refusal:
                if refusal.kind not in screens.MENDABLE:
                    raise
                fault = refusal
        return await screens.show(
            call,
            uow,
            "subscriptions/change.html",
            section="subscriptions",
            title="Change plan or seats",
            path=f"{pages.PATH}/{subscription_id}/change",
            status=200 if fault is None else problems.status_of(fault),
            refused=forms.Refused(fields) if fault is None else pages.refused(fault, fields),
            view=view,
            name=wording.called(view.subscription, plan),
            plan=plan,
            seats=wording.seats(view.standing.quantity),
            plans=await pages.plan_choices(call, uow, currency=view.version.currency.code),
            whens=WHENS,
            seen=seen,
        )


async def _preview(call: routing.Call, uow: db.UnitOfWork, view: View, wanted: Change) -> dict[str, Any]:
    """Return what the change would make of the next invoice, beside what it is without it."""
    organization_id, subscription_id = call.caller.organization_id, view.subscription.id
    made = await previewing.preview_change(
        uow,
        actor=call.actor,
        now=call.now,
        organization_id=organization_id,
        subscription_id=subscription_id,
        change=wanted,
        periods=one.PERIODS_SHOWN,
    )
    document, wrong = await one.preview(call, uow, subscription_id, wanted)
    before, _ = await one.preview(call, uow, subscription_id, None)
    return {
        "document": document,
        "wrong": wrong,
        "before": before,
        "periods": [wording.days(cycle) for cycle in made.periods],
        "target": "" if wanted.plan_id is None else (await pages.plan_names(call, uow, [wanted.plan_id])).get(wanted.plan_id, ""),
        "quantity": "" if wanted.quantity is None else wording.seats(wanted.quantity),
    }
