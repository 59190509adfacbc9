"""Who may give, take and change a role: the whole table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.identity import types
from carbonledger.domains.identity.core import roles
from carbonledger.domains.identity.core.roles import Verdict
from carbonledger.kernel.actor import Role

OWNER, ADMIN, BILLING, VIEWER = Role.OWNER, Role.ADMIN, Role.BILLING, Role.VIEWER
KEY = None  # a credential without a role
ALL = types.SCOPE_NAMES
ALLOWED, REFUSED, LAST = Verdict.ALLOWED, Verdict.REFUSED, Verdict.LAST_OWNER


@pytest.mark.parametrize(
    "old, new, by, owners, verdict",
    [
        (VIEWER, ADMIN, OWNER, 1, ALLOWED),
        (VIEWER, OWNER, OWNER, 1, ALLOWED),  # an owner may make another
        (OWNER, ADMIN, OWNER, 2, ALLOWED),  # and unmake one, while one stays
        (OWNER, ADMIN, OWNER, 1, LAST),
        (OWNER, OWNER, OWNER, 1, ALLOWED),  # no change, so no owner is lost
        (VIEWER, BILLING, ADMIN, 1, ALLOWED),
        (VIEWER, ADMIN, ADMIN, 1, ALLOWED),  # as much as they hold themselves
        (ADMIN, VIEWER, ADMIN, 1, ALLOWED),
        (VIEWER, OWNER, ADMIN, 1, REFUSED),  # not more than they hold
        (OWNER, ADMIN, ADMIN, 2, REFUSED),  # an owner is an owner's matter
        (VIEWER, ADMIN, BILLING, 1, REFUSED),
        (BILLING, VIEWER, BILLING, 1, ALLOWED),  # the rule is on what is given; the route asks for members:write first
        (VIEWER, ADMIN, VIEWER, 1, REFUSED),
        (VIEWER, OWNER, KEY, 1, REFUSED),  # no key makes owners, whatever its scopes
        (OWNER, VIEWER, KEY, 2, REFUSED),
        (VIEWER, ADMIN, KEY, 1, ALLOWED),  # a key with all scopes
    ],
)
def test_a_change_of_role(old: Role, new: Role, by: Role | None, owners: int, verdict: Verdict) -> None:
    scopes = ALL if by is None else types.scopes_of(by)
    assert roles.change(old, new, by=by, scopes=scopes, owners=owners) is verdict


def test_a_key_gives_no_role_that_holds_more_than_the_key() -> None:
    few = frozenset({"members:read", "members:write"})
    assert roles.change(VIEWER, ADMIN, by=None, scopes=few, owners=1) is REFUSED
    assert not roles.may_give(VIEWER, giver=None, scopes=few)  # even a viewer reads the organization, which this key may not
    assert roles.may_give(VIEWER, giver=None, scopes=few | types.scopes_of(VIEWER))


@pytest.mark.parametrize(
    "role, by, is_self, may_write, owners, verdict",
    [
        (VIEWER, OWNER, False, True, 1, ALLOWED),
        (VIEWER, ADMIN, False, True, 1, ALLOWED),
        (OWNER, ADMIN, False, True, 2, REFUSED),  # an owner is an owner's matter
        (OWNER, OWNER, False, True, 2, ALLOWED),
        (OWNER, OWNER, True, True, 2, ALLOWED),  # leaving
        (OWNER, OWNER, True, True, 1, LAST),
        (VIEWER, VIEWER, True, False, 1, ALLOWED),  # anybody may leave
        (VIEWER, VIEWER, False, False, 1, REFUSED),
        (ADMIN, BILLING, False, False, 1, REFUSED),
        (VIEWER, KEY, False, True, 1, ALLOWED),
        (VIEWER, KEY, False, False, 1, REFUSED),
        (OWNER, KEY, False, True, 2, REFUSED),
    ],
)
def test_a_removal(role: Role, by: Role | None, is_self: bool, may_write: bool, owners: int, verdict: Verdict) -> None:
    assert roles.removal(role, by=by, is_self=is_self, may_write=may_write, owners=owners) is verdict


@given(
    old=st.sampled_from(Role),
    new=st.sampled_from(Role),
    by=st.sampled_from([*Role, None]),
    scopes=st.frozensets(st.sampled_from(sorted(ALL))),
    owners=st.integers(1, 3),
)
def test_nobody_but_an_owner_touches_owners_and_nobody_gives_more_than_they_hold(
    old: Role, new: Role, by: Role | None, scopes: frozenset[str], owners: int
) -> None:
    verdict = roles.change(old, new, by=by, scopes=scopes, owners=owners)
    if verdict is ALLOWED and by is not OWNER:
        assert OWNER not in {old, new}
        assert types.scopes_of(new) <= scopes
    if verdict is ALLOWED and old is OWNER and new is not OWNER:
        assert owners > 1
