"""Roll-ups compared with the events that they add up, and made anew from them, a day (UTC) at a time."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.telemetry.core.rollup import Sums
from carbonledger.domains.telemetry.core.slots import Grain
from carbonledger.domains.telemetry.store import broad
from carbonledger.domains.telemetry.types import Difference
from carbonledger.infra import db

_NAMES: Final = ", ".join(Sums._fields)
_OF_RAW: Final = ", ".join(f"r.{name}" for name in Sums._fields)
_OF_KEPT: Final = ", ".join(f"k.{name}" for name in Sums._fields)
_NOTHING: Final = " AND ".join(f"{name} = 0" for name in Sums._fields)
_SUMMED: Final = ", ".join(f"sum({name}) AS {name}" for name in Sums._fields)
_RATE_ID: Final = "coalesce(e.emission_rate_id, 0) AS emission_rate_id"
_ADDED: Final = """
    count(*) AS events, coalesce(sum(e.requests), 0) AS requests,
    coalesce(sum(e.uncached_input), 0) AS uncached_input, coalesce(sum(e.cached_input), 0) AS cached_input,
    coalesce(sum(e.cache_creation_5m), 0) AS cache_creation_5m, coalesce(sum(e.cache_creation_1h), 0) AS cache_creation_1h,
    coalesce(sum(e.output), 0) AS output, coalesce(sum(e.reasoning), 0) AS reasoning, coalesce(sum(e.quantity), 0) AS quantity,
    coalesce(sum(e.cost_amount), 0) AS cost_amount,
    coalesce(sum(e.reported_cost) FILTER (WHERE e.reported_currency = 'USD'), 0) AS reported_usd
"""
_THEN: Final = "WHERE e.organization_id = $1 AND e.occurred_at >= $2 AND e.occurred_at < $3 GROUP BY 1, 2, 3, 4"
_EVENTS: Final = f"e.series_id, e.facts, {_RATE_ID}, {_ADDED} FROM telemetry_events e {_THEN}"
_HOURS: Final = f"SELECT date_trunc('hour', e.occurred_at, 'UTC') AS slot, {_EVENTS}"
_DAYS: Final = f"SELECT (e.occurred_at AT TIME ZONE 'UTC')::date AS slot, {_EVENTS}"
_BOOKS: Final = "coalesce(array_agg(DISTINCT e.price_book_id) FILTER (WHERE e.price_book_id IS NOT NULL), '{}') AS price_books"
_DAYS_BOOKED: Final = _DAYS.replace(" FROM telemetry_events e", f", {_BOOKS} FROM telemetry_events e")
_QUARTERS: Final = f"""
SELECT date_bin('15 minutes', e.occurred_at, '2000-01-01 00:00+00') AS slot, coalesce(s.broad_id, s.id) AS series_id, e.facts, {_RATE_ID},
    {_ADDED} FROM telemetry_events e JOIN telemetry_series s ON s.organization_id = $1 AND s.id = e.series_id {_THEN}
"""
# Hours and days of the broad roll-up are sums of its quarters, which are sums of events. Of a day these are all that reach into it.
_QUARTER: Final = Grain.QUARTER.value
_HOUR: Final = Grain.HOUR.value
_REACHING: Final = f"""
CASE b.grain WHEN {_QUARTER} THEN false WHEN {_HOUR} THEN b.starts >= $2 AND b.starts < $3
    ELSE b.starts > $2::timestamptz - interval '24 hours' AND b.starts < $3 END
"""
_COARSER: Final = f"""
SELECT b.grain, b.starts AS slot, b.series_id, b.facts, b.emission_rate_id, {_SUMMED} FROM (
    SELECT g.grain, date_bin(g.step, q.starts, g.origin) AS starts, q.series_id, q.facts, q.emission_rate_id, {_NAMES}
    FROM telemetry_broad q CROSS JOIN {broad.GRAINS}
    WHERE q.organization_id = $1 AND q.grain = {_QUARTER} AND NOT ({_NOTHING})
        AND q.starts >= $2::timestamptz - interval '18 hours' AND q.starts < $3::timestamptz + interval '18 hours'
) b WHERE {_REACHING} GROUP BY 1, 2, 3, 4, 5
"""
_KEPT_HOURS: Final = f"""
SELECT h.hour AS slot, h.series_id, h.facts, h.emission_rate_id, {_NAMES} FROM telemetry_hourly h
WHERE h.organization_id = $1 AND h.hour >= $2 AND h.hour < $3 AND NOT ({_NOTHING})
"""
_KEPT_DAYS: Final = f"""
SELECT d.day AS slot, d.series_id, d.facts, d.emission_rate_id, {_NAMES} FROM telemetry_daily d
WHERE d.organization_id = $1 AND d.day >= ($2::timestamptz AT TIME ZONE 'UTC')::date AND d.day < ($3::timestamptz AT TIME ZONE 'UTC')::date
    AND NOT ({_NOTHING})
"""
_KEPT_QUARTERS: Final = f"""
SELECT b.starts AS slot, b.series_id, b.facts, b.emission_rate_id, {_NAMES} FROM telemetry_broad b
WHERE b.organization_id = $1 AND b.grain = {_QUARTER} AND b.starts >= $2 AND b.starts < $3 AND NOT ({_NOTHING})
"""
_KEPT_COARSER: Final = f"""
SELECT b.grain, b.starts AS slot, b.series_id, b.facts, b.emission_rate_id, {_NAMES} FROM telemetry_broad b
WHERE b.organization_id = $1 AND NOT ({_NOTHING}) AND {_REACHING}
"""
_KEY: Final = "slot, series_id, facts, emission_rate_id"
_DIFFER: Final = f"WHERE ({_OF_RAW}) IS DISTINCT FROM ({_OF_KEPT}) ORDER BY 1, 2, 3, 4 LIMIT $4"
_SHOWN: Final = f"{_KEY}, {_OF_RAW}, {_OF_KEPT}"
# One statement is one snapshot, and ingest writes events and roll-ups in one transaction, so nothing has to be locked to compare them.
_COMPARED: Final = (
    ("hourly", f"SELECT {_SHOWN} FROM ({_HOURS}) r FULL JOIN ({_KEPT_HOURS}) k USING ({_KEY}) {_DIFFER}"),
    ("daily", f"SELECT {_SHOWN} FROM ({_DAYS}) r FULL JOIN ({_KEPT_DAYS}) k USING ({_KEY}) {_DIFFER}"),
    ("broad quarters", f"SELECT {_SHOWN} FROM ({_QUARTERS}) r FULL JOIN ({_KEPT_QUARTERS}) k USING ({_KEY}) {_DIFFER}"),
    ("broad", f"SELECT {_SHOWN} FROM ({_COARSER}) r FULL JOIN ({_KEPT_COARSER}) k USING (grain, {_KEY}) {_DIFFER}"),
)
_SPAN: Final = """
SELECT least(
    (SELECT (min(e.occurred_at) AT TIME ZONE 'UTC')::date FROM telemetry_events e WHERE e.organization_id = $1),
    (SELECT min(d.day) FROM telemetry_daily d WHERE d.organization_id = $1)
), greatest(
    (SELECT (max(e.occurred_at) AT TIME ZONE 'UTC')::date FROM telemetry_events e WHERE e.organization_id = $1),
    (SELECT max(d.day) FROM telemetry_daily d WHERE d.organization_id = $1)
)
"""
# A table lock, because a transaction that has inserted its events and not yet added to the roll-ups holds no row of them. Once it is had,
# every such transaction is either done, and its events are in the snapshots that follow, or has yet to add to rows as these leave them.
# Of one table, which the statement that adds to all of them can't do without: it locks them in no order that could be followed here.
_LOCK: Final = "LOCK TABLE telemetry_hourly IN EXCLUSIVE MODE"
_SETTINGS: Final = "SET LOCAL lock_timeout = '10s'"
_REBUILT: Final = (
    "DELETE FROM telemetry_hourly WHERE organization_id = $1 AND hour >= $2 AND hour < $3",
    f"INSERT INTO telemetry_hourly (organization_id, hour, series_id, facts, emission_rate_id, {_NAMES}) SELECT $1, r.* FROM ({_HOURS}) r",
    """
    DELETE FROM telemetry_daily WHERE organization_id = $1
        AND day >= ($2::timestamptz AT TIME ZONE 'UTC')::date AND day < ($3::timestamptz AT TIME ZONE 'UTC')::date
    """,
    f"""
    INSERT INTO telemetry_daily (organization_id, day, series_id, facts, emission_rate_id, {_NAMES}, price_books)
    SELECT $1, r.* FROM ({_DAYS_BOOKED}) r
    """,
    f"DELETE FROM telemetry_broad WHERE organization_id = $1 AND grain = {_QUARTER} AND starts >= $2 AND starts < $3",
    f"""
    INSERT INTO telemetry_broad (organization_id, grain, starts, series_id, facts, emission_rate_id, {_NAMES})
    SELECT $1, {_QUARTER}, r.* FROM ({_QUARTERS}) r
    """,
    f"DELETE FROM telemetry_broad b WHERE b.organization_id = $1 AND {_REACHING}",
    f"""
    INSERT INTO telemetry_broad (organization_id, grain, starts, series_id, facts, emission_rate_id, {_NAMES})
    SELECT $1, r.* FROM ({_COARSER}) r
    """,
)


async def span(uow: db.UnitOfWork, *, organization_id: UUID) -> tuple[date, date] | None:
    """Return the first and last day (UTC) that the ledger or its roll-ups know; None: nothing is there."""
    row = await uow.conn.fetchrow(_SPAN, organization_id)
    return None if row is None or row[0] is None else (row[0], row[1])


async def differences(uow: db.UnitOfWork, *, organization_id: UUID, start: datetime, end: datetime, at_most: int) -> list[Difference]:
    """Return rows of roll-ups that say something else than the events of these whole days, hours first; ``at_most`` of each kind."""
    return [
        _difference(table, tuple(row))
        for table, statement in _COMPARED
        for row in await uow.conn.fetch(statement, organization_id, start, end, at_most)
    ]


def _difference(table: str, row: tuple[Any, ...]) -> Difference:
    slot, series_id, facts, rate_id, *sums = row
    half = len(Sums._fields)
    raw, kept = sums[:half], sums[half:]
    changed = tuple(
        (name, mine or 0, its or 0) for name, mine, its in zip(Sums._fields, raw, kept, strict=True) if (mine or 0) != (its or 0)
    )
    return Difference(table=table, slot=slot, series_id=series_id, facts=facts, emission_rate_id=rate_id, sums=changed)


async def rebuild(uow: db.UnitOfWork, *, organization_id: UUID, start: datetime, end: datetime) -> None:
    """Make the roll-ups of these whole days anew, keeping ingest of all organizations waiting meanwhile. Call it first in a transaction."""
    await uow.conn.execute(_SETTINGS)
    await uow.conn.execute(_LOCK)
    for statement in _REBUILT:
        await uow.conn.execute(statement, organization_id, start, end)
