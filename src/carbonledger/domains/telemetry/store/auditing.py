"""Events as they stood at a cut, as CSV that PostgreSQL writes: the same rows, order and facts as their leaves (``leaves``), in columns.

A row holds all that the content of its leaf is made of, the salt included, so that whoever has it can hash the leaf again (ADR 0023). What
is unknown is empty. Nothing is held in memory: the rows are streamed as they are sorted.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from carbonledger.domains.telemetry.store import leaves, standing
from carbonledger.domains.telemetry.types import Fact
from carbonledger.domains.telemetry.types.closing import Frozen
from carbonledger.infra import db

_TOKENS: Final = (
    *("uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h", "output", "reasoning", "audio_input", "image_input"),
    *("cached_audio_input", "cached_image_input", "audio_output", "image_output"),
)
COLUMNS: Final = (
    *("id", "revision", "occurred_at", "duration_s", "project", "provider", "model", "event", "requests", *_TOKENS, "quantity"),
    *("cost_pico_usd", "price_book", "emission_rate", "standing", "salt"),
)
"""The first line of what is streamed."""
_ROW: Final = f"""
x.id, x.revision, to_char(x.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS occurred_at, x.duration_s,
s.project_id AS project, s.provider, s.model, s.event, x.requests, {", ".join(f"x.{name}" for name in _TOKENS)},
trim_scale(x.quantity)::text AS quantity, (x.cost_amount * 1000000000000)::numeric(38, 0) AS cost_pico_usd,
b.version AS price_book, encode(r.digest, 'hex') AS emission_rate,
CASE WHEN x.facts & {int(Fact.DUPLICATE)} = 0 THEN 'counted' ELSE 'duplicate' END AS standing,
encode(substr({leaves.HMAC}, 1, 16), 'hex') AS salt
"""
_NAMED: Final = f"""
JOIN telemetry_series s ON s.organization_id = $1 AND s.id = x.series_id
LEFT JOIN price_books b ON b.id = x.price_book_id
LEFT JOIN emission_rates r ON r.id = x.emission_rate_id
{leaves.SALTED}
"""
_EVENTS: Final = f"SELECT {_ROW} FROM ({leaves.EVENTS}) x {_NAMED} ORDER BY x.id"
_BEFORE: Final = f"""
SELECT {_ROW} FROM (
    SELECT {leaves.STOOD} FROM telemetry_late_changes n
    JOIN telemetry_events e ON e.organization_id = $1 AND e.id = n.event_id
    LEFT JOIN telemetry_revisions r ON r.organization_id = $1 AND r.event_id = n.event_id AND r.revision = n.revision
    WHERE n.organization_id = $1 AND n.cut = $2 AND n.revision IS NOT NULL
) x {_NAMED} ORDER BY x.id
"""


async def stream_events(uow: db.UnitOfWork, *, organization_id: UUID, frozen: Frozen, salting: leaves.Salting, take: leaves.Take) -> None:
    """Give ``take`` the events that are meant, each once in the order of ids, after a line with ``COLUMNS``, in any pieces."""
    await _stream(uow, _EVENTS, organization_id, frozen.starts_at, frozen.ends_at, frozen.cut, salting=salting, take=take)


async def stream_before(uow: db.UnitOfWork, *, organization_id: UUID, cut: int, salting: leaves.Salting, take: leaves.Take) -> None:
    """Give ``take`` the events that changed late after a cut and before the next, as they stood at that cut, in the same way.

    Those that were not there at it are left out.
    """
    await _stream(uow, _BEFORE, organization_id, cut, salting=salting, take=take)


async def _stream(uow: db.UnitOfWork, query: str, *arguments: object, salting: leaves.Salting, take: leaves.Take) -> None:
    await uow.conn.execute(standing.SETTINGS)
    await leaves.set_salt(uow, salting)
    await uow.conn.copy_from_query(query, *arguments, output=take, format="csv", header=True, timeout=standing.TIMEOUT_S)
