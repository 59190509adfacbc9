"""How events stood at a cut: their sums by line, and what changed of them between two cuts.

The first change of an event after a cut notes how it stood then (``telemetry_late_changes``: nothing, or a revision and its facts). So an
event stood at a cut as its first note from that cut on says, and as it stands now if there is none. Revisions that were replaced are in
``telemetry_revisions``. Nothing here is ever overwritten, so the answer for a cut is the same whenever it is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.telemetry.types.closing import Change, Line, LineKey, LineSums, Stretch
from carbonledger.infra import db

TIMEOUT_S: Final = 1800
PATIENT: Final = "SET LOCAL statement_timeout = 0"  # a statement over a month of a large organization takes longer than a request may
SETTINGS: Final = """
SET LOCAL work_mem = '64MB'; SET LOCAL plan_cache_mode = force_custom_plan;
SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0
"""
MEASURES: Final = (
    *("series_id", "uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h", "output", "reasoning"),
    *("audio_input", "image_input", "cached_audio_input", "cached_image_input", "audio_output", "image_output", "requests"),
    *("quantity", "cost_amount", "price_book_id", "emission_rate_id"),
)
"""What of an event a revision may change, as far as lines and leaves say it."""


# Each with its columns for ``<columns>``. Events of ``[$2, $3)`` of which nothing was noted since cut ``$4``: they stand as they did then.
UNTOUCHED: Final = """
SELECT <columns> FROM telemetry_events e WHERE e.organization_id = $1 AND e.occurred_at >= $2 AND e.occurred_at < $3
AND NOT EXISTS (SELECT FROM telemetry_late_changes l WHERE l.organization_id = $1 AND l.event_id = e.id AND l.cut >= $4)
"""
# Events of ``[$2, $3)`` that changed since cut ``$4``, as they stood at it: columns of ``STOOD``'s kind.
BEFORE: Final = """
SELECT <columns> FROM (
    SELECT DISTINCT ON (l.event_id) l.event_id, l.revision, l.facts FROM telemetry_late_changes l
    WHERE l.organization_id = $1 AND l.occurred_at >= $2 AND l.occurred_at < $3 AND l.cut >= $4 ORDER BY l.event_id, l.cut
) n JOIN telemetry_events e ON e.organization_id = $1 AND e.id = n.event_id
LEFT JOIN telemetry_revisions r ON r.organization_id = $1 AND r.event_id = n.event_id AND r.revision = n.revision
WHERE n.revision IS NOT NULL
"""
# Events that came or changed late after the cut before ``$4``, as they stood at ``$4``.
LATE_AFTER: Final = """
SELECT <columns> FROM telemetry_late_changes l JOIN telemetry_events e ON e.organization_id = $1 AND e.id = l.event_id
LEFT JOIN LATERAL (
    SELECT m.revision, m.facts FROM telemetry_late_changes m
    WHERE m.organization_id = $1 AND m.event_id = l.event_id AND m.cut >= $4 ORDER BY m.cut LIMIT 1
) n ON true
LEFT JOIN telemetry_revisions r ON r.organization_id = $1 AND r.event_id = l.event_id AND r.revision = n.revision
WHERE l.organization_id = $1 AND l.cut = $4 - 1
"""


def stood(name: str) -> str:
    """Return the expression of a measure as it stood: of the revision that was replaced since, or else of the event."""
    return f"CASE WHEN r.event_id IS NULL THEN e.{name} ELSE r.{name} END AS {name}"


_PLAIN: Final = ", ".join(("e.facts", *(f"e.{name}" for name in MEASURES)))
_STOOD: Final = ", ".join(("coalesce(n.facts, e.facts) AS facts", *(stood(name) for name in MEASURES)))
_BY: Final = "x.series_id, x.price_book_id, x.emission_rate_id, x.facts"


def _sum(name: str, sign: str = "") -> str:
    of = f"{sign}x.{name}"
    return f"coalesce(sum({of}), 0){'' if name in LineSums._fields[-2:] else '::bigint'} AS {name}"


_ADDED: Final = ", ".join(("count(*) AS events", *(_sum(name) for name in LineSums._fields[1:])))
_SIGNED: Final = ", ".join(("sum(x.sign)::bigint AS events", *(_sum(name, "x.sign * ") for name in LineSums._fields[1:])))
_TOTAL: Final = ", ".join(_sum(name) for name in LineSums._fields)
_UNTOUCHED: Final = UNTOUCHED.replace("<columns>", _PLAIN)
_BEFORE: Final = BEFORE.replace("<columns>", _STOOD)
_NAMES: Final = "s.project_id, s.provider, s.model, s.event, x.price_book_id, x.emission_rate_id, x.facts"
# Added up by series first, and by what lines are told apart by only then: names are longer than numbers.
_LINES: Final = f"""
SELECT {_NAMES}, {_TOTAL} FROM (
    SELECT {_BY}, {_ADDED} FROM ({_UNTOUCHED}) x GROUP BY {_BY} UNION ALL SELECT {_BY}, {_ADDED} FROM ({_BEFORE}) x GROUP BY {_BY}
) x JOIN telemetry_series s ON s.organization_id = $1 AND s.id = x.series_id GROUP BY {_NAMES} ORDER BY {_NAMES}
"""
_LATE: Final = f"""
SELECT l.occurred_at, 1 AS sign, y.* FROM telemetry_late_changes l CROSS JOIN LATERAL (
    SELECT {_STOOD} FROM telemetry_events e
    LEFT JOIN LATERAL (
        SELECT m.revision, m.facts FROM telemetry_late_changes m
        WHERE m.organization_id = $1 AND m.event_id = l.event_id AND m.cut > $2 ORDER BY m.cut LIMIT 1
    ) n ON true
    LEFT JOIN telemetry_revisions r ON r.organization_id = $1 AND r.event_id = l.event_id AND r.revision = n.revision
    WHERE e.organization_id = $1 AND e.id = l.event_id
) y WHERE l.organization_id = $1 AND l.cut = $2
UNION ALL
SELECT n.occurred_at, -1 AS sign, {_STOOD} FROM telemetry_late_changes n
JOIN telemetry_events e ON e.organization_id = $1 AND e.id = n.event_id
LEFT JOIN telemetry_revisions r ON r.organization_id = $1 AND r.event_id = n.event_id AND r.revision = n.revision
WHERE n.organization_id = $1 AND n.cut = $2 AND n.revision IS NOT NULL
"""
_NOTHING: Final = " AND ".join(f"c.{name} = 0" for name in LineSums._fields)
_ORDER: Final = ", ".join(f"c.{name}" for name in LineKey._fields)
_CHANGES: Final = f"""
SELECT * FROM (
    SELECT w.id, {_NAMES}, {_SIGNED} FROM ({_LATE}) x JOIN telemetry_series s ON s.organization_id = $1 AND s.id = x.series_id
    JOIN unnest($3::uuid[], $4::timestamptz[], $5::timestamptz[]) AS w (id, starts_at, ends_at)
        ON x.occurred_at >= w.starts_at AND x.occurred_at < w.ends_at
    GROUP BY w.id, {_NAMES}
) c WHERE NOT ({_NOTHING}) ORDER BY c.id, {_ORDER}
"""


async def lines(uow: db.UnitOfWork, *, organization_id: UUID, stretch: Stretch, cut: int) -> list[Line]:
    """Return the sums of the events of a stretch as they stood at a cut, by line, in the order of their keys."""
    await uow.conn.execute(SETTINGS)
    rows = await uow.conn.fetch(_LINES, organization_id, stretch.starts_at, stretch.ends_at, cut, timeout=TIMEOUT_S)
    return [_line(tuple(row)) for row in rows]


async def changes(uow: db.UnitOfWork, *, organization_id: UUID, cut: int, stretches: Sequence[Stretch]) -> list[Change]:
    """Return what came late after ``cut`` and before the next, or until now, changed of these stretches, without what changed nothing."""
    await uow.conn.execute(SETTINGS)
    columns = (list(column) for column in zip(*stretches, strict=True)) if stretches else ([], [], [])
    rows = await uow.conn.fetch(_CHANGES, organization_id, cut, *columns, timeout=TIMEOUT_S)
    return [Change(row[0], _line(tuple(row)[1:])) for row in rows]


def _line(values: tuple[Any, ...]) -> Line:
    keys = len(LineKey._fields)
    return Line(LineKey(*values[:keys]), LineSums(*values[keys:]))
