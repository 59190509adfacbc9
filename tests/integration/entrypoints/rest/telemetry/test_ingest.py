"""Sending events over HTTP: what is taken, what is said of each item, and what hostile bodies get."""

from __future__ import annotations

import gzip
from decimal import Decimal
from typing import Any

import httpx2
import orjson
import pytest

from carbonledger.kernel.usage import COUNT_MAX
from tests.integration.entrypoints.rest.identity.conftest import KEY, Installation

PATH = "/v1/telemetry/events"
TOKENS = {"uncached_input": 1000, "cached_input": 0, "cache_creation_5m": 0, "cache_creation_1h": 0, "output": 500}


def item(key: str = "k", **more: Any) -> dict[str, Any]:
    event = {"idempotency_key": key, "occurred_at": "2026-11-01T09:00:00Z", "provider": "openai", "model": "gpt-4o", "tokens": TOKENS}
    return {name: value for name, value in {**event, **more}.items() if value is not ...}


def metered(key: str = "m", **more: Any) -> dict[str, Any]:
    return item(key, provider=..., model=..., tokens=..., **{"event": "pages", "quantity": "3.5", **more})


@pytest.fixture
def client(ledger: Installation) -> httpx2.AsyncClient:
    return ledger.client(KEY)


async def send(client: httpx2.AsyncClient, *items: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await client.post(PATH, json={"events": list(items)})
    assert answer.status_code == 202, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    assert [result["index"] for result in results] == list(range(len(items)))
    return results


async def test_one_event_and_a_batch_are_taken_and_counted_once(client: httpx2.AsyncClient) -> None:
    one = await client.post(PATH, json=item("a"))
    assert (one.status_code, one.json()["accepted"], one.json()["results"][0]["status"]) == (202, 1, "accepted")
    many = await client.post(PATH, json={"events": [item("a"), item("b"), metered(), item("a", requests=2)]})
    assert many.json() | {"results": ...} == {"accepted": 2, "duplicate": 1, "revised": 1, "rejected": 0, "results": ...}
    assert many.json()["results"][0]["id"] == one.json()["results"][0]["id"]


_COUNTED = """
SELECT e.idempotency_key, s.provider, s.model, s.is_batch, s.service_tier, e.uncached_input, e.output, e.requests, e.reported_cost
FROM telemetry_events e JOIN telemetry_series s ON s.organization_id = e.organization_id AND s.id = e.series_id
WHERE e.organization_id = $1 ORDER BY e.idempotency_key
"""


async def counted(ledger: Installation) -> list[tuple[Any, ...]]:
    async with ledger.services.database.transaction(ledger.house_id) as uow:
        return [tuple(row) for row in await uow.conn.fetch(_COUNTED, ledger.house_id)]


async def test_what_an_advisor_used_is_an_event_of_its_own_model(ledger: Installation, client: httpx2.AsyncClient) -> None:
    steps = [
        {"type": "message", "input_tokens": 1128, "output_tokens": 110},
        {"type": "advisor_message", "model": "claude-opus-4-8", "input_tokens": 2518, "output_tokens": 22},
        {"type": "advisor_message", "model": "claude-opus-4-8", "input_tokens": 100, "output_tokens": 1},
        {"type": "message", "input_tokens": 1262, "output_tokens": 11},
    ]
    told = {"input_tokens": 2390, "output_tokens": 121, "service_tier": "batch", "iterations": steps}
    sent = item("u", provider="anthropic", model="claude-haiku-4-5", tokens=..., usage=told)
    for status in ("accepted", "duplicate"):
        answer = (await client.post(PATH, json={"events": [item("before"), sent, item("after")]})).json()
        assert [answer[name] for name in ("accepted", "duplicate")] == ([3, 0] if status == "accepted" else [0, 3])
        assert [(result["index"], result["status"]) for result in answer["results"]] == [(place, status) for place in range(3)]
        [other] = answer["results"][1]["others"]
        assert (other["status"], other["id"] != answer["results"][1]["id"]) == (status, True)
    assert await counted(ledger) == [
        ("after", "openai", "gpt-4o", False, None, 1000, 500, 1, None),
        ("before", "openai", "gpt-4o", False, None, 1000, 500, 1, None),
        ("u", "anthropic", "claude-haiku-4-5", True, "batch", 2390, 121, 1, None),
        ("u beside claude-opus-4-8", "anthropic", "claude-opus-4-8", True, "batch", 2618, 23, 2, None),
    ]


async def test_what_openrouter_says_it_cost_is_kept_to_the_digit(ledger: Installation, client: httpx2.AsyncClient) -> None:
    body = b"""{"idempotency_key": "r", "occurred_at": "2026-11-01T09:00:00Z", "provider": "openrouter", "model": "openai/gpt-4o",
        "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12, "cost": 0.000045123}}"""
    assert (await client.post(PATH, content=body, headers={"content-type": "application/json"})).json()["accepted"] == 1
    assert await counted(ledger) == [("r", "openrouter", "openai/gpt-4o", False, None, 10, 2, 1, Decimal("0.000045123"))]


async def test_a_usage_that_is_no_object_is_rejected_by_itself(client: httpx2.AsyncClient) -> None:
    results = await send(
        client, item("a"), item("u", tokens=..., usage=[1]), item("v", tokens=..., usage={"prompt_tokens": 1, "steps": []})
    )
    assert [result.get("code") for result in results] == [None, "item_unreadable", None]


async def test_a_usage_object_of_the_provider_is_read_as_the_provider_means_it(ledger: Installation, client: httpx2.AsyncClient) -> None:
    told = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500, "prompt_tokens_details": {"cached_tokens": 400}}
    [result] = await send(client, item("u", tokens=..., usage=told))
    assert result["status"] == "accepted"
    async with ledger.services.database.transaction(ledger.house_id) as uow:
        row = await uow.conn.fetchrow(
            "SELECT uncached_input, cached_input, output FROM telemetry_events WHERE organization_id = $1", ledger.house_id
        )
    assert row is not None
    assert tuple(row) == (600, 400, 500), "OpenAI's prompt tokens hold the cached ones"


REJECTED: list[tuple[str, dict[str, Any], str]] = [
    ("negative", item(tokens={**TOKENS, "output": -1}), "count_invalid"),
    ("enormous", item(tokens={**TOKENS, "output": COUNT_MAX + 1}), "count_invalid"),
    ("beyond 64 bits", item(tokens={**TOKENS, "output": 10**30}), "count_invalid"),
    ("a float", item(tokens={**TOKENS, "output": 1.5}), "item_unreadable"),
    ("a string", item(tokens={**TOKENS, "output": "1"}), "item_unreadable"),
    ("a bool", item(tokens={**TOKENS, "output": True}), "item_unreadable"),
    ("a part above its whole", item(tokens={**TOKENS, "reasoning": 501}), "parts_exceed_whole"),
    ("an unknown bucket", item(tokens={**TOKENS, "input": 1}), "item_unreadable"),
    ("an unknown member", item(price=1), "item_unreadable"),
    ("1970", item(occurred_at="1970-01-01T00:00:00Z"), "occurred_at_out_of_range"),
    ("2100", item(occurred_at="2100-01-01T00:00:00Z"), "occurred_at_out_of_range"),
    ("before the year 1 in UTC", item(occurred_at="0001-01-01T00:00:00+14:00"), "occurred_at_out_of_range"),
    ("after the year 9999 in UTC", metered(occurred_at="9999-12-31T23:59:59-14:00"), "occurred_at_out_of_range"),
    ("a time without offset", item(occurred_at="2026-11-01T09:00:00"), "item_unreadable"),
    ("no time", item(occurred_at=...), "item_unreadable"),
    ("no model", item(model=...), "item_kind_unclear"),
    ("a null model", item(model=None), "item_kind_unclear"),
    ("an empty model", item(model=""), "model_invalid"),
    ("a shouted provider", item(provider="OpenAI"), "provider_invalid"),
    ("both kinds", item(event="pages", quantity="1"), "item_kind_unclear"),
    ("tokens and usage", item(usage={"prompt_tokens": 1}), "tokens_unclear"),
    ("neither tokens nor usage", item(tokens=...), "tokens_unclear"),
    ("a usage that contradicts itself", item(tokens=..., usage={"prompt_tokens": -5, "completion_tokens": 1}), "count_invalid"),
    ("an empty key", item(""), "idempotency_key_invalid"),
    ("a long key", item("k" * 201), "idempotency_key_invalid"),
    ("a key with a line break", item("k\n"), "idempotency_key_invalid"),
    ("a NUL in the model", item(model="gpt\0"), "model_invalid"),
    ("a foreign project", item(project_id="01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d11"), "project_unknown"),
    ("a project that is no id", item(project_id="search"), "item_unreadable"),
    ("large properties", item(properties={"x": "y" * 4096}), "properties_too_large"),
    ("deep properties", item(properties={"x": [[[[[[[[[1]]]]]]]]]}), "properties_too_large"),
    ("a NUL in properties", item(properties={"x": "\0"}), "properties_too_large"),
    ("an infinite quantity", metered(quantity="Infinity"), "number_unreadable"),
    ("a negative quantity", metered(quantity="-1"), "quantity_invalid"),
    ("a quantity as a number", metered(quantity=3), "item_unreadable"),
    ("a metered batch", metered(batch=True), "item_kind_unclear"),
    ("a cost in no currency", item(reported_cost={"amount": "1", "currency": "XYZW"}), "reported_cost_invalid"),
    ("a negative cost", item(reported_cost={"amount": "-1", "currency": "USD"}), "reported_cost_invalid"),
    ("not an object", ["a"], "item_unreadable"),  # type: ignore[list-item]  # that is the case
]


async def test_bad_items_are_rejected_by_name_between_good_ones(client: httpx2.AsyncClient) -> None:
    sent = [one for number, (_, bad, _) in enumerate(REJECTED) for one in (bad, item(f"good-{number}"))]
    results = await send(client, *sent)
    told = {name: result.get("code") for (name, _, _), result in zip(REJECTED, results[::2], strict=True)}
    assert told == {name: code for name, _, code in REJECTED}
    assert all(result["detail"] for result in results[::2])
    assert {result["status"] for result in results[1::2]} == {"accepted"}


BODIES = [
    ("empty", b"", 400, "events_unreadable"),
    ("array", b"[]", 400, "events_unreadable"),
    ("null", b"null", 400, "events_unreadable"),
    ("object", b'{"events": {}}', 400, "events_unreadable"),
    ("half", b'{"events": [1, 2', 400, "events_unreadable"),
    ("more", b'{"events": [], "more": 1}', 400, "events_unreadable"),
    ("bytes", b"\xff\xfe", 400, "events_unreadable"),
    ("deep", b'{"a":' * 100_000, 400, "events_unreadable"),
    ("deeper", b"[" * 1_000_000, 400, "events_unreadable"),
    ("more beside NaN", b'{"events": [NaN], "more": 1}', 400, "events_unreadable"),
    ("no JSON beside NaN", b'{"events": [NaN, {"a":}]}', 400, "events_unreadable"),
    ("too many with NaN", b'{"events": [' + b"0," * 10_000 + b"NaN]}", 413, "batch_too_large"),
    ("too many", orjson.dumps({"events": [0] * 10_001}), 413, "batch_too_large"),
]


async def test_a_body_that_holds_no_events_is_refused_whole(client: httpx2.AsyncClient) -> None:
    told = {}
    for name, body, _, _ in BODIES:
        answer = await client.post(PATH, content=body, headers={"content-type": "application/json"})
        told[name] = (answer.status_code, answer.json()["code"])
    assert told == {name: (status, code) for name, _, status, code in BODIES}


async def test_no_events_are_no_fault(client: httpx2.AsyncClient) -> None:
    assert await send(client) == []


@pytest.mark.parametrize("text", ['"\\ud800"', '"\\u0000"', "NaN", "-Infinity"], ids=["lone surrogate", "NUL", "NaN", "infinity"])
async def test_what_is_no_storable_json_rejects_its_item_alone(client: httpx2.AsyncClient, text: str) -> None:
    raw = orjson.dumps({"events": [item("x", properties={"note": "PLACE"}), item("y")]}).replace(b'"PLACE"', text.encode())
    answer = await client.post(PATH, content=raw, headers={"content-type": "application/json"})
    assert [result["status"] for result in answer.json()["results"]] == ["rejected", "accepted"], answer.text


async def test_items_that_can_not_be_decoded_in_one_piece_sink_no_batch(client: httpx2.AsyncClient) -> None:
    """Each was enough, alone or with another, to refuse the batch."""
    places = {"DEEP": b'{"a":' * 3_000 + b"1" + b"}" * 3_000, "NAN": b"NaN", "HALF": b'"\\ud800"', "BYTES": b'"\xff"'}
    sent = [one for place in places for one in (item(place, properties={"note": place}), item(f"good-{place}"))]
    raw = orjson.dumps({"events": [*sent, item("DIGITS", requests=7)]}).replace(b'"requests":7', b'"requests":' + b"9" * 5_000)
    for place, text in places.items():
        raw = raw.replace(b'{"note":"' + place.encode() + b'"}', b'{"note":' + text + b"}")
    answer = await client.post(PATH, content=raw, headers={"content-type": "application/json"})
    assert answer.status_code == 202, answer.text
    told = answer.json()
    assert (told["accepted"], told["rejected"]) == (4, 5)
    assert [result["status"] for result in told["results"]] == ["rejected", "accepted"] * 4 + ["rejected"]
    assert {result["code"] for result in told["results"][::2]} == {"item_unreadable"}
    assert "nested too deeply" in told["results"][0]["detail"]


async def test_a_single_event_that_is_too_deep_is_rejected_by_itself(client: httpx2.AsyncClient) -> None:
    raw = orjson.dumps(item(properties={"note": "DEEP"})).replace(b'"DEEP"', b"[" * 3_000 + b"]" * 3_000)
    answer = await client.post(PATH, content=raw, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["rejected"]) == (202, 1), answer.text


async def test_a_batch_may_be_compressed_and_is_bounded_after_inflation(client: httpx2.AsyncClient) -> None:
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    many = [item(f"k{number}") for number in range(10_000)]
    answer = await client.post(PATH, content=gzip.compress(orjson.dumps({"events": many})), headers=headers)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 10_000)
    bomb = await client.post(PATH, content=gzip.compress(b" " * (40 * 2**20)), headers=headers)
    assert (bomb.status_code, bomb.json()["code"]) == (413, "body_too_large")


async def test_an_idempotency_key_replays_the_results(client: httpx2.AsyncClient) -> None:
    sent = {"events": [item("a")]}
    first = await client.post(PATH, json=sent, headers={"idempotency-key": "once"})
    again = await client.post(PATH, json=sent, headers={"idempotency-key": "once"})
    assert first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"


async def test_a_key_without_the_scope_sends_nothing(ledger: Installation, client: httpx2.AsyncClient) -> None:
    made = (await client.post("/v1/api-keys", json={"label": "reader", "scopes": ["organization:read"]})).json()
    answer = await ledger.client(made["secret"]).post(PATH, json=item())
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
