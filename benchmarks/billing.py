"""A bill run of so many invoices: ten lines each, five flat in advance and five of usage, of as many accounts.

`dev.py bench billing [--invoices 1000,10000,50000,100000] [--workers 2]` makes an installation of its own and for each size an organization
with a plan of ten charges, that many accounts with a subscription and five metered events each. It bills the end of a month as the worker's
job does, by so many processes at once. At the end there is a table of all sizes: what each took beside its limit, 120 seconds for 50,000
invoices on two cores and for other sizes in proportion; the processor's time for an invoice, which is fair on a busy machine too; what an
invoice costs beside one of the smallest size, so that a cost that is not linear shows; the most memory that a process that bills has had;
and a preview of a subscription's next invoice beside its limit of 20 ms. PDFs are made afterwards by jobs of their own and are not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from concurrent import futures
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import asyncpg
import psutil

from benchmarks.closing import server
from carbonledger.domains.accounts import service as accounts
from carbonledger.domains.catalog import service as catalog
from carbonledger.domains.catalog.types import Aggregation, Charge, Measure, Meter
from carbonledger.domains.catalog.types.charges import Flat, Graduated, Standard, Tier, Timing
from carbonledger.domains.catalog.types.drafts import PlanDraft, VersionDraft
from carbonledger.domains.invoices.service import billing, checking, upcoming
from carbonledger.domains.subscriptions import service as subscriptions
from carbonledger.domains.telemetry import types as telemetry
from carbonledger.domains.telemetry.service import accepting
from carbonledger.entrypoints.shared import bill_runs, collector
from carbonledger.entrypoints.worker import registry
from carbonledger.infra import clock, db, ddl, migrations, reach, settings
from carbonledger.kernel import actor, currency, ids
from carbonledger.kernel.period import CalendarUnit, Interval

LIMIT_S = 120.0
LIMIT_INVOICES = 50_000
PREVIEW_LIMIT_MS = 20.0
PREVIEWS = 50
KINDS = 5
LINES = 10
START = datetime(2026, 9, 1, tzinfo=UTC)
END = datetime(2026, 10, 1, tzinfo=UTC)
SIZES = (1_000, 10_000, 50_000, 100_000)
# Made once a row, in FROM: in the list of columns it would be made once for each of them.
_COPY = """
INSERT INTO {table} SELECT made.* FROM {table} t, generate_series(1, $2::integer) AS n,
    LATERAL jsonb_populate_record(t, jsonb_build_object({changes})) AS made WHERE t.organization_id = $1
"""
_ACCOUNTS = _COPY.format(table="accounts", changes="'id', md5('a' || t.organization_id || n)::uuid, 'external_id', 'customer-' || n")
_SUBSCRIPTIONS = _COPY.format(
    table="subscriptions", changes="'id', md5('s' || t.organization_id || n)::uuid, 'account_id', md5('a' || t.organization_id || n)::uuid"
)
_FACTS = _COPY.format(table="subscription_facts", changes="'subscription_id', md5('s' || t.organization_id || n)::uuid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one process did: invoices issued, its seconds of the processor, and the most memory it ever had."""

    issued: int
    cpu_s: float
    memory_mb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """A bill run: its invoices, seconds by the clock, and of the processors for the processes that bill and for the database."""

    invoices: int
    seconds: float
    billing_s: float
    database_s: float
    memory_mb: float
    prepared_s: float
    preview_ms: float
    preview_cpu_ms: float

    @property
    def limit_s(self) -> float:
        """What a run of this size may take."""
        return LIMIT_S * self.invoices / LIMIT_INVOICES

    @property
    def each_us(self) -> float:
        """Microseconds of the processors for one invoice."""
        return (self.billing_s + self.database_s) / self.invoices * 1e6


def charges() -> tuple[Charge, ...]:
    """Return the ten charges of the plan."""
    flat = [
        Charge(code=f"flat{place}", name=f"Flat {place}", timing=Timing.ADVANCE, model=Flat(Decimal(10 + place))) for place in range(KINDS)
    ]
    tiers = Graduated((Tier(Decimal(100), Decimal("0.10")), Tier(None, Decimal("0.05"))), flat_at_zero=False)
    usage = [
        Charge(
            code=f"used{place}", name=f"Used {place}", model=tiers if place % 2 else Standard(Decimal("0.01")), meter_code=f"used{place}"
        )
        for place in range(KINDS)
    ]
    return (*flat, *usage)


async def prepare(database: db.Database) -> UUID:
    """Make a seller with the plan and one customer whose subscription is billed up to the month's start; return the organization."""
    organization_id, at = ids.new_id(clock.now()), clock.now()
    by = actor.system(organization_id)
    async with database.transaction(organization_id) as uow:
        await uow.conn.execute(
            "INSERT INTO organizations (id, name, is_sandbox, created_at, updated_at) VALUES ($1, 'Bench', false, $2, $2)",
            organization_id,
            START,
        )
        for place in range(KINDS):
            meter = Meter(
                id=organization_id,
                code=f"used{place}",
                name=f"Used {place}",
                aggregation=Aggregation.SUM,
                event=f"used{place}",
                measure=Measure.QUANTITY,
                created_at=START,
                updated_at=START,
            )
            await catalog.create_meter(uow, actor=by, now=START, at=at, organization_id=organization_id, meter=meter)
        values = {"currency": currency.by_code("EUR"), "interval": Interval(CalendarUnit.MONTH)}
        draft = PlanDraft(code="bench", name="Bench", version=VersionDraft(values=values, charges=charges()))
        plan = await catalog.create_plan(uow, actor=by, now=START, at=at, organization_id=organization_id, draft=draft)
        account = await accounts.create(
            uow,
            actor=by,
            now=START,
            at=at,
            organization_id=organization_id,
            draft=accounts.Draft(name="Customer", external_id="customer-0", currency="EUR", time_zone="UTC"),
        )
        begun = subscriptions.Draft(plan_id=plan.id, account_id=account.id)
        await subscriptions.create(uow, actor=by, now=START, at=at, organization_id=organization_id, draft=begun)
    await bill(database, organization_id, START)
    return organization_id


async def fill(database: db.Database, owner: str, organization_id: UUID, invoices: int) -> None:
    """Make as many customers as invoices, each with a subscription as the first one has it, and five events of the month."""
    conn = await asyncpg.connect(owner)
    try:
        await conn.execute(f"SET ROLE {ddl.MAINTENANCE}; SET statement_timeout = 0")
        for statement in (_ACCOUNTS, _SUBSCRIPTIONS, _FACTS):
            await conn.execute(statement, organization_id, invoices - 1, timeout=600)
        await conn.execute("RESET ROLE")
    finally:
        await conn.close()
    names = [f"customer-{number}" for number in range(invoices)]
    step = telemetry.BATCH_MAX // KINDS
    for first in range(0, invoices, step):
        items = [
            telemetry.MeteredDraft(
                idempotency_key=f"{name} {place}",
                occurred_at=START + timedelta(minutes=first % 40_000),
                event=f"used{place}",
                quantity=Decimal(50 * (place + 1)),
                account=name,
            )
            for name in names[first : first + step]
            for place in range(KINDS)
        ]
        async with database.transaction(organization_id) as uow:
            await accepting.accept(
                uow,
                actor=actor.system(organization_id),
                now=END,
                at=clock.now(),
                organization_id=organization_id,
                booking=telemetry.Booking(source=telemetry.Source.API),
                items=items,
            )
    conn = await asyncpg.connect(owner)
    try:
        for table in ("accounts", "subscriptions", "subscription_facts", "telemetry_series", "telemetry_events", "telemetry_daily"):
            await conn.execute(f"VACUUM ANALYZE {table}", timeout=600)
    finally:
        await conn.close()


async def bill(database: db.Database, organization_id: UUID, now: datetime) -> billing.Ran:
    """Run the bills as the job does."""
    by = actor.system(organization_id)
    return await bill_runs.run(database, actor=by, now=now, at=clock.now(), organization_id=organization_id)


async def worker(addresses: reach.Addresses, organization_id: UUID) -> Part:
    """Work at the run of an organization."""
    registry.load()
    database = await db.connect(addresses.app, size=3, application="bench", role=addresses.app_role)
    try:
        collector.calm()  # as a worker does
        before = time.process_time()
        ran = await bill(database, organization_id, END)
        assert ran.lines == ran.issued * LINES, ran
        memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # kilobytes, on Linux
        return Part(issued=ran.issued, cpu_s=time.process_time() - before, memory_mb=memory_mb)
    finally:
        await database.close()


def work(addresses: reach.Addresses, organization_id: UUID) -> Part:
    """Do the same in a process of its own."""
    return asyncio.run(worker(addresses, organization_id))


async def measured(database: db.Database, addresses: reach.Addresses, invoices: int, workers: futures.Executor, count: int) -> Took:
    """Bill so many invoices in an organization of their own, by so many workers."""
    began = time.perf_counter()
    organization_id = await prepare(database)
    await fill(database, addresses.owner, organization_id, invoices)
    async with database.transaction(organization_id) as uow:
        parent = server(await uow.conn.fetchval("SELECT pg_backend_pid()"))
    loop = asyncio.get_running_loop()
    started, before = time.perf_counter(), database_s(parent)
    parts = await asyncio.gather(*(loop.run_in_executor(workers, work, addresses, organization_id) for _ in range(count)))
    seconds, database_cpu_s = time.perf_counter() - started, database_s(parent) - before
    assert sum(part.issued for part in parts) == invoices, parts
    async with database.transaction(organization_id) as uow:
        assert not (await checking.check(uow, organization_id=organization_id)).is_wrong
    preview_ms, preview_cpu_ms = await previews(database, organization_id)
    return Took(
        invoices=invoices,
        seconds=seconds,
        billing_s=sum(part.cpu_s for part in parts),
        database_s=database_cpu_s,
        memory_mb=max(part.memory_mb for part in parts),
        prepared_s=started - began,
        preview_ms=preview_ms,
        preview_cpu_ms=preview_cpu_ms,
    )


def database_s(parent: psutil.Process) -> float:
    """Return the processor's seconds of the database's processes, what its ended ones took included."""
    times = [sum(process.cpu_times()[:2]) for process in (parent, *parent.children())]
    return sum(times) + sum(parent.cpu_times()[2:4])


async def previews(database: db.Database, organization_id: UUID) -> tuple[float, float]:
    """Return the milliseconds of a preview of the next invoice: by the clock, the median, and of this process's processor."""
    took = []
    cpu_s = time.process_time()
    async with database.transaction(organization_id, read_only=True) as uow:
        found = await uow.conn.fetch("SELECT id FROM subscriptions WHERE organization_id = $1 LIMIT $2", organization_id, PREVIEWS)
    for row in found:
        started = time.perf_counter()
        async with database.transaction(organization_id, read_only=True) as uow:
            await upcoming.next_invoice(
                uow,
                actor=actor.system(organization_id),
                now=END + timedelta(days=10),
                at=clock.now(),
                organization_id=organization_id,
                subscription_id=row["id"],
            )
        took.append((time.perf_counter() - started) * 1e3)
    return statistics.median(took), (time.process_time() - cpu_s) / len(took) * 1e3


async def measure(reached: reach.Reached, sizes: list[int], count: int) -> None:
    registry.load()
    database = await db.connect(reached.addresses.app, size=3, application="bench", role=reached.addresses.app_role)
    found: list[Took] = []
    context = multiprocessing.get_context("spawn")
    try:
        with futures.ProcessPoolExecutor(count, mp_context=context) as workers:
            list(workers.map(os.path.exists, ["/"] * count * 4))  # they are there, with what they import, before the clock runs
            for invoices in sizes:
                found.append(await measured(database, reached.addresses, invoices, workers, count))
                say(found[-1])
            table(found)
    finally:
        await database.close()


def say(took: Took) -> None:
    print(f"{took.invoices:,} invoices of {LINES} lines: prepared in {took.prepared_s:.0f} s, billed in {took.seconds:.1f} s", flush=True)


def table(found: list[Took]) -> None:
    """Print each size beside its limits, and beside the smallest."""
    cores = os.cpu_count() or 1
    heads = (
        "invoices",
        "s",
        "limit s",
        "ratio",
        "CPU us each",
        "to bill",
        "database",
        f"s at best, {cores} cores",
        "of first",
        "MB",
        "preview ms",
    )
    print(*(f"{head:>{max(len(head), 7)}}" for head in heads), f"limit {PREVIEW_LIMIT_MS:.0f}, CPU ms", sep="  ")
    for took in found:
        cells = (
            f"{took.invoices:,}",
            f"{took.seconds:.1f}",
            f"{took.limit_s:.1f}",
            f"{took.seconds / took.limit_s:.2f}",
            f"{took.each_us:,.0f}",
            f"{took.billing_s / took.invoices * 1e6:,.0f}",
            f"{took.database_s / took.invoices * 1e6:,.0f}",
            f"{took.each_us * took.invoices / cores / 1e6:.1f}",
            f"{took.each_us / found[0].each_us:.2f}",
            f"{took.memory_mb:.0f}",
            f"{took.preview_ms:.1f}",
        )
        widths = (max(len(head), 7) for head in heads)
        print(*(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)), f"{took.preview_cpu_ms:.1f}", sep="  ", flush=True)


def main(sizes: list[int], count: int) -> None:
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {count} workers", flush=True)
    with tempfile.TemporaryDirectory(prefix="carbonledger-bench-") as name:
        os.chmod(name, 0o711)  # noqa: PTH101, S103 - the database's own user goes through it to its folder
        with reach.reached(settings.load(home=Path(name) / "home"), wait=True) as reached:
            asyncio.run(migrations.upgrade(reached.addresses.owner))
            asyncio.run(measure(reached, sizes, count))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--invoices", default=",".join(map(str, SIZES)), help="sizes, with commas between them")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that share a run (one a core)")
    chosen = parser.parse_args()
    main(sorted({int(size) for size in chosen.invoices.split(",")}), chosen.workers)
