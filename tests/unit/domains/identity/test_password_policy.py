"""Which password is good enough."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.identity.core import password_policy


@pytest.mark.parametrize(
    "password, code",
    [
        ("plenty of quiet otters", None),
        ("correct horse battery", None),
        ("Tr0ub4dor&3xyz", None),
        ("пароль из слов", None),
        ("x7#kQ!p2Lm9", "too_short"),  # eleven characters
        ("x7#kQ!p2Lm9z", None),  # twelve
        ("ééééé-ééééé-é", "too_common"),  # two different characters
        ("aaaaaaaaaaaa", "too_common"),
        ("121212121212", "too_common"),
        ("password1234", "too_common"),
        ("PassWord1234", "too_common"),  # however it is written
        ("123456789012", "too_common"),  # a run
        ("lkjhgfdsapoiu", "too_common"),  # backwards
        ("qwertyuiopas", "too_common"),
        ("ann.lee@example.com", "too_common"),  # their own address
        ("ann.lee2026!", "too_common"),  # or its name with a number
        ("ann.lee.ann.lee", "too_common"),
        ("ann.lee likes otters", None),
        ("z" * 500 + "plenty of otters" + "y" * 508, None),  # 1,024 bytes
        ("z" * 500 + "plenty of otters" + "y" * 509, "too_long"),
        ("ä" * 505 + "plenty of otters", "too_long"),  # bytes count, not characters
        ("plenty of quiet \ud800", "characters"),
    ],
)
def test_which_password_is_good_enough(password: str, code: str | None) -> None:
    found = password_policy.problems(password, pointer="/password", email="ann.lee@example.com")
    assert [problem.code for problem in found] == ([] if code is None else [code])
    assert all(password not in problem.detail for problem in found)


def test_two_keyboards_type_the_same_password() -> None:
    assert password_policy.normal("jose\u0301 and otters") == password_policy.normal("josé and otters")


@given(st.text(max_size=1100))
def test_what_was_accepted_may_be_right_later(password: str) -> None:
    if not password_policy.problems(password, pointer="/password", email="ann@example.com"):
        assert password_policy.may_be_right(password)


@pytest.mark.parametrize("password", ["", "x" * 1025, "x" * 10_000_000, "ä" * 513])
def test_what_can_be_nobodys_password_is_not_worth_a_check(password: str) -> None:
    assert not password_policy.may_be_right(password)
