"""Subscriptions in time: a year of a hundred of them on a moved clock, and what finding out what is due costs a bill run.

`dev.py bench subscriptions [--subscriptions 10000]` makes an installation of its own. It lives a year of 100 subscriptions that began on
different days, going from one instant at which something is due to the next as a sandbox's clock does, and billing what is due at each:
printed beside its limit of 10 seconds, as a ratio. Then it has so many subscriptions, each with a flat charge, seats and usage, renew at
one instant: advanced in batches as the hourly job does, and asked for by accounts in batches of 500 as a bill run does. Of that the limit
is 20 of the 120 seconds that 50,000 invoices may take: 0.4 ms each.
"""

from __future__ import annotations

import argparse
import os
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from benchmarks.grounds import installation
from carbonledger.domains.accounts import service as accounts
from carbonledger.domains.catalog import service as catalog
from carbonledger.domains.catalog.types import Aggregation, Charge, Meter, Plan
from carbonledger.domains.catalog.types.charges import Flat, Standard, Timing
from carbonledger.domains.catalog.types.drafts import PlanDraft, VersionDraft
from carbonledger.domains.subscriptions import service
from carbonledger.domains.subscriptions.service import advancing, billing
from carbonledger.entrypoints.worker import registry
from carbonledger.infra import clock, db
from carbonledger.kernel import actor, currency, ids

START = datetime(2026, 1, 1, tzinfo=UTC)
YEAR_LIMIT_S = 10.0
EACH_LIMIT_MS = 0.4
BATCH = 500
_CHARGES = (
    Charge(code="base", name="Base", timing=Timing.ADVANCE, model=Flat(Decimal(30))),
    Charge(code="seats", name="Seats", timing=Timing.ADVANCE, model=Flat(Decimal(10)), per_seat=True),
    Charge(code="calls", name="Calls", model=Standard(Decimal("0.01")), meter_code="calls"),
)


async def a_plan(database: db.Database, organization_id: UUID) -> Plan:
    """Make a plan of a flat charge, seats and usage."""
    me = actor.system(organization_id)
    meter = Meter(id=ids.new_id(START), code="calls", name="Calls", aggregation=Aggregation.COUNT, created_at=START, updated_at=START)
    version = VersionDraft(values={"currency": currency.by_code("USD")}, charges=_CHARGES)
    draft = PlanDraft(code="bench", name="Bench", version=version)
    async with database.transaction(organization_id) as uow:
        await catalog.create_meter(uow, actor=me, now=START, at=clock.now(), organization_id=organization_id, meter=meter)
        return await catalog.create_plan(uow, actor=me, now=START, at=clock.now(), organization_id=organization_id, draft=draft)


async def begin(database: db.Database, organization_id: UUID, plan: Plan, *, count: int, spread_days: int) -> None:
    """Begin subscriptions, one for each of so many accounts, their first days spread over the month."""
    me = actor.system(organization_id)
    for first in range(0, count, BATCH):
        async with database.transaction(organization_id) as uow:
            for number in range(first, min(first + BATCH, count)):
                draft = accounts.Draft(name=f"Customer {number}", currency="USD", time_zone="UTC")
                names = {"actor": me, "at": clock.now(), "organization_id": organization_id}
                account = await accounts.create(uow, now=START, draft=draft, **names)  # type: ignore[arg-type]
                at = START + timedelta(days=number % spread_days)
                begun = service.Draft(account_id=account.id, plan_id=plan.id, quantity=5, start_at=at)
                await service.create(uow, now=START, draft=begun, **names)  # type: ignore[arg-type]


async def live_a_year(database: db.Database, organization_id: UUID) -> tuple[int, int]:
    """Go through a year from one thing due to the next, billing at each; return the stops and the due charges."""
    end, stops, charges = START + timedelta(days=365), 0, 0
    while True:
        async with database.transaction(organization_id) as uow:
            at = [
                found
                for found in (
                    await service.next_due(uow, organization_id, end),
                    await billing.next_billable_at(uow, organization_id=organization_id, until=end),
                )
                if found is not None
            ]
            if not at:
                return stops, charges
            await service.run_due(uow, actor.system(organization_id), min(at))
            due = await billing.due(uow, organization_id=organization_id, until=min(at))
            await billing.billed(uow, organization_id=organization_id, until=min(at))
        stops += 1
        charges += sum(len(found) for found in due.values())


async def renew(database: db.Database, organization_id: UUID, at: datetime) -> float:
    """Advance everything to ``at`` as the hourly job does, and return the seconds."""
    started = time.perf_counter()
    while True:
        async with database.transaction(organization_id) as uow:
            count = await service.advance(uow, actor=actor.system(organization_id), now=at, organization_id=organization_id)
        if count < advancing.BATCH:
            return time.perf_counter() - started


async def bill(database: db.Database, organization_id: UUID, at: datetime) -> tuple[float, int]:
    """Take all that is due at ``at`` by batches of accounts; return the seconds and the due charges."""
    started, charges = time.perf_counter(), 0
    while True:
        async with database.transaction(organization_id) as uow:
            batch = await billing.accounts_due(uow, organization_id=organization_id, until=at, limit=BATCH)
            if not batch:
                return time.perf_counter() - started, charges
            due = await billing.due(uow, organization_id=organization_id, account_ids=batch, until=at)
            await billing.billed(uow, organization_id=organization_id, account_ids=batch, until=at)
        charges += sum(len(found) for found in due.values())


def main(subscriptions: int) -> None:
    registry.load()
    print(f"{os.cpu_count()} cores", flush=True)
    with installation.running() as ground:
        ground.run(lambda database: year(database, ground.organization_id))
    with installation.running() as ground:
        ground.run(lambda database: month(database, ground.organization_id, subscriptions))


async def year(database: db.Database, organization_id: UUID) -> None:
    plan = await a_plan(database, organization_id)
    await begin(database, organization_id, plan, count=100, spread_days=28)
    started, cpu_s = time.perf_counter(), time.process_time()
    stops, charges = await live_a_year(database, organization_id)
    seconds, cpu_s = time.perf_counter() - started, time.process_time() - cpu_s
    print(
        f"a year of 100 subscriptions: {seconds:.1f} s for {stops} stops and {charges:,} due charges, limit {YEAR_LIMIT_S:.0f} s: "
        f"ratio {seconds / YEAR_LIMIT_S:.2f}; {cpu_s:.1f} s of this process's CPU",
        flush=True,
    )


async def month(database: db.Database, organization_id: UUID, subscriptions: int) -> None:
    plan = await a_plan(database, organization_id)
    await begin(database, organization_id, plan, count=subscriptions, spread_days=1)
    await bill(database, organization_id, START)
    at = datetime(2026, 2, 1, tzinfo=UTC)
    advanced_s = await renew(database, organization_id, at)
    cpu_s = time.process_time()
    seconds, charges = await bill(database, organization_id, at)
    each_ms, cpu_ms = seconds / subscriptions * 1e3, (time.process_time() - cpu_s) / subscriptions * 1e3
    print(f"{subscriptions:,} renewals advanced and told: {advanced_s / subscriptions * 1e3:.2f} ms each", flush=True)
    print(
        f"{charges:,} due charges of {subscriptions:,} subscriptions: {each_ms:.2f} ms a subscription, limit {EACH_LIMIT_MS} ms: "
        f"ratio {each_ms / EACH_LIMIT_MS:.2f}; {cpu_ms:.2f} ms of this process's CPU",
        flush=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscriptions", type=int, default=10_000)
    main(parser.parse_args().subscriptions)
