"""The jobs of periods: closed step by step, killed at each, asked twice, and moved by a sandbox's clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from carbonledger.domains.receipts.service import closing, periods, proving, totals
from carbonledger.domains.receipts.types import periods as types
from carbonledger.domains.receipts.types.periods import Period, State
from carbonledger.entrypoints.worker import receipts_periods
from carbonledger.infra import server
from carbonledger.kernel import actor
from tests import conftest
from tests.integration.domains.connections import test_isolation as connections
from tests.integration.domains.telemetry import kit as ledger
from tests.integration.entrypoints.worker.conftest import Bench

OCTOBER, NOVEMBER = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
LATER = NOVEMBER + timedelta(days=9)


class Killed(BaseException):
    """What stands for the death of a process: nothing after it is done, and no handler of the code sees it."""


async def due(bench: Bench) -> Period:
    """October with three events, over for nine days."""
    items = [ledger.draft(f"k{number}", at=OCTOBER + timedelta(days=number)) for number in range(3)]
    await ledger.accept(bench.database, bench.organization_id, *items, at=NOVEMBER)
    async with bench.database.transaction(bench.organization_id) as uow:
        await uow.conn.execute("UPDATE organizations SET is_sandbox = true, clock_at = $1", LATER)
        (period,) = await periods.advance(uow, actor=actor.system(bench.organization_id), now=LATER, organization_id=bench.organization_id)
    return period


async def found(bench: Bench, period_id: UUID) -> Period:
    async with bench.database.transaction(bench.organization_id) as uow:
        return await periods.find(uow, organization_id=bench.organization_id, period_id=period_id)


async def run_to_the_end(bench: Bench) -> None:
    for _ in range(10):
        await bench.make_due()
        if not await bench.run_once(heartbeat_timeout_s=0.0):
            return


async def digits(bench: Bench, period_id: UUID) -> tuple[object, ...]:
    """All that closing wrote of a period, without ids and times."""
    period = await found(bench, period_id)
    async with bench.database.transaction(bench.organization_id) as uow:
        lines = await uow.conn.fetch("SELECT * FROM period_lines ORDER BY number")
        told = await uow.conn.fetchval("SELECT count(*) FROM events WHERE action = $1", closing.CLOSED)
        cuts = await uow.conn.fetchval("SELECT cuts FROM telemetry_closings")
    return period.state, period.events, period.leaves, len(lines), sum(line["events"] for line in lines), told, cuts


CLOSED = (State.CLOSED, 3, 3, 1, 3, 1, 1)
STEPS: list[tuple[ModuleType, str]] = [
    (closing, "begin"),
    (closing, "reconciled"),
    (closing, "freeze"),
    (closing, "sum_up"),
    (closing, "adjust"),
    (proving, "salt"),
    (proving, "make_tree"),
    (proving, "proven"),
    (closing, "closed"),
]


def dying(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, *, after: bool) -> None:
    """Let the first call of a step die, before it did anything or when all is done but the commit."""
    real: Callable[..., Awaitable[Any]] = getattr(module, name)
    calls = 0

    async def step(*arguments: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 1 and not after:
            raise Killed
        result = await real(*arguments, **named)
        if calls == 1:
            raise Killed
        return result

    monkeypatch.setattr(module, name, step)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("module, name", STEPS)
async def test_killed_at_any_step_it_goes_on_and_closes_once_with_the_same_digits(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, after: bool
) -> None:
    period = await due(bench)
    dying(monkeypatch, module, name, after=after)
    with pytest.raises(Killed):
        await bench.run_once()
    assert (await found(bench, period.id)).state is State.CLOSING
    await run_to_the_end(bench)
    assert await digits(bench, period.id) == CLOSED


async def test_killed_between_its_objects_and_their_root_it_writes_the_same_objects(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    period = await due(bench)
    dying(monkeypatch, proving, "proven", after=False)
    with pytest.raises(Killed):
        await bench.run_once()
    files = bench.services.objects.of_organization(bench.organization_id)
    before = await files.read(f"periods/{period.id}/leaves/000000")
    await run_to_the_end(bench)
    assert await files.read(f"periods/{period.id}/leaves/000000") == before
    assert (await found(bench, period.id)).leaves == len(before) // 48 == 3


@pytest.mark.parametrize("jump", [timedelta(days=-3 * 365), timedelta(minutes=-6), timedelta(minutes=6), timedelta(days=3 * 365)])
async def test_a_clock_that_jumps_closes_nothing_and_it_goes_on_once_it_is_right(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, jump: timedelta
) -> None:
    period = await due(bench)
    told = server.now

    async def other(conn: server.Connection) -> datetime:
        return await told(conn) + jump

    with monkeypatch.context() as patched:
        patched.setattr(server, "now", other)
        await bench.run_once()
    assert (await found(bench, period.id)).step is types.Step.NONE
    await run_to_the_end(bench)
    assert await digits(bench, period.id) == CLOSED


async def test_asking_again_while_it_runs_is_the_same_job_and_once_closed_a_conflict(bench: Bench) -> None:
    period = await due(bench)
    names: dict[str, Any] = {"organization_id": bench.organization_id, "period_id": period.id}

    async def ask() -> UUID:
        async with bench.database.transaction(bench.organization_id) as uow:
            return await periods.close(uow, actor=actor.system(bench.organization_id), now=LATER, **names)

    assert await ask() == await ask()
    await run_to_the_end(bench)
    with pytest.raises(types.PeriodClosed):
        await ask()
    assert await digits(bench, period.id) == CLOSED


async def test_the_hourly_job_makes_months_and_asks_for_what_is_due(bench: Bench) -> None:
    item = ledger.draft("k", at=OCTOBER)
    await ledger.accept(bench.database, bench.organization_id, item, at=NOVEMBER)
    job_id = await bench.ask(receipts_periods.ADVANCE_JOB)
    await run_to_the_end(bench)
    # The bench runs by real time, of which only is known that it is after the event; the month it is in is open, earlier ones are not.
    assert (await bench.job(job_id)).state.value == "succeeded"
    async with bench.database.transaction(bench.organization_id) as uow:
        every = await periods.ensure(uow, organization_id=bench.organization_id, now=(await bench.job(job_id)).created_at)
    assert every[0].month.month == 10
    assert every[-1].state is State.OPEN


async def test_the_nightly_check_alerts_where_a_period_is_not_what_a_fresh_computation_gives(
    bench: Bench, fresh_database: conftest.TestDatabase
) -> None:
    period = await due(bench)
    await run_to_the_end(bench)
    job_id = await bench.ask(totals.CHECK_JOB)
    await run_to_the_end(bench)
    assert (await bench.job(job_id)).result == {"periods": 1, "different": 0}
    conn = await asyncpg.connect(fresh_database.superuser)  # a hand that reaches into the database past every guard
    try:
        await conn.execute("SET session_replication_role = replica")
        await conn.execute("UPDATE period_lines SET uncached_input = uncached_input + 1 WHERE period_id = $1", period.id)
    finally:
        await conn.close()
    job_id = await bench.ask(totals.CHECK_JOB)
    await run_to_the_end(bench)
    assert (await bench.job(job_id)).result == {"periods": 1, "different": 1}
    alerts = [event for event in await bench.events() if event["action"] == totals.DIFFER]
    assert [(alert["severity"], alert["audience"]) for alert in alerts] == [("critical", ["operators"])]


async def with_connection(bench: Bench) -> Period:
    """October is due, and a connection is there of which nothing was read yet."""
    made = await connections.connect(bench.database, bench.organization_id)
    async with bench.database.transaction(bench.organization_id) as uow:
        await uow.conn.execute("UPDATE connection_streams SET is_read = true WHERE connection_id = $1", made.id)
    return await due(bench)


async def test_a_connection_that_is_not_read_in_time_is_named_and_holds_nothing_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts_periods, "READ_DEADLINE", timedelta(0))
    period = await with_connection(bench)
    entries = [entry for entry in await bench.pick() if entry.entrypoint == periods.CLOSE_JOB]
    await bench.run(entries)
    after = await found(bench, period.id)
    assert after.state is State.CLOSED
    assert [(one["provider"], one["read_to"]) for one in after.unread] == [("openai", None)]


async def test_the_last_reading_is_waited_for_in_further_attempts(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts_periods, "_SETTLE_S", 0.0)
    period = await with_connection(bench)
    entries = [entry for entry in await bench.pick() if entry.entrypoint == periods.CLOSE_JOB]
    await bench.run(entries)
    waiting = await found(bench, period.id)
    assert (waiting.state, waiting.step, waiting.cut) == (State.CLOSING, types.Step.NONE, None)
    async with bench.database.transaction(bench.organization_id) as uow:
        asked = await uow.conn.fetchval("SELECT count(*) FROM jobs WHERE name = 'connections.poll' AND state = 'queued'")
    assert asked == 1
