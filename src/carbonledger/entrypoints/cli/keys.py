"""What ``key`` does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import api_keys, organizations
from carbonledger.entrypoints.cli import console, operating
from carbonledger.kernel import errors, page


def create(label: str, *, organization: str, scopes: tuple[str, ...], expires_at: datetime | None, json: bool) -> None:
    """Make a key and print its secret."""

    async def work(operator: operating.Operator) -> types.NewApiKey:
        organization_id = await operator.organization(organization)
        async with operator.database.transaction(organization_id) as uow:
            return await api_keys.create(
                uow,
                actor=operator.acting_in(organization_id),
                now=await organizations.business_now(uow, organization_id=organization_id, at=operator.at),
                at=operator.at,
                organization_id=organization_id,
                label=label,
                granted=scopes,
                expires_at=expires_at,
            )

    made = operating.run(work)
    if json:
        from carbonledger.entrypoints.rest import api_keys as shapes

        console.shape(shapes.to_api_new_key(made))
        return
    console.say(f"Made the key {made.key.label} ({made.key.id}). Its secret is shown this once:")
    console.say(made.secret)


def list_all(*, organization: str, json: bool) -> None:
    """Print an organization's keys."""

    async def work(operator: operating.Operator) -> list[types.ApiKey]:
        return [key async for key in _all(operator, await operator.organization(organization))]

    found = operating.run(work)
    if json:
        from carbonledger.entrypoints.rest import api_keys as shapes

        console.json({"data": [shapes.to_api_key(key).model_dump(mode="json") for key in found]})
        return
    rows = [(str(key.id), key.label, f"{key.prefix}…{key.last_four}", " ".join(key.scopes), _state(key)) for key in found]
    console.table(("id", "label", "key", "scopes", "state"), rows)


def revoke(given: str, *, organization: str) -> None:
    """End a key."""
    try:
        key_id = UUID(given)
    except ValueError:
        raise errors.Invalid(f"{given!r} is not the id of a key; `carbonledger key list` shows them.") from None

    async def work(operator: operating.Operator) -> None:
        organization_id = await operator.organization(organization)
        async with operator.database.transaction(organization_id) as uow:
            now = await organizations.business_now(uow, organization_id=organization_id, at=operator.at)
            await api_keys.revoke(
                uow, actor=operator.acting_in(organization_id), now=now, at=operator.at, organization_id=organization_id, key_id=key_id
            )

    operating.run(work)
    console.say(f"The key {key_id} is revoked.")


async def _all(operator: operating.Operator, organization_id: UUID) -> AsyncIterator[types.ApiKey]:
    request = page.PageRequest(limit=page.LIMIT_MAX)
    while True:
        async with operator.database.transaction(organization_id, read_only=True) as uow:
            found = await api_keys.page(uow, organization_id=organization_id, request=request)
        for key in found.data:
            yield key
        if found.next_cursor is None:
            return
        request = page.PageRequest(limit=page.LIMIT_MAX, after=page.decode_cursor(found.next_cursor, parts=1))


def _state(key: types.ApiKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    return "never used" if key.last_used_at is None else f"used {key.last_used_at:%Y-%m-%d %H:%M}"
