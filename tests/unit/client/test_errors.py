"""Refusals: what a problem document tells, however little it tells."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from carbonledger_client import errors, settings, transport

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_problem_document_becomes_a_refusal() -> None:
    listed = [{"pointer": "/events", "code": "too_many", "detail": "At most 10,000."}]
    refused = errors.from_api_problem(422, {"code": "invalid", "detail": "Not so.", "title": "t", "request_id": "r-1", "errors": listed})

    assert str(refused) == "The server refused (422 invalid): Not so. (request r-1)"
    assert refused.problems == (errors.Problem("/events", "too_many", "At most 10,000."),)


@pytest.mark.parametrize("document", [None, [], "no", {}, {"errors": [3], "code": 5}], ids=repr)
def test_a_body_that_is_no_problem_is_named_after_its_status(document: object) -> None:
    assert errors.from_api_problem(418, document).code == "http_418"


@pytest.mark.parametrize(
    "value, seconds",
    [(None, 0.0), ("", 0.0), ("7", 7.0), ("999999999", 300.0), ("-1", 0.0), ("Thu, 01 Jan 2026 00:00:30 GMT", 30.0),
     ("Wed, 31 Dec 2025 00:00:00 GMT", 0.0), ("soon", 0.0)],
    ids=repr,
)  # fmt: skip
def test_a_retry_after_is_seconds_or_a_date_and_bounded(value: str | None, seconds: float) -> None:
    assert transport.retry_after_s(value, now=NOW) == seconds


@pytest.mark.parametrize(
    "option, environ, url",
    [
        ("http://a", {"CARBONLEDGER_URL": "http://b"}, "http://a"),
        (None, {"CARBONLEDGER_URL": "http://b"}, "http://b"),
        (None, {}, "http://127.0.0.1:8400"),
    ],
)
def test_the_address_is_the_option_then_the_environment_then_the_usual_one(option: str | None, environ: dict[str, str], url: str) -> None:
    assert settings.url(option, environ) == url


def test_no_key_at_all_says_how_to_give_one() -> None:
    with pytest.raises(errors.Misused, match="CARBONLEDGER_API_KEY"):
        settings.api_key(None, {})
    assert settings.api_key(None, {"CARBONLEDGER_API_KEY": " cl_live_x\n"}) == "cl_live_x"


def test_waits_double_up_to_their_cap() -> None:
    made = transport.Transport("http://127.0.0.1:1", {}, transport.Patience(base_s=1.0, cap_s=8.0), rng=random.Random(1))
    most = [max(made._wait_s(attempt) for _ in range(300)) for attempt in range(1, 7)]
    made.close()
    assert all(cap * 0.9 < found <= cap for found, cap in zip(most, (1, 2, 4, 8, 8, 8), strict=True))
