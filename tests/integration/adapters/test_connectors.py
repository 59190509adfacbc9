"""Connectors against a provider on loopback that pages, limits, refuses, stalls and lies."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from carbonledger.adapters import anthropic, openai, openrouter
from carbonledger.domains.connections import types
from carbonledger.domains.connections.core import walking as core
from carbonledger.domains.connections.types import Connector, Stream, Window
from carbonledger.infra import http, retry
from carbonledger.infra.queue import failures
from carbonledger.kernel.secret import SecretText
from tests.contract.adapters import usage_payloads as payloads
from tests.integration.infra.http import peer

SECRET = "sk-admin-0123456789abcdef"
KEY = SecretText(SECRET)
NOW = datetime(2026, 11, 21, 12, 34, 56, tzinfo=UTC)
STARTS = datetime(2026, 11, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WEEK = Window(STARTS, STARTS + 7 * DAY)
ONCE = retry.Policy(attempts_max=1, unknown_attempts_max=1, base_s=0.0, cap_s=0.0)
PATIENT = http.Limits(connect_s=60.0, read_s=60.0, total_s=120.0, answer_bytes=200_000)
HASTY = dataclasses.replace(PATIENT, read_s=0.3)  # for a provider that says nothing more

Make = Callable[[http.Client], Connector]
MAKERS: dict[str, Make] = {
    "openai": lambda client: openai.OpenAi(openai.api(client)),
    "anthropic": lambda client: anthropic.Anthropic(anthropic.api(client)),
    "openrouter": lambda client: openrouter.OpenRouter(openrouter.api(client)),
}
EVERY = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


async def no_wait(seconds: float) -> None:
    del seconds


def client(server: peer.Peer, *, policy: retry.Policy = ONCE, limits: http.Limits = PATIENT) -> http.Client:
    return http.Client("provider", base_url=server.url, limits=limits, policy=policy, sleep=no_wait, rng=random.Random(1), now=lambda: NOW)


def stated(document: object) -> bytes:
    return peer.answer(body=json.dumps(document).encode())


def query(request: peer.Request) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(request.target).query)


async def walked(connector: Connector, stream: Stream, window: Window) -> list[types.Bucket]:
    """Read a window as the poller does: page by page, to the end."""
    walk, buckets = core.Walk(), list[types.Bucket]()
    while not walk.is_done:
        page = connector.normalise(await connector.poll(KEY, stream=stream, window=window, cursor=walk.cursor))
        walk = core.advanced(walk, page)
        buckets += page.buckets
    return buckets


def hours_page(first: int, count: int, next_page: str | None) -> payloads.Json:
    results = [
        {
            "object": "organization.usage.completions.result",
            "input_tokens": 10,
            "output_tokens": 1,
            "num_model_requests": 1,
            "model": "gpt-4o-2024-08-06",
        }
    ]
    buckets = [
        {
            "object": "bucket",
            "start_time": int((STARTS + hour * HOUR).timestamp()),
            "end_time": int((STARTS + (hour + 1) * HOUR).timestamp()),
            "results": results,
        }
        for hour in range(first, first + count)
    ]
    return {"object": "page", "data": buckets, "has_more": next_page is not None, "next_page": next_page}


async def test_openai_is_read_to_the_last_page() -> None:
    pages = (hours_page(0, 60, "page_2"), hours_page(60, 60, "page_3="), hours_page(120, 48, None))
    async with peer.running(peer.in_turn(*map(stated, pages))) as server, client(server) as way:
        buckets = await walked(openai.OpenAi(openai.api(way)), openai.OpenAi(openai.api(way)).streams[0], WEEK)
    assert [bucket.starts_at for bucket in buckets] == [STARTS + hour * HOUR for hour in range(168)]
    assert sum(row.tokens.total or 0 for bucket in buckets for row in bucket.rows) == 168 * 11
    asked = [
        ("start_time", "1793491200"),  # 2026-11-01T00:00:00Z
        ("end_time", "1794096000"),
        ("bucket_width", "1h"),
        *(("group_by", name) for name in ("model", "batch", "service_tier", "project_id")),
        ("limit", "168"),
    ]
    assert [query(request) for request in server.requests] == [asked, [*asked, ("page", "page_2")], [*asked, ("page", "page_3=")]]
    assert urlsplit(server.requests[0].target).path == "/v1/organization/usage/completions"
    assert {request.headers["authorization"] for request in server.requests} == {f"Bearer {SECRET}"}


async def test_a_provider_that_pages_for_ever_is_left() -> None:
    async with peer.running(peer.always(stated(hours_page(0, 1, "page_2")))) as server, client(server) as way:
        connector = MAKERS["openai"](way)
        with pytest.raises(types.PageRepeated):
            await walked(connector, connector.streams[0], WEEK)
    assert len(server.requests) == 2


async def test_every_question_to_openai_is_one_that_its_description_allows() -> None:
    paths = json.loads((payloads.CONTRACTS / "openai_usage_costs.openapi.json").read_text(encoding="utf-8"))["paths"]
    async with peer.running(peer.always(stated({"data": [], "has_more": False, "next_page": None}))) as server, client(server) as way:
        connector = MAKERS["openai"](way)
        for stream in connector.streams:
            await connector.poll(KEY, stream=stream, window=WEEK, cursor="page_2")
    assert len(server.requests) == 11
    for request in server.requests:
        described = {one["name"]: one["schema"] for one in paths[urlsplit(request.target).path.removeprefix("/v1")]["get"]["parameters"]}
        for name, value in query(request):
            schema = described[name]
            allowed = schema.get("items", schema).get("enum", [value])
            assert value in allowed, (request.target, name)


async def test_anthropic_is_read_to_the_last_page() -> None:
    def page(day: int, next_page: str | None) -> payloads.Json:
        at = STARTS + day * DAY
        bucket = {"starting_at": f"{at:%Y-%m-%dT00:00:00Z}", "ending_at": f"{at:%Y-%m-%dT01:00:00Z}", "results": []}
        return {"data": [bucket], "has_more": next_page is not None, "next_page": next_page}

    async with peer.running(peer.in_turn(stated(page(0, "page_b")), stated(page(1, None)))) as server, client(server) as way:
        buckets = await walked(MAKERS["anthropic"](way), anthropic.MESSAGES, WEEK)
    assert [bucket.starts_at for bucket in buckets] == [STARTS, STARTS + DAY]
    assert query(server.requests[1]) == [
        ("starting_at", "2026-11-01T00:00:00Z"),
        ("ending_at", "2026-11-08T00:00:00Z"),
        ("bucket_width", "1h"),
        *(("group_by[]", name) for name in ("model", "service_tier", "context_window", "workspace_id", "inference_geo")),
        ("limit", "168"),
        ("page", "page_b"),
    ]
    headers = server.requests[0].headers
    assert (headers["x-api-key"], headers["anthropic-version"]) == (SECRET, "2023-06-01")
    assert "authorization" not in headers


def result(*rows: payloads.Json, truncated: bool = False) -> payloads.Json:
    return {"data": {"data": list(rows), "metadata": {"query_time_ms": 1, "row_count": len(rows), "truncated": truncated}}}


async def test_openrouter_is_read_part_by_part_and_smaller_where_it_cuts() -> None:
    async def script(request: peer.Request, writer: asyncio.StreamWriter) -> None:
        span = json.loads(request.body)["time_range"]
        starts, ends = (datetime.fromisoformat(span[name]) for name in ("start", "end"))
        row = {
            "date__hour": f"{starts:%Y-%m-%d %H:%M:%S}",
            "model": "openai/gpt-4.1",
            "provider": "OpenAI",
            "tokens_prompt": "10",
            "cached_tokens": "4",
            "tokens_completion": "1",
            "reasoning_tokens": "0",
            "request_count": "1",
        }
        # The first day has more rows than fit in more than six hours.
        writer.write(stated(result(row, truncated=starts < STARTS + DAY and ends - starts > 6 * HOUR)))

    async with peer.running(script) as server, client(server) as way:
        buckets = await walked(MAKERS["openrouter"](way), openrouter.ANALYTICS, Window(STARTS, STARTS + 2 * DAY))
    assert [bucket.starts_at for bucket in buckets] == [STARTS + hour * HOUR for hour in range(48)]
    asked = [json.loads(request.body) for request in server.requests]
    hours = [
        (datetime.fromisoformat(one["time_range"]["end"]) - datetime.fromisoformat(one["time_range"]["start"])) / HOUR for one in asked
    ]
    # To the end of the day and halved until it fits: 6, 4, 3, 5 and 6 hours, then the second day.
    assert hours == [24, 12, 6, 18, 9, 4, 14, 7, 3, 11, 5, 6, 24]
    assert asked[0] | {"time_range": None} == {
        "metrics": ["tokens_prompt", "cached_tokens", "tokens_completion", "reasoning_tokens", "request_count"],
        "dimensions": ["model", "provider"],
        "granularity": "hour",
        "time_range": None,
        "limit": 10_000,
    }


async def test_openrouter_is_read_by_days_wherever_a_window_begins() -> None:
    asked = list[tuple[str, str]]()
    async with peer.running(peer.always(stated(result()))) as server, client(server) as way:
        await walked(MAKERS["openrouter"](way), openrouter.ANALYTICS, Window(STARTS + 8 * HOUR, STARTS + 2 * DAY + 4 * HOUR))
        asked += [(span["start"], span["end"]) for span in (json.loads(request.body)["time_range"] for request in server.requests)]
    days = ["2026-11-01T08:00:00Z", "2026-11-02T00:00:00Z", "2026-11-03T00:00:00Z", "2026-11-03T04:00:00Z"]
    assert asked == list(itertools.pairwise(days))


async def test_openrouter_that_cuts_a_single_hour_is_a_named_fault() -> None:
    async with peer.running(peer.always(stated(result(truncated=True)))) as server, client(server) as way:
        with pytest.raises(types.AnswerIncomplete):
            await walked(MAKERS["openrouter"](way), openrouter.ANALYTICS, WEEK)
    assert len(server.requests) == 5  # 24, 12, 6, 3 hours and one


async def test_openrouter_that_cuts_the_only_hour_is_asked_once() -> None:
    async with peer.running(peer.always(stated(result(truncated=True)))) as server, client(server) as way:
        with pytest.raises(types.AnswerIncomplete):
            await walked(MAKERS["openrouter"](way), openrouter.ANALYTICS, Window(STARTS, STARTS + HOUR))
    assert len(server.requests) == 1


async def test_openrouter_by_the_day_asks_for_each_day() -> None:
    async with peer.running(peer.always(stated({"data": []}))) as server, client(server) as way:
        buckets = await walked(MAKERS["openrouter"](way), openrouter.ACTIVITY, Window(STARTS, STARTS + 3 * DAY))
    assert len(buckets) == 3
    assert [request.target for request in server.requests] == [f"/api/v1/activity?date=2026-11-0{day}" for day in (1, 2, 3)]


STATUSES: list[tuple[int, type[types.ProviderFault]]] = [
    (400, types.RequestRefused),
    (401, types.KeyRefused),
    (403, types.KeyInsufficient),
    (404, types.StreamRefused),
    (408, types.ProviderUnavailable),
    (418, types.RequestRefused),
    (429, types.ProviderLimited),
    (500, types.ProviderUnavailable),
    (503, types.ProviderUnavailable),
    (304, types.AnswerUnreadable),
]


@EVERY
@pytest.mark.parametrize("status, fault", STATUSES)
async def test_a_status_is_a_fault_with_a_name(make: Make, status: int, fault: type[types.ProviderFault]) -> None:
    body = json.dumps({"error": {"message": f"bad key {SECRET}"}}).encode()
    async with peer.running(peer.always(peer.answer(status, body))) as server, client(server) as way:
        connector = make(way)
        stream = next(one for one in connector.streams if one.name != "analytics")  # which has a way round, tested by itself
        with pytest.raises(types.ProviderFault) as caught:
            await connector.poll(KEY, stream=stream, window=WEEK)
    assert type(caught.value) is fault
    assert SECRET not in str(caught.value)


@EVERY
@pytest.mark.parametrize("status", [429, 503])
async def test_the_wait_that_a_provider_asks_for_reaches_the_runner_of_jobs(make: Make, status: int) -> None:
    async with peer.running(peer.always(peer.answer(status, retry_after="120"))) as server, client(server) as way:
        connector = make(way)
        with pytest.raises(types.ProviderFault) as caught:
            await connector.poll(KEY, stream=connector.streams[0], window=WEEK)
    failure = failures.describe(caught.value)
    assert (failure.outcome, failure.retry_after_s) == (retry.Outcome.TRANSIENT, 120.0)


@EVERY
@pytest.mark.parametrize("status, answered", [(500, True), (502, True), (504, True), (503, False), (408, False)])
async def test_a_failure_of_one_address_is_told_from_one_of_the_whole_provider(make: Make, status: int, answered: bool) -> None:
    async with peer.running(peer.always(peer.answer(status))) as server, client(server) as way:
        connector = make(way)
        with pytest.raises(types.ProviderUnavailable) as caught:
            await connector.poll(KEY, stream=connector.streams[0], window=WEEK)
    assert caught.value.answered is answered


async def test_a_short_wait_is_waited_at_once() -> None:
    answers = (peer.answer(429, retry_after="1"), stated({"data": [], "has_more": False, "next_page": None}))
    async with peer.running(peer.in_turn(*answers)) as server, client(server, policy=retry.HTTP_POLICY) as way:
        connector = MAKERS["openai"](way)
        page = connector.normalise(await connector.poll(KEY, stream=connector.streams[0], window=WEEK))
    assert page.buckets == ()
    assert len(server.requests) == 2


WRONG_KEYS = [("openai", "sk-proj-0123456789"), ("openai", "sk-svcacct-0123456789"), ("anthropic", "sk-ant-api03-0123456789")]


@pytest.mark.parametrize("provider, key", WRONG_KEYS)
async def test_a_key_for_calls_is_told_from_a_wrong_one(provider: str, key: str) -> None:
    async with peer.running(peer.always(peer.answer(401))) as server, client(server) as way:
        with pytest.raises(types.KeyInsufficient, match="admin key"):
            await MAKERS[provider](way).validate(SecretText(key), now=NOW)


LIES: list[tuple[str, bytes, type[types.ProviderFault]]] = [
    (
        "a page for people",
        peer.answer(body=b"<html>502 Bad Gateway</html>", content_type="text/html; charset=utf-8"),
        types.AnswerUnreadable,
    ),
    ("a page that says it is JSON", peer.answer(body=b"<html>502 Bad Gateway</html>"), types.AnswerUnreadable),
    ("less than announced", peer.answer(body=b'{"data": []', content_length="5000"), types.AnswerUnreadable),
    ("cut by its length", peer.answer(body=json.dumps(hours_page(0, 5, None)).encode(), content_length="100"), types.AnswerUnreadable),
    ("too large", peer.answer(body=b"[" + b"1," * 150_000 + b"1]"), types.AnswerUnreadable),
    ("too large by its own word", peer.answer(content_length="99999999999"), types.AnswerUnreadable),
    ("no HTTP", b"SSH-2.0-OpenSSH_9.6\r\n\r\n", types.AnswerUnreadable),
    ("nothing", b"", types.ProviderUnavailable),
]


@EVERY
@pytest.mark.parametrize("raw, fault", [pytest.param(raw, fault, id=why) for why, raw, fault in LIES])
async def test_an_answer_that_is_none_is_a_fault_with_a_name(make: Make, raw: bytes, fault: type[types.ProviderFault]) -> None:
    async with peer.running(peer.always(raw, hang_up=True)) as server, client(server) as way:
        connector = make(way)
        with pytest.raises(fault):
            connector.normalise(await connector.poll(KEY, stream=connector.streams[0], window=Window(STARTS, STARTS + DAY)))


@EVERY
async def test_a_provider_that_does_not_answer_in_time_is_unavailable(make: Make) -> None:
    async def stall(request: peer.Request, writer: asyncio.StreamWriter) -> None:
        del request
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{")
        await writer.drain()
        await writer.wait_closed()

    async with peer.running(stall) as server, client(server, limits=HASTY) as way:
        connector = make(way)
        with pytest.raises(types.ProviderUnavailable):
            await connector.poll(KEY, stream=connector.streams[0], window=WEEK)


@EVERY
async def test_a_provider_that_is_away_is_unavailable(make: Make) -> None:
    async with peer.running(peer.always(b"")) as server:
        pass
    async with client(server) as way:
        connector = make(way)
        with pytest.raises(types.ProviderUnavailable):
            await connector.validate(KEY, now=NOW)


@EVERY
async def test_a_key_is_in_no_fault_and_no_log(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    for raw in (*(peer.answer(status, body=SECRET.encode()) for status, _ in STATUSES), *(raw for _, raw, _ in LIES)):
        async with peer.running(peer.always(raw, hang_up=True)) as server, client(server) as way:
            with pytest.raises(types.ProviderFault) as caught:
                await make(way).validate(KEY, now=NOW)
        cause: BaseException | None = caught.value
        while cause is not None:
            told.append(f"{cause!r} {cause} {vars(cause)}")
            cause = cause.__cause__ or cause.__context__
    assert told
    assert not [text for text in (*told, caplog.text) if SECRET in text]


@EVERY
@pytest.mark.parametrize("key", ["", "sk-admin-\r\nx: y", "sk admin", "sk-ädmin", "k" * 1025])
async def test_what_can_not_be_a_key_is_never_sent(make: Make, key: str) -> None:
    async with peer.running(peer.always(peer.answer())) as server, client(server) as way:
        with pytest.raises(types.KeyRefused):
            await make(way).validate(SecretText(key), now=NOW)
    assert server.requests == []


@EVERY
async def test_a_window_that_cuts_a_bucket_is_not_asked_for(make: Make) -> None:
    async with peer.running(peer.always(peer.answer())) as server, client(server) as way:
        connector = make(way)
        with pytest.raises(ValueError, match="cuts a bucket"):
            await connector.poll(KEY, stream=connector.streams[0], window=Window(STARTS, NOW))
    assert server.requests == []


async def test_a_good_key_is_described() -> None:
    async with peer.running(peer.always(stated(hours_page(0, 0, None)))) as server, client(server) as way:
        check = await MAKERS["openai"](way).validate(KEY, now=NOW)
    assert check.description.startswith("Admin key of an OpenAI organization")
    assert check.streams == tuple(stream.name for stream in MAKERS["openai"](way).streams)
    assert ("start_time", "1795258800") in query(server.requests[0])  # 2026-11-21T11:00:00Z, the last whole hour


def openrouter_peer(*, is_management: bool = True, analytics: int = 200) -> peer.Script:
    """OpenRouter's two answers that matter to a new key."""

    async def script(request: peer.Request, writer: asyncio.StreamWriter) -> None:
        if request.target == "/api/v1/key":
            writer.write(stated({"data": {"label": "sk-or-v1-au7...890", "is_management_key": is_management}}))
        else:
            body: dict[str, Any] = result() if analytics == 200 else {"error": {"code": analytics, "message": "no"}}
            writer.write(peer.answer(analytics, json.dumps(body).encode()))

    return script


async def test_a_key_of_openrouter_for_calls_is_refused() -> None:
    async with peer.running(openrouter_peer(is_management=False)) as server, client(server) as way:
        with pytest.raises(types.KeyInsufficient, match="management key"):
            await MAKERS["openrouter"](way).validate(KEY, now=NOW)


@pytest.mark.parametrize("status, streams", [(200, ("analytics", "spend")), (403, ("activity", "spend")), (404, ("activity", "spend"))])
async def test_openrouter_is_read_by_the_day_where_analytics_is_refused(status: int, streams: tuple[str, ...]) -> None:
    async with peer.running(openrouter_peer(analytics=status)) as server, client(server) as way:
        assert (await MAKERS["openrouter"](way).validate(KEY, now=NOW)).streams == streams


@pytest.mark.parametrize("status", [403, 404])
async def test_analytics_that_is_refused_later_says_so(status: int) -> None:
    async with peer.running(openrouter_peer(analytics=status)) as server, client(server) as way:
        with pytest.raises(types.StreamRefused):
            await MAKERS["openrouter"](way).poll(KEY, stream=openrouter.ANALYTICS, window=WEEK)


@pytest.mark.parametrize("cursor", ["2026-10-31T00:00:00Z", "2026-11-08T00:00:00Z", "2026-11-01T00:30:00Z", "page_2"])
async def test_a_cursor_never_leaves_its_window(cursor: str) -> None:
    async with peer.running(openrouter_peer()) as server, client(server) as way:
        with pytest.raises(ValueError, match="not of this window"):
            await MAKERS["openrouter"](way).poll(KEY, stream=openrouter.ANALYTICS, window=WEEK, cursor=cursor)
    assert server.requests == []
