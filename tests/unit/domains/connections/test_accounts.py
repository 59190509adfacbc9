"""Which account a connection reads after it was given another key."""

from __future__ import annotations

import dataclasses

import pytest

from carbonledger.domains.connections import types
from carbonledger.domains.connections.core import outcomes
from tests.unit.domains.connections.test_states import connection


@pytest.mark.parametrize(
    "before, told, after",
    [
        (None, None, None),
        (None, "org-1", "org-1"),  # learned now
        ("org-1", None, "org-1"),  # the new key does not tell: what was known stays
        ("org-1", "org-1", "org-1"),
    ],
)
def test_an_account_is_learned_and_never_forgotten(before: str | None, told: str | None, after: str | None) -> None:
    assert outcomes.account_after(dataclasses.replace(connection(), account=before), told) == after


def test_a_key_of_another_account_is_refused_and_both_are_named() -> None:
    with pytest.raises(types.AccountDiffers, match=r"org-2.*org-1"):
        outcomes.account_after(dataclasses.replace(connection(), account="org-1"), "org-2")
