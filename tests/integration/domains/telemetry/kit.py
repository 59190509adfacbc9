"""Drafts and questions that the ledger's tests share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.service import accepting
from carbonledger.infra import db
from carbonledger.kernel import actor
from carbonledger.kernel.usage import TokenBuckets, Usage

AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
API = types.Booking(source=types.Source.API)
PROVISIONAL = types.Booking(source=types.Source.API, is_provisional=True)


def tokens(uncached: int | None = 1000, cached: int | None = 0, output: int | None = 500, **more: int | None) -> TokenBuckets:
    given: dict[str, int | None] = {"cache_creation_5m": 0, "cache_creation_1h": 0, "reasoning": 0, **more}
    return TokenBuckets(uncached_input=uncached, cached_input=cached, output=output, **given)


def draft(key: str = "k", *, at: datetime = AT, counts: TokenBuckets | None = None, **more: Any) -> types.Draft:
    usage: dict[str, Any] = {
        "provider": "openai",
        "model": "gpt-4o",
        "occurred_at": at,
        "tokens": counts or tokens(),
        "requests": 1,
        **{name: more.pop(name) for name in ("provider", "model", "requests", "batch", "service_tier", "region") if name in more},
    }
    return types.Draft(idempotency_key=key, usage=Usage(**usage), **more)


def metered(key: str, quantity: str, *, at: datetime = AT, event: str = "pages", **more: Any) -> types.MeteredDraft:
    return types.MeteredDraft(idempotency_key=key, occurred_at=at, event=event, quantity=Decimal(quantity), **more)


async def accept(
    database: db.Database,
    organization_id: UUID,
    *items: types.Item,
    booking: types.Booking = API,
    at: datetime = AT,
) -> types.Accepted:
    async with database.transaction(organization_id) as uow:
        return await accepting.accept(
            uow, actor=actor.system(organization_id), now=at, at=at, organization_id=organization_id, booking=booking, items=items
        )


def statuses(done: types.Accepted) -> list[str]:
    return [result.rejection.code if result.rejection else result.status.value for result in done.results]


async def rows(database: db.Database, organization_id: UUID, query: str, *arguments: object) -> list[dict[str, Any]]:
    async with database.transaction(organization_id) as uow:
        return [dict(row) for row in await uow.conn.fetch(query, organization_id, *arguments)]


SUMS = (
    "events",
    "requests",
    "uncached_input",
    "cached_input",
    "cache_creation_5m",
    "cache_creation_1h",
    "output",
    "reasoning",
    "quantity",
    "cost_amount",
    "reported_usd",
)
_RAW = """
SELECT {slot} AS slot, series_id, facts, coalesce(emission_rate_id, 0) AS emission_rate_id, count(*) AS events,
    coalesce(sum(requests), 0) AS requests, coalesce(sum(uncached_input), 0) AS uncached_input,
    coalesce(sum(cached_input), 0) AS cached_input, coalesce(sum(cache_creation_5m), 0) AS cache_creation_5m,
    coalesce(sum(cache_creation_1h), 0) AS cache_creation_1h, coalesce(sum(output), 0) AS output, coalesce(sum(reasoning), 0) AS reasoning,
    coalesce(sum(quantity), 0) AS quantity, coalesce(sum(cost_amount), 0) AS cost_amount,
    coalesce(sum(reported_cost) FILTER (WHERE reported_currency = 'USD'), 0) AS reported_usd
FROM telemetry_events WHERE organization_id = $1 GROUP BY 1, 2, 3, 4
"""


_BROAD = """
SELECT {slot} AS slot, lead.series_id, facts, coalesce(emission_rate_id, 0) AS emission_rate_id, {sums}
FROM telemetry_events e JOIN (
    SELECT s.id, min(s.id) OVER (PARTITION BY s.source, s.connection_id, s.project_id, s.provider, s.model, s.operation, s.is_batch,
        s.service_tier, s.region, s.event, s.size_above, s.size_up_to) AS series_id FROM telemetry_series s
) lead ON lead.id = e.series_id WHERE organization_id = $1 GROUP BY 1, 2, 3, 4
"""


async def rollups_equal_raw(database: db.Database, organization_id: UUID) -> None:
    """All roll-ups say exactly what the events say, computed here by queries of their own."""
    for table, slot, column in (
        ("telemetry_hourly", "date_trunc('hour', occurred_at)", "hour"),
        ("telemetry_daily", "(occurred_at AT TIME ZONE 'UTC')::date", "day"),
    ):
        raw = await rows(database, organization_id, _RAW.format(slot=slot))
        kept = await rows(database, organization_id, f"SELECT *, {column} AS slot FROM {table} WHERE organization_id = $1 AND events <> 0")
        assert _comparable(raw) == _comparable(kept), table
    quarter = "date_trunc('hour', occurred_at) + floor(extract(minute FROM occurred_at) / 15) * interval '15 minutes'"
    day = "date_trunc('day', occurred_at - interval '{0} hours') + interval '{0} hours'"
    slots = [quarter, "date_trunc('hour', occurred_at)", *(day.format(hours) for hours in (0, 6, 12, 18))]
    sums = _RAW[_RAW.index("count(*)") : _RAW.index("FROM")]
    for grain, slot in enumerate(slots):
        raw = await rows(database, organization_id, _BROAD.format(slot=slot, sums=sums))
        kept = await rows(
            database,
            organization_id,
            "SELECT *, starts AS slot FROM telemetry_broad WHERE organization_id = $1 AND grain = $2 AND events <> 0",
            grain,
        )
        assert _comparable(raw) == _comparable(kept), grain


def _comparable(found: Sequence[dict[str, Any]]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    keys = ("slot", "series_id", "facts", "emission_rate_id")
    return {tuple(row[name] for name in keys): tuple(row[name] for name in SUMS) for row in found}
