"""LLM keys: the provider keys an organization keeps in the vault. A value goes in and never comes out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field, SecretStr

from carbonledger.domains.vault import service
from carbonledger.domains.vault import types as vault_types
from carbonledger.entrypoints.rest import routing, shapes
from carbonledger.entrypoints.shared import access
from carbonledger.infra import crypto
from carbonledger.kernel import page

router = routing.Router(prefix="/v1/llm-keys", tag="Vault")

_EXAMPLE = {
    "id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d11",
    "provider": "openai",
    "label": "production",
    "key_hint": "cdef",
    "created_at": "2026-11-01T09:00:00Z",
    "rotated_at": None,
}
_KEY = "sk-proj-0123456789abcdef0123456789abcdef"


class LlmKeyIn(shapes.In):
    """A provider's key to keep."""

    provider: str = Field(max_length=100, description="Slug of the provider, such as openai or anthropic.")
    label: str = Field(max_length=1000, description="Name by which people know the key, unique for the provider.")
    api_key: SecretStr = Field(max_length=10_000, description="The key itself. It is sealed at once and never shown again.")


class LlmKeyRotateIn(shapes.In):
    """The value that takes the place of the present one."""

    api_key: SecretStr = Field(max_length=10_000, description="The new key.")


class LlmKeyOut(shapes.Out):
    """A kept key, without its value."""

    id: UUID
    provider: str
    label: str
    key_hint: str | None = Field(description="Last four characters; null for a key of fewer than 12.")
    created_at: datetime
    rotated_at: datetime | None


def to_api_llm_key(key: vault_types.LlmKey) -> LlmKeyOut:
    """Return the key as callers see it."""
    return LlmKeyOut(
        id=key.id,
        provider=key.provider,
        label=key.label,
        key_hint=key.key_hint,
        created_at=key.created_at,
        rotated_at=key.rotated_at,
    )


@router.post(
    "",
    access=access.scope("llm_keys:write"),
    status_code=201,
    summary="Keep a provider's key",
    operation_id="createLlmKey",
    examples={"request": {"provider": "openai", "label": "production", "api_key": _KEY}, "response": _EXAMPLE},
    errors=(vault_types.LlmKeyDuplicate,),
)
async def create_llm_key(call: routing.CallDep, body: LlmKeyIn) -> LlmKeyOut:
    """Seal a provider's key. The answer and every later one show only its last four characters."""
    key = await service.add_llm_key(
        call.uow,
        actor=call.actor,
        now=call.now,
        at=call.at,
        sealer=call.services.sealer,
        organization_id=call.caller.organization_id,
        provider=body.provider,
        label=body.label,
        key=crypto.SecretText(body.api_key.get_secret_value()),
        outside=call.services.outside_secrets is not None,
    )
    call.created(f"/v1/llm-keys/{key.id}")
    return to_api_llm_key(key)


@router.get(
    "",
    access=access.scope("llm_keys:read"),
    summary="List kept keys",
    operation_id="listLlmKeys",
    examples={"response": {"data": [_EXAMPLE], "next_cursor": None}},
    errors=(page.CursorUnreadable,),
)
async def list_llm_keys(
    call: routing.CallDep,
    provider: Annotated[str | None, Query(max_length=40, description="Only keys of this provider.")] = None,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=page.CURSOR_MAX_CHARS)] = None,
) -> shapes.ListOut[LlmKeyOut]:
    """List the organization's keys, newest first, without their values."""
    found = await service.list_llm_keys(
        call.uow,
        organization_id=call.caller.organization_id,
        provider=provider,
        page=call.page(limit=limit, cursor=cursor, parts=1),
    )
    return shapes.ListOut[LlmKeyOut](data=[to_api_llm_key(key) for key in found.data], next_cursor=found.next_cursor)


@router.post(
    "/{key_id}/rotate",
    access=access.scope("llm_keys:write"),
    summary="Replace a key's value",
    operation_id="rotateLlmKey",
    examples={"request": {"api_key": _KEY}, "response": {**_EXAMPLE, "rotated_at": "2026-11-02T09:00:00Z"}},
    errors=(vault_types.LlmKeyNotFound, vault_types.LlmKeyDuplicate),
)
async def rotate_llm_key(call: routing.CallDep, key_id: UUID, body: LlmKeyRotateIn) -> LlmKeyOut:
    """Put a new value in place of the key's. Its id stays, so what uses it goes on with the new one; the old one is destroyed."""
    key = await service.rotate_llm_key(
        call.uow,
        actor=call.actor,
        now=call.now,
        at=call.at,
        sealer=call.services.sealer,
        organization_id=call.caller.organization_id,
        key_id=key_id,
        key=crypto.SecretText(body.api_key.get_secret_value()),
        outside=call.services.outside_secrets is not None,
    )
    return to_api_llm_key(key)


@router.delete(
    "/{key_id}",
    access=access.scope("llm_keys:write"),
    status_code=204,
    summary="Remove a key",
    operation_id="deleteLlmKey",
    errors=(vault_types.LlmKeyNotFound,),
)
async def delete_llm_key(call: routing.CallDep, key_id: UUID) -> None:
    """Remove a key and destroy its sealed value."""
    await service.remove_llm_key(call.uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, key_id=key_id)
