"""Series of legal numbers. The row of a series is held from the moment numbers are taken until the transaction ends: so take them last."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert

from carbonledger.domains.invoices.tables import sellers as tables
from carbonledger.domains.invoices.types.sellers import NumberSeries
from carbonledger.infra import db

if TYPE_CHECKING:
    import asyncpg

_series = tables.series
_TAKE: Final = (
    "UPDATE invoice_series SET issued = issued + $3 WHERE organization_id = $1 AND code = $2 RETURNING code, prefix, padding, issued"
)
# A number that is there twice, or is not there, makes the count and the greatest differ; the counter says the same once more.
_GAPS: Final = """
SELECT s.code FROM invoice_series s
LEFT JOIN invoices i ON i.organization_id = s.organization_id AND i.series = s.code
WHERE s.organization_id = $1
GROUP BY s.organization_id, s.code
HAVING (s.issued, s.issued) IS DISTINCT FROM (count(i.sequence), coalesce(max(i.sequence), 0)) ORDER BY s.code
"""


async def ensure(uow: db.UnitOfWork, *, organization_id: UUID, series: NumberSeries, now: datetime) -> None:
    """Make a series unless it is there."""
    row = {"code": series.code, "prefix": series.prefix, "padding": series.padding, "issued": 0, "created_at": now}
    await uow.execute(upsert(_series).values(organization_id=organization_id, **row).on_conflict_do_nothing())


async def find(uow: db.UnitOfWork, *, organization_id: UUID, code: str) -> NumberSeries | None:
    """Return a series."""
    row = await uow.fetch_one(select(_series).where(_series.c.organization_id == organization_id, _series.c.code == code))
    return None if row is None else _from_row(row)


async def every(uow: db.UnitOfWork, *, organization_id: UUID) -> list[NumberSeries]:
    """Return all series by their codes."""
    rows = await uow.fetch(select(_series).where(_series.c.organization_id == organization_id).order_by(_series.c.code))
    return [_from_row(row) for row in rows]


async def take(uow: db.UnitOfWork, *, organization_id: UUID, code: str, count: int) -> tuple[NumberSeries, int] | None:
    """Take the next ``count`` numbers (1 or more) of a series and return it with the first; None if there is no such series.

    What is rolled back is given again, so there are no gaps.
    """
    row = await uow.conn.fetchrow(_TAKE, organization_id, code, count, timeout=db.PATIENCE_S)  # how long it may be is the transaction's
    return None if row is None else (_from_row(row), row["issued"] - count + 1)


async def broken(uow: db.UnitOfWork, *, organization_id: UUID) -> list[str]:
    """Return the series whose numbers have a gap or a double."""
    return [row["code"] for row in await uow.conn.fetch(_GAPS, organization_id)]


def _from_row(row: asyncpg.Record) -> NumberSeries:
    return NumberSeries(code=row["code"], prefix=row["prefix"], padding=row["padding"], issued=row["issued"])
