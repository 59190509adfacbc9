"""Tallies in the database: looked up beside the roll-ups that say whether they stand, made of events, written and deleted.

    ranges ─> days of the accounts' series ─┬─ with a tally of as many changes ─> it
                                            └─ without ─> their hours, likewise ─> what is left: its events, made into tallies at once
Events are made into tallies by one statement, whether they are kept or only answered with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from carbonledger.domains.telemetry.core import tallying as core
from carbonledger.domains.telemetry.core.slots import Grain
from carbonledger.domains.telemetry.store import aggregating, metering
from carbonledger.domains.telemetry.types.metering import Aggregation, Field, Query
from carbonledger.domains.telemetry.types.tallying import Range, Stretch, Tally
from carbonledger.infra import db

_DAY: Final = Grain.DAY.value
_HOUR: Final = Grain.HOUR.value
_NAMES: Final = (
    *("labels", "events", "skipped", "value", "area", "last_at", "last_id", "members"),
    *("cost", "without_cost", "without_co2e", "co2e", "factors"),
)
_KEPT: Final = ", ".join(f"t.{name}" for name in ("place", *_NAMES))
_MADE: Final = ", ".join(f"g.{name}" for name in _NAMES)
# Of a day in which the range begins or ends no tally can be of use; it is told all the same, for its hours.
_DAYS: Final = f"""
WITH w AS MATERIALIZED (
    SELECT o.place::integer - 1 AS w, o.account, o.starts, o.ends
    FROM unnest($3::text[], $4::timestamptz[], $5::timestamptz[]) WITH ORDINALITY AS o (account, starts, ends, place)
), s AS MATERIALIZED (
    SELECT w.w, w.starts, w.ends, s.id, ARRAY[<labels>]::text[] AS labels
    FROM w JOIN telemetry_series s ON s.organization_id = $1 AND s.account = w.account WHERE <matches>
), d AS MATERIALIZED (
    SELECT s.w, s.id, s.labels, r.day, r.changes, r.events FROM s CROSS JOIN LATERAL (
        SELECT d.day, sum(d.changes)::bigint AS changes, sum(d.events)::bigint AS events FROM telemetry_daily d
        WHERE d.organization_id = $1 AND d.series_id = s.id AND d.day >= (s.starts AT TIME ZONE 'UTC')::date
            AND d.day <= ((s.ends - interval '1 microsecond') AT TIME ZONE 'UTC')::date
        GROUP BY d.day OFFSET 0
    ) r
), t AS MATERIALIZED (
    SELECT s.w, t.* FROM s CROSS JOIN LATERAL (
        SELECT t.*, (t.starts AT TIME ZONE 'UTC')::date AS day FROM telemetry_tallies t WHERE t.organization_id = $1 AND t.query = $2
            AND t.series_id = s.id AND t.grain = {_DAY} AND t.starts >= s.starts AND t.starts <= s.ends - interval '24 hours' OFFSET 0
    ) t
)
SELECT d.w, d.id, d.labels AS series, d.day, d.events AS busy, {_KEPT}
FROM d LEFT JOIN t ON t.w = d.w AND t.series_id = d.id AND t.day = d.day AND t.changes = d.changes ORDER BY d.w, d.id, d.day
"""
_HOURS: Final = f"""
SELECT p.p, r.hour, {_KEPT} FROM unnest($3::integer[], $4::bigint[], $5::timestamptz[], $6::timestamptz[]) AS p (p, id, starts, ends)
CROSS JOIN LATERAL generate_series(p.starts, p.ends - interval '1 hour', interval '1 hour') AS o (hour)
CROSS JOIN LATERAL (
    SELECT o.hour, sum(h.changes)::bigint AS changes FROM telemetry_hourly h
    WHERE h.organization_id = $1 AND h.hour = o.hour AND h.series_id = p.id OFFSET 0
) r LEFT JOIN telemetry_tallies t ON t.organization_id = $1 AND t.query = $2 AND t.series_id = p.id AND t.grain = {_HOUR}
    AND t.starts = r.hour AND t.changes = r.changes
WHERE r.changes IS NOT NULL ORDER BY p.p, r.hour
"""
_PARTS: Final = "unnest($2::integer[], $3::bigint[], $4::timestamptz[], $5::timestamptz[]) AS o (p, id, starts, ends)"
_BY_SERIES: Final = f"""
SELECT p.p, p.ends, e.* FROM p CROSS JOIN LATERAL (
    {aggregating.READ_EVENTS} AND e.organization_id = $1 AND e.series_id = p.id AND (e.properties IS NOT NULL OR e.quantity IS NOT NULL)
    AND e.occurred_at >= p.starts AND e.occurred_at < p.ends <matching> OFFSET 0
) e
"""
_BY_TIME: Final = f"""
SELECT p.p, p.ends, e.* FROM unnest(<times>) AS o (starts, ends) CROSS JOIN LATERAL (
    {aggregating.READ_EVENTS} AND e.organization_id = $1 AND e.occurred_at >= o.starts AND e.occurred_at < o.ends <matching>
    AND coalesce(e.series_id IN (SELECT p.id FROM p), false) OFFSET 0
) e JOIN p ON p.id = e.series_id AND e.occurred_at >= p.starts AND e.occurred_at < p.ends
"""
_LAST: Final = "(array_agg(f.{} ORDER BY f.occurred_at DESC, f.id DESC) FILTER (WHERE f.value IS NOT NULL))[1]"
_ESTIMATES: Final = "".join(
    (*(f", {aggregating.VALUES[one]} AS {one.value}" for one in aggregating.CO2E), f", {aggregating.FACTOR} AS factor_version")
)
_ESTIMATED: Final = f"ARRAY[{', '.join(f'coalesce(sum(f.{one.value}), 0)' for one in aggregating.CO2E)}]"
_GROUPS: Final = f"""
p AS MATERIALIZED (<parts>), f AS (<found>), g AS (
    SELECT f.p, ARRAY[<labels>]::text[] AS labels, count(*) FILTER (WHERE <counted>) AS events,
        count(*) FILTER (WHERE f.told AND f.value IS NULL) AS skipped, <total> AS value, <area> AS area,
        <last at> AS last_at, <last id> AS last_id, <members> AS members, coalesce(sum(f.cost_amount), 0) AS cost,
        count(*) FILTER (WHERE f.facts & {aggregating.NO_COST} <> 0) AS without_cost,
        count(*) FILTER (WHERE f.facts & {aggregating.NO_CO2E} <> 0) AS without_co2e, <estimates> AS co2e, <factors> AS factors
    FROM f GROUP BY f.p <grouped>
)
"""
_READ: Final = f"WITH {_GROUPS} SELECT g.p, {_MADE} FROM g"
_FIRST_READ: Final = 6  # after the organization and four arrays of parts
# Changes and events are of one snapshot: this statement's.
_KEEP: Final = f"""
WITH {_GROUPS} INSERT INTO telemetry_tallies (organization_id, query, series_id, grain, starts, place, changes, {", ".join(_NAMES)})
SELECT $1, $7, p.id, $6, p.starts, CASE WHEN g.p IS NULL THEN 0 ELSE row_number() OVER (PARTITION BY p.p) END, p.changes,
    coalesce(g.labels, '{{}}'), coalesce(g.events, 0), coalesce(g.skipped, 0), g.value, g.area, g.last_at, g.last_id, g.members,
    coalesce(g.cost, 0), coalesce(g.without_cost, 0), coalesce(g.without_co2e, 0), g.co2e, g.factors
FROM p LEFT JOIN g USING (p) ON CONFLICT DO NOTHING
"""
_FIRST_KEPT: Final = 8  # and the grain and the query
_CHANGED: Final = {
    Grain.DAY: """
        SELECT sum(r.changes)::bigint AS changes FROM telemetry_daily r
        WHERE r.organization_id = $1 AND r.day = (o.starts AT TIME ZONE 'UTC')::date AND r.series_id = o.id OFFSET 0
    """,
    Grain.HOUR: """
        SELECT sum(r.changes)::bigint AS changes FROM telemetry_hourly r
        WHERE r.organization_id = $1 AND r.hour = o.starts AND r.series_id = o.id OFFSET 0
    """,
}
_PARTS_KEPT: Final = f"""
SELECT o.*, r.changes FROM {_PARTS} CROSS JOIN LATERAL (<changed>) r
"""
_DUE: Final = """
SELECT c.series_id, c.starts FROM (
    SELECT r.series_id, <slot> AS starts, sum(r.changes) AS changes FROM <table> r
    JOIN telemetry_series s ON s.organization_id = $1 AND s.id = r.series_id
    WHERE r.organization_id = $1 AND <when> AND s.account IS NOT NULL AND <matches>
    GROUP BY r.series_id, <column> HAVING sum(r.events) >= $4
) c WHERE NOT EXISTS (
    SELECT FROM telemetry_tallies t WHERE t.organization_id = $1 AND t.query = $5 AND t.series_id = c.series_id AND t.grain = $6
        AND t.starts = c.starts AND t.changes = c.changes
) ORDER BY c.series_id, c.starts
"""
_FIRST_DUE: Final = 7  # after the organization, the time, how many events it pays for, the query and the grain
_DUE_DAYS: Final = {
    "<table>": "telemetry_daily",
    "<column>": "r.day",
    "<slot>": "r.day::timestamp AT TIME ZONE 'UTC'",
    "<when>": "r.day >= ($2::timestamptz AT TIME ZONE 'UTC')::date AND r.day < ($3::timestamptz AT TIME ZONE 'UTC')::date",
}
_DUE_HOURS: Final = {
    "<table>": "telemetry_hourly",
    "<column>": "r.hour",
    "<slot>": "r.hour",
    "<when>": "r.hour >= $2::timestamptz AND r.hour < $3::timestamptz",
}
# Who makes tallies shares this lock with others who do. Who erases properties, or makes roll-ups anew, holds its table alone until it is
# done, so that no tally of what was there before is written after theirs are deleted.
_SHARE: Final = "LOCK TABLE telemetry_tallies IN ROW EXCLUSIVE MODE"
_ALONE: Final = "LOCK TABLE telemetry_tallies IN SHARE ROW EXCLUSIVE MODE"
_DROP: Final = """
DELETE FROM telemetry_tallies t USING unnest($4::bigint[], $5::timestamptz[]) AS o (series_id, starts)
WHERE t.organization_id = $1 AND t.query = $2 AND t.grain = $3 AND t.series_id = o.series_id AND t.starts = o.starts
"""
_DROP_OF: Final = """
DELETE FROM telemetry_tallies t USING telemetry_events e WHERE e.organization_id = $1 AND e.id = $2
AND t.organization_id = $1 AND t.series_id = e.series_id AND t.starts IN (
    date_trunc('hour', e.occurred_at, 'UTC'), date_trunc('day', e.occurred_at, 'UTC')
)
"""
_DROP_BETWEEN: Final = "DELETE FROM telemetry_tallies WHERE organization_id = $1 AND starts >= $2 AND starts < $3"
_DROP_MARKS: Final = "DELETE FROM telemetry_tallied WHERE organization_id = $1 AND query <> ALL ($2::uuid[]) RETURNING query"
_DROP_ALL: Final = "DELETE FROM telemetry_tallies WHERE organization_id = $1 AND query = ANY ($2::uuid[])"
_MARK: Final = "INSERT INTO telemetry_tallied (organization_id, query) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_THROUGH: Final = "SELECT through FROM telemetry_tallied WHERE organization_id = $1 AND query = $2"
_SET_THROUGH: Final = "UPDATE telemetry_tallied SET through = $3 WHERE organization_id = $1 AND query = $2"


class Day(NamedTuple):
    """A day in which a series has events: how many, and its tallies, if there are any that stand (place 0: nothing counts)."""

    range: int
    series_id: int
    series: tuple[str | None, ...]
    day: date
    events: int
    tally: tuple[int, Tally] | None


class Part(NamedTuple):
    """A stretch of a series' time whose events are made into tallies."""

    series_id: int
    time: Stretch


async def days(uow: db.UnitOfWork, *, organization_id: UUID, query: Query, number: UUID, ranges: Sequence[Range]) -> list[Day]:
    """Return the days of all series of ranges, by range, series and day; one with tallies of several groups as often."""
    matches, values = _matches(query, 6)
    labels = ", ".join(metering.subject_of(one, [], 0) for one in core.series_fields(query))
    statement = metering.filled(_DAYS, {"<labels>": labels, "<matches>": matches})
    asked = [[one.account for one in ranges], [one.start for one in ranges], [one.end for one in ranges]]
    await uow.conn.execute(metering.SETTINGS)
    rows = await uow.conn.fetch(statement, organization_id, number, *asked, *values)
    return [Day(row[0], row[1], tuple(row[2]), row[3], row[4], _kept(tuple(row)[5:])) for row in rows]


async def hours(
    uow: db.UnitOfWork, *, organization_id: UUID, number: UUID, parts: Sequence[Part]
) -> list[tuple[int, datetime, tuple[int, Tally] | None]]:
    """Return the hours with events of parts, whole hours all: by which of them and by hour, with tallies as ``days`` has them."""
    rows = await uow.conn.fetch(_HOURS, organization_id, number, *_columns(parts))
    return [(row[0], row[1], _kept(tuple(row)[2:])) for row in rows]


async def read(
    uow: db.UnitOfWork, *, organization_id: UUID, query: Query, parts: Sequence[Part], times: Sequence[Stretch], co2e: bool
) -> list[tuple[int, Tally]]:
    """Return what events of parts come to, by which of them; ``times``: all of their time, once."""
    statement, values = _made(_READ, query, times, _FIRST_READ, f"SELECT * FROM {_PARTS}", co2e=co2e)
    rows = await uow.conn.fetch(statement, organization_id, *_columns(parts), *values)
    return [(row[0], _tally(tuple(row)[1:])) for row in rows]


async def due(
    uow: db.UnitOfWork, *, organization_id: UUID, query: Query, number: UUID, grain: Grain, time: Stretch, events_min: int
) -> list[Part]:
    """Return the hours or days of a time that have at least so many events and no tallies that stand."""
    matches, values = _matches(query, _FIRST_DUE)
    marks = _DUE_DAYS if grain is Grain.DAY else _DUE_HOURS
    statement = metering.filled(_DUE, {**marks, "<matches>": matches})
    rows = await uow.conn.fetch(statement, organization_id, time.start, time.end, events_min, number, grain.value, *values)
    length = timedelta(days=1) if grain is Grain.DAY else timedelta(hours=1)
    return [Part(series_id, Stretch(starts, starts + length)) for series_id, starts in map(tuple, rows)]


async def keep(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    query: Query,
    number: UUID,
    grain: Grain,
    parts: Sequence[Part],
    times: Sequence[Stretch],
) -> None:
    """Make tallies of whole hours or days and keep them, in the place of those that there are. Call ``share`` first."""
    columns = _columns(parts)
    await uow.conn.execute(_DROP, organization_id, number, grain.value, columns[1], columns[2])
    kept = _PARTS_KEPT.replace("<changed>", _CHANGED[grain])
    statement, values = _made(_KEEP, query, times, _FIRST_KEPT, kept, co2e=query.event is None)
    await uow.conn.execute(statement, organization_id, *columns, grain.value, number, *values)


async def share(uow: db.UnitOfWork) -> None:
    """Wait until nobody deletes tallies of what they change, and keep them from it until the transaction ends.

    What is asked from then on is planned by how many tallies there are by then.
    """
    await uow.conn.execute(_SHARE)
    await uow.conn.execute(metering.SETTINGS)


async def drop_of(uow: db.UnitOfWork, *, organization_id: UUID, event_id: UUID) -> None:
    """Delete the tallies that an event is part of; none is made until the transaction ends."""
    await uow.conn.execute(_ALONE)
    await uow.conn.execute(_DROP_OF, organization_id, event_id)


async def drop_between(uow: db.UnitOfWork, *, organization_id: UUID, start: datetime, end: datetime) -> None:
    """Delete the tallies of some time; none is made until the transaction ends."""
    await uow.conn.execute(_ALONE)
    await uow.conn.execute(_DROP_BETWEEN, organization_id, start, end)


async def drop_others(uow: db.UnitOfWork, *, organization_id: UUID, numbers: Sequence[UUID]) -> None:
    """Delete what was kept of queries that are none of these."""
    others = [row["query"] for row in await uow.conn.fetch(_DROP_MARKS, organization_id, numbers)]
    if others:
        await uow.conn.execute(_DROP_ALL, organization_id, others)


async def mark(uow: db.UnitOfWork, *, organization_id: UUID, number: UUID) -> date | None:
    """Note that a query has tallies from now on, and return the day through which it was tallied; None: it never was."""
    await uow.conn.execute(_MARK, organization_id, number)
    found: date | None = await uow.conn.fetchval(_THROUGH, organization_id, number)
    return found


async def set_through(uow: db.UnitOfWork, *, organization_id: UUID, number: UUID, day: date) -> None:
    """Note the day through which a query was tallied."""
    await uow.conn.execute(_SET_THROUGH, organization_id, number, day)


def _matches(query: Query, first: int) -> tuple[str, list[object]]:
    """Return what a query asks of a series ``s``, and the values that it takes from place ``first`` on."""
    of_series = tuple(one for one in query.filters if one.dimension.field is not Field.PROPERTY)
    matches, _, values = metering.conditions(replace(query, filters=of_series), first)
    return " AND ".join(matches), values


def _made(statement: str, query: Query, times: Sequence[Stretch], first: int, parts: str, *, co2e: bool) -> tuple[str, list[object]]:
    """Return the statement that makes tallies of ``parts``, and the values that it takes from place ``first`` on."""
    by_series = aggregating.needs_property(query)
    values: list[object] = [] if by_series else [[one.start for one in times], [one.end for one in times]]
    times_at = f"${first}::timestamptz[], ${first + 1}::timestamptz[]"
    of_events = tuple(one for one in query.filters if one.dimension.field is Field.PROPERTY)
    _, matching, named = metering.conditions(replace(query, event=None, filters=of_events), first + len(values))
    values += named
    value, is_told = aggregating.value_of(query, values, first)
    told = aggregating.told_apart(query, values, first)
    marks = {
        "<parts>": parts,
        "<found>": _BY_SERIES if by_series else _BY_TIME.replace("<times>", times_at),
        "<value>": value,
        "<field>": told.field,
        "<told>": is_told,
        "<properties>": "".join(f", {subject} AS {name}" for name, subject in told.of_events.items()),
        "<co2e>": _ESTIMATES if co2e else "",
        "<matching>": "".join(f" AND {condition}" for condition in matching),
        "<labels>": ", ".join(f"f.{name}" for name in told.of_events),
        "<grouped>": "".join(f", f.{name}" for name in told.of_events),
        **_totals(query, is_property="u" not in told.of_series),
        "<estimates>": _ESTIMATED if co2e else "NULL::numeric[]",
        "<factors>": aggregating.FACTORS if co2e else "NULL::text[]",
    }
    return metering.filled(statement, marks), values


def _totals(query: Query, *, is_property: bool) -> dict[str, str]:
    """Return what of the events is added up; ``is_property``: what is counted by its different values is one."""
    counted, unset = "f.value IS NOT NULL", {"<total>": "NULL::numeric", "<area>": "NULL::numeric", "<members>": "NULL::text[]"}
    found = {**unset, "<last at>": "NULL::timestamptz", "<last id>": "NULL::uuid"}
    match query.aggregation:
        case Aggregation.COUNT:
            counted = "true"
        case Aggregation.UNIQUE:
            counted = "f.field IS NOT NULL" if is_property else "true"
            found["<members>"] = "array_agg(DISTINCT f.field) FILTER (WHERE f.field IS NOT NULL)" if is_property else "NULL::text[]"
        case Aggregation.SUM:
            found["<total>"] = "sum(f.value)"
        case Aggregation.MAX:
            found["<total>"] = "max(f.value)"
        case Aggregation.WEIGHTED_SUM:
            found |= {"<total>": "sum(f.value)", "<area>": "sum(f.value * extract(epoch FROM f.ends - f.occurred_at))"}
        case Aggregation.LATEST:
            found |= {"<total>": _LAST.format("value"), "<last at>": _LAST.format("occurred_at"), "<last id>": _LAST.format("id")}
    return {**found, "<counted>": counted}


def _columns(parts: Sequence[Part]) -> list[list[object]]:
    return [
        list(range(len(parts))),
        [one.series_id for one in parts],
        [one.time.start for one in parts],
        [one.time.end for one in parts],
    ]


def _kept(row: tuple[Any, ...]) -> tuple[int, Tally] | None:
    return None if row[0] is None else (row[0], _tally(row[1:]))


def _tally(row: tuple[Any, ...]) -> Tally:
    labels, events, skipped, value, area, last_at, last_id, members, cost, no_cost, no_co2e, co2e, factors = row
    return Tally(
        labels=tuple(labels),
        events=events,
        skipped=skipped,
        value=value,
        area=area,
        last_at=last_at,
        last_id=last_id,
        members=None if members is None else tuple(members),
        cost=cost,
        without_cost=no_cost,
        without_co2e=no_co2e,
        co2e=None if co2e is None else tuple(co2e),
        factors=tuple(factors or ()),
    )
