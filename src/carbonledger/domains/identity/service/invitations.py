"""Invitations: an offer of a role to an address, accepted once by whoever holds its link.

By e-mail where that is configured, else the link goes to the inviter, once. Who is no user yet becomes one by the link alone;
a user must be signed in, so that a forwarded link never joins somebody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from carbonledger.domains.identity import types
from carbonledger.domains.identity.core import credentials, fields, roles
from carbonledger.domains.identity.core import links as rules
from carbonledger.domains.identity.service import members as member_service
from carbonledger.domains.identity.store import lookups, members, organizations, people, tenancy
from carbonledger.infra import crypto, db, outbox, queue
from carbonledger.kernel import actor as actors
from carbonledger.kernel import ids
from carbonledger.kernel import page as pages
from carbonledger.kernel.actor import Actor, Role
from carbonledger.kernel.errors import Problem

MAIL_JOB = "identity.mail_invitation"
PENDING_MAX = 1000  # of one organization; bounds the mail that one caller can make us send


async def invite(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    at: datetime,
    organization_id: UUID,
    email: str,
    role: Role,
    by_mail: bool,
) -> types.NewInvitation:
    """Offer a role to an address. Raises ``Invalid``, ``RoleRefused``, ``AlreadyMember``, ``InvitationPending``, ``QuotaReached``.

    An offer that has run out is replaced. Without ``by_mail`` the link's token is in what is returned, and nowhere else.
    """
    problems: list[Problem] = []
    folded = fields.email(problems, "/email", email)
    fields.refuse(problems)
    if not roles.may_give(role, giver=actor.role, scopes=actor.scopes):
        raise types.RoleRefused
    await _refuse_member(uow, organization_id=organization_id, email=folded)
    await _end_if_run_out(uow, organization_id=organization_id, email=folded, at=at)
    if await members.count_pending_invitations(uow, organization_id=organization_id) >= PENDING_MAX:
        raise types.QuotaReached(f"There are {PENDING_MAX} pending invitations. Revoke those that are not needed.")
    invitation = types.Invitation(
        id=ids.new_id(at),
        organization_id=organization_id,
        email=folded,
        role=role,
        state=types.InvitationState.PENDING,
        invited_by=actor.id,
        created_at=at,
        expires_at=at + rules.INVITATION_LIFETIME,
        ended_at=None,
    )
    token = None if by_mail else crypto.new_token().reveal()
    if not await members.add_invitation(uow, invitation=invitation, token_hash=None if token is None else crypto.digest(token)):
        raise types.InvitationPending("Revoke it to send another.")
    if by_mail:
        await queue.enqueue(uow, name=MAIL_JOB, args={"invitation_id": str(invitation.id)}, now=now, actor=actor)
    await _emit(uow, actor=actor, now=now, action="invitation.created", invitation=invitation)
    return types.NewInvitation(invitation=invitation, token=token)


async def _refuse_member(uow: db.UnitOfWork, *, organization_id: UUID, email: str) -> None:
    user_id = await lookups.user_by_email(uow, email=email)
    if user_id is not None and await members.find(uow, organization_id=organization_id, user_id=user_id) is not None:
        raise types.AlreadyMember


async def _end_if_run_out(uow: db.UnitOfWork, *, organization_id: UUID, email: str, at: datetime) -> None:
    old = await members.pending_invitation(uow, organization_id=organization_id, email=email)
    if old is not None and not _is_open(old, at=at):
        await _end(uow, invitation=old, state=types.InvitationState.REVOKED, accepted_by=None, at=at)


async def _emit(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    action: str,
    invitation: types.Invitation,
    after: Mapping[str, object] | None = None,
) -> None:
    await outbox.emit(
        uow,
        actor=actor,
        now=now,
        action=action,
        target_type="invitation",
        target_id=invitation.id,
        after={"role": invitation.role.value, **(after or {})},
    )


async def new_token(uow: db.UnitOfWork, *, at: datetime, organization_id: UUID, invitation_id: UUID) -> tuple[types.Invitation, str] | None:
    """Give a pending invitation a new link, for the job that mails it; None if there is nothing to send any more."""
    invitation = await members.invitation(uow, organization_id=organization_id, invitation_id=invitation_id, lock=True)
    if invitation is None or not _is_open(invitation, at=at):
        return None
    token = crypto.new_token().reveal()
    await members.set_invitation_token(uow, organization_id=organization_id, invitation_id=invitation_id, token_hash=crypto.digest(token))
    return invitation, token


def _is_open(invitation: types.Invitation, *, at: datetime) -> bool:
    return rules.is_offer_open(state=invitation.state, expires_at=invitation.expires_at, at=at)


async def page(uow: db.UnitOfWork, *, organization_id: UUID, request: pages.PageRequest) -> pages.Page[types.Invitation]:
    """Return invitations, those that ended too, newest first."""
    rows = await members.some_invitations(uow, organization_id=organization_id, before=pages.before_id(request), limit=request.limit + 1)
    return pages.cut(rows, limit=request.limit, key=lambda invitation: (str(invitation.id),))


async def find(uow: db.UnitOfWork, *, organization_id: UUID, invitation_id: UUID) -> types.Invitation:
    """Return an invitation. Raises ``InvitationUnknown``."""
    found = await members.invitation(uow, organization_id=organization_id, invitation_id=invitation_id)
    if found is None:
        raise types.InvitationUnknown
    return found


async def revoke(uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, organization_id: UUID, invitation_id: UUID) -> None:
    """Withdraw an invitation. Raises ``InvitationUnknown``, ``TransitionRefused`` for one that was accepted."""
    invitation = await members.invitation(uow, organization_id=organization_id, invitation_id=invitation_id, lock=True)
    if invitation is None:
        raise types.InvitationUnknown
    if invitation.state is types.InvitationState.REVOKED:
        return
    await _end(uow, invitation=invitation, state=types.InvitationState.REVOKED, accepted_by=None, at=at)
    await _emit(uow, actor=actor, now=now, action="invitation.revoked", invitation=invitation)


async def _end(
    uow: db.UnitOfWork, *, invitation: types.Invitation, state: types.InvitationState, accepted_by: UUID | None, at: datetime
) -> None:
    if state not in rules.INVITATION_STEPS[invitation.state]:
        raise types.TransitionRefused(f"The invitation was {invitation.state.value}.")
    await members.end_invitation(
        uow, organization_id=invitation.organization_id, invitation_id=invitation.id, state=state, accepted_by=accepted_by, at=at
    )


async def offer(uow: db.UnitOfWork, *, at: datetime, token: str) -> types.Offer:
    """Return what the holder of a link is offered. Raises ``LinkUnusable``, always the same."""
    found = await lookups.offer_by_hash(uow, token_hash=crypto.digest(token)) if credentials.is_token(token) else None
    if found is None or not rules.is_offer_open(state=found.state, expires_at=found.expires_at, at=at):
        raise types.LinkUnusable
    return found


async def accept(uow: db.UnitOfWork, *, actor: Actor, at: datetime, token: str, user_id: UUID) -> types.Offer:
    """Accept as a user who is signed in. Raises ``LinkUnusable``, ``AddressDiffers``, ``AlreadyMember``."""
    found = await offer(uow, at=at, token=token)
    await tenancy.enter_user(uow, user_id=user_id)
    user = await people.user(uow, user_id=user_id)
    if user is None or user.email != found.email:
        raise types.AddressDiffers
    await _join(uow, actor=actor, at=at, found=found, user_id=user_id)
    return found


async def accept_as_new(
    uow: db.UnitOfWork, *, at: datetime, token: str, name: str, password_hash: str, proves_address: bool, request_id: str | None
) -> tuple[types.Offer, UUID]:
    """Make a user of the invited address, accept, and return the offer and the user's id.

    ``proves_address``: the link went there by mail. Raises ``Invalid``, ``LinkUnusable``, ``UserExists``.
    """
    problems: list[Problem] = []
    tidy_name = fields.text(problems, "/name", name, max_chars=fields.NAME_MAX_CHARS)
    fields.refuse(problems)
    found = await offer(uow, at=at, token=token)
    user = types.User(
        id=ids.new_id(at),
        email=found.email,
        name=tidy_name,
        locale=None,
        verified_at=at if proves_address else None,
        created_at=at,
        erased_at=None,
    )
    if not await people.add_user(uow, user):
        raise types.UserExists
    await people.put_password(uow, user_id=user.id, password_hash=password_hash, at=at)
    actor = Actor(kind=actors.ActorKind.MEMBER, id=user.id, organization_id=found.organization_id, role=found.role, request_id=request_id)
    await _join(uow, actor=actor, at=at, found=found, user_id=user.id)
    return found, user.id


async def _join(uow: db.UnitOfWork, *, actor: Actor, at: datetime, found: types.Offer, user_id: UUID) -> None:
    """Make the person a member and end the invitation. Of two that accept at the same moment, one finds it ended."""
    organization_id = found.organization_id
    async with tenancy.inside(uow, organization_id=organization_id):
        organization = await organizations.find(uow, organization_id=organization_id, lock=True)
        invitation = await members.invitation(uow, organization_id=organization_id, invitation_id=found.id, lock=True)
        if organization is None or invitation is None or not _is_open(invitation, at=at):
            raise types.LinkUnusable
        now = organization.business_now(at)
        joined = replace(actor, organization_id=organization_id)
        await _end(uow, invitation=invitation, state=types.InvitationState.ACCEPTED, accepted_by=user_id, at=at)
        await member_service.add(uow, actor=joined, now=now, at=at, organization_id=organization_id, user_id=user_id, role=invitation.role)
        await _emit(uow, actor=joined, now=now, action="invitation.accepted", invitation=invitation, after={"member_id": str(user_id)})
