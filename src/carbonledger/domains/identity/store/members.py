"""Members of an organization, and those invited to it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy import delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from carbonledger.domains.identity import tables, types
from carbonledger.infra import db
from carbonledger.kernel.actor import Role

members = tables.members
users = tables.users
invitations = tables.invitations

_SHOWN = (members.c.user_id, users.c.email, users.c.name, members.c.role, members.c.created_at)
_OFFERED = [column for column in invitations.c if column.name != "token_hash"]


def _member_from_row(row: asyncpg.Record) -> types.Member:
    return types.Member(user_id=row["user_id"], email=row["email"], name=row["name"], role=Role(row["role"]), created_at=row["created_at"])


def _invitation_from_row(row: asyncpg.Record) -> types.Invitation:
    return types.Invitation(
        id=row["id"],
        organization_id=row["organization_id"],
        email=row["email"],
        role=Role(row["role"]),
        state=types.InvitationState(row["state"]),
        invited_by=row["invited_by"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        ended_at=row["ended_at"],
    )


async def add(uow: db.UnitOfWork, *, organization_id: UUID, user_id: UUID, role: Role, at: datetime) -> bool:
    """Make a person a member; False if they are one already."""
    statement = upsert(members).values(organization_id=organization_id, user_id=user_id, role=role.value, created_at=at, updated_at=at)
    return await uow.execute(statement.on_conflict_do_nothing(index_elements=["organization_id", "user_id"])) == 1


async def find(uow: db.UnitOfWork, *, organization_id: UUID, user_id: UUID) -> types.Member | None:
    """Return a member."""
    row = await uow.fetch_one(
        select(*_SHOWN)
        .join_from(members, users, users.c.id == members.c.user_id)
        .where(members.c.organization_id == organization_id, members.c.user_id == user_id)
    )
    return None if row is None else _member_from_row(row)


async def some(uow: db.UnitOfWork, *, organization_id: UUID, after: tuple[datetime, UUID] | None, limit: int) -> tuple[types.Member, ...]:
    """Return members, the first joined first, after the one named."""
    statement = (
        select(*_SHOWN)
        .join_from(members, users, users.c.id == members.c.user_id)
        .where(members.c.organization_id == organization_id)
        .order_by(members.c.created_at, members.c.user_id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(tuple_(members.c.created_at, members.c.user_id) > after)
    return tuple(_member_from_row(row) for row in await uow.fetch(statement))


async def owners(uow: db.UnitOfWork, *, organization_id: UUID) -> tuple[UUID, ...]:
    """Return the owners, the first joined first."""
    statement = (
        select(members.c.user_id)
        .where(members.c.organization_id == organization_id, members.c.role == Role.OWNER.value)
        .order_by(members.c.created_at, members.c.user_id)
    )
    return tuple(row["user_id"] for row in await uow.fetch(statement))


async def change_role(uow: db.UnitOfWork, *, organization_id: UUID, user_id: UUID, role: Role, at: datetime) -> None:
    """Write a member's role."""
    statement = update(members).where(members.c.organization_id == organization_id, members.c.user_id == user_id)
    await uow.execute(statement.values(role=role.value, updated_at=at))


async def remove(uow: db.UnitOfWork, *, organization_id: UUID, user_id: UUID) -> None:
    """Delete a membership."""
    await uow.execute(delete(members).where(members.c.organization_id == organization_id, members.c.user_id == user_id))


async def add_invitation(uow: db.UnitOfWork, *, invitation: types.Invitation, token_hash: bytes | None) -> bool:
    """Keep an invitation; False if its address has one that is pending."""
    statement = upsert(invitations).values(
        organization_id=invitation.organization_id,
        id=invitation.id,
        email=invitation.email,
        role=invitation.role.value,
        token_hash=token_hash,
        state=invitation.state.value,
        invited_by=invitation.invited_by,
        created_at=invitation.created_at,
        expires_at=invitation.expires_at,
    )
    return await uow.execute(statement.on_conflict_do_nothing(index_elements=["organization_id", "email"])) == 1


async def invitation(uow: db.UnitOfWork, *, organization_id: UUID, invitation_id: UUID, lock: bool = False) -> types.Invitation | None:
    """Return an invitation. ``lock`` holds it: it is accepted once, also by two at the same moment."""
    statement = select(*_OFFERED).where(invitations.c.organization_id == organization_id, invitations.c.id == invitation_id)
    row = await uow.fetch_one(statement.with_for_update() if lock else statement)
    return None if row is None else _invitation_from_row(row)


async def pending_invitation(uow: db.UnitOfWork, *, organization_id: UUID, email: str) -> types.Invitation | None:
    """Return the pending invitation of an address, locked; it may have run out."""
    statement = select(*_OFFERED).where(invitations.c.organization_id == organization_id, invitations.c.email == email)
    row = await uow.fetch_one(statement.with_for_update())
    return None if row is None else _invitation_from_row(row)


async def some_invitations(uow: db.UnitOfWork, *, organization_id: UUID, before: UUID | None, limit: int) -> tuple[types.Invitation, ...]:
    """Return invitations, newest first, made before the one named."""
    statement = select(*_OFFERED).where(invitations.c.organization_id == organization_id).order_by(invitations.c.id.desc())
    if before is not None:
        statement = statement.where(invitations.c.id < before)
    return tuple(_invitation_from_row(row) for row in await uow.fetch(statement.limit(limit)))


async def count_pending_invitations(uow: db.UnitOfWork, *, organization_id: UUID) -> int:
    """Return how many invitations are pending, run out or not."""
    statement = select(func.count()).where(
        invitations.c.organization_id == organization_id, invitations.c.state == types.InvitationState.PENDING.value
    )
    return int(await uow.fetch_value(statement))


async def set_invitation_token(uow: db.UnitOfWork, *, organization_id: UUID, invitation_id: UUID, token_hash: bytes) -> bool:
    """Give a pending invitation a new link; the one before it stops working."""
    statement = update(invitations).where(
        invitations.c.organization_id == organization_id,
        invitations.c.id == invitation_id,
        invitations.c.state == types.InvitationState.PENDING.value,
    )
    return await uow.execute(statement.values(token_hash=token_hash)) == 1


async def end_invitation(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    invitation_id: UUID,
    state: types.InvitationState,
    accepted_by: UUID | None,
    at: datetime,
) -> None:
    """End an invitation whose row the caller has locked, and forget its address and link."""
    statement = update(invitations).where(invitations.c.organization_id == organization_id, invitations.c.id == invitation_id)
    await uow.execute(statement.values(state=state.value, email=None, token_hash=None, accepted_by=accepted_by, ended_at=at))
