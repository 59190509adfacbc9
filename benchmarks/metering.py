"""What a customer used, asked while the page waits, and for a batch of bills, beside its limit.

`dev.py bench metering [--rows 10000000]` fills an installation of its own with events of a thousand customers over 60 days, 3,008 series:
one customer is a tenth of everything, with ten models, each other one has two; and all have metered events with properties, a third of the
small ones' and an eleventh of the big one's. Asked is what a subscription's page shows of its period so far, in the middle of a month and
of an hour, in zones of their own: calls, tokens by model, cost and CO2e from roll-ups; and of single events the largest, the last, how
many different, and the running sum over time, first from all of them, then from tallies (what the hourly job takes for these is printed),
and with these the largest call, of which there is no index by customer. Each is to take 30 ms over 10 million events. Then 500 bills of ten
lines at once, by bill.
Times are whole, with the transaction, medians of rounds; beside them the processor's, which is fair on a busy machine too.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import os
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

import psutil

from benchmarks.grounds import installation, ledger
from carbonledger.domains.catalog.service import metering
from carbonledger.domains.catalog.types.meters import Aggregation, Detail, Dimension, Field, Measure, Meter, Request
from carbonledger.domains.telemetry.service import tallying, upkeep
from carbonledger.entrypoints.worker import registry
from carbonledger.infra import db
from carbonledger.kernel import zone

LIMIT_MS: Final = 30.0
ROWS: Final = 10_000_000
ROUNDS: Final = 30
BILLS, LINES = 500, 10
NOW: Final = datetime(2026, 10, 17, 14, 23, 11, tzinfo=UTC)
ZONES: Final = ("UTC", "Europe/Berlin", "Asia/Kolkata")
_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)


class Times(NamedTuple):
    """Milliseconds of each round, and of the processor for one: this process and the database."""

    each_ms: list[float]
    cpu_ms: float


def meter(code: str, **given: object) -> Meter:
    """Return a meter that nobody keeps."""
    return Meter(id=UUID(int=1), code=code, name=code, created_at=_AT, updated_at=_AT, **given)  # type: ignore[arg-type]  # named as its fields


CALLS: Final = meter("calls", aggregation=Aggregation.COUNT)
TOKENS: Final = meter("tokens", aggregation=Aggregation.SUM, measure=Measure.TOKENS, group_by=(Dimension(Field.MODEL),))
COST: Final = meter("cost", aggregation=Aggregation.SUM, measure=Measure.COST)
PAGE: Final = ((CALLS, frozenset[Detail]()), (TOKENS, frozenset[Detail]()), (COST, frozenset({Detail.COST, Detail.CO2E})))
_OF: Final = {"event": ledger.EVENT, "measure": Measure.PROPERTY, "property_name": "ms"}
_USER: Final = Dimension(Field.PROPERTY, "user")
SINGLE: Final = (
    meter("most", aggregation=Aggregation.MAX, **_OF),
    meter("last", aggregation=Aggregation.LATEST, **_OF),
    meter("users", aggregation=Aggregation.UNIQUE, event=ledger.EVENT, unique=_USER),
    meter("over time", aggregation=Aggregation.WEIGHTED_SUM, event=ledger.EVENT, measure=Measure.QUANTITY),
)
"""Meters that roll-ups don't answer."""
LARGEST: Final = meter("largest call", aggregation=Aggregation.MAX, measure=Measure.TOKENS)
"""One of them for which all of everybody would be read."""


def month(name: str) -> tuple[datetime, datetime]:
    """Return what has been of October in a zone."""
    return zone.midnight(datetime(2026, 10, 1, tzinfo=UTC).date(), zone.named(name)), NOW


def small(number: int) -> str:
    """Return one of the small customers."""
    return f"customer {1 + number * 37 % (ledger.CUSTOMERS - 1):04}"


def page(name: str, account: str) -> list[Request]:
    """Return what a subscription's page asks."""
    start, end = month(name)
    return [Request(one, account, start, end, details) for one, details in PAGE]


def bills() -> list[Request]:
    """Return what a batch of bills asks: ten lines each, of months that begin on different days."""
    asked = []
    for number in range(BILLS):
        start = ledger.START + timedelta(days=number % 28)
        for line in range(LINES):
            one, details = PAGE[line % len(PAGE)]
            asked.append(Request(one, small(number), start, start + timedelta(days=30), details))
    return asked


async def timed(database: db.Database, organization_id: UUID, asked: Callable[[int], Sequence[Request]], rounds: int) -> Times:
    """Return what rounds take; the pool has one connection, so one process of the database works for them all."""
    async with database.transaction(organization_id) as uow:
        backend = psutil.Process(await uow.conn.fetchval("SELECT pg_backend_pid()"))
    found: list[float] = []
    before = 0.0
    for number in range(rounds + 2):
        if number == 2:  # the first ones warm up
            before = cpu_s(backend)
        requests = asked(number)
        started = time.perf_counter()
        async with database.transaction(organization_id) as uow:
            answers = await metering.quantities(uow, organization_id=organization_id, requests=requests)
        took = (time.perf_counter() - started) * 1e3
        if not all(one.usage.event_count for one in answers):
            raise SystemExit("an account has no usage")
        found.append(took)
    return Times(found[2:], (cpu_s(backend) - before) / rounds * 1e3)


def cpu_s(backend: psutil.Process) -> float:
    """Return the processor's seconds of this process and of a backend."""
    return time.process_time() + sum(backend.cpu_times()[:2])


def big(_: int) -> str:
    """Return the big customer, whichever round it is."""
    return ledger.BIG


def paged(name: str, account: Callable[[int], str], number: int) -> list[Request]:
    """Return what a page asks in a round."""
    return page(name, account(number))


def single(one: Meter, account: Callable[[int], str], number: int) -> list[Request]:
    """Return what one of the meters of single events asks in a round."""
    start, end = month("Asia/Kolkata")
    return [Request(one, account(number), start, end)]


def billed(_: int) -> list[Request]:
    """Return what the bills ask, in every round."""
    return bills()


async def measure(database: db.Database, organization_id: UUID, rows: int) -> None:
    """Say what the questions take, by what is asked, and the batch."""
    sides = (("a small customer", small), ("the big customer", big))
    for who, account in sides:
        for name in ZONES:
            say(
                rows,
                f"{who}, calls, tokens and cost, {name}",
                await timed(database, organization_id, functools.partial(paged, name, account), ROUNDS),
            )
        for one in SINGLE:
            say(
                rows,
                f"{who}, {one.code}, from single events",
                await timed(database, organization_id, functools.partial(single, one, account), ROUNDS),
            )
    say_batch(rows, await timed(database, organization_id, billed, 5))
    for one in (*SINGLE, LARGEST):
        await tally(database, organization_id, one)
        for who, account in sides:
            say(
                rows,
                f"{who}, {one.code}, from tallies",
                await timed(database, organization_id, functools.partial(single, one, account), ROUNDS),
            )


async def tally(database: db.Database, organization_id: UUID, one: Meter) -> None:
    """Do for a meter what the hourly job does the first time, and an hour later, and say what it took."""
    for now in (NOW, NOW + timedelta(hours=1)):
        async with database.transaction(organization_id) as uow:
            backend = psutil.Process(await uow.conn.fetchval("SELECT pg_backend_pid()"))
            days = await upkeep.days(uow, organization_id=organization_id)
            due = await tallying.due(uow, organization_id=organization_id, query=one.query, days=days, today=now.date())
        before, kept = cpu_s(backend), 0
        for day in due:
            async with database.transaction(organization_id) as uow:
                kept += await tallying.tally(uow, organization_id=organization_id, query=one.query, day=day, now=now)
        async with database.transaction(organization_id) as uow:
            await tallying.done(uow, organization_id=organization_id, query=one.query, today=now.date())
        print(f"{one.code:14} {len(due):3} days, {kept:7,} tallies: CPU {cpu_s(backend) - before:6.1f} s", flush=True)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS, help="events (10,000,000)")
    chosen = parser.parse_args(argv)
    registry.load()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    with installation.running() as place:
        seeds = ledger.customers()
        for first in range(0, len(seeds), 1000):
            items = seeds[first : first + 1000]
            place.run(functools.partial(ledger.prepare, organization_id=place.organization_id, items=items))
        asyncio.run(ledger.fill(place.addresses.owner, place.organization_id, len(seeds), chosen.rows, like=ledger.SKEWED, broad=False))
        print(f"{chosen.rows:>12,} events are there; load {os.getloadavg()[0]:.1f}", flush=True)
        place.run(functools.partial(measure, organization_id=place.organization_id, rows=chosen.rows))


def say(rows: int, what: str, times: Times) -> None:
    middle, slow = statistics.median(times.each_ms), statistics.quantiles(times.each_ms, n=10)[-1]
    print(
        f"{rows:>12,} events  {what:58} median {middle:6.1f} ms, least {min(times.each_ms):6.1f}, 90th percentile {slow:6.1f}"
        f"   CPU {times.cpu_ms:5.1f} ms   limit {LIMIT_MS:.0f} ms: {middle / LIMIT_MS:.2f} by median, {times.cpu_ms / LIMIT_MS:.2f} by CPU",
        flush=True,
    )


def say_batch(rows: int, batch: Times) -> None:
    middle = statistics.median(batch.each_ms)
    each_ms, cpu_ms = middle / BILLS, batch.cpu_ms / BILLS
    print(f"{rows:>12,} events  {BILLS} bills of {LINES} lines: {middle:,.0f} ms, {each_ms:.2f} ms a bill; CPU {cpu_ms:.2f} ms", flush=True)


if __name__ == "__main__":
    main()
