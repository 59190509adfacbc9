"""The session's cookie: every attribute that keeps it where it belongs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from carbonledger.entrypoints.shared import cookies

WEEK = timedelta(days=7)


def test_over_tls_no_neighbouring_host_can_plant_the_cookie_and_nothing_sends_it_in_clear() -> None:
    assert cookies.set_session("abc", is_https=True, lasts=WEEK) == (
        "__Host-carbonledger_session=abc; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax; Secure"
    )


def test_on_a_laptop_it_works_without_tls() -> None:
    assert cookies.set_session("abc", is_https=False, lasts=WEEK) == (
        "carbonledger_session=abc; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax"
    )


@pytest.mark.parametrize("is_https", [True, False])
def test_signing_out_empties_the_same_cookie(is_https: bool) -> None:
    made, cleared = cookies.set_session("abc", is_https=is_https, lasts=WEEK), cookies.clear_session(is_https=is_https)
    assert cleared == made.replace("=abc;", "=;").replace("Max-Age=604800", "Max-Age=0")


@pytest.mark.parametrize(
    "given, is_https, token",
    [
        ({"__Host-carbonledger_session": "abc"}, True, "abc"),
        ({"carbonledger_session": "abc"}, True, None),  # planted without TLS, it counts for nothing over it
        ({"carbonledger_session": "abc"}, False, "abc"),
        ({}, False, None),
    ],
)
def test_only_the_cookie_of_this_way_of_reaching_us_counts(given: dict[str, str], is_https: bool, token: str | None) -> None:
    assert cookies.session_token(given, is_https=is_https) == token


def test_a_cookie_lives_as_long_as_its_session() -> None:
    at = datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert cookies.lifetime(at=at, expires_at=at + WEEK) == WEEK
    assert cookies.lifetime(at=at, expires_at=at - WEEK) == timedelta()
