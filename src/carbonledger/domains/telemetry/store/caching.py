"""Token sums by series and stretch of its price, and by rate of emissions: of days and hours, and of events where a bound cuts an hour."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import date, timedelta
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

_CACHED: Final = "r.cached_input <> 0 OR r.cache_creation_5m <> 0 OR r.cache_creation_1h <> 0"
_MATCHES: Final = answers.matches(5)
_DAY: Final = Grain.DAY.value
_HOUR: Final = Grain.HOUR.value
# What is broad asks the broad roll-up, which has fewer rows. Of its days those of UTC alone: prices change at UTC's midnights.
_DAYS: Final = {
    False: "telemetry_daily r WHERE r.organization_id = $1 AND r.day >= <first> AND r.day < <end>",
    True: f"""telemetry_broad r WHERE r.organization_id = $1 AND r.grain = {_DAY}
        AND r.starts >= <first>::timestamp AT TIME ZONE 'UTC' AND r.starts < <end>::timestamp AT TIME ZONE 'UTC'""",
}
_HOURS: Final = {
    False: "telemetry_hourly r WHERE r.organization_id = $1 AND r.hour >= p.starts AND r.hour < p.ends",
    True: f"telemetry_broad r WHERE r.organization_id = $1 AND r.grain = {_HOUR} AND r.starts >= p.starts AND r.starts < p.ends",
}
_SERVED: Final = f"""
SELECT s.id, s.provider, s.model, s.is_batch, s.service_tier, s.region, s.size_above, s.size_up_to FROM telemetry_series s
JOIN (SELECT DISTINCT r.series_id FROM <days> AND r.events <> 0 AND (NOT $4 OR {_CACHED})) u ON u.series_id = s.id
WHERE s.organization_id = $1 AND s.provider IS NOT NULL AND {_MATCHES}
"""
_KINDS: Final = ", ".join(KINDS)
_READ: Final = ", ".join(f"r.{name}" for name in KINDS)
_RAW: Final = ", ".join(f"coalesce(e.{name}, 0) AS {name}" for name in KINDS)
_LIVE: Final = f"f.facts & {int(Fact.DUPLICATE | Fact.METERED)} = 0"
_GUESSED: Final = int(Fact.ESTIMATED | Fact.PARTIAL | Fact.COST_ESTIMATED)
_ASSUMED: Final = int(Fact.ESTIMATED | Fact.PARTIAL | Fact.EMISSIONS_ASSUMED)
_PROVISIONAL: Final = int(Fact.PROVISIONAL)


def _sums(condition: int | None) -> str:
    only = "" if condition is None else f" FILTER (WHERE f.facts & {condition} <> 0)"
    return ", ".join(f"coalesce(bigint_sum(f.{name}){only}, 0)" for name in KINDS)


_UNPRICED: Final = int(Fact.COST_NOT_COVERED)
_ADDED: Final = ", ".join(_sums(condition) for condition in (None, _GUESSED, _ASSUMED, _PROVISIONAL))
_TOGETHER: Final = ", ".join(f"bigint_sum(f.sign * f.{name}) AS {name}" for name in KINDS)
# OFFSET 0 as in ``summing``: each part is looked up by the key of its table.
_LOOKED_UP: Final = {
    Grain.DAY: "(SELECT r.*, <day> AS at FROM <days> OFFSET 0)",
    Grain.HOUR: "(SELECT r.*, <hour> AS at FROM <hours> OFFSET 0)",
    Grain.EVENT: f"""(
        SELECT <series> AS series_id, date_trunc('hour', e.occurred_at, 'UTC') AS at, e.facts,
            coalesce(e.emission_rate_id, 0) AS emission_rate_id, {_RAW}
        FROM telemetry_events e JOIN telemetry_series s ON s.organization_id = $1 AND s.id = e.series_id
        WHERE e.organization_id = $1 AND e.occurred_at >= p.starts AND e.occurred_at < p.ends OFFSET 0
    )""",
}
# Rows are added up by series, price, facts and rate before facts are told apart.
_SUMS: Final = f"""
WITH wanted AS MATERIALIZED (
    SELECT q.series_id, q.is_hourly, array_agg(q.starts ORDER BY q.starts) AS starts
    FROM unnest($2::bigint[], $3::boolean[], $4::timestamptz[]) AS q (series_id, is_hourly, starts)
    JOIN telemetry_series s ON s.organization_id = $1 AND s.id = q.series_id GROUP BY 1, 2
), parts AS MATERIALIZED (
    SELECT * FROM unnest($5::smallint[], $6::smallint[], $7::timestamptz[], $8::timestamptz[], $9::boolean[])
        AS p (grain, sign, starts, ends, is_hourly)
), found AS (<found>), together AS (
    SELECT f.series_id, width_bucket(f.at, w.starts) - 1 AS place, f.facts, f.emission_rate_id, {_TOGETHER}
    FROM found f JOIN wanted w ON w.series_id = f.series_id AND w.is_hourly = f.is_hourly GROUP BY 1, 2, 3, 4
), added AS (
    SELECT f.series_id, f.place, f.facts & {_UNPRICED} = 0 AS is_priced, f.emission_rate_id,
        GROUPING(f.series_id) AS is_rated, {_ADDED}
    FROM together f WHERE {_LIVE} GROUP BY GROUPING SETS ((f.series_id, f.place, f.facts & {_UNPRICED} = 0), (f.emission_rate_id))
)
SELECT a.*, r.energy_wh, r.co2e_location_g FROM added a LEFT JOIN emission_rates r ON a.is_rated = 1 AND r.id = a.emission_rate_id
"""


@functools.cache
def _statement(grains: frozenset[Grain], *, is_broad: bool) -> str:
    """Return the sums of parts of these grains; a look-up of what there are no parts of would be planned for nothing."""
    found = _SUMS.replace("<found>", " UNION ALL ".join(_found(grain) for grain in _LOOKED_UP if grain in grains))
    found = found.replace("<days>", _days(_DAYS[is_broad], "(p.starts AT TIME ZONE 'UTC')::date", "(p.ends AT TIME ZONE 'UTC')::date"))
    found = found.replace("<hours>", _HOURS[is_broad]).replace("<series>", "coalesce(s.broad_id, s.id)" if is_broad else "e.series_id")
    found = found.replace("<day>", "r.starts" if is_broad else "r.day::timestamp AT TIME ZONE 'UTC'")
    return found.replace("<hour>", "r.starts" if is_broad else "r.hour")


def _days(words: str, first: str, end: str) -> str:
    return words.replace("<first>", first).replace("<end>", end)


def _found(grain: Grain) -> str:
    rows = f"SELECT p.sign, p.is_hourly, r.series_id, r.at, r.facts, r.emission_rate_id, {_READ}"
    return f"{rows} FROM parts p CROSS JOIN LATERAL {_LOOKED_UP[grain]} r WHERE p.grain = {grain.value}"


async def served(
    uow: db.UnitOfWork, *, organization_id: UUID, first: date, last: date, filters: Filters, only_cached: bool, is_broad: bool
) -> list[Served]:
    """Return the series of calls of models with usage between two days (UTC, both included); ``only_cached``: with tokens of a cache.

    ``is_broad``: of series that are one to the broad roll-up, the first.
    """
    statement = _SERVED.replace("<days>", _days(_DAYS[is_broad], "$2::date", "$3::date"))
    end = last + timedelta(days=1)
    rows = await uow.conn.fetch(statement, organization_id, first, end, only_cached, *answers.values(filters))
    return [Served(*row) for row in rows]


async def sums(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    stretches: Sequence[Stretches],
    daily: Sequence[Part],
    hourly: Sequence[Part],
    is_broad: bool,
) -> tuple[list[Priced], list[Rated]]:
    """Return the tokens of these series by stretch of price, and the same tokens by rate of emissions.

    ``daily`` are the parts of series whose price changes at midnights (UTC) at most, ``hourly`` those of the others; an hour has the price
    of its first instant. Raises ``NumberOutOfRange`` for more tokens than a bigint holds.
    """
    flat = [(one.series_id, one.is_hourly, at) for one in stretches for at in one.starts]
    columns = [[row[place] for row in flat] for place in range(3)]
    statement = _statement(frozenset(part.grain for part in (*daily, *hourly)), is_broad=is_broad)
    try:
        rows = await uow.conn.fetch(statement, organization_id, *columns, *_arrays(daily, hourly))
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
    rows = [
        (part.grain.value, (part.adds is not None) - (part.takes is not None), part.start, part.end, is_hourly)
        for parts, is_hourly in ((daily, False), (hourly, True))
        for part in parts
    ]
    return [[row[place] for row in rows] for place in range(5)]
