"""What metering reads of single events, where no roll-up tells it: the largest, the last, how many different, by properties, over time.

A statement answers any number of windows (an account and a stretch of time). Events that have properties or are metered are found by their
series; all others only by time, which costs what the organization did in that time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

from carbonledger.domains.telemetry.store import metering
from carbonledger.domains.telemetry.types import Fact
from carbonledger.domains.telemetry.types.metering import ESTIMATES, Aggregation, Field, Measure, Query
from carbonledger.infra import db


class Window(NamedTuple):
    """An account and a stretch of time."""

    account: str
    start: datetime
    end: datetime


class Aggregate(NamedTuple):
    """What became of the events of a window, or of a group of them (``labels`` None: of all).

    ``value`` None: there was none. Of a weighted sum it is units times seconds.
    """

    window: int
    labels: tuple[str | None, ...] | None
    value: Decimal | None
    events: int
    skipped: int
    amounts: tuple[Decimal, ...] | None
    cost: Decimal
    without_cost: int
    without_co2e: int
    co2e: tuple[Decimal, ...] | None
    factors: tuple[str, ...] = ()


_WHOLE_DIGITS, _PLACES = 26, 12  # of a number in a property
_NUMBER: Final = rf"'^-?[0-9]{{1,{_WHOLE_DIGITS}}}([.][0-9]{{1,{_PLACES}}})?$'"
_INPUT: Final = "coalesce(e.uncached_input, 0) + coalesce(e.cache_creation_5m, 0) + coalesce(e.cache_creation_1h, 0)"
_ESTIMATED: Final = {measure: (measure.value.split("_")[0], metering.BOUNDS.index(measure.value.split("_")[1])) for measure in ESTIMATES}


def _estimate(quantity: str, bound: int) -> str:
    """Return tokens of each phase times its rate, as the sums of roll-ups are made."""
    prefill, cached, output = (f"r.{metering.RATES[quantity]}[{bound * 3 + phase}]" for phase in (1, 2, 3))
    product = f"({_INPUT}) * {prefill} + coalesce(e.cached_input, 0) * {cached} + coalesce(e.output, 0) * {output}"
    return f"(SELECT {product} FROM emission_rates r WHERE r.id = e.emission_rate_id)"


VALUES: Final = {
    **{measure: f"e.{measure.value}::numeric" for measure in Measure if measure.value in (*metering.COUNTS, "quantity")},
    Measure.INPUT: f"({_INPUT} + coalesce(e.cached_input, 0))::numeric",
    Measure.TOKENS: f"({_INPUT} + coalesce(e.cached_input, 0) + coalesce(e.output, 0))::numeric",
    Measure.COST: "e.cost_amount",
    **{measure: _estimate(*made_of) for measure, made_of in _ESTIMATED.items()},
}
FACTOR: Final = "(SELECT r.factor_version FROM emission_rates r WHERE r.id = e.emission_rate_id)"
FACTORS: Final = "array_agg(DISTINCT f.factor_version) FILTER (WHERE f.factor_version IS NOT NULL)"
CO2E: Final = (Measure.CO2E_LOW, Measure.CO2E_MID, Measure.CO2E_HIGH)
_SECONDS: Final = "extract(epoch FROM f.ends - greatest(f.occurred_at, f.starts))"
_VALUE_OF: Final = {
    Aggregation.COUNT: "count(*)::numeric",
    Aggregation.SUM: "sum(f.value)",
    Aggregation.MAX: "max(f.value)",
    Aggregation.UNIQUE: "count(DISTINCT <unique>)::numeric",
    Aggregation.LATEST: "(array_agg(f.value ORDER BY f.occurred_at DESC, f.id DESC) FILTER (WHERE f.value IS NOT NULL))[1]",
    Aggregation.WEIGHTED_SUM: f"sum(f.value * {_SECONDS})",
}
_AMOUNTS_OF: Final = "array_agg(f.value ORDER BY f.occurred_at, f.id) FILTER (WHERE f.value IS NOT NULL)"
READ_EVENTS: Final = f"""
    SELECT e.id, e.occurred_at, e.facts, e.cost_amount, e.series_id,
        <value> AS value, <field> AS field, <told> AS told <properties> <co2e>
    FROM telemetry_events e WHERE e.organization_id = $1 AND e.facts & {metering.DUPLICATE} = 0
"""
NO_COST: Final = int(Fact.COST_NOT_COVERED)
NO_CO2E: Final = int(Fact.EMISSIONS_NOT_COVERED)
# Of events that have properties or are metered there is an index by series; of all others only one by time.
_BY_SERIES: Final = f"""
SELECT s.w, w.starts, w.ends, e.* <of series> FROM w JOIN s USING (w) CROSS JOIN LATERAL (
    {READ_EVENTS} AND e.organization_id = $1 AND e.series_id = s.id
    AND (e.properties IS NOT NULL OR e.quantity IS NOT NULL) AND <since> AND e.occurred_at < w.ends
    <matching> OFFSET 0
) e
"""
_BY_TIME: Final = f"""
SELECT s.w, w.starts, w.ends, e.* <of series> FROM (
    SELECT DISTINCT w.starts, w.ends FROM w
) t CROSS JOIN LATERAL (
    {READ_EVENTS} AND e.organization_id = $1 AND <since of t> AND e.occurred_at < t.ends <matching> OFFSET 0
) e JOIN s ON s.id = e.series_id JOIN w ON w.w = s.w AND w.starts = t.starts AND w.ends = t.ends
"""
_AGGREGATES: Final = f"""
WITH w AS MATERIALIZED (
    SELECT o.place::integer - 1 AS w, o.account, o.starts, o.ends
    FROM unnest($2::text[], $3::timestamptz[], $4::timestamptz[]) WITH ORDINALITY AS o (account, starts, ends, place)
), s AS MATERIALIZED (
    SELECT w.w, s.id <series labels> FROM w JOIN telemetry_series s ON s.organization_id = $1 AND s.account = w.account WHERE <matches>
), f AS (<found>)
SELECT f.w, <is group>, <aggregate>, count(*) FILTER (WHERE <counted>), count(*) FILTER (WHERE f.told AND f.value IS NULL), <amounts>,
    coalesce(sum(f.cost_amount), 0), count(*) FILTER (WHERE f.facts & {NO_COST} <> 0),
    count(*) FILTER (WHERE f.facts & {NO_CO2E} <> 0) <co2e sums> <labels>
FROM f GROUP BY <sets>
"""
_FIRST_OF_EVENTS: Final = 5  # after the organization and three arrays of windows


def needs_property(query: Query) -> bool:
    """Say whether every event that counts for a query has properties or is metered, so that it is found by its series."""
    names = [one.dimension for one in query.filters if not one.excluded] + ([query.unique] if query.unique is not None else [])
    return query.event is not None or query.measure is Measure.PROPERTY or any(one.field is Field.PROPERTY for one in names)


async def aggregates(
    uow: db.UnitOfWork, *, organization_id: UUID, query: Query, windows: Sequence[Window], amounts: bool, co2e: bool
) -> list[Aggregate]:
    """Return what single events of each window come to, as a whole and by group; windows without events are left out."""
    of_series, of_events, values = metering.conditions(query, _FIRST_OF_EVENTS)
    statement, more = _aggregates(query, of_series, of_events, _FIRST_OF_EVENTS + len(values), amounts=amounts, co2e=co2e)
    await uow.conn.execute(metering.SETTINGS)
    columns = [[window[place] for window in windows] for place in range(3)]
    rows = await uow.conn.fetch(statement, organization_id, *columns, *values, *more)
    return [_aggregate_of(tuple(row), has_co2e=co2e) for row in rows]


def _aggregates(
    query: Query, of_series: Sequence[str], of_events: Sequence[str], first: int, *, amounts: bool, co2e: bool
) -> tuple[str, list[object]]:
    """Return the statement and the values that it takes from place ``first`` on."""
    values: list[object] = []
    value, is_told = value_of(query, values, first)
    told = told_apart(query, values, first)
    labels = [f"f.l{place}" for place in range(len(query.group_by))]
    since = "true" if query.recurring else "e.occurred_at >= {}.starts"
    unique = "f.u" if "u" in told.of_series else "f.field"
    marks = {
        "<found>": _BY_SERIES if needs_property(query) else _BY_TIME,
        "<value>": value,
        "<field>": told.field,
        "<told>": is_told,
        "<properties>": "".join(f", {subject} AS {name}" for name, subject in told.of_events.items()),
        "<co2e>": "".join((*(f", {VALUES[one]} AS {one.value}" for one in CO2E), f", {FACTOR} AS factor_version")) if co2e else "",
        "<of series>": "".join(f", s.{name}" for name in told.of_series),
        "<since>": since.format("w"),
        "<since of t>": since.format("t"),
        "<matching>": "".join(f" AND {condition}" for condition in of_events),
        "<series labels>": "".join(f", {subject} AS {name}" for name, subject in told.of_series.items()),
        "<matches>": " AND ".join(of_series),
        "<is group>": f"GROUPING({', '.join(labels)}) = 0" if labels else "false",
        "<aggregate>": _VALUE_OF[query.aggregation].replace("<unique>", unique),
        "<counted>": _counted(query, unique),
        "<amounts>": _AMOUNTS_OF if amounts else "NULL::numeric[]",
        "<co2e sums>": "".join((*(f", coalesce(sum(f.{one.value}), 0)" for one in CO2E), f", {FACTORS}")) if co2e else "",
        "<labels>": "".join(f", {label}" for label in labels),
        "<sets>": f"GROUPING SETS ((f.w), (f.w, {', '.join(labels)}))" if labels else "f.w",
    }
    return metering.filled(_AGGREGATES, marks), values


class Told(NamedTuple):
    """What events are told apart by: columns of their series, and of themselves, by the names that they have in the statement."""

    field: str
    of_series: dict[str, str]
    of_events: dict[str, str]


def told_apart(query: Query, values: list[object], first: int) -> Told:
    """Return what a query tells events apart by; names of properties become values from place ``first`` on."""
    found = Told("NULL::text", {}, {})
    if query.unique is not None:
        subject = metering.subject_of(query.unique, values, first)
        if query.unique.field is Field.PROPERTY:
            found = found._replace(field=subject)
        else:
            found.of_series["u"] = subject
    for place, one in enumerate(query.group_by):
        named = found.of_events if one.field is Field.PROPERTY else found.of_series
        named[f"l{place}"] = metering.subject_of(one, values, first)
    return found


def _counted(query: Query, unique: str) -> str:
    if query.aggregation is Aggregation.COUNT:
        return "true"
    return f"{unique if query.aggregation is Aggregation.UNIQUE else 'f.value'} IS NOT NULL"


def value_of(query: Query, values: list[object], first: int) -> tuple[str, str]:
    """Return what is measured of an event ``e``, and whether it has that property at all, be it no number of ours.

    A number of JSON is one of PostgreSQL's already: to read it as text and look at its digits takes longer than all else of an event.
    """
    if query.measure is None:
        return "NULL::numeric", "false"
    if query.measure is not Measure.PROPERTY:
        return VALUES[query.measure], "false"
    values.append(query.property_name)
    place = f"${first + len(values) - 1}::text"
    text, number = f"(e.properties ->> {place})", f"(e.properties -> {place})::numeric"
    as_number = f"CASE WHEN abs({number}) < 1e{_WHOLE_DIGITS} AND scale({number}) <= {_PLACES} THEN {number} END"
    as_text = f"CASE WHEN {text} ~ {_NUMBER} THEN {text}::numeric END"
    value = f"CASE jsonb_typeof(e.properties -> {place}) WHEN 'number' THEN {as_number} WHEN 'string' THEN {as_text} END"
    return value, f"({text} IS NOT NULL)"


def _aggregate_of(row: tuple[Any, ...], *, has_co2e: bool) -> Aggregate:
    window, is_group, value, events, skipped, amounts, cost, no_cost, no_co2e, *rest = row
    co2e, factors, labels = (tuple(rest[:3]), rest[3], rest[4:]) if has_co2e else (None, None, rest)
    return Aggregate(
        window=window,
        labels=tuple(labels) if is_group else None,
        value=value,
        events=events,
        skipped=skipped,
        amounts=None if amounts is None else tuple(amounts),
        cost=cost,
        without_cost=no_cost,
        without_co2e=no_co2e,
        co2e=co2e,
        factors=tuple(factors or ()),
    )
