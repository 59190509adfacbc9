"""Users, their passwords, sessions and one-use links: the rows of one person.

Every function but ``add_user`` needs the transaction to have entered the user (``tenancy.enter_user``), and filters by it besides.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from carbonledger.domains.identity import tables, types
from carbonledger.domains.identity.store import tenancy
from carbonledger.infra import db


def _user_from_row(row: asyncpg.Record) -> types.User:
    return types.User(
        id=row["id"],
        email=row["email"],
        name=row["name"],
        locale=row["locale"],
        verified_at=row["verified_at"],
        created_at=row["created_at"],
        erased_at=row["erased_at"],
    )


def _session_from_row(row: asyncpg.Record) -> types.Session:
    return types.Session(
        id=row["id"],
        user_id=row["user_id"],
        organization_id=row["organization_id"],
        user_agent=row["user_agent"],
        address=row["address"],
        created_at=row["created_at"],
        seen_at=row["seen_at"],
        expires_at=row["expires_at"],
    )


async def add_user(uow: db.UnitOfWork, user: types.User) -> bool:
    """Insert a person and enter them; False, and nobody entered, if the address is taken."""
    await tenancy.enter_user(uow, user_id=user.id)
    statement = upsert(tables.users).values(
        id=user.id,
        email=user.email,
        name=user.name,
        locale=user.locale,
        verified_at=user.verified_at,
        created_at=user.created_at,
        updated_at=user.created_at,
    )
    return await uow.execute(statement.on_conflict_do_nothing(index_elements=[tables.users.c.email])) == 1


async def user(uow: db.UnitOfWork, *, user_id: UUID, lock: bool = False) -> types.User | None:
    """Return a person: whom the transaction has entered, or a member of its organization."""
    statement = select(tables.users).where(tables.users.c.id == user_id)
    row = await uow.fetch_one(statement.with_for_update() if lock else statement)
    return None if row is None else _user_from_row(row)


async def change_user(uow: db.UnitOfWork, *, user_id: UUID, at: datetime, values: Mapping[str, object]) -> types.User | None:
    """Change columns of a person and return them as they are then."""
    row = await uow.fetch_one(
        update(tables.users).where(tables.users.c.id == user_id).values(updated_at=at, **values).returning(tables.users)
    )
    return None if row is None else _user_from_row(row)


async def put_password(uow: db.UnitOfWork, *, user_id: UUID, password_hash: str, at: datetime) -> None:
    """Set a person's password."""
    values = {"hash": password_hash, "changed_at": at}
    statement = upsert(tables.passwords).values(user_id=user_id, **values)
    await uow.execute(statement.on_conflict_do_update(index_elements=[tables.passwords.c.user_id], set_=values))


async def replace_hash(uow: db.UnitOfWork, *, user_id: UUID, old_hash: str, new_hash: str) -> bool:
    """Store the same password under newer parameters, unless it was changed meanwhile."""
    statement = update(tables.passwords).where(tables.passwords.c.user_id == user_id, tables.passwords.c.hash == old_hash)
    return await uow.execute(statement.values(hash=new_hash)) == 1


async def password_hash(uow: db.UnitOfWork, *, user_id: UUID) -> str | None:
    """Return the hash of a person's password, if there is one."""
    found: str | None = await uow.fetch_value(select(tables.passwords.c.hash).where(tables.passwords.c.user_id == user_id))
    return found


async def drop_password(uow: db.UnitOfWork, *, user_id: UUID) -> None:
    """Forget a person's password."""
    await uow.execute(delete(tables.passwords).where(tables.passwords.c.user_id == user_id))


async def add_session(uow: db.UnitOfWork, *, session: types.Session, token_hash: bytes) -> None:
    """Keep a session under the hash of its token."""
    await uow.execute(
        insert(tables.sessions).values(
            id=session.id,
            user_id=session.user_id,
            organization_id=session.organization_id,
            token_hash=token_hash,
            user_agent=session.user_agent,
            address=session.address,
            created_at=session.created_at,
            seen_at=session.seen_at,
            expires_at=session.expires_at,
        )
    )


async def session(uow: db.UnitOfWork, *, user_id: UUID, session_id: UUID, lock: bool = False) -> types.Session | None:
    """Return a session of a person."""
    statement = select(tables.sessions).where(tables.sessions.c.user_id == user_id, tables.sessions.c.id == session_id)
    row = await uow.fetch_one(statement.with_for_update() if lock else statement)
    return None if row is None else _session_from_row(row)


async def all_sessions(uow: db.UnitOfWork, *, user_id: UUID, limit: int) -> tuple[types.Session, ...]:
    """Return a person's sessions, newest first."""
    statement = select(tables.sessions).where(tables.sessions.c.user_id == user_id).order_by(tables.sessions.c.id.desc()).limit(limit)
    return tuple(_session_from_row(row) for row in await uow.fetch(statement))


async def move_session(uow: db.UnitOfWork, *, user_id: UUID, session_id: UUID, organization_id: UUID, token_hash: bytes) -> bool:
    """Give a session another organization and another token."""
    statement = update(tables.sessions).where(tables.sessions.c.user_id == user_id, tables.sessions.c.id == session_id)
    return await uow.execute(statement.values(organization_id=organization_id, token_hash=token_hash)) == 1


async def end_session(uow: db.UnitOfWork, *, user_id: UUID, session_id: UUID) -> bool:
    """Delete a session; False if it was not there."""
    return await uow.execute(delete(tables.sessions).where(tables.sessions.c.user_id == user_id, tables.sessions.c.id == session_id)) == 1


async def end_sessions(uow: db.UnitOfWork, *, user_id: UUID, organization_id: UUID | None = None, but: UUID | None = None) -> int:
    """Delete a person's sessions (in one organization only, but for one), and return how many there were."""
    statement = delete(tables.sessions).where(tables.sessions.c.user_id == user_id)
    if organization_id is not None:
        statement = statement.where(tables.sessions.c.organization_id == organization_id)
    if but is not None:
        statement = statement.where(tables.sessions.c.id != but)
    return await uow.execute(statement)


async def add_link(uow: db.UnitOfWork, *, link: types.Link, token_hash: bytes, at: datetime) -> None:
    """Keep a one-use link under the hash of its token."""
    await uow.execute(
        insert(tables.one_use_tokens).values(
            id=link.id,
            user_id=link.user_id,
            purpose=link.purpose.value,
            token_hash=token_hash,
            state=link.state.value,
            created_at=at,
            expires_at=link.expires_at,
        )
    )


async def link(uow: db.UnitOfWork, *, user_id: UUID, link_id: UUID) -> types.Link | None:
    """Return a one-use link, locked until the transaction ends: it is used once, also by two at the same moment."""
    statement = select(tables.one_use_tokens).where(tables.one_use_tokens.c.user_id == user_id, tables.one_use_tokens.c.id == link_id)
    row = await uow.fetch_one(statement.with_for_update())
    if row is None:
        return None
    return types.Link(
        id=row["id"],
        user_id=row["user_id"],
        purpose=types.LinkPurpose(row["purpose"]),
        state=types.LinkState(row["state"]),
        expires_at=row["expires_at"],
    )


async def move_link(uow: db.UnitOfWork, *, user_id: UUID, link_id: UUID, state: types.LinkState) -> None:
    """Write the state of a link whose row the caller has locked."""
    statement = update(tables.one_use_tokens).where(tables.one_use_tokens.c.user_id == user_id, tables.one_use_tokens.c.id == link_id)
    await uow.execute(statement.values(state=state.value))


async def withdraw_links(uow: db.UnitOfWork, *, user_id: UUID, purpose: types.LinkPurpose) -> None:
    """Withdraw a person's unused links of one purpose."""
    statement = update(tables.one_use_tokens).where(
        tables.one_use_tokens.c.user_id == user_id,
        tables.one_use_tokens.c.purpose == purpose.value,
        tables.one_use_tokens.c.state == types.LinkState.UNUSED.value,
    )
    await uow.execute(statement.values(state=types.LinkState.WITHDRAWN.value))


async def drop_links(uow: db.UnitOfWork, *, user_id: UUID) -> None:
    """Delete all one-use links of a person."""
    await uow.execute(delete(tables.one_use_tokens).where(tables.one_use_tokens.c.user_id == user_id))


async def drop_expired(uow: db.UnitOfWork, *, user_id: UUID, before: datetime) -> int:
    """Delete a person's sessions and links that ran out before the given instant, and return how many."""
    sessions, links = tables.sessions.c, tables.one_use_tokens.c
    gone = await uow.execute(delete(tables.sessions).where(sessions.user_id == user_id, sessions.expires_at < before))
    return gone + await uow.execute(delete(tables.one_use_tokens).where(links.user_id == user_id, links.expires_at < before))
