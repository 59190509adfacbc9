"""What an event may hold: people by id, no secrets, bounded. Forbidden names fail the programmer, suspicious values fail nobody."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from carbonledger.infra.outbox import contents, types

NAMES = [
    # name, of a person's record, whether it is refused
    ("email", False, True),
    ("billing_email", False, True),
    ("BillingEmail", False, False),  # our fields are snake_case; nothing else gets past review
    ("e-mail", False, True),  # e_mail ends in mail
    ("email_verified_at", False, False),  # when, not what
    ("email_count", False, False),
    ("phone_number", False, True),
    ("ip", False, True),
    ("client_ip", False, True),
    ("ship", False, False),  # a word, not an ending of letters
    ("user_agent", False, True),
    ("agent", False, False),
    ("name", False, False),  # of an organization or a key
    ("name", True, True),
    ("label", True, False),
    ("password", False, True),
    ("password_hash", False, True),
    ("password_changed_at", False, False),
    ("token", False, True),
    ("tokens", False, False),  # what the product counts
    ("input_tokens", False, False),
    ("token_hash", False, True),
    ("api_key", False, True),
    ("api_key_id", False, False),
    ("key_hint", False, False),
    ("client_secret", False, True),
    ("secret_id", False, False),
    ("sealed", False, True),
    ("is_sealed", False, True),  # when in doubt it is refused
    ("purpose", False, False),
    ("role", True, False),
]


@pytest.mark.parametrize("name,is_person,refused", NAMES)
def test_a_name_says_whether_a_field_may_be_kept(name: str, is_person: bool, refused: bool) -> None:
    assert (contents.refusal(name, is_person=is_person) is not None) is refused


def kept(change: dict[str, Any], *, target_type: str = "thing") -> object:
    return contents.plain("after", change, target_type=target_type)


@pytest.mark.parametrize(
    "change,where",
    [
        ({"email": "ann@example.org"}, "after.email"),
        ({"a": [{"b": {"password": "x"}}]}, "after.a[0].b.password"),  # at any depth
        ({"a": {"token": 7}}, "after.a.token"),  # whatever the value
    ],
)
def test_a_forbidden_field_is_refused_by_its_place_never_by_its_value(change: dict[str, Any], where: str) -> None:
    with pytest.raises(types.EventRefused) as refused:
        kept(change)
    assert str(refused.value).startswith(where)
    assert "ann" not in str(refused.value)


def test_a_field_that_is_cleared_may_be_named() -> None:
    assert kept({"email": None, "role": "owner"}) == {"email": None, "role": "owner"}


def test_a_name_of_a_person_is_personal() -> None:
    assert kept({"name": "Ann"}, target_type="api_key") == {"name": "Ann"}
    for person in ("user", "member", "invitation"):
        with pytest.raises(types.EventRefused):
            kept({"name": "Ann"}, target_type=person)


VALUES = [
    # what a user wrote, what is kept
    ("Ann's key", "Ann's key"),
    ("mail ann@example.org, now", "mail [removed], now"),
    ("<ann.lee+x@mail.example.co.uk>", "<[removed]>"),
    ("5 @ 3.50 each", "5 @ 3.50 each"),
    ("key sk-proj-abcdefghijklmnopqrst", "key [redacted]"),
    ("cl_live_abcdefghijklmnopqrstuvwxyz012345", "[redacted]"),
    ("nul\0byte", "nulbyte"),
]


@pytest.mark.parametrize("given,expected", VALUES)
def test_a_value_that_looks_personal_or_secret_is_taken_out(given: str, expected: str) -> None:
    assert kept({"label": given, "list": [given]}) == {"label": expected, "list": [expected]}


def test_ids_are_kept_as_text() -> None:
    key_id = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
    assert kept({"key_id": key_id}) == {"key_id": str(key_id)}


@pytest.mark.parametrize("change", [{"x": object()}, {"x": {1, 2}}, {"x": "\ud800"}, {"x": 2**70}, {1: "x"}])
def test_what_is_no_json_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(types.EventRefused, match="not JSON"):
        kept(change)


def test_a_change_is_bounded_in_size_and_depth() -> None:
    assert kept({"x": "y" * (contents.SIDE_MAX_BYTES - 8)})
    with pytest.raises(types.EventRefused, match="bytes"):
        kept({"x": "y" * (contents.SIDE_MAX_BYTES - 7)})
    deep: dict[str, Any] = {}
    for _ in range(9):
        deep = {"d": deep}
    with pytest.raises(types.EventRefused, match="deep"):
        kept(deep)


def test_no_change_is_no_change() -> None:
    assert contents.plain("before", None, target_type="thing") is None
