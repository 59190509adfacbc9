"""Where events are that meet a filter: hours of the roll-ups, which know it without looking at events.

No index leads from a series to its events: each would be written for every event that comes, for lists that are asked for now and then.
Roll-ups hold series, facts and how many events there are, in a thousandth of the rows, so they are looked through instead: days first, then
the hours of those days, and only as many of the latest as hold what is asked for.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.telemetry.store import answers
from carbonledger.domains.telemetry.types.answers import Filters
from carbonledger.infra import db
from carbonledger.kernel import usage

_MATCHES: Final = answers.matches(7)
_COUNTED: Final = " ".join(f"WHEN '{kind}' THEN r.{kind} > 0" for kind in usage.BUCKETS)
# The day and the hour that the end is in count for nothing: how many of their events come before it only the events say.
_HOURS: Final = f"""
WITH wanted AS MATERIALIZED (
    SELECT s.id FROM telemetry_series s WHERE s.organization_id = $1 AND {_MATCHES}
), by_day AS (
    SELECT r.day, sum(r.events) FILTER (WHERE r.day < ($3::timestamptz AT TIME ZONE 'UTC')::date) AS events
    FROM telemetry_daily r JOIN wanted w ON w.id = r.series_id
    WHERE r.organization_id = $1 AND r.events > 0 AND ($4::integer = 0 OR r.facts & $4 <> 0) AND CASE $6::text {_COUNTED} ELSE true END
        AND r.day >= ($2::timestamptz AT TIME ZONE 'UTC')::date AND r.day <= ($3::timestamptz AT TIME ZONE 'UTC')::date
    GROUP BY r.day
), days AS MATERIALIZED (
    SELECT day::timestamp AT TIME ZONE 'UTC' AS starts FROM (
        SELECT day, sum(events) OVER (ORDER BY day DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS later FROM by_day
    ) d WHERE coalesce(later, 0) < $5
), by_hour AS (
    SELECT h.hour, sum(h.events) FILTER (WHERE h.hour < date_trunc('hour', $3::timestamptz, 'UTC')) AS events
    FROM days d CROSS JOIN LATERAL (
        SELECT * FROM telemetry_hourly r WHERE r.organization_id = $1 AND r.hour >= d.starts AND r.hour < d.starts + interval '24 hours'
            AND r.hour > $2::timestamptz - interval '1 hour' AND r.hour < $3
            AND r.events > 0 AND ($4 = 0 OR r.facts & $4 <> 0) AND CASE $6 {_COUNTED} ELSE true END OFFSET 0
    ) h JOIN wanted w ON w.id = h.series_id GROUP BY h.hour
)
SELECT hour FROM (
    SELECT hour, sum(events) OVER (ORDER BY hour DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS later FROM by_hour
) h WHERE coalesce(later, 0) < $5 ORDER BY hour
"""
_SETTINGS: Final = "SET LOCAL plan_cache_mode = force_custom_plan"


async def hours(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    start: datetime,
    end: datetime,
    filters: Filters,
    facts: int,
    kind: str | None,
    events: int,
) -> list[datetime]:
    """Return the latest hours, in order, that hold at least so many events that meet filters and facts, if there are so many.

    ``kind``: hours with tokens of it, though not every event of theirs needs to have any. Only hours are told that hold any; the first and
    the last may reach beyond ``start`` and ``end``.
    """
    await uow.conn.execute(_SETTINGS)
    rows = await uow.conn.fetch(_HOURS, organization_id, start, end, facts, events, kind, *answers.values(filters))
    return [row["hour"] for row in rows]
