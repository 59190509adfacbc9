"""Proofs out of a log of so many leaves, beside their limit; appending, signing, tiles and the nightly check.

`dev.py bench log --leaves N` (10 million) makes an installation of its own with a log of N leaves, whose hashes the database computes and
whose nodes are computed here, as appending would. It prints, with the cores and the load: an inclusion proof at random places beside the
5 ms that are asked for, a consistency proof, a full tile and a bundle of entries; leaves appended a second, one a transaction and 100 a
transaction; signing a checkpoint; and leaves checked a second.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from uuid import UUID

import asyncpg
import psutil

from carbonledger.domains.identity.service import house
from carbonledger.domains.receipts.core import log as core
from carbonledger.domains.receipts.service import checking, log
from carbonledger.entrypoints.shared import signing
from carbonledger.entrypoints.worker import registry
from carbonledger.infra import clock, crypto, db, reach, settings
from carbonledger_proof import leaves, merkle, statement, tiles

LIMIT_MS = 5.0
TIMES = 2_000
SINGLE, BULK, PER_BULK = 500, 50, 100
CHECKED = 200_000
_BATCH = 1 << 18
# A leaf of 300 bytes, as an allocation's is; it is no statement, which no proof asks.
_FILL = """
INSERT INTO log_leaves SELECT n, 'lot.imported', leaf, sha256('\\x00'::bytea || leaf), '2026-01-01T00:00:00Z'
FROM (SELECT n, convert_to(rpad('{"n":' || n || '}', 300), 'utf8') AS leaf FROM generate_series($1::bigint, $2::bigint) AS n) made
"""


async def fill(owner: str, count: int) -> None:
    """Make a log of so many leaves. The triggers that look at each row are left out; the checks of the table are not."""
    conn = await asyncpg.connect(owner)
    try:
        await conn.execute("ALTER TABLE log_leaves DISABLE TRIGGER USER; DROP INDEX log_leaves_hash_idx; SET synchronous_commit = off")
        frontier = merkle.Frontier()
        for first in range(0, count, _BATCH):
            last = min(first + _BATCH, count) - 1
            await conn.execute(_FILL, first, last, timeout=600)
            rows = await conn.fetch("SELECT hash FROM log_leaves WHERE index BETWEEN $1 AND $2 ORDER BY index", first, last)
            frontier, nodes = core.grow(frontier, (row["hash"] for row in rows))
            await conn.copy_records_to_table("log_nodes", records=[(node.level, node.index, node.hash) for node in nodes])
        await conn.execute("ALTER TABLE log_leaves ENABLE TRIGGER USER")
        await conn.execute("UPDATE log_head SET size = $1, peaks = $2", frontier.size, b"".join(frontier.peaks))
        await conn.execute("CREATE INDEX log_leaves_hash_idx ON log_leaves (hash)", timeout=1800)
        await conn.execute("VACUUM ANALYZE log_leaves", timeout=1800)  # as the database does by itself after so many inserts
    finally:
        await conn.close()


@dataclass(frozen=True, slots=True)
class Took:
    """How long something took, in ms; ``cpu_ms`` is what this process and its connections worked for it, which others can't lengthen."""

    median_ms: float
    late_ms: float
    cpu_ms: float


async def timed(database: db.Database, times: int, run: Callable[[], Awaitable[object]]) -> Took:
    """Measure something so many times, after a few that don't count."""
    for _ in range(20):
        await run()
    async with database.transaction() as uow:
        query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'bench' AND datname = current_database()"
        backends = [psutil.Process(row["pid"]) for row in await uow.conn.fetch(query)]
    worked, took = cpu_s(backends), []
    for _ in range(times):
        began = time.perf_counter()
        await run()
        took.append((time.perf_counter() - began) * 1000)
    return Took(statistics.median(took), statistics.quantiles(took, n=100)[98], (cpu_s(backends) - worked) / times * 1000)


def cpu_s(backends: list[psutil.Process]) -> float:
    """Return the seconds that this process and the backends have worked."""
    return time.process_time() + sum(sum(backend.cpu_times()[:2]) for backend in backends)


def say(name: str, took: Took, *, limit_ms: float | None = None) -> None:
    """Print one line."""
    beside = "" if limit_ms is None else f"   limit {limit_ms:g} ms: median {took.median_ms / limit_ms:.2f} of it"
    print(f"{name:<36}{took.median_ms:8.2f} ms median {took.late_ms:8.2f} ms 99th {took.cpu_ms:8.2f} ms CPU{beside}", flush=True)


async def proofs(database: db.Database, size: int) -> None:
    """Measure what is read."""
    rng = random.Random(1)
    root = None
    async with database.transaction(read_only=True) as uow:
        root = (await checking.head(uow)).frontier.root()

    async def inclusion() -> None:
        index = rng.randrange(size)
        async with database.transaction(read_only=True) as uow:
            entry = await log.find(uow, index=index)
            path = await log.inclusion(uow, index=index, size=size)
        merkle.verify_inclusion(entry.hash, index=index, size=size, proof=path, root=root)

    async def consistency() -> None:
        async with database.transaction(read_only=True) as uow:
            await log.consistency(uow, old=rng.randrange(1, size), new=size)

    async def tile(level: int) -> None:
        async with database.transaction(read_only=True) as uow:
            await log.tile(uow, tile=tiles.Tile(level, rng.randrange(size // tiles.WIDTH)))

    say("inclusion proof, found and verified", await timed(database, TIMES, inclusion), limit_ms=LIMIT_MS)
    say("consistency proof", await timed(database, TIMES // 4, consistency), limit_ms=LIMIT_MS)
    say("tile of 256 hashes", await timed(database, TIMES // 4, lambda: tile(0)))
    say("bundle of 256 entries", await timed(database, TIMES // 4, lambda: tile(-1)))


def lot(number: int, at: datetime) -> leaves.LotImported:
    """Return the leaf of a lot."""
    return leaves.LotImported(
        at=at,
        registry="verra",
        project_id="VCS-1",
        project_name="A wood",
        standard="VCS",
        kind=statement.Kind.REMOVAL,
        vintage=2024,
        block=f"VCS-1-{number}-{number}",
        block_prefix="VCS-1",
        block_start=number,
        block_end=number,
        quantity_mg=leaves.MG_PER_UNIT,
        retired_on=date(2025, 1, 2),
        retirement_reference="R-1",
        retirement_url="https://registry.example/r/1",
        beneficiary="ledger.example",
        evidence_sha256=None,
    )


async def appends(database: db.Database, house_id: UUID, *, transactions: int, each: int, first: int) -> float:
    """Append leaves, and return how many a second."""
    began = time.perf_counter()
    for number in range(transactions):
        at = clock.now()
        async with database.transaction(house_id) as uow:
            spoken = await log.turn(uow, at=at)
            await log.append_all(uow, statements=[lot(first + number * each + place, spoken) for place in range(each)], at=at)
    return transactions * each / (time.perf_counter() - began)


async def run(addresses: reach.Addresses, size: int, keys: crypto.KeyRing) -> None:
    """Fill, then measure."""
    began = time.perf_counter()
    await fill(addresses.owner, size)
    print(f"{size:,} leaves made in {time.perf_counter() - began:.0f} s", flush=True)
    database = await db.connect(addresses.app, size=2, application="bench", role=addresses.app_role)
    try:
        async with database.transaction() as uow:
            house_id = (await house.ensure(uow, at=clock.now())).organization_id
        await signing.open_current(database, at=clock.now(), sealer=crypto.Sealer(keys), outside=None, address="https://ledger.example")
        async with database.transaction(house_id) as uow:
            await log.checkpoint(uow, at=clock.now())
        await proofs(database, size + 2)
        print(
            f"appended, one a transaction          {await appends(database, house_id, transactions=SINGLE, each=1, first=0):8,.0f} leaves/s"
        )
        rate = await appends(database, house_id, transactions=BULK, each=PER_BULK, first=SINGLE)
        print(f"appended, {PER_BULK} a transaction          {rate:8,.0f} leaves/s")

        numbers = itertools.count(10**9)

        async def sign() -> None:
            await appends(database, house_id, transactions=1, each=1, first=next(numbers))
            async with database.transaction(house_id) as uow:
                await log.checkpoint(uow, at=clock.now())

        say("append and sign a checkpoint", await timed(database, 100, sign))
        began, edge = time.perf_counter(), checking.START
        while edge.size < min(CHECKED, size):
            async with database.transaction(read_only=True) as uow:
                edge, found = await checking.stretch(uow, before=edge, until=min(CHECKED, size))
            assert not found
        print(f"checked                            {edge.size / (time.perf_counter() - began):8,.0f} leaves/s")
    finally:
        await database.close()


def main(size: int) -> None:
    """Make an installation of its own, measure, and remove it."""
    registry.load()
    with tempfile.TemporaryDirectory(prefix="carbonledger-bench-") as folder:
        os.chmod(folder, 0o711)  # noqa: PTH101, S103 - the database's own user goes through it to its folder
        home = Path(folder) / "home"
        configuration = settings.load(home=home)
        with reach.reached(configuration, wait=True) as reached:
            command = [sys.executable, "-m", "carbonledger.entrypoints.cli.main", "migrate"]
            subprocess.run(command, env=os.environ | {"CARBONLEDGER_HOME": str(home)}, check=True, stdout=subprocess.DEVNULL)
            print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
            asyncio.run(run(reached.addresses, size, crypto.parse_keys(crypto.generate_key())))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leaves", type=int, default=10_000_000)
    main(parser.parse_args().leaves)
