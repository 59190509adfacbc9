"""An answer is read strictly."""

from __future__ import annotations

import decimal

import httpx2
import pytest

from carbonledger.infra import http, retry


def answer(body: bytes = b"{}", status: int = 200, **headers: str) -> http.Answer:
    return http.Answer("x: GET example.com", status, httpx2.Headers({k.replace("_", "-"): v for k, v in headers.items()}), body)


@pytest.mark.parametrize(
    "body, value",
    [
        (b'{"a": [1, "b", null, true]}', {"a": [1, "b", None, True]}),
        (b'{"cost": 0.1}', {"cost": decimal.Decimal("0.1")}),  # a float would be 0.1000000000000000055
        (b'{"cost": 1e-7}', {"cost": decimal.Decimal("1E-7")}),
        (b'{"n": 12345678901234567890123}', {"n": 12345678901234567890123}),  # beyond 64 bits
        ("\ufeff{}".encode(), {}),  # a byte order mark
        ('"é"'.encode(), "é"),
    ],
)
def test_json_is_exact(body: bytes, value: object) -> None:
    assert answer(body).json() == value


def test_a_fraction_is_no_float() -> None:
    assert type(answer(b"0.1").json()) is decimal.Decimal


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b'{"a": secret-value',
        b'{"a": 1} x',
        b"NaN",
        b"[Infinity]",
        b"\xff\xfe{\x00}\x00",  # UTF-16
        b'"\xff"',
        b"[" * 200_000,  # deeper than the parser goes
        b"1" * 5000,  # more digits than Python converts
        b"1e999999999",  # arithmetic on it would not end
    ],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_no_json_is_refused_without_being_shown(body: bytes) -> None:
    with pytest.raises(http.AnswerNotJson) as caught:
        answer(body).json()
    assert "secret-value" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_page_is_refused_even_if_it_would_parse() -> None:
    with pytest.raises(http.AnswerNotJson, match="page"):
        answer(b"{}", content_type="text/html; charset=utf-8").json()


@pytest.mark.parametrize("status", [200, 201, 204])
def test_success_passes(status: int) -> None:
    assert answer(status=status).checked().status == status


@pytest.mark.parametrize(
    "status, outcome",
    [(301, retry.Outcome.UNKNOWN), (401, retry.Outcome.PERMANENT), (429, retry.Outcome.TRANSIENT), (503, retry.Outcome.TRANSIENT)],
)
def test_anything_else_is_a_fault_that_knows_whether_to_try_again(status: int, outcome: retry.Outcome) -> None:
    with pytest.raises(http.AnswerRefused) as caught:
        answer(b"secret body", status=status).checked()
    assert caught.value.status == status
    assert retry.classify(caught.value) is outcome
    assert "secret" not in str(caught.value)


def test_the_repr_shows_neither_headers_nor_body() -> None:
    shown = repr(answer(b"secret-value", set_cookie="secret-value"))
    assert "secret" not in shown
    assert "12 bytes" in shown
