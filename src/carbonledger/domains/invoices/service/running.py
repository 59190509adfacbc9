"""Everything that is to be billed as an organization's time goes on: one round of it, for the clock of a sandbox and for tests of lives.

Real organizations have a job that takes its batches each in a transaction of its own (``entrypoints.worker.invoices``).
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from carbonledger.domains.invoices.service import billing, collecting, late
from carbonledger.infra import clock, db
from carbonledger.kernel.actor import Actor

LINES: int = 2000
"""Issued lines of usage that are counted again in one go."""


async def run_due(uow: db.UnitOfWork, actor: Actor, now: datetime) -> None:
    """Bill all that is due at ``now``, issue the drafts that have waited, and settle what came late: what a sandbox's clock stops for.

    An account that can't be billed fails it, where a real organization's is left out: whoever moves the clock is there to see why.
    """
    organization_id = uow.organization_id
    if organization_id is None:
        raise ValueError("bills are of one organization")
    at = clock.now()
    settled: UUID | None = late.BEGINNING
    while settled is not None:
        settled = await late.settle(uow, actor=actor, now=now, at=at, organization_id=organization_id, after=settled, limit=LINES)
    while (
        await collecting.run(uow, actor=actor, now=now, at=at, organization_id=organization_id, limit=billing.BATCH, strictly=True)
    ).issued:
        pass
    after: UUID | None = None
    while account_ids := await billing.batch(uow, now=now, organization_id=organization_id, after=after):
        await billing.run(uow, actor=actor, now=now, at=at, organization_id=organization_id, account_ids=account_ids, strictly=True)
        after = account_ids[-1]
