"""Ingest over HTTP with everything on, against plain COPY of the same rows into a copy of the same table, on the same machine in one run.

`dev.py bench ingest [--rows 1000000] [--processes 2] [--order sent]` prints events a second while the ledger grows, what COPY (as owner,
the same rows as text over the socket, the same partitions and primary key) does with them, their ratio (the limit is 0.5) and the rate
beside its limit of 40,000, and the memory of the API at the start and at the end. Everything runs in a folder of its own: database, API
processes with a listener each, one loading process.

The first million events and COPY take turns, and the copy is kept: so both meet the same machine, and tables of the same size. Both write
over files of the log that are there already, as on a server that has been running (``_RUN_BEFORE``): to make a new one costs as much as to
write it, and who came second would be spared it by the checkpoint between. COPY is given the rows in the order in which they were sent, not
in that in which the ledger laid them down (``--order ledger``): that is by partition and id, and to bring rows into it is work that COPY
does not do.

Each body is of one hour, and hours pass as they do where usage is read or sent while it happens: sixty days from the first event to the
last. ``--hours scattered`` sends an hour before the last one each time, and from 14.4 million events on goes round again, so that every
body adds to an hour far from what is in memory.

Keys begin with a time, as ids that providers and UUIDv7 give do. ``--keys numbered``: they differ at their end alone. ``--keys random``:
from their first byte on, so that no two events of a body lie together in an index of ids (``telemetry.core.identity``).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from concurrent import futures
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Final

import asyncpg
import psutil

from benchmarks.grounds.bodies import BATCH, KEYS, Keys, filled, template
from benchmarks.http import memory_mb, wait_until_it_answers
from carbonledger.infra import reach, settings

CONNECTIONS = 6
RATE_LIMIT = 40_000
RATIO_LIMIT = 0.5
KEPT_LIMIT = 0.8
PATH = "/v1/telemetry/events"
DAYS = 60
HOURS: Final = ("passing", "scattered")
_ACCEPTED = re.compile(rb'\{"accepted":(\d+),')
TURN, IN_TURNS = 50, 100  # batches
ENDING = 5  # stretches at the end: about as many as lie between two checkpoints
ORDERS: Final = ("sent", "ledger")
_COPIED = """
CREATE TABLE copied (LIKE telemetry_events INCLUDING DEFAULTS INCLUDING CONSTRAINTS, PRIMARY KEY (id)) PARTITION BY HASH (id);
"""
# A gigabyte of log, which the checkpoint leaves to be written over.
_RUN_BEFORE = (
    "CREATE TABLE run_before AS SELECT repeat('-', 1000) FROM generate_series(1, 1000000)",
    "DROP TABLE run_before",
    "CHECKPOINT",
)


# --- the loading process: threads that block, so that it takes as little as it can of the processors it shares with what is measured


def hours_ago(number: int, *, of: int) -> int:
    """Return how long ago the events of a body are: the first of ``of`` bodies sixty days, the last none; scattered if ``of`` is 0."""
    return DAYS * 24 - 1 - number * DAYS * 24 // of if of else number % (DAYS * 24)


def load(ports: list[int], token: str, first: int, batches: int, *, of: int, keys: str) -> dict[str, float]:
    """Send so many bodies over a few connections, dealt out to the API processes in turn as a balancer does.

    ``of``: how many there are in all, whose hours pass; 0: their hours are scattered. Returns seconds, CPU seconds, and how many events
    were accepted.
    """
    body, numbers = template(keys), iter(range(first, first + batches))
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    now = datetime.now(UTC)
    started, cpu = time.perf_counter(), time.process_time()

    def connection(port: int) -> int:
        accepted = 0
        with socket.create_connection(("127.0.0.1", port)) as sock, sock.makefile("rb") as answers:
            for number in numbers:
                raw = filled(body, number, now - timedelta(hours=hours_ago(number, of=of)))
                sock.sendall(f"{head}Content-Length: {len(raw)}\r\n\r\n".encode())
                sock.sendall(raw)
                accepted += _accepted(answers)
        return accepted

    with futures.ThreadPoolExecutor(CONNECTIONS) as threads:
        counts = [threads.submit(connection, ports[number % len(ports)]) for number in range(CONNECTIONS)]
    return {
        "accepted": sum(count.result() for count in counts),
        "seconds": time.perf_counter() - started,
        "cpu_s": time.process_time() - cpu,
    }


def _accepted(answers: BinaryIO) -> int:
    """Return the number that an answer begins with; its ten thousand results are read and not parsed."""
    head = [line := answers.readline()]
    while line not in {b"\r\n", b""}:
        head.append(line := answers.readline().lower())
    length = next((int(line.partition(b":")[2]) for line in head if line.startswith(b"content-length:")), 0)
    body = answers.read(length)
    found = _ACCEPTED.match(body)
    if not head[0].startswith(b"HTTP/1.1 202") or found is None:
        raise SystemExit(f"answered {head[0]!r} {body[:300]!r}")
    return int(found[1])


# --- the parent


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a stretch of events took: how many came a second, and the CPU of each side for one, which is fair on a busy machine too."""

    per_s: float
    api_us: float
    database_us: float
    load_us: float

    def __str__(self) -> str:
        total, cores = self.api_us + self.database_us + self.load_us, os.cpu_count() or 1
        return (
            f"{self.per_s:8,.0f} events/s   CPU for one: API {self.api_us:5.1f} us, database {self.database_us:5.1f} us, "
            f"load {self.load_us:4.1f} us: at most {cores} cores / {total:.1f} us = {cores / total * 1e6:,.0f}/s"
        )


@dataclass(frozen=True, slots=True)
class Copied:
    """What COPY of some rows took: how many a second, and the database's CPU for one."""

    per_s: float
    cpu_us: float


def cpu_s(found: Iterable[psutil.Process]) -> float:
    """Return the CPU seconds of processes and of their children."""
    times = []
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            own = process.cpu_times()
            times.append(own.user + own.system)
            times.append(cpu_s(process.children()))
    return sum(times)


def loaded(
    ports: list[int], token: str, first: int, batches: int, *, of: int, keys: str, apis: list[psutil.Process], database: psutil.Process
) -> Stretch:
    """Return what a stretch took, loaded by a process of its own."""
    before = cpu_s(apis), cpu_s([database])
    command = [sys.executable, "-m", "benchmarks.ingest", "load", "--first", str(first), "--batches", str(batches), "--of", str(of)]
    command += ["--keys", keys]
    command += [part for port in ports for part in ("--port", str(port))]
    done = subprocess.run(command, input=token, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.strip().splitlines()[-1])
    found = json.loads(done.stdout)
    if found["accepted"] != batches * BATCH:
        raise SystemExit(f"{found['accepted']:.0f} of {batches * BATCH} events were accepted")
    count = found["accepted"]
    return Stretch(
        per_s=count / found["seconds"],
        api_us=(cpu_s(apis) - before[0]) / count * 1e6,
        database_us=(cpu_s([database]) - before[1]) / count * 1e6,
        load_us=found["cpu_s"] / count * 1e6,
    )


async def prepare(dsn: str) -> None:
    """Make the table for COPY, and have the log files that all turns will need."""
    async with _superuser(dsn) as conn:
        await conn.execute(_COPIED)
        for number in range(8):
            await conn.execute(f"CREATE TABLE copied_p{number} PARTITION OF copied FOR VALUES WITH (MODULUS 8, REMAINDER {number})")
        for statement in _RUN_BEFORE:
            await conn.execute(statement)


async def copied(dsn: str, first: int, batches: int, folder: Path, *, order: str, keys: Keys) -> Copied:
    """Return what plain COPY of the ledger's own rows of so many batches takes.

    Plain: COPY … FROM STDIN in PostgreSQL's default format, text, sent over the socket by a client process of its own, as the owner of
    the tables, into a table of the same columns, partitions and primary key.
    """
    target, rows = folder / "rows.copy", batches * BATCH
    async with _superuser(dsn) as conn:
        asked = f"SELECT * FROM telemetry_events WHERE {keys.run} >= '{first:08d}' AND {keys.run} < '{first + batches:08d}'"
        told = await conn.copy_from_query(f"{asked} ORDER BY {keys.run}, {keys.place}" if order == "sent" else asked, output=target)
    if told != f"COPY {rows}":
        raise SystemExit(f"{told} of {rows}")
    command = [sys.executable, "-m", "benchmarks.ingest", "copy", "--rows-from", str(target)]
    done = subprocess.run(command, input=dsn, capture_output=True, text=True, check=True)  # noqa: ASYNC221 - nothing else runs here
    target.unlink()
    seconds, cpu = json.loads(done.stdout)
    return Copied(rows / seconds, cpu / rows * 1e6)


async def copy(dsn: str, rows_from: Path) -> tuple[float, float]:
    """Return the seconds that the COPY takes, and the CPU seconds of the database's process that serves it."""
    async with _superuser(dsn) as conn:
        serving = psutil.Process(conn.get_server_pid())
        started, cpu = time.perf_counter(), cpu_s([serving])
        await conn.copy_to_table("copied", source=rows_from)
        return time.perf_counter() - started, cpu_s([serving]) - cpu


@contextlib.asynccontextmanager
async def _superuser(dsn: str) -> AsyncIterator[Any]:
    conn = await asyncpg.connect(dsn)
    try:
        yield conn
    finally:
        await conn.close()


@contextlib.contextmanager
def processes(command: list[str], listeners: list[socket.socket], log: Path, **options: Any) -> Iterator[list[psutil.Process]]:
    """Run one process a listener: of one that they shared, a process may take every connection."""
    with log.open("ab") as stream, contextlib.ExitStack() as stack:
        children = []
        for listener in listeners:
            fd = listener.fileno()
            child = subprocess.Popen([*command, "--fd", str(fd)], stdout=stream, stderr=stream, pass_fds=[fd], **options)
            children.append(stack.enter_context(child))
        try:
            yield [psutil.Process(child.pid) for child in children]
        finally:
            for child in children:
                child.terminate()


def main(rows: int, count: int, *, order: str, hours: str, keys: str) -> None:
    token = "cl_live_" + secrets.token_hex(24)
    with tempfile.TemporaryDirectory(prefix="carbonledger-bench-") as name:
        os.chmod(name, 0o711)  # noqa: PTH101, S103 - the database's own user goes through it to its folder
        folder = Path(name)
        home, log = folder / "home", folder / "log"
        environ = os.environ | {
            "CARBONLEDGER_HOME": str(home),
            "CARBONLEDGER_BOOTSTRAP_API_KEY": token,
            "CARBONLEDGER_LOG_LEVEL": "warning",
        }
        command = [sys.executable, "-m", "carbonledger.entrypoints.cli.main"]
        with reach.reached(settings.load(home=home), wait=True) as reached, contextlib.ExitStack() as stack:
            listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64)) for _ in range(count)]
            with log.open("ab") as stream:
                subprocess.run([*command, "migrate"], env=environ, stdout=stream, stderr=stream, check=True)
            ports = [listener.getsockname()[1] for listener in listeners]
            lease = reached.lease
            assert lease is not None
            with processes([*command, "api"], listeners, log, env=environ) as apis:
                for port, api in zip(ports, apis, strict=True):
                    wait_until_it_answers(port, api, log)
                dsn = lease.dsn(role="superuser", database="carbonledger")
                report(ports, token, rows=rows, apis=apis, dsn=dsn, folder=folder, order=order, hours=hours, keys=keys)


def report(
    ports: list[int], token: str, *, rows: int, apis: list[psutil.Process], dsn: str, folder: Path, order: str, hours: str, keys: str
) -> None:
    cores, of = os.cpu_count(), rows // BATCH if hours == "passing" else 0
    told = f"{cores} cores, {len(apis)} API processes, {CONNECTIONS} connections, bodies of {BATCH} events"
    print(f"{told}, hours {hours}, keys {keys}", flush=True)
    database = psutil.Process(_postmaster(folder))
    loaded(ports, token, 10_000_000, 8, of=0, keys=keys, apis=apis, database=database)  # warm
    for api in apis:
        print(f"memory at the start {memory_mb(api)}")
    asyncio.run(prepare(dsn))
    found: list[Stretch] = []
    plain: list[Copied] = []
    for first, count in stretches(rows // BATCH):
        found.append(loaded(ports, token, first, count, of=of, keys=keys, apis=apis, database=database))
        print(f"after {(first + count) * BATCH:12,} rows: {found[-1]}", flush=True)
        if first < IN_TURNS:
            plain.append(asyncio.run(copied(dsn, first, count, folder, order=order, keys=KEYS[keys])))
            print(f"{'plain COPY':>24}: {plain[-1].per_s:8,.0f} rows/s     CPU for one: {plain[-1].cpu_us:.1f} us", flush=True)
    for api in apis:
        print(f"memory at the end   {memory_mb(api)}")
    conclude(found, plain)


def stretches(batches: int) -> Iterator[tuple[int, int]]:
    """Yield the first batch and the number of those that are sent at a time: by turns with COPY, then as many as all of these."""
    first = 0
    while first < batches:
        count = min(TURN if first < IN_TURNS else IN_TURNS, batches - first)
        yield first, count
        first += count


def conclude(found: list[Stretch], plain: list[Copied]) -> None:
    """Print rates beside their limits. The rate of stretches of the same size is the harmonic mean of theirs."""
    ours, copy_ = (statistics.harmonic_mean([one.per_s for one in some]) for some in (found[: len(plain)], plain))
    each = ", ".join(f"{mine.per_s / its.per_s:.2f}" for mine, its in zip(found, plain, strict=False))
    print(f"plain COPY (FROM STDIN, text, from a client on the socket, as owner, same partitions and primary key): {copy_:,.0f} rows/s")
    print(
        f"ingest {ours:,.0f} events/s: {ours / RATE_LIMIT:.2f} of {RATE_LIMIT:,} (limit 1.0), "
        f"{ours / copy_:.2f} of COPY (limit {RATIO_LIMIT}; by turns {each})"
    )
    if len(found) >= len(plain) + ENDING:
        last = statistics.harmonic_mean([one.per_s for one in found[-ENDING:]])
        of_last = ", ".join(f"{one.per_s / ours:.2f}" for one in found[-ENDING:])
        print(
            f"the last {ENDING * IN_TURNS * BATCH:,} came at {last:,.0f} events/s: {last / ours:.2f} of the first {IN_TURNS * BATCH:,} "
            f"(limit {KEPT_LIMIT}; by stretches {of_last})"
        )


def _postmaster(folder: Path) -> int:
    [file] = folder.rglob("postmaster.pid")
    return int(file.read_text().splitlines()[0])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="?", default="run", choices=["run", "load", "copy"])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--order", choices=ORDERS, default="sent", help="rows for COPY as they were sent, or as the ledger's files have them"
    )
    parser.add_argument("--hours", choices=HOURS, default="passing", help="hours of the bodies pass, or lie anywhere in sixty days")
    parser.add_argument("--keys", choices=[*KEYS], default="timed", help="keys that begin with a time, with numbers, or at random")
    parser.add_argument("--port", type=int, action="append")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--batches", type=int, default=1)
    parser.add_argument("--of", type=int, default=0)
    parser.add_argument("--rows-from", type=Path)
    given = parser.parse_args()
    if given.part == "load":
        print(json.dumps(load(given.port, sys.stdin.read().strip(), given.first, given.batches, of=given.of, keys=given.keys)))
    elif given.part == "copy":
        print(json.dumps(asyncio.run(copy(sys.stdin.read().strip(), given.rows_from))))
    else:
        main(given.rows, given.processes, order=given.order, hours=given.hours, keys=given.keys)
