"""Sessions of browsers: opened by a proof of who someone is, moved to another organization, ended.

Opening and moving always make a new token, so a token that somebody else knew before is worth nothing after.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from carbonledger.domains.identity import types
from carbonledger.domains.identity.core import credentials
from carbonledger.domains.identity.core import sessions as rules
from carbonledger.domains.identity.service import callers
from carbonledger.domains.identity.store import lookups, people, tenancy
from carbonledger.infra import crypto, db, outbox
from carbonledger.kernel import ids
from carbonledger.kernel.actor import Actor

_SHOWN_MAX = 200  # more sessions than this at a time nobody has on purpose; the list is for finding a strange one
_USER_AGENT_MAX_CHARS = 300
_ADDRESS_MAX_CHARS = 45  # the longest IPv6 text


async def memberships(uow: db.UnitOfWork, *, user_id: UUID) -> tuple[types.Membership, ...]:
    """Return a person's organizations, the first joined first."""
    await tenancy.enter_user(uow, user_id=user_id)
    return await lookups.organizations_of_current_user(uow)


async def open_for(
    uow: db.UnitOfWork,
    *,
    at: datetime,
    user_id: UUID,
    organization_id: UUID | None = None,
    user_agent: str | None,
    address: str,
    request_id: str | None,
) -> types.NewSession:
    """Sign a person in whose identity is proven, to an organization of theirs (None: the first one they joined).

    Raises ``OrganizationUnknown`` where they are no member.
    """
    chosen = await _membership(uow, user_id=user_id, organization_id=organization_id)
    token = crypto.new_token().reveal()
    session = types.Session(
        id=ids.new_id(at),
        user_id=user_id,
        organization_id=chosen.organization_id,
        user_agent=None if user_agent is None else _plain(user_agent)[:_USER_AGENT_MAX_CHARS],
        address=_plain(address)[:_ADDRESS_MAX_CHARS],
        created_at=at,
        seen_at=at,
        expires_at=rules.expires_at(at),
    )
    await people.add_session(uow, session=session, token_hash=crypto.digest(token))
    actor = callers.member_actor(user_id=user_id, organization_id=chosen.organization_id, role=chosen.role, request_id=request_id)
    async with tenancy.inside(uow, organization_id=chosen.organization_id):
        await outbox.emit(uow, actor=actor, now=at, action="session.opened", target_type="session", target_id=session.id)
    return types.NewSession(session=session, membership=chosen, token=token, csrf_token=credentials.csrf_token(token))


async def _membership(uow: db.UnitOfWork, *, user_id: UUID, organization_id: UUID | None) -> types.Membership:
    for membership in await memberships(uow, user_id=user_id):
        if organization_id in {None, membership.organization_id}:
            return membership
    raise types.OrganizationUnknown("You are not a member of it." if organization_id else "You are not a member of any organization.")


def _plain(text: str) -> str:
    # Browsers send printable ASCII; whatever else stands there is nobody's browser, and might not be storable.
    return "".join(char if " " <= char <= "~" else "?" for char in text)


async def switch(
    uow: db.UnitOfWork, *, actor: Actor, at: datetime, session_id: UUID, user_id: UUID, organization_id: UUID
) -> types.NewSession:
    """Move a session to another organization of its person, under a new token. Raises ``OrganizationUnknown``, ``SessionUnknown``."""
    chosen = await _membership(uow, user_id=user_id, organization_id=organization_id)
    token = crypto.new_token().reveal()
    moved = await people.move_session(
        uow, user_id=user_id, session_id=session_id, organization_id=organization_id, token_hash=crypto.digest(token)
    )
    session = await people.session(uow, user_id=user_id, session_id=session_id) if moved else None
    if session is None:
        raise types.SessionUnknown
    async with tenancy.inside(uow, organization_id=organization_id):
        await outbox.emit(uow, actor=actor, now=at, action="session.switched", target_type="session", target_id=session_id)
    return types.NewSession(session=session, membership=chosen, token=token, csrf_token=credentials.csrf_token(token))


async def some(uow: db.UnitOfWork, *, at: datetime, user_id: UUID) -> tuple[types.Session, ...]:
    """Return a person's sessions that are alive, newest first."""
    await tenancy.enter_user(uow, user_id=user_id)
    found = await people.all_sessions(uow, user_id=user_id, limit=_SHOWN_MAX)
    return tuple(session for session in found if rules.is_alive(seen_at=session.seen_at, expires_at=session.expires_at, at=at))


async def end(uow: db.UnitOfWork, *, actor: Actor, now: datetime, user_id: UUID, session_id: UUID) -> None:
    """Sign a session of a person out. Raises ``SessionUnknown``."""
    await tenancy.enter_user(uow, user_id=user_id)
    if not await people.end_session(uow, user_id=user_id, session_id=session_id):
        raise types.SessionUnknown
    await outbox.emit(uow, actor=actor, now=now, action="session.ended", target_type="session", target_id=session_id)


async def end_all(uow: db.UnitOfWork, *, actor: Actor, now: datetime, user_id: UUID, but: UUID | None = None) -> int:
    """Sign a person out everywhere (``but`` one session), and return how many sessions that ended."""
    await tenancy.enter_user(uow, user_id=user_id)
    count = await people.end_sessions(uow, user_id=user_id, but=but)
    after = {"sessions": count}
    await outbox.emit(uow, actor=actor, now=now, action="user.signed_out_everywhere", target_type="user", target_id=user_id, after=after)
    return count
