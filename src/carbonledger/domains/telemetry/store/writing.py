"""Writing events: a batch is copied into a staging table and inserted from there, then what it changes of the roll-ups is added.

Order of locks, the same in every transaction, so that none waits for another in a circle: new series by digest, new events by id, known
events by id, hours by key, days by key, rows of the broad roll-up by key.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.core import rollup
from carbonledger.domains.telemetry.core.rollup import SlotKey, Sums
from carbonledger.domains.telemetry.store import broad, packing
from carbonledger.domains.telemetry.types import SeriesKey
from carbonledger.infra import db

# Rows are copied in the order of their ids, and an empty table gives back what was copied into it in that order: so they are inserted, and
# locked, by id. That the database orders them once more would cost it a twentieth of an event's time. The commit empties it where it is;
# to truncate it is to make its files and the plans that read it anew, which only the second batch of a transaction has to.
# house: allow tenant-query - what a transaction stages is its own
_STAGING: Final = f"""
CREATE TEMP TABLE IF NOT EXISTS telemetry_staging ({packing.COLUMNS}) ON COMMIT DELETE ROWS;
SELECT FROM telemetry_staging LIMIT 1
"""
_EMPTY: Final = "SELECT 0"  # what the database says of it
# Costs come as whole 10^-12 USD: a decimal for each event would take longer to write and to read than all its other columns together.
_INSERT: Final = """
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
    s.requests, s.quantity::numeric, coalesce(s.cost_large::numeric, s.cost_pico) * 0.000000000001, s.cost_flags,
    CASE WHEN s.quantity IS NULL THEN $2::smallint END,
    s.reported_cost::numeric, s.reported_currency, s.emission_rate_id, s.emission_flags, s.facts, 0, s.properties::jsonb, $3
FROM telemetry_staging s
"""
_INSERT_NEW: Final = f"""
WITH fresh AS ({_INSERT} ON CONFLICT (id) DO NOTHING RETURNING organization_id, id)
SELECT array_agg(s.id ORDER BY s.id) FROM telemetry_staging s
WHERE NOT EXISTS (SELECT FROM fresh WHERE fresh.organization_id = $1 AND fresh.id = s.id)
"""
_MANY: Final = 500  # rows from which on it pays to try without looking for each
_NAMES: Final = ", ".join(Sums._fields)
_ADDED: Final = ", ".join(f"{name} = r.{name} + excluded.{name}" for name in Sums._fields)
# Hours and days count what is added to them, be it nothing: what was made of their events is good for one number (``core.tallying``).
_COUNTED: Final = f"{_ADDED}, changes = r.changes + 1"
_AMOUNTS: Final = ("quantity", "cost_amount", "reported_usd")
_SUM_TYPES: Final = ", ".join(
    f"${place}::{'numeric' if name in _AMOUNTS else 'bigint'}[]" for place, name in enumerate(Sums._fields, start=7)
)
_SUMMED: Final = ", ".join(f"sum(c.{name}){'' if name in _AMOUNTS else '::bigint'}" for name in Sums._fields)
_BOOKS: Final = "coalesce(array_agg(DISTINCT c.price_book_id) FILTER (WHERE c.price_book_id <> 0), '{}')"
_BOTH: Final = "ARRAY(SELECT DISTINCT b FROM unnest(r.price_books || excluded.price_books) AS b ORDER BY b)"
_BOOKED: Final = f"price_books = CASE WHEN r.price_books @> excluded.price_books THEN r.price_books ELSE {_BOTH} END"
# Each INSERT waits for the one before it by asking for its rows, so that all transactions lock hours, days and broad rows in this order.
_ADD: Final = f"""
WITH changes AS MATERIALIZED (
    SELECT * FROM unnest($2::timestamptz[], $3::bigint[], $4::integer[], $5::integer[], $6::smallint[], {_SUM_TYPES})
        AS c (quarter, series_id, facts, emission_rate_id, price_book_id, {_NAMES})
), hours AS (
    INSERT INTO telemetry_hourly AS r (organization_id, hour, series_id, facts, emission_rate_id, {_NAMES})
    SELECT $1, date_trunc('hour', c.quarter, 'UTC'), c.series_id, c.facts, c.emission_rate_id, {_SUMMED}
    FROM changes c GROUP BY 2, 3, 4, 5 ORDER BY 2, 3, 4, 5
    ON CONFLICT (organization_id, hour, series_id, facts, emission_rate_id) DO UPDATE SET {_COUNTED} RETURNING 1
), days AS (
    INSERT INTO telemetry_daily AS r (organization_id, day, series_id, facts, emission_rate_id, {_NAMES}, price_books)
    SELECT $1, (c.quarter AT TIME ZONE 'UTC')::date, c.series_id, c.facts, c.emission_rate_id, {_SUMMED}, {_BOOKS}
    FROM changes c WHERE (SELECT count(*) FROM hours) >= 0 GROUP BY 2, 3, 4, 5 ORDER BY 2, 3, 4, 5
    ON CONFLICT (organization_id, day, series_id, facts, emission_rate_id) DO UPDATE SET {_COUNTED}, {_BOOKED} RETURNING 1
)
INSERT INTO telemetry_broad AS r (organization_id, grain, starts, series_id, facts, emission_rate_id, {_NAMES})
SELECT $1, g.grain, date_bin(g.step, c.quarter, g.origin), coalesce(s.broad_id, s.id), c.facts, c.emission_rate_id, {_SUMMED}
FROM changes c JOIN telemetry_series s ON s.organization_id = $1 AND s.id = c.series_id CROSS JOIN {broad.GRAINS}
WHERE (SELECT count(*) FROM days) >= 0 GROUP BY 2, 3, 4, 5, 6 ORDER BY 2, 3, 4, 5, 6
ON CONFLICT (organization_id, grain, starts, series_id, facts, emission_rate_id) DO UPDATE SET {_ADDED}
"""
_SERIES_COLUMNS: Final = ", ".join(SeriesKey._fields)
_SERIES_VALUES: Final = ", ".join(f"${place}" for place in range(4, 4 + len(SeriesKey._fields)))
_SAME: Final = " AND ".join(
    f"b.{name} IS NOT DISTINCT FROM ${place}" for place, name in enumerate(SeriesKey._fields, start=4) if name not in rollup.NARROW
)
# Two transactions that add the first series of a kind at the same time each make theirs a leader: it has two rows then, which add up.
_ADD_SERIES: Final = f"""
INSERT INTO telemetry_series (organization_id, digest, created_at, {_SERIES_COLUMNS}, broad_id) VALUES ($1, $2, $3, {_SERIES_VALUES},
    (SELECT min(b.id) FROM telemetry_series b WHERE b.organization_id = $1 AND b.broad_id IS NULL AND {_SAME}))
ON CONFLICT (organization_id, digest) DO NOTHING
"""
_FIND_SERIES: Final = "SELECT digest, id FROM telemetry_series WHERE organization_id = $1 AND digest = ANY ($2)"


async def insert_events(
    uow: db.UnitOfWork, *, organization_id: UUID, rows: AsyncIterable[bytes], count: int, price_book_id: int | None, at: datetime
) -> list[UUID]:
    """Insert what is new of ``rows``, packed (``packing``) by id, each once in them. Return the ids whose events were there before.

    The roll-ups are not changed yet (``add``).
    """
    if await uow.conn.execute(_STAGING) != _EMPTY:
        await uow.conn.execute("TRUNCATE telemetry_staging")
    await uow.conn.copy_to_table("telemetry_staging", source=rows, format="binary")
    arguments = (organization_id, price_book_id, at)
    is_new = count >= _MANY and await _inserted_as_new(uow, arguments)
    known = None if is_new else await uow.conn.fetchval(_INSERT_NEW, *arguments)
    return known or []


async def _inserted_as_new(uow: db.UnitOfWork, arguments: tuple[UUID, int | None, datetime]) -> bool:
    """Insert what is staged if none of it is known, which costs the database a quarter less than asking for each row; else insert none.

    What is sent again is most often a whole batch, which fails at its first row.
    """
    try:
        async with uow.savepoint():
            await uow.conn.execute(_INSERT, *arguments)
    except asyncpg.UniqueViolationError:
        return False
    return True


async def add(uow: db.UnitOfWork, *, organization_id: UUID, changes: Mapping[SlotKey, Sums]) -> None:
    """Add changes to all roll-ups; ``changes`` is ``core.rollup.merged``'s. Raises ``SumsTooLarge``."""
    if not changes:
        return
    columns = [list(column) for column in zip(*((*key, *sums) for key, sums in changes.items()), strict=True)]
    try:
        await uow.conn.execute(_ADD, organization_id, *columns)
    # The driver refuses what exceeds 64 bits by itself, the database what does so once it is added.
    except (asyncpg.DataError, asyncpg.NumericValueOutOfRangeError) as error:
        raise types.SumsTooLarge("Tokens of an hour and a day are added up to 2^63 - 1; no provider counts so many.") from error


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
