"""OTLP's messages: what the OpenTelemetry SDK sends is read back span for span, in protobuf and in JSON, within bounds."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from carbonledger.domains.telemetry.core import spans as reader
from carbonledger.domains.telemetry.types import Draft, NotUsage, Skip, Span, SpanKind, SpanStatus
from carbonledger.entrypoints.rest import otlp_wire
from carbonledger.kernel import errors

PROTOBUF = "application/x-protobuf"
JSON = "application/json; charset=utf-8"
PASSED_OVER = {
    "gen_ai.input.messages",
    "gen_ai.response.finish_reasons",
    "gen_ai.request.temperature",
    "gen_ai.request.stream",
    "gen_ai.tool.name",
}
STARTED_NS = 1_763_640_000_123_456_789
STARTED = datetime(2025, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)


def recorded() -> tuple[ReadableSpan, ...]:
    """An agent of two steps as instrumentations write it: framework and client spans around each call, and a tool."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "shop", "carbonledger.account": "acme"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("some.instrumentation", "1.0")
    clock = iter(range(STARTED_NS, STARTED_NS + 10**9, 10**6))

    def begun(name: str, above: trace.Span | None, kind: trace.SpanKind = trace.SpanKind.INTERNAL, **says: Any) -> trace.Span:
        context = None if above is None else trace.set_span_in_context(above)
        attributes = {f"gen_ai.{key.replace('__', '.')}": value for key, value in says.items()}
        return tracer.start_span(name, context, kind, attributes, start_time=next(clock))

    root = begun(
        "invoke_agent Math", None, operation__name="invoke_agent", usage__input_tokens=42, usage__output_tokens=8, agent__name="Math"
    )
    for count in (12, 30):
        says: dict[str, Any] = {
            "operation__name": "chat",
            "request__model": "gpt-4.1",
            "usage__input_tokens": count,
            "usage__output_tokens": 4,
        }
        outer = begun("chat", root, system="langchain", **says)
        inner = begun(
            "chat gpt-4.1",
            outer,
            trace.SpanKind.CLIENT,
            provider__name="openai",
            response__model="gpt-4.1-2025-04-14",
            input__messages="What is 6 times 7?",
            response__finish_reasons=("stop",),
            request__temperature=0.5,
            request__stream=True,
            **says,
        )
        inner.add_event("gen_ai.content.prompt", {"gen_ai.prompt": "What is 6 times 7?"})
        inner.end(next(clock))
        outer.end(next(clock))
    tool = begun("execute_tool calc", root, operation__name="execute_tool", tool__name="calc")
    tool.set_status(trace.StatusCode.ERROR, "no")
    tool.end(next(clock))
    root.end(next(clock))
    return exporter.get_finished_spans()


RECORDED = recorded()
REQUEST = encode_spans(RECORDED)


def as_json(request: trace_service_pb2.ExportTraceServiceRequest) -> bytes:
    """OTLP's JSON: protobuf's own, but ids in hex."""
    document = json_format.MessageToDict(request, use_integers_for_enums=True)
    for group in document["resourceSpans"]:
        for scope in group["scopeSpans"]:
            for span in scope["spans"]:
                span |= {key: base64.b64decode(span[key]).hex() for key in ("traceId", "spanId", "parentSpanId") if key in span}
    return json.dumps(document).encode()


def decoded(media_type: str) -> list[Span]:
    body = REQUEST.SerializeToString() if media_type == PROTOBUF else as_json(REQUEST)
    return otlp_wire.decode(body, media_type)


@pytest.mark.parametrize("media_type", [PROTOBUF, JSON])
def test_what_the_sdk_sends_is_read_back(media_type: str) -> None:
    found = {span.span_id: span for span in decoded(media_type)}
    assert len(found) == len(RECORDED) == 6
    for sent in RECORDED:
        span = found[f"{sent.context.span_id:016x}"]
        assert span.trace_id == f"{sent.context.trace_id:032x}"
        assert span.parent_span_id == (None if sent.parent is None else f"{sent.parent.span_id:016x}")
        assert span.name == sent.name
        assert span.kind.name == sent.kind.name
        assert span.status.name == sent.status.status_code.name
        assert sent.attributes is not None
        assert span.attributes == {key: value for key, value in sent.attributes.items() if key not in PASSED_OVER}
        assert span.resource == {"service.name": "shop", "carbonledger.account": "acme"}  # and not the SDK's own name and version
    first = next(span for span in found.values() if span.parent_span_id is None)
    assert first.started_at == STARTED  # to the microsecond
    assert first.ended_at is not None
    assert first.ended_at - STARTED == timedelta(milliseconds=11)


def test_both_encodings_give_the_same_spans() -> None:
    assert decoded(PROTOBUF) == decoded(JSON)


@pytest.mark.parametrize("media_type", [PROTOBUF, JSON])
def test_the_calls_of_a_recorded_agent_are_counted_once(media_type: str) -> None:
    """12 + 30 in and 4 + 4 out, as the agent's own span says of both; each call has a framework's span around it."""
    outcomes = reader.read_spans(decoded(media_type))
    drafts = [one for one in outcomes if isinstance(one, Draft)]
    assert sorted(one.usage.tokens.uncached_input or 0 for one in drafts) == [12, 30]
    assert [one.usage.tokens.output for one in drafts] == [4, 4]
    assert {(one.usage.provider, one.usage.model, one.account) for one in drafts} == {("openai", "gpt-4.1-2025-04-14", "acme")}
    assert sum(one == NotUsage(Skip.WRAPPER) for one in outcomes) == 2  # the agent and the tool
    assert sum(one == NotUsage(Skip.REPEATED) for one in outcomes) == 2  # the framework's, though it names no provider
    assert "What is 6" not in repr(outcomes)


def test_the_answer_says_how_many_were_rejected() -> None:
    answer = trace_service_pb2.ExportTraceServiceResponse.FromString(otlp_wire.encode_answer(3, "model_missing", PROTOBUF))
    assert (answer.partial_success.rejected_spans, answer.partial_success.error_message) == (3, "model_missing")
    assert json.loads(otlp_wire.encode_answer(3, "model_missing", JSON)) == {
        "partialSuccess": {"rejectedSpans": "3", "errorMessage": "model_missing"}
    }
    parsed = json_format.Parse(otlp_wire.encode_answer(3, "model_missing", JSON), trace_service_pb2.ExportTraceServiceResponse())
    assert parsed == answer


def test_the_answer_to_a_full_success_is_empty() -> None:
    assert otlp_wire.encode_answer(0, "", PROTOBUF) == b""
    assert otlp_wire.encode_answer(0, "", JSON) == b"{}"


def of_json(*spans: dict[str, Any], resource: dict[str, Any] | None = None) -> list[Span]:
    document = {"resourceSpans": [{"resource": resource or {}, "scopeSpans": [{"spans": list(spans)}]}]}
    return otlp_wire.decode(json.dumps(document).encode(), JSON)


def test_json_takes_what_the_standard_allows() -> None:
    [span] = of_json(
        {
            "traceId": "5B8EFFF798038103D269B633813FC60C",
            "spanId": "EEE19B7EC3C1B174",
            "parentSpanId": "",
            "startTimeUnixNano": 1544712660000000000,
            "kind": 99,
            "status": None,
            "droppedAttributesCount": 1,
            "somethingNew": {"a": [1]},
            "attributes": [
                {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "-5"}},
                {"key": "gen_ai.usage.output_tokens", "value": {"intValue": 5}},
                {"key": "gen_ai.usage.total_tokens", "value": {"doubleValue": 5}},
                {"key": "gen_ai.system", "value": {"boolValue": False, "somethingNew": 1}},
                {"key": "gen_ai.agent.name", "value": {"intValue": None}},
                {"key": "gen_ai.agent.id", "value": {}},
                {"key": "gen_ai.response.id", "value": None},
                {"key": "openai.response.service_tier"},
            ],
        }
    )
    assert (span.trace_id, span.span_id, span.parent_span_id) == ("5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174", None)
    assert (span.kind, span.status, span.ended_at) == (SpanKind.UNSPECIFIED, SpanStatus.UNSET, None)
    assert span.started_at == datetime(2018, 12, 13, 14, 51, tzinfo=UTC)
    assert span.attributes == {
        "gen_ai.usage.input_tokens": -5,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.total_tokens": 5,
        "gen_ai.system": False,
    }


def test_an_empty_request_has_no_spans() -> None:
    assert otlp_wire.decode(b"", PROTOBUF) == otlp_wire.decode(b"{}", JSON) == []


@pytest.mark.parametrize(
    "body,media_type,code",
    [
        (b"\xff\xff", PROTOBUF, "otlp_unreadable"),
        (b"{", JSON, "json_unreadable"),
        (b"[]", JSON, "otlp_unreadable"),
        (b'{"resourceSpans": {}}', JSON, "otlp_unreadable"),
        (b'{"resourceSpans": [5]}', JSON, "otlp_unreadable"),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": 5}]}]}]}', JSON, "otlp_unreadable"),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": "-1"}]}]}]}', JSON, "otlp_unreadable"),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": "1e3"}]}]}]}', JSON, "otlp_unreadable"),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": {}}]}]}]}', JSON, "otlp_unreadable"),
        (b'{"a": ' + b"[" * 70 + b"]" * 70 + b"}", JSON, "json_unreadable"),
        (b"", "text/plain", "otlp_unsupported"),
        (b"", "", "otlp_unsupported"),
    ],
)
def test_what_is_no_message_is_refused_by_name(body: bytes, media_type: str, code: str) -> None:
    with pytest.raises(errors.Fault) as caught:
        otlp_wire.decode(body, media_type)
    assert caught.value.code == code


def test_a_problem_in_json_has_its_place() -> None:
    with pytest.raises(otlp_wire.OtlpUnreadable) as caught:
        of_json({}, {"attributes": [{"key": "a"}, {"key": 5}]})
    assert [one.pointer for one in caught.value.problems] == ["/resourceSpans/0/scopeSpans/0/spans/1/attributes/1/key"]


@pytest.mark.parametrize("media_type", [PROTOBUF, JSON])
def test_more_spans_than_the_bound_are_refused(media_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp_wire, "SPANS_MAX", 5)
    with pytest.raises(otlp_wire.OtlpTooLarge):
        decoded(media_type)


@pytest.mark.parametrize(
    "body", [b'{"resourceSpans": [{}, {}, {}]}', b'{"resourceSpans": [{"scopeSpans": [{}, {}]}, {"scopeSpans": [{}]}]}']
)
def test_more_resources_or_scopes_than_spans_may_be_are_refused(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be millions in a body, each without a span."""
    monkeypatch.setattr(otlp_wire, "SPANS_MAX", 2)
    message = json_format.Parse(body, trace_service_pb2.ExportTraceServiceRequest()).SerializeToString()
    for media_type, sent in ((JSON, body), (PROTOBUF, message)):
        with pytest.raises(otlp_wire.OtlpTooLarge):
            otlp_wire.decode(sent, media_type)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(body: bytes) -> None:
    for media_type in (PROTOBUF, JSON):
        assert _refused_or_read(body, media_type)


wire = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**64), 2**64), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    "resource",
                    "attributes",
                    "key",
                    "value",
                    "stringValue",
                    "intValue",
                    "arrayValue",
                    "values",
                    "spans",
                    "scopeSpans",
                    "kind",
                    "status",
                    "code",
                    "traceId",
                ]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=25,
)


@given(wire)
def test_no_document_breaks_the_reader(inner: object) -> None:
    assert _refused_or_read(json.dumps({"resourceSpans": inner}).encode(), JSON)
    assert _refused_or_read(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [inner]}]}]}).encode(), JSON)


def _refused_or_read(body: bytes, media_type: str) -> bool:
    try:
        reader.read_spans(otlp_wire.decode(body, media_type))
    except errors.Malformed:
        return True
    return True
