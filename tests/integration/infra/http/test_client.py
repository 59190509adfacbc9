"""The client against real servers that behave, misbehave, and hang up."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gzip
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from carbonledger.infra import http, retry
from tests import until
from tests.integration.infra.http import peer

SECRET = "hunter2-hunter2"
NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
PATIENT = http.Limits(connect_s=60.0, read_s=60.0, total_s=120.0, answer_bytes=1000)
HASTY = dataclasses.replace(PATIENT, read_s=0.3)  # for peers that say nothing


class Waits:
    """Takes the place of sleeping, and remembers how long it should have been."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def client(
    base_url: str | None = None,
    *,
    limits: http.Limits = PATIENT,
    policy: retry.Policy = retry.HTTP_POLICY,
    sleep: Callable[[float], Awaitable[None]] | None = None,
    observer: http.Observer | None = None,
    guarded: http.Guarded | None = None,
) -> http.Client:
    return http.Client(
        "acme",
        base_url=base_url,
        headers={"authorization": f"Bearer {SECRET}", "x-api-key": SECRET},
        limits=limits,
        policy=policy,
        sleep=sleep or Waits(),
        observer=observer,
        guarded=guarded,
        rng=random.Random(1),
        now=lambda: NOW,
    )


async def test_a_request_carries_what_the_caller_and_the_client_say() -> None:
    async with peer.running(peer.always(peer.answer(body=b'{"a": 1}'))) as server, client(server.url + "/v1/") as acme:
        answer = await acme.request(
            "POST",
            "/things",
            params={"q": "a b"},
            json={"name": "é"},
            headers={"x-extra": "1"},
            request_id="req-1",
            traceparent="00-a-b-01",
        )
    assert answer.checked().json() == {"a": 1}
    sent = server.requests[0]
    assert (sent.method, sent.target, sent.body) == ("POST", "/v1/things?q=a+b", '{"name":"é"}'.encode())
    assert sent.headers["authorization"] == f"Bearer {SECRET}"
    assert sent.headers["user-agent"].startswith("carbonledger/")
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["accept-encoding"] == "gzip"
    assert (sent.headers["x-extra"], sent.headers["x-request-id"], sent.headers["traceparent"]) == ("1", "req-1", "00-a-b-01")


async def test_connections_are_kept() -> None:
    async with peer.running(peer.always(peer.answer())) as server, client(server.url) as acme:
        for _ in range(3):
            await acme.request("GET", "/")
    assert server.connections == 1


async def test_a_compressed_answer_is_inflated() -> None:
    raw = peer.answer(body=gzip.compress(b'{"a": 1}'), content_encoding="gzip")
    async with peer.running(peer.always(raw)) as server, client(server.url) as acme:
        assert (await acme.request("GET", "/")).json() == {"a": 1}


async def test_a_cookie_of_one_answer_does_not_go_with_the_next_request() -> None:
    async with peer.running(peer.always(peer.answer(set_cookie="session=1; Path=/"))) as server, client(server.url) as acme:
        await acme.request("GET", "/")
        await acme.request("GET", "/")
    assert "cookie" not in server.requests[1].headers


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
MISBEHAVING: dict[str, tuple[bytes, type[http.HttpFault]]] = {
    "hangs up at once": (b"", http.ConnectionBroke),
    "hangs up in the headers": (b"HTTP/1.1 200 OK\r\ncontent-", http.ConnectionBroke),
    "is no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", http.AnswerMalformed),
    "broken status": (b"HTTP/1.1 abc OK\r\n\r\n", http.AnswerMalformed),
    "header without end": (b"HTTP/1.1 200 OK\r\nx: " + b"a" * 200_000, http.AnswerMalformed),
    "too many headers": (b"HTTP/1.1 200 OK\r\n" + b"x: a\r\n" * 40_000, http.AnswerMalformed),
    "two lengths": (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}", http.AnswerMalformed),
    "length that is no number": (b"HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\n{}", http.AnswerMalformed),
    "less than stated": (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}", http.AnswerTruncated),
    "chunk cut off": (CHUNKED + b"64\r\n{}", http.AnswerTruncated),
    "last chunk missing": (CHUNKED + b"2\r\n{}\r\n", http.AnswerTruncated),
    "gzip cut off": (peer.answer(body=gzip.compress(b"{}" * 50)[:-9], content_encoding="gzip"), http.AnswerTruncated),
    "announces too much": (b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n", http.AnswerTooLarge),
    "sends too much": (CHUNKED + b"400\r\n" + b"a" * 1024 + b"\r\n0\r\n\r\n", http.AnswerTooLarge),
    "sends without end": (b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 100_000, http.AnswerTooLarge),
    "is a bomb": (peer.answer(body=gzip.compress(bytes(900_000)), content_encoding="gzip"), http.AnswerTooLarge),
}


@pytest.mark.parametrize("raw, fault", MISBEHAVING.values(), ids=MISBEHAVING.keys())
async def test_a_misbehaving_peer_has_a_named_fault(raw: bytes, fault: type[http.HttpFault]) -> None:
    async with peer.running(peer.always(raw, hang_up=True)) as server, client(server.url) as acme:
        with pytest.raises(fault) as caught:
            await acme.request("POST", f"/?token={SECRET}")
    assert type(caught.value) is fault
    assert SECRET not in repr(caught.value)
    assert "acme: POST 127.0.0.1" in str(caught.value)
    assert retry.classify(caught.value) is fault.outcome


async def test_a_stated_length_that_is_too_short_has_a_named_fault() -> None:
    raw = peer.answer(body=b'{"a": 1}', content_length="5")
    async with peer.running(peer.always(raw)) as server, client(server.url) as acme:
        with pytest.raises(http.AnswerNotJson):
            (await acme.request("GET", "/")).json()
        with pytest.raises(http.AnswerMalformed):  # the rest is still on that connection
            await acme.request("GET", "/")
        assert (await acme.request("GET", "/")).body == b'{"a":'


async def test_a_tenants_peer_can_not_leave_an_answer_for_the_next_request() -> None:
    forged = b'HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n{"forged":1}'
    script = peer.always(peer.answer(body=b'{"a": 1}') + forged)
    async with peer.running(script) as server, client(guarded=http.Guarded(allow_private=True)) as acme:
        for _ in range(3):
            assert (await acme.request("GET", server.url)).json() == {"a": 1}
    assert server.connections == 3


async def test_a_page_where_json_was_expected_is_named() -> None:
    raw = peer.answer(body=b"<html>Bad gateway</html>", content_type="text/html")
    async with peer.running(peer.always(raw)) as server, client(server.url) as acme:
        with pytest.raises(http.AnswerNotJson, match="page"):
            (await acme.request("GET", "/")).checked().json()


async def test_a_head_answer_may_announce_a_length() -> None:
    raw = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n"
    async with peer.running(peer.always(raw)) as server, client(server.url) as acme:
        assert (await acme.request("HEAD", "/")).body == b""


async def silent(request: peer.Request, writer: asyncio.StreamWriter) -> None:
    """Never answer, until the client leaves."""
    await writer.wait_closed()


async def trickling(request: peer.Request, writer: asyncio.StreamWriter) -> None:
    """A byte now and then, for ever: no single read takes long."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.02)  # house: allow sleep-in-test - the peer's pace is what is tested


async def test_a_silent_peer_times_out() -> None:
    async with peer.running(silent) as server, client(server.url, limits=HASTY) as acme:
        with pytest.raises(http.TimedOut, match="reading"):
            await acme.request("POST", "/")


async def test_a_trickling_peer_times_out_as_a_whole() -> None:
    async with peer.running(trickling) as server, client(server.url) as acme:
        with pytest.raises(http.TimedOut, match="no complete answer"):
            await acme.request("POST", "/", total_s=0.3)


async def test_a_full_pool_times_out_and_says_so() -> None:
    limits = dataclasses.replace(PATIENT, connections=1, pool_s=0.1)
    async with peer.running(silent) as server, client(server.url, limits=limits) as acme:
        first = asyncio.create_task(acme.request("POST", "/"))
        await until.holds(lambda: bool(server.requests))
        with pytest.raises(http.ConnectFailed, match="free connection"):
            await acme.request("POST", "/")
        first.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await first


async def test_a_peer_that_is_away_is_unreachable() -> None:
    with peer.away() as url:
        async with client(url) as acme:
            with pytest.raises(http.ConnectFailed):
                await acme.request("POST", "/")


UNAVAILABLE = peer.answer(503, b"")


@pytest.mark.parametrize(
    "method, repeatable, attempts",
    [
        ("GET", None, 3),
        ("PUT", None, 3),
        ("DELETE", None, 3),
        ("POST", None, 1),  # may have had its effect
        ("PATCH", None, 1),
        ("POST", True, 3),  # it carries an idempotency key, says the caller
        ("GET", False, 1),
    ],
)
async def test_only_what_is_safe_is_repeated(method: str, repeatable: bool | None, attempts: int) -> None:
    script = peer.in_turn(UNAVAILABLE, UNAVAILABLE, peer.answer())
    async with peer.running(script) as server, client(server.url) as acme:
        answer = await acme.request(method, "/", content=b"body", repeatable=repeatable)
    assert answer.status == (200 if attempts == 3 else 503)
    assert [request.body for request in server.requests] == [b"body"] * attempts


@pytest.mark.parametrize("status, attempts", [(404, 1), (400, 1), (409, 1), (408, 4), (425, 4), (429, 4), (500, 4), (503, 4)])
async def test_attempts_follow_the_classifier(status: int, attempts: int) -> None:
    waits = Waits()
    async with peer.running(peer.always(peer.answer(status))) as server, client(server.url, sleep=waits) as acme:
        assert (await acme.request("GET", "/")).status == status
    assert len(server.requests) == attempts
    assert len(waits.seconds) == attempts - 1
    assert all(waited <= most for waited, most in zip(waits.seconds, (0.25, 0.5, 1.0), strict=False))


async def test_a_broken_connection_is_repeated_for_reads_only() -> None:
    async with peer.running(peer.always(b"", hang_up=True)) as server, client(server.url) as acme:
        with pytest.raises(http.ConnectionBroke):
            await acme.request("GET", "/")
        with pytest.raises(http.ConnectionBroke):
            await acme.request("POST", "/")
    assert [request.method for request in server.requests] == ["GET"] * 4 + ["POST"]


async def test_what_was_never_sent_is_repeated_whatever_it_is() -> None:
    seen: list[http.Attempt] = []
    with peer.away() as url:
        async with client(url, observer=seen.append) as acme:
            with pytest.raises(http.ConnectFailed):
                await acme.request("POST", "/")
    assert [(attempt.number, attempt.failure) for attempt in seen] == [(number, "outside_unreachable") for number in (1, 2, 3, 4)]


@pytest.mark.parametrize("header, least_s", [("2", 2.0), ("Sat, 21 Nov 2026 12:00:03 GMT", 3.0)])
async def test_the_peers_wish_to_wait_is_honoured(header: str, least_s: float) -> None:
    waits = Waits()
    script = peer.in_turn(peer.answer(429, retry_after=header), peer.answer())
    async with peer.running(script) as server, client(server.url, sleep=waits) as acme:
        assert (await acme.request("GET", "/")).status == 200
    assert least_s <= waits.seconds[0] <= least_s + 0.25


async def test_a_wish_longer_than_the_callers_patience_is_handed_to_the_caller() -> None:
    waits = Waits()
    script = peer.always(peer.answer(429, retry_after="3600"))
    async with peer.running(script) as server, client(server.url, sleep=waits) as acme:
        answer = await acme.request("GET", "/")
        with pytest.raises(http.AnswerRefused) as caught:
            answer.checked()
    assert (waits.seconds, len(server.requests)) == ([], 1)
    assert (caught.value.status, caught.value.retry_after_s) == (429, 3600)


def moved(status: int, location: str) -> bytes:
    return peer.answer(status, location=location)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_read_follows_a_redirect_within_an_origin_with_its_headers(status: int) -> None:
    script = peer.in_turn(moved(status, "/there?a=1"), peer.answer(body=b'{"a": 1}'))
    async with peer.running(script) as server, client(server.url) as acme:
        assert (await acme.request("GET", "/here")).json() == {"a": 1}
    assert [request.target for request in server.requests] == ["/here", "/there?a=1"]
    assert server.requests[1].headers["x-api-key"] == SECRET


@pytest.mark.parametrize("status, follows", [(301, False), (302, False), (303, False), (307, True), (308, True)])
async def test_a_write_follows_only_where_it_stays_a_write(status: int, follows: bool) -> None:
    script = peer.in_turn(moved(status, "/there"), peer.answer())
    async with peer.running(script) as server, client(server.url) as acme:
        answer = await acme.request("POST", "/here", content=b"body")
    assert answer.status == (200 if follows else status)
    assert [(request.method, request.body) for request in server.requests] == [("POST", b"body")] * (2 if follows else 1)


async def test_credentials_do_not_travel_to_another_origin() -> None:
    async with peer.running(peer.always(peer.answer())) as other:
        script = peer.always(moved(307, other.url + "/there"))
        async with peer.running(script) as server, client() as acme:
            await acme.request("POST", server.url + "/here", content=b"body", headers={"webhook-signature": SECRET}, request_id="req-1")
    arrived = other.requests[0]
    assert arrived.body == b"body"
    assert arrived.headers["x-request-id"] == "req-1"
    assert SECRET not in repr(arrived.headers)


@pytest.mark.parametrize(
    "location",
    ["ftp://example.com/", "file:///etc/passwd", "http://me:pw@127.0.0.1/", "http://[::1/", "http:///", "javascript:x", "\x7f"],
    ids=ascii,
)
async def test_a_redirect_to_nowhere_is_refused(location: str) -> None:
    async with peer.running(peer.always(moved(302, location))) as server, client() as acme:
        with pytest.raises(http.RedirectRefused):
            await acme.request("GET", server.url)


async def test_redirects_end() -> None:
    async with peer.running(peer.always(moved(302, "/again"))) as server, client() as acme:
        with pytest.raises(http.RedirectRefused, match="more than 3"):
            await acme.request("GET", server.url)
    assert len(server.requests) == 4


async def test_a_write_redirected_to_where_nobody_answers_is_not_repeated() -> None:
    with peer.away() as gone:
        async with peer.running(peer.always(moved(307, gone))) as server, client() as acme:
            with pytest.raises(http.ConnectionBroke):
                await acme.request("POST", server.url)
    assert len(server.requests) == 1  # the first host has had it


async def test_an_address_from_an_answer_does_not_take_the_credentials_elsewhere() -> None:
    script = peer.always(peer.answer())
    async with peer.running(script) as server, peer.running(script) as other, client(server.url) as acme:
        assert (await acme.request("GET", server.url + "/page/2")).status == 200
        with pytest.raises(http.RequestRefused, match="another origin"):
            await acme.request("GET", other.url + "/page/2")
    assert not other.requests


@pytest.mark.parametrize("value", [f"{SECRET}\r\nx: y", f"{SECRET}\n", f"{SECRET}é\u20ac", f"{SECRET}\0"], ids=ascii)
async def test_a_header_that_is_none_is_refused_without_being_shown(value: str) -> None:
    async with peer.running(peer.always(peer.answer())) as server, client(server.url) as acme:
        with pytest.raises(http.RequestRefused) as caught:
            await acme.request("GET", "/", headers={"x-token": value})
    assert SECRET not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert not server.requests


@pytest.mark.parametrize("url", ["http://[::1/", "http://exa mple/\n", "http://\ud800/"], ids=ascii)
async def test_an_address_that_is_none_is_refused(url: str) -> None:
    async with client() as acme:
        with pytest.raises(http.RequestRefused):
            await acme.request("GET", url)


async def test_an_observer_hears_of_each_attempt_in_numbers() -> None:
    seen: list[http.Attempt] = []
    script = peer.in_turn(UNAVAILABLE, peer.answer())
    async with peer.running(script) as server, client(server.url, observer=seen.append) as acme:
        await acme.request("GET", f"/?token={SECRET}")
    assert [(one.client, one.method, one.number, one.status, one.failure) for one in seen] == [
        ("acme", "GET", 1, 503, None),
        ("acme", "GET", 2, 200, None),
    ]
    assert all(one.duration_s >= 0 for one in seen)
    assert SECRET not in repr(seen)


async def test_an_observer_hears_of_a_cancelled_attempt() -> None:
    seen: list[http.Attempt] = []
    async with peer.running(silent) as server, client(server.url, observer=seen.append) as acme:
        task = asyncio.create_task(acme.request("GET", "/"))
        await until.holds(lambda: bool(server.requests))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert [one.failure for one in seen] == ["cancelled"]


async def test_nothing_is_logged_even_when_everything_is(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with peer.running(peer.in_turn(UNAVAILABLE, peer.answer())) as server, client(server.url) as acme:
        await acme.request("GET", f"/?token={SECRET}")
    assert SECRET not in caplog.text
    assert "GET" not in caplog.text


async def test_a_body_is_either_bytes_or_json() -> None:
    async with client() as acme:
        with pytest.raises(ValueError, match="one body"):
            await acme.request("POST", "http://127.0.0.1/", content=b"", json={})
        with pytest.raises(ValueError, match="Out of range"):
            await acme.request("POST", "http://127.0.0.1/", json=float("nan"))


async def test_operators_addresses_may_go_through_the_environments_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with peer.running(peer.always(peer.answer(body=b'{"proxied": true}'))) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        async with client() as acme:
            assert (await acme.request("GET", "http://provider.example/v1")).json() == {"proxied": True}
    assert proxy.requests[0].target == "http://provider.example/v1"
