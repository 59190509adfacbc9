"""Who is calling: from a key, a session's token or a JWT's claims to a ``Caller``. Keeps nothing; an edge may remember what it was told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from carbonledger.domains.identity import types
from carbonledger.domains.identity.core import claims as jwt_claims
from carbonledger.domains.identity.core import credentials, scopes, sessions
from carbonledger.domains.identity.store import announcements, lookups
from carbonledger.infra import crypto, db
from carbonledger.kernel.actor import Actor, ActorKind, Role

CHANNEL = announcements.CHANNEL
"""NOTIFY channel; its payload is the id of the organization of which something that callers carry has changed."""
TOUCH_EVERY = sessions.TOUCH_EVERY
"""How much time lies at least between two writes that a credential was used."""

_WRONG_KEY = "The API key is wrong, was revoked, or has run out."
_WRONG_SESSION = "The session is over. Sign in again."


@dataclass(frozen=True, slots=True)
class Recognized:
    """A caller, until when the credential holds at most, and when its use was last written down."""

    caller: types.Caller
    expires_at: datetime | None
    seen_at: datetime | None

    def is_valid(self, at: datetime) -> bool:
        """Say whether the credential still holds at ``at``."""
        return self.expires_at is None or at < self.expires_at

    def is_worth_touching(self, at: datetime) -> bool:
        """Say whether a use at ``at`` is to be written down (``touch``)."""
        return self.caller.credential != "jwt" and sessions.is_worth_touching(self.seen_at, at=at)


async def by_key(uow: db.UnitOfWork, *, key: str, at: datetime) -> Recognized:
    """Return the caller of an API key. Raises ``CredentialsMissing``, the same for every way in which a key can be wrong."""
    found = await lookups.key_by_hash(uow, token_hash=crypto.digest(key)) if crypto.is_api_key(key) else None
    if found is None or (found.expires_at is not None and at >= found.expires_at):
        raise types.CredentialsMissing(_WRONG_KEY)
    actor = Actor(kind=ActorKind.API_KEY, id=found.id, organization_id=found.organization.id, scopes=scopes.expand(found.scopes))
    caller = _caller(actor, found.organization, credential="key", credential_id=found.id)
    return Recognized(caller=caller, expires_at=found.expires_at, seen_at=found.last_used_at)


async def by_session(uow: db.UnitOfWork, *, token: str, at: datetime) -> Recognized:
    """Return the caller of a session's token. Raises ``CredentialsMissing``."""
    is_token = credentials.is_token(token)
    found = await lookups.session_by_hash(uow, token_hash=crypto.digest(token)) if is_token else None
    if found is None or not sessions.is_alive(seen_at=found.seen_at, expires_at=found.expires_at, at=at):
        raise types.CredentialsMissing(_WRONG_SESSION)
    actor = member_actor(user_id=found.user_id, organization_id=found.organization.id, role=found.role)
    csrf_token = credentials.csrf_token(token)
    caller = _caller(actor, found.organization, credential="session", credential_id=found.id, csrf_token=csrf_token)
    return Recognized(caller=caller, expires_at=found.expires_at, seen_at=found.seen_at)


async def by_claims(uow: db.UnitOfWork, *, claims: Mapping[str, object], issuer: str, organization_claim: str) -> Recognized:
    """Return the caller of a verified JWT. Raises ``CredentialsMissing``, ``OrganizationUnknown``."""
    bearer = jwt_claims.bearer(claims, issuer=issuer, organization_claim=organization_claim)
    organization = await lookups.organization_by_claim(uow, claim=bearer.organization)
    if organization is None:
        raise types.OrganizationUnknown("The organization that the token names is not known here.")
    actor = Actor(kind=ActorKind.TOKEN, id=bearer.id, organization_id=organization.id, role=bearer.role, scopes=bearer.scopes)
    return Recognized(caller=_caller(actor, organization, credential="jwt", credential_id=bearer.id), expires_at=None, seen_at=None)


def _caller(
    actor: Actor, organization: types.OrganizationFacts, *, credential: types.Credential, credential_id: UUID, csrf_token: str | None = None
) -> types.Caller:
    return types.Caller(
        actor=actor,
        tier=organization.tier,
        is_house=organization.is_house,
        is_sandbox=organization.is_sandbox,
        clock_at=organization.clock_at,
        time_zone=organization.time_zone,
        credential=credential,
        credential_id=credential_id,
        csrf_token=csrf_token,
    )


async def touch(uow: db.UnitOfWork, *, key_ids: tuple[UUID, ...], session_ids: tuple[UUID, ...], at: datetime) -> None:
    """Write that these keys and sessions were in use."""
    await lookups.touch_credentials(uow, key_ids=key_ids, session_ids=session_ids, at=at)


def member_actor(*, user_id: UUID, organization_id: UUID, role: Role, request_id: str | None = None) -> Actor:
    """Return the actor of a member."""
    return Actor(
        kind=ActorKind.MEMBER, id=user_id, organization_id=organization_id, role=role, scopes=types.scopes_of(role), request_id=request_id
    )


def operator_actor(organization_id: UUID | None, *, request_id: str | None = None) -> Actor:
    """Return the actor of the installation's command line, which may do all that an owner may."""
    return Actor(
        kind=ActorKind.OPERATOR,
        id=None,
        organization_id=organization_id,
        role=Role.OWNER,
        scopes=types.SCOPE_NAMES,
        request_id=request_id,
    )
