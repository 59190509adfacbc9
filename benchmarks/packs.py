"""Streaming a month's events into an audit pack: time and bytes for an event, and what the process grows by.

`dev.py bench packs [--events 1000000]` fills an installation of its own with a month, a tenth of it first, so that a growth with the size
would show, and streams it as the worker does: rows made and sorted by the database, hashed and cut into parts of 8 MiB, written as objects.
The month in memory would be some 300 bytes an event; the growth is printed beside that, as a ratio. Then the program of the pack hashes the
rows into their tree.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import io
import os
import secrets
import tempfile
import time
from datetime import date
from pathlib import Path
from uuid import UUID

import psutil

from benchmarks import closing as bench
from carbonledger.domains.identity.service import entitlements
from carbonledger.domains.receipts.data import recompute
from carbonledger.domains.receipts.service import packing, packs, proving
from carbonledger.domains.receipts.types.packs import AUDIT_PACKS, StoredFile
from carbonledger.entrypoints.worker import registry
from carbonledger.infra import db, objects, reach, settings
from carbonledger.kernel import actor

HASHED_MAX = 200_000


async def order(database: db.Database, organization_id: UUID, month: date) -> UUID:
    """Order the pack of the month, of a plan that has packs."""
    mine = actor.system(organization_id)
    async with database.transaction(organization_id) as uow:
        await entitlements.grant(
            uow, actor=mine, now=bench.NOW, at=bench.NOW, organization_id=organization_id, quotas={}, features={AUDIT_PACKS: True}
        )
        pack, _ = await packs.order(uow, actor=mine, now=bench.NOW, organization_id=organization_id, month=month, upgrade_url="")
    return pack.id


async def stream(database: db.Database, organization_id: UUID, pack_id: UUID, files: objects.Objects) -> StoredFile:
    """Stream the events, and say what that took."""

    async def told(size: int) -> None: ...

    salting = proving.Salt(secrets.token_bytes(32))
    memory, started, before = psutil.Process().memory_info().rss, time.perf_counter(), sum(psutil.Process().cpu_times()[:2])
    async with database.transaction(organization_id, read_only=True) as uow:
        events, _ = await packing.stream(uow, organization_id=organization_id, pack_id=pack_id, salting=salting, files=files, told=told)
    seconds, cpu_s = time.perf_counter() - started, sum(psutil.Process().cpu_times()[:2]) - before
    grown = psutil.Process().memory_info().rss - memory
    took = f"{seconds:.1f} s, CPU of this process {cpu_s:.1f} s; {events.size:,} bytes in {len(events.parts)} parts"
    print(f"  streamed in {took}; memory grew by {grown / 2**20:.0f} MB: ratio to the whole {grown / events.size:.3f}", flush=True)
    return events


async def hash_again(files: objects.Objects, events: StoredFile) -> None:
    """Hash the first rows as the program in the pack does."""
    pieces, size = [], 0
    async for piece in packs.of_file(files, events):
        pieces.append(piece)
        size += len(piece)
        if size > HASHED_MAX * 400:
            break
    rows = csv.DictReader(io.StringIO(b"".join(pieces).decode(errors="ignore")))
    tree, started = recompute.Tree(), time.perf_counter()
    for row, _ in zip(rows, range(HASHED_MAX - 1), strict=False):
        if row["salt"]:
            tree.add(recompute.leaf(row))
    print(f"  recompute.py hashes an event in {(time.perf_counter() - started) / tree.size * 1e6:.1f} us", flush=True)


async def measure(reached: reach.Reached, home: Path, events: int) -> None:
    registry.load()
    database = await db.connect(reached.addresses.app, size=3, application="bench", role=reached.addresses.app_role)
    try:
        for size in (events // 10, events):
            organization_id = await bench.prepare(database)
            await bench.fill(reached.addresses.owner, organization_id, size)
            files = objects.connect((home / "objects").as_uri()).of_organization(organization_id)
            print(f"{size:,} events", flush=True)
            period, _ = await bench.close(database, organization_id, files)
            streamed = await stream(database, organization_id, await order(database, organization_id, period.month), files)
            await hash_again(files, streamed)
    finally:
        await database.close()


def main(events: int) -> None:
    with tempfile.TemporaryDirectory(prefix="carbonledger-bench-") as name:
        os.chmod(name, 0o711)  # noqa: PTH101, S103 - the database's own user goes through it to its folder
        home = Path(name) / "home"
        with reach.reached(settings.load(home=home), wait=True) as reached:
            print(f"{os.cpu_count()} cores", flush=True)
            asyncio.run(bench._with_schema(reached))  # noqa: SLF001 - the same ground
            asyncio.run(measure(reached, home, events))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    main(parser.parse_args().events)
