"""Headers that protect the reader, on every answer; and other origins only where they are configured."""

from __future__ import annotations

from typing import Any

import pytest

from carbonledger.entrypoints.asgi import headers
from carbonledger.entrypoints.shared import exchange
from carbonledger.infra import clock, settings

DASHBOARD = "https://dashboard.example.com"


async def receive() -> exchange.Message:
    raise AssertionError


def request(method: str = "GET", **given: str) -> exchange.Exchange:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()]
    return exchange.Exchange({"method": method, "path": "/", "headers": raw, "client": None}, receive, at=clock.now())


def of(
    asked: exchange.Exchange, own: list[exchange.Header] | None = None, *, cache_s: int | None = None, **given: Any
) -> dict[bytes, bytes]:
    made = headers.Headers(settings.Settings.model_validate(given)).of(asked, own or [], cache_s=cache_s)
    assert len({name for name, _ in made}) == len(made), "no header twice"
    return dict(made)


def test_every_answer_protects_its_reader() -> None:
    found = of(request())
    assert found[b"x-content-type-options"] == b"nosniff"
    assert found[b"x-frame-options"] == b"DENY"
    assert found[b"referrer-policy"] == b"no-referrer"
    assert found[b"content-security-policy"].startswith(b"default-src 'none'; frame-ancestors 'none'")
    assert b"camera=()" in found[b"permissions-policy"]
    assert found[b"cache-control"] == b"no-store"
    assert b"strict-transport-security" not in found, "which over http would mean nothing"


def test_https_is_for_ever() -> None:
    found = of(request(), public_url="https://ledger.example.com")
    assert found[b"strict-transport-security"] == b"max-age=63072000; includeSubDomains"


@pytest.mark.parametrize(
    "own, cache_s, expected",
    [
        ([], None, b"no-store"),
        ([], 60, b"public, max-age=60"),
        ([(b"cache-control", b"no-cache")], None, b"no-cache"),
        ([(b"content-security-policy", b"default-src 'self'")], None, b"no-store"),
    ],
)
def test_an_answer_may_say_how_long_it_is_kept(own: list[exchange.Header], cache_s: int | None, expected: bytes) -> None:
    assert of(request(), own, cache_s=cache_s)[b"cache-control"] == expected


def test_a_page_brings_its_own_policy() -> None:
    found = of(request(), [(b"content-security-policy", b"default-src 'self'")])
    assert found[b"content-security-policy"] == b"default-src 'self'"
    assert found[b"x-frame-options"] == b"DENY"


@pytest.mark.parametrize(
    "origins, origin, allowed",
    [
        ((), DASHBOARD, None),
        ((DASHBOARD,), DASHBOARD, DASHBOARD),
        ((DASHBOARD + "/",), DASHBOARD, DASHBOARD),  # an origin has no path; people write one
        ((DASHBOARD,), "https://evil.example.com", None),
        ((DASHBOARD,), "https://dashboard.example.com.evil.example", None),
        ((DASHBOARD,), "null", None),
    ],
)
def test_other_origins_may_read_only_where_they_are_named(origins: tuple[str, ...], origin: str, allowed: str | None) -> None:
    found = of(request(origin=origin), cors_origins=origins)
    assert found.get(b"access-control-allow-origin") == (allowed.encode() if allowed else None)
    assert found.get(b"access-control-allow-credentials") == (b"true" if allowed else None)
    assert found.get(b"vary") == (b"origin" if origins else None)
    preflight = headers.Headers(settings.Settings.model_validate({"cors_origins": origins})).preflight(
        request("OPTIONS", origin=origin, access_control_request_method="POST")
    )
    assert (preflight is not None) is (allowed is not None)


def test_a_question_that_is_no_preflight_is_not_answered_as_one() -> None:
    made = headers.Headers(settings.Settings.model_validate({"cors_origins": (DASHBOARD,)}))
    assert made.preflight(request("OPTIONS", origin=DASHBOARD)) is None
    assert made.preflight(request("GET", origin=DASHBOARD, access_control_request_method="POST")) is None
