"""Three layouts that keep one event for each (organization, idempotency key) whatever its time, filled side by side in one run (ADR 0012).

`dev.py bench ledger_layout [--rows 1000000]` inserts batches of 10,000 rows with random keys, ON CONFLICT DO NOTHING, into each in turn,
and prints rows a second, the database's CPU and log for a row as they grow, and each rate beside the first layout's. (a) is the ledger's:
the id is made of organization and key, and is the primary key of hash partitions. (b) keeps keys in a table of their own, partitioned by
their hash, beside events partitioned by month with ids in the order of time. (c) is (a) in one table.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import psutil

from carbonledger.infra import db, reach, settings

BATCH = 10_000
PARTITIONS = 8
MONTHS = 12
STRETCHES = 4
_COLUMNS = """
    organization_id uuid NOT NULL, id uuid NOT NULL, ordered_id uuid NOT NULL, idempotency_key text NOT NULL, series_id bigint NOT NULL,
    occurred_at timestamptz NOT NULL, uncached_input bigint, cached_input bigint, cache_creation_5m bigint, cache_creation_1h bigint,
    output bigint, reasoning bigint, requests bigint, cost_amount numeric(38, 12), facts integer NOT NULL
"""
_FROM = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Layout:
    """A layout: how it is made, how a batch is inserted from the table ``staging``, and what that took."""

    name: str
    create: tuple[str, ...]
    insert: str
    seconds: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    log_bytes: list[int] = field(default_factory=list)


def hashed(table: str, columns: str, key: str) -> Iterator[str]:
    """Yield what makes a table in hash partitions."""
    yield f"CREATE TABLE {table} ({columns}, PRIMARY KEY ({key})) PARTITION BY HASH ({key})"
    for number in range(PARTITIONS):
        yield f"CREATE TABLE {table}_p{number} PARTITION OF {table} FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {number})"


def monthly(table: str) -> Iterator[str]:
    """Yield what makes a table in partitions of a month."""
    yield f"CREATE TABLE {table} ({_COLUMNS}, PRIMARY KEY (ordered_id, occurred_at)) PARTITION BY RANGE (occurred_at)"
    for number in range(MONTHS):
        start, end = (f"{2026 + month // 12}-{month % 12 + 1:02d}-01" for month in (number, number + 1))
        yield f"CREATE TABLE {table}_p{number} PARTITION OF {table} FOR VALUES FROM ('{start}') TO ('{end}')"


def layouts() -> list[Layout]:
    keys = "organization_id uuid NOT NULL, idempotency_key text NOT NULL, occurred_at timestamptz NOT NULL, event_id uuid NOT NULL"
    return [
        Layout(
            "(a) id of organization and key, hash partitions",
            tuple(hashed("a", _COLUMNS, "id")),
            "INSERT INTO a SELECT * FROM staging ORDER BY id ON CONFLICT DO NOTHING",
        ),
        Layout(
            "(b) months, and a table of keys in hash partitions",
            (*hashed("b_keys", keys, "organization_id, idempotency_key"), *monthly("b")),
            """
            WITH fresh AS (
                INSERT INTO b_keys SELECT organization_id, idempotency_key, occurred_at, ordered_id FROM staging ORDER BY idempotency_key
                ON CONFLICT DO NOTHING RETURNING event_id
            )
            INSERT INTO b SELECT s.* FROM staging s JOIN fresh ON fresh.event_id = s.ordered_id ORDER BY s.ordered_id
            """,
        ),
        Layout(
            "(c) id of organization and key, one table",
            (f"CREATE TABLE c ({_COLUMNS}, PRIMARY KEY (id))",),
            "INSERT INTO c SELECT * FROM staging ORDER BY id ON CONFLICT DO NOTHING",
        ),
    ]


def batch(organization_id: UUID, first: int) -> list[tuple[object, ...]]:
    """Return a batch with random keys, an hour of one of the months; ``first``: how many rows came before."""
    hour = _FROM + timedelta(hours=first // BATCH * 7 % (MONTHS * 28 * 24))
    rows: list[tuple[object, ...]] = []
    for number in range(first, first + BATCH):
        key = secrets.token_hex(16)
        digest = hashlib.sha256(organization_id.bytes + key.encode()).digest()[:16]
        ordered = UUID(int=number << 64 | int.from_bytes(digest[:8]))
        at = hour + timedelta(seconds=number % 3600)
        rows.append((organization_id, UUID(bytes=digest), ordered, key, number % 50, at, 1000, 200, 0, 0, 300, 0, 1, None, 0))
    return rows


async def filled(conn: db.Connection, layout: Layout, rows: list[tuple[object, ...]], serving: psutil.Process) -> None:
    """Insert a batch, and note what it took from its statement to its commit."""
    await conn.execute("TRUNCATE staging")
    await conn.copy_records_to_table("staging", records=rows)
    log, cpu, started = await conn.fetchval("SELECT pg_current_wal_insert_lsn()"), _cpu_s(serving), time.perf_counter()
    done = await conn.execute(layout.insert)
    layout.seconds[-1] += time.perf_counter() - started
    layout.cpu_s[-1] += _cpu_s(serving) - cpu
    layout.log_bytes[-1] += await conn.fetchval("SELECT pg_current_wal_insert_lsn() - $1::pg_lsn", log)
    if done != f"INSERT 0 {len(rows)}":
        raise SystemExit(f"{layout.name}: {done} of {len(rows)}")


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


async def compare(dsn: str, rows: int) -> None:
    conn = await asyncpg.connect(dsn)
    found = layouts()
    try:
        serving = psutil.Process(conn.get_server_pid())
        await conn.execute(f"CREATE TEMP TABLE staging ({_COLUMNS})")
        for layout in found:
            for statement in layout.create:
                await conn.execute(statement)
        organization_id, stretch = uuid4(), max(rows // STRETCHES // BATCH, 1) * BATCH
        for start in range(0, rows, stretch):
            for layout in found:
                layout.seconds.append(0)
                layout.cpu_s.append(0)
                layout.log_bytes.append(0)
            for first in range(start, start + stretch, BATCH):
                for layout in found:  # in turn, so that what else the machine does meets all of them
                    await filled(conn, layout, batch(organization_id, first), serving)
            report(found, start + stretch, stretch)
    finally:
        await conn.close()


def report(found: list[Layout], rows: int, stretch: int) -> None:
    print(f"up to {rows:,} rows")
    for layout in found:
        per_s, cpu_us = stretch / layout.seconds[-1], layout.cpu_s[-1] / stretch * 1e6
        ratio, ratio_cpu = found[0].seconds[-1] / layout.seconds[-1], found[0].cpu_s[-1] / max(layout.cpu_s[-1], 0.01)
        print(
            f"  {layout.name:52} {per_s:9,.0f} rows/s ({ratio:.2f} of (a))   CPU for one {cpu_us:5.1f} us ({ratio_cpu:.2f})   "
            f"log {layout.log_bytes[-1] / stretch:5.0f} bytes",
            flush=True,
        )


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory(prefix="carbonledger-bench-") as name, contextlib.ExitStack() as stack:
        os.chmod(name, 0o711)  # noqa: PTH101, S103 - the database's own user goes through it to its folder
        reached = stack.enter_context(reach.reached(settings.load(home=Path(name) / "home"), wait=True))
        lease = reached.lease
        assert lease is not None
        print(f"{os.cpu_count()} cores, PostgreSQL {lease.version}, batches of {BATCH:,}", flush=True)
        asyncio.run(compare(lease.dsn(role="superuser", database="postgres"), rows))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    main(parser.parse_args().rows)
