"""Settings of the organization: its name, time zone and currency."""

from __future__ import annotations

from typing import Final

from carbonledger.domains.identity.service import entitlements, organizations
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.entrypoints.web import forms, routes, screens
from carbonledger.infra import db
from carbonledger.kernel import errors, zone

router = routes.Router()
_DONE: Final = {"saved": "Saved."}


@router.page("/settings", access.scope("organization:read"))
async def show_settings(call: routing.CallDep) -> exchange.Answer:
    """Show the organization's settings."""
    return await _show(call, forms.Refused())


@router.act("/settings", access.scope("organization:write"))
async def save_settings(call: routing.CallDep) -> exchange.Answer:
    """Change the organization's name, time zone or currency."""
    fields = screens.sent(call)

    async def act(uow: db.UnitOfWork) -> str:
        await organizations.change(
            uow,
            actor=call.actor,
            now=call.now,
            at=call.at,
            organization_id=call.caller.organization_id,
            name=fields.text("name"),
            time_zone=fields.text("time_zone"),
            currency=fields.text("currency"),
        )
        return "/settings?done=saved"

    async def refusal(fault: errors.Fault) -> exchange.Answer:
        return await _show(call, forms.refused(fault, fields))

    return await screens.attempt(call, act, refusal)


async def _show(call: routing.Call, refused: forms.Refused) -> exchange.Answer:
    async with screens.reading(call) as uow:
        return await screens.show(
            call,
            uow,
            "settings/organization.html",
            section="settings",
            title="Organization settings",
            status=422 if refused.said else 200,
            refused=refused,
            done=_DONE.get(screens.query(call).text("done"), ""),
            entitlements=await entitlements.every(uow, organization_id=call.caller.organization_id),
            zones=sorted(zone.names()),
            tab="organization",
        )
