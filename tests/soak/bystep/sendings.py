"""The scenes of ingest.

**one event**, **batch** (new ones, known ones, known ones with other counts; under an idempotency key), **spans** of OpenTelemetry.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from tests.soak.bystep import parts
from tests.soak.bystep.asking import Request
from tests.soak.bystep.provider import Told
from tests.soak.bystep.scenes import FIRST, Counts, Scene

SENT: Final = "sent-"
"""How the keys of what is sent begin."""
_KNOWN: Final[Counts] = {f"{SENT}known-{number}": (1000, 500, 0) for number in range(20)}


def scenes(kept: str) -> list[Scene]:
    """Return the scenes, which begin with the state ``kept`` in which the known events are sent."""
    told = Told(int(FIRST.timestamp()), (), ())
    new: Counts = {f"{SENT}new-{number}": (1000, 500, 0) for number in range(80)}
    revised: Counts = {f"{SENT}known-{number}": (1000, 700, 1) for number in range(10, 20)}
    batch = [
        *(_event(key) for key in new),
        *(_event(f"{SENT}known-{number}") for number in range(10)),
        *(_event(key, output=700) for key in revised),
    ]
    one = post("/v1/telemetry/events", _event(f"{SENT}one"))
    several = post("/v1/telemetry/events", {"events": batch}, key="batch")
    spans = post("/v1/otlp/v1/traces", {"resourceSpans": [{"scopeSpans": [{"spans": [_span(number) for number in range(5)]}]}]})
    return [
        Scene("one event", parts.API, kept, told, one, sent={**_KNOWN, f"{SENT}one": (1000, 500, 0)}),
        Scene("batch", parts.API, kept, told, several, sent={**_KNOWN, **new, **revised}),
        Scene("spans", parts.API, kept, told, spans, sent=_KNOWN),
    ]


def known() -> Request:
    """Return the request that sends the events which are known before any scene."""
    return post("/v1/telemetry/events", {"events": [_event(key) for key in _KNOWN]})


def post(path: str, document: object, *, key: str | None = None) -> Request:
    """Return a request that posts a document, under an idempotency key if there is one."""
    return Request("POST", path, json.dumps(document).encode(), headers={} if key is None else {"Idempotency-Key": key})


def _event(key: str, *, output: int = 500) -> dict[str, Any]:
    return {
        "idempotency_key": key,
        "occurred_at": (FIRST - timedelta(hours=1)).isoformat(),
        "provider": "openai",
        "model": "gpt-4o",
        "operation": "chat",
        "tokens": {"uncached_input": 1000, "cached_input": 0, "cache_creation_5m": 0, "cache_creation_1h": 0, "output": output},
    }


def _span(number: int) -> dict[str, Any]:
    at = int((FIRST - timedelta(hours=2)).timestamp()) * 10**9
    said: Mapping[str, dict[str, str]] = {
        "gen_ai.operation.name": {"stringValue": "chat"},
        "gen_ai.provider.name": {"stringValue": "openai"},
        "gen_ai.request.model": {"stringValue": "gpt-4o"},
        "gen_ai.usage.input_tokens": {"intValue": "1000"},
        "gen_ai.usage.output_tokens": {"intValue": str(500 + number)},
    }
    return {
        "traceId": f"{number + 1:032x}",
        "spanId": f"{number + 1:016x}",
        "name": "chat gpt-4o",
        "kind": 3,
        "startTimeUnixNano": str(at),
        "endTimeUnixNano": str(at + 10**9),
        "attributes": [{"key": key, "value": value} for key, value in said.items()],
    }
