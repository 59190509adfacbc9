"""Rows of identity as values: organizations, people, keys, sessions, links. What is secret in one never prints."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from carbonledger.domains.identity.types.access import Tier
from carbonledger.kernel.actor import Role


@dataclass(frozen=True, slots=True)
class Organization:
    """A tenant. ``clock_at`` is set for a sandbox only; ``clock_target`` while its clock is being moved."""

    id: UUID
    name: str
    external_id: str | None
    tier: Tier
    time_zone: str
    currency: str
    is_house: bool
    is_sandbox: bool
    clock_at: datetime | None
    clock_target: datetime | None
    created_at: datetime
    updated_at: datetime

    def business_now(self, at: datetime) -> datetime:
        """Return the business time at the real instant ``at``."""
        return self.clock_at or at


@dataclass(frozen=True, slots=True)
class OrganizationFacts:
    """What a caller carries of its organization."""

    id: UUID
    tier: Tier
    is_house: bool
    is_sandbox: bool
    clock_at: datetime | None
    time_zone: str


@dataclass(frozen=True, slots=True)
class Membership:
    """One of a person's organizations."""

    organization_id: UUID
    name: str
    role: Role
    is_house: bool
    is_sandbox: bool


@dataclass(frozen=True, slots=True)
class Quota:
    """The key of a limit that a plan sets; ``default`` counts until a plan wrote one (None: no limit)."""

    name: str
    default: int | None


@dataclass(frozen=True, slots=True)
class Feature:
    """The key of something a plan includes or not.

    ``default`` counts until a plan wrote one; ``is_paid_for``: every tier but the free one then includes it.
    """

    name: str
    default: bool
    is_paid_for: bool = False


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What an organization's plan says under one key: a quota (None: no limit) or a feature."""

    name: str
    quota: int | None
    enabled: bool | None


@dataclass(frozen=True, slots=True)
class User:
    """A person who can sign in. After erasure only the id is left."""

    id: UUID
    email: str | None
    name: str | None
    locale: str | None
    verified_at: datetime | None
    created_at: datetime
    erased_at: datetime | None


@dataclass(frozen=True, slots=True)
class Member:
    """A person in an organization."""

    user_id: UUID
    email: str | None
    name: str | None
    role: Role
    created_at: datetime


class InvitationState(enum.Enum):
    """What became of an invitation. That it has run out follows from the clock, not from a row."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Invitation:
    """An offer of a role to an address; the address is forgotten when it ends."""

    id: UUID
    organization_id: UUID
    email: str | None
    role: Role
    state: InvitationState
    invited_by: UUID | None
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Offer:
    """An invitation as the person who holds its link sees it."""

    id: UUID
    organization_id: UUID
    organization_name: str
    email: str | None
    role: Role
    state: InvitationState
    expires_at: datetime


class LinkPurpose(enum.Enum):
    """What a one-use link does."""

    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105 - a word, not a secret
    SIGN_IN = "sign_in"


class LinkState(enum.Enum):
    """What became of a one-use link. That it has run out follows from the clock, not from a row."""

    UNUSED = "unused"
    USED = "used"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Link:
    """A one-use link of a person."""

    id: UUID
    user_id: UUID
    purpose: LinkPurpose
    state: LinkState
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """A browser's sign-in."""

    id: UUID
    user_id: UUID
    organization_id: UUID
    user_agent: str | None
    address: str | None
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SessionFound:
    """What a session's token leads to, before a tenant is known."""

    id: UUID
    user_id: UUID
    organization: OrganizationFacts
    role: Role
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of an organization: everything but its secret."""

    id: UUID
    organization_id: UUID
    label: str
    prefix: str
    last_four: str
    scopes: tuple[str, ...]
    created_by: UUID | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class ApiKeyFound:
    """What a key leads to, before a tenant is known. A revoked key leads nowhere."""

    id: UUID
    organization: OrganizationFacts
    scopes: tuple[str, ...]
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key with its secret: shown once, kept nowhere."""

    key: ApiKey
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session with its token: sent once as a cookie, kept nowhere. ``membership`` is where it works."""

    session: Session
    membership: Membership
    token: str = field(repr=False)
    csrf_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """An invitation with its link's token, where no e-mail takes it to the invited."""

    invitation: Invitation
    token: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class House:
    """What the first start made or found. ``sign_in_token`` is there until the first owner has signed in."""

    organization_id: UUID
    owner_id: UUID | None
    was_made: bool
    sign_in_token: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class PasswordFound:
    """What an address leads to at sign-in. ``hash`` is None for a person who has no password yet."""

    user_id: UUID
    verified_at: datetime | None
    hash: str | None = field(repr=False)
