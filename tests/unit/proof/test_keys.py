"""A set of keys is read strictly: names that are thumbprints, windows in seconds, no private part, no key twice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from carbonledger_proof import canonical, errors, keys, signature
from tests.unit.proof import worlds


def document() -> Any:  # noqa: ANN401 - a document that a test takes apart
    return json.loads(canonical.write(worlds.KEYS.to_json()))


def test_keys_are_read_as_they_were_written() -> None:
    assert keys.pinned(canonical.write(worlds.KEYS.to_json())) == worlds.KEYS
    assert keys.pinned(json.dumps(document(), indent=2).encode()) == worlds.KEYS
    assert list(worlds.KEYS) == sorted([worlds.RECEIPT_KEY, worlds.LOG_KEY], key=lambda key: key.kid)


@pytest.mark.parametrize(
    "name,value",
    [
        ("kty", "EC"),
        ("crv", "X25519"),
        ("alg", "none"),
        ("use", "enc"),
        ("x", "AA"),
        ("x", signature.to_base64url(bytes(32))),  # y = 0, a point of order 4
        ("kid", worlds.RECEIPT_KEY.kid[::-1]),
        ("purpose", "anything"),
        ("nbf", "2026-01-01T00:00:00Z"),
        ("nbf", None),
        ("exp", -1),
        ("revoked", {"revoked_at": 1}),
        ("revoked", {"revoked_at": 1, "reason": "bored"}),
        ("d", "AA"),  # a private part
    ],
)
def test_a_key_that_is_not_exactly_one_is_refused(name: str, value: object) -> None:
    changed = document()
    changed["keys"][0][name] = value
    with pytest.raises(errors.KeyInvalid):
        keys.from_json(changed)


def test_a_key_is_in_a_set_once() -> None:
    changed = document()
    changed["keys"].append(changed["keys"][0])
    with pytest.raises(errors.KeyInvalid):
        keys.from_json(changed)
    with pytest.raises(errors.KeyInvalid):
        keys.from_json({"keys": changed["keys"], "more": 1})


@pytest.mark.parametrize(
    "exp,revoked_at,at,is_valid",
    [
        (None, None, 99, False),
        (None, None, 100, True),
        (200, None, 199, True),
        (200, None, 200, False),
        (200, 150, 149, True),
        (200, 150, 150, False),
        (None, 150, 150, False),
        (120, 150, 130, False),
    ],
)
def test_a_window_is_half_open_and_ends_with_whatever_comes_first(exp: int | None, revoked_at: int | None, at: int, is_valid: bool) -> None:
    revoked = None if revoked_at is None else keys.Revoked(revoked_at=revoked_at, reason=keys.Reason.UNSPECIFIED)
    key = keys.Key(public=worlds.RECEIPT_PUBLIC, purpose=keys.Purpose.RECEIPTS, nbf=100, exp=exp, revoked=revoked)
    assert key.is_valid(at) is is_valid
