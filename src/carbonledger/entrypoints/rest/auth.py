"""Signing in and out, and the sessions of a person.

What begins a session sets the cookie itself and is no part of an idempotent replay: a second sign-in is a second session.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import sessions
from carbonledger.entrypoints.rest import people, routing, shapes
from carbonledger.entrypoints.shared import access, sign_in

router = routing.Router(prefix="/v1/auth", tag="Sign-in")

_SESSION = {
    "id": people.SESSION_ID,
    "organization_id": people.ORGANIZATION_ID,
    "user_agent": "Mozilla/5.0",
    "address": "203.0.113.7",
    "created_at": "2026-11-21T09:00:00Z",
    "seen_at": "2026-11-21T09:30:00Z",
    "expires_at": "2026-11-28T09:00:00Z",
    "is_current": True,
}


class LoginIn(shapes.In):
    """An e-mail address and its password."""

    email: people.EmailText
    password: people.GivenPassword
    organization_id: UUID | None = Field(default=None, description="Which of your organizations; the first you joined if left out.")


class LinkIn(shapes.In):
    """A one-time link."""

    token: people.TokenText


class SwitchIn(shapes.In):
    """Another of your organizations."""

    organization_id: UUID


class SessionOut(shapes.Out):
    """A sign-in that is alive."""

    id: UUID
    organization_id: UUID
    user_agent: str | None
    address: str | None
    created_at: datetime
    seen_at: datetime = Field(description="Last use, to the minute.")
    expires_at: datetime
    is_current: bool = Field(description="Whether this request was made with it.")


class SessionsOut(shapes.Out):
    """Your sign-ins, newest first."""

    data: list[SessionOut]


class PresentOut(shapes.Out):
    """Who is signed in, and where."""

    user_id: UUID
    organization_id: UUID
    organizations: list[people.MembershipOut]
    csrf_token: str = Field(description="Repeat it as X-CSRF-Token in every request that changes something.")


@router.post(
    "/login",
    access=access.public(limit="sign_in"),
    transaction=False,
    summary="Sign in with a password",
    operation_id="login",
    examples={"request": {"email": people.EMAIL, "password": people.PASSWORD}, "response": people.SIGNED_IN},
    errors=(types.SignInRefused, types.SignInLimited, types.EmailUnverified, types.OrganizationUnknown),
)
async def login(call: routing.CallDep, body: LoginIn) -> people.SignedInOut:
    """Begin a session. An unknown address and a wrong password get the same answer, after the same time."""
    made = await sign_in.by_password(
        call.services,
        at=call.at,
        email=body.email,
        password=body.password.get_secret_value(),
        organization_id=body.organization_id,
        browser=people.browser(call),
    )
    return people.signed_in(call, made)


@router.post(
    "/sign-in-link",
    access=access.public(limit="sign_in"),
    transaction=False,
    summary="Sign in with a one-time link",
    operation_id="signInByLink",
    examples={"request": {"token": people.TOKEN}, "response": people.SIGNED_IN},
    errors=(types.LinkUnusable, types.OrganizationUnknown),
)
async def sign_in_by_link(call: routing.CallDep, body: LinkIn) -> people.SignedInOut:
    """Begin a session with the link that the first start printed. It works once."""
    made = await sign_in.by_link(call.services, at=call.at, token=body.token.get_secret_value(), browser=people.browser(call))
    return people.signed_in(call, made)


@router.get(
    "/session",
    access=access.caller(),
    summary="Show who is signed in",
    operation_id="getSession",
    examples={
        "response": {
            "user_id": people.USER_ID,
            "organization_id": people.ORGANIZATION_ID,
            "organizations": [people.MEMBERSHIP],
            "csrf_token": people.SIGNED_IN["csrf_token"],
        }
    },
    errors=(types.SessionOnly,),
)
async def present(call: routing.CallDep) -> PresentOut:
    """Return the person, their organizations, and the token that changes must repeat."""
    user_id = people.person(call)
    found = await sessions.memberships(call.uow, user_id=user_id)
    return PresentOut(
        user_id=user_id,
        organization_id=call.caller.organization_id,
        organizations=[people.to_api_membership(membership) for membership in found],
        csrf_token=call.caller.csrf_token or "",
    )


@router.put(
    "/session/organization",
    access=access.caller(),
    summary="Work in another organization",
    operation_id="switchOrganization",
    examples={"request": {"organization_id": people.ORGANIZATION_ID}, "response": people.SIGNED_IN},
    errors=(types.SessionOnly, types.OrganizationUnknown),
)
async def switch(call: routing.CallDep, body: SwitchIn) -> people.SignedInOut:
    """Move this session to another of your organizations. The session gets a new cookie and a new CSRF token."""
    made = await sessions.switch(
        call.uow,
        actor=call.actor,
        at=call.at,
        session_id=call.caller.credential_id,
        user_id=people.person(call),
        organization_id=body.organization_id,
    )
    return people.signed_in(call, made)


@router.get(
    "/sessions",
    access=access.caller(),
    summary="List your sessions",
    operation_id="listSessions",
    examples={"response": {"data": [_SESSION]}},
    errors=(types.SessionOnly,),
)
async def list_sessions(call: routing.CallDep) -> SessionsOut:
    """List where you are signed in, newest first."""
    found = await sessions.some(call.uow, at=call.at, user_id=people.person(call))
    return SessionsOut(data=[_to_api_session(session, current=call.caller.credential_id) for session in found])


@router.post(
    "/logout",
    access=access.caller(),
    idempotent=False,
    status_code=204,
    summary="Sign out",
    operation_id="logout",
    errors=(types.SessionOnly,),
)
async def logout(call: routing.CallDep) -> None:
    """End this session."""
    await sessions.end(call.uow, actor=call.actor, now=call.now, user_id=people.person(call), session_id=call.caller.credential_id)
    people.signed_out(call)


@router.delete(
    "/sessions",
    access=access.caller(),
    status_code=204,
    summary="Sign out everywhere",
    operation_id="logoutEverywhere",
    errors=(types.SessionOnly,),
)
async def logout_everywhere(call: routing.CallDep) -> None:
    """End all your sessions, this one too."""
    await sessions.end_all(call.uow, actor=call.actor, now=call.now, user_id=people.person(call))
    people.signed_out(call)


@router.delete(
    "/sessions/{session_id}",
    access=access.caller(),
    status_code=204,
    summary="End one of your sessions",
    operation_id="endSession",
    errors=(types.SessionOnly, types.SessionUnknown),
)
async def end_session(call: routing.CallDep, session_id: UUID) -> None:
    """Sign out somewhere else."""
    await sessions.end(call.uow, actor=call.actor, now=call.now, user_id=people.person(call), session_id=session_id)


def _to_api_session(session: types.Session, *, current: UUID) -> SessionOut:
    return SessionOut(
        id=session.id,
        organization_id=session.organization_id,
        user_agent=session.user_agent,
        address=session.address,
        created_at=session.created_at,
        seen_at=session.seen_at,
        expires_at=session.expires_at,
        is_current=session.id == current,
    )
