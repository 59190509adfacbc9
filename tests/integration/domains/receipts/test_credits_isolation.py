"""No organization sees, releases or takes another's credits; and what the code would do wrong the database refuses by itself."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
import pytest

from carbonledger.infra import clock
from carbonledger.kernel import ids
from tests import conftest
from tests.integration.domains.receipts import logs
from tests.integration.domains.receipts.inventories import TONNE, Inventory, serial
from tests.unit.domains.receipts import credit_files as files

_GIVE = """
INSERT INTO credit_allocations
    (organization_id, id, receipt_id, serial, lot_id, lot_number, quantity_mg, from_mg, to_mg, state, made_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'made', now())
"""
_LOT = """
INSERT INTO credit_lots (id, block_id, block, block_start, block_end, quantity_mg, project_id, project_name, standard, kind, vintage,
    retired_on, retirement_reference, retirement_url, beneficiary, imported_at)
VALUES ($1, $2, 'A', $3, $4, $5, 'p', 'n', 's', 'removal', 2020, $6::date, 'r', 'https://r.example', 'b', '2026-11-26 00:00+00')
"""


@pytest.fixture
def inventory(kit: logs.Kit) -> Inventory:
    return Inventory(kit)


async def run(inventory: Inventory, organization_id: UUID, query: str, *args: Any) -> str:
    async with inventory.kit.database.transaction(organization_id) as uow:
        return await uow.conn.execute(query, *args)


async def the_lot(inventory: Inventory) -> tuple[UUID, int, int, int]:
    """Id, number, quantity and block of the one lot."""
    async with inventory.kit.database.transaction() as uow:
        row = await uow.conn.fetchrow("SELECT id, number, quantity_mg, block_id FROM credit_lots")
    assert row is not None
    return row["id"], row["number"], row["quantity_mg"], row["block_id"]


async def test_anothers_credits_are_not_there(inventory: Inventory) -> None:
    await inventory.take_in(files.block(1, 1))
    mine, theirs = [await conftest.make_organization(inventory.kit.database) for _ in range(2)]
    receipt = await inventory.give(theirs, 700)
    assert await inventory.held(mine, receipt) == []
    assert await inventory.release(mine, receipt) == 0
    async with inventory.kit.database.transaction(mine) as uow:
        assert await uow.conn.fetchval("SELECT count(*) FROM credit_allocations") == 0
        released = await uow.conn.execute("UPDATE credit_allocations SET state = 'released', released_at = now()")
        assert released == "UPDATE 0"
    async with inventory.kit.database.transaction() as uow:
        assert await uow.conn.fetchval("SELECT count(*) FROM credit_allocations") == 0
    assert await inventory.held(theirs, receipt) == [(1, 0, 700)]
    # A receipt of the same id is another one here: it is given other milligrams.
    await inventory.give(mine, 5, number=2, receipt_id=receipt)
    assert await inventory.held(mine, receipt) == [(1, 700, 705)]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):  # nor can it be given to another
        lot_id, number, quantity_mg, _ = await the_lot(inventory)
        values = (theirs, ids.new_id(clock.now()), receipt, serial(3), lot_id, number, quantity_mg, 800, 900)
        await run(inventory, mine, _GIVE, *values)


@pytest.mark.parametrize(
    "begin, end, error",
    [
        (0, 700, asyncpg.ExclusionViolationError),
        (699, 800, asyncpg.ExclusionViolationError),
        (100, 101, asyncpg.ExclusionViolationError),
        (TONNE - 1, TONNE + 1, asyncpg.CheckViolationError),
        (-1, 0, asyncpg.CheckViolationError),
        (800, 800, asyncpg.CheckViolationError),
        (900, 800, asyncpg.CheckViolationError),
    ],
)
async def test_the_database_gives_no_milligram_twice_nor_beyond_the_lot(
    inventory: Inventory, begin: int, end: int, error: type[Exception]
) -> None:
    """Also where the row that stands in the way is another organization's, which the one that asks can't see."""
    await inventory.take_in(files.block(1, 1))
    mine, theirs = [await conftest.make_organization(inventory.kit.database) for _ in range(2)]
    await inventory.give(theirs, 700)
    lot_id, number, quantity_mg, _ = await the_lot(inventory)
    receipt = ids.new_id(clock.now())
    values = (mine, receipt, receipt, serial(2), lot_id, number)
    with pytest.raises(error):
        await run(inventory, mine, _GIVE, *values, quantity_mg, begin, end)
    for wrong in ((mine, receipt, receipt, serial(2), lot_id, number + 1, quantity_mg), (*values, quantity_mg + 10)):
        with pytest.raises(asyncpg.ForeignKeyViolationError):  # number and quantity are the lot's own
            await run(inventory, mine, _GIVE, *wrong, 800, 900)
    assert await run(inventory, mine, _GIVE, *values, quantity_mg, 700, 800) == "INSERT 0 1"


async def test_an_allocation_is_released_once_and_otherwise_stays(inventory: Inventory) -> None:
    await inventory.take_in(files.block(1, 1))
    customer = await conftest.make_organization(inventory.kit.database)
    receipt = await inventory.give(customer, 700)
    for change in ("to_mg = 800", "receipt_id = id", "serial = 'CL-202610-00000'", "made_at = now()"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await run(inventory, customer, f"UPDATE credit_allocations SET {change}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await run(inventory, customer, "DELETE FROM credit_allocations")
    await inventory.release(customer, receipt)
    for change in ("state = 'made', released_at = NULL", "released_at = now()", "state = 'released'"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await run(inventory, customer, f"UPDATE credit_allocations SET {change}")


async def test_not_even_the_owner_changes_what_was_given(inventory: Inventory, fresh_database: conftest.TestDatabase) -> None:
    await inventory.take_in(files.block(1, 1))
    customer = await conftest.make_organization(inventory.kit.database)
    await inventory.give(customer, 700)
    conn = await asyncpg.connect(fresh_database.superuser)
    try:
        for statement in (
            "UPDATE credit_allocations SET to_mg = 800",
            "DELETE FROM credit_allocations",
            "TRUNCATE credit_allocations",
            "UPDATE credit_lots SET beneficiary = 'x'",
            "DELETE FROM credit_lots",
            "UPDATE credit_blocks SET prefix = 'x'",
        ):
            with pytest.raises(asyncpg.RestrictViolationError):
                await conn.execute(statement)
    finally:
        await conn.close()


@pytest.mark.parametrize(
    "start, end, tonnes, retired_on, error",
    [
        (10, 20, 11, "2026-11-01", asyncpg.ExclusionViolationError),
        (1, 1, 1, "2026-11-01", asyncpg.ExclusionViolationError),
        (20, 11, 1, "2026-11-01", asyncpg.CheckViolationError),
        (11, 20, 11, "2026-11-01", asyncpg.CheckViolationError),  # more than the units
        (11, 20, 10, "2026-11-27", asyncpg.CheckViolationError),  # retired after it was imported
        (11, 20, 10, "2026-11-26", None),
    ],
)
async def test_the_database_takes_no_unit_twice_and_none_that_is_not_retired(
    inventory: Inventory, start: int, end: int, tonnes: int, retired_on: str, error: type[Exception] | None
) -> None:
    await inventory.take_in(files.block(1, 10))
    *_, block_id = await the_lot(inventory)
    day = clock.now().date().fromisoformat(retired_on)
    values = (ids.new_id(clock.now()), block_id, start, end, tonnes * TONNE, day)
    if error is None:
        assert await run(inventory, inventory.kit.house_id, _LOT, *values) == "INSERT 0 1"
    else:
        with pytest.raises(error):
            await run(inventory, inventory.kit.house_id, _LOT, *values)


async def test_a_remainder_that_is_lost_is_found(inventory: Inventory) -> None:
    from carbonledger.domains.receipts.service import credits as service

    await inventory.take_in(files.block(1, 1))
    customer = await conftest.make_organization(inventory.kit.database)
    await inventory.give(customer, 700)
    lot_id, *_ = await the_lot(inventory)
    await run(inventory, customer, "DELETE FROM credit_remainders")
    async with inventory.kit.database.transaction(inventory.kit.house_id) as uow:
        (found,) = await service.check(uow)
    assert (found.lot_id, found.quantity_mg, found.remaining_mg, found.allocated_mg) == (lot_id, TONNE, 0, 700)
