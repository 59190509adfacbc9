"""What may be shown of a key, the form of a token, and the token that browsers repeat."""

from __future__ import annotations

import pytest

from carbonledger.domains.identity.core import credentials

TOKEN = "4fQ2mWv8Zk1Yc7Rb9Lx3Tn6Hs0Jd5Pg2Aq8Ue4Vi1Xo"


@pytest.mark.parametrize(
    "text, is_token",
    [
        (TOKEN, True),
        (TOKEN[:-1], False),
        (TOKEN + "x", False),
        (TOKEN[:-1] + "-", False),
        (TOKEN[:-1] + "ä", False),
        (TOKEN + "\n", False),
        ("", False),
    ],
)
def test_the_form_of_a_token(text: str, is_token: bool) -> None:
    assert credentials.is_token(text) is is_token


def test_what_is_shown_of_a_key_leaves_most_of_it_hidden() -> None:
    key = "cl_live_" + "abcdefghijklmnopqrstuvwxyz012345"
    assert credentials.shown_parts(key) == ("cl_live_abcd", "2345")


def test_the_csrf_token_is_the_hmac_of_a_fixed_text_under_the_sessions_token() -> None:
    # printf 'carbonledger csrf' | openssl dgst -sha256 -hmac <TOKEN> -binary | basenc --base64url
    assert credentials.csrf_token(TOKEN) == "gTBqThoiOzUCK0nI-8AfTjsSgN4R4jF9Iuleuf_cbqQ"


def test_another_session_has_another_csrf_token() -> None:
    assert credentials.csrf_token(TOKEN) != credentials.csrf_token(TOKEN[::-1])
