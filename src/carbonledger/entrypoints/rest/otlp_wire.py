"""OTLP's trace messages on the wire: requests into spans, and the answer to them.

Reads ``application/x-protobuf`` and ``application/json`` (OTLP 1.x, "JSON Protobuf Encoding": ids in hex, names in lowerCamelCase,
64-bit integers as strings or numbers, enums as numbers). Unknown members are passed over, as the standard asks. It does not own the
endpoint, nor what a span means (telemetry).

What can't be usage is not built: events, links, and attributes that are maps or bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from carbonledger.domains.telemetry.types import Span, SpanKind, SpanStatus
from carbonledger.entrypoints.shared import strict_json
from carbonledger.kernel import errors

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
SPANS_MAX = 20_000  # of one request; exporters send 512 at a time, collectors 8,192
ATTRIBUTES_MAX = 4_096  # of one span or resource; the SDKs' own limit is 128, where it was not raised
ITEMS_MAX = 1_000  # of an attribute that is a list
MESSAGE_CHARS_MAX = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SCALARS: Final = ("string_value", "bool_value", "int_value", "double_value")


class OtlpUnreadable(errors.Malformed):
    """The body is not the OTLP message that its media type says."""

    code = "otlp_unreadable"


class OtlpTooLarge(errors.Fault):
    """The body holds more spans, or a span more attributes, than are read at once. Send smaller batches."""

    kind = errors.Kind.TOO_LARGE
    code = "otlp_too_large"


class OtlpUnsupported(errors.Fault):
    """OTLP is read as application/x-protobuf or application/json."""

    kind = errors.Kind.UNSUPPORTED
    code = "otlp_unsupported"


def decode(body: bytes, content_type: str) -> list[Span]:
    """Return the spans of an ExportTraceServiceRequest, in its order.

    Raises ``OtlpUnsupported``, ``OtlpUnreadable`` or ``JsonUnreadable``, and ``OtlpTooLarge``.
    """
    media_type = _media_type(content_type)
    if media_type == PROTOBUF:
        return _from_protobuf(body)
    return _from_json(body)


def encode_answer(rejected: int, message: str, content_type: str) -> bytes:
    """Return the ExportTraceServiceResponse in the request's media type: empty if every span was taken and there is nothing to say."""
    text = message[:MESSAGE_CHARS_MAX]
    if _media_type(content_type) == JSON:
        partial = {"rejectedSpans": str(rejected), "errorMessage": text}  # 64-bit integers are strings in protobuf's JSON
        return json.dumps({"partialSuccess": partial} if rejected or text else {}).encode()
    answer = trace_service_pb2.ExportTraceServiceResponse()
    if rejected or text:
        answer.partial_success.rejected_spans = rejected
        answer.partial_success.error_message = text
    return answer.SerializeToString()


def _media_type(content_type: str) -> str:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in {PROTOBUF, JSON}:
        raise OtlpUnsupported
    return media_type


def _unreadable(pointer: str, code: str, detail: str) -> OtlpUnreadable:
    return OtlpUnreadable(detail, problems=(errors.Problem(pointer, code, detail),))


def _bounded(count: int, limit: int, what: str) -> None:
    if count > limit:
        raise OtlpTooLarge(f"There may be {limit} {what}.")


def _instant(nanoseconds: int) -> datetime | None:
    """Return the instant, to the microsecond; None for 0, which says that there is none. 64 bits reach to the year 2554."""
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000) if nanoseconds else None


# Protobuf


def _from_protobuf(body: bytes) -> list[Span]:
    try:
        request = trace_service_pb2.ExportTraceServiceRequest.FromString(body)
    except (DecodeError, RecursionError) as error:
        raise _unreadable("", "protobuf_invalid", "It is no ExportTraceServiceRequest.") from error
    _bounded(sum(len(scope.spans) for one in request.resource_spans for scope in one.scope_spans), SPANS_MAX, "spans in one request")
    made = []
    for one in request.resource_spans:
        resource = _attributes(one.resource.attributes)
        made += [_span(span, resource) for scope in one.scope_spans for span in scope.spans]
    return made


def _span(span: trace_pb2.Span, resource: Mapping[str, object]) -> Span:
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_span_id=span.parent_span_id.hex() or None,
        name=span.name,
        kind=_KINDS.get(span.kind, SpanKind.UNSPECIFIED),
        started_at=_instant(span.start_time_unix_nano),
        ended_at=_instant(span.end_time_unix_nano),
        attributes=_attributes(span.attributes),
        resource=resource,
        status=_STATUSES.get(span.status.code, SpanStatus.UNSET),
    )


_KINDS: Final = {kind.value: kind for kind in SpanKind}
_STATUSES: Final = {status.value: status for status in SpanStatus}


def _attributes(pairs: Iterable[common_pb2.KeyValue]) -> dict[str, object]:
    listed = list(pairs)
    _bounded(len(listed), ATTRIBUTES_MAX, "attributes of one span or resource")
    return {pair.key: value for pair in listed if (value := _value(pair.value)) is not None}


def _value(value: common_pb2.AnyValue) -> object:
    """Return a scalar, or a list of them as a tuple; None for what is not kept."""
    which = value.WhichOneof("value")
    if which in _SCALARS:
        scalar: object = getattr(value, which)
        return scalar
    if which == "array_value":
        items = value.array_value.values
        _bounded(len(items), ITEMS_MAX, "items of one attribute")
        return tuple(getattr(item, kind) for item in items if (kind := item.WhichOneof("value")) in _SCALARS)
    return None


# JSON


def _from_json(body: bytes) -> list[Span]:
    found = strict_json.loads(body, items_max=SPANS_MAX)
    if found is None:  # a member may be null, the message itself may not
        raise _unreadable("", "type_wrong", "An object is expected here.")
    document = _Node(found, "")
    groups = [(one, scope) for one in document.list("resourceSpans") for scope in one.list("scopeSpans")]
    spans = [(one, span) for one, scope in groups for span in scope.list("spans")]
    _bounded(len(spans), SPANS_MAX, "spans in one request")
    resources = {one.pointer: one.object("resource").attributes() for one, _ in groups}
    return [_json_span(span, resources[one.pointer]) for one, span in spans]


def _json_span(span: _Node, resource: Mapping[str, object]) -> Span:
    return Span(
        trace_id=span.text("traceId").lower(),
        span_id=span.text("spanId").lower(),
        parent_span_id=span.text("parentSpanId").lower() or None,
        name=span.text("name"),
        kind=_KINDS.get(span.integer("kind"), SpanKind.UNSPECIFIED),
        started_at=_instant(span.integer("startTimeUnixNano", least=0, most=2**64 - 1)),
        ended_at=_instant(span.integer("endTimeUnixNano", least=0, most=2**64 - 1)),
        attributes=span.attributes(),
        resource=resource,
        status=_STATUSES.get(span.object("status").integer("code"), SpanStatus.UNSET),
    )


class _Node:
    """A value of the document and where it stands. A member that is missing or null has its type's zero, as in protobuf."""

    __slots__ = ("pointer", "value")

    def __init__(self, value: object, pointer: str) -> None:
        self.pointer = pointer
        if value is not None and not isinstance(value, dict):
            raise _unreadable(pointer, "type_wrong", "An object is expected here.")
        self.value: dict[str, Any] = {} if value is None else value

    def object(self, name: str) -> _Node:
        return _Node(self.value.get(name), f"{self.pointer}/{name}")

    def list(self, name: str) -> list[_Node]:
        value = self.value.get(name)
        items = [] if value is None else value
        if not isinstance(items, list):
            raise _unreadable(f"{self.pointer}/{name}", "type_wrong", "A list is expected here.")
        return [_Node(item, f"{self.pointer}/{name}/{place}") for place, item in enumerate(items)]

    def text(self, name: str) -> str:
        value = self.value.get(name)
        if value is not None and not isinstance(value, str):
            raise _unreadable(f"{self.pointer}/{name}", "type_wrong", "A string is expected here.")
        return value or ""

    def integer(self, name: str, *, least: int = -(2**63), most: int = 2**63 - 1) -> int:
        value = self.value.get(name)
        if value is None:
            return 0
        number = int(value) if isinstance(value, str) and _is_integer(value) else value
        if type(number) is not int or not least <= number <= most:
            raise _unreadable(f"{self.pointer}/{name}", "integer_wrong", f"An integer from {least} to {most} is expected here.")
        return number

    def attributes(self) -> dict[str, Any]:
        pairs = self.list("attributes")
        _bounded(len(pairs), ATTRIBUTES_MAX, "attributes of one span or resource")
        return {pair.text("key"): value for pair in pairs if (value := pair.object("value").scalars()) is not None}

    def scalars(self) -> Any:  # noqa: ANN401 - the value of any attribute
        """Return the value of an AnyValue: a scalar, or a list of them as a tuple; None for what is not kept."""
        if "arrayValue" in self.value:
            items = self.object("arrayValue").list("values")
            _bounded(len(items), ITEMS_MAX, "items of one attribute")
            return tuple(value for item in items if (value := item.scalar()) is not None)
        return self.scalar()

    def scalar(self) -> Any:  # noqa: ANN401 - the value of any scalar
        if "intValue" in self.value:
            return self.integer("intValue")
        if "stringValue" in self.value:
            return self.text("stringValue")
        for name, kinds in (("boolValue", (bool,)), ("doubleValue", (int, float))):
            value = self.value.get(name)
            if type(value) in kinds:
                return value
        return None


def _is_integer(text: str) -> bool:
    return 0 < len(text) <= len(str(-(2**64))) and text.isascii() and text.removeprefix("-").isdigit()
