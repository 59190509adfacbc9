"""Events that are known already: locked to be compared with what came again, and changed where that says something new."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

from carbonledger.domains.telemetry.types import SeriesKey
from carbonledger.infra import db

MEASURES: Final = (
    "series_id",
    "uncached_input",
    "cached_input",
    "cache_creation_5m",
    "cache_creation_1h",
    "output",
    "reasoning",
    "audio_input",
    "image_input",
    "cached_audio_input",
    "cached_image_input",
    "audio_output",
    "image_output",
    "requests",
    "quantity",
    "cost_amount",
    "cost_flags",
    "price_book_id",
    "reported_cost",
    "reported_currency",
    "emission_rate_id",
    "emission_flags",
)
_MEASURES: Final = ", ".join(f"e.{name}" for name in MEASURES)
_SERIES: Final = ", ".join(f"s.{name}" for name in SeriesKey._fields)
# Joined, because the planner takes ``id = ANY`` for a large part of a table that was not analysed yet, and reads the whole organization.
_LOCK: Final = f"""
SELECT e.id, e.idempotency_key, e.occurred_at, e.duration_s, e.revision, e.facts, {_MEASURES}, {_SERIES}
FROM unnest($2::uuid[]) AS asked (id) JOIN telemetry_events e ON e.id = asked.id
JOIN telemetry_series s ON s.organization_id = e.organization_id AND s.id = e.series_id
WHERE e.organization_id = $1 ORDER BY e.id FOR UPDATE OF e
"""
_NEXT: Final = f"""
SELECT e.id, e.idempotency_key, e.occurred_at, e.duration_s, e.revision, e.facts, {_MEASURES}, {_SERIES}
FROM telemetry_events e JOIN telemetry_series s ON s.organization_id = e.organization_id AND s.id = e.series_id
WHERE e.organization_id = $1 AND (e.occurred_at, e.id) > ($2, $3) AND s.event IS NULL
ORDER BY e.occurred_at, e.id LIMIT $4
"""
_SET: Final = ", ".join(f"{name} = ${place}" for place, name in enumerate(MEASURES, start=5))
_REVISE: Final = f"""
UPDATE telemetry_events SET facts = $3, revision = $4, {_SET} WHERE organization_id = $1 AND id = $2
"""
_SET_FACTS: Final = "UPDATE telemetry_events SET facts = $3 WHERE organization_id = $1 AND id = $2"


class Measures(NamedTuple):
    """Everything of an event that a revision may change, in ``MEASURES``'s order."""

    series_id: int
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
    cost_amount: Decimal | None
    cost_flags: int
    price_book_id: int | None
    reported_cost: Decimal | None
    reported_currency: str | None
    emission_rate_id: int | None
    emission_flags: int


class Known(NamedTuple):
    """An event as it stands, locked."""

    id: UUID
    idempotency_key: str
    occurred_at: datetime
    duration_s: int
    revision: int
    facts: int
    measures: Measures
    series: SeriesKey


class Change(NamedTuple):
    """What an event becomes."""

    id: UUID
    facts: int
    revision: int
    measures: Measures


async def lock(uow: db.UnitOfWork, *, organization_id: UUID, event_ids: Sequence[UUID]) -> dict[UUID, Known]:
    """Return the events of these ids by id, locked until the transaction ends."""
    rows = await uow.conn.fetch(_LOCK, organization_id, event_ids)
    return {row["id"]: _known(tuple(row)) for row in rows}


async def after(uow: db.UnitOfWork, *, organization_id: UUID, at: datetime, event_id: UUID, at_most: int) -> list[Known]:
    """Return usage by time and id that comes after an event, not locked."""
    rows = await uow.conn.fetch(_NEXT, organization_id, at, event_id, at_most)
    return [_known(tuple(row)) for row in rows]


def _known(values: tuple[Any, ...]) -> Known:
    end = 6 + len(MEASURES)
    event_id, key, occurred_at, duration_s, revision, facts = values[:6]
    measures, series = Measures(*values[6:end]), SeriesKey(*values[end:])
    return Known(event_id, key, occurred_at, duration_s, revision, facts, measures, series)


async def revise(uow: db.UnitOfWork, *, organization_id: UUID, changes: Sequence[Change]) -> None:
    """Write new measures; the database keeps the old ones in ``telemetry_revisions``."""
    await uow.conn.executemany(_REVISE, [(organization_id, one.id, one.facts, one.revision, *one.measures) for one in changes])


async def set_facts(uow: db.UnitOfWork, *, organization_id: UUID, facts: Sequence[tuple[UUID, int]]) -> None:
    """Write facts alone, such as that a bucket is provisional no more; that is no revision."""
    await uow.conn.executemany(_SET_FACTS, [(organization_id, event_id, value) for event_id, value in facts])
