"""The summary of an organization over so many events, beside its limit, and how an export of them streams.

`dev.py bench summary --rows N` fills an installation of its own with 1 million events, then with N, over 60 days and 50 series, and prints
after each the time of a summary (the question to the database and the answer made of it, median and 90th percentile) in three time zones
beside the 30 ms that are asked for, the ratio of the two sizes (at most 2), and the cores. `--export FORMAT` reads every event in that
format and prints MB a second, events a second, and the memory that the process grew by.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import psutil
import pydantic

from carbonledger.adapters import parquet
from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.service import accepting, answering, caching, exporting
from carbonledger.domains.telemetry.types.answers import Filters
from carbonledger.domains.telemetry.types.exports import Format
from carbonledger.entrypoints.rest import exports, telemetry
from carbonledger.entrypoints.worker import registry
from carbonledger.infra import db, ddl, reach, settings
from carbonledger.kernel import actor, ids
from carbonledger.kernel.usage import TokenBuckets, Usage, UsageQuality

START = datetime(2026, 9, 1, tzinfo=UTC)
DAYS = 60
FIRST = 1_000_000
LIMIT_MS = 30.0
RATIO_MAX = 2.0
TIMES = 40
ZONES = ("UTC", "Europe/Berlin", "America/Los_Angeles")
ACCOUNTS = 5
MODELS = (
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-mini"),
    ("openai", "gpt-5"),
    ("openai", "o3"),
    ("openai", "text-embedding-3-small"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-opus-4-5"),
    ("anthropic", "claude-haiku-4-5"),
    ("google", "gemini-2.5-pro"),
    ("google", "gemini-2.5-flash"),
)
_FILL = """
INSERT INTO telemetry_events
SELECT e.organization_id, gen_random_uuid(), 'bench ' || n, e.series_id, $2::timestamptz + $3::interval * (n::double precision / $5), 0,
    e.uncached_input + n % 997, e.cached_input + n % 89, e.cache_creation_5m, e.cache_creation_1h, e.output + n % 211, e.reasoning,
    e.audio_input, e.image_input, e.cached_audio_input, e.cached_image_input, e.audio_output, e.image_output, e.requests, e.quantity,
    e.cost_amount + n % 1013 * 0.000000000001, e.cost_flags, e.price_book_id, e.reported_cost, e.reported_currency, e.emission_rate_id,
    e.emission_flags, e.facts, 0, NULL, e.recorded_at
FROM generate_series($4::bigint, $5 - 1) AS n
JOIN (SELECT *, row_number() OVER (ORDER BY idempotency_key) - 1 AS place, count(*) OVER () AS places
    FROM telemetry_events WHERE organization_id = $1 AND idempotency_key LIKE 'seed %') e ON e.place = n % e.places
"""
_ROLL_UP = """
INSERT INTO {table} SELECT organization_id, {slot}, series_id, facts, coalesce(emission_rate_id, 0), count(*), coalesce(sum(requests), 0),
    coalesce(sum(uncached_input), 0), coalesce(sum(cached_input), 0), coalesce(sum(cache_creation_5m), 0),
    coalesce(sum(cache_creation_1h), 0), coalesce(sum(output), 0), coalesce(sum(reasoning), 0), coalesce(sum(quantity), 0),
    coalesce(sum(cost_amount), 0), coalesce(sum(reported_cost) FILTER (WHERE reported_currency = 'USD'), 0)
FROM telemetry_events WHERE organization_id = $1 GROUP BY 1, 2, 3, 4, 5
"""
_ROLL_UPS = (("telemetry_hourly", "date_trunc('hour', occurred_at, 'UTC')"), ("telemetry_daily", "(occurred_at AT TIME ZONE 'UTC')::date"))
_adapter = pydantic.TypeAdapter(telemetry.SummaryOut)


def seeds() -> list[types.Draft]:
    """Return two kinds of event for each of 50 series: all of it told, and estimated without requests or a split."""
    drafts = []
    for account in range(ACCOUNTS):
        for place, (provider, model) in enumerate(MODELS):
            whole = TokenBuckets(
                uncached_input=900 + place, cached_input=300, cache_creation_5m=10, cache_creation_1h=0, output=400, reasoning=20
            )
            for kind, (tokens, requests) in enumerate(((whole, 1), (TokenBuckets(uncached_input=900, output=300), None))):
                usage = Usage(provider=provider, model=model, occurred_at=START, tokens=tokens, requests=requests)
                quality = UsageQuality.ESTIMATED if kind else UsageQuality.REPORTED
                key = f"seed {account} {place} {kind}"
                drafts.append(types.Draft(idempotency_key=key, usage=usage, quality=quality, account=f"customer {account}"))
    return drafts


async def prepare(database: db.Database) -> UUID:
    """Make an organization with one event of each kind."""
    organization_id = ids.new_id(START)
    async with database.transaction(organization_id) as uow:
        await uow.conn.execute(
            "INSERT INTO organizations (id, name, is_sandbox, created_at, updated_at) VALUES ($1, 'Bench', false, $2, $2)",
            organization_id,
            START,
        )
        await accepting.accept(
            uow,
            actor=actor.system(organization_id),
            now=START,
            at=START,
            organization_id=organization_id,
            booking=types.Booking(source=types.Source.API),
            items=seeds(),
        )
    return organization_id


async def fill(owner: str, organization_id: UUID, first: int, rows: int) -> None:
    """Add events up to ``rows`` as the owner, and make the roll-ups anew."""
    conn = await asyncpg.connect(owner)
    try:
        await conn.execute(f"SET ROLE {ddl.MAINTENANCE}; SET work_mem = '256MB'")
        await conn.execute(_FILL, organization_id, START, timedelta(days=DAYS), first, rows)
        for table, slot in _ROLL_UPS:
            await conn.execute(f"DELETE FROM {table} WHERE organization_id = $1", organization_id)
            await conn.execute(_ROLL_UP.format(table=table, slot=slot), organization_id)
        await conn.execute("RESET ROLE")
        for table in ("telemetry_events", "telemetry_hourly", "telemetry_daily", "telemetry_series"):
            await conn.execute(f"VACUUM ANALYZE {table}")
    finally:
        await conn.close()


@dataclasses.dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of summaries: in the database's process and on the way, and making the answer."""

    asked: list[float]
    made: list[float]
    cpu: float

    @property
    def median(self) -> float:
        return statistics.median(map(sum, zip(self.asked, self.made, strict=True)))


def cpu_ms(backend: psutil.Process) -> float:
    """Return the processor's milliseconds of the database's process and of this one: fair on a busy machine, too."""
    theirs, ours = backend.cpu_times(), psutil.Process().cpu_times()
    return 1e3 * (theirs.user + theirs.system + ours.user + ours.system)


async def measure(database: db.Database, organization_id: UUID, zone: str) -> Timing:
    async with database.transaction() as uow:
        backend = psutil.Process(await uow.conn.fetchval("SELECT pg_backend_pid()"))
    before = cpu_ms(backend)
    over = answering.asked(start=START, end=START + timedelta(days=DAYS), now=START, time_zone=zone)
    timing = Timing([], [], 0.0)
    for _ in range(TIMES):
        started = time.perf_counter()
        async with database.transaction(organization_id) as uow:
            found = await answering.summary(uow, organization_id=organization_id, asked=over, filters=Filters())
            saved = await caching.saving(uow, organization_id=organization_id, asked=over, filters=Filters())
        answered = time.perf_counter()
        _adapter.serializer.to_json(telemetry.to_api_summary(found, saved))
        timing.asked.append((answered - started) * 1e3)
        timing.made.append((time.perf_counter() - answered) * 1e3)
    return dataclasses.replace(timing, cpu=(cpu_ms(backend) - before) / TIMES)


def say(rows: int, zone: str, timing: Timing) -> None:
    whole = [asked + made for asked, made in zip(timing.asked, timing.made, strict=True)]
    slow = statistics.quantiles(whole, n=10)[-1]
    print(
        f"{rows:>12,} events  {zone:20} median {timing.median:6.1f} ms, of which the question {statistics.median(timing.asked):6.1f};"
        f" CPU {timing.cpu:6.1f}, least {min(whole):6.1f}, 90th percentile {slow:6.1f}   limit {LIMIT_MS:.0f} ms",
        flush=True,
    )


async def write(database: db.Database, organization_id: UUID, format_: Format, rows: int) -> None:
    """Export everything into nothing, and say how fast that was and what memory it took."""
    over = answering.asked(start=START, end=START + timedelta(days=DAYS), now=START, time_zone="UTC")
    export = exporting.Export(
        organization_id=organization_id,
        organization_name="Bench",
        period=over.period,
        filters=Filters(),
        is_focus=format_ is Format.FOCUS,
    )
    writer = exporting.writer(format_, parquet=parquet.Parquet())
    before = resource.getrusage(resource.RUSAGE_SELF)
    started, size = time.perf_counter(), 0
    async for piece in exports.stream(database, export, writer):
        size += len(piece)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"{format_.value:8} {size / 2**20:8.0f} MB  {size / 2**20 / seconds:6.1f} MB/s  {rows / seconds:8,.0f} events/s"
        f"  {1e6 * cpu_s / rows:5.0f} us of this process's CPU an event"
        f"  peak memory {before.ru_maxrss / 1024:.0f} -> {after.ru_maxrss / 1024:.0f} MB",
        flush=True,
    )


async def run(addresses: reach.Addresses, rows: int, *, formats: tuple[str, ...]) -> None:
    database = await db.connect(addresses.app, size=1, application="bench", role=addresses.app_role)
    try:
        organization_id = await prepare(database)
        medians: dict[str, list[float]] = {zone: [] for zone in ZONES}
        done = 0
        for size in sorted({min(FIRST, rows), rows}):
            started = time.perf_counter()
            await fill(addresses.owner, organization_id, done, size)
            print(f"{size:>12,} events are there after {time.perf_counter() - started:.0f} s", flush=True)
            done = size
            for zone in ZONES:
                timing = await measure(database, organization_id, zone)
                medians[zone].append(timing.median)
                say(size, zone, timing)
        for zone, found in medians.items():
            print(f"{zone:20} ratio of {rows:,} to {min(FIRST, rows):,}: {found[-1] / found[0]:.2f}   limit {RATIO_MAX}")
        for format_ in formats:
            await write(database, organization_id, Format(format_), rows)
    finally:
        await database.close()


def main(rows: int, formats: tuple[str, ...]) -> None:
    registry.load()
    with tempfile.TemporaryDirectory(prefix="carbonledger-bench-") as folder:
        os.chmod(folder, 0o711)  # noqa: PTH101, S103 - the database's own user goes through it to its folder
        home = Path(folder) / "home"
        configuration = settings.load(home=home)
        with reach.reached(configuration, wait=True) as reached:
            command = [sys.executable, "-m", "carbonledger.entrypoints.cli.main", "migrate"]
            subprocess.run(command, env=os.environ | {"CARBONLEDGER_HOME": str(home)}, check=True, stdout=subprocess.DEVNULL)
            print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {DAYS} days, {ACCOUNTS * len(MODELS)} series", flush=True)
            asyncio.run(run(reached.addresses, rows, formats=formats))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=FIRST)
    parser.add_argument("--export", action="append", default=[], metavar="FORMAT")
    given = parser.parse_args()
    main(given.rows, tuple(given.export))
