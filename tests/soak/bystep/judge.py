"""What must be so in the end, wherever something was killed: all that the run without a kill left, once, and what the stand-in tells.

Left out of the comparison is what another life rightly has otherwise: real times, numbers that the database draws (of series, attempts),
and the trail's notes of a secret being opened, one for each attempt.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

from carbonledger.infra import db
from tests.integration.domains.telemetry import kit
from tests.soak.bystep.provider import Truth

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[asyncpg.Record]

Books = dict[str, Counter[str]]
"""Rows of each table of the books, as text, and how often each is there."""
_DRAWN = "- 'series_id' - 'emission_rate_id' || jsonb_build_object('series', s.digest)"
_SERIES = "JOIN telemetry_series s ON s.organization_id = t.organization_id AND s.id = t.series_id"
_BOOKS: Final = {
    "telemetry_events": f"SELECT to_jsonb(t) - 'recorded_at' {_DRAWN} FROM telemetry_events t {_SERIES}",
    "telemetry_revisions": f"SELECT to_jsonb(t) - 'replaced_at' {_DRAWN} FROM telemetry_revisions t {_SERIES}",
    "telemetry_series": "SELECT to_jsonb(t) - 'id' - 'broad_id' - 'created_at' FROM telemetry_series t",
    "connections": "SELECT to_jsonb(t) FROM connections t",
    "connection_streams": "SELECT to_jsonb(t) FROM connection_streams t",
    "connection_buckets": "SELECT to_jsonb(t) FROM connection_buckets t",
    "reported_costs": "SELECT to_jsonb(t) FROM reported_costs t",
    "reported_cost_revisions": "SELECT to_jsonb(t) FROM reported_cost_revisions t",
    "jobs": "SELECT jsonb_build_array(name, args, state, error) FROM jobs t",
    "events": "SELECT jsonb_build_array(action, target_type, target_id, after, severity, audience) FROM events t",
    "idempotent_answers": "SELECT jsonb_build_array(place, digest, status, body) FROM idempotent_answers t",
}
_WHERE = " WHERE t.organization_id = $1"
_OPENED = " AND action NOT LIKE 'secret.%'"
_READ = """
SELECT s.model, date_trunc('hour', e.occurred_at) AS hour, sum(e.uncached_input)::bigint, sum(e.cached_input)::bigint,
    sum(e.cache_creation_5m)::bigint, sum(e.cache_creation_1h)::bigint, sum(e.output)::bigint
FROM telemetry_events e JOIN telemetry_series s ON s.organization_id = e.organization_id AND s.id = e.series_id
WHERE e.organization_id = $1 AND s.source = 'connection' GROUP BY 1, 2
"""
_SENT = (
    "SELECT idempotency_key, uncached_input, output, revision FROM telemetry_events WHERE organization_id = $1 AND idempotency_key LIKE $2"
)
_STUCK = {
    "jobs have not ended": "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')",
    "rows are in the queue": "SELECT count(*) FROM pgqueuer",
    "attempts are open": "SELECT count(*) FROM job_attempts WHERE finished_at IS NULL",
    "jobs are parked": "SELECT count(*) FROM jobs WHERE state = 'parked'",
}
_LEFT = {
    "advisory locks are held": "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",  # noqa: E501
    "transactions are prepared": "SELECT count(*) FROM pg_prepared_xacts",
}
_SHOWN = 3


async def books(conn: Connection, organization_id: UUID) -> Books:
    """Return all that a run leaves."""
    found: Books = {}
    for table, query in _BOOKS.items():
        rows = await conn.fetch(query + _WHERE + (_OPENED if table == "events" else ""), organization_id)
        found[table] = Counter(str(row[0]) for row in rows)
    return found


def differences(expected: Books, found: Books) -> list[str]:
    """Say in words what is not as expected."""
    words = []
    for table, rows in expected.items():
        for name, more in (("lacks", rows - found[table]), ("has beside", found[table] - rows)):
            words += [f"{table} {name} {row[:400]}" for row in list(more.elements())[:_SHOWN]]
            if more.total() > _SHOWN:
                words.append(f"{table} {name} {more.total() - _SHOWN} more")
    return words


async def untrue(conn: Connection, organization_id: UUID, truth: Truth) -> list[str]:
    """Say where the ledger does not have what the stand-in tells, by model and hour."""
    rows = await conn.fetch(_READ, organization_id)
    read = {(row[0], row[1]): tuple(row)[2:] for row in rows if any(tuple(row)[2:])}
    return [
        f"{model} at {hour:%Y-%m-%d %H}: the ledger says {read.get((model, hour))}, the provider {truth.get((model, hour))}"
        for model, hour in sorted(truth.keys() | read.keys())
        if read.get((model, hour)) != truth.get((model, hour))
    ]


async def unsent(conn: Connection, organization_id: UUID, sent: Mapping[str, tuple[int, int, int]], *, named: str) -> list[str]:
    """Say where the ledger does not have what was acknowledged: input, output and revision by key, of keys that begin as ``named``."""
    rows = await conn.fetch(_SENT, organization_id, f"{named}%")
    kept = Counter(tuple(row) for row in rows)
    wanted = Counter((key, *counts) for key, counts in sent.items())
    return [f"lacks {row}" for row in wanted - kept] + [f"has beside {row}" for row in kept - wanted]


async def stuck(conn: Connection) -> list[str]:
    """Say what has not come to its end."""
    return [f"{many} {words}" for words, query in _STUCK.items() if (many := await conn.fetchval(query))]


async def left(conn: Connection) -> list[str]:
    """Say what was left behind, once the processes are gone."""
    return [f"{many} {words}" for words, query in _LEFT.items() if (many := await conn.fetchval(query))]


async def unsummed(database: db.Database, organization_id: UUID) -> list[str]:
    """Say whether roll-ups are not the sums of the events."""
    try:
        await kit.rollups_equal_raw(database, organization_id)
    except AssertionError as failure:
        return [f"roll-ups are not the sums of the events: {str(failure)[:400]}"]
    return []


async def untraceable(conn: Connection, organization_id: UUID, objects: Path) -> list[str]:
    """Say which figures can't be traced to the answer that they are from, kept whole under its digest."""
    rows = await conn.fetch("SELECT DISTINCT payload_digest FROM connection_buckets WHERE organization_id = $1", organization_id)
    return await asyncio.to_thread(_unkept, [row[0].hex() for row in rows], objects)


def _unkept(digests: Sequence[str], objects: Path) -> list[str]:
    words = []
    for digest in digests:
        kept = list(objects.rglob(f"{digest}.json.gz"))
        if len(kept) != 1 or hashlib.sha256(gzip.decompress(kept[0].read_bytes())).hexdigest() != digest:
            words.append(f"the answer {digest} is kept in {len(kept)} files, or is another")
    return words
