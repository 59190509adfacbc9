"""Random strings: enough chance, the stated shape, and a digest that anyone can compute."""

from __future__ import annotations

import hashlib
import re

import pytest

from carbonledger.infra import crypto


def test_a_token_is_43_letters_and_digits_which_is_256_bits() -> None:
    assert re.fullmatch(r"[0-9A-Za-z]{43}", crypto.new_token().reveal())
    assert 62**43 > 2**256


def test_tokens_differ() -> None:
    assert len({crypto.new_token().reveal() for _ in range(1000)}) == 1000


def test_every_character_of_the_alphabet_occurs() -> None:
    # 200 tokens are 8,600 draws of 62: one absent by chance has a probability below 62 * (61/62)^8600, about 10^-59
    assert len(set("".join(crypto.new_token().reveal() for _ in range(200)))) == 62


@pytest.mark.parametrize("sandbox, prefix", [(False, "cl_live_"), (True, "cl_test_")])
def test_an_api_key_says_whose_it_is(sandbox: bool, prefix: str) -> None:
    key = crypto.new_api_key(sandbox=sandbox).reveal()
    assert key.startswith(prefix)
    assert crypto.is_api_key(key)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("cl_live_" + "a" * 32, True),  # shortest an operator may bring
        ("cl_live_" + "a" * 64, True),  # longest
        ("cl_test_" + "Z9" * 16, True),
        ("cl_live_" + "a" * 31, False),
        ("cl_live_" + "a" * 65, False),
        ("cl_live_" + "a" * 32 + "\n", False),  # `$` would let this pass
        ("cl_live_" + "a" * 31 + "é", False),  # a letter, but not ours
        ("cl_live_" + "a" * 31 + "٣", False),  # a digit, but not ours
        ("cl_prod_" + "a" * 32, False),
        ("CL_LIVE_" + "a" * 32, False),
        ("", False),
    ],
)
def test_the_shape_of_an_api_key(text: str, expected: bool) -> None:
    assert crypto.is_api_key(text) is expected


def test_the_digest_is_plain_sha256_so_that_any_tool_can_make_it() -> None:
    # printf abc | sha256sum (FIPS 180-4, example B.1)
    expected = bytes.fromhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    assert crypto.digest("abc") == expected
    assert crypto.digest(crypto.SecretText("abc")) == expected
    assert crypto.digest("ä") == hashlib.sha256(b"\xc3\xa4").digest()


def test_a_lone_surrogate_has_a_digest_too() -> None:
    assert len(crypto.digest("\ud800")) == 32


def test_digests_compare() -> None:
    assert crypto.same(crypto.digest("a"), crypto.digest("a"))
    assert not crypto.same(crypto.digest("a"), crypto.digest("b"))
