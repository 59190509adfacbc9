"""Closing a month of so many events: each step's time, the processor's time for an event, and the memory of the process that closes.

`dev.py bench closing [--events 10000000]` fills an installation of its own with a month of events over 50 series, and closes it as the
worker does: cut, lines, adjustments, and the Merkle tree over all leaves, written as objects. The whole is printed beside its limit: 60
seconds for ten million events on two cores, as a ratio, and for other sizes in proportion. Memory is what the process grew by; it closes a
tenth of the month first, so that a growth with the size would show. Then one event is proven, and the proof is verified.

`--ingest` instead prints what noting late events costs ingest: batches of 10,000 rows inserted with the database's noting and without, in
turn.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import psutil

from benchmarks.grounds import ledger
from carbonledger.domains.receipts.service import closing, periods, proving
from carbonledger.domains.receipts.types.periods import Period
from carbonledger.entrypoints.worker import registry
from carbonledger.infra import db, ddl, objects, reach, settings
from carbonledger.kernel import actor, ids
from carbonledger_proof import merkle

LIMIT_US = 6.0  # 60 s for ten million events
DAYS = 29.9
BATCH = 200_000
INGEST = 10_000
TURNS = 12
NOW = datetime(2026, 10, 3, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Took:
    """A step: seconds by the clock, and of all processors together."""

    name: str
    seconds: float
    cpu_s: float

    def __str__(self) -> str:
        return f"  {self.name:24} {self.seconds:7.1f} s   CPU {self.cpu_s:7.1f} s"


def server(backend: int) -> psutil.Process:
    """Return the parent of a backend, whose children are all processes of the database."""
    parent = psutil.Process(backend).parent()
    assert parent is not None
    return parent


def cpu_s(parent: psutil.Process) -> float:
    """Return the processor's seconds of this process and of the database, what its ended processes took included."""
    total = sum(psutil.Process().cpu_times()[:2])
    for process in (parent, *parent.children()):
        total += sum(process.cpu_times()[:2])
    return total + sum(parent.cpu_times()[2:4])


async def prepare(database: db.Database) -> UUID:
    """Make an organization with one event of each kind, and return its id."""
    organization_id = ids.new_id(ledger.START)
    async with database.transaction(organization_id) as uow:
        await uow.conn.execute(
            "INSERT INTO organizations (id, name, is_sandbox, created_at, updated_at) VALUES ($1, 'Bench', false, $2, $2)",
            organization_id,
            ledger.START,
        )
    await ledger.prepare(database, organization_id)
    return organization_id


async def fill(owner: str, organization_id: UUID, events: int) -> None:
    """Add events up to ``events`` over the month, as the owner."""
    conn = await asyncpg.connect(owner)
    try:
        await conn.execute(f"SET ROLE {ddl.MAINTENANCE}; SET statement_timeout = 0")
        step = timedelta(days=DAYS) / events
        for first in range(0, events, BATCH):
            last = min(first + BATCH, events)
            start, length = ledger.START + step * first, step * (last - first)
            await conn.execute(ledger._FILL, organization_id, start, length, first, last, timeout=600)  # noqa: SLF001 - the same filling
        await conn.execute("RESET ROLE")
        await conn.execute("VACUUM ANALYZE telemetry_events", timeout=600)
        await conn.execute("VACUUM ANALYZE telemetry_series")
    finally:
        await conn.close()


async def close(database: db.Database, organization_id: UUID, files: objects.Objects) -> tuple[Period, list[Took]]:
    """Close the month as the worker does, and return it with what each step took."""
    async with database.transaction(organization_id) as uow:
        (period,) = await periods.advance(uow, actor=actor.system(organization_id), now=NOW, organization_id=organization_id)
        parent = server(await uow.conn.fetchval("SELECT pg_backend_pid()"))
    names: dict[str, Any] = {"organization_id": organization_id, "period_id": period.id}
    took: list[Took] = []

    async def step(name: str, run: Callable[[db.UnitOfWork], Awaitable[Any]]) -> Any:  # noqa: ANN401 - the step's own
        started, before = time.perf_counter(), cpu_s(parent)
        async with database.transaction(organization_id) as uow:
            result = await run(uow)
        took.append(Took(name, time.perf_counter() - started, cpu_s(parent) - before))
        print(took[-1], flush=True)
        return result

    await step("last reading", lambda uow: closing.reconciled(uow, now=NOW, **names))
    await step("cut", lambda uow: closing.freeze(uow, now=NOW, at=NOW, **names))
    await step("lines", lambda uow: closing.sum_up(uow, now=NOW, **names))
    await step("adjustments", lambda uow: closing.adjust(uow, now=NOW, **names))
    salting = proving.Salt(secrets.token_bytes(32))
    tree = await step("leaves and tree", lambda uow: proving.make_tree(uow, **names, salting=salting, files=files))
    await step("root", lambda uow: proving.proven(uow, now=NOW, **names, tree=tree))
    await step("closed", lambda uow: closing.closed(uow, actor=actor.system(organization_id), now=NOW, **names))
    async with database.transaction(organization_id) as uow:
        return await periods.find(uow, **names), took


async def prove(database: db.Database, period: Period, organization_id: UUID, files: objects.Objects) -> float:
    """Prove one event, verify that, and return the milliseconds of the proof."""
    async with database.transaction(organization_id) as uow:
        event_id = await uow.conn.fetchval("SELECT id FROM telemetry_events WHERE organization_id = $1 LIMIT 1", organization_id)
        started = time.perf_counter()
        path = await proving.event_path(uow, organization_id=organization_id, period_id=period.id, event_id=event_id, files=files)
        took = time.perf_counter() - started
    assert period.root is not None
    merkle.verify_inclusion(path.leaf_hash, index=path.index, size=path.size, proof=path.path, root=period.root)
    return took * 1e3


async def measure(reached: reach.Reached, home: Path, events: int) -> None:
    registry.load()
    database = await db.connect(reached.addresses.app, size=3, application="bench", role=reached.addresses.app_role)
    try:
        for size in (events // 10, events):
            organization_id = await prepare(database)
            await fill(reached.addresses.owner, organization_id, size)
            files = objects.connect((home / "objects").as_uri()).of_organization(organization_id)
            memory = psutil.Process().memory_info().rss
            print(f"{size:,} events", flush=True)
            period, took = await close(database, organization_id, files)
            say(size, took, (psutil.Process().memory_info().rss - memory) / 2**20)
            proof_ms = await prove(database, period, organization_id, files)
            print(f"  {period.leaves:,} leaves; one event proven in {proof_ms:.0f} ms", flush=True)
    finally:
        await database.close()


def say(events: int, took: list[Took], grown_mb: float) -> None:
    each_us, cpu_us = (sum(part) / events * 1e6 for part in ((one.seconds for one in took), (one.cpu_s for one in took)))
    print(
        f"  whole: {each_us:.2f} us an event, limit {LIMIT_US:.1f} us: ratio {each_us / LIMIT_US:.2f}; CPU {cpu_us:.2f} us an event, "
        f"so at best {cpu_us / (os.cpu_count() or 1):.2f} us; memory grew by {grown_mb:.0f} MB",
        flush=True,
    )


async def ingest(reached: reach.Reached) -> None:
    """Insert batches with noting and without, in turn, and say what each took of the database's processor."""
    registry.load()
    database = await db.connect(reached.addresses.app, size=2, application="bench", role=reached.addresses.app_role)
    organization_id = await prepare(database)
    await database.close()
    conn = await asyncpg.connect(reached.addresses.owner)
    try:
        backend = psutil.Process(conn.get_server_pid())
        spent = {True: 0.0, False: 0.0}
        for turn in range(2 * TURNS):
            is_on = bool(turn % 2)
            await conn.execute(f"ALTER TABLE telemetry_events {'ENABLE' if is_on else 'DISABLE'} TRIGGER note_late")
            await conn.execute(f"SET ROLE {ddl.MAINTENANCE}")
            before, first = sum(backend.cpu_times()[:2]), turn * INGEST
            await conn.execute(ledger._FILL, organization_id, ledger.START, timedelta(days=1), first, first + INGEST)  # noqa: SLF001
            if turn > 1:  # the first of each fills caches
                spent[is_on] += sum(backend.cpu_times()[:2]) - before
            await conn.execute("RESET ROLE")
    finally:
        await conn.close()
    rows = (TURNS - 1) * INGEST
    print(
        f"CPU of the database for a row: {spent[False] / rows * 1e6:.2f} us without noting, {spent[True] / rows * 1e6:.2f} us with it: "
        f"ratio {spent[True] / spent[False]:.3f}"
    )


def main(events: int, *, is_ingest: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="carbonledger-bench-") as name:
        os.chmod(name, 0o711)  # noqa: PTH101, S103 - the database's own user goes through it to its folder
        home = Path(name) / "home"
        with reach.reached(settings.load(home=home), wait=True) as reached:
            print(f"{os.cpu_count()} cores", flush=True)
            asyncio.run(_with_schema(reached))
            asyncio.run(ingest(reached) if is_ingest else measure(reached, home, events))


async def _with_schema(reached: reach.Reached) -> None:
    from carbonledger.infra import migrations  # noqa: PLC0415 - Alembic is of no use to the measuring

    await migrations.upgrade(reached.addresses.owner)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--ingest", action="store_true")
    given = parser.parse_args()
    main(given.events, is_ingest=given.ingest)
