"""What the vault may say of a key's value: its last four characters, what is wrong with it, and whether it is the same again."""

from __future__ import annotations

import hashlib
from uuid import UUID

import pytest

from carbonledger.domains.vault import core

ORGANIZATION = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
GOOD = "sk-proj-0123456789abcdef"


@pytest.mark.parametrize(
    "key, hint",
    [
        ("123456789abc", "9abc"),  # exactly 12: the last four
        ("123456789ab", None),  # 11: four of them would be too much
        ("", None),
        (GOOD, "cdef"),
    ],
)
def test_a_hint_is_the_last_four_of_keys_of_at_least_twelve_characters(key: str, hint: str | None) -> None:
    assert core.hint(key) == hint


@pytest.mark.parametrize(
    "provider, label, key, pointers",
    [
        ("openai", "production", GOOD, []),
        ("x", "x", "x", []),  # the shortest of each
        ("a" * 40, "l" * 100, "k" * 1024, []),  # the longest of each
        ("a" * 41, "l" * 101, "k" * 1025, ["/api_key", "/provider", "/label"]),  # one more, and all are told at once
        ("OpenAI", "ok", GOOD, ["/provider"]),  # upper case
        ("-openai", "ok", GOOD, ["/provider"]),  # a dash at an end
        ("", "ok", GOOD, ["/provider"]),
        ("openai", "", GOOD, ["/label"]),
        ("openai", " padded", GOOD, ["/label"]),
        ("openai", "two\nlines", GOOD, ["/label"]),
        ("openai", "bell\x07", GOOD, ["/label"]),
        ("openai", "عربى 🌍", GOOD, []),  # any script is a name
        ("openai", "ok", "", ["/api_key"]),
        ("openai", "ok", "sk-abc def", ["/api_key"]),  # a space inside
        ("openai", "ok", "sk-abc\n", ["/api_key"]),  # the line end of a copied line
        ("openai", "ok", "sk-äbc", ["/api_key"]),
        ("openai", "ok", "sk-\x00abc", ["/api_key"]),
    ],
)
def test_every_problem_of_a_key_is_told_at_once(provider: str, label: str, key: str, pointers: list[str]) -> None:
    assert [problem.pointer for problem in core.key_problems(provider, label, key)] == pointers


def test_no_problem_shows_any_of_the_value() -> None:
    secret = "sk-VERYSECRET\n"
    assert all("VERYSECRET" not in problem.detail for problem in core.key_problems("openai", "x", secret))


def test_the_digest_is_sha256_over_organization_provider_and_value() -> None:
    expected = hashlib.sha256(ORGANIZATION.bytes + b"\x00openai\x00" + GOOD.encode()).digest()
    assert core.digest(ORGANIZATION, "openai", GOOD) == expected


@pytest.mark.parametrize(
    "organization, provider, key",
    [
        (UUID(int=1), "openai", GOOD),  # another organization may hold the same key
        (ORGANIZATION, "openrouter", GOOD),
        (ORGANIZATION, "openai", GOOD + "0"),
    ],
)
def test_the_digest_differs_when_any_part_does(organization: UUID, provider: str, key: str) -> None:
    assert core.digest(organization, provider, key) != core.digest(ORGANIZATION, "openai", GOOD)


def test_a_value_short_enough_to_guess_has_no_digest() -> None:
    assert core.digest(ORGANIZATION, "openai", "k" * 19) is None
    assert core.digest(ORGANIZATION, "openai", "k" * 20) is not None
