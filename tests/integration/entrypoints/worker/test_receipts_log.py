"""Jobs of the public log: whatever is appended is signed, wherever a worker dies; and the nightly check finds what a hand has changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from carbonledger.domains.identity.service import house
from carbonledger.domains.receipts.service import checking, keys, log
from carbonledger.entrypoints.worker import runner
from carbonledger.infra import clock, outbox, queue
from carbonledger.infra.queue import registry
from carbonledger.kernel import page
from carbonledger_proof import audit, checkpoint
from carbonledger_proof import keys as proof_keys
from tests import conftest
from tests.integration.domains.receipts import logs
from tests.integration.domains.receipts.test_log_append_only import connect
from tests.integration.entrypoints.worker import test_polls_killed as killing
from tests.integration.entrypoints.worker.conftest import Bench
from tests.integration.entrypoints.worker.test_polls_killed import fate

__all__ = ["fate"]  # a fixture
NIGHT = datetime(2026, 11, 26, tzinfo=UTC)


@pytest.fixture
async def kit(bench: Bench) -> logs.Kit:
    """Return the log of the bench, with a house."""
    async with bench.database.transaction() as uow:
        found = await house.ensure(uow, at=clock.now(), email="owner@example.com")
    return logs.Kit(bench.database, found.organization_id, bench.services.sealer)


async def run_all(bench: Bench) -> None:
    while await bench.run_once(heartbeat_timeout_s=0.0):
        pass


async def append(bench: Bench, number: int) -> None:
    """Append a lot, as the organization of the bench."""
    async with bench.database.transaction(bench.organization_id) as uow:
        now = clock.now()
        await log.append(uow, statement=logs.lot(number, at=await log.turn(uow, at=now)), at=now)


async def everything_is_signed(bench: Bench, kit: logs.Kit) -> None:
    contents = await kit.contents()
    async with bench.database.transaction(read_only=True) as uow:
        notes = [row["note"] for row in await uow.conn.fetch("SELECT note FROM log_checkpoints ORDER BY size")]
        origin = await log.origin(uow)
        known = await keys.published(uow)
    assert origin is not None
    said, _ = checkpoint.verified(notes[-1], origin=origin, keys=[key.public for key in known.of(proof_keys.Purpose.LOG)])
    assert said.size == len(contents)
    assert audit.audit(contents, notes, origin=origin) == []


async def test_what_is_appended_is_signed_by_the_job_that_was_asked_for_with_it(bench: Bench, kit: logs.Kit) -> None:
    await append(bench, 1)
    await append(bench, 2)
    await run_all(bench)
    await everything_is_signed(bench, kit)
    assert len(await kit.contents()) == 4


async def test_what_is_appended_when_a_job_has_signed_and_not_yet_ended_is_signed_by_another(
    bench: Bench, kit: logs.Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    await kit.ready()
    await run_all(bench)
    await append(bench, 1)
    run = registry.declared.handlers[log.SIGN_JOB].run
    late: list[int] = []

    async def signs_then_waits(work: runner.StepsJob) -> object:
        result = await run(work)
        if not late:
            late.append(2)
            await append(bench, 2)
        return result

    bench.declare(log.SIGN_JOB, signs_then_waits, in_transaction=False)
    await run_all(bench)
    await everything_is_signed(bench, kit)
    assert len(await kit.contents()) == 4


async def test_what_no_job_has_signed_is_signed_within_the_hour(bench: Bench, kit: logs.Kit) -> None:
    await kit.ready()
    await append(bench, 1)
    async with bench.database.transaction(bench.organization_id) as uow:  # as if what the append asked for was parked
        for job in (await queue.live(uow, name=log.SIGN_JOB, dedupe_keys=["after 0"])).values():
            await queue.cancel(uow, job_id=job.id)
    schedule = registry.declared.schedules[log.SIGN_JOB]
    assert (schedule.job, schedule.each_organization) == (log.SIGN_JOB, False)
    assert len({schedule.cron.next_after(NIGHT + timedelta(hours=hour)) for hour in range(24)}) == 24
    await bench.ask(log.SIGN_JOB)
    await run_all(bench)
    await everything_is_signed(bench, kit)


async def test_where_nothing_was_ever_appended_no_key_is_made_to_sign_it(bench: Bench, kit: logs.Kit) -> None:
    """The first key gives the log its name, for ever: that is not for a schedule to do."""
    job_id = await bench.ask(log.SIGN_JOB)
    await run_all(bench)
    assert (await bench.job(job_id)).result == {"size": None}
    async with bench.database.transaction(read_only=True) as uow:
        assert tuple(await keys.published(uow)) == ()
        assert await log.origin(uow) is None


def killing_often(bench: Bench) -> None:
    handler = registry.declared.handlers[log.SIGN_JOB]
    bench.declare(log.SIGN_JOB, handler.run, in_transaction=False, attempts_max=100_000, timeout_s=handler.timeout_s)


async def test_signing_is_killed_at_every_step_the_first_keys_included(bench: Bench, kit: logs.Kit, fate: killing.Fate) -> None:
    killing_often(bench)
    killed = 0
    while True:
        bench.database.remembered.clear()  # as in a process that has just started
        await append(bench, killed)
        if await killing.attempt(bench, fate, killed + 1):
            break
        killed += 1
        await run_all(bench)
        await everything_is_signed(bench, kit)
    await run_all(bench)
    await everything_is_signed(bench, kit)
    assert killed > 15, killed
    assert {"before BEGIN", "before COMMIT", "after COMMIT", "execute", "fetchrow"} <= set(fate.places)
    async with bench.database.transaction(read_only=True) as uow:
        assert len(tuple(await keys.published(uow))) == 2


async def test_a_transaction_that_dies_with_its_leaf_leaves_neither_leaf_nor_hole(bench: Bench, kit: logs.Kit, fate: killing.Fate) -> None:
    appended, killed = 0, 0
    while True:
        fate.start(killed + 1)
        try:
            await append(bench, killed)
        except killing.Killed:
            killed += 1
            appended += fate.places[-1] == "after COMMIT"
            continue
        finally:
            fate.start(None)
        break
    contents = await kit.contents()
    assert len(contents) == appended + 1 == 2
    assert killed > 8, killed
    await run_all(bench)
    await everything_is_signed(bench, kit)


async def check(bench: Bench) -> dict[str, int]:
    asked = await bench.ask(checking.CHECK_JOB)
    await run_all(bench)
    result: dict[str, int] = (await bench.job(asked)).result
    return result


async def alerts(bench: Bench) -> list[outbox.Event]:
    async with bench.database.transaction(bench.organization_id) as uow:
        found = await outbox.events(uow, filters=outbox.Filters(action=checking.DIFFERS), request=page.PageRequest())
    return list(found.data)


OTHER_WOOD = "UPDATE log_leaves SET leaf = convert_to(replace(convert_from(leaf, 'utf8'), 'wood', 'moor'), 'utf8') WHERE index = 7"
TAMPERING = {
    "leaf_hash: leaf 7": OTHER_WOOD,
    "checkpoint_root: checkpoint 302": f"{OTHER_WOOD}; UPDATE log_leaves SET hash = sha256('\\x00'::bytea || leaf) WHERE index = 7",
    "node: node 8/0": "UPDATE log_nodes SET hash = sha256(hash)",
    "head: head of 302": "UPDATE log_head SET peaks = substr(sha256(peaks), 1, 32) || substr(peaks, 33)",
    "leaves: leaf 301": "DELETE FROM log_leaves WHERE index = 301",
    "leaves: leaf 302": "INSERT INTO log_leaves VALUES (302, 'lot.imported', '{}', sha256('\\x00'::bytea || '{}'::bytea), now())",
    "checkpoint_signature: checkpoint 302": "UPDATE log_checkpoints SET note = replace(note, '302', '301')",
    "unsigned: leaf 0": "UPDATE log_head SET signed_size = 0, last_at = now() - interval '2 hours'; DELETE FROM log_checkpoints",
}


async def tamper(database: conftest.TestDatabase, statement: str) -> None:
    """Do what no role may: as the superuser, with every guard taken away."""
    conn = await connect(database, "superuser")
    try:
        await conn.execute("SET session_replication_role = replica; ALTER TABLE log_leaves DROP CONSTRAINT log_leaves_hash_check")
        await conn.execute(statement)
    finally:
        await conn.close()


@pytest.mark.parametrize("found", sorted(TAMPERING))
async def test_the_nightly_check_finds_what_a_hand_has_changed(
    bench: Bench, kit: logs.Kit, fresh_database: conftest.TestDatabase, found: str
) -> None:
    await kit.ready()
    await kit.append(*range(300))
    await run_all(bench)
    assert await check(bench) == {"leaves": 302, "differences": 0}
    assert await alerts(bench) == []
    await tamper(fresh_database, TAMPERING[found])
    assert (await check(bench))["differences"] > 0
    [alert] = await alerts(bench)
    assert (alert.severity, alert.audience) == ("critical", (outbox.OPERATORS,))
    assert found in alert.after["first"]


def test_the_log_is_checked_every_night() -> None:
    assert not registry.declared.schedules[checking.CHECK_JOB].each_organization
