"""What spans carry besides counts and names decides nothing, and a name or count that can't be read costs its own span alone."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from carbonledger.domains.telemetry.service import reading
from carbonledger.domains.telemetry.types import Draft, NotUsage, Rejection, Skip, SpanOutcome
from carbonledger.entrypoints.rest import otlp_wire

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
TRACE = "5b8efff798038103d269b633813fc60c"
STARTED_NS = 1_793_523_600_000_000_000
SAYS: dict[str, str | int] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 10,
    "gen_ai.usage.output_tokens": 5,
}
INPUT = "gen_ai.usage.input_tokens"
MODEL = "gen_ai.request.model"
AGENT = "gen_ai.agent.name"
ACCOUNT = "carbonledger.account"
PROMPT = "gen_ai.prompt.0.content"
VECTOR = "embedding.embeddings.0.embedding.vector"
CUT = "cut \ud83d"  # the first half of an emoji
DIGITS = "5,000 digits"  # stands for them: Python writes no integer of more than 4,300
MANY = 1_536  # dimensions of a usual embedding


def from_json(*laid_over: dict[str, Any], resource: dict[str, Any] | None = None) -> list[SpanOutcome]:
    """What becomes of calls, each with attributes laid over what it says, whose values are OTLP's JSON."""
    spans = []
    for number, over in enumerate(laid_over, 1):
        said = {key: {"stringValue": value} if isinstance(value, str) else {"intValue": str(value)} for key, value in SAYS.items()}
        pairs = [{"key": key, "value": value} for key, value in (said | over).items()]
        spans.append({"traceId": TRACE, "spanId": f"{number:016x}", "startTimeUnixNano": str(STARTED_NS), "attributes": pairs})
    kept = [{"key": key, "value": value} for key, value in (resource or {}).items()]
    body = json.dumps({"resourceSpans": [{"resource": {"attributes": kept}, "scopeSpans": [{"spans": spans}]}]})
    return list(reading.spans(otlp_wire.decode(body.replace(json.dumps(DIGITS), "9" * 5_000).encode(), JSON)))


def from_protobuf(*laid_over: dict[str, bytes]) -> list[SpanOutcome]:
    """The same of protobuf, where the values laid over are the wire's own bytes: no library writes text that is not UTF-8."""
    spans = []
    for number, over in enumerate(laid_over, 1):
        span = trace_pb2.Span(trace_id=bytes.fromhex(TRACE), span_id=number.to_bytes(8, "big"), start_time_unix_nano=STARTED_NS)
        for key, value in SAYS.items():
            made = common_pb2.AnyValue(string_value=value) if isinstance(value, str) else common_pb2.AnyValue(int_value=value)
            span.attributes.add(key=key, value=made)
        spans.append(span.SerializeToString() + b"".join(field(9, field(1, key.encode()) + field(2, raw)) for key, raw in over.items()))
    scope = b"".join(field(2, span) for span in spans)
    return list(reading.spans(otlp_wire.decode(field(1, field(2, scope)), PROTOBUF)))


def field(number: int, raw: bytes) -> bytes:
    """A field of bytes, text or a message, as protobuf writes it."""
    length, rest = bytearray(), len(raw)
    while rest > 127:
        length.append(rest & 127 | 128)
        rest >>= 7
    return bytes([number << 3 | 2, *length, rest]) + raw


def told(outcomes: list[SpanOutcome]) -> list[str | int | None]:
    """The input tokens of what is booked, and why anything else is not."""
    return [
        one.code if isinstance(one, Rejection) else one.reason.name if isinstance(one, NotUsage) else one.usage.tokens.uncached_input
        for one in outcomes
    ]


CONTENT_JSON: dict[str, dict[str, Any]] = {
    "half an emoji": {PROMPT: {"stringValue": CUT}},
    "NUL": {PROMPT: {"stringValue": "a\0b"}},
    "half an emoji in a name": {CUT: {"stringValue": "a"}},
    "no integer": {"x": {"intValue": "1.5"}},
    "an integer of 5,000 digits": {"x": {"doubleValue": DIGITS}},
    "NaN": {"x": {"doubleValue": float("nan")}},
    "no value": {"x": 5},
    "no text": {"x": {"stringValue": ["a"]}},
    "a vector": {VECTOR: {"arrayValue": {"values": [{"doubleValue": 0.1}] * MANY}}},
    "more items than spans may be": {VECTOR: {"arrayValue": {"values": [{"doubleValue": 0.1}] * 20_001}}},
    "more attributes than an SDK keeps": {f"llm.input_messages.{number}.message.content": {"stringValue": "a"} for number in range(5_000)},
}
NESTED = b""
for _ in range(200):  # twice what protobuf builds
    NESTED = field(5, field(1, NESTED))
VECTOR_BYTES = field(5, field(1, common_pb2.AnyValue(double_value=0.1).SerializeToString()) * MANY)
CONTENT_PROTOBUF: dict[str, dict[str, bytes]] = {
    "half an emoji": {PROMPT: field(1, b"cut \xf0\x9f")},
    "NUL": {PROMPT: field(1, b"a\0b")},
    "a vector": {VECTOR: VECTOR_BYTES},
    "deep lists": {"x": NESTED},
    "no value": {"x": b"\xff\xff"},
    "more attributes than an SDK keeps": {f"x.{number}": field(1, b"a") for number in range(5_000)},
}


@pytest.mark.parametrize("case", CONTENT_JSON)
def test_content_of_json_is_passed_over_unjudged(case: str) -> None:
    assert told(from_json(CONTENT_JSON[case], {})) == [10, 10]
    assert told(from_json({}, resource=CONTENT_JSON[case])) == [10]


@pytest.mark.parametrize("case", CONTENT_PROTOBUF)
def test_content_of_protobuf_is_passed_over_unjudged(case: str) -> None:
    assert told(from_protobuf(CONTENT_PROTOBUF[case], {})) == [10, 10]


def test_text_that_is_not_utf_8_is_passed_over_where_it_is_content() -> None:
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "CUT", "attributes": [{"key": "CUT"}]}]}]}]})
    [span] = otlp_wire.decode(body.encode().replace(b"CUT", b"\xf0\x9f"), JSON)
    assert span.attributes == {}


READ_JSON: dict[str, tuple[dict[str, Any], str]] = {
    "a broken integer": ({INPUT: {"intValue": "1.5"}}, "integer_wrong"),
    "an integer beyond 64 bits": ({INPUT: {"intValue": str(2**63)}}, "integer_wrong"),
    "an integer of 5,000 digits": ({INPUT: {"intValue": DIGITS}}, "integer_wrong"),
    "NaN": ({INPUT: {"doubleValue": float("nan")}}, "count_invalid"),
    "a list": ({INPUT: {"arrayValue": {"values": [{"intValue": "10"}]}}}, "type_wrong"),
    "a map": ({MODEL: {"kvlistValue": {}}}, "type_wrong"),
    "bytes": ({MODEL: {"bytesValue": "AA=="}}, "type_wrong"),
    "a number as text": ({MODEL: {"stringValue": 5}}, "type_wrong"),
    "no value": ({MODEL: "gpt-4o"}, "type_wrong"),
    "half an emoji": ({ACCOUNT: {"stringValue": CUT}}, "text_unstorable"),
    "NUL": ({MODEL: {"stringValue": "gpt\0"}}, "text_unstorable"),
    "the operation": ({"gen_ai.operation.name": {"stringValue": CUT}, INPUT: None}, "text_unstorable"),
}
READ_PROTOBUF: dict[str, tuple[dict[str, bytes], str]] = {
    "a list": ({INPUT: VECTOR_BYTES}, "type_wrong"),
    "a map": ({MODEL: field(6, b"")}, "type_wrong"),
    "bytes": ({MODEL: field(7, b"a")}, "type_wrong"),
    "no value": ({INPUT: b"\xff\xff"}, "value_unreadable"),
    "half an emoji": ({ACCOUNT: field(1, b"cut \xf0\x9f")}, "value_unreadable"),
    "NUL": ({MODEL: field(1, b"gpt\0")}, "text_unstorable"),
    "deep lists": ({MODEL: NESTED}, "value_unreadable"),
}


@pytest.mark.parametrize("case", READ_JSON)
def test_what_is_read_and_wrong_in_json_rejects_its_span_alone(case: str) -> None:
    wrong, code = READ_JSON[case]
    outcomes = from_json({}, wrong, {})
    assert told(outcomes) == [10, code, 10]
    assert "\ud83d" not in repr(outcomes)
    assert "gpt\\x00" not in repr(outcomes), "why names the attribute, not what stood in it"


@pytest.mark.parametrize("case", READ_PROTOBUF)
def test_what_is_read_and_wrong_in_protobuf_rejects_its_span_alone(case: str) -> None:
    wrong, code = READ_PROTOBUF[case]
    outcomes = from_protobuf({}, wrong, {})
    assert told(outcomes) == [10, code, 10]
    assert "gpt\\x00" not in repr(outcomes)


def test_what_is_wrong_of_a_resource_rejects_its_calls() -> None:
    [call] = from_json({}, resource={"carbonledger.account": {"stringValue": CUT}})
    assert call == Rejection("text_unstorable", "carbonledger.account: Text may not hold U+0000 or part of a character.")


def test_a_span_that_is_no_call_is_not_rejected_for_what_it_says() -> None:
    agent = {"gen_ai.operation.name": {"stringValue": "invoke_agent"}, AGENT: {"stringValue": CUT}}
    query = {"gen_ai.operation.name": None, INPUT: None, "gen_ai.usage.output_tokens": None, "server.address": {"stringValue": CUT}}
    assert from_json(agent, query) == [NotUsage(Skip.WRAPPER), NotUsage(Skip.NO_USAGE)]


class Asked(dict[str, object]):
    """Attributes that note which of them were asked for."""

    def __init__(self) -> None:
        super().__init__({"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 10, "gen_ai.request.model": "m"})
        self.names: set[str] = set()

    def __contains__(self, name: object) -> bool:
        self.names.add(str(name))
        return super().__contains__(name)

    def get(self, name: str, other: object = None) -> Any:  # noqa: ANN401 - as a dict's own
        self.names.add(name)
        return super().get(name, other)


def test_every_name_that_is_asked_for_is_let_through() -> None:
    """What the reader of a span comes to read is named where the wire leaves attributes out."""
    [span] = otlp_wire.decode(b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": 1}]}]}]}', JSON)
    attributes, resource = Asked(), Asked()
    attributes |= {"gen_ai.provider.name": "openai"}
    asked = dataclasses.replace(span, trace_id=TRACE, span_id="0" * 15 + "1", attributes=attributes, resource=resource)
    [outcome] = reading.spans([asked])
    assert isinstance(outcome, Draft)
    assert {"gen_ai.operation.name", "server.address", "carbonledger.account"} < attributes.names, "it was asked"
    assert attributes.names <= reading.SPAN_ATTRIBUTES
    assert {"service.name"} < resource.names <= reading.RESOURCE_ATTRIBUTES
