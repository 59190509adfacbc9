"""OTLP's request for traces, of which protobuf parses no more than is read.

The published schema with two changes that leave the bytes on the wire the same. Text is bytes, since protobuf refuses a message for any
text that is not UTF-8, and exporters cut prompts inside a character. The values of attributes, events, links and scopes are bytes that
nobody has looked into: most of a message is content, which can then be neither too deep nor too long, and is not built.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

_FILES: Final = (common_pb2, resource_pb2, trace_pb2, trace_service_pb2)  # each after those that it imports
_CLOSED: Final = frozenset((("KeyValue", "value"), ("Span", "events"), ("Span", "links"), ("ScopeSpans", "scope")))
_FIELD: Final = descriptor_pb2.FieldDescriptorProto


def _request() -> Any:  # noqa: ANN401 - a message class made of a schema
    pool = descriptor_pool.DescriptorPool()
    for module in _FILES:
        file = descriptor_pb2.FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)
        for message in file.message_type:
            for field in message.field:
                if field.type == _FIELD.TYPE_STRING or (message.name, field.name) in _CLOSED:
                    field.type = _FIELD.TYPE_BYTES
                    field.ClearField("type_name")
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(trace_service_pb2.ExportTraceServiceRequest.DESCRIPTOR.full_name))


REQUEST: Final = _request()
