"""Events in the order of exports, a chunk at a time: by time, then id, each chunk found by the last event of the one before."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from carbonledger.domains.telemetry.store import answers, events
from carbonledger.domains.telemetry.types import Fact, SeriesKey
from carbonledger.domains.telemetry.types.answers import Filters
from carbonledger.domains.telemetry.types.exports import Place
from carbonledger.infra import db
from carbonledger.kernel.period import Period

SERIES: Final = SeriesKey._fields
PLAIN: Final = (
    "occurred_at",
    "id",
    "idempotency_key",
    "duration_s",
    "requests",
    "cost_flags",
    "emission_flags",
    "facts",
    "revision",
    "recorded_at",
    "reported_currency",
)
MONEY: Final = ("quantity", "cost_amount", "reported_cost")
VERSIONS: Final = ("b.version", "r.factor_version")
_PLAIN: Final = ", ".join(f"e.{name}" for name in (*PLAIN, *events.COUNTS))
_SERIES: Final = ", ".join(f"s.{name}" for name in SERIES)
_VERSIONS: Final = ", ".join(VERSIONS)
# As text: PostgreSQL writes a decimal in a tenth of the time that making a Python object of it and writing that takes.
_AMOUNTS: Final = ", ".join(f"trim_scale({amount})::text" for amount in (*(f"e.{name}" for name in MONEY), *events.AMOUNTS))
_RATES: Final = "e.cost_amount, e.reported_cost, r.energy_wh, r.co2e_location_g"
_MATCHES: Final = answers.matches(7)
_FROM: Final = f"""
FROM telemetry_events e JOIN telemetry_series s ON s.organization_id = e.organization_id AND s.id = e.series_id
LEFT JOIN price_books b ON b.id = e.price_book_id LEFT JOIN emission_rates r ON r.id = e.emission_rate_id
WHERE e.organization_id = $1 AND e.occurred_at >= $2 AND e.occurred_at < $3
    AND (e.occurred_at, e.id) > ($4, $5) AND {_MATCHES}
"""
_ROWS: Final = f"SELECT {_PLAIN}, {_VERSIONS}, {_SERIES}, {_AMOUNTS} {_FROM} ORDER BY e.occurred_at, e.id LIMIT $6"
_NO_ROWS: Final = int(Fact.DUPLICATE | Fact.METERED)  # in an export whose rows are added up
_CHARGES: Final = f"""
SELECT {_PLAIN}, {_VERSIONS}, {_SERIES}, {_RATES} {_FROM} AND e.facts & {_NO_ROWS} = 0 ORDER BY e.occurred_at, e.id LIMIT $6
"""


async def rows(
    uow: db.UnitOfWork, *, organization_id: UUID, period: Period, filters: Filters, after: Place | None, limit: int
) -> list[tuple[Any, ...]]:
    """Return rows of ``PLAIN``, the counts, ``VERSIONS``, ``SERIES``, ``MONEY`` and the amounts, these as text."""
    return await _fetch(uow, _ROWS, organization_id=organization_id, period=period, filters=filters, after=after, limit=limit)


async def charges(
    uow: db.UnitOfWork, *, organization_id: UUID, period: Period, filters: Filters, after: Place | None, limit: int
) -> list[tuple[Any, ...]]:
    """Return rows of ``PLAIN``, the counts, ``VERSIONS``, ``SERIES``, cost, reported cost, and rates of energy and CO2e by location."""
    return await _fetch(uow, _CHARGES, organization_id=organization_id, period=period, filters=filters, after=after, limit=limit)


async def _fetch(
    uow: db.UnitOfWork, statement: str, *, organization_id: UUID, period: Period, filters: Filters, after: Place | None, limit: int
) -> list[tuple[Any, ...]]:
    at, last = after or (period.start, UUID(int=0))
    found = await uow.conn.fetch(statement, organization_id, max(at, period.start), period.end, at, last, limit, *answers.values(filters))
    return [tuple(row) for row in found]
