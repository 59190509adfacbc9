"""What answers are asked by: dimensions and filters as columns of a series; and what was ever seen, and by whom."""

from __future__ import annotations

from datetime import date
from typing import Final
from uuid import UUID

from carbonledger.domains.telemetry.types import Fact, answers
from carbonledger.domains.telemetry.types.answers import Dimension, Duplicated, Filters
from carbonledger.infra import db

COLUMNS: Final = {
    Dimension.PROVIDER: "provider",
    Dimension.MODEL: "model",
    Dimension.PROJECT: "project_id",
    Dimension.WORKLOAD: "workload_id",
    Dimension.AGENT: "agent_id",
    Dimension.ACCOUNT: "account",
    Dimension.OPERATION: "operation",
    Dimension.SERVICE_TIER: "service_tier",
    Dimension.REGION: "region",
    Dimension.BATCH: "is_batch",
    Dimension.SOURCE: "source",
    Dimension.CONNECTION: "connection_id",
    Dimension.EVENT: "event",
}
_FILTERED: Final = (
    ("project_id", "uuid"),
    ("workload_id", "uuid"),
    ("agent_id", "uuid"),
    ("account", "text"),
    ("provider", "text"),
    ("model", "text"),
    ("source", "text"),
    ("connection_id", "uuid"),
    ("is_batch", "boolean"),
    ("service_tier", "text"),
    ("region", "text"),
    ("operation", "text"),
)
_WITHOUT: Final = sorted(COLUMNS[dimension] for dimension in answers.WITHOUT)


def matches(first: int) -> str:
    """Return the condition on a series ``s`` for filters whose values stand from place ``first`` on; NULL means all."""
    named = [f"(${place}::{kind} IS NULL OR s.{name} = ${place})" for place, (name, kind) in enumerate(_FILTERED, start=first)]
    last = first + len(_FILTERED)
    return " AND ".join((*named, *(f"(s.{name} IS NULL OR '{name}' <> ALL (${last}::text[]))" for name in _WITHOUT)))


def values(filters: Filters) -> tuple[object, ...]:
    """Return the values of ``matches``, in their order."""
    return (
        filters.project_id,
        filters.workload_id,
        filters.agent_id,
        filters.account,
        filters.provider,
        filters.model,
        filters.source,
        filters.connection_id,
        filters.batch,
        filters.service_tier,
        filters.region,
        filters.operation,
        sorted(COLUMNS[dimension] for dimension in filters.without),
    )


_SEEN: Final = """
SELECT s.provider, s.model, min(d.first), max(d.last) FROM telemetry_series s JOIN (
    SELECT r.series_id, min(r.day) AS first, max(r.day) AS last
    FROM telemetry_daily r WHERE r.organization_id = $1 AND r.events <> 0 GROUP BY 1
) d ON d.series_id = s.id WHERE s.organization_id = $1 AND s.provider IS NOT NULL GROUP BY 1, 2
"""


async def seen(uow: db.UnitOfWork, *, organization_id: UUID) -> dict[tuple[str, str], tuple[date, date]]:
    """Return the first and last day (UTC) with usage of each provider's models."""
    rows = await uow.conn.fetch(_SEEN, organization_id)
    return {(provider, model): (first, last) for provider, model, first, last in map(tuple, rows)}


_DUPLICATE: Final = int(Fact.DUPLICATE)
_DUPLICATED: Final = f"""
WITH told AS (
    SELECT s.provider, s.model, r.day, s.source,
        sum(r.uncached_input + r.cached_input + r.cache_creation_5m + r.cache_creation_1h + r.output) AS tokens,
        bool_and(r.facts & {_DUPLICATE} <> 0) AS is_duplicate
    FROM telemetry_daily r JOIN telemetry_series s ON s.organization_id = r.organization_id AND s.id = r.series_id
    WHERE r.organization_id = $1 AND r.day >= $2 AND r.day <= $3 AND r.events <> 0 AND s.provider IS NOT NULL GROUP BY 1, 2, 3, 4
)
SELECT provider, model, day, array_agg(source ORDER BY source), array_agg(tokens::text ORDER BY source),
    count(*) FILTER (WHERE NOT is_duplicate) <= 1
FROM told GROUP BY 1, 2, 3 HAVING count(*) > 1 ORDER BY day DESC, provider, model LIMIT $4
"""


async def duplicated(uow: db.UnitOfWork, *, organization_id: UUID, first: date, last: date, at_most: int) -> list[Duplicated]:
    """Return models that several sources told of on one day (UTC), the latest days first."""
    rows = await uow.conn.fetch(_DUPLICATED, organization_id, first, last, at_most)
    return [
        Duplicated(provider, model, day, {source: int(count) for source, count in zip(sources, tokens, strict=True)}, is_marked)
        for provider, model, day, sources, tokens, is_marked in map(tuple, rows)
    ]
