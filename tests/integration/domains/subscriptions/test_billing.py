"""What a bill run takes: everything once, whatever happens between two runs, in one, and to one that dies; and the advance beside it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from carbonledger.domains.subscriptions import service
from carbonledger.domains.subscriptions.service import advancing, billing
from carbonledger.domains.subscriptions.types import Status, When
from carbonledger.kernel import actor
from tests.integration.domains.subscriptions.conftest import START, Desk, at, flat


async def test_each_charge_is_taken_once(desk: Desk) -> None:
    await desk.begin()
    assert [due.billable_at for due in await desk.bill()] == [START]
    assert await desk.bill() == []
    desk.now = at("2026-08-15")  # nobody billed in July
    assert [due.billable_at for due in await desk.bill()] == [at("2026-07-01"), at("2026-08-01")]
    assert await desk.see(billing.next_billable_at, until=at("2026-08-31")) is None
    assert await desk.see(billing.next_billable_at, until=at("2026-09-01")) == at("2026-09-01")


async def test_a_run_that_dies_leaves_all_to_the_next(desk: Desk) -> None:
    await desk.begin()
    died = RuntimeError("killed")
    with pytest.raises(RuntimeError):
        async with desk.database.transaction(desk.organization_id) as uow:
            first = await billing.due(uow, organization_id=desk.organization_id, until=desk.now)
            await billing.billed(uow, organization_id=desk.organization_id, until=desk.now)
            raise died
    assert tuple(await desk.bill()) == first[desk.account_id or UUID(int=0)]


async def test_a_change_at_the_very_instant_of_the_bill_is_billed_next(desk: Desk) -> None:
    # The clock of a sandbox stands still: bill, change, bill, all at one instant.
    made = await desk.begin()
    [first] = await desk.bill()
    bigger = await desk.plan("bigger", flat("60"))
    await desk.do(service.change_plan, subscription_id=made.subscription.id, plan_id=bigger.id, when=When.NOW)
    credit, charge = await desk.bill()
    assert (credit.credits, credit.numerator, charge.numerator, charge.billable_at) == (first.cause, 30, 30, START)
    assert await desk.bill() == []


async def test_what_comes_to_nothing_before_it_is_billed_is_left_out(desk: Desk) -> None:
    made = await desk.begin()
    for seats in (2, 3):
        await desk.do(service.change_quantity, subscription_id=made.subscription.id, quantity=seats)
    bigger = await desk.plan("bigger", flat("60"))
    await desk.do(service.change_plan, subscription_id=made.subscription.id, plan_id=bigger.id, when=When.NOW)
    [only] = await desk.bill()
    assert (only.plan_version_id, only.numerator) == (bigger.version.id if bigger.version else None, 30)


async def test_of_which_nothing_is_due_is_not_asked_again(desk: Desk) -> None:
    await desk.begin("trial", trial_days=14)
    assert await desk.see(billing.accounts_due, until=desk.now, limit=10) == (desk.account_id,)
    assert await desk.see(billing.due, until=desk.now) == {}
    assert await desk.see(billing.accounts_due, until=desk.now, limit=10) == ()
    assert await desk.see(billing.next_billable_at, until=at("2026-12-01")) == at("2026-06-15")


async def test_money_that_fails_or_comes_makes_nothing_due(desk: Desk) -> None:
    made = await desk.begin()
    assert len(await desk.bill()) == 1
    for failed in (True, False):  # as a bill run does that pays with what an account has left
        await desk.do(service.record_payment, subscription_id=made.subscription.id, failed=failed)
        assert await desk.see(billing.accounts_due, until=desk.now, limit=10) == ()
    assert await desk.actions(made.subscription.id) == [("created", "06-01"), ("past_due", "06-01"), ("settled", "06-01")]


async def test_what_begins_between_the_two_steps_of_a_run_stays_to_be_billed(desk: Desk) -> None:
    await desk.begin()
    async with desk.database.transaction(desk.organization_id) as uow:
        names: dict[str, Any] = {"organization_id": desk.organization_id, "account_ids": [desk.account_id], "until": desk.now}
        found = await billing.due(uow, **names)
        late = await desk.begin()  # committed while the run works
        await billing.billed(uow, **names)
    assert len(found) == 1
    assert [due.subscription_id for due in await desk.bill()] == [late.subscription.id]


async def test_accounts_come_batch_by_batch_and_only_those_asked_for(desk: Desk) -> None:
    accounts = sorted([await desk.account(str(number)) for number in range(5)])
    for account_id in accounts:
        await desk.begin(account_id=account_id)
    after: UUID | None = None
    batches = []
    while batch := await desk.see(billing.accounts_due, until=desk.now, after=after, limit=2):
        batches.append(batch)
        after = batch[-1]
    assert batches == [tuple(accounts[:2]), tuple(accounts[2:4]), tuple(accounts[4:])]
    assert [due.account_id for due in await desk.bill(account_ids=accounts[:1])] == accounts[:1]
    assert await desk.see(billing.accounts_due, until=desk.now, limit=9) == tuple(accounts[1:])


async def test_runs_and_changes_at_once_take_everything_once(desk: Desk) -> None:
    bigger = await desk.plan("bigger", flat("60", per_seat=True))
    made = [(await desk.begin(account_id=await desk.account(str(number)))).subscription.id for number in range(4)]
    taken: list[str] = []

    async def run() -> None:
        taken.extend(due.cause for due in await desk.bill())

    async def change(number: int) -> None:
        subscription_id = made[number % len(made)]
        if number % 3:
            await desk.do(service.change_quantity, subscription_id=subscription_id, quantity=number, when=When.NOW)
        else:
            await desk.do(service.change_plan, subscription_id=subscription_id, plan_id=bigger.id, when=When.NOW)

    await asyncio.gather(*(run() if number % 2 else change(number) for number in range(40)))
    await run()
    assert len(taken) == len(set(taken))
    # Nothing is missing: what stands debited in the end is what each of them has.
    for subscription_id in made:
        row = await desk.row(subscription_id)
        assert row["billed_facts"] == row["facts"]
    assert await desk.bill() == []


async def test_time_brings_about_what_was_planned_and_tells_it(desk: Desk) -> None:
    made = await desk.begin("trial", trial_days=14)
    subscription_id = made.subscription.id
    await desk.do(service.cancel, subscription_id=subscription_id, when=When.RENEWAL)
    await desk.do(service.reactivate, subscription_id=subscription_id)
    desk.now = at("2026-06-20")
    await desk.do(service.pause, subscription_id=subscription_id, until=at("2026-06-25"))
    await desk.do(service.change_quantity, subscription_id=subscription_id, quantity=7, when=When.RENEWAL)
    assert await desk.advance(at("2026-08-20")) == 1
    assert await desk.advance(at("2026-08-20")) == 0  # again: nothing
    told = await desk.actions(subscription_id)
    assert told[3:] == [
        ("trial_ended", "06-15"),
        ("paused", "06-20"),
        ("planned", "06-20"),
        ("planned", "06-20"),
        ("resumed", "06-25"),
        ("quantity_changed", "07-15"),
        ("renewed", "07-15"),
        ("renewed", "08-15"),
    ]
    row = await desk.row(subscription_id)
    assert (row["status"], row["next_due_at"], row["billable_at"]) == ("active", at("2026-09-15"), START)


async def test_an_advance_that_dies_is_done_again_whole(desk: Desk) -> None:
    made = await desk.begin()
    desk.now = at("2026-07-01")
    with pytest.raises(RuntimeError):
        async with desk.database.transaction(desk.organization_id) as uow:
            await service.run_due(uow, actor.system(desk.organization_id), desk.now)
            raise RuntimeError("killed")
    assert await desk.advance(desk.now) == 1
    assert await desk.actions(made.subscription.id) == [("created", "06-01"), ("renewed", "07-01")]


async def test_all_that_is_due_at_an_instant_is_done(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advancing, "BATCH", 2)
    for _ in range(5):
        await desk.begin()
    desk.now = at("2026-07-01")
    async with desk.database.transaction(desk.organization_id) as uow:
        assert await service.next_due(uow, desk.organization_id, at("2026-12-31")) == desk.now
        await service.run_due(uow, actor.system(desk.organization_id), desk.now)
        assert await service.next_due(uow, desk.organization_id, at("2026-07-31")) is None


async def test_a_cancellation_that_took_effect_frees_the_account(desk: Desk) -> None:
    made = await desk.begin()
    await desk.do(service.cancel, subscription_id=made.subscription.id, when=When.RENEWAL)
    await desk.advance(at("2026-07-01"))
    async with desk.database.transaction(desk.organization_id) as uow:
        assert await uow.conn.fetchval("SELECT live FROM account_uses WHERE account_id = $1", desk.account_id) == 0
    row = await desk.row(made.subscription.id)
    assert (row["status"], row["next_due_at"]) == (Status.CANCELED.value, None)


async def test_cancellations_at_once_are_all_counted(desk: Desk) -> None:
    made = [(await desk.begin()).subscription.id for _ in range(6)]
    await asyncio.gather(*(desk.do(service.cancel, subscription_id=subscription_id) for subscription_id in made))
    async with desk.database.transaction(desk.organization_id) as uow:
        assert await uow.conn.fetchval("SELECT live FROM account_uses WHERE account_id = $1", desk.account_id) == 0


async def test_a_clock_a_little_behind_loses_no_charge(desk: Desk) -> None:
    # Another machine's clock, a second behind the one that billed.
    made = await desk.begin()
    desk.now = START + timedelta(seconds=1)
    await desk.bill()
    desk.now = START
    await desk.do(service.change_quantity, subscription_id=made.subscription.id, quantity=2)
    bigger = await desk.plan("bigger", flat("60"))
    await desk.do(service.change_plan, subscription_id=made.subscription.id, plan_id=bigger.id, when=When.NOW)
    desk.now = START + timedelta(seconds=2)
    assert [due.kind.value for due in await desk.bill()] == ["credit", "charge"]
