"""Invitations: made and withdrawn by the organization, looked at and accepted by whoever holds the link."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import invitations, links
from carbonledger.entrypoints.rest import people, routing, shapes
from carbonledger.entrypoints.shared import access, sign_in
from carbonledger.kernel import page
from carbonledger.kernel.actor import Role

router = routing.Router(prefix="/v1/invitations", tag="Members")

_EXAMPLE = {
    "id": "01932d3c-6a7b-7c8d-9e0f-1a2b3c4d5e6f",
    "email": "ben@example.com",
    "role": "viewer",
    "state": "pending",
    "invited_by": people.USER_ID,
    "created_at": "2026-11-01T09:00:00Z",
    "expires_at": "2026-11-08T09:00:00Z",
    "ended_at": None,
}
_OFFER = {"organization_name": "Example Ltd", "email": "ben@example.com", "role": "viewer", "expires_at": "2026-11-08T09:00:00Z"}


class InvitationIn(shapes.In):
    """Whom to invite, and as what."""

    email: people.EmailText
    role: Role


class TokenIn(shapes.In):
    """What the link of an invitation holds."""

    token: people.TokenText


class NewUserIn(shapes.In):
    """The link of an invitation, and the user to make for it."""

    token: people.TokenText
    name: people.NameText
    password: people.PasswordText


class InvitationOut(shapes.Out):
    """An invitation. The address is forgotten when it ends."""

    id: UUID
    email: str | None
    role: Role
    state: types.InvitationState
    invited_by: UUID | None
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None


class InvitationMadeOut(InvitationOut):
    """An invitation that was just made."""

    link: str | None = Field(
        description="The link to hand over, shown this once; null where it was sent by e-mail.",
        examples=[f"https://ledger.example.com/accept-invitation?token={people.TOKEN}"],
    )


class OfferOut(shapes.Out):
    """What the holder of a link is offered."""

    organization_name: str
    email: str | None
    role: Role
    expires_at: datetime


def to_api_invitation(invitation: types.Invitation) -> InvitationOut:
    """Return an invitation as callers see it."""
    return InvitationOut(**_shown(invitation))


def to_api_new_invitation(made: types.NewInvitation, *, address: str) -> InvitationMadeOut:
    """Return an invitation that was just made, with its link if nobody mails it."""
    link = None if made.token is None else links.invitation_url(address, token=made.token)
    return InvitationMadeOut(**_shown(made.invitation), link=link)


def _shown(invitation: types.Invitation) -> dict[str, object]:
    return {
        "id": invitation.id,
        "email": invitation.email,
        "role": invitation.role,
        "state": invitation.state,
        "invited_by": invitation.invited_by,
        "created_at": invitation.created_at,
        "expires_at": invitation.expires_at,
        "ended_at": invitation.ended_at,
    }


@router.post(
    "",
    access=access.scope("members:write"),
    status_code=201,
    seals_answer=True,  # it holds an address, and perhaps a link
    summary="Invite somebody",
    operation_id="createInvitation",
    examples={"request": {"email": "ben@example.com", "role": "viewer"}, "response": {**_EXAMPLE, "link": None}},
    errors=(types.RoleRefused, types.AlreadyMember, types.InvitationPending, types.QuotaReached),
)
async def create_invitation(call: routing.CallDep, body: InvitationIn) -> InvitationMadeOut:
    """Offer a role to an address, for seven days. The link goes there by e-mail; without a mail server it is in this answer."""
    made = await invitations.invite(
        call.uow,
        actor=call.actor,
        now=call.now,
        at=call.at,
        organization_id=call.caller.organization_id,
        email=body.email,
        role=body.role,
        by_mail=call.services.mailer is not None,
    )
    call.created(f"/v1/invitations/{made.invitation.id}")
    return to_api_new_invitation(made, address=call.services.settings.address)


@router.get(
    "",
    access=access.scope("members:read"),
    summary="List invitations",
    operation_id="listInvitations",
    examples={"response": {"data": [_EXAMPLE], "next_cursor": None}},
    errors=(page.CursorUnreadable,),
)
async def list_invitations(
    call: routing.CallDep,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=512)] = None,
) -> shapes.ListOut[InvitationOut]:
    """List invitations, those that ended too, newest first."""
    request = call.page(limit=limit, cursor=cursor, parts=1)
    found = await invitations.page(call.uow, organization_id=call.caller.organization_id, request=request)
    data = [to_api_invitation(invitation) for invitation in found.data]
    return shapes.ListOut[InvitationOut](data=data, next_cursor=found.next_cursor)


@router.get(
    "/{invitation_id}",
    access=access.scope("members:read"),
    summary="Show an invitation",
    operation_id="getInvitation",
    examples={"response": _EXAMPLE},
    errors=(types.InvitationUnknown,),
)
async def get_invitation(call: routing.CallDep, invitation_id: UUID) -> InvitationOut:
    """Return one invitation."""
    found = await invitations.find(call.uow, organization_id=call.caller.organization_id, invitation_id=invitation_id)
    return to_api_invitation(found)


@router.delete(
    "/{invitation_id}",
    access=access.scope("members:write"),
    status_code=204,
    summary="Withdraw an invitation",
    operation_id="revokeInvitation",
    errors=(types.InvitationUnknown, types.TransitionRefused),
)
async def revoke_invitation(call: routing.CallDep, invitation_id: UUID) -> None:
    """Make the link useless. One that was accepted can't be withdrawn; remove the member instead."""
    await invitations.revoke(
        call.uow,
        actor=call.actor,
        now=call.now,
        at=call.at,
        organization_id=call.caller.organization_id,
        invitation_id=invitation_id,
    )


@router.post(
    "/offer",
    access=access.public(limit="sign_in"),
    summary="See what a link offers",
    operation_id="showOffer",
    examples={"request": {"token": people.TOKEN}, "response": _OFFER},
    errors=(types.LinkUnusable,),
)
async def show_offer(call: routing.CallDep, body: TokenIn) -> OfferOut:
    """Return what the holder of the link is invited to. The link stays good."""
    found = await invitations.offer(call.uow, at=call.at, token=body.token.get_secret_value())
    return OfferOut(organization_name=found.organization_name, email=found.email, role=found.role, expires_at=found.expires_at)


@router.post(
    "/accept",
    access=access.caller(),
    idempotent=False,
    status_code=204,
    summary="Accept an invitation",
    operation_id="acceptInvitation",
    examples={"request": {"token": people.TOKEN}},
    errors=(types.SessionOnly, types.LinkUnusable, types.AddressDiffers, types.AlreadyMember),
)
async def accept_invitation(call: routing.CallDep, body: TokenIn) -> None:
    """Join as the user you are signed in as, who must have the invited address. Then work there: `switchOrganization`."""
    user_id = people.person(call)
    await invitations.accept(call.uow, actor=call.actor, at=call.at, token=body.token.get_secret_value(), user_id=user_id)


@router.post(
    "/accept-as-new",
    access=access.public(limit="sign_in"),
    transaction=False,
    status_code=201,
    summary="Accept an invitation as a new user",
    operation_id="acceptInvitationAsNew",
    examples={
        "request": {"token": people.TOKEN, "name": "Ben Ode", "password": people.PASSWORD},
        "response": people.SIGNED_IN,
    },
    errors=(types.LinkUnusable, types.UserExists, types.SignUpClosed),
)
async def accept_as_new(call: routing.CallDep, body: NewUserIn) -> people.SignedInOut:
    """Become a user with the invited address, join, and sign in."""
    made = await sign_in.join(
        call.services,
        at=call.at,
        token=body.token.get_secret_value(),
        name=body.name,
        password=body.password.get_secret_value(),
        browser=people.browser(call),
    )
    call.header("location", "/v1/auth/me")
    return people.signed_in(call, made)
