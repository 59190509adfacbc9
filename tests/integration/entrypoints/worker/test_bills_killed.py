"""A bill run, the collecting of drafts and the settling of late usage that are killed at any step: the next attempt ends it, once.

The places are those of ``test_polls_killed``: before a transaction begins, at each statement in it, at its commit and right after. Real
processes that are killed by the kernel are in ``tests/journeys/workers/test_bills_killed.py``.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from pgqueuer.domain import models
from pgqueuer.domain import types as pgq_types
from pgqueuer.ports.repository import EntrypointExecutionParameter

from carbonledger.domains.catalog.types import AnchorKind
from carbonledger.domains.invoices.service import billing, checking
from carbonledger.domains.invoices.types.invoices import State
from carbonledger.domains.invoices.types.sellers import LateUsage
from carbonledger.entrypoints.worker import invoices as jobs
from carbonledger.infra import clock
from carbonledger.infra.queue import pgq, registry
from tests import conftest
from tests.integration.domains.invoices.shops import PAGES, PLATFORM, Shop
from tests.integration.entrypoints.worker.conftest import Bench
from tests.integration.entrypoints.worker.test_polls_killed import Fate, Killed, fate

__all__ = ["fate"]  # a fixture

NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)
BEGAN = datetime(2026, 9, 1, tzinfo=UTC)
USED = datetime(2026, 10, 20, 9, tzinfo=UTC)
CUSTOMERS = 2


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.setattr(billing, "BATCH", 1)  # so that there are several


def often_lost(bench: Bench, name: str) -> None:
    """Let a job be taken up again as often as it is killed here."""
    handler = registry.declared.handlers[name]
    bench.declare(name, handler.run, in_transaction=False, attempts_max=100_000, timeout_s=handler.timeout_s)


async def sold(bench: Bench, **settings: Any) -> Shop:
    """Open another organization, with customers whose September, October and November are due, and their usage of October."""
    shop = Shop(bench.database, await conftest.make_organization(bench.database, name="Seller"))
    await shop.settings(**settings)
    await shop.meter()
    plan_id = await shop.plan("pro", PLATFORM, PAGES, anchor=AnchorKind.CALENDAR, now=BEGAN)
    for number in range(CUSTOMERS):
        await shop.subscribe(await shop.account(external_id=f"c{number}"), plan_id, now=BEGAN)
        await shop.use(f"c{number}", str(10 + number), at=USED)
    return shop


async def picked(bench: Bench, name: str) -> list[models.Job]:
    """Pick the job, and leave those that it asked for, such as the PDFs."""
    conn = await bench.database.acquire()
    try:
        return await pgq.on(conn).dequeue(
            batch_size=100,
            entrypoints={pgq_types.QueueEntrypoint(name): EntrypointExecutionParameter(concurrency_limit=0)},
            queue_manager_id=pgq_types.QueueManagerId(uuid4()),
            global_concurrency_limit=None,
            heartbeat_timeout=timedelta(0),
        )
    finally:
        await bench.database.release(conn)


async def attempt(bench: Bench, fate: Fate, at: int | None, name: str) -> bool:
    """Let a worker take the bill run, and die at a place; say whether it lived."""
    entries = await picked(bench, name)
    if not entries:
        assert fate.places[-1] == "after COMMIT", "the job is lost"
        return True
    fate.start(at)
    try:
        await bench.run(entries)
    except Killed:
        return False
    except BaseExceptionGroup as group:  # of a lane: the process is no more, whatever the others do
        if group.subgroup(Killed) is None:
            raise
        return False
    finally:
        fate.start(None)
    return True


async def told(shop: Shop) -> str:
    """Return all that was billed, without what differs from one organization to another; checked for what must always hold."""
    async with shop.database.transaction(shop.organization_id) as uow:
        assert not (await checking.check(uow, organization_id=shop.organization_id)).is_wrong
    invoices = await shop.invoices()
    numbers = sorted(one.issued.sequence for one in invoices if one.issued is not None)
    assert numbers == list(range(1, len(numbers) + 1))
    found = []
    for one in invoices:
        lines = await shop.lines(one)
        found.append(
            (
                str(one.billed_at),
                one.state.value,
                one.origin.value,
                str(one.totals.total),
                sorted((line.kind.value, line.charge_code or "", str(line.quantity), str(line.amount)) for line in lines),
            )
        )
    return json.dumps(sorted(found))


async def everywhere(bench: Bench, fate: Fate, name: str, expected: str, made: Callable[[], Awaitable[Shop]], *, least: int) -> None:
    """Kill the job one step later each time, on another organization, and let the next attempt end it."""
    often_lost(bench, name)
    killed = 0
    while True:
        shop = await made()
        await bench.ask(name, organization_id=shop.organization_id)
        if await attempt(bench, fate, killed + 1, name):
            break
        killed += 1
        assert await attempt(bench, fate, None, name)
        assert await told(shop) == expected, fate.places[-1]
    assert await told(shop) == expected
    assert killed > least, killed
    assert {"before BEGIN", "before COMMIT", "after COMMIT", "fetch"} <= set(fate.places)


async def test_a_bill_run_is_killed_at_every_step(bench: Bench, fate: Fate) -> None:
    whole = await sold(bench)
    await whole.bill(NOW)
    expected = await told(whole)
    # By hand: three months of 49.00 for each of two; 10 and 11 pages at 0.10 in October.
    assert sum(one.totals.total for one in await whole.invoices()) == 6 * Decimal("49.00") + Decimal("2.10")
    await everywhere(bench, fate, jobs.BILL_JOB, expected, lambda: sold(bench), least=40)


async def test_collecting_is_killed_at_every_step(bench: Bench, fate: Fate) -> None:
    async def waiting() -> Shop:
        shop = await sold(bench, grace=timedelta(days=3))
        await shop.bill(datetime(2026, 11, 1, tzinfo=UTC))
        await shop.use("c0", "90", at=USED)  # 100 in all, which are 10.00
        return shop

    whole = await waiting()
    while await whole.collect(NOW):
        pass
    expected = await told(whole)
    assert [one for one in await whole.invoices() if one.state is State.DRAFT] == []
    assert sum(one.totals.total for one in await whole.invoices()) == 6 * Decimal("49.00") + Decimal("11.10")
    await everywhere(bench, fate, jobs.BILL_JOB, expected, waiting, least=25)


@pytest.mark.parametrize("decision", [LateUsage.NEXT_INVOICE, LateUsage.CORRECTION])
async def test_settling_late_usage_is_killed_at_every_step(bench: Bench, fate: Fate, decision: LateUsage) -> None:
    async def late() -> Shop:
        shop = await sold(bench, late_usage=decision)
        await shop.bill(NOW)
        for number in range(CUSTOMERS):
            await shop.use(f"c{number}", "10", at=USED)
        return shop

    whole = await late()
    await whole.settle_late(NOW)
    await everywhere(bench, fate, jobs.LATE_JOB, await told(whole), late, least=8)
