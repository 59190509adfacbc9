"""What a verified JWT says: its subject, its organization, its rights. Claims are the issuer's words, so each is checked for its form.

The issuer is trusted to say who someone is, never to hand out more than its role has here: where it names scopes as well, both bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import NAMESPACE_URL, UUID, uuid5

from carbonledger.domains.identity import types
from carbonledger.domains.identity.core import scopes as scope_algebra
from carbonledger.kernel.actor import Role

_CLAIM_MAX_CHARS = 255  # OpenID Connect Core, section 2, bounds `sub` so; nothing else is longer
# Roles as issuers spell them: ours, and Clerk's (`org:admin`, `org:member`; before 2024 `admin`, `basic_member`). Anything else is
# the least: an unknown word must never be worth more than a known one.
_ROLES = {
    "owner": Role.OWNER,
    "org:owner": Role.OWNER,
    "admin": Role.ADMIN,
    "org:admin": Role.ADMIN,
    "billing": Role.BILLING,
    "org:billing": Role.BILLING,
}
_ROLE_CLAIMS = ("org_role", "role", "o.rol")  # `o.rol`: version 2 of Clerk's session token, which also leaves out `org:`
# What OpenID Connect Core (sections 3.1.2.1, 5.4, 11) has clients ask for: it says what is told of a person and bounds no right here.
_OPENID = frozenset({"openid", "profile", "email", "address", "phone", "offline_access"})
_SCOPE_CLAIMS = ("scope", "scp")  # RFC 8693, section 4.2; Microsoft and Okta


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who a token speaks for. ``id`` stands for issuer and subject, so that the trail holds no name."""

    id: UUID
    organization: str
    role: Role
    scopes: frozenset[str]


def bearer(claims: Mapping[str, object], *, issuer: str, organization_claim: str) -> Bearer:
    """Return who the token speaks for. Raises ``CredentialsMissing`` (no subject) or ``OrganizationUnknown`` (no organization)."""
    subject = _word(claims.get("sub"))
    if subject is None:
        raise types.CredentialsMissing("The token names no subject (sub).")
    organization = _word(_claim(claims, organization_claim))
    if organization is None:
        raise types.OrganizationUnknown("The token names no organization.")
    role = _role(claims)
    return Bearer(id=uuid5(NAMESPACE_URL, f"{issuer}#{subject}"), organization=organization, role=role, scopes=_scopes(claims, role))


def _claim(claims: Mapping[str, object], name: str) -> object:
    """Return a claim; a name with dots that is no claim itself leads into nested ones."""
    if name in claims:
        return claims[name]
    found: object = claims
    for part in name.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(part)
    return found


def _word(value: object) -> str | None:
    if isinstance(value, str) and 0 < len(value) <= _CLAIM_MAX_CHARS and value.isprintable():
        return value
    return None


def _role(claims: Mapping[str, object]) -> Role:
    for name in _ROLE_CLAIMS:
        value = _claim(claims, name)
        if value is not None:
            return _ROLES.get(value, Role.VIEWER) if isinstance(value, str) else Role.VIEWER
    return Role.VIEWER


def _scopes(claims: Mapping[str, object], role: Role) -> frozenset[str]:
    held = types.scopes_of(role)
    named = [claims[name] for name in _SCOPE_CLAIMS if name in claims]
    if not named:
        return held
    words = named[0].split() if isinstance(named[0], str) else named[0]
    if not isinstance(words, list):
        return frozenset()
    if words and all(isinstance(word, str) and word in _OPENID for word in words):
        return held
    # A wildcard is ours to give, not the issuer's: it would name rights that the issuer has never heard of.
    return scope_algebra.expand(word for word in words if isinstance(word, str) and word != types.EVERY_SCOPE) & held
