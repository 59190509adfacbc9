"""The jobs of subscriptions: the hourly advance, killed in the middle and run again; and what follows a new plan version or a move."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from carbonledger.domains.accounts import service as accounts
from carbonledger.domains.catalog import service as catalog
from carbonledger.domains.catalog.types import Migration
from carbonledger.domains.catalog.types.drafts import VersionDraft
from carbonledger.domains.subscriptions import service
from carbonledger.domains.subscriptions.service import advancing, checking, recording
from carbonledger.entrypoints.worker import subscriptions as jobs
from carbonledger.infra import clock
from carbonledger.infra.queue import registry
from tests.integration.domains.subscriptions.conftest import Desk, flat
from tests.integration.entrypoints.worker.conftest import Bench


class Killed(BaseException):
    """What stands for the death of a process: nothing after it is done, and no handler of the code sees it."""


DECLARED = tuple(one for one in registry.declared.subscribers if one.job in {jobs.MIGRATE_JOB, jobs.MOVE_JOB})


@pytest.fixture
async def desk(bench: Bench) -> Desk:
    """Five subscriptions that began forty days ago, so that a period of each has begun since."""
    registry.declared.subscribers.extend(DECLARED)  # the bench has put all of them aside
    made = Desk(bench.database, bench.organization_id, now=clock.now() - timedelta(days=40))
    for _ in range(5):
        await made.begin()
    return made


async def renewed(desk: Desk) -> tuple[int, int]:
    """How many renewals were told, and how many subscriptions something is due of."""
    async with desk.database.transaction(desk.organization_id) as uow:
        told = await uow.conn.fetchval("SELECT count(*) FROM events WHERE action = 'subscription.renewed'")
        left = await uow.conn.fetchval("SELECT count(*) FROM subscriptions WHERE next_due_at <= now()")
    return told, left


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("dies_at", [1, 2, 3])
async def test_an_advance_that_is_killed_goes_on_with_what_is_due(
    bench: Bench, desk: Desk, monkeypatch: pytest.MonkeyPatch, dies_at: int, after: bool
) -> None:
    monkeypatch.setattr(advancing, "BATCH", 2)
    monkeypatch.setattr(service.advance, "__kwdefaults__", {"limit": 2})
    real: Callable[..., Awaitable[Any]] = recording.bring
    calls = 0

    async def dying(*arguments: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if calls == dies_at and not after:
            raise Killed
        result = await real(*arguments, **named)
        if calls == dies_at:
            raise Killed
        return result

    monkeypatch.setattr(recording, "bring", dying)
    job_id = await bench.ask(jobs.ADVANCE_JOB)
    with pytest.raises(Killed):
        await bench.run_once()
    assert await renewed(desk) == (2 * (dies_at - 1), 5 - 2 * (dies_at - 1))  # whole batches, nothing of the one it died in
    await bench.make_due()
    await bench.run_once(heartbeat_timeout_s=0.0)
    assert (await bench.job(job_id)).state.value == "succeeded"
    assert await renewed(desk) == (5, 0)


@pytest.mark.parametrize(
    "column, how",
    [
        ("status", "status = 'paused'"),
        ("next_due_at", "next_due_at = next_due_at + interval '1 day'"),
        ("next_due_at", "next_due_at = NULL, billable_at = NULL"),
        ("next_due_at", "next_due_at = next_due_at - interval '60 days'"),  # nobody advanced it
        ("billable_at", "billable_at = NULL"),
        ("billable_at", "billable_at = next_due_at + interval '1 second'"),
        ("facts", "facts = facts + 1"),
    ],
)
async def test_a_row_that_somebody_reached_into_is_found_at_night(bench: Bench, desk: Desk, column: str, how: str) -> None:
    await desk.advance(clock.now())
    await desk.bill()
    job_id = await bench.ask(checking.CHECK_JOB)
    await bench.run_once()
    assert (await bench.job(job_id)).result == {"wrong": []}
    async with desk.database.transaction(desk.organization_id) as uow:
        tampered = await uow.conn.fetchval("SELECT id FROM subscriptions ORDER BY id DESC LIMIT 1")
        await uow.conn.execute(f"UPDATE subscriptions SET {how} WHERE id = $1", tampered)
    job_id = await bench.ask(checking.CHECK_JOB)
    await bench.run_once()
    assert (await bench.job(job_id)).result == {"wrong": [str(tampered)]}
    async with desk.database.transaction(desk.organization_id) as uow:
        (told,) = await uow.conn.fetch("SELECT severity, audience, after FROM events WHERE action = 'subscriptions.wrong'")
    assert (told["severity"], told["after"]["count"]) == ("critical", 1)
    assert column in told["after"]["subscriptions"][str(tampered)]


async def test_what_was_never_billed_and_would_not_be_found_is_told(bench: Bench, desk: Desk) -> None:
    await desk.advance(clock.now())
    async with desk.database.transaction(desk.organization_id) as uow:
        await uow.conn.execute("UPDATE subscriptions SET billable_at = next_due_at")
    job_id = await bench.ask(checking.CHECK_JOB)
    await bench.run_once()
    assert len((await bench.job(job_id)).result["wrong"]) == 5


async def test_a_version_that_takes_its_subscriptions_along_does(bench: Bench, desk: Desk) -> None:
    desk.now = clock.now()
    draft = VersionDraft(values={"migration": Migration.NOW}, charges=(flat("90"),))
    await desk.do(catalog.change_plan, at=clock.now(), plan_id=desk.plans["basic"].id, values={}, draft=draft)
    while await bench.run_once():
        pass
    async with desk.database.transaction(desk.organization_id) as uow:
        moved = await uow.conn.fetchval("SELECT count(*) FROM subscription_facts WHERE kind = 'plan_changed'")
    assert moved == 5


async def test_subscriptions_follow_an_account_that_moves(bench: Bench, desk: Desk) -> None:
    desk.now = clock.now()
    for values in ({"time_zone": "Europe/Berlin"}, {"name": "Another"}):
        await desk.do(accounts.change, account_id=desk.account_id, values=values)
        while await bench.run_once():
            pass
    async with desk.database.transaction(desk.organization_id) as uow:
        moved = await uow.conn.fetch("SELECT zone FROM subscription_facts WHERE kind = 'zone_changed'")
    assert [row["zone"] for row in moved] == ["Europe/Berlin"] * 5
