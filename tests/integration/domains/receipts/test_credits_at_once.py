"""Two hundred receipts ask for one lot at once: each gets all that it asked for or nothing, and no milligram goes to two."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from uuid import UUID

from carbonledger.domains.receipts.types.credits import InventoryShort
from carbonledger.infra import clock, db
from carbonledger.kernel import ids
from tests import conftest
from tests.integration.domains.receipts import logs
from tests.integration.domains.receipts.inventories import TONNE, Inventory
from tests.unit.domains.receipts import credit_files as files

RECEIPTS = 200
ORGANIZATIONS = 20


async def given_at_last(inventory: Inventory, customer: UUID, milligrams: int, number: int) -> UUID:
    """As a job does: where no connection is to be had in time it comes again, for the same receipt."""
    receipt_id = ids.new_id(clock.now())
    while True:
        with contextlib.suppress(db.DatabaseUnavailable):
            return await inventory.give(customer, milligrams, number=number, receipt_id=receipt_id)


async def test_two_hundred_receipts_at_once_share_one_lot(fresh_database: conftest.TestDatabase) -> None:
    database = await db.connect(fresh_database.app, size=50, application="test")
    try:
        inventory = Inventory(await logs.made(database))
        await inventory.take_in(files.block(1, 1))
        customers = [await conftest.make_organization(database) for _ in range(ORGANIZATIONS)]
        rng = random.Random(20261126)
        # On average 1/150 of a tonne: some three quarters of them can be served.
        asked = [rng.randrange(1, 2 * TONNE // 150) for _ in range(RECEIPTS)]
        done = await asyncio.gather(
            *(given_at_last(inventory, customers[number % ORGANIZATIONS], asked[number], number) for number in range(RECEIPTS)),
            return_exceptions=True,
        )
        parts: list[tuple[int, int]] = []
        for number, receipt in enumerate(done):
            if isinstance(receipt, BaseException):
                assert isinstance(receipt, InventoryShort), receipt
                continue
            held = await inventory.held(customers[number % ORGANIZATIONS], receipt)
            assert sum(end - begin for _, begin, end in held) == asked[number]
            parts += [(begin, end) for _, begin, end in held]
        given = sum(end - begin for begin, end in parts)
        short = sum(isinstance(one, InventoryShort) for one in done)
        assert 0 < short < RECEIPTS
        assert given <= TONNE
        ordered = sorted(parts)
        assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(ordered))
        assert await inventory.remaining() == [TONNE - given]
        # Whoever was refused asked for more than was left when it was their turn, and so for more than is left now.
        assert all(asked[number] > TONNE - given for number, one in enumerate(done) if isinstance(one, InventoryShort))
        assert len(await inventory.kit.contents()) == 1 + len(parts)
        assert await inventory.audited() == set()
    finally:
        await database.close()
