"""Members of an organization: listed, given another role, removed.

Whoever changes members takes turns on the organization's row, so that two owners can't each remove the other.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from carbonledger.domains.identity import types
from carbonledger.domains.identity.core import roles
from carbonledger.domains.identity.store import members, organizations, people, tenancy
from carbonledger.infra import db, outbox
from carbonledger.kernel import instant
from carbonledger.kernel import page as pages
from carbonledger.kernel.actor import Actor, Role

_WRITE = "members:write"


async def page(uow: db.UnitOfWork, *, organization_id: UUID, request: pages.PageRequest) -> pages.Page[types.Member]:
    """Return members, the first joined first."""
    rows = await members.some(uow, organization_id=organization_id, after=pages.after_instant(request), limit=request.limit + 1)
    return pages.cut(rows, limit=request.limit, key=lambda member: (instant.to_api_instant(member.created_at), str(member.user_id)))


async def find(uow: db.UnitOfWork, *, organization_id: UUID, user_id: UUID) -> types.Member:
    """Return a member. Raises ``MemberUnknown``."""
    member = await members.find(uow, organization_id=organization_id, user_id=user_id)
    if member is None:
        raise types.MemberUnknown
    return member


async def change_role(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, organization_id: UUID, user_id: UUID, role: Role
) -> types.Member:
    """Give a member another role. Raises ``MemberUnknown``, ``RoleRefused``, ``LastOwner``."""
    member, owners = await _turn(uow, organization_id=organization_id, user_id=user_id)
    _judge(roles.change(member.role, role, by=actor.role, scopes=actor.scopes, owners=owners))
    if member.role is role:
        return member
    await members.change_role(uow, organization_id=organization_id, user_id=user_id, role=role, at=at)
    await outbox.emit(
        uow,
        actor=actor,
        now=now,
        action="member.role_changed",
        target_type="member",
        target_id=user_id,
        before={"role": member.role.value},
        after={"role": role.value},
    )
    return await find(uow, organization_id=organization_id, user_id=user_id)


async def remove(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, user_id: UUID) -> None:
    """Take a member out, or leave; their sessions in the organization end. Raises ``MemberUnknown``, ``RoleRefused``, ``LastOwner``."""
    member, owners = await _turn(uow, organization_id=organization_id, user_id=user_id)
    judge_removal(member, actor=actor, owners=owners)
    await leave(uow, actor=actor, now=now, organization_id=organization_id, member=member)


def judge_removal(member: types.Member, *, actor: Actor, owners: int) -> None:
    """Raise ``RoleRefused`` or ``LastOwner`` unless ``actor`` may take the member out."""
    is_self = actor.id == member.user_id
    _judge(roles.removal(member.role, by=actor.role, is_self=is_self, may_write=actor.may(_WRITE), owners=owners))


async def leave(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, member: types.Member) -> None:
    """Take a member out without asking the rules, which the caller has done."""
    await members.remove(uow, organization_id=organization_id, user_id=member.user_id)
    await tenancy.enter_user(uow, user_id=member.user_id)
    await people.end_sessions(uow, user_id=member.user_id, organization_id=organization_id)
    before = {"role": member.role.value}
    await outbox.emit(uow, actor=actor, now=now, action="member.removed", target_type="member", target_id=member.user_id, before=before)


async def add(uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, organization_id: UUID, user_id: UUID, role: Role) -> None:
    """Make a person a member; who asks has been judged. Raises ``AlreadyMember``."""
    if not await members.add(uow, organization_id=organization_id, user_id=user_id, role=role, at=at):
        raise types.AlreadyMember
    after = {"role": role.value}
    await outbox.emit(uow, actor=actor, now=now, action="member.added", target_type="member", target_id=user_id, after=after)


async def _turn(uow: db.UnitOfWork, *, organization_id: UUID, user_id: UUID) -> tuple[types.Member, int]:
    """Take the turn of changing the organization's members; return the member and how many owners there are now."""
    await organizations.find(uow, organization_id=organization_id, lock=True)
    member = await find(uow, organization_id=organization_id, user_id=user_id)
    return member, len(await members.owners(uow, organization_id=organization_id))


def _judge(verdict: roles.Verdict) -> None:
    if verdict is roles.Verdict.REFUSED:
        raise types.RoleRefused
    if verdict is roles.Verdict.LAST_OWNER:
        raise types.LastOwner("Make somebody else an owner first.")
