"""The jobs of receipts: a closed month gets its receipt by itself, a deferred one with the next lot; killed anywhere it is issued once."""

from __future__ import annotations

from types import ModuleType
from typing import Any
from uuid import UUID

import pytest

from carbonledger.domains.identity.service import house
from carbonledger.domains.receipts.service import bundling, closing, issuing, log, proving
from carbonledger.domains.receipts.service import credits as inventory
from carbonledger.domains.receipts.store import receipts as store
from carbonledger.domains.receipts.types import receipts as types
from carbonledger.domains.receipts.types.receipts import Receipt, State
from carbonledger.entrypoints.shared import signing
from carbonledger.entrypoints.worker import activity
from carbonledger.entrypoints.worker import receipts as jobs
from carbonledger.infra import clock, db, queue
from carbonledger_proof import audit
from tests.integration.domains.receipts import logs
from tests.integration.domains.receipts.inventories import TONNE
from tests.integration.domains.receipts.offices import Office
from tests.integration.entrypoints.worker.conftest import Bench
from tests.integration.entrypoints.worker.test_receipts_periods import Killed, dying
from tests.unit.domains.receipts import credit_files as files


@pytest.fixture
async def office(bench: Bench) -> Office:
    queue.subscriber(closing.CLOSED, job=jobs.ISSUE_JOB)  # the bench forgets what subscribes
    queue.subscriber(inventory.IMPORTED, job=jobs.RETRY_JOB)
    async with bench.database.transaction() as uow:
        found = await house.ensure(uow, at=clock.now(), email="owner@example.com")
    made = Office(logs.Kit(bench.database, found.organization_id, bench.services.sealer), bench.services.settings.home / "files")
    await made.plan(bench.organization_id, has_receipts=True)
    return made


async def run_to_the_end(bench: Bench) -> None:
    for _ in range(12):
        await bench.make_due()
        if not await bench.run_once(heartbeat_timeout_s=0.0):
            return


async def the_receipt(bench: Bench, office: Office) -> Receipt:
    (receipt,) = await office.every(bench.organization_id)
    return receipt


async def is_whole(bench: Bench, office: Office) -> None:
    """There is one receipt, with its credits, its leaf, its bundle and its page, and nobody finds anything wrong."""
    receipt = await the_receipt(bench, office)
    assert receipt.state is State.ISSUED
    for content in (receipt.bundle, receipt.document):
        report = await office.report(content)
        assert report.ok, report
    assert await office.inventory.remaining() == [TONNE - receipt.required_mg]
    contents = await office.kit.contents()
    async with bench.database.transaction() as uow:
        note, origin = (await log.latest(uow)).note, await log.origin(uow)
        assert await uow.conn.fetchval("SELECT sum(issued) FROM receipt_counters") == 1
    assert origin is not None
    assert audit.audit(contents, [note], origin=origin) == []
    assert [event["action"] for event in await bench.events() if event["action"] == issuing.ISSUED] == [issuing.ISSUED]
    async with bench.database.transaction(bench.organization_id) as uow:
        states = {row["state"] for row in await uow.conn.fetch("SELECT state FROM jobs WHERE name LIKE 'receipts.%'")}
    assert states == {"succeeded"}


async def test_a_month_that_closes_gets_its_receipt_with_bundle_and_page(bench: Bench, office: Office) -> None:
    await office.inventory.take_in(files.block(1, 1))
    await run_to_the_end(bench)
    await office.closed(bench.organization_id)
    await run_to_the_end(bench)
    await is_whole(bench, office)


async def test_one_that_waits_is_issued_by_itself_when_a_lot_is_imported(bench: Bench, office: Office) -> None:
    await office.closed(bench.organization_id)
    await run_to_the_end(bench)
    assert (await the_receipt(bench, office)).state is State.DEFERRED
    await office.inventory.take_in(files.block(1, 1))
    await run_to_the_end(bench)
    await is_whole(bench, office)


async def test_one_that_cannot_be_issued_keeps_none_of_the_others_back(
    bench: Bench, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await office.customer()
    await signing.ready(bench.services, at=clock.now())
    await office.issue(other, await office.closed(other))
    await office.closed(bench.organization_id)
    await run_to_the_end(bench)
    real = issuing.issue

    async def issue(uow: object, *, turn: issuing.Turn, period_id: UUID) -> Receipt | None:
        if turn.organization_id == other:
            raise types.SerialsExhausted("the first in the row")
        return await real(uow, turn=turn, period_id=period_id)  # type: ignore[arg-type]  # what the job gives is passed on

    monkeypatch.setattr(issuing, "issue", issue)
    await office.inventory.take_in(files.block(1, 1))
    await bench.run_once()
    assert (await the_receipt(bench, office)).state is State.ISSUED


async def test_a_plan_without_receipts_gets_none(bench: Bench, office: Office) -> None:
    await office.plan(bench.organization_id, has_receipts=False)
    await office.closed(bench.organization_id)
    await run_to_the_end(bench)
    assert await office.every(bench.organization_id) == []


async def test_one_that_is_issued_while_another_is_proven_is_proven_by_its_own_job(
    bench: Bench, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.inventory.take_in(files.block(1, 1))
    await run_to_the_end(bench)
    await office.closed(bench.organization_id)
    real = bundling.prove
    made: list[int] = []

    async def prove(uow: db.UnitOfWork, **given: Any) -> tuple[Receipt, ...]:
        if not made:  # the log is signed, and another receipt comes before anything is read
            await office.supersede(bench.organization_id, (await the_receipt(bench, office)).id)
        proven = await real(uow, **given)
        made.append(len(proven))
        return proven

    monkeypatch.setattr(bundling, "prove", prove)
    await run_to_the_end(bench)
    assert made == [1, 1]
    assert [one.bundle is not None for one in await office.every(bench.organization_id)] == [True, True]
    async with bench.database.transaction(bench.organization_id) as uow:
        ended = await uow.conn.fetch("SELECT state, attempts FROM jobs WHERE name = $1", issuing.PROVE_JOB)
    assert [tuple(row) for row in ended] == [("succeeded", 1), ("succeeded", 1)]


async def test_a_month_whose_issue_was_parked_gets_its_receipt_the_next_night(
    bench: Bench, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.inventory.take_in(files.block(1, 1))
    await run_to_the_end(bench)
    await office.closed(bench.organization_id)

    async def fails(*args: object, **given: object) -> None:
        raise types.SerialsExhausted("of the test")

    with monkeypatch.context() as patch:
        patch.setattr(issuing, "issue", fails)
        await run_to_the_end(bench)
    assert await office.every(bench.organization_id) == []
    await bench.ask(activity.RETURN_JOB)
    await run_to_the_end(bench)
    await is_whole(bench, office)


STEPS: list[tuple[ModuleType, str]] = [
    (proving, "salt"),
    (issuing, "issue"),
    (store, "count_one"),
    (inventory, "allocate"),
    (log, "append"),
    (store, "add"),
    (issuing, "_ask_for_proof"),
    (issuing, "_tell"),
    (log, "checkpoint"),
    (bundling, "prove"),
    (log, "covering"),
    (store, "put"),
]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("module, name", STEPS)
async def test_killed_at_any_step_it_is_issued_once_and_proven(
    bench: Bench, office: Office, monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, after: bool
) -> None:
    await office.inventory.take_in(files.block(1, 1))
    await run_to_the_end(bench)
    await office.closed(bench.organization_id)
    dying(monkeypatch, module, name, after=after)
    with pytest.raises(Killed):
        await run_to_the_end(bench)
    await run_to_the_end(bench)
    await is_whole(bench, office)


async def test_one_that_is_superseded_and_its_successor_are_both_proven_by_the_job(bench: Bench, office: Office) -> None:
    await office.inventory.take_in(files.block(1, 1))
    await run_to_the_end(bench)
    await office.closed(bench.organization_id)
    await run_to_the_end(bench)
    old = await the_receipt(bench, office)
    await office.supersede(bench.organization_id, old.id)
    await run_to_the_end(bench)
    new, ended = await office.every(bench.organization_id)
    assert [(await office.report(one.document)).ok for one in (new, ended)] == [True, False]
