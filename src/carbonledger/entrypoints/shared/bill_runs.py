"""A bill run over all that is due of an organization: batches of accounts, each a transaction, a few at the same time.

Any number of these work at one run, in one process or in several: each takes the batches that nobody holds, so the one that dies leaves its
batch to the others. Nothing of a batch is lost or done twice: what is billed is not due any more. Whoever is at the end waits for what
others held, so that all is billed that can be when the last one returns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.invoices.service import billing
from carbonledger.infra import db
from carbonledger.kernel.actor import Actor

LANES: Final = 2
"""Batches at the same time in one process: the database has something to do while this process works."""
Told = Callable[[billing.Ran], Awaitable[None]]


async def run(
    database: db.Database, *, actor: Actor, now: datetime, at: datetime, organization_id: UUID, told: Told | None = None
) -> billing.Ran:
    """Bill what is due at ``now`` and what others do not, and return what that came to; ``told`` hears so far after each batch."""
    batches = _Batches(database, organization_id, now)
    total = billing.Ran()

    async def bill(account_ids: Sequence[UUID], *, wait: bool) -> set[UUID]:
        """Bill what can be held of a batch, and return the rest."""
        nonlocal total
        async with database.transaction(organization_id) as uow:
            held = await billing.hold(uow, now=now, organization_id=organization_id, account_ids=account_ids, wait=wait)
            if not held:
                return set(account_ids)
            ran = await billing.run(uow, actor=actor, now=now, at=at, organization_id=organization_id, account_ids=held)
        total += ran
        if told is not None:
            await told(total)
        return set(account_ids).difference(held)

    left: set[UUID] = set()

    async def lane() -> None:
        while account_ids := await batches.next():
            left.update(await bill(account_ids, wait=False))

    async with asyncio.TaskGroup() as lanes:
        for _ in range(LANES):
            lanes.create_task(lane())
    waiting = sorted(left)
    for first in range(0, len(waiting), billing.BATCH):
        await bill(waiting[first : first + billing.BATCH], wait=True)
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
