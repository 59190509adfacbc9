"""The question that every answer asks: sums of parts of the ledger, by bucket of time, by group, or both. One statement each.

    parts (days, hours, …) ─> cells (part, group, facts, rates) ─┬─> by facts ─> told
                                                                 └─> by rates ─> emitted
Rows are read by the parts of a plan (``core.slots``) and added up, once by their facts and once by their rates, before parts are moved
between buckets, facts are told apart, and tokens are multiplied by rates, because each of those costs more for a row than the step before
it. Only the branches that a plan has parts of are in the statement: to plan a look-up takes as long as a few thousand rows of it.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg

from carbonledger.domains.telemetry.core import measuring
from carbonledger.domains.telemetry.core.rollup import Sums
from carbonledger.domains.telemetry.core.slots import Grain, Part
from carbonledger.domains.telemetry.store import answers, planning
from carbonledger.domains.telemetry.types import Fact
from carbonledger.domains.telemetry.types.answers import Dimension, Filters, Measures
from carbonledger.infra import db
from carbonledger.kernel import decimals

Labels = tuple[str | UUID | bool | None, ...]


class Sets(enum.Enum):
    """What sums are made by."""

    BUCKET = "bucket"
    GROUP = "group"
    BUCKET_AND_GROUP = "bucket_and_group"
    """By bucket, and by group: two sets of rows, not their product."""
    EACH = "each"
    """By group in each bucket."""


class Row(NamedTuple):
    """Measures of a bucket, of a group, or of a group in a bucket; ``bucket`` or ``labels`` None where it is not told apart."""

    bucket: int | None
    labels: Labels | None
    measures: Measures


class From(enum.Enum):
    """What a statement reads."""

    BROAD = "broad"
    DAYS = "days"
    HOURS = "hours"
    EVENTS = "events"


_PLAIN: Final = Sums._fields
_AMOUNTS: Final = ("quantity", "cost_amount", "reported_usd")
_TOKENS: Final = "(s.uncached_input + s.cached_input + s.cache_creation_5m + s.cache_creation_1h + s.output)"
_NO_CALLS: Final = int(Fact.DUPLICATE | Fact.METERED)
_LIVE: Final = f"s.facts & {_NO_CALLS} = 0"
_COVERED: Final = f"s.facts & {int(Fact.EMISSIONS_NOT_COVERED)} = 0"
_PRICED: Final = f"s.facts & {int(Fact.COST_NOT_COVERED)} = 0"
_REPORTED: Final = f"s.facts & {int(Fact.COST_REPORTED)} <> 0"
_COUNTED: Final = int(Fact.ESTIMATED | Fact.PARTIAL)
_RATES: Final = {"energy": "energy_wh", "co2e": "co2e_location_g", "market": "co2e_market_g", "water": "water_ml"}
_BOUNDS: Final = ("low", "mid", "high")


def _counted(what: str, *conditions: str) -> str:
    return f"coalesce(bigint_sum({what}) FILTER (WHERE {' AND '.join(conditions)}), 0)"


def _live(what: str, *conditions: str) -> str:
    return _counted(what, _LIVE, *conditions)


def _amount(what: str, *conditions: str) -> str:
    return f"coalesce(sum({what}) FILTER (WHERE {' AND '.join(conditions)}), 0)"


def _has(fact: int) -> str:
    return f"s.facts & {fact} <> 0"


# ``bigint_sum`` is ours (migration 0025): PostgreSQL's sum of bigint is numeric and several times slower. 2^63 tokens are nobody's.
_TOLD: Final[dict[str, str]] = {
    **{name: _live(f"s.{name}") for name in _PLAIN[: _PLAIN.index("quantity")]},
    **{
        f"unknown_{name}": _live("s.events", _has(int(fact)))
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
    "cost_not_covered_events": _live("s.events", f"NOT {_PRICED}"),
    "not_covered_events": _live("s.events", f"NOT {_COVERED}"),
    "reported_events": _live("s.events", _REPORTED),
    "compared_events": _live("s.events", _REPORTED, _PRICED),
    "not_covered_tokens": _live(_TOKENS, f"NOT {_COVERED}"),
    "estimated_tokens": _live(_TOKENS, _COVERED, _has(_COUNTED | int(Fact.EMISSIONS_ASSUMED))),
    "provisional_tokens": _live(_TOKENS, _has(int(Fact.PROVISIONAL))),
    "cost_not_covered_tokens": _live(_TOKENS, f"NOT {_PRICED}"),
    "cost_estimated_tokens": _live(_TOKENS, _PRICED, _has(_COUNTED | int(Fact.COST_ESTIMATED))),
    "duplicate_events": _counted("s.events", _has(int(Fact.DUPLICATE))),
    "duplicate_tokens": _counted(_TOKENS, _has(int(Fact.DUPLICATE))),
    "metered_events": _counted("s.events", f"s.facts & {_NO_CALLS} = {int(Fact.METERED)}"),
    "quantity": _amount("s.quantity", f"s.facts & {int(Fact.DUPLICATE)} = 0"),
    "cost_amount": _amount("s.cost_amount", _LIVE),
    "reported_usd": _amount("s.reported_usd", _LIVE),
    "compared_cost": _amount("s.cost_amount", _LIVE, _REPORTED, _PRICED),
    "compared_usd": _amount("s.reported_usd", _LIVE, _REPORTED, _PRICED),
}
_EMITTED: Final[dict[str, str]] = {
    "market_tokens": "sum(a.input + a.cached + a.output) FILTER (WHERE r.market_low_1 IS NOT NULL)",
    **{
        f"{name}_{bound}": f"sum(a.input * r.{name}_{bound}_1 + a.cached * r.{name}_{bound}_2 + a.output * r.{name}_{bound}_3)"
        for name in _RATES
        for bound in _BOUNDS
    },
}
_RAW: Final = {
    "events": "1::bigint",
    "quantity": "coalesce(e.quantity, 0)",
    "cost_amount": "coalesce(e.cost_amount, 0)",
    "reported_usd": "CASE WHEN e.reported_currency = 'USD' THEN coalesce(e.reported_cost, 0) ELSE 0 END",
}
_READ_RAW: Final = ", ".join(f"{_RAW.get(name, f'coalesce(e.{name}, 0)')} AS {name}" for name in _PLAIN)
_READ: Final = ", ".join(f"r.{name}" for name in _PLAIN)
# A condition on rows would have the planner take them for so few that it joins what is left of them row by row.
_TIMES: Final = {
    name: f"CASE WHEN c.facts & {_NO_CALLS} = 0 THEN {what} END"
    for name, what in (
        ("input", "c.uncached_input + c.cache_creation_5m + c.cache_creation_1h"),
        ("cached", "c.cached_input"),
        ("output", "c.output"),
    )
}
"""What rates are multiplied with."""
_NUMBERS: Final = ", ".join(f"s.{name}::numeric AS {name}" for name in _TIMES)  # once, and not once more for each of twelve rates


def _added(names: Mapping[str, str] | Sequence[str], of: str, *, is_signed: bool = False) -> str:
    """Return sums of columns of ``of``, or of what they are made of; ``is_signed``: less those of parts that are taken away.

    Not times a sign: that is an integer, and to multiply a decimal by one takes as long as adding up five.
    """
    sums = []
    for name in names:
        what = names[name] if isinstance(names, Mapping) else f"{of}.{name}"
        signed = f"CASE WHEN k.is_taken THEN -({what}) ELSE {what} END" if is_signed else what
        sums.append(f"{'sum' if name in _AMOUNTS else 'bigint_sum'}({signed}) AS {name}")
    return ", ".join(sums)


_COUNTS: Final = Measures._fields[: measuring.COUNTS]
_MADE: Final = ", ".join(f"{sum_} AS {name}" for name, sum_ in _TOLD.items())
_MULTIPLIED: Final = ", ".join(f"{sum_} AS {name}" for name, sum_ in _EMITTED.items())
# An array of numerics is walked for each number that is taken out of it: once for each rate, not once for each row that is multiplied.
_UNPACKED: Final = ", ".join(
    f"r.{column}[{place * 3 + phase}] AS {name}_{bound}_{phase}"
    for name, column in _RATES.items()
    for place, bound in enumerate(_BOUNDS)
    for phase in (1, 2, 3)
)
_SHOWN: Final = ", ".join(
    f"m.{name}" if name in _TOLD else f"coalesce(e.{name}, 0){'::bigint' if name in _COUNTS else ''}" for name in Measures._fields
)
_FILTERS_FROM: Final = 10  # after the organization, four arrays of parts, three of moves, and the limit
_MATCHES: Final = answers.matches(_FILTERS_FROM)
_PARTS: Final = "unnest($2::integer[], $3::smallint[], $4::timestamptz[], $5::timestamptz[]) AS p (part, grain, starts, ends)"
# OFFSET 0 keeps each look-up a look-up: joined, the planner would rather read a whole table and compare every row with every part.
_LOOKED_UP: Final = {
    From.BROAD: (
        f"p.grain < {Grain.EVENT.value}",
        """SELECT * FROM telemetry_broad b
        WHERE b.organization_id = $1 AND b.grain = p.grain AND b.starts >= p.starts AND b.starts < p.ends""",
    ),
    From.DAYS: (
        f"p.grain = {Grain.DAY.value}",
        """SELECT * FROM telemetry_daily d WHERE d.organization_id = $1
        AND d.day >= (p.starts AT TIME ZONE 'UTC')::date AND d.day < (p.ends AT TIME ZONE 'UTC')::date""",
    ),
    From.HOURS: (
        f"p.grain = {Grain.HOUR.value}",
        "SELECT * FROM telemetry_hourly h WHERE h.organization_id = $1 AND h.hour >= p.starts AND h.hour < p.ends",
    ),
    From.EVENTS: (
        f"p.grain = {Grain.EVENT.value}",
        f"""SELECT e.series_id, e.facts, coalesce(e.emission_rate_id, 0) AS emission_rate_id, {_READ_RAW} FROM telemetry_events e
        WHERE e.organization_id = $1 AND e.occurred_at >= p.starts AND e.occurred_at < p.ends""",
    ),
}
# What depends on the sets, the dimensions and the parts stands between marks, which ``_sums`` fills with words of this module.
_SUMS: Final = f"""
    WITH wanted AS MATERIALIZED (
        SELECT s.id, <rank> AS grp <labels> FROM telemetry_series s WHERE s.organization_id = $1 <leaders> AND {_MATCHES}
    ), found AS (<found>), cells AS MATERIALIZED (
        SELECT f.part, w.grp, f.facts, f.emission_rate_id, <added> FROM found f JOIN wanted w ON w.id = f.series_id <by>
    ), k AS MATERIALIZED (
        SELECT * FROM unnest($6::integer[], $7::integer[], $8::boolean[]) AS k (part, bucket, is_taken)
    ), told AS (
        SELECT s.bucket, s.grp, {_MADE} FROM (<by facts>) s GROUP BY s.bucket, s.grp
    ), multiplied AS MATERIALIZED (
        SELECT s.bucket, s.grp, s.emission_rate_id, {_NUMBERS} FROM (<by rates>) s
    ), rates AS MATERIALIZED (
        SELECT r.id, {_UNPACKED} FROM emission_rates r WHERE r.id IN (SELECT a.emission_rate_id FROM multiplied a)
    ), emitted AS (
        SELECT a.bucket, a.grp, {_MULTIPLIED} FROM multiplied a JOIN rates r ON r.id = a.emission_rate_id GROUP BY a.bucket, a.grp
    )
    SELECT m.bucket, m.grp <shown>, {_SHOWN} FROM told m
    LEFT JOIN emitted e ON coalesce(e.bucket, -1) = coalesce(m.bucket, -1) AND coalesce(e.grp, -1) = coalesce(m.grp, -1) <named>
    WHERE m.events <> 0 OR m.duplicate_events <> 0 OR m.metered_events <> 0
    ORDER BY m.bucket, m.uncached_input + m.cached_input + m.cache_creation_5m + m.cache_creation_1h + m.output DESC, m.grp LIMIT $9
"""


# Parts are added up first and moved between buckets then.
_OVER_TIME: Final = """(
    SELECT k.bucket, a.grp, a.<key>, <moved> FROM (SELECT c.part, <group> AS grp, c.<key>, <added> FROM cells c GROUP BY 1, 2, 3) a
    JOIN k ON k.part = a.part WHERE k.bucket IS NOT NULL GROUP BY 1, 2, 3
)"""
_WHOLE: Final = """(
    SELECT NULL::integer AS bucket, c.grp, c.<key>, <signed> FROM cells c JOIN k ON k.part = c.part WHERE k.bucket IS NULL GROUP BY 1, 2, 3
)"""
_LOOKED_AT: Final = {
    Sets.BUCKET: _OVER_TIME,
    Sets.GROUP: _WHOLE,
    Sets.BUCKET_AND_GROUP: f"{_OVER_TIME} UNION ALL {_WHOLE}",
    Sets.EACH: _OVER_TIME,
}


def _by(key: str, names: Mapping[str, str] | Sequence[str], sets: Sets) -> str:
    """Return the sums of cells by ``key`` and by bucket, by group, or both."""
    marks = {
        "<key>": key,
        "<group>": "c.grp" if sets is Sets.EACH else "NULL::bigint",
        "<added>": _added(names, "c"),
        "<moved>": _added([*names], "a", is_signed=True),
        "<signed>": _added(names, "c", is_signed=True),
    }
    return _filled(_LOOKED_AT[sets], marks)


def _filled(words: str, marks: Mapping[str, str]) -> str:
    for mark, filling in marks.items():
        words = words.replace(mark, filling)
    return words


@functools.cache
def _sums(sets: Sets, dimensions: tuple[Dimension, ...], reads: frozenset[From]) -> str:
    """Return the statement. Cells are added up as they come where every series is read: there are many for each group."""
    columns = [answers.COLUMNS[dimension] for dimension in dimensions]
    is_broad = From.BROAD in reads
    marks = {
        "<rank>": f"dense_rank() OVER (ORDER BY {', '.join(f's.{column}' for column in columns)})" if columns else "1::bigint",
        "<labels>": "".join(f", s.{column} AS label_{place}" for place, column in enumerate(columns)),
        "<leaders>": "AND s.broad_id IS NULL" if reads == {From.BROAD} else "",
        "<found>": " UNION ALL ".join(_found(one) for one in From if one in reads),
        "<added>": ", ".join(f"f.{name}" for name in _PLAIN) if is_broad else _added(_PLAIN, "f"),
        "<by>": "" if is_broad else "GROUP BY f.part, w.grp, f.facts, f.emission_rate_id",
        "<by facts>": _by("facts", _PLAIN, sets),
        "<by rates>": _by("emission_rate_id", _TIMES, sets),
        "<shown>": "".join(f", g.label_{place}" for place in range(len(columns))),
        "<named>": _named(len(columns)),
    }
    return _filled(_SUMS, marks)


def _found(one: From) -> str:
    parts, look_up = _LOOKED_UP[one]
    rows = f"SELECT p.part, r.series_id, r.facts, r.emission_rate_id, {_READ}"
    return f"{rows} FROM {_PARTS} CROSS JOIN LATERAL ({look_up} OFFSET 0) r WHERE {parts}"


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
    is_broad: bool,
    at_most: int,
) -> list[Row]:
    """Return sums of parts by bucket, then most tokens first; buckets and groups without anything are left out; ``at_most`` rows.

    ``is_broad``: filters and dimensions are none of ``rollup.NARROW``, and parts are of the broad roll-up's grains. Raises
    ``NumberOutOfRange`` for more tokens than a bigint holds.
    """
    reads = frozenset(_source(part.grain, is_broad=is_broad) for part in parts)
    moves = _moves(parts, sets)
    statement = _sums(sets, dimensions, reads)
    numbers, grains = list(range(len(parts))), [part.grain.value for part in parts]
    starts, ends = [part.start for part in parts], [part.end for part in parts]
    values = (numbers, grains, starts, ends, *moves, at_most, *answers.values(filters))
    try:
        async with planning.planned(uow, parts=parts, is_broad=is_broad):
            rows = await uow.conn.fetch(statement, organization_id, *values)
    except asyncpg.NumericValueOutOfRangeError as error:
        raise decimals.NumberOutOfRange from error
    return [_row(tuple(row), len(dimensions)) for row in rows]


def _source(grain: Grain, *, is_broad: bool) -> From:
    if grain is Grain.EVENT:
        return From.EVENTS
    if is_broad:
        return From.BROAD
    return From.DAYS if grain is Grain.DAY else From.HOURS


def _moves(parts: Sequence[Part], sets: Sets) -> tuple[list[int], list[int | None], list[bool]]:
    """Return which part goes into which bucket, and whether it is taken from it; bucket None: all of the period, for its groups.

    What is moved between two buckets is none of all, so most of what is read for a zone's days is not looked at for groups.
    """
    has_buckets, has_groups = sets is not Sets.GROUP, sets is Sets.GROUP or sets is Sets.BUCKET_AND_GROUP
    moves: list[tuple[int, int | None, bool]] = []
    for number, part in enumerate(parts):
        if has_buckets and part.adds is not None:
            moves.append((number, part.adds, False))
        if has_buckets and part.takes is not None:
            moves.append((number, part.takes, True))
        if has_groups and (part.adds is None) is not (part.takes is None):
            moves.append((number, None, part.adds is None))
    return [move[0] for move in moves], [move[1] for move in moves], [move[2] for move in moves]


def _row(row: tuple[Any, ...], labels: int) -> Row:
    bucket, group, *rest = row
    return Row(bucket, None if group is None else tuple(rest[:labels]), Measures._make(rest[labels:]))
