"""API keys: made, listed, revoked. The secret is returned once and kept nowhere."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from carbonledger.domains.identity import types
from carbonledger.domains.identity.core import credentials, fields, scopes
from carbonledger.domains.identity.store import announcements, api_keys, organizations
from carbonledger.infra import crypto, db, outbox
from carbonledger.kernel import ids
from carbonledger.kernel import page as pages
from carbonledger.kernel.actor import Actor
from carbonledger.kernel.errors import Problem

_LIFETIME_MAX = timedelta(days=3660)  # ten years; who means for ever leaves it out


async def create(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    at: datetime,
    organization_id: UUID,
    label: str,
    granted: tuple[str, ...],
    expires_at: datetime | None = None,
) -> types.NewApiKey:
    """Make a key with the scopes ``granted`` (``*``: all, for who holds all). Raises ``Invalid``, ``ScopesExceeded``."""
    problems = list(scopes.problems(granted))
    tidy_label = fields.text(problems, "/label", label, max_chars=fields.LABEL_MAX_CHARS)
    if expires_at is not None and not at < expires_at <= at + _LIFETIME_MAX:
        problems.append(Problem("/expires_at", "out_of_range", "Give a time in the future, at most ten years ahead."))
    fields.refuse(problems)
    exceeding = scopes.missing(granted, held=actor.scopes)
    if exceeding:
        raise types.ScopesExceeded(f"You don't hold: {', '.join(exceeding)}.")
    organization = await organizations.find(uow, organization_id=organization_id)
    if organization is None:
        raise types.OrganizationUnknown
    secret = crypto.new_api_key(sandbox=organization.is_sandbox).reveal()
    key = await keep(
        uow,
        actor=actor,
        now=now,
        at=at,
        organization_id=organization_id,
        label=tidy_label,
        granted=granted,
        secret=secret,
        expires_at=expires_at,
    )
    return types.NewApiKey(key=key, secret=secret)


async def keep(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    at: datetime,
    organization_id: UUID,
    label: str,
    granted: tuple[str, ...],
    secret: str,
    expires_at: datetime | None = None,
) -> types.ApiKey:
    """Keep a key whose secret is given and checked: a new one, or the operator's bootstrap key."""
    prefix, last_four = credentials.shown_parts(secret)
    key = types.ApiKey(
        id=ids.new_id(at),
        organization_id=organization_id,
        label=label,
        prefix=prefix,
        last_four=last_four,
        scopes=tuple(sorted(granted)),
        created_by=actor.id,
        created_at=at,
        expires_at=expires_at,
        last_used_at=None,
        revoked_at=None,
    )
    await api_keys.add(uow, key=key, token_hash=crypto.digest(secret))
    after = {"scopes": list(key.scopes), "expires_at": None if expires_at is None else expires_at.isoformat()}
    await outbox.emit(uow, actor=actor, now=now, action="api_key.created", target_type="api_key", target_id=key.id, after=after)
    return key


async def find(uow: db.UnitOfWork, *, organization_id: UUID, key_id: UUID) -> types.ApiKey:
    """Return a key. Raises ``ApiKeyUnknown``."""
    key = await api_keys.find(uow, organization_id=organization_id, key_id=key_id)
    if key is None:
        raise types.ApiKeyUnknown
    return key


async def page(uow: db.UnitOfWork, *, organization_id: UUID, request: pages.PageRequest) -> pages.Page[types.ApiKey]:
    """Return keys, revoked ones too, newest first."""
    rows = await api_keys.some(uow, organization_id=organization_id, before=pages.before_id(request), limit=request.limit + 1)
    return pages.cut(rows, limit=request.limit, key=lambda key: (str(key.id),))


async def revoke(uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, organization_id: UUID, key_id: UUID) -> None:
    """End a key at once, in every process. Ending it again changes nothing. Raises ``ApiKeyUnknown``."""
    key = await find(uow, organization_id=organization_id, key_id=key_id)
    if not await api_keys.revoke(uow, organization_id=organization_id, key_id=key.id, at=at):
        return
    await announcements.announce(uow, organization_id=organization_id)
    await outbox.emit(uow, actor=actor, now=now, action="api_key.revoked", target_type="api_key", target_id=key.id)
