"""The question that every answer asks: sums of parts of the ledger, by bucket of time, by group, or both. One statement each.

    parts (days, hours, events) ─> cells (part, group, facts, rates) ─> signed (bucket or group, facts, rates) ─> apart (rates) ─> measures

Rows are read by the parts of a plan (``core.slots``) and added up before they are moved between buckets, before facts are told apart and
before anything is multiplied by its rates, because each of those steps costs more for a row than the one before it.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Sequence
from datetime import date
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg

from carbonledger.domains.telemetry.core import measuring
from carbonledger.domains.telemetry.core.rollup import Sums
from carbonledger.domains.telemetry.core.slots import Grain, Part
from carbonledger.domains.telemetry.types import Fact, answers
from carbonledger.domains.telemetry.types.answers import Dimension, Duplicated, Filters, Measures
from carbonledger.infra import db
from carbonledger.kernel import decimals

Labels = tuple[str | UUID | bool | None, ...]

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

# Compiling so many expressions takes many times longer than running them; and a plan made for any period, which PostgreSQL would keep after
# some calls, joins tens of thousands of rows as if they were ten.
_SETTINGS: Final = "SET LOCAL jit = off; SET LOCAL plan_cache_mode = force_custom_plan"


class Sets(enum.Enum):
    """What sums are made by."""

    BUCKET = "bucket"
    GROUP = "group"
    BUCKET_AND_GROUP = "bucket_and_group"
    """By bucket, and by group: two sets of rows, not their product."""
    EACH = "each"
    """By group in each bucket."""


_SETS: Final = {
    Sets.BUCKET: "(k.bucket)",
    Sets.GROUP: "(c.grp)",
    Sets.BUCKET_AND_GROUP: "(k.bucket), (c.grp)",
    Sets.EACH: "(k.bucket, c.grp)",
}


class Row(NamedTuple):
    """Measures of a bucket, of a group, or of a group in a bucket; ``bucket`` or ``labels`` None where it is not told apart."""

    bucket: int | None
    labels: Labels | None
    measures: Measures


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


_PLAIN: Final = Sums._fields
_TOKENS: Final = "(s.uncached_input + s.cached_input + s.cache_creation_5m + s.cache_creation_1h + s.output)"
_LIVE: Final = f"s.facts & {int(Fact.DUPLICATE | Fact.METERED)} = 0"
_COVERED: Final = f"s.facts & {int(Fact.EMISSIONS_NOT_COVERED)} = 0"
_PRICED: Final = f"s.facts & {int(Fact.COST_NOT_COVERED)} = 0"
_REPORTED: Final = f"s.facts & {int(Fact.COST_REPORTED)} <> 0"
_COUNTED: Final = int(Fact.ESTIMATED | Fact.PARTIAL)


def _sum(what: str, *conditions: str) -> str:
    return f"coalesce(sum({what}) FILTER (WHERE {' AND '.join((_LIVE, *conditions))}), 0)"


def _has(fact: int) -> str:
    return f"s.facts & {fact} <> 0"


def _product(rates: str, bound: int) -> str:
    prefill, cached, decode = (f"r.{rates}[{bound * 3 + phase}]" for phase in (1, 2, 3))
    tokens = f"(a.uncached_input + a.cache_creation_5m + a.cache_creation_1h) * {prefill} + a.cached_input * {cached} + a.output * {decode}"
    return f"coalesce(sum({tokens}), 0)"


def _products(name: str, rates: str) -> dict[str, str]:
    return {f"{name}_{bound}": _product(rates, place) for place, bound in enumerate(("low", "mid", "high"))}


_TOLD: Final[dict[str, str]] = {
    **{name: _sum(f"s.{name}") for name in _PLAIN[: _PLAIN.index("quantity")]},
    **{
        f"unknown_{name}": _sum("s.events", _has(int(fact)))
        for name, fact in (
            ("uncached_input", Fact.UNCACHED_INPUT_UNKNOWN),
            ("cached_input", Fact.CACHED_INPUT_UNKNOWN),
            ("cache_creation_5m", Fact.CACHE_CREATION_5M_UNKNOWN),
            ("cache_creation_1h", Fact.CACHE_CREATION_1H_UNKNOWN),
            ("output", Fact.OUTPUT_UNKNOWN),
            ("reasoning", Fact.REASONING_UNKNOWN),
            ("requests", Fact.REQUESTS_UNKNOWN),
        )
    },
    "cost_not_covered_events": _sum("s.events", f"NOT {_PRICED}"),
    "not_covered_events": _sum("s.events", f"NOT {_COVERED}"),
    "reported_events": _sum("s.events", _REPORTED),
    "compared_events": _sum("s.events", _REPORTED, _PRICED),
    "not_covered_tokens": _sum(_TOKENS, f"NOT {_COVERED}"),
    "estimated_tokens": _sum(_TOKENS, _COVERED, _has(_COUNTED | int(Fact.EMISSIONS_ASSUMED))),
    "provisional_tokens": _sum(_TOKENS, _has(int(Fact.PROVISIONAL))),
    "cost_not_covered_tokens": _sum(_TOKENS, f"NOT {_PRICED}"),
    "cost_estimated_tokens": _sum(_TOKENS, _PRICED, _has(_COUNTED | int(Fact.COST_ESTIMATED))),
    "duplicate_events": f"coalesce(sum(s.events) FILTER (WHERE {_has(int(Fact.DUPLICATE))}), 0)",
    "duplicate_tokens": f"coalesce(sum({_TOKENS}) FILTER (WHERE {_has(int(Fact.DUPLICATE))}), 0)",
    "metered_events": f"coalesce(sum(s.events) FILTER (WHERE s.facts & {int(Fact.DUPLICATE | Fact.METERED)} = {int(Fact.METERED)}), 0)",
    "quantity": f"coalesce(sum(s.quantity) FILTER (WHERE s.facts & {int(Fact.DUPLICATE)} = 0), 0)",
    "cost_amount": _sum("s.cost_amount"),
    "reported_usd": _sum("s.reported_usd"),
    "compared_cost": _sum("s.cost_amount", _REPORTED, _PRICED),
    "compared_usd": _sum("s.reported_usd", _REPORTED, _PRICED),
}
_MULTIPLIED: Final[dict[str, str]] = {
    "market_tokens": "coalesce(sum(a.uncached_input + a.cached_input + a.cache_creation_5m + a.cache_creation_1h + a.output)"
    " FILTER (WHERE r.co2e_market_g IS NOT NULL), 0)",
    **_products("energy", "energy_wh"),
    **_products("co2e", "co2e_location_g"),
    **_products("market", "co2e_market_g"),
    **_products("water", "water_ml"),
}
_RAW: Final = {
    "events": "1::bigint",
    "quantity": "coalesce(e.quantity, 0)",
    "cost_amount": "coalesce(e.cost_amount, 0)",
    "reported_usd": "CASE WHEN e.reported_currency = 'USD' THEN coalesce(e.reported_cost, 0) ELSE 0 END",
}
_READ_RAW: Final = ", ".join(f"{_RAW.get(name, f'coalesce(e.{name}, 0)')} AS {name}" for name in _PLAIN)
_READ: Final = ", ".join(f"r.{name}" for name in _PLAIN)
_AMOUNTS: Final = ("quantity", "cost_amount", "reported_usd")
# Sums of bigint are numeric; made bigint again they stay several times cheaper to add up further, and 2^63 tokens are nobody's.
_ADDED: Final = ", ".join(f"sum(f.{name}){'' if name in _AMOUNTS else '::bigint'} AS {name}" for name in _PLAIN)
_MOVED: Final = ", ".join(f"sum(k.sign * c.{name}){'' if name in _AMOUNTS else '::bigint'} AS {name}" for name in _PLAIN)
_APART: Final = ", ".join(f"{sum_} AS {name}" for name, sum_ in _TOLD.items())
_MADE: Final = ", ".join(f"{_MULTIPLIED.get(name, f'sum(a.{name})')} AS {name}" for name in Measures._fields)
_SHOWN: Final = ", ".join(f"m.{name}" for name in Measures._fields)
_FILTERS_FROM: Final = 15  # after the organization, three times three arrays of parts, three of moves, and the limit
_MATCHES: Final = matches(_FILTERS_FROM)
# OFFSET 0 keeps each look-up a look-up: joined, the planner would rather read a whole table and compare every row with every part.
_FOUND: Final = f"""
    SELECT p.part, r.series_id, r.facts, r.emission_rate_id, {_READ}
    FROM unnest($2::integer[], $3::date[], $4::date[]) AS p (part, starts, ends) CROSS JOIN LATERAL (
        SELECT * FROM telemetry_daily d WHERE d.organization_id = $1 AND d.day >= p.starts AND d.day < p.ends OFFSET 0
    ) r
    UNION ALL
    SELECT p.part, r.series_id, r.facts, r.emission_rate_id, {_READ}
    FROM unnest($5::integer[], $6::timestamptz[], $7::timestamptz[]) AS p (part, starts, ends) CROSS JOIN LATERAL (
        SELECT * FROM telemetry_hourly h WHERE h.organization_id = $1 AND h.hour >= p.starts AND h.hour < p.ends OFFSET 0
    ) r
    UNION ALL
    SELECT p.part, r.series_id, r.facts, r.emission_rate_id, {_READ}
    FROM unnest($8::integer[], $9::timestamptz[], $10::timestamptz[]) AS p (part, starts, ends) CROSS JOIN LATERAL (
        SELECT e.series_id, e.facts, coalesce(e.emission_rate_id, 0) AS emission_rate_id, {_READ_RAW} FROM telemetry_events e
        WHERE e.organization_id = $1 AND e.occurred_at >= p.starts AND e.occurred_at < p.ends OFFSET 0
    ) r
"""
# What depends on the sets and the dimensions stands between marks, which ``_sums`` fills with words of this module.
_SUMS: Final = f"""
    WITH wanted AS MATERIALIZED (
        SELECT s.id, <rank> AS grp <labels> FROM telemetry_series s WHERE s.organization_id = $1 AND {_MATCHES}
    ), found AS ({_FOUND}), cells AS (
        SELECT f.part, w.grp, f.facts, f.emission_rate_id, <added> FROM found f JOIN wanted w ON w.id = f.series_id <by>
    ), signed AS (
        SELECT <bucket> AS bucket, <group> AS grp, c.facts, c.emission_rate_id, {_MOVED}
        FROM cells c JOIN unnest($11::integer[], $12::integer[], $13::integer[]) AS k (part, bucket, sign) ON k.part = c.part
        GROUP BY c.facts, c.emission_rate_id, GROUPING SETS (<sets>)
    ), apart AS (
        SELECT s.bucket, s.grp, s.emission_rate_id, {_APART} FROM signed s GROUP BY s.bucket, s.grp, s.emission_rate_id
    ), measured AS (
        SELECT a.bucket, a.grp, {_MADE}
        FROM apart a LEFT JOIN emission_rates r ON r.id = a.emission_rate_id GROUP BY a.bucket, a.grp
    )
    SELECT m.bucket, m.grp <shown>, {_SHOWN} FROM measured m <named>
    WHERE m.events <> 0 OR m.duplicate_events <> 0 OR m.metered_events <> 0
    ORDER BY m.bucket, m.uncached_input + m.cached_input + m.cache_creation_5m + m.cache_creation_1h + m.output DESC, m.grp LIMIT $14
"""


@functools.cache
def _sums(sets: Sets, dimensions: tuple[Dimension, ...], *, moves: bool) -> str:
    """Return the statement. ``moves``: some parts are in two buckets; where none is, adding a part up first would be work done twice."""
    columns = [COLUMNS[dimension] for dimension in dimensions]
    marks = {
        "<rank>": f"dense_rank() OVER (ORDER BY {', '.join(f's.{column}' for column in columns)})" if columns else "1::bigint",
        "<labels>": "".join(f", s.{column} AS label_{place}" for place, column in enumerate(columns)),
        "<added>": _ADDED if moves else ", ".join(f"f.{name}" for name in _PLAIN),
        "<by>": "GROUP BY f.part, w.grp, f.facts, f.emission_rate_id" if moves else "",
        "<bucket>": "NULL::integer" if sets is Sets.GROUP else "k.bucket",
        "<group>": "NULL::bigint" if sets is Sets.BUCKET else "c.grp",
        "<sets>": _SETS[sets],
        "<shown>": "".join(f", g.label_{place}" for place in range(len(columns))),
        "<named>": _named(len(columns)),
    }
    statement = _SUMS
    for mark, words in marks.items():
        statement = statement.replace(mark, words)
    return statement


def _named(labels: int) -> str:
    if not labels:
        return ""
    return f"LEFT JOIN (SELECT DISTINCT grp{''.join(f', label_{place}' for place in range(labels))} FROM wanted) g ON g.grp = m.grp"


async def sums(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    parts: Sequence[Part],
    filters: Filters,
    sets: Sets,
    dimensions: tuple[Dimension, ...] = (),
    at_most: int,
) -> list[Row]:
    """Return sums of parts by bucket, then most tokens first; buckets and groups without anything are left out; ``at_most`` rows.

    Raises ``NumberOutOfRange`` for more tokens than a bigint holds.
    """
    await uow.conn.execute(_SETTINGS)
    try:
        statement = _sums(sets, dimensions, moves=any(part.adds is not None and part.takes is not None for part in parts))
        rows = await uow.conn.fetch(statement, organization_id, *_arrays(parts), at_most, *values(filters))
    except asyncpg.NumericValueOutOfRangeError as error:
        raise decimals.NumberOutOfRange from error
    return [_row(tuple(row), len(dimensions)) for row in rows]


def _arrays(parts: Sequence[Part]) -> list[list[Any]]:
    of: dict[Grain, tuple[list[int], list[Any], list[Any]]] = {grain: ([], [], []) for grain in Grain}
    moves: tuple[list[int], list[int], list[int]] = ([], [], [])
    for number, part in enumerate(parts):
        numbers, starts, ends = of[part.grain]
        numbers.append(number)
        starts.append(_slot(part, part.start))
        ends.append(_slot(part, part.end))
        for bucket, sign in ((part.adds, 1), (part.takes, -1)):
            if bucket is not None:
                for column, value in zip(moves, (number, bucket, sign), strict=True):
                    column.append(value)
    return [*of[Grain.DAY], *of[Grain.HOUR], *of[Grain.EVENT], *moves]


def _slot(part: Part, at: Any) -> date:  # noqa: ANN401 - a datetime is a date; which one the column takes, the grain says
    return at.date() if part.grain is Grain.DAY else at  # type: ignore[no-any-return]  # as above


def _row(row: tuple[Any, ...], labels: int) -> Row:
    bucket, group, *rest = row
    counts, amounts = rest[labels : labels + measuring.COUNTS], rest[labels + measuring.COUNTS :]
    found = Measures._make([*map(int, counts), *amounts])
    return Row(bucket, None if group is None else tuple(rest[:labels]), found)


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
