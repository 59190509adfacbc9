"""OpenTelemetry's protocol over HTTP: spans of calls of models become events.

An exporter is pointed at ``/v1/otlp`` and adds ``/v1/traces`` itself. What spans carry besides counts and names (prompts, answers,
arguments of tools, events) is dropped while they are read: it reaches neither the database nor a log.
"""

from __future__ import annotations

import asyncio

from pydantic import ConfigDict

from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.service import accepting, reading
from carbonledger.entrypoints.rest import otlp_wire, routing, shapes
from carbonledger.entrypoints.shared import access, exchange, strict_json

router = routing.Router(prefix="/v1/otlp", tag="Telemetry")

_BOOKING = types.Booking(source=types.Source.OTLP)
_REASONS_MAX = 5
_SPAN = {
    "traceId": "5b8efff798038103d269b633813fc60c",
    "spanId": "eee19b7ec3c1b174",
    "name": "chat gpt-4o",
    "kind": 3,
    "startTimeUnixNano": "1793523600000000000",
    "endTimeUnixNano": "1793523601500000000",
    "attributes": [
        {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
        {"key": "gen_ai.provider.name", "value": {"stringValue": "openai"}},
        {"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4o"}},
        {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "1000"}},
        {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "500"}},
    ],
}


class TracesIn(shapes.In):
    """`ExportTraceServiceRequest` of OpenTelemetry's protocol, in its JSON form."""

    model_config = ConfigDict(extra="allow")


class PartialSuccessOut(shapes.Out):
    """How many spans were not taken, and why. Spans that are no usage are taken, and mean nothing."""

    rejectedSpans: str  # noqa: N815 - the protocol's own name
    errorMessage: str  # noqa: N815 - the protocol's own name


class TracesOut(shapes.Out):
    """`ExportTraceServiceResponse`; `partialSuccess` only where spans were rejected."""

    partialSuccess: PartialSuccessOut | None = None  # noqa: N815 - the protocol's own name


@router.post(
    "/v1/traces",
    access=access.scope("telemetry:write"),
    raw=("application/x-protobuf", "application/json"),
    body_model=TracesIn,
    answer_model=TracesOut,
    ingest=True,
    idempotent=False,
    summary="Send spans of OpenTelemetry",
    operation_id="sendSpans",
    examples={"request": {"resourceSpans": [{"scopeSpans": [{"spans": [_SPAN]}]}]}, "response": {}},
    errors=(strict_json.JsonUnreadable, otlp_wire.OtlpUnreadable, otlp_wire.OtlpTooLarge, otlp_wire.OtlpUnsupported, types.SumsTooLarge),
)
async def send_spans(call: routing.CallDep) -> exchange.Answer:
    """Add calls of models to the ledger, each once: a span by its trace and id, nested spans of one call by the innermost.

    Reads old and new GenAI attribute names, and cached tokens inside or beside the input. Prompts, answers and tool arguments are dropped.
    A count or name that can't be read rejects its own span alone; what is dropped is not judged.
    """
    content_type = call.exchange.headers.get("content-type", "")
    spans = otlp_wire.decode(call.body, content_type)
    await asyncio.sleep(0)  # other requests have their turn
    found = [one for one in reading.spans(spans) if not isinstance(one, types.NotUsage)]
    rejected: list[types.Rejection] = []
    for start in range(0, len(found), types.BATCH_MAX):
        done = await accepting.accept(
            call.uow,
            actor=call.actor,
            now=call.now,
            at=call.at,
            organization_id=call.caller.organization_id,
            booking=_BOOKING,
            items=found[start : start + types.BATCH_MAX],
        )
        # Spans around one call may come later and begin earlier; what is known already is no news, and none of the sender's fault.
        rejected += [one.rejection for one in done.results if one.rejection not in {None, types.IDENTITY_CHANGED}]
    body = otlp_wire.encode_answer(len(rejected), _reasons(rejected), content_type)
    return exchange.Answer(
        200, body=body, media_type=content_type.partition(";")[0].strip().lower().encode("latin-1"), headers=call.headers
    )


def _reasons(rejected: list[types.Rejection]) -> str:
    """Return why spans were rejected, each reason once."""
    reasons = list(dict.fromkeys(f"{one.code}: {one.detail}" for one in rejected))
    more = f" (and {len(reasons) - _REASONS_MAX} more reasons)" if len(reasons) > _REASONS_MAX else ""
    return "; ".join(reasons[:_REASONS_MAX]) + more
