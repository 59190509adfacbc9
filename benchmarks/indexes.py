"""What each index that only metering needs costs ingest: the database's processor for an event, with the index and without, in turns.

`dev.py bench indexes [--turns 6]` makes an installation of its own and takes in batches of 5,000 calls of models and of 5,000 metered
events with properties, of 500 customers over 60 days, each batch once with an index and once without it, the order turned every time.
Printed are the medians of both, in microseconds an event, and the difference. What questions take with them: `dev.py bench metering`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import asyncpg
import psutil

from benchmarks.closing import server
from benchmarks.grounds import ledger
from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.service import accepting
from carbonledger.entrypoints.worker import registry
from carbonledger.infra import db, migrations, reach, settings
from carbonledger.kernel import actor, ids
from carbonledger.kernel.usage import TokenBuckets, Usage

INDEXES = (
    "telemetry_series_organization_id_account_idx",
    "telemetry_daily_organization_id_series_id_day_idx",
    "telemetry_events_organization_id_series_id_occurred_at_idx",
)
BATCH = 5_000
ACCOUNTS = 500
TURNS = 6


def calls(run: int) -> list[types.AnyDraft]:
    """Return a batch of calls of models."""
    made: list[types.AnyDraft] = []
    for number in range(BATCH):
        provider, model = ledger.MODELS[number % len(ledger.MODELS)]
        at = ledger.START + timedelta(minutes=(number * 7919 + run * 31) % (ledger.DAYS * 1440))
        tokens = TokenBuckets(uncached_input=900, cached_input=300, cache_creation_5m=0, cache_creation_1h=0, output=400, reasoning=20)
        usage = Usage(provider=provider, model=model, occurred_at=at, tokens=tokens, requests=1)
        made.append(types.Draft(idempotency_key=f"call {run} {number}", usage=usage, account=f"customer {number % ACCOUNTS}"))
    return made


def metered(run: int) -> list[types.AnyDraft]:
    """Return a batch of metered events with properties."""
    return [
        types.MeteredDraft(
            idempotency_key=f"metered {run} {number}",
            occurred_at=ledger.START + timedelta(minutes=(number * 7919 + run * 31) % (ledger.DAYS * 1440)),
            event=ledger.EVENT,
            quantity=Decimal(number % 89),
            account=f"customer {number % ACCOUNTS}",
            properties={"user": f"user {number % 101}", "ms": number % 1009},
        )
        for number in range(BATCH)
    ]


def cpu_s(parent: psutil.Process) -> float:
    """Return the processor's seconds of the database's processes, what its ended ones took included."""
    times = [sum(process.cpu_times()[:2]) for process in (parent, *parent.children())]
    return sum(times) + sum(parent.cpu_times()[2:4])


async def took(database: db.Database, parent: psutil.Process, organization_id: UUID, items: list[types.AnyDraft]) -> float:
    """Take a batch in, and return the database's microseconds of the processor for an event."""
    before = cpu_s(parent)
    async with database.transaction(organization_id) as uow:
        await accepting.accept(
            uow,
            actor=actor.system(organization_id),
            now=ledger.END,
            at=ledger.END,
            organization_id=organization_id,
            booking=types.Booking(source=types.Source.API),
            items=items,
        )
    return (cpu_s(parent) - before) / len(items) * 1e6


async def measure(reached: reach.Reached, turns: int) -> None:
    registry.load()
    database = await db.connect(reached.addresses.app, size=1, application="bench", role=reached.addresses.app_role)
    owner = await asyncpg.connect(reached.addresses.owner)
    organization_id = ids.new_id(ledger.START)
    async with database.transaction(organization_id) as uow:
        await uow.conn.execute(
            "INSERT INTO organizations (id, name, is_sandbox, created_at, updated_at) VALUES ($1, 'Bench', false, $2, $2)",
            organization_id,
            ledger.START,
        )
        parent = server(await uow.conn.fetchval("SELECT pg_backend_pid()"))
    run = 0
    for kind in (calls, metered):  # the first of each make the series
        await took(database, parent, organization_id, kind(run))
    for index in INDEXES:
        made = (await owner.fetchval("SELECT pg_get_indexdef($1::text::regclass)", index)).replace(" ON ONLY ", " ON ")
        for kind in (calls, metered):
            found: dict[bool, list[float]] = {True: [], False: []}
            for turn in range(turns):
                for has_index in (turn % 2 == 0, turn % 2 == 1):
                    await owner.execute(f"DROP INDEX IF EXISTS {index}")
                    if has_index:
                        await owner.execute(made)
                    run += 1
                    found[has_index].append(await took(database, parent, organization_id, kind(run)))
            await owner.execute(f"DROP INDEX IF EXISTS {index}")
            await owner.execute(made)
            say(index, kind.__name__, statistics.median(found[True]), statistics.median(found[False]))
    await owner.close()
    await database.close()


def say(index: str, kind: str, with_us: float, without_us: float) -> None:
    print(f"{index:62} {kind:8} with {with_us:6.1f} us, without {without_us:6.1f} us an event: {with_us - without_us:+5.1f} us", flush=True)


def main(turns: int) -> None:
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory(prefix="carbonledger-bench-") as name:
        os.chmod(name, 0o711)  # noqa: PTH101, S103 - the database's own user goes through it to its folder
        with reach.reached(settings.load(home=Path(name) / "home"), wait=True) as reached:
            asyncio.run(migrations.upgrade(reached.addresses.owner))
            asyncio.run(measure(reached, turns))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=TURNS)
    main(parser.parse_args().turns)
