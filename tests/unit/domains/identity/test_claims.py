"""What a verified JWT says: only what we understand, and never more than it says."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.identity import types
from carbonledger.domains.identity.core import claims
from carbonledger.kernel.actor import Role

ISSUER = "https://clerk.example.com"


def read(**given_claims: Any) -> claims.Bearer:
    whole = {"sub": "user_2abc", "org_id": "org_9xyz", **given_claims}
    return claims.bearer(whole, issuer=ISSUER, organization_claim="org_id")


@pytest.mark.parametrize(
    "given_claims, role",
    [
        ({}, Role.VIEWER),  # nothing said is the least
        ({"org_role": "org:admin"}, Role.ADMIN),  # Clerk
        ({"org_role": "admin"}, Role.ADMIN),  # Clerk before 2024
        ({"org_role": "basic_member"}, Role.VIEWER),
        ({"org_role": "org:member"}, Role.VIEWER),
        ({"o": {"id": "org_9xyz", "rol": "admin"}}, Role.ADMIN),  # version 2 of Clerk's session token
        ({"role": "owner"}, Role.OWNER),
        ({"role": "billing"}, Role.BILLING),
        ({"role": "Owner"}, Role.VIEWER),  # another word is another word
        ({"role": "superuser"}, Role.VIEWER),
        ({"org_role": "org:member", "role": "owner"}, Role.VIEWER),  # the organization's role is the nearer one
        ({"role": ["owner"]}, Role.VIEWER),
        ({"role": 1}, Role.VIEWER),
        ({"role": {"owner": True}}, Role.VIEWER),
        ({"o": "admin"}, Role.VIEWER),
    ],
)
def test_the_role(given_claims: dict[str, Any], role: Role) -> None:
    assert read(**given_claims).role is role
    assert read(**given_claims).scopes == types.scopes_of(role)


@pytest.mark.parametrize(
    "given_claims, scopes",
    [
        ({"role": "admin", "scope": "members:read organization:read"}, {"members:read", "organization:read"}),
        ({"role": "admin", "scp": ["members:write"]}, {"members:write", "members:read"}),
        ({"role": "viewer", "scope": "members:write"}, {"members:read"}),  # bound by the role
        ({"role": "billing", "scope": "openid email"}, set(types.scopes_of(Role.BILLING))),  # what every client asks for bounds nothing
        ({"role": "admin", "scope": "openid read:reports"}, set()),  # named, and none of ours
        ({"role": "admin", "scope": ""}, set()),
        ({"role": "owner", "scope": "*"}, set()),  # the wildcard is ours to give
        ({"role": "admin", "scp": ["members:read", 7, None]}, {"members:read"}),
        ({"role": "admin", "scope": 7}, set()),
        ({"role": "admin", "scope": {"members:read": True}}, set()),
        ({"role": "admin", "scope": None}, set()),
    ],
)
def test_the_scopes(given_claims: dict[str, Any], scopes: set[str]) -> None:
    assert read(**given_claims).scopes == scopes


@pytest.mark.parametrize("subject", [None, "", 7, ["user"], "x" * 256, "a\nb", "\u202euser"])
def test_a_token_without_a_subject_is_nobodys(subject: object) -> None:
    with pytest.raises(types.CredentialsMissing):
        read(sub=subject)


@pytest.mark.parametrize("organization", [None, "", 7, ["org"], "x" * 256, "a\x00b"])
def test_a_token_without_an_organization_leads_nowhere(organization: object) -> None:
    with pytest.raises(types.OrganizationUnknown):
        read(org_id=organization)


@pytest.mark.parametrize(
    "name, given_claims, organization",
    [
        ("org_id", {"org_id": "a"}, "a"),
        ("o.id", {"o": {"id": "b"}}, "b"),
        ("o.id", {"o.id": "c", "o": {"id": "b"}}, "c"),  # a claim of that very name is nearer
        ("https://example.com/org", {"https://example.com/org": "d"}, "d"),
    ],
)
def test_the_claim_that_names_the_organization_is_a_setting(name: str, given_claims: dict[str, Any], organization: str) -> None:
    found = claims.bearer({"sub": "user", **given_claims}, issuer=ISSUER, organization_claim=name)
    assert found.organization == organization


def test_the_same_person_is_the_same_id_and_no_name_can_be_read_from_it() -> None:
    # RFC 9562, section 5.5: SHA-1 of namespace and name
    assert read().id == uuid.uuid5(uuid.NAMESPACE_URL, "https://clerk.example.com#user_2abc")
    other = claims.bearer({"sub": "user_2abc", "org_id": "a"}, issuer="https://other.example.com", organization_claim="org_id")
    assert other.id != read().id


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(
    anything=st.dictionaries(st.sampled_from(["sub", "org_id", "org_role", "role", "o", "scope", "scp"]), json, max_size=7),
)
def test_no_claims_give_more_than_their_role(anything: dict[str, Any]) -> None:
    try:
        found = read(**anything)
    except types.IdentityFault:
        return
    assert found.scopes <= types.scopes_of(found.role)
