"""By which versions of the price book events were priced: no roll-up tells it, so it is read of single events, by their time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.telemetry.store import metering
from carbonledger.domains.telemetry.types.metering import Query
from carbonledger.infra import db

_FIRST: Final = 5  # after the organization, the account and two arrays of times
_VERSIONS: Final = f"""
SELECT DISTINCT b.version FROM unnest($3::timestamptz[], $4::timestamptz[]) AS t (starts, ends)
JOIN telemetry_events e ON e.organization_id = $1 AND e.occurred_at >= t.starts AND e.occurred_at < t.ends
    AND e.facts & {metering.DUPLICATE} = 0 AND e.cost_amount IS NOT NULL
JOIN telemetry_series s ON s.organization_id = $1 AND s.id = e.series_id AND s.account = $2
JOIN price_books b ON b.id = e.price_book_id WHERE <matches> ORDER BY b.version
"""


async def versions(
    uow: db.UnitOfWork, *, organization_id: UUID, query: Query, account: str, times: Sequence[tuple[datetime, datetime]]
) -> tuple[str, ...]:
    """Return the versions by which the events of an account that a query counts were priced, in their order."""
    of_series, of_events, values = metering.conditions(query, _FIRST)
    statement = metering.filled(_VERSIONS, {"<matches>": " AND ".join([*of_series, *of_events])})
    columns = [[time[place] for time in times] for place in range(2)]
    return tuple(row["version"] for row in await uow.conn.fetch(statement, organization_id, account, *columns, *values))
