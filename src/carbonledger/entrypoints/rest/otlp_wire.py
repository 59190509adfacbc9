"""OTLP's trace messages on the wire: requests into spans, and the answer to them.

Reads ``application/x-protobuf`` and ``application/json`` (OTLP 1.x, "JSON Protobuf Encoding": ids in hex, names in lowerCamelCase,
64-bit integers as strings or numbers, enums as numbers). Unknown members are passed over, as the standard asks. It does not own the
endpoint, nor what a span means (telemetry).

Most of a span is content: prompts, vectors, events. What is not read is passed over unjudged, so that it decides nothing. An attribute
that is read and can't be what it should has a rejection in its place, which costs its own span and no other.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2

from carbonledger.domains.telemetry.service import reading
from carbonledger.domains.telemetry.types import Rejection, Span, SpanKind, SpanStatus
from carbonledger.entrypoints.rest import otlp_schema
from carbonledger.entrypoints.shared import strict_json
from carbonledger.kernel import errors

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
SPANS_MAX = 20_000  # of one request; exporters send 512 at a time, collectors 8,192
MESSAGE_CHARS_MAX = 1_000
_T = TypeVar("_T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INTEGER_MIN: Final = -(2**63)
_INTEGER_MAX: Final = 2**63 - 1


class OtlpUnreadable(errors.Malformed):
    """The body is not the OTLP message that its media type says."""

    code = "otlp_unreadable"


class OtlpTooLarge(errors.Fault):
    """The body holds more spans than are read at once. Send smaller batches."""

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


def _bounded(count: int) -> None:
    if count > SPANS_MAX:
        raise OtlpTooLarge(f"There may be {SPANS_MAX} spans in one request, of as many resources and scopes.")


def _counted(items: Iterator[_T]) -> Iterator[_T]:
    for count, item in enumerate(items, 1):
        _bounded(count)
        yield item


def _instant(nanoseconds: int) -> datetime | None:
    """Return the instant, to the microsecond; None for 0, which says that there is none. 64 bits reach to the year 2554."""
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000) if nanoseconds else None


def _rejection(key: str, code: str, detail: str) -> Rejection:
    """Return why an attribute can't be read. It names the attribute, never what stood in it."""
    return Rejection(code, f"{key}: {detail}")


def _storable(key: str, value: object) -> object:
    if isinstance(value, str) and not strict_json.is_storable(value):
        return _rejection(key, "text_unstorable", "Text may not hold U+0000 or part of a character.")
    return value


# Protobuf


def _from_protobuf(body: bytes) -> list[Span]:
    try:
        request = otlp_schema.REQUEST.FromString(body)
    except (DecodeError, RecursionError) as error:
        raise _unreadable("", "protobuf_invalid", "It is no ExportTraceServiceRequest.") from error
    _bounded(len(request.resource_spans))
    _bounded(sum(len(one.scope_spans) for one in request.resource_spans))
    _bounded(sum(len(scope.spans) for one in request.resource_spans for scope in one.scope_spans))
    made = []
    for one in request.resource_spans:
        resource = _attributes(one.resource.attributes, reading.RESOURCE_ATTRIBUTES)
        made += [_span(span, resource) for scope in one.scope_spans for span in scope.spans]
    return made


def _span(span: Any, resource: Mapping[str, object]) -> Span:  # noqa: ANN401 - a message of the schema
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_span_id=span.parent_span_id.hex() or None,
        name=span.name.decode(errors="replace"),
        kind=_KINDS.get(span.kind, SpanKind.UNSPECIFIED),
        started_at=_instant(span.start_time_unix_nano),
        ended_at=_instant(span.end_time_unix_nano),
        attributes=_attributes(span.attributes, reading.SPAN_ATTRIBUTES),
        resource=resource,
        status=_STATUSES.get(span.status.code, SpanStatus.UNSET),
    )


_KINDS: Final = {kind.value: kind for kind in SpanKind}
_STATUSES: Final = {status.value: status for status in SpanStatus}


def _attributes(pairs: Iterable[Any], names: Collection[str]) -> dict[str, object]:
    """Return those of the attributes that have one of the names, and a value."""
    named = ((key, pair.value) for pair in pairs if (key := pair.key.decode(errors="replace")) in names)
    return {key: value for key, sent in named if (value := _value(key, sent)) is not None}


def _value(key: str, sent: bytes) -> object:
    """Return a scalar, None where there is none, or why the attribute can't be read."""
    try:
        value = common_pb2.AnyValue.FromString(sent)
    except (DecodeError, RecursionError):
        return _rejection(key, "value_unreadable", "It is no value of OTLP in UTF-8.")
    match value.WhichOneof("value"):
        case None:
            return None
        case "string_value" | "bool_value" | "int_value" | "double_value" as which:
            return _storable(key, getattr(value, which))
        case _:
            return _rejection(key, "type_wrong", _SINGLE)


# JSON


def _from_json(body: bytes) -> list[Span]:
    found = strict_json.loads_unjudged(body)
    if found is None:  # a member may be null, the message itself may not
        raise _unreadable("", "type_wrong", "An object is expected here.")
    groups = (
        (one, one.object("resource").attributes(reading.RESOURCE_ATTRIBUTES)) for one in _counted(_Node(found, "").each("resourceSpans"))
    )
    scopes = _counted((scope, resource) for one, resource in groups for scope in one.each("scopeSpans"))
    spans = _counted((span, resource) for scope, resource in scopes for span in scope.each("spans"))
    return [_json_span(span, resource) for span, resource in spans]


def _json_span(span: _Node, resource: Mapping[str, object]) -> Span:
    return Span(
        trace_id=span.text("traceId").lower(),
        span_id=span.text("spanId").lower(),
        parent_span_id=span.text("parentSpanId").lower() or None,
        name=span.text("name"),
        kind=_KINDS.get(span.integer("kind"), SpanKind.UNSPECIFIED),
        started_at=_instant(span.integer("startTimeUnixNano", least=0, most=2**64 - 1)),
        ended_at=_instant(span.integer("endTimeUnixNano", least=0, most=2**64 - 1)),
        attributes=span.attributes(reading.SPAN_ATTRIBUTES),
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

    def items(self, name: str) -> list[Any]:
        value = self.value.get(name)
        if value is not None and not isinstance(value, list):
            raise _unreadable(f"{self.pointer}/{name}", "type_wrong", "A list is expected here.")
        return value or []

    def each(self, name: str) -> Iterator[_Node]:
        """Return the items of a list one by one: there may be as many as the body has bytes."""
        return (_Node(item, f"{self.pointer}/{name}/{place}") for place, item in enumerate(self.items(name)))

    def text(self, name: str) -> str:
        value = self.value.get(name)
        if value is not None and not isinstance(value, str):
            raise _unreadable(f"{self.pointer}/{name}", "type_wrong", "A string is expected here.")
        return value or ""

    def integer(self, name: str, *, least: int = _INTEGER_MIN, most: int = _INTEGER_MAX) -> int:
        value = self.value.get(name)
        if value is None:
            return 0
        number = _integer(value)
        if number is None or not least <= number <= most:
            raise _unreadable(f"{self.pointer}/{name}", "integer_wrong", f"An integer from {least} to {most} is expected here.")
        return number

    def attributes(self, names: Collection[str]) -> dict[str, Any]:
        """Return those of the attributes that have one of the names, and a value."""
        found: dict[str, Any] = {}
        for place, pair in enumerate(self.items("attributes")):
            key = pair.get("key") if isinstance(pair, dict) else None
            if not isinstance(key, str):  # rarely, and never of any use: it says why, or has no name
                _Node(pair, f"{self.pointer}/attributes/{place}").text("key")
            elif key in names and (value := _json_value(key, pair.get("value"))) is not None:
                found[key] = value
        return found


def _integer(value: object) -> int | None:
    """Return the integer that a number or a text is."""
    number = int(value) if isinstance(value, str) and _is_integer(value) else value
    return number if type(number) is int else None


def _is_integer(text: str) -> bool:
    return 0 < len(text) <= len(str(-(2**64))) and text.isascii() and text.removeprefix("-").isdigit()


_SINGLE: Final = "A text, a number or a boolean is expected."
_JSON_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "stringValue": (str,),
    "boolValue": (bool,),
    "doubleValue": (int, float),
    "arrayValue": (),
    "kvlistValue": (),
    "bytesValue": (),
}


def _json_value(key: str, sent: object) -> object:
    """Return the scalar of an AnyValue, None where there is none, or why the attribute can't be read."""
    if sent is None:
        return None
    if not isinstance(sent, dict):
        return _rejection(key, "type_wrong", "An object is expected.")
    if sent.get("intValue") is not None:
        number = _integer(sent["intValue"])
        if number is None or not _INTEGER_MIN <= number <= _INTEGER_MAX:
            return _rejection(key, "integer_wrong", f"An integer from {_INTEGER_MIN} to {_INTEGER_MAX} is expected.")
        return number
    for name, kinds in _JSON_KINDS.items():
        value = sent.get(name)
        if value is not None:
            return _storable(key, value) if type(value) in kinds else _rejection(key, "type_wrong", _SINGLE)
    return None
