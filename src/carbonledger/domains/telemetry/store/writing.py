"""Writing events: a batch is copied into a staging table and inserted from there, then what it changes of the roll-ups is added.

Order of locks, the same in every transaction, so that none waits for another in a circle: new series by digest, new events by id, known
events by id, hours by key, days by key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from carbonledger.domains.telemetry.core import rollup
from carbonledger.domains.telemetry.core.rollup import DayKey, HourKey, Sums
from carbonledger.domains.telemetry.types import SeriesKey
from carbonledger.infra import db

_STAGING: Final = """
CREATE TEMP TABLE IF NOT EXISTS telemetry_staging (
    id uuid, idempotency_key text, series_id bigint, occurred_at timestamptz, duration_s integer,
    uncached_input bigint, cached_input bigint, cache_creation_5m bigint, cache_creation_1h bigint, output bigint, reasoning bigint,
    audio_input bigint, image_input bigint, cached_audio_input bigint, cached_image_input bigint, audio_output bigint, image_output bigint,
    requests bigint, quantity numeric, cost_pico bigint, cost_large numeric, cost_flags integer, reported_cost numeric,
    reported_currency text, emission_rate_id integer, emission_flags integer, facts integer, properties text
) ON COMMIT DELETE ROWS
"""
# Costs come as whole 10^-12 USD: a decimal for each event would take the driver longer than all its other columns together.
_INSERT: Final = """
WITH fresh AS (
    INSERT INTO telemetry_events (
        organization_id, id, idempotency_key, series_id, occurred_at, duration_s,
        uncached_input, cached_input, cache_creation_5m, cache_creation_1h, output, reasoning,
        audio_input, image_input, cached_audio_input, cached_image_input, audio_output, image_output,
        requests, quantity, cost_amount, cost_flags, price_book_id, reported_cost, reported_currency,
        emission_rate_id, emission_flags, facts, revision, properties, recorded_at
    )
    SELECT $1, s.id, s.idempotency_key, s.series_id, s.occurred_at, s.duration_s,
        s.uncached_input, s.cached_input, s.cache_creation_5m, s.cache_creation_1h, s.output, s.reasoning,
        s.audio_input, s.image_input, s.cached_audio_input, s.cached_image_input, s.audio_output, s.image_output,
        s.requests, s.quantity, coalesce(s.cost_large, s.cost_pico) * 0.000000000001, s.cost_flags,
        CASE WHEN s.quantity IS NULL THEN $2::smallint END,
        s.reported_cost, s.reported_currency, s.emission_rate_id, s.emission_flags, s.facts, 0, s.properties::jsonb, $3
    FROM telemetry_staging s ORDER BY s.id
    ON CONFLICT (id) DO NOTHING
    RETURNING organization_id, id, series_id, occurred_at, requests, uncached_input, cached_input, cache_creation_5m, cache_creation_1h,
        output, reasoning, quantity, cost_amount, reported_cost, reported_currency, facts, emission_rate_id
)
SELECT date_trunc('hour', occurred_at, 'UTC') AS hour, series_id, facts, coalesce(emission_rate_id, 0) AS emission_rate_id,
    count(*) AS events,
    coalesce(sum(requests), 0)::bigint, coalesce(sum(uncached_input), 0)::bigint, coalesce(sum(cached_input), 0)::bigint,
    coalesce(sum(cache_creation_5m), 0)::bigint, coalesce(sum(cache_creation_1h), 0)::bigint, coalesce(sum(output), 0)::bigint,
    coalesce(sum(reasoning), 0)::bigint, coalesce(sum(quantity), 0), coalesce(sum(cost_amount), 0),
    coalesce(sum(reported_cost) FILTER (WHERE reported_currency = 'USD'), 0),
    NULL::uuid[] AS known
FROM fresh WHERE organization_id = $1 GROUP BY 1, 2, 3, 4
UNION ALL
SELECT NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    (SELECT array_agg(s.id ORDER BY s.id) FROM telemetry_staging s WHERE NOT EXISTS (SELECT FROM fresh WHERE fresh.id = s.id))
WHERE (SELECT count(*) FROM fresh) < $4
"""
_ADDED: Final = ", ".join(f"{name} = r.{name} + excluded.{name}" for name in Sums._fields)
_NAMES: Final = ", ".join(Sums._fields)
_KEY_TYPES: Final = "bigint[], $4::integer[], $5::integer[]"
_SUM_TYPES: Final = ", ".join(
    f"${place}::{'numeric' if name in {'quantity', 'cost_amount', 'reported_usd'} else 'bigint'}[]"
    for place, name in enumerate(Sums._fields, start=6)
)
_ADD_HOURS: Final = f"""
INSERT INTO telemetry_hourly AS r (organization_id, hour, series_id, facts, emission_rate_id, {_NAMES})
SELECT $1, * FROM unnest($2::timestamptz[], $3::{_KEY_TYPES}, {_SUM_TYPES})
ON CONFLICT (organization_id, hour, series_id, facts, emission_rate_id) DO UPDATE SET {_ADDED}
"""
_ADD_DAYS: Final = f"""
INSERT INTO telemetry_daily AS r (organization_id, day, series_id, facts, emission_rate_id, {_NAMES})
SELECT $1, * FROM unnest($2::date[], $3::{_KEY_TYPES}, {_SUM_TYPES})
ON CONFLICT (organization_id, day, series_id, facts, emission_rate_id) DO UPDATE SET {_ADDED}
"""
_SERIES_COLUMNS: Final = ", ".join(SeriesKey._fields)
_SERIES_VALUES: Final = ", ".join(f"${place}" for place in range(4, 4 + len(SeriesKey._fields)))
_ADD_SERIES: Final = f"""
INSERT INTO telemetry_series (organization_id, digest, created_at, {_SERIES_COLUMNS}) VALUES ($1, $2, $3, {_SERIES_VALUES})
ON CONFLICT (organization_id, digest) DO NOTHING
"""
_FIND_SERIES: Final = "SELECT digest, id FROM telemetry_series WHERE organization_id = $1 AND digest = ANY ($2)"


class Staged(NamedTuple):
    """A row of the staging table, in its columns' order."""

    id: UUID
    idempotency_key: str
    series_id: int
    occurred_at: datetime
    duration_s: int
    uncached_input: int | None
    cached_input: int | None
    cache_creation_5m: int | None
    cache_creation_1h: int | None
    output: int | None
    reasoning: int | None
    audio_input: int | None
    image_input: int | None
    cached_audio_input: int | None
    cached_image_input: int | None
    audio_output: int | None
    image_output: int | None
    requests: int | None
    quantity: Decimal | None
    cost_pico: int | None
    cost_large: Decimal | None
    cost_flags: int
    reported_cost: Decimal | None
    reported_currency: str | None
    emission_rate_id: int | None
    emission_flags: int
    facts: int
    properties: str | None  # JSON: the driver copies no jsonb


class Inserted(NamedTuple):
    """What a batch added: by hour, and the ids whose events were there before."""

    hours: list[tuple[HourKey, Sums]]
    known: tuple[UUID, ...]


async def insert_events(
    uow: db.UnitOfWork, *, organization_id: UUID, rows: Sequence[Staged], price_book_id: int | None, at: datetime
) -> Inserted:
    """Insert what is new of ``rows``, each id once in them. The roll-ups are not changed yet (``add``)."""
    await uow.conn.execute(_STAGING)
    await uow.conn.copy_records_to_table("telemetry_staging", records=rows)
    found = await uow.conn.fetch(_INSERT, organization_id, price_book_id, at, len(rows))
    await uow.conn.execute("TRUNCATE telemetry_staging")
    hours: list[tuple[HourKey, Sums]] = []
    known: tuple[UUID, ...] = ()
    for row in found:
        values = tuple(row)
        if values[0] is None:
            known = tuple(values[-1])
        else:
            hours.append((HourKey(*values[:4]), Sums(*values[4:-1])))
    return Inserted(hours, known)


async def add(uow: db.UnitOfWork, *, organization_id: UUID, hours: Mapping[HourKey, Sums]) -> None:
    """Add changes to the hourly and the daily roll-up; ``hours`` is ``core.rollup.merged``'s."""
    if not hours:
        return
    await uow.conn.execute(_ADD_HOURS, organization_id, *_columns(hours))
    days = rollup.by_day(hours)
    if days:
        await uow.conn.execute(_ADD_DAYS, organization_id, *_columns(days))


def _columns(changes: Mapping[HourKey, Sums] | Mapping[DayKey, Sums]) -> list[list[int | Decimal | datetime | date]]:
    return [list(column) for column in zip(*((*key, *sums) for key, sums in changes.items()), strict=True)]


async def add_series(uow: db.UnitOfWork, *, organization_id: UUID, series: Mapping[UUID, SeriesKey], at: datetime) -> dict[UUID, int]:
    """Return the ids of series by their digests, written first where they are new."""
    found = await _series_ids(uow, organization_id, list(series))
    missing = sorted(digest for digest in series if digest not in found)
    if missing:
        await uow.conn.executemany(_ADD_SERIES, [(organization_id, digest, at, *series[digest]) for digest in missing])
        found |= await _series_ids(uow, organization_id, missing)
    return found


async def _series_ids(uow: db.UnitOfWork, organization_id: UUID, digests: list[UUID]) -> dict[UUID, int]:
    return {row["digest"]: row["id"] for row in await uow.conn.fetch(_FIND_SERIES, organization_id, digests)}
