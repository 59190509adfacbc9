"""Ingest: events into the ledger, one by one or ten thousand at a time."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import Query

from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.service import accepting
from carbonledger.entrypoints.rest import routing, telemetry_items, telemetry_sent, telemetry_told
from carbonledger.entrypoints.shared import access, exchange

router = routing.Router(prefix="/v1/telemetry", tag="Telemetry")

_ID = "7b0e1cf2-6a54-8d0e-9c11-0f4be7a8b1d3"
_EVENT = {
    "idempotency_key": "chat-20261101-0001",
    "occurred_at": "2026-11-01T09:00:00Z",
    "provider": "openai",
    "model": "gpt-4o",
    "operation": "chat",
    "tokens": {"uncached_input": 1000, "cached_input": 0, "cache_creation_5m": 0, "cache_creation_1h": 0, "output": 500},
    "properties": {"feature": "search"},
}
_SOURCES = {"api": types.Booking(source=types.Source.API), "import": types.Booking(source=types.Source.IMPORT)}


@router.post(
    "/events",
    access=access.scope("telemetry:write"),
    status_code=202,
    raw=("application/json",),
    body_model=telemetry_sent.EventOrEventsIn,
    answer_model=telemetry_sent.AcceptedOut,
    ingest=True,
    summary="Send events",
    operation_id="sendEvents",
    examples={
        "request": {"events": [_EVENT]},
        "response": {
            "accepted": 1,
            "duplicate": 0,
            "revised": 0,
            "rejected": 0,
            "results": [{"index": 0, "status": "accepted", "id": _ID}],
        },
    },
    errors=(telemetry_items.BodyUnreadable, types.BatchTooLarge, types.SumsTooLarge),
)
async def send_events(
    call: routing.CallDep,
    source: Annotated[
        Literal["api", "import"], Query(description="`import` for what is read from a file, long after it happened.")
    ] = "api",
) -> exchange.Answer:
    """Add events to the ledger, one or up to 10,000. An event is counted once for its `idempotency_key`, whenever it is sent again.

    Each item has a result of its own: `accepted`, `duplicate` (nothing changed), `revised` (the same event with other counts, which replace
    the old ones) or `rejected` with a code. The answer is 202 also where items were rejected. Where `usage` tells that another model worked
    for the same answer (Anthropic's advisor), its tokens are an event of their own, told among the `others` of the item's result.
    """
    raw = telemetry_items.read(call.body)
    await asyncio.sleep(0)  # other requests have their turn
    items = telemetry_items.plain(call.body, raw) or []
    for start in range(len(items), len(raw), telemetry_items.SLICE):
        await asyncio.sleep(0)
        items += telemetry_items.items(raw[start : start + telemetry_items.SLICE])
    events, owners = telemetry_told.spread(items)
    done = await accepting.accept(
        call.uow,
        actor=call.actor,
        now=call.now,
        at=call.at,
        organization_id=call.caller.organization_id,
        booking=_SOURCES[source],
        items=events,
    )
    return exchange.Answer(202, body=telemetry_items.to_api(done, owners), headers=call.headers)
