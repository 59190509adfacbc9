"""Settings of API keys: made with the scopes one holds, shown once, revoked."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final
from uuid import UUID

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import api_keys
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.entrypoints.web import forms, routes, screens
from carbonledger.infra import db
from carbonledger.kernel import errors

router = routes.Router()
_PATH: Final = "/settings/keys"
_MENDABLE: Final = frozenset({errors.Kind.INVALID, types.ScopesExceeded.kind})
_DONE: Final = {"revoked": "The key is revoked. Programs that use it are refused from now on."}
PURPOSES: Final = {
    "send": ("Send usage", "Report what your programs used, and nothing else.", ("telemetry:write",)),
    "read": (
        "Read figures",
        "Usage, cost, emissions, projects and prices.",
        ("telemetry:read", "projects:read", "agents:read", "prices:read"),
    ),
    "all": ("Everything you may do", "For administration by a program you trust as yourself.", ("*",)),
}
_LASTS: Final = {"": None, "30": timedelta(days=30), "90": timedelta(days=90), "365": timedelta(days=365)}


@router.page(_PATH, access.scope("api_keys:read"))
async def show_keys(call: routing.CallDep) -> exchange.Answer:
    """Show the API keys."""
    return await _show(call, forms.Refused())


@router.act(_PATH, access.scope("api_keys:write"))
async def make_key(call: routing.CallDep) -> exchange.Answer:
    """Make a key. Its secret is in this answer and in no other."""
    fields = screens.sent(call)
    lasts = _LASTS.get(fields.text("lasts"))

    async def act(uow: db.UnitOfWork) -> Callable[[], Awaitable[exchange.Answer]]:
        made = await api_keys.create(
            uow,
            actor=call.actor,
            now=call.now,
            at=call.at,
            organization_id=call.caller.organization_id,
            label=fields.text("label"),
            granted=_granted(fields),
            expires_at=None if lasts is None else call.at + lasts,
        )
        return functools.partial(_show, call, forms.Refused(), made=made, status=201)

    async def refusal(fault: errors.Fault) -> exchange.Answer:
        return await _show(call, forms.refused(fault, fields), status=422)

    return await screens.attempt(call, act, refusal, mendable=_MENDABLE)


@router.act(_PATH + "/{key_id}/revoke", access.scope("api_keys:write"))
async def revoke_key(call: routing.CallDep, key_id: UUID) -> exchange.Answer:
    """End a key at once."""
    async with screens.writing(call) as uow:
        await api_keys.revoke(uow, actor=call.actor, now=call.now, at=call.at, organization_id=call.caller.organization_id, key_id=key_id)
    return screens.go(f"{_PATH}?done=revoked")


def _granted(fields: forms.Fields) -> tuple[str, ...]:
    purpose = PURPOSES.get(fields.text("purpose"))
    if purpose is None:
        raise errors.invalid("/purpose", "purpose_unknown", "Choose what the key is for.")
    return purpose[2]


async def _show(call: routing.Call, refused: forms.Refused, *, made: types.NewApiKey | None = None, status: int = 200) -> exchange.Answer:
    fields = screens.query(call)
    request = call.page(limit=100, cursor=fields.given("cursor"), parts=1)
    async with screens.reading(call) as uow:
        found = await api_keys.page(uow, organization_id=call.caller.organization_id, request=request)
        return await screens.show(
            call,
            uow,
            "settings/keys.html",
            section="settings",
            title="API keys",
            status=status,
            refused=refused,
            done=_DONE.get(fields.text("done"), ""),
            keys=found.data,
            next_cursor=found.next_cursor,
            made=made,
            now=call.at,
            purposes=PURPOSES,
            address=call.services.settings.address,
            tab="keys",
        )
