"""What a customer used, asked while the page waits, and for a batch of bills, beside its limit.

`dev.py bench metering [--rows 10000000]` fills an installation of its own with events over 60 days and 50 series of 5 accounts. It asks
what a subscription's page shows: calls, tokens by model, cost and CO2e of one account in a month of its own zone, which is to take 30 ms
over 10 million events; and 500 bills of ten lines at once, by bill. Times are whole, with the transaction; medians of rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from benchmarks.grounds import installation, ledger
from carbonledger.domains.catalog.service import metering
from carbonledger.domains.catalog.types.meters import Aggregation, Detail, Dimension, Field, Measure, Meter, Request
from carbonledger.entrypoints.worker import registry
from carbonledger.infra import db
from carbonledger.kernel import zone

LIMIT_MS: Final = 30.0
ROWS: Final = 10_000_000
ROUNDS: Final = 30
BILLS, LINES = 500, 10
ZONES: Final = ("UTC", "Europe/Berlin", "Asia/Kolkata")
_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)


def meter(code: str, **given: object) -> Meter:
    """Return a meter that nobody keeps."""
    return Meter(id=UUID(int=1), code=code, name=code, created_at=_AT, updated_at=_AT, **given)  # type: ignore[arg-type]  # named as its fields


CALLS: Final = meter("calls", aggregation=Aggregation.COUNT)
TOKENS: Final = meter("tokens", aggregation=Aggregation.SUM, measure=Measure.TOKENS, group_by=(Dimension(Field.MODEL),))
COST: Final = meter("cost", aggregation=Aggregation.SUM, measure=Measure.COST)
PAGE: Final = ((CALLS, frozenset[Detail]()), (TOKENS, frozenset[Detail]()), (COST, frozenset({Detail.COST, Detail.CO2E})))


def month(name: str) -> tuple[datetime, datetime]:
    """Return October in a zone."""
    place = zone.named(name)
    return tuple(zone.midnight(datetime(2026, number, 1, tzinfo=UTC).date(), place) for number in (10, 11))  # type: ignore[return-value]  # two


def page(name: str, account: int) -> list[Request]:
    """Return what a subscription's page asks."""
    start, end = month(name)
    return [Request(one, f"customer {account}", start, end, details) for one, details in PAGE]


def bills() -> list[Request]:
    """Return what a batch of bills asks: ten lines each, of months that begin on different days."""
    asked = []
    for number in range(BILLS):
        start = ledger.START + timedelta(days=number % 28)
        for line in range(LINES):
            one, details = PAGE[line % len(PAGE)]
            asked.append(Request(one, f"customer {number % ledger.ACCOUNTS}", start, start + timedelta(days=30), details))
    return asked


async def timed(database: db.Database, organization_id: UUID, asked: Callable[[int], Sequence[Request]], rounds: int) -> list[float]:
    """Return the milliseconds that each round takes."""
    found = []
    for number in range(rounds + 2):
        requests = asked(number)
        started = time.perf_counter()
        async with database.transaction(organization_id) as uow:
            answers = await metering.quantities(uow, organization_id=organization_id, requests=requests)
        took = (time.perf_counter() - started) * 1e3
        if not all(one.usage.event_count for one in answers):
            raise SystemExit("an account has no usage")
        if number >= 2:  # the first ones warm up
            found.append(took)
    return found


def measure(organization_id: UUID) -> Callable[[db.Database], Awaitable[tuple[dict[str, list[float]], list[float]]]]:
    """Return the work that measures: the page by zone, and the batch."""

    async def work(database: db.Database) -> tuple[dict[str, list[float]], list[float]]:
        pages = {
            name: await timed(database, organization_id, lambda number, name=name: page(name, number % ledger.ACCOUNTS), ROUNDS)  # type: ignore[misc]  # bound
            for name in ZONES
        }
        batch = bills()
        return pages, await timed(database, organization_id, lambda _: batch, 5)

    return work


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="events (10,000,000)")
    chosen = parser.parse_args(argv)
    registry.load()
    print(f"{os.cpu_count()} cores")
    with installation.running() as place:
        place.run(lambda database: ledger.prepare(database, place.organization_id))
        asyncio.run(ledger.fill(place.addresses.owner, place.organization_id, len(ledger.seeds()), chosen.rows))
        pages, batch = place.run(measure(place.organization_id))
    for name, times in pages.items():
        middle, slow = statistics.median(times), statistics.quantiles(times, n=10)[-1]
        print(
            f"{chosen.rows:>12,} events  {name:15} usage of a subscription: median {middle:5.1f} ms, 90th percentile {slow:5.1f} ms"
            f"  {middle / LIMIT_MS:.2f} of the limit of {LIMIT_MS:.0f} ms"
        )
    middle = statistics.median(batch)
    print(f"{chosen.rows:>12,} events  {BILLS} bills of {LINES} lines: {middle:,.0f} ms, {middle / BILLS:.2f} ms a bill")


if __name__ == "__main__":
    main()
