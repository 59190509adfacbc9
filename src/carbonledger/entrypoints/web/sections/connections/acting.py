"""What is done with a connection: read now, booked elsewhere, given another key, deleted."""

from __future__ import annotations

import functools
from typing import Final
from uuid import UUID

from carbonledger.domains.connections import service, types
from carbonledger.entrypoints.rest import problems, routing
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.entrypoints.web import forms, routes, screens
from carbonledger.entrypoints.web.sections.connections import adding, one
from carbonledger.infra import db
from carbonledger.kernel import errors, humane

router = routes.Router()
_WRITE: Final = access.scope("connections:write")
_NOT_NOW: Final = frozenset({types.SyncTooSoon.kind, types.ConnectionStopped.kind})


@router.act("/connections/{connection_id}/sync", _WRITE)
async def sync(call: routing.CallDep, connection_id: UUID) -> exchange.Answer:
    """Read a connection now."""

    async def act(uow: db.UnitOfWork) -> str:
        await service.sync(
            uow, actor=call.actor, now=call.now, at=call.at, organization_id=call.caller.organization_id, connection_id=connection_id
        )
        return f"/connections/{connection_id}?done=sync"

    async def refusal(fault: errors.Fault) -> exchange.Answer:
        said = forms.words(fault)
        if isinstance(fault, types.SyncTooSoon):
            said = f"{fault.title()} Ask again in {humane.span(int(fault.retry_after_s or 0))}."
        return await one.show(call, connection_id, forms.Refused(said=said), status=problems.status_of(fault))

    return await screens.attempt(call, act, refusal, mendable=_NOT_NOW)


@router.act("/connections/{connection_id}/project", _WRITE)
async def move(call: routing.CallDep, connection_id: UUID) -> exchange.Answer:
    """Book a connection in another project from now on."""
    fields = screens.sent(call)

    async def act(uow: db.UnitOfWork) -> str:
        await service.move(
            uow,
            actor=call.actor,
            now=call.now,
            at=call.at,
            organization_id=call.caller.organization_id,
            connection_id=connection_id,
            project_id=adding.project_of(fields),
        )
        return f"/connections/{connection_id}?done=moved"

    return await screens.attempt(call, act, functools.partial(_refused, call, connection_id, fields))


@router.act("/connections/{connection_id}/key", _WRITE)
async def rekey(call: routing.CallDep, connection_id: UUID) -> exchange.Answer:
    """Ask the provider about a new key, then put it in place of the present one."""
    fields = screens.sent(call)
    try:
        await _rekey(call, connection_id, fields)
    except errors.Fault as fault:
        return await _refused(call, connection_id, fields, fault)
    return screens.go(f"/connections/{connection_id}?done=rekeyed")


async def _rekey(call: routing.Call, connection_id: UUID, fields: forms.Fields) -> None:
    organization_id, key = call.caller.organization_id, adding.key_of(fields)
    service.refuse_given(label=None, key=key)
    async with screens.reading(call) as uow:
        view = await service.show(uow, organization_id=organization_id, connection_id=connection_id)
    connector = service.connector_of(call.services.connectors, view.connection.provider)
    check = await service.check_key(connector, key=key, now=call.now)  # no transaction is open while the provider is asked
    async with screens.writing(call) as uow:
        await service.rekey(
            uow,
            actor=call.actor,
            now=call.now,
            at=call.at,
            sealer=call.services.sealer,
            organization_id=organization_id,
            connectors=call.services.connectors,
            connection_id=connection_id,
            check=check,
            key=key,
            outside=call.services.outside_secrets is not None,
        )


async def _refused(call: routing.Call, connection_id: UUID, fields: forms.Fields, fault: errors.Fault) -> exchange.Answer:
    if not adding.is_shown(fault):
        raise fault
    return await one.show(call, connection_id, adding.refused(fault, fields), status=problems.status_of(fault))


@router.act("/connections/{connection_id}/delete", _WRITE)
async def delete(call: routing.CallDep, connection_id: UUID) -> exchange.Answer:
    """Stop reading an account and destroy its key."""
    async with screens.writing(call) as uow:
        await service.delete(uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, connection_id=connection_id)
    return screens.go("/connections?done=deleted")
