"""Connections: accounts at AI providers whose usage is read. Their keys come in and never go out again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field, SecretStr

from carbonledger.domains.connections import service, types
from carbonledger.domains.projects import types as projects_types
from carbonledger.entrypoints.rest import routing, shapes
from carbonledger.entrypoints.shared import access
from carbonledger.infra import crypto
from carbonledger.kernel import page

router = routing.Router(prefix="/v1/connections", tag="Connections")

_KEY = "sk-admin-1a2b3c4d5e6f7g8h"
_PROJECT = "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d33"
_STREAM = {
    "stream": "completions",
    "is_read": True,
    "read_from": "2026-09-02T00:00:00Z",
    "read_to": "2026-11-01T10:00:00Z",
    "polled_at": "2026-11-01T09:17:00Z",
    "refused": None,
}
_EXAMPLE = {
    "id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d12",
    "provider": "openai",
    "account": "org-4f7c2a9b1e",
    "label": "Production",
    "key_hint": "7g8h",
    "project_id": _PROJECT,
    "state": "active",
    "failures": 0,
    "last_error": None,
    "last_polled_at": "2026-11-01T09:17:00Z",
    "lag_s": 120,
    "next_poll_at": "2026-11-01T10:17:00Z",
    "reads_from": "2026-09-02T00:00:00Z",
    "covers_direct": False,
    "streams": [_STREAM],
    "created_at": "2026-11-01T09:00:00Z",
    "updated_at": "2026-11-01T09:17:00Z",
    "deleted_at": None,
}
_NEW = {
    **_EXAMPLE,
    "state": "reading_back",
    "last_polled_at": None,
    "lag_s": None,
    "streams": [{**_STREAM, "read_from": None, "read_to": None, "polled_at": None}],
    "updated_at": "2026-11-01T09:00:00Z",
    "job_id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d44",
    "status_url": "/v1/jobs/01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d44",
}
_ASKED = (types.KeyUnusable, types.ProviderUnavailable, types.ProviderLimited, types.AnswerUnreadable)


class ConnectionIn(shapes.In):
    """An account to read."""

    provider: str = Field(max_length=64, description="`openai`, `anthropic` or `openrouter`.")
    label: str = Field(max_length=1000, description="What people call it; 1 to 100 characters. Its workload has the same name.")
    api_key: SecretStr = Field(max_length=10_000, description="A key that may read usage. It is asked for at once, and never shown again.")
    project_id: UUID | None = Field(default=None, description="Where its usage is booked; null: the default project.")
    covers_direct: bool = Field(
        default=False,
        description="It covers what is sent directly of this provider (API, spans, imports) as well: that is shown as duplicate.",
    )


class ConnectionProjectIn(shapes.In):
    """Where usage is booked from now on."""

    project_id: UUID


class ConnectionKeyIn(shapes.In):
    """The key that takes the place of the present one."""

    api_key: SecretStr = Field(max_length=10_000, description="A key of the same account.")


class LastErrorOut(shapes.Out):
    """Why the last poll that failed did."""

    code: str
    words: str = Field(description="The same for a person.")
    at: datetime


class StreamOut(shapes.Out):
    """One series of the provider, and how far it was read."""

    stream: str
    is_read: bool = Field(description="Whether the key may read it.")
    read_from: datetime | None
    read_to: datetime | None = Field(description="Up to here everything was read that the provider told.")
    polled_at: datetime | None = Field(description="When it was last read to its end.")
    refused: str | None = Field(description="Why the provider does not show it.")


class ConnectionOut(shapes.Out):
    """An account at a provider, without its key."""

    id: UUID
    provider: str
    account: str | None = Field(
        max_length=types.ACCOUNT_CHARS_MAX,
        description="The provider's own id of the account; null where it does not tell. One connection of an account at a time.",
    )
    label: str
    key_hint: str | None = Field(description="Last four characters of the key; null for one of fewer than 12.")
    project_id: UUID = Field(description="Where what is read now is booked.")
    state: types.State = Field(
        description="`reading_back`: its past is being read. `error`: the last poll failed, and it is tried again by the hour. "
        "`stopped`: five in a row failed; it waits for a new key."
    )
    failures: int = Field(description="Failed polls in a row.")
    last_error: LastErrorOut | None
    last_polled_at: datetime | None = Field(description="When everything was last read to the end.")
    lag_s: int | None = Field(description="Seconds since then; null: not yet.")
    next_poll_at: datetime | None
    reads_from: datetime = Field(description="Nothing before it is read.")
    covers_direct: bool
    streams: list[StreamOut]
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


class ConnectionMadeOut(ConnectionOut):
    """A connection, and the job that reads it now."""

    job_id: UUID
    status_url: str = Field(max_length=500, description="Where the job's state and progress are.")


def to_api_connection(view: types.ConnectionView, *, now: datetime) -> ConnectionOut:
    """Return a connection as callers see it."""
    return ConnectionOut(**_members(view, now=now))


def to_api_made(made: service.Made, *, now: datetime) -> ConnectionMadeOut:
    """Return a connection with the job that reads it."""
    return ConnectionMadeOut(**_members(made.view, now=now), job_id=made.job_id, status_url=f"/v1/jobs/{made.job_id}")


def _members(view: types.ConnectionView, *, now: datetime) -> dict[str, object]:
    one, error = view.connection, view.connection.last_error
    return {
        "id": one.id,
        "provider": one.provider,
        "account": one.account,
        "label": one.label,
        "key_hint": one.key_hint,
        "project_id": view.project_id,
        "state": one.state,
        "failures": one.failures,
        "last_error": None if error is None else LastErrorOut(code=error.code, words=error.words, at=error.at),
        "last_polled_at": one.last_polled_at,
        "lag_s": one.lag_s(now),
        "next_poll_at": one.next_poll_at,
        "reads_from": one.reads_from,
        "covers_direct": one.covers_direct,
        "streams": [to_api_stream(state) for state in view.streams],
        "created_at": one.created_at,
        "updated_at": one.updated_at,
        "deleted_at": one.deleted_at,
    }


def to_api_stream(state: types.StreamState) -> StreamOut:
    """Return how far a stream was read as callers see it."""
    return StreamOut(
        stream=state.stream,
        is_read=state.is_read,
        read_from=state.read_from,
        read_to=state.read_to,
        polled_at=state.polled_at,
        refused=state.refused,
    )


async def ask_about_key(call: routing.Call, body: ConnectionIn) -> types.KeyCheck:
    """Ask the provider what the key is, while no transaction is open."""
    connector = _connector(call, body.provider)
    key = _secret(body.api_key)
    service.refuse_given(label=body.label, key=key)
    return await service.check_key(connector, key=key, now=call.now)


async def ask_about_new_key(call: routing.Call, connection_id: UUID, body: ConnectionKeyIn) -> types.KeyCheck:
    """Ask the connection's provider what the new key is, while no transaction is open."""
    organization_id, key = call.caller.organization_id, _secret(body.api_key)
    service.refuse_given(label=None, key=key)
    async with call.services.database.transaction(organization_id, read_only=True) as uow:
        view = await service.show(uow, organization_id=organization_id, connection_id=connection_id)
    return await service.check_key(_connector(call, view.connection.provider), key=key, now=call.now)


def _connector(call: routing.Call, provider: str) -> types.Connector:
    return service.connector_of(call.services.connectors, provider)


def _secret(given: SecretStr) -> crypto.SecretText:
    return crypto.SecretText(given.get_secret_value())


@router.post(
    "",
    access=access.scope("connections:write"),
    status_code=201,
    summary="Connect an account",
    operation_id="createConnection",
    examples={"request": {"provider": "openai", "label": "Production", "api_key": _KEY}, "response": _NEW},
    before=ask_about_key,
    errors=(
        *_ASKED,
        types.ProviderUnknown,
        types.ConnectionDuplicate,
        types.AccountConnected,
        projects_types.ProjectNotFound,
        projects_types.ProjectArchived,
    ),
)
async def create_connection(call: routing.CallDep, body: ConnectionIn) -> ConnectionMadeOut:
    """Connect an account at a provider: the key is tried there at once, then sealed, and its usage is read, the past first.

    A key that the provider does not take, or that may not read usage, is 422 with the reason at `/api_key`. One of an account that another
    connection reads is 409, where the provider tells whose key it is.
    """
    made = await service.connect(
        call.uow,
        actor=call.actor,
        now=call.now,
        at=call.at,
        sealer=call.services.sealer,
        organization_id=call.caller.organization_id,
        connector=_connector(call, body.provider),
        check=call.found,
        label=body.label,
        key=_secret(body.api_key),
        project_id=body.project_id,
        covers_direct=body.covers_direct,
        outside=call.services.outside_secrets is not None,
    )
    call.created(f"/v1/connections/{made.view.connection.id}")
    return to_api_made(made, now=call.now)


@router.get(
    "",
    access=access.scope("connections:read"),
    summary="List connections",
    operation_id="listConnections",
    examples={"response": {"data": [_EXAMPLE], "next_cursor": None}},
    errors=(page.CursorUnreadable,),
)
async def list_connections(
    call: routing.CallDep,
    provider: Annotated[str | None, Query(max_length=64, description="Only accounts at this provider.")] = None,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=page.CURSOR_MAX_CHARS)] = None,
) -> shapes.ListOut[ConnectionOut]:
    """List the organization's connections, newest first, without those that were deleted."""
    found = await service.list_connections(
        call.uow,
        organization_id=call.caller.organization_id,
        provider=provider,
        page=call.page(limit=limit, cursor=cursor, parts=1),
    )
    return shapes.ListOut[ConnectionOut](data=[to_api_connection(one, now=call.now) for one in found.data], next_cursor=found.next_cursor)


@router.get(
    "/{connection_id}",
    access=access.scope("connections:read"),
    summary="Show a connection",
    operation_id="getConnection",
    examples={"response": _EXAMPLE},
    errors=(types.ConnectionNotFound,),
)
async def get_connection(call: routing.CallDep, connection_id: UUID) -> ConnectionOut:
    """Return one connection, also one that was deleted: its usage still names it."""
    found = await service.show(call.uow, organization_id=call.caller.organization_id, connection_id=connection_id)
    return to_api_connection(found, now=call.now)


@router.delete(
    "/{connection_id}",
    access=access.scope("connections:write"),
    status_code=204,
    summary="Delete a connection",
    operation_id="deleteConnection",
    errors=(types.ConnectionNotFound,),
)
async def delete_connection(call: routing.CallDep, connection_id: UUID) -> None:
    """Stop reading an account and destroy its key. What was read stays."""
    await service.delete(call.uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, connection_id=connection_id)


@router.post(
    "/{connection_id}/sync",
    access=access.scope("connections:write"),
    status_code=202,
    summary="Read a connection now",
    operation_id="syncConnection",
    examples={
        "response": {
            "job_id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d44",
            "status_url": "/v1/jobs/01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d44",
        }
    },
    errors=(types.ConnectionNotFound, types.ConnectionStopped, types.SyncTooSoon),
)
async def sync_connection(call: routing.CallDep, connection_id: UUID) -> shapes.Accepted:
    """Read the account now instead of at its next hour, days too, at most once in five minutes. A poll that waits or runs does it."""
    job_id = await service.sync(
        call.uow,
        actor=call.actor,
        now=call.now,
        at=call.at,
        organization_id=call.caller.organization_id,
        connection_id=connection_id,
    )
    return call.accepted(job_id)


@router.put(
    "/{connection_id}/project",
    access=access.scope("connections:write"),
    summary="Book a connection elsewhere",
    operation_id="moveConnection",
    examples={"request": {"project_id": _PROJECT}, "response": _EXAMPLE},
    errors=(
        types.ConnectionNotFound,
        projects_types.ProjectNotFound,
        projects_types.ProjectArchived,
        projects_types.WorkloadThereAlready,
    ),
)
async def move_connection(call: routing.CallDep, connection_id: UUID, body: ConnectionProjectIn) -> ConnectionOut:
    """Book what is read from now on in another project. What was booked stays where it was, also when the provider revises it."""
    moved = await service.move(
        call.uow,
        actor=call.actor,
        now=call.now,
        at=call.at,
        organization_id=call.caller.organization_id,
        connection_id=connection_id,
        project_id=body.project_id,
    )
    return to_api_connection(moved, now=call.now)


@router.put(
    "/{connection_id}/key",
    access=access.scope("connections:write"),
    summary="Give a connection a new key",
    operation_id="rekeyConnection",
    examples={"request": {"api_key": _KEY}, "response": _NEW},
    before=ask_about_new_key,
    errors=(*_ASKED, types.ConnectionNotFound, types.ConnectionDuplicate, types.AccountConnected, types.AccountDiffers),
)
async def rekey_connection(call: routing.CallDep, connection_id: UUID, body: ConnectionKeyIn) -> ConnectionMadeOut:
    """Try a new key at the provider, put it in place of the present one, which is destroyed, and read on at once, also what was stopped."""
    made = await service.rekey(
        call.uow,
        actor=call.actor,
        now=call.now,
        at=call.at,
        sealer=call.services.sealer,
        organization_id=call.caller.organization_id,
        connectors=call.services.connectors,
        connection_id=connection_id,
        check=call.found,
        key=_secret(body.api_key),
        outside=call.services.outside_secrets is not None,
    )
    return to_api_made(made, now=call.now)
