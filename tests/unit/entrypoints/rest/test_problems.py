"""Failures as RFC 9457 problem documents: each kind its status, what helps the caller, nothing of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest

from carbonledger.entrypoints.rest import problems
from carbonledger.entrypoints.shared import faults
from carbonledger.kernel import errors


class Teapot(errors.Conflict):
    """The pot holds tea.

    This paragraph is for developers.
    """

    code = "teapot"


def told(fault: errors.Fault) -> tuple[dict[str, Any], dict[bytes, bytes]]:
    answer = problems.answer(fault, request_id="the-id")
    assert answer.media_type == b"application/problem+json"
    return json.loads(answer.body), dict(answer.headers)


def test_every_kind_has_a_status() -> None:
    assert set(problems.STATUS) == set(errors.Kind)


def test_a_problem_says_what_why_and_where() -> None:
    fault = Teapot("Use the other pot.", problems=(errors.Problem("/pot", "tea", "It holds tea."),), extra={"upgrade_url": "/pots"})
    document, headers = told(fault)
    assert document == {
        "type": "urn:carbonledger:problem:teapot",
        "title": "The pot holds tea.",
        "status": 409,
        "detail": "Use the other pot.",
        "code": "teapot",
        "request_id": "the-id",
        "upgrade_url": "/pots",
        "errors": [{"pointer": "/pot", "code": "tea", "detail": "It holds tea."}],
    }
    assert headers == {}


def test_a_failure_of_ours_tells_nothing_of_itself() -> None:
    class Secret(errors.Fault):
        """A title that tells too much."""

        code = "secret_internals"

    document, _ = told(Secret("postgres://user:password@host", problems=(errors.Problem("/a", "b", "c"),), extra={"dsn": "x"}))
    assert document == {
        "type": "urn:carbonledger:problem:internal",
        "title": "The request could not be done.",
        "status": 500,
        "detail": "The failure is ours. It is logged under this request id; tell it to support.",
        "code": "internal",
        "request_id": "the-id",
    }


@pytest.mark.parametrize(
    "fault, status, headers",
    [
        (errors.Unauthenticated(), 401, {b"www-authenticate": b'Bearer realm="carbonledger"'}),
        (errors.Limited(retry_after_s=7), 429, {b"retry-after": b"7"}),
        (errors.Limited(), 429, {b"retry-after": b"1"}),
        (errors.Unavailable(), 503, {b"retry-after": b"5"}),
        (errors.Conflict(retry_after_s=1), 409, {b"retry-after": b"1"}),
        (faults.MethodNotAllowed(("GET", "HEAD")), 405, {b"allow": b"GET, HEAD"}),
        (faults.EncodingUnsupported(), 415, {b"accept-encoding": b"gzip, deflate, identity"}),
        (faults.RequestTimeout(), 408, {}),
        (faults.AddressTooLong(), 414, {}),
        (faults.HeadersTooLarge(), 431, {}),
        (errors.NotFound(), 404, {}),
    ],
)
def test_a_status_brings_the_headers_it_asks_for(fault: errors.Fault, status: int, headers: dict[bytes, bytes]) -> None:
    document, found = told(fault)
    assert (document["status"], found) == (status, headers)
    assert problems.status_of(type(fault)) == status


def test_an_answer_is_not_as_long_as_its_input_is_wrong() -> None:
    wrong = tuple(errors.Problem(f"/{number}", "wrong", "It is wrong.") for number in range(10_000))
    document, _ = told(errors.Invalid(problems=wrong))
    assert (len(document["errors"]), document["errors_left_out"]) == (100, 9_900)
