"""What metering reads of roll-ups: sums for many accounts at once. What no roll-up tells is ``aggregating``'s.

    windows (account, parts of its time) ─┬─ days, hours ──────> roll-ups of the account's series ─┐
                                          └─ less than an hour > events of that time ──────────────┴─> sums by window and group
A statement answers any number of windows. What an account's series are is found by its label; days are read series by series, hours one by
one, each by a key, so that it costs what the account used and not what the organization did.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

from carbonledger.domains.telemetry.core.slots import Grain, Part
from carbonledger.domains.telemetry.types import Fact
from carbonledger.domains.telemetry.types.caching import Served
from carbonledger.domains.telemetry.types.metering import ESTIMATES, Dimension, Field, Measure, Query
from carbonledger.infra import db

SETTINGS: Final = "SET LOCAL plan_cache_mode = force_custom_plan"
DUPLICATE: Final = int(Fact.DUPLICATE)
_COLUMNS: Final = {
    Field.PROVIDER: "s.provider",
    Field.MODEL: "s.model",
    Field.OPERATION: "s.operation",
    Field.PROJECT: "s.project_id::text",
    Field.AGENT: "s.agent_id::text",
    Field.SERVICE_TIER: "s.service_tier",
    Field.REGION: "s.region",
    Field.SOURCE: "s.source",
    Field.BATCH: "s.is_batch::text",
}
COUNTS: Final = ("events", "requests", "uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h", "output", "reasoning")
_AMOUNTS: Final = ("quantity", "cost_amount")
_INPUT: Final = "(x.uncached_input + x.cache_creation_5m + x.cache_creation_1h)"
ESTIMATED: Final = ("co2e_low", "co2e_mid", "co2e_high", "energy_low", "energy_mid", "energy_high")
RATES: Final = {"co2e": "co2e_location_g", "energy": "energy_wh"}
BOUNDS: Final = ("low", "mid", "high")


_INPUTS: Final = tuple(COUNTS.index(name) for name in ("uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h"))
_PLACES: Final = {
    **{measure: (COUNTS.index(measure.value),) for measure in Measure if measure.value in COUNTS},
    Measure.INPUT: _INPUTS,
    Measure.TOKENS: (*_INPUTS, COUNTS.index("output")),
}


class Sums(NamedTuple):
    """Sums of a window's group. Estimates are None where they were not asked for; ``factors``: versions of the sets that they rest on."""

    window: int
    labels: tuple[str | None, ...]
    counts: tuple[int, ...]
    quantity: Decimal
    cost: Decimal
    without_cost: int
    without_co2e: int
    estimates: tuple[Decimal, ...] | None
    factors: tuple[str, ...] = ()

    @property
    def events(self) -> int:
        """How many events it is about."""
        return self.counts[0]

    def of(self, measure: Measure) -> Decimal:
        """Return the sum of a measure that roll-ups have."""
        if measure is Measure.QUANTITY:
            return self.quantity
        if measure is Measure.COST:
            return self.cost
        if measure in ESTIMATES:
            return Decimal(0) if self.estimates is None else self.estimates[ESTIMATED.index(measure.value)]
        return Decimal(sum(self.counts[place] for place in _PLACES[measure]))


def _product(name: str, bound: int) -> str:
    rates = f"r.{RATES[name]}"
    place = bound * 3
    return f"sum({_INPUT} * {rates}[{place + 1}] + x.cached_input * {rates}[{place + 2}] + x.output * {rates}[{place + 3}])"


_ESTIMATES: Final = ", ".join(f"coalesce({_product(name, bound)}, 0)" for name in RATES for bound in range(3))
# What cancels out, since a day less some of its hours is read, was not used.
_FACTORS: Final = "array_agg(DISTINCT r.factor_version) FILTER (WHERE r.factor_version IS NOT NULL AND x.events <> 0)"
_READ: Final = ", ".join(f"r.{name}" for name in (*COUNTS, *_AMOUNTS))
_RAW: Final = ", ".join({"events": "1::bigint AS events"}.get(name, f"coalesce(e.{name}, 0) AS {name}") for name in (*COUNTS, *_AMOUNTS))
_SIGNED: Final = ", ".join(f"sum(CASE WHEN f.is_taken THEN -f.{name} ELSE f.{name} END) AS {name}" for name in (*COUNTS, *_AMOUNTS))
_ADDED: Final = ", ".join((*(f"sum(x.{name})::bigint" for name in COUNTS), *(f"sum(x.{name})" for name in _AMOUNTS)))
_WITHOUT: Final = ", ".join(
    f"coalesce(sum(x.events) FILTER (WHERE x.facts & {int(fact)} <> 0), 0)::bigint"
    for fact in (Fact.COST_NOT_COVERED, Fact.EMISSIONS_NOT_COVERED)
)
_READ_RAW: Final = ", ".join(f"e.{name}" for name in (*COUNTS, *_AMOUNTS))
_DAY: Final = Grain.DAY.value
_HOUR: Final = Grain.HOUR.value
_EVENT: Final = Grain.EVENT.value
# OFFSET 0 keeps each look-up a look-up: joined, the planner would rather read all of a month than a few rows by their keys. And what is not
# of the accounts is left out where it is read, by a hash (as a join by itself each event would be compared with each series).
_DAYS: Final = f"""
SELECT s.w, m.is_taken, s.id, r.facts, r.emission_rate_id, {_READ} FROM m JOIN q USING (q) JOIN s USING (w) CROSS JOIN LATERAL (
    SELECT * FROM telemetry_daily d WHERE d.organization_id = $1 AND d.series_id = s.id AND d.day >= (q.starts AT TIME ZONE 'UTC')::date
    AND d.day < (q.ends AT TIME ZONE 'UTC')::date AND d.facts & {DUPLICATE} = 0 OFFSET 0
) r WHERE q.grain = {_DAY}
"""
_HOURS: Final = f"""
SELECT s.w, m.is_taken, s.id, r.facts, r.emission_rate_id, {_READ} FROM m JOIN q USING (q) JOIN s USING (w)
CROSS JOIN LATERAL generate_series(q.starts, q.ends - interval '1 hour', interval '1 hour') AS t (hour) CROSS JOIN LATERAL (
    SELECT * FROM telemetry_hourly h WHERE h.organization_id = $1 AND h.hour = t.hour AND h.series_id = s.id
    AND h.facts & {DUPLICATE} = 0 OFFSET 0
) r WHERE q.grain = {_HOUR}
"""
_EVENTS: Final = f"""
SELECT s.w, m.is_taken, s.id, e.facts, e.emission_rate_id, {_READ_RAW}
FROM q CROSS JOIN LATERAL (
    SELECT e.series_id, e.facts, coalesce(e.emission_rate_id, 0) AS emission_rate_id, {_RAW} FROM telemetry_events e
    WHERE e.organization_id = $1 AND e.occurred_at >= q.starts AND e.occurred_at < q.ends AND e.facts & {DUPLICATE} = 0
    AND coalesce(e.series_id IN (SELECT s.id FROM s), false) OFFSET 0
) e JOIN s ON s.id = e.series_id JOIN m ON m.q = q.q AND m.w = s.w WHERE q.grain = {_EVENT}
"""
_FOUND: Final = {Grain.DAY: _DAYS, Grain.HOUR: _HOURS, Grain.EVENT: _EVENTS}
_SERIES: Final = """
w AS MATERIALIZED (SELECT o.place::integer - 1 AS w, o.account FROM unnest($2::text[]) WITH ORDINALITY AS o (account, place)),
s AS MATERIALIZED (
    SELECT w.w, s.id <labels> FROM w JOIN telemetry_series s ON s.organization_id = $1 AND s.account = w.account WHERE <matches>
)
"""
_SUMS: Final = f"""
WITH {_SERIES}, q AS MATERIALIZED (
    SELECT * FROM unnest($3::integer[], $4::smallint[], $5::timestamptz[], $6::timestamptz[]) AS q (q, grain, starts, ends)
), m AS MATERIALIZED (
    SELECT * FROM unnest($7::integer[], $8::integer[], $9::boolean[]) AS m (w, q, is_taken)
), found AS (<found>), x AS (
    SELECT f.w, f.id, f.facts, f.emission_rate_id, {_SIGNED} FROM found f GROUP BY 1, 2, 3, 4
)
SELECT x.w <grouped>, {_ADDED}, {_WITHOUT} <estimates> FROM x JOIN s ON s.w = x.w AND s.id = x.id <rates>
GROUP BY x.w <grouped> HAVING sum(x.events) <> 0
"""
_FIRST_FILTER: Final = 10  # after the organization, the accounts, four arrays of parts and three of what uses them


def conditions(query: Query, first: int) -> tuple[list[str], list[str], list[object]]:
    """Return conditions on a series ``s``, conditions on an event ``e``, and their values, from place ``first`` on."""
    of_series = ["s.event IS NULL" if query.event is None else f"s.event = ${first}"]
    of_events: list[str] = []
    values: list[object] = []
    if query.event is not None:
        values.append(query.event)
    for one in query.filters:
        subject = subject_of(one.dimension, values, first)
        values.append(list(one.values))
        place = f"${first + len(values) - 1}::text[]"
        said = f"({subject} IS NULL OR {subject} <> ALL ({place}))" if one.excluded else f"{subject} = ANY ({place})"
        (of_events if one.dimension.field is Field.PROPERTY else of_series).append(said)
    return of_series, of_events, values


def subject_of(dimension: Dimension, values: list[object], first: int) -> str:
    """Return what a dimension is of a series ``s`` or an event ``e``; the name of a property becomes a value."""
    if dimension.field is not Field.PROPERTY:
        return _COLUMNS[dimension.field]
    values.append(dimension.property_name)
    return f"(e.properties ->> ${first + len(values) - 1}::text)"


def filled(words: str, marks: dict[str, str]) -> str:
    for mark, filling in marks.items():
        words = words.replace(mark, filling)
    return words


async def sums(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    query: Query,
    dimensions: Sequence[Dimension],
    windows: Sequence[tuple[str, Sequence[Part]]],
    estimates: bool,
) -> list[Sums]:
    """Return the sums of each window (an account and the parts of its time) by the values of ``dimensions``, none of them a property.

    ``estimates``: with CO2e and energy. Windows and groups without events are left out.
    """
    of_series, _, values = conditions(query, _FIRST_FILTER)
    parts, uses = _parts(windows)
    grains = frozenset(Grain(grain) for grain in parts[1])
    if not grains:
        return []
    statement = _sums(tuple(of_series), tuple(_COLUMNS[one.field] for one in dimensions), grains, estimates=estimates)
    await uow.conn.execute(SETTINGS)
    accounts = [account for account, _ in windows]
    rows = await uow.conn.fetch(statement, organization_id, accounts, *parts, *uses, *values)
    return [_sums_of(tuple(row), len(dimensions), has_estimates=estimates) for row in rows]


@functools.lru_cache(maxsize=256)
def _sums(matches: tuple[str, ...], columns: tuple[str, ...], grains: frozenset[Grain], *, estimates: bool) -> str:
    marks = {
        "<labels>": "".join(f", {column} AS l{place}" for place, column in enumerate(columns)),
        "<matches>": " AND ".join(matches),
        "<found>": " UNION ALL ".join(_FOUND[grain] for grain in _FOUND if grain in grains),
        "<grouped>": "".join(f", s.l{place}" for place in range(len(columns))),
        "<estimates>": f", {_ESTIMATES}, {_FACTORS}" if estimates else "",
        "<rates>": "LEFT JOIN emission_rates r ON r.id = x.emission_rate_id" if estimates else "",
    }
    return filled(_SUMS, marks)


def _parts(windows: Sequence[tuple[str, Sequence[Part]]]) -> tuple[list[list[Any]], list[list[Any]]]:
    """Return the different parts, and which window adds or takes which: most windows of a bill run are of the same time."""
    numbers: dict[tuple[int, datetime, datetime], int] = {}
    uses: list[tuple[int, int, bool]] = []
    for window, (_, parts) in enumerate(windows):
        for part in parts:
            number = numbers.setdefault((part.grain.value, part.start, part.end), len(numbers))
            uses.append((window, number, part.adds is None))
    return (
        [list(numbers.values()), *([key[place] for key in numbers] for place in range(3))],
        [[use[place] for use in uses] for place in range(3)],
    )


def _sums_of(row: tuple[Any, ...], labels: int, *, has_estimates: bool) -> Sums:
    window, *rest = row
    named, numbers = tuple(rest[:labels]), rest[labels:]
    counts, (quantity, cost, no_cost, no_co2e) = tuple(numbers[: len(COUNTS)]), numbers[len(COUNTS) : len(COUNTS) + 4]
    if not has_estimates:
        return Sums(window, named, counts, quantity, cost, no_cost, no_co2e, None)
    *estimates, factors = numbers[len(COUNTS) + 4 :]
    return Sums(window, named, counts, quantity, cost, no_cost, no_co2e, tuple(estimates), tuple(factors or ()))


_SERVED: Final = """
SELECT s.account, s.id, s.provider, s.model, s.is_batch, s.service_tier, s.region, s.size_above, s.size_up_to FROM telemetry_series s
WHERE s.organization_id = $1 AND s.account = ANY ($2::text[]) AND <matches>
"""


async def served(uow: db.UnitOfWork, *, organization_id: UUID, query: Query, accounts: Sequence[str]) -> list[tuple[str, Served]]:
    """Return the series of calls of models that accounts have, by account, as far as the query's filters (none a property) let them."""
    of_series, _, values = conditions(query, 3)
    rows = await uow.conn.fetch(_SERVED.replace("<matches>", " AND ".join(of_series)), organization_id, accounts, *values)
    return [(row[0], Served(*tuple(row)[1:])) for row in rows]
