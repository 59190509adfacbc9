"""Single events of the ledger: a list, one with its calculation and history, and the erasure of its properties."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query

from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.service import events
from carbonledger.entrypoints.rest import filters, measures, routing, shapes, telemetry_shapes
from carbonledger.entrypoints.shared import access
from carbonledger.kernel import page, usage, zone

router = routing.Router(prefix="/v1/telemetry/events", tag="Telemetry")

FactWord = enum.Enum("FactWord", {fact.name: fact.name.lower() for fact in types.Fact if fact.name is not None})  # type: ignore[misc]  # made of the ledger's own list
KindWord = enum.Enum("KindWord", {kind.upper(): kind for kind in usage.BUCKETS})  # type: ignore[misc]  # as above

_RANGE: Final = {"low": "0.1", "mid": "0.472", "high": "1.6"}
_EVENT: Final[dict[str, Any]] = {
    "id": "6f1c2a52-8f0e-8b8e-9a0e-2f5f7b0c9d11",
    "idempotency_key": "call-17",
    "occurred_at": "2026-11-25T12:00:00Z",
    "duration_s": 0,
    "source": "api",
    "connection_id": None,
    "project_id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d11",
    "workload_id": None,
    "agent_id": None,
    "account": "acme",
    "provider": "openai",
    "model": "gpt-4o",
    "operation": "chat",
    "batch": False,
    "service_tier": None,
    "region": None,
    "size_above": None,
    "size_up_to": None,
    "event": None,
    "quantity": None,
    "tokens": {
        "uncached_input": 1000,
        "cached_input": 0,
        "cache_creation_5m": 0,
        "cache_creation_1h": 0,
        "output": 500,
        "reasoning": None,
        "audio_input": None,
        "image_input": None,
        "cached_audio_input": None,
        "cached_image_input": None,
        "audio_output": None,
        "image_output": None,
        "total": 1500,
    },
    "requests": 1,
    "cost": {"amount": "0.0075", "currency": "USD"},
    "cost_flags": [],
    "price_version": "2026-11-20-0123456789ab",
    "reported_cost": None,
    "energy_wh": _RANGE,
    "co2e_g": _RANGE,
    "co2e_market_g": None,
    "water_ml": _RANGE,
    "emission_flags": [],
    "factor_version": "1.0",
    "facts": ["reasoning_unknown"],
    "revision": 0,
    "properties": {"feature": "search"},
    "recorded_at": "2026-11-25T12:00:01.000412Z",
}
_NINE: Final = ["0.1"] * 9
_DETAIL: Final[dict[str, Any]] = {
    **_EVENT,
    "calculation": {
        "rates": {
            "factor_version": "1.0",
            "model_tier": "medium",
            "is_fallback": False,
            "host": "openai",
            "grid": "us",
            "market_grid": None,
            "is_batch": False,
            "energy_wh": _NINE,
            "co2e_location_g": _NINE,
            "co2e_market_g": None,
            "water_ml": _NINE,
        },
        "tokens": {"prefill": 1000, "cached": 0, "decode": 500},
        "cost_steps": [{"text": "In sum 0.0075 USD, unrounded.", "links": []}],
        "emission_steps": [],
        "envelope": {
            "energy_wh": {"low": "0.1595", "high": "2.0925"},
            "co2e_g": {"low": "0.042775", "high": "1.20125"},
            "co2e_market_g": None,
            "water_ml": {"low": "0.521304", "high": "7.43721"},
        },
    },
    "history": [],
}


@router.get(
    "",
    access=access.scope("telemetry:read"),
    summary="List usage",
    operation_id="listTelemetryEvents",
    examples={"response": {"data": [_EVENT], "next_cursor": None}},
    errors=(types.PeriodInvalid, zone.ZoneUnknown, page.CursorUnreadable),
)
async def list_telemetry_events(
    call: routing.CallDep,
    *,
    start: measures.From = None,
    end: measures.To = None,
    chosen: filters.Dep,
    fact: Annotated[FactWord | None, Query(description="Only events of which this is true, such as `provisional`.")] = None,
    tokens: Annotated[KindWord | None, Query(description="Only events with tokens of this kind, such as `cached_input`.")] = None,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=page.CURSOR_MAX_CHARS)] = None,
) -> shapes.ListOut[telemetry_shapes.TelemetryEventOut]:
    """List records of usage, newest first. Without `from` and `to`, those of the last thirty days of the organization's clock."""
    found = await events.list_events(
        call.uow,
        organization_id=call.caller.organization_id,
        asked=measures.asked(call, start, end),
        facts=None if fact is None else types.Fact[fact.name],
        kind=None if tokens is None else tokens.value,
        page=call.page(limit=limit, cursor=cursor, parts=2),
        filters=chosen,
    )
    return shapes.ListOut[telemetry_shapes.TelemetryEventOut](
        data=[telemetry_shapes.to_api_event(one) for one in found.data], next_cursor=found.next_cursor
    )


@router.get(
    "/{event_id}",
    access=access.scope("telemetry:read"),
    summary="Show one record of usage",
    operation_id="getTelemetryEvent",
    examples={"response": _DETAIL},
    errors=(types.EventUnknown,),
)
async def get_telemetry_event(call: routing.CallDep, event_id: UUID) -> telemetry_shapes.TelemetryEventDetailOut:
    """Return one record of usage with the calculation of its cost and emissions, the versions used, and what it was before revisions."""
    return telemetry_shapes.to_api_detail(await events.find_event(call.uow, organization_id=call.caller.organization_id, event_id=event_id))


@router.delete(
    "/{event_id}/properties",
    access=access.scope("telemetry:write"),
    status_code=204,
    summary="Erase properties of a record",
    operation_id="eraseTelemetryProperties",
    errors=(types.EventUnknown,),
)
async def erase_telemetry_properties(call: routing.CallDep, event_id: UUID) -> None:
    """Erase what its sender attached to a record of usage. Its identity, counts, cost and emissions stay; the erasure is in the trail."""
    await events.erase_properties(call.uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, event_id=event_id)
