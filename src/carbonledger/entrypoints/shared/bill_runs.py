"""A bill run over all that is due of an organization: batches of accounts, each a transaction, a few at the same time.

One batch is worked out while the database writes another. Nothing of a batch is lost or done twice when the process dies: what is billed is
not due any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.invoices.service import billing
from carbonledger.infra import db
from carbonledger.kernel.actor import Actor

LANES: Final = 2
"""Batches at the same time: the database has something to do while this process works, and more of them only wait for numbers."""
Told = Callable[[billing.Ran], Awaitable[None]]


async def run(
    database: db.Database, *, actor: Actor, now: datetime, at: datetime, organization_id: UUID, told: Told | None = None
) -> billing.Ran:
    """Bill everything that is due at ``now`` and return what it came to; ``told`` hears so far after each batch."""
    batches = _Batches(database, organization_id, now)
    total = billing.Ran()

    async def lane() -> None:
        nonlocal total
        while account_ids := await batches.next():
            async with database.transaction(organization_id) as uow:
                ran = await billing.run(uow, actor=actor, now=now, at=at, organization_id=organization_id, account_ids=account_ids)
            total += ran
            if told is not None:
                await told(total)

    async with asyncio.TaskGroup() as lanes:
        for _ in range(LANES):
            lanes.create_task(lane())
    return total


class _Batches:
    """The accounts of which something is due, batch after batch, each given out once."""

    def __init__(self, database: db.Database, organization_id: UUID, now: datetime) -> None:
        self._database, self._organization_id, self._now = database, organization_id, now
        self._after: UUID | None = None
        self._turn = asyncio.Lock()

    async def next(self) -> tuple[UUID, ...]:
        """Return the next batch; an empty one at the end."""
        async with self._turn, self._database.transaction(self._organization_id, read_only=True) as uow:
            found = await billing.batch(uow, now=self._now, organization_id=self._organization_id, after=self._after)
        if found:
            self._after = found[-1]
        return found
