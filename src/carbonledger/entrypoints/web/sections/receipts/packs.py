"""Audit packs: what there is, ordering one of a closed month, and downloading it."""

from __future__ import annotations

from datetime import date
from typing import Final

from starlette.responses import StreamingResponse

from carbonledger.domains.identity.service import entitlements
from carbonledger.domains.receipts.service import packs as service
from carbonledger.domains.receipts.types import packs as types
from carbonledger.entrypoints.rest import audit_packs, routing
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.entrypoints.web import forms, routes, screens
from carbonledger.entrypoints.web.sections.receipts import pages, wording
from carbonledger.infra import db
from carbonledger.kernel import errors

router = routes.Router()
PATH: Final = "/receipts/packs"
_READ: Final = access.scope("audit_packs:read")
_PACKS: Final = 50
_STATES: Final = {types.State.ORDERED: ("being made", "notice"), types.State.MADE: ("made", "good")}
_DONE: Final = {"ordered": "The pack is being made. That takes seconds, or minutes for millions of events; reload the page to see it."}


@router.page(PATH, _READ)
async def packs(call: routing.CallDep) -> exchange.Answer:
    """Show the audit packs."""
    return await _list(call, forms.Refused())


@router.act(PATH, access.scope("audit_packs:write"))
async def order(call: routing.CallDep) -> exchange.Answer:
    """Order the pack of a closed month."""
    fields = screens.sent(call)

    async def act(uow: db.UnitOfWork) -> str:
        await service.order(
            uow,
            actor=call.actor,
            now=call.now,
            organization_id=call.caller.organization_id,
            month=_month(fields.text("month")),
            upgrade_url=audit_packs.upgrade_url(call),
        )
        return f"{PATH}?done=ordered"

    async def refusal(fault: errors.Fault) -> exchange.Answer:
        return await _list(call, forms.refused(fault, fields), status=422)

    return await screens.attempt(call, act, refusal, mendable=screens.MENDABLE | {errors.Kind.FORBIDDEN, errors.Kind.PAYMENT_REQUIRED})


@router.page(PATH + "/{month}/{number}", _READ)
async def download(call: routing.CallDep, month: str, number: int) -> StreamingResponse:
    """Give an audit pack."""
    organization_id = call.caller.organization_id
    async with screens.reading(call) as uow:
        found = await service.find(
            uow, organization_id=organization_id, month=_month(month), number=number, upgrade_url=audit_packs.upgrade_url(call)
        )
    return audit_packs.answer(call.services.objects.of_organization(organization_id), found)


def _month(text: str) -> date:
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError as error:
        raise errors.invalid("/month", "month_unknown", "Choose a month that is closed.") from error


async def _list(call: routing.Call, refused: forms.Refused, *, status: int = 200) -> exchange.Answer:
    organization_id, fields = call.caller.organization_id, screens.query(call)
    async with screens.reading(call) as uow:
        has_packs = await entitlements.has(uow, organization_id=organization_id, key=types.AUDIT_PACKS)
        page = call.page(limit=_PACKS, cursor=fields.given("cursor"), parts=1)
        found = await service.some(uow, organization_id=organization_id, page=page)
        standings = await service.standings(uow, organization_id=organization_id) if has_packs else []
        return await screens.show(
            call,
            uow,
            "receipts/packs.html",
            section="receipts",
            title="Audit packs",
            status=status,
            refused=refused,
            done=_DONE.get(fields.text("done"), ""),
            tab="packs",
            packs=[(one, wording.month(one.month), _STATES[one.state], one.size) for one in found.data],
            next_cursor=found.next_cursor,
            months=[(f"{one.month:%Y-%m}", wording.month(one.month)) for one in reversed(standings)],
            has_packs=has_packs,
            **pages.tabs(call),
        )
