"""Who acts: the word that every use case takes and that the audit trail keeps.

A person, a key or a part of the system; by id only, so that erasing a member's data leaves the trail intact.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from uuid import UUID


class ActorKind(enum.Enum):
    """What sort of thing acts."""

    MEMBER = "member"  # a person, signed in
    API_KEY = "api_key"
    TOKEN = "token"  # a JWT of the configured issuer  # noqa: S105 - a word, not a secret
    SYSTEM = "system"  # a job or a schedule
    OPERATOR = "operator"  # the command line of this installation
    ANONYMOUS = "anonymous"  # before anybody is known: sign-up, sign-in, incoming webhooks


class Role(enum.Enum):
    """What a member may do in an organization, most first."""

    OWNER = "owner"
    ADMIN = "admin"
    BILLING = "billing"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts in which organization, with what rights, for which request.

    ``organization_id`` is None only before a tenant is known. ``scopes`` are the rights that count: a member's follow from the role.
    """

    kind: ActorKind
    id: UUID | None
    organization_id: UUID | None
    role: Role | None = None
    scopes: frozenset[str] = field(default_factory=frozenset)
    request_id: str | None = None

    def may(self, scope: str) -> bool:
        """Say whether the actor holds ``scope``."""
        return scope in self.scopes


def system(organization_id: UUID | None, *, request_id: str | None = None) -> Actor:
    """Return the actor of a job or schedule that serves ``organization_id``."""
    return Actor(kind=ActorKind.SYSTEM, id=None, organization_id=organization_id, request_id=request_id)
