"""By which versions of the price book events were priced: as days tell it, and of single events, by their time, where they don't."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from typing import Final, NamedTuple
from uuid import UUID

from carbonledger.domains.telemetry.store import metering
from carbonledger.domains.telemetry.store.aggregating import Window
from carbonledger.domains.telemetry.types import Fact
from carbonledger.domains.telemetry.types.metering import Field, Query
from carbonledger.infra import db

_APART: Final = int(Fact.DUPLICATE | Fact.COST_NOT_COVERED)
_FIRST: Final = 5  # after the organization and three arrays of windows
_WINDOWS: Final = """
w AS MATERIALIZED (
    SELECT o.place::integer - 1 AS w, o.account, o.starts, o.ends
    FROM unnest($2::text[], $3::timestamptz[], $4::timestamptz[]) WITH ORDINALITY AS o (account, starts, ends, place)
), s AS MATERIALIZED (
    SELECT w.w, w.starts, w.ends, s.id FROM w JOIN telemetry_series s ON s.organization_id = $1 AND s.account = w.account WHERE <matches>
)
"""
_DAYS: Final = f"""
WITH {_WINDOWS} SELECT DISTINCT s.w, d.day, d.price_books FROM s CROSS JOIN LATERAL (
    SELECT d.day, d.price_books FROM telemetry_daily d WHERE d.organization_id = $1 AND d.series_id = s.id
        AND d.day >= (s.starts AT TIME ZONE 'UTC')::date AND d.day <= ((s.ends - interval '1 microsecond') AT TIME ZONE 'UTC')::date
        AND d.events <> 0 AND d.facts & {_APART} = 0 AND d.price_books <> '{{}}' OFFSET 0
) d
"""
_EVENTS: Final = f"""
WITH {_WINDOWS} SELECT DISTINCT s.w, e.price_book_id FROM (SELECT DISTINCT w.starts, w.ends FROM w) t CROSS JOIN LATERAL (
    SELECT e.series_id, e.price_book_id FROM telemetry_events e
    WHERE e.organization_id = $1 AND e.occurred_at >= t.starts AND e.occurred_at < t.ends AND e.facts & {_APART} = 0
        AND e.price_book_id IS NOT NULL <matching> AND coalesce(e.series_id IN (SELECT s.id FROM s), false) OFFSET 0
) e JOIN s ON s.id = e.series_id AND s.starts = t.starts AND s.ends = t.ends
"""
# house: allow tenant-query - what providers publish is the same for everybody
_VERSIONS: Final = "SELECT id, version FROM price_books WHERE id = ANY ($1::smallint[])"


class Day(NamedTuple):
    """By which books some events of a window's day were priced: each of them, or one that was priced anew since, by one of these."""

    window: int
    day: date
    books: tuple[int, ...]


async def days(uow: db.UnitOfWork, *, organization_id: UUID, query: Query, windows: Sequence[Window]) -> list[Day]:
    """Return what days tell of the windows' series; filters by property are left aside."""
    of_series = tuple(one for one in query.filters if one.dimension.field is not Field.PROPERTY)
    matches, _, values = metering.conditions(replace(query, filters=of_series), _FIRST)
    await uow.conn.execute(metering.SETTINGS)
    statement = metering.filled(_DAYS, {"<matches>": " AND ".join(matches)})
    rows = await uow.conn.fetch(statement, organization_id, *_columns(windows), *values)
    return [Day(row[0], row[1], tuple(row[2])) for row in rows]


async def books(uow: db.UnitOfWork, *, organization_id: UUID, query: Query, windows: Sequence[Window]) -> list[tuple[int, int]]:
    """Return by which books the events that a query counts were priced: which window, which book. It reads all events of that time."""
    matches, matching, values = metering.conditions(query, _FIRST)
    marks = {"<matches>": " AND ".join(matches), "<matching>": "".join(f" AND {condition}" for condition in matching)}
    await uow.conn.execute(metering.SETTINGS)
    rows = await uow.conn.fetch(metering.filled(_EVENTS, marks), organization_id, *_columns(windows), *values)
    return [(row[0], row[1]) for row in rows]


async def versions(uow: db.UnitOfWork, *, ids: Iterable[int]) -> dict[int, str]:
    """Return the versions of books by their ids."""
    return {row["id"]: row["version"] for row in await uow.conn.fetch(_VERSIONS, list(ids))}


def _columns(windows: Sequence[Window]) -> list[list[object]]:
    return [[window[place] for window in windows] for place in range(3)]
