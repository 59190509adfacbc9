"""Two hundred receipts are issued against one lot at once: each is issued whole or deferred, and no milligram goes to two."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from carbonledger.domains.receipts.types.receipts import Receipt, State
from carbonledger.infra import db
from tests import conftest
from tests.integration.domains.receipts import kit as months
from tests.integration.domains.receipts import logs, offices
from tests.integration.domains.receipts.inventories import TONNE
from tests.integration.domains.receipts.offices import Office
from tests.unit.domains.receipts import credit_files as files

ORGANIZATIONS, MONTHS = 20, 10
MILLION = 10**6


async def closed(office: Office, rng: random.Random) -> list[tuple[UUID, UUID]]:
    """Make customers with closed months, and return organization and period of each."""
    made = []
    for _ in range(ORGANIZATIONS):
        customer = await office.customer()
        for month in range(1, MONTHS + 1):
            at = months.OCTOBER.replace(month=month) + timedelta(days=4)
            draft = months.draft(f"k{month}", at=at, uncached=rng.randrange(1, 30_000) * MILLION)
            await months.accept(office.database, customer, draft, now=months.NOVEMBER)
        now = months.NOVEMBER + months.CLOSES
        await months.close_due(office.database, customer, months.files(office.folder, customer), now=now)
        made += [
            (customer, one.id)
            for one in (await months.every(office.database, customer, now=now)).values()
            if one.month < months.NOVEMBER.date()
        ]
    return made


async def issued_at_last(office: Office, customer: UUID, period_id: UUID) -> Receipt:
    """As a job does: where no connection is to be had in time it comes again."""
    while True:
        with contextlib.suppress(db.DatabaseUnavailable):
            return await office.issue(customer, period_id)


async def test_two_hundred_receipts_at_once_share_one_lot(fresh_database: conftest.TestDatabase, tmp_path: Path) -> None:
    database = await db.connect(fresh_database.app, size=50, application="test")
    try:
        office = await offices.opened(await logs.made(database), tmp_path)
        due = await closed(office, random.Random(20261126))
        assert len(due) == ORGANIZATIONS * MONTHS
        await office.inventory.take_in(files.block(1, 1))
        # Each of them twice, as two workers would that both picked it up.
        done = await asyncio.gather(*(issued_at_last(office, *one) for one in due + due))
        assert done[: len(due)] == done[len(due) :]
        receipts = done[: len(due)]
        issued = [one.signed for one in receipts if one.signed is not None]
        waiting = [one for one in receipts if one.state is State.DEFERRED]
        assert len(issued) + len(waiting) == len(due)
        assert issued
        assert waiting
        parts = sorted((part.from_mg, part.to_mg) for one in issued for part in one.receipt.allocations)
        given = sum(end - begin for begin, end in parts)
        assert given == sum(one.required_mg for one in receipts if one.state is State.ISSUED) <= TONNE
        assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(parts))
        assert await office.inventory.remaining() == [TONNE - given]
        # Whoever waits needed more than was left when it was their turn, and so more than is left now.
        assert all(one.required_mg > TONNE - given for one in waiting)
        assert len({one.serial for one in issued}) == len(issued)
        assert await office.problems() == []
    finally:
        await database.close()
