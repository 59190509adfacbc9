"""What providers report that they charge, added up by day."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.connections.types import ReportedDay
from carbonledger.infra import db
from carbonledger.kernel import currency, decimals
from carbonledger.kernel.decimals import Rounding
from carbonledger.kernel.money import Money

_PLACES: Final = 24  # twice those of our own cost; so the sum of amounts with very long tails, and its difference to ours, are in range
_DAYS: Final = """
SELECT starts_at, currency, sum(amount) AS amount, max(read_at) AS read_at FROM reported_costs
WHERE organization_id = $1 AND connection_id = $2 AND starts_at >= $3 AND starts_at + make_interval(secs => width_s) <= $4
GROUP BY starts_at, currency ORDER BY starts_at, currency
"""


async def days(uow: db.UnitOfWork, *, organization_id: UUID, connection_id: UUID, start: datetime, end: datetime) -> list[ReportedDay]:
    """Return the days that lie wholly in the period, each with what was reported of it, by day and currency."""
    rows = await uow.conn.fetch(_DAYS, organization_id, connection_id, start, end)
    return [
        ReportedDay(
            row["starts_at"].astimezone(UTC).date(),
            Money(decimals.rounded(row["amount"], places=_PLACES, mode=Rounding.HALF_EVEN), currency.by_code(row["currency"])),
            row["read_at"],
        )
        for row in rows
    ]
