"""The advance of subscriptions with time: what was planned takes effect, and periods begin.

Nothing depends on it for being right: a status follows from facts, whenever it is asked for. The advance keeps rows findable and tells of
what came about. It goes by index to what is due, takes many at once, and done again finds nothing; so it may be killed anywhere.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.subscriptions.service import recording
from carbonledger.domains.subscriptions.service.recording import Hand
from carbonledger.domains.subscriptions.store import subscriptions as store
from carbonledger.infra import db
from carbonledger.kernel.actor import Actor

BATCH: Final = 500
"""Subscriptions of one transaction: a second of work, and what is lost when it is killed."""


async def advance(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, limit: int = BATCH) -> int:
    """Bring up to ``limit`` subscriptions of which something is due to ``now``; return how many. Fewer than ``limit``: none is left."""
    found = await store.due(uow, organization_id=organization_id, until=now, limit=limit)
    if found:
        hand = Hand(uow=uow, actor=actor, now=now, organization_id=organization_id)
        versions = await recording.versions_of(uow, organization_id=organization_id, subscriptions=found)
        await recording.bring(hand, found, versions)
    return len(found)


async def next_due(uow: db.UnitOfWork, organization_id: UUID, until: datetime) -> datetime | None:
    """Return when the next thing of a subscription is due, at or before ``until``: what a sandbox's clock stops at."""
    return await store.next_due_at(uow, organization_id=organization_id, until=until)


async def run_due(uow: db.UnitOfWork, actor: Actor, now: datetime) -> None:
    """Bring every subscription of the transaction's organization to ``now``."""
    organization_id = uow.organization_id
    if organization_id is None:
        raise ValueError("the advance is of one organization")
    while await advance(uow, actor=actor, now=now, organization_id=organization_id) == BATCH:
        pass
