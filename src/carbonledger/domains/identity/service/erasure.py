"""Erasure of a person's data: what remains is an id in the trail.

Asked by the person, by an organization for a member who belongs to no other, or by the operator for anybody.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from carbonledger.domains.identity import types
from carbonledger.domains.identity.core import lockout
from carbonledger.domains.identity.service import members as member_service
from carbonledger.domains.identity.store import lookups, members, organizations, people, tallies, tenancy
from carbonledger.infra import db, outbox
from carbonledger.kernel.actor import Actor, ActorKind


async def erase(uow: db.UnitOfWork, *, actor: Actor, at: datetime, user_id: UUID) -> None:
    """Erase a person: name and address, password, sessions, links, memberships, and invitations to their address.

    Raises ``MemberUnknown``, ``MemberElsewhere`` (an organization may not erase a member of another), ``RoleRefused``, ``LastOwner``.
    """
    await tenancy.enter_user(uow, user_id=user_id)
    memberships = await lookups.organizations_of_current_user(uow)
    is_own = actor.kind is ActorKind.MEMBER and actor.id == user_id
    if not is_own and actor.kind is not ActorKind.OPERATOR:
        if uow.organization_id not in {membership.organization_id for membership in memberships}:
            raise types.MemberUnknown
        if len(memberships) > 1:
            raise types.MemberElsewhere
    user = await people.user(uow, user_id=user_id, lock=True)
    if user is None or user.erased_at is not None:
        raise types.MemberUnknown
    # In the order of their ids, so that two erasures never wait for each other.
    for membership in sorted(memberships, key=lambda found: found.organization_id):
        await _leave(uow, actor=actor, at=at, organization_id=membership.organization_id, user_id=user_id)
    await tenancy.enter_user(uow, user_id=user_id)
    await lookups.forget_invitations(uow, at=at)
    await people.end_sessions(uow, user_id=user_id)
    await people.drop_links(uow, user_id=user_id)
    await people.drop_password(uow, user_id=user_id)
    if user.email is not None:
        for key in (lockout.person_key(user.email), lockout.letters_key(user.email)):
            await tallies.drop(uow, key=key)
    values = {"email": None, "name": None, "locale": None, "erased_at": at}
    await people.change_user(uow, user_id=user_id, at=at, values=values)


async def _leave(uow: db.UnitOfWork, *, actor: Actor, at: datetime, organization_id: UUID, user_id: UUID) -> None:
    async with tenancy.inside(uow, organization_id=organization_id):
        organization = await organizations.find(uow, organization_id=organization_id, lock=True)
        member = await members.find(uow, organization_id=organization_id, user_id=user_id)
        if organization is None or member is None:
            raise types.MemberUnknown
        owners = await members.owners(uow, organization_id=organization_id)
        acting = replace(actor, organization_id=organization_id)
        now = organization.business_now(at)
        if actor.kind is not ActorKind.OPERATOR:
            member_service.judge_removal(member, actor=acting, owners=len(owners))
        await member_service.leave(uow, actor=acting, now=now, organization_id=organization_id, member=member)
        await outbox.emit(uow, actor=acting, now=now, action="member.erased", target_type="member", target_id=user_id)
