"""Token sums by series and stretch of its price, and by rate of emissions: of days and hours, and of events where a bound cuts an hour."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from carbonledger.domains.telemetry.core.slots import Grain, Part
from carbonledger.domains.telemetry.store import answers
from carbonledger.domains.telemetry.types import Fact
from carbonledger.domains.telemetry.types.answers import Filters
from carbonledger.domains.telemetry.types.caching import KINDS, Counts, Priced, Rated, Served, Stretches
from carbonledger.infra import db
from carbonledger.kernel import decimals

_SETTINGS: Final = "SET LOCAL jit = off; SET LOCAL plan_cache_mode = force_custom_plan"
_CACHED: Final = "d.cached_input <> 0 OR d.cache_creation_5m <> 0 OR d.cache_creation_1h <> 0"
_MATCHES: Final = answers.matches(5)
_SERVED: Final = f"""
SELECT s.id, s.provider, s.model, s.is_batch, s.service_tier, s.region, s.size_above, s.size_up_to FROM telemetry_series s
JOIN (
    SELECT DISTINCT d.series_id FROM telemetry_daily d
    WHERE d.organization_id = $1 AND d.day >= $2 AND d.day <= $3 AND d.events <> 0 AND (NOT $4 OR {_CACHED})
) u ON u.series_id = s.id
WHERE s.organization_id = $1 AND s.provider IS NOT NULL AND {_MATCHES}
"""
_KINDS: Final = ", ".join(KINDS)
_READ: Final = ", ".join(f"r.{name}" for name in KINDS)
_RAW: Final = ", ".join(f"coalesce(e.{name}, 0) AS {name}" for name in KINDS)
_LIVE: Final = f"f.facts & {int(Fact.DUPLICATE | Fact.METERED)} = 0"
_GUESSED: Final = int(Fact.ESTIMATED | Fact.PARTIAL | Fact.COST_ESTIMATED)
_ASSUMED: Final = int(Fact.ESTIMATED | Fact.PARTIAL | Fact.EMISSIONS_ASSUMED)
_PROVISIONAL: Final = int(Fact.PROVISIONAL)


def _part(first: int, kind: str) -> str:
    """Return the parts of one grain: their signs, bounds, and whether they are of series whose price changes within a day."""
    arrays = f"${first}::smallint[], ${first + 1}::{kind}[], ${first + 2}::{kind}[], ${first + 3}::boolean[]"
    return f"unnest({arrays}) AS p (sign, starts, ends, is_hourly)"


def _sums(condition: int | None) -> str:
    only = "" if condition is None else f" FILTER (WHERE f.facts & {condition} <> 0)"
    return ", ".join(f"coalesce(sum(f.sign * f.{name}){only}, 0)::bigint" for name in KINDS)


_UNPRICED: Final = int(Fact.COST_NOT_COVERED)
_DAYS, _HOURS, _EVENTS = _part(5, "date"), _part(9, "timestamptz"), _part(13, "timestamptz")
_ADDED: Final = ", ".join(_sums(condition) for condition in (None, _GUESSED, _ASSUMED, _PROVISIONAL))
# OFFSET 0 as in ``answers``: each part is looked up by the key of its table.
_SUMS: Final = f"""
WITH wanted AS MATERIALIZED (
    SELECT q.series_id, q.is_hourly, array_agg(q.starts ORDER BY q.starts) AS starts
    FROM unnest($2::bigint[], $3::boolean[], $4::timestamptz[]) AS q (series_id, is_hourly, starts) GROUP BY 1, 2
), found AS (
    SELECT p.sign, p.is_hourly, r.series_id, r.day::timestamp AT TIME ZONE 'UTC' AS at, r.facts, r.emission_rate_id, {_READ}
    FROM {_DAYS} CROSS JOIN LATERAL (
        SELECT * FROM telemetry_daily d WHERE d.organization_id = $1 AND d.day >= p.starts AND d.day < p.ends OFFSET 0
    ) r
    UNION ALL
    SELECT p.sign, p.is_hourly, r.series_id, r.hour, r.facts, r.emission_rate_id, {_READ}
    FROM {_HOURS} CROSS JOIN LATERAL (
        SELECT * FROM telemetry_hourly h WHERE h.organization_id = $1 AND h.hour >= p.starts AND h.hour < p.ends OFFSET 0
    ) r
    UNION ALL
    SELECT p.sign, p.is_hourly, r.series_id, r.at, r.facts, r.emission_rate_id, {_READ}
    FROM {_EVENTS} CROSS JOIN LATERAL (
        SELECT e.series_id, date_trunc('hour', e.occurred_at, 'UTC') AS at, e.facts,
            coalesce(e.emission_rate_id, 0) AS emission_rate_id, {_RAW}
        FROM telemetry_events e WHERE e.organization_id = $1 AND e.occurred_at >= p.starts AND e.occurred_at < p.ends OFFSET 0
    ) r
), placed AS (
    SELECT f.*, width_bucket(f.at, w.starts) - 1 AS place FROM found f
    JOIN wanted w ON w.series_id = f.series_id AND w.is_hourly = f.is_hourly WHERE {_LIVE}
), added AS (
    SELECT f.series_id, f.place, f.facts & {_UNPRICED} = 0 AS is_priced, f.emission_rate_id,
        GROUPING(f.series_id) AS is_rated, {_ADDED}
    FROM placed f GROUP BY GROUPING SETS ((f.series_id, f.place, f.facts & {_UNPRICED} = 0), (f.emission_rate_id))
)
SELECT a.*, r.energy_wh, r.co2e_location_g FROM added a LEFT JOIN emission_rates r ON a.is_rated = 1 AND r.id = a.emission_rate_id
"""


async def served(
    uow: db.UnitOfWork, *, organization_id: UUID, first: date, last: date, filters: Filters, only_cached: bool
) -> list[Served]:
    """Return the series of calls of models with usage between two days (UTC, both included); ``only_cached``: with tokens of a cache."""
    rows = await uow.conn.fetch(_SERVED, organization_id, first, last, only_cached, *answers.values(filters))
    return [Served(*row) for row in rows]


async def sums(
    uow: db.UnitOfWork, *, organization_id: UUID, stretches: Sequence[Stretches], daily: Sequence[Part], hourly: Sequence[Part]
) -> tuple[list[Priced], list[Rated]]:
    """Return the tokens of these series by stretch of price, and the same tokens by rate of emissions.

    ``daily`` are the parts of series whose price changes at midnights (UTC) at most, ``hourly`` those of the others; an hour has the price
    of its first instant. Raises ``NumberOutOfRange`` for more tokens than a bigint holds.
    """
    flat = [(one.series_id, one.is_hourly, at) for one in stretches for at in one.starts]
    columns = [[row[place] for row in flat] for place in range(3)]
    await uow.conn.execute(_SETTINGS)
    try:
        rows = await uow.conn.fetch(_SUMS, organization_id, *columns, *_arrays(daily, hourly))
    except asyncpg.NumericValueOutOfRangeError as error:
        raise decimals.NumberOutOfRange from error
    priced, rated = [], []
    for row in rows:
        series_id, place, is_priced, _, is_rated, *values = tuple(row)
        energy, co2e = values[-2:]
        counts, guessed, assumed, provisional = (Counts(*values[start : start + len(KINDS)]) for start in range(0, 20, len(KINDS)))
        if is_rated:
            rated.append(Rated(energy, co2e, counts, assumed, provisional))
        else:
            priced.append(Priced(series_id, place, is_priced, counts, guessed, provisional))
    return priced, rated


def _arrays(daily: Sequence[Part], hourly: Sequence[Part]) -> list[list[Any]]:
    of: dict[Grain, list[tuple[int, Any, Any, bool]]] = {grain: [] for grain in Grain}
    for parts, is_hourly in ((daily, False), (hourly, True)):
        for part in parts:
            sign = (part.adds is not None) - (part.takes is not None)
            of[part.grain].append((sign, _slot(part.grain, part.start), _slot(part.grain, part.end), is_hourly))
    return [[row[place] for row in of[grain]] for grain in (Grain.DAY, Grain.HOUR, Grain.EVENT) for place in range(4)]


def _slot(grain: Grain, at: datetime) -> date:
    return at.date() if grain is Grain.DAY else at
