"""What is read before a tenant or a person is known: the SECURITY DEFINER functions of migration 0003, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from carbonledger.domains.identity import types
from carbonledger.infra import db
from carbonledger.kernel.actor import Role


def _facts_from_row(row: asyncpg.Record) -> types.OrganizationFacts:
    return types.OrganizationFacts(
        id=row["organization_id"],
        tier=types.Tier(row["tier"]),
        is_house=row["is_house"],
        is_sandbox=row["is_sandbox"],
        clock_at=row["clock_at"],
        time_zone=row["time_zone"],
    )


async def key_by_hash(uow: db.UnitOfWork, *, token_hash: bytes) -> types.ApiKeyFound | None:
    """Return the key that is stored under this hash and not revoked."""
    row = await uow.conn.fetchrow("SELECT * FROM key_by_hash($1)", token_hash)
    if row is None:
        return None
    return types.ApiKeyFound(
        id=row["id"],
        organization=_facts_from_row(row),
        scopes=tuple(row["scopes"]),
        expires_at=row["expires_at"],
        last_used_at=row["last_used_at"],
    )


async def session_by_hash(uow: db.UnitOfWork, *, token_hash: bytes) -> types.SessionFound | None:
    """Return the session that is stored under this hash, if its user is still a member of its organization."""
    row = await uow.conn.fetchrow("SELECT * FROM session_by_hash($1)", token_hash)
    if row is None:
        return None
    return types.SessionFound(
        id=row["id"],
        user_id=row["user_id"],
        organization=_facts_from_row(row),
        role=Role(row["role"]),
        created_at=row["created_at"],
        seen_at=row["seen_at"],
        expires_at=row["expires_at"],
    )


async def organization_by_claim(uow: db.UnitOfWork, *, claim: str) -> types.OrganizationFacts | None:
    """Return the organization whose id or external id a token names."""
    row = await uow.conn.fetchrow("SELECT * FROM organization_by_claim($1)", claim)
    return None if row is None else _facts_from_row(row)


async def house_organization(uow: db.UnitOfWork) -> UUID | None:
    """Return the house, or None before the first start."""
    house: UUID | None = await uow.conn.fetchval("SELECT house_organization()")
    return house


async def password_by_email(uow: db.UnitOfWork, *, email: str) -> types.PasswordFound | None:
    """Return whose address it is, with the hash of the password, if there is one."""
    row = await uow.conn.fetchrow("SELECT * FROM password_by_email($1)", email)
    if row is None:
        return None
    return types.PasswordFound(user_id=row["user_id"], verified_at=row["verified_at"], hash=row["hash"])


async def user_by_email(uow: db.UnitOfWork, *, email: str) -> UUID | None:
    """Return whose address it is."""
    user_id: UUID | None = await uow.conn.fetchval("SELECT user_by_email($1)", email)
    return user_id


async def organizations_of_current_user(uow: db.UnitOfWork) -> tuple[types.Membership, ...]:
    """Return the organizations of the user whom the transaction has entered, the first joined first."""
    rows = await uow.conn.fetch("SELECT * FROM organizations_of_current_user()")
    return tuple(
        types.Membership(
            organization_id=row["organization_id"],
            name=row["name"],
            role=Role(row["role"]),
            is_house=row["is_house"],
            is_sandbox=row["is_sandbox"],
        )
        for row in rows
    )


async def link_by_hash(uow: db.UnitOfWork, *, token_hash: bytes) -> types.Link | None:
    """Return the one-use link that is stored under this hash."""
    row = await uow.conn.fetchrow("SELECT * FROM token_by_hash($1)", token_hash)
    if row is None:
        return None
    return types.Link(
        id=row["id"],
        user_id=row["user_id"],
        purpose=types.LinkPurpose(row["purpose"]),
        state=types.LinkState(row["state"]),
        expires_at=row["expires_at"],
    )


async def offer_by_hash(uow: db.UnitOfWork, *, token_hash: bytes) -> types.Offer | None:
    """Return the invitation that is stored under this hash."""
    row = await uow.conn.fetchrow("SELECT * FROM invitation_by_hash($1)", token_hash)
    if row is None:
        return None
    return types.Offer(
        id=row["id"],
        organization_id=row["organization_id"],
        organization_name=row["organization_name"],
        email=row["email"],
        role=Role(row["role"]),
        state=types.InvitationState(row["state"]),
        expires_at=row["expires_at"],
    )


async def users_with_expired(uow: db.UnitOfWork, *, before: datetime, at_most: int) -> tuple[UUID, ...]:
    """Return people who have sessions or links that ran out before the given instant."""
    rows = await uow.conn.fetch("SELECT * FROM users_with_expired($1, $2)", before, at_most)
    return tuple(row["user_id"] for row in rows)


async def touch_credentials(uow: db.UnitOfWork, *, key_ids: Sequence[UUID], session_ids: Sequence[UUID], at: datetime) -> None:
    """Write that these keys and sessions were in use at ``at``."""
    await uow.conn.execute("SELECT touch_credentials($1, $2, $3)", list(key_ids), list(session_ids), at)


async def forget_invitations(uow: db.UnitOfWork, *, at: datetime) -> None:
    """Withdraw every invitation, of any organization, that is addressed to the user whom the transaction has entered."""
    await uow.conn.execute("SELECT forget_invitations($1)", at)
