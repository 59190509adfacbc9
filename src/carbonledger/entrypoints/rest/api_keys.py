"""API keys. A secret is in the answer that makes it, and in no other."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, Field

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import api_keys
from carbonledger.entrypoints.rest import people, routing, shapes
from carbonledger.entrypoints.shared import access
from carbonledger.kernel import page

router = routing.Router(prefix="/v1/api-keys", tag="API keys")

_EXAMPLE = {
    "id": "01932d3c-8d9e-7fa0-b1c2-d3e4f5061728",
    "label": "ingest",
    "prefix": "cl_live_4fQ2",
    "last_four": "Vi1X",
    "scopes": ["llm_keys:read", "members:read"],
    "created_by": people.USER_ID,
    "created_at": "2026-11-01T09:00:00Z",
    "expires_at": None,
    "last_used_at": None,
    "revoked_at": None,
}
SECRET = "cl_live_4fQ2mWv8Zk1Yc7Rb9Lx3Tn6Hs0Jd5Pg2Aq8Ue4Vi1X"  # noqa: S105 - an example

ScopeList = Annotated[
    list[Annotated[str, Field(max_length=100)]],
    Field(min_length=1, max_length=100, description="Names of scopes; `*` is all of them, for whoever holds all."),
]
LabelText = Annotated[str, Field(max_length=1000, description="Name by which people know the key.")]


class ApiKeyIn(shapes.In):
    """A key to make."""

    label: LabelText
    scopes: ScopeList
    expires_at: AwareDatetime | None = Field(
        default=None, le=datetime(2200, 1, 1, tzinfo=UTC), description="When it stops working; never if left out."
    )


class ApiKeyOut(shapes.Out):
    """A key, without its secret."""

    id: UUID
    label: str
    prefix: str = Field(description="How the secret begins.")
    last_four: str = Field(description="How the secret ends.")
    scopes: list[str]
    created_by: UUID | None = Field(description="The member or key that made it; null for the operator.")
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")
    revoked_at: datetime | None


class ApiKeyMadeOut(ApiKeyOut):
    """A key that was just made."""

    secret: str = Field(description="The key itself, shown this once.", examples=[SECRET])


def to_api_key(key: types.ApiKey) -> ApiKeyOut:
    """Return a key as callers see it."""
    return ApiKeyOut(**_shown(key))


def to_api_new_key(made: types.NewApiKey) -> ApiKeyMadeOut:
    """Return a key that was just made, with its secret."""
    return ApiKeyMadeOut(**_shown(made.key), secret=made.secret)


def _shown(key: types.ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "label": key.label,
        "prefix": key.prefix,
        "last_four": key.last_four,
        "scopes": list(key.scopes),
        "created_by": key.created_by,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "revoked_at": key.revoked_at,
    }


@router.post(
    "",
    access=access.scope("api_keys:write"),
    status_code=201,
    seals_answer=True,
    summary="Make an API key",
    operation_id="createApiKey",
    examples={"request": {"label": "ingest", "scopes": ["llm_keys:read", "members:read"]}, "response": {**_EXAMPLE, "secret": SECRET}},
    errors=(types.ScopesExceeded,),
)
async def create_api_key(call: routing.CallDep, body: ApiKeyIn) -> ApiKeyMadeOut:
    """Make a key with scopes that you hold yourself. Keep its secret: it is shown this once."""
    made = await api_keys.create(
        call.uow,
        actor=call.actor,
        now=call.now,
        at=call.at,
        organization_id=call.caller.organization_id,
        label=body.label,
        granted=tuple(body.scopes),
        expires_at=None if body.expires_at is None else body.expires_at.astimezone(UTC),
    )
    call.created(f"/v1/api-keys/{made.key.id}")
    return to_api_new_key(made)


@router.get(
    "",
    access=access.scope("api_keys:read"),
    summary="List API keys",
    operation_id="listApiKeys",
    examples={"response": {"data": [_EXAMPLE], "next_cursor": None}},
    errors=(page.CursorUnreadable,),
)
async def list_api_keys(
    call: routing.CallDep,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=512)] = None,
) -> shapes.ListOut[ApiKeyOut]:
    """List keys, revoked ones too, newest first."""
    request = call.page(limit=limit, cursor=cursor, parts=1)
    found = await api_keys.page(call.uow, organization_id=call.caller.organization_id, request=request)
    return shapes.ListOut[ApiKeyOut](data=[to_api_key(key) for key in found.data], next_cursor=found.next_cursor)


@router.get(
    "/{key_id}",
    access=access.scope("api_keys:read"),
    summary="Show an API key",
    operation_id="getApiKey",
    examples={"response": _EXAMPLE},
    errors=(types.ApiKeyUnknown,),
)
async def get_api_key(call: routing.CallDep, key_id: UUID) -> ApiKeyOut:
    """Return one key, without its secret."""
    return to_api_key(await api_keys.find(call.uow, organization_id=call.caller.organization_id, key_id=key_id))


@router.delete(
    "/{key_id}",
    access=access.scope("api_keys:write"),
    status_code=204,
    summary="Revoke an API key",
    operation_id="revokeApiKey",
    errors=(types.ApiKeyUnknown,),
)
async def revoke_api_key(call: routing.CallDep, key_id: UUID) -> None:
    """End a key at once. It stays in the list, revoked."""
    await api_keys.revoke(call.uow, actor=call.actor, now=call.now, at=call.at, organization_id=call.caller.organization_id, key_id=key_id)
