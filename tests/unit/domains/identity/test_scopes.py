"""The algebra of scopes: what a set amounts to, and who may hand it on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.identity import types
from carbonledger.domains.identity.core import scopes
from carbonledger.kernel.actor import Role

KNOWN = frozenset({"a:read", "a:write", "b:read", "c:write"})


@pytest.mark.parametrize(
    "granted, amounts_to",
    [
        ((), set()),
        (("a:read",), {"a:read"}),
        (("a:write",), {"a:write", "a:read"}),  # writing includes reading
        (("c:write",), {"c:write"}),  # where there is a reading of it
        (("*",), KNOWN),
        (("*", "a:read"), KNOWN),
        (("old:read",), set()),  # a scope of another version counts for nothing
        (("old:write", "b:read"), {"b:read"}),
        (("a:*",), set()),  # no patterns but the one
        (("A:READ",), set()),
    ],
)
def test_what_a_set_of_scopes_amounts_to(granted: tuple[str, ...], amounts_to: set[str]) -> None:
    assert scopes.expand(granted, known=KNOWN) == amounts_to


@pytest.mark.parametrize(
    "granted, held, missing",
    [
        (("a:read",), {"a:read"}, ()),
        (("a:read",), {"a:write"}, ()),  # who may write may read, and hand that on
        (("a:write",), {"a:read"}, ("a:write",)),
        (("a:write", "b:read"), {"a:read"}, ("a:write", "b:read")),
        (("*",), KNOWN, ()),  # only who holds all
        (("*",), KNOWN - {"b:read"}, ("b:read",)),
        (("*",), {"*"}, ()),
        (("old:read",), set(), ()),  # amounts to nothing; refused elsewhere as unknown
    ],
)
def test_who_may_hand_it_on(granted: tuple[str, ...], held: set[str], missing: tuple[str, ...]) -> None:
    assert scopes.missing(granted, held=frozenset(held), known=KNOWN) == missing


@pytest.mark.parametrize(
    "granted, problems",
    [
        (("a:read", "a:write"), []),
        (("*",), []),
        ((), [("/scopes", "required")]),
        (("a:read", "x:read", "a:read", "y"), [("/scopes/1", "scope_unknown"), ("/scopes/2", "duplicate"), ("/scopes/3", "scope_unknown")]),
        (("a:read",) * 101, [("/scopes", "too_many")]),
    ],
)
def test_all_that_is_wrong_with_a_list_is_said_at_once(granted: tuple[str, ...], problems: list[tuple[str, str]]) -> None:
    assert [(problem.pointer, problem.code) for problem in scopes.problems(granted, known=KNOWN)] == problems


@given(held=st.frozensets(st.sampled_from(sorted(KNOWN))), granted=st.frozensets(st.sampled_from([*sorted(KNOWN), "*", "old:read"])))
def test_what_is_handed_on_never_amounts_to_more_than_is_held(held: frozenset[str], granted: frozenset[str]) -> None:
    if not scopes.missing(granted, held=held, known=KNOWN):
        assert scopes.expand(granted, known=KNOWN) <= scopes.expand(held, known=KNOWN)


def test_an_owner_holds_every_scope_and_each_role_at_most_what_an_owner_holds() -> None:
    assert types.scopes_of(Role.OWNER) == types.SCOPE_NAMES
    assert all(types.scopes_of(role) <= types.scopes_of(Role.OWNER) for role in Role)


def test_a_viewer_changes_nothing() -> None:
    assert not [scope for scope in types.scopes_of(Role.VIEWER) if not scope.endswith(":read")]


def test_no_role_writes_what_it_may_not_read() -> None:
    for role in Role:
        assert scopes.expand(types.scopes_of(role)) == types.scopes_of(role)
