"""A worker is killed (SIGKILL) in the middle of each step of closing a month, of issuing its receipt, and of making its audit pack: another
goes on, and it is done once, with the same digits.
"""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from carbonledger.domains.identity.service import entitlements, house
from carbonledger.domains.receipts.service import bundling, closing, issuing, log, packing, packs, periods, proving
from carbonledger.domains.receipts.types.packs import AUDIT_PACKS
from carbonledger.domains.receipts.types.packs import State as PackState
from carbonledger.domains.receipts.types.periods import State
from carbonledger.domains.receipts.types.receipts import RECEIPTS
from carbonledger.infra import clock, objects
from carbonledger.kernel import actor
from carbonledger_proof import pack as proof
from carbonledger_proof import verify
from tests.integration.domains.telemetry import kit as ledger
from tests.journeys.workers import standing_still
from tests.journeys.workers.conftest import PRODUCT, Plant, end, eventually

OCTOBER, NOVEMBER = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
LATER = NOVEMBER + timedelta(days=9)
STANDING_STILL = ("-m", standing_still.__name__)
CLOSED = ("closed", 3, 3, 1, 3, 1, 1)
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
RECEIPT_STEPS: list[tuple[ModuleType, str]] = [(issuing, "issue"), (log, "checkpoint"), (bundling, "prove")]
PACK_STEPS = ["gather", "stream", "seal", "check", "finish"]


async def due(plant: Plant, *, emits: bool = True) -> None:
    """October with three events, over for nine days by the organization's clock, and asked to be closed. ``emits``: they are of a model."""
    draft = ledger.draft if emits else functools.partial(ledger.metered, quantity="1")
    items = [draft(f"k{number}", at=OCTOBER + timedelta(days=number)) for number in range(3)]
    await ledger.accept(plant.database, plant.organization_id, *items, at=NOVEMBER)
    mine = plant.organization_id
    async with plant.database.transaction(mine) as uow:
        await uow.conn.execute("UPDATE organizations SET is_sandbox = true, clock_at = $1 WHERE id = $2", LATER, mine)
        await periods.advance(uow, actor=actor.system(mine), now=LATER, organization_id=mine)


async def digits(plant: Plant) -> tuple[object, ...]:
    """All that closing wrote, without ids and times."""
    async with plant.database.transaction(plant.organization_id) as uow:
        row = await uow.conn.fetchrow("SELECT state, events, leaves FROM periods WHERE month = $1", OCTOBER.date())
        lines = await uow.conn.fetch("SELECT events FROM period_lines")
        told = await uow.conn.fetchval("SELECT count(*) FROM events WHERE action = $1", closing.CLOSED)
        cuts = await uow.conn.fetchval("SELECT cuts FROM telemetry_closings")
    assert row is not None
    return *row, len(lines), sum(line["events"] for line in lines), told, cuts


async def state(plant: Plant) -> str:
    async with plant.database.transaction(plant.organization_id) as uow:
        found: str = await uow.conn.fetchval("SELECT state FROM periods WHERE month = $1", OCTOBER.date())
    return found


async def killed_in(plant: Plant, module: ModuleType, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a worker come to the middle of a step, and kill it there."""
    reached = folder / "reached"
    monkeypatch.setenv("STAND_STILL_AT", f"{module.__name__}:{name}")
    monkeypatch.setenv("STAND_STILL_FILE", str(reached))
    process = plant.start(STANDING_STILL)

    async def stands() -> bool:
        return reached.exists() or process.poll() is not None

    await eventually(stands)
    assert reached.exists(), "it ended by itself"
    end(process)


@pytest.mark.parametrize("module, name", STEPS, ids=[name for _, name in STEPS])
async def test_killed_in_the_middle_of_a_step_the_month_is_closed_once_with_the_same_digits(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str
) -> None:
    await due(plant)
    await killed_in(plant, module, name, tmp_path, monkeypatch)
    assert await state(plant) == State.CLOSING.value
    plant.start(PRODUCT)

    async def is_closed() -> bool:
        return await state(plant) == State.CLOSED.value

    await eventually(is_closed)
    assert await digits(plant) == CLOSED


@pytest.mark.parametrize("module, name", RECEIPT_STEPS, ids=[name for _, name in RECEIPT_STEPS])
async def test_killed_in_the_middle_of_a_step_the_receipt_is_issued_once_and_proven(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str
) -> None:
    mine, at = plant.organization_id, clock.now()
    async with plant.database.transaction() as uow:
        await house.ensure(uow, at=at, email="owner@example.com")
    async with plant.database.transaction(mine) as uow:
        await entitlements.grant(uow, actor=actor.system(mine), now=at, at=at, organization_id=mine, quotas={}, features={RECEIPTS: True})
    await due(plant, emits=False)  # so no credits are needed: what is killed while it allocates some is under test in ``worker``
    await killed_in(plant, module, name, tmp_path, monkeypatch)
    plant.start(PRODUCT)

    async def bundles() -> list[bytes | None]:
        async with plant.database.transaction(mine) as uow:
            return [row["bundle"] for row in await uow.conn.fetch("SELECT bundle FROM receipts WHERE state = 'issued'")]

    async def is_proven() -> bool:
        return [one is not None for one in await bundles()] == [True]

    await eventually(is_proven)
    (content,) = await bundles()
    assert content is not None
    assert verify.bundle(content).ok
    async with plant.database.transaction(mine) as uow:
        assert await uow.conn.fetchval("SELECT count(*) FROM events WHERE action = $1", issuing.ISSUED) == 1
        assert await uow.conn.fetchval("SELECT sum(issued) FROM receipt_counters") == 1


@pytest.mark.parametrize("name", PACK_STEPS)
async def test_killed_in_the_middle_of_a_step_the_audit_pack_is_made_once_and_whole(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    mine, at = plant.organization_id, clock.now()
    async with plant.database.transaction() as uow:
        await house.ensure(uow, at=at, email="owner@example.com")
    async with plant.database.transaction(mine) as uow:
        await entitlements.grant(
            uow, actor=actor.system(mine), now=at, at=at, organization_id=mine, quotas={}, features={AUDIT_PACKS: True}
        )
    await due(plant)
    first = plant.start(PRODUCT)

    async def is_closed() -> bool:
        return await state(plant) == State.CLOSED.value

    await eventually(is_closed)
    end(first)
    async with plant.database.transaction(mine) as uow:
        await packs.order(uow, actor=actor.system(mine), now=LATER, organization_id=mine, month=OCTOBER.date(), upgrade_url="")
    await killed_in(plant, packing, name, tmp_path, monkeypatch)
    plant.start(PRODUCT)

    async def pack_states() -> list[str]:
        async with plant.database.transaction(mine) as uow:
            return [row["state"] for row in await uow.conn.fetch("SELECT state FROM audit_packs")]

    async def is_made() -> bool:
        return await pack_states() == [PackState.MADE.value]

    await eventually(is_made)
    async with plant.database.transaction(mine) as uow:
        pack = await packs.find(uow, organization_id=mine, month=OCTOBER.date(), upgrade_url="")
        assert await uow.conn.fetchval("SELECT count(*) FROM events WHERE action = $1", packing.MADE) == 1
    files = objects.connect((plant.folder / "objects").as_uri()).of_organization(mine)
    content = b"".join([piece async for piece in packs.content(files, packs.made(pack))])
    assert proof.in_memory(content).ok
