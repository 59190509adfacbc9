"""OpenTelemetry over HTTP, from the SDK's own exporter's bytes to the ledger: counted once, and nothing of what was said is kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from carbonledger.entrypoints.rest import telemetry_items, telemetry_sent
from tests import conftest, logged
from tests.integration.entrypoints.rest.identity.conftest import KEY, Installation

PATH = "/v1/otlp/v1/traces"
PROTOBUF = {"content-type": "application/x-protobuf"}
SECRETS = ("the patient has a rare disease", "book me a flight to Oslo", "you are a careful pirate", "the weather is mild")
CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.cache_read.input_tokens": 400,
    "gen_ai.usage.output_tokens": 500,
}
CONTENT = {
    "gen_ai.input.messages": json.dumps([{"role": "user", "content": SECRETS[0]}]),
    "gen_ai.prompt.0.content": SECRETS[0],
    "gen_ai.tool.call.arguments": json.dumps({"wish": SECRETS[1]}),
    "gen_ai.system_instructions": SECRETS[2],
    "gen_ai.output.messages": SECRETS[3],
    "gen_ai.completion.0.content": SECRETS[3],
    "traceloop.entity.input": SECRETS[0],
}


def recorded(*nested: dict[str, Any]) -> Sequence[ReadableSpan]:
    """Spans as the SDK makes them, each inside the one before, with content in attributes and in an event."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")

    def enter(rest: tuple[dict[str, Any], ...]) -> None:
        if rest:
            with tracer.start_as_current_span("call", attributes=rest[0]) as span:
                span.add_event("gen_ai.content.prompt", {"gen_ai.prompt": SECRETS[0]})
                enter(rest[1:])

    enter(nested)
    return exporter.get_finished_spans()


async def events(ledger: Installation) -> list[dict[str, Any]]:
    async with ledger.services.database.transaction(ledger.house_id) as uow:
        query = "SELECT * FROM telemetry_events WHERE organization_id = $1"
        return [dict(row) for row in await uow.conn.fetch(query, ledger.house_id)]


async def test_the_exporters_bytes_become_an_event_once(ledger: Installation) -> None:
    body = encode_spans(recorded(CHAT)).SerializeToString()
    for _ in range(2):
        answer = await ledger.client(KEY).post(PATH, content=body, headers=PROTOBUF)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-protobuf")
        assert not trace_service_pb2.ExportTraceServiceResponse.FromString(answer.content).HasField("partial_success")
    [row] = await events(ledger)
    assert (row["uncached_input"], row["cached_input"], row["output"]) == (600, 400, 500)


async def test_nested_spans_of_one_call_count_once(ledger: Installation) -> None:
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 500}
    body = encode_spans(recorded(agent, CHAT)).SerializeToString()
    await ledger.client(KEY).post(PATH, content=body, headers=PROTOBUF)
    assert len(await events(ledger)) == 1


async def test_a_span_that_can_not_be_usage_is_rejected_in_the_answer(ledger: Installation) -> None:
    bad = {**CHAT, "gen_ai.usage.input_tokens": -1}
    body = encode_spans((*recorded(bad), *recorded(CHAT))).SerializeToString()
    answer = await ledger.client(KEY).post(PATH, content=body, headers=PROTOBUF)
    told = trace_service_pb2.ExportTraceServiceResponse.FromString(answer.content)
    assert told.partial_success.rejected_spans == 1
    assert "count_invalid" in told.partial_success.error_message
    assert len(await events(ledger)) == 1


def as_json(span: dict[str, Any], number: int) -> dict[str, Any]:
    """A call in OTLP's JSON."""
    pairs = [{"key": key, "value": {"intValue" if isinstance(value, int) else "stringValue": value}} for key, value in span.items()]
    return {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": f"{number:016x}",
        "startTimeUnixNano": "1793523600000000000",
        "attributes": pairs,
    }


async def test_what_can_not_be_read_costs_its_own_span_and_content_none(
    ledger: Installation, fresh_database: conftest.TestDatabase
) -> None:
    cut = {**CHAT, "gen_ai.prompt.0.content": f"{SECRETS[0]} \ud83d", "gen_ai.completion.0.content": f"{SECRETS[3]}\0"}
    bad = {**CHAT, "gen_ai.request.model": f"{SECRETS[1]} \ud83d"}
    spans = [as_json(one, number) for number, one in enumerate((CHAT, cut, bad), 1)]
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})
    with logged.said(ledger.services.settings) as lines:
        answer = await ledger.client(KEY).post(PATH, content=body, headers={"content-type": "application/json"})
    why = "text_unstorable: gen_ai.request.model: Text may not hold U+0000 or part of a character."
    assert (answer.status_code, answer.json()) == (200, {"partialSuccess": {"rejectedSpans": "1", "errorMessage": why}})
    assert [(row["uncached_input"], row["cached_input"], row["output"]) for row in await events(ledger)] == [(600, 400, 500)] * 2
    text = await whole_database(fresh_database.superuser)
    for secret in SECRETS:
        assert secret not in text
        assert secret not in repr(lines)


async def test_a_vector_beside_the_counts_is_no_hindrance(ledger: Installation) -> None:
    embedding = {"embedding.embeddings.0.embedding.vector": [0.25] * 1_536}
    body = encode_spans(recorded({**CHAT, **embedding})).SerializeToString()
    answer = await ledger.client(KEY).post(PATH, content=body, headers=PROTOBUF)
    assert (answer.status_code, answer.content) == (200, b"")
    assert len(await events(ledger)) == 1


async def test_nothing_that_was_said_is_in_the_database_nor_in_the_log(ledger: Installation, fresh_database: conftest.TestDatabase) -> None:
    body = encode_spans(recorded({**CHAT, **CONTENT})).SerializeToString()
    with logged.said(ledger.services.settings) as lines:
        answer = await ledger.client(KEY).post(PATH, content=body, headers=PROTOBUF)
    assert answer.status_code == 200
    assert len(await events(ledger)) == 1
    text = await whole_database(fresh_database.superuser)
    assert "gpt-4o" in text, "the search sees what is there"
    assert [line["route"] for line in lines if line["event"] == "request"] == [PATH]
    for secret in SECRETS:
        assert secret not in text
        assert secret not in repr(lines)


async def whole_database(dsn: str) -> str:
    """Every row of every table, as text."""
    conn = await asyncpg.connect(dsn)
    try:
        tables = await conn.fetch(
            "SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        parts = [await conn.fetchval(f"SELECT coalesce(string_agg(t::text, E'\\n'), '') FROM {table['name']} t") for table in tables]
        return "\n".join(parts)
    finally:
        await conn.close()


@pytest.mark.parametrize(
    "body, content_type, status",
    [
        (b"\xff\xff\xff", "application/x-protobuf", 400),
        (b"{", "application/json", 400),
        (b"null", "application/json", 400),
        (b"{}", "text/plain", 415),
        (b'{"resourceSpans": 5}', "application/json", 400),
    ],
    ids=["no protobuf", "half", "null", "text", "shape"],
)
async def test_what_is_no_otlp_is_refused(ledger: Installation, body: bytes, content_type: str, status: int) -> None:
    answer = await ledger.client(KEY).post(PATH, content=body, headers={"content-type": content_type})
    assert answer.status_code == status, answer.text


def test_the_ingest_model_and_its_reader_name_the_same_members() -> None:
    """What the document promises is what the reader takes."""
    assert set(telemetry_sent.EventIn.model_fields) == set(telemetry_items._Item.__struct_fields__)
    assert set(telemetry_sent.TokensIn.model_fields) == set(telemetry_items._Tokens.__struct_fields__)
