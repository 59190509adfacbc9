"""Shapes and small steps that the operations on people share: what a signed-in browser gets, and who is signed in.

The routes are beside it: ``auth`` (signing in and out), ``users`` (oneself), ``members``, ``invitations``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, SecretStr

from carbonledger.domains.identity import types
from carbonledger.entrypoints.rest import routing, shapes
from carbonledger.entrypoints.shared import cookies, sign_in
from carbonledger.kernel.actor import Role

EMAIL = "ann@example.com"
PASSWORD = "plenty of quiet otters"  # noqa: S105 - an example
TOKEN = "4fQ2mWv8Zk1Yc7Rb9Lx3Tn6Hs0Jd5Pg2Aq8Ue4Vi1Xo"  # noqa: S105 - an example
USER_ID = "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d11"
ORGANIZATION_ID = "01932d3c-0a1b-7d2e-8f3a-4b5c6d7e8f90"
SESSION_ID = "01932d3c-7b8c-7d9e-8fa0-b1c2d3e4f506"

# Bounds that only keep nonsense out; what is right is identity's rule, told with all other problems.
EmailText = Annotated[str, Field(max_length=1000, description="E-mail address.")]
PasswordText = Annotated[SecretStr, Field(max_length=2000, description="At least 12 characters; a few words are good.")]
GivenPassword = Annotated[SecretStr, Field(max_length=2000, description="The password.")]
NameText = Annotated[str, Field(max_length=1000, description="Name as it is shown.")]
TokenText = Annotated[SecretStr, Field(max_length=200, description="What stands behind `?token=` in the link.")]

USER = {"id": USER_ID, "email": EMAIL, "name": "Ann Lee", "locale": "en", "email_verified": True, "created_at": "2026-11-01T09:00:00Z"}
MEMBERSHIP = {"organization_id": ORGANIZATION_ID, "name": "Example Ltd", "role": "owner", "is_house": False, "is_sandbox": False}
SIGNED_IN = {
    "user_id": USER_ID,
    "organization": MEMBERSHIP,
    "csrf_token": "Yk1rT0d3c2VhbGVkLXdpdGgtdGhlLXNlc3Npb24tMDE",
    "expires_at": "2026-11-28T09:00:00Z",
}


class UserOut(shapes.Out):
    """A person, as they see themselves."""

    id: UUID
    email: str | None
    name: str | None
    locale: str | None
    email_verified: bool
    created_at: datetime


class MembershipOut(shapes.Out):
    """One of a person's organizations."""

    organization_id: UUID
    name: str
    role: Role
    is_house: bool
    is_sandbox: bool


class SignedInOut(shapes.Out):
    """A session that has begun; its token is in the cookie."""

    user_id: UUID
    organization: MembershipOut
    csrf_token: str = Field(description="Repeat it as X-CSRF-Token in every request that changes something.")
    expires_at: datetime = Field(description="The session ends then at the latest, and earlier if it is not used for 12 hours.")


def to_api_user(user: types.User) -> UserOut:
    """Return a person as they see themselves."""
    return UserOut(
        id=user.id,
        email=user.email,
        name=user.name,
        locale=user.locale,
        email_verified=user.verified_at is not None,
        created_at=user.created_at,
    )


def to_api_membership(membership: types.Membership) -> MembershipOut:
    """Return one of a person's organizations."""
    return MembershipOut(
        organization_id=membership.organization_id,
        name=membership.name,
        role=membership.role,
        is_house=membership.is_house,
        is_sandbox=membership.is_sandbox,
    )


def signed_in(call: routing.Call, made: types.NewSession) -> SignedInOut:
    """Give the browser its cookie and return the rest."""
    is_https = call.services.settings.is_https
    lasts = cookies.lifetime(at=call.at, expires_at=made.session.expires_at)
    call.header("set-cookie", cookies.set_session(made.token, is_https=is_https, lasts=lasts))
    return SignedInOut(
        user_id=made.session.user_id,
        organization=to_api_membership(made.membership),
        csrf_token=made.csrf_token,
        expires_at=made.session.expires_at,
    )


def signed_out(call: routing.Call) -> None:
    """Make the browser forget its cookie."""
    call.header("set-cookie", cookies.clear_session(is_https=call.services.settings.is_https))


def browser(call: routing.Call) -> sign_in.Browser:
    """Return where the request comes from."""
    headers = call.exchange.headers
    return sign_in.Browser(address=call.exchange.address, user_agent=headers.get("user-agent"), request_id=call.request_id)


def person(call: routing.Call) -> UUID:
    """Return who is signed in. Raises ``SessionOnly`` for a key or a token."""
    if call.caller.credential != "session" or call.actor.id is None:
        raise types.SessionOnly
    return call.actor.id
