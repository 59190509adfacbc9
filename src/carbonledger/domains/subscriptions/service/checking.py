"""Rows of subscriptions compared with their facts every night.

They are kept in the transaction that records facts, so a difference is a defect, or a hand that reached into the database. It is told,
never mended by itself: what made it should be looked at first. A status that is shown is worked out anew all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.subscriptions.core import checking
from carbonledger.domains.subscriptions.service import recording
from carbonledger.domains.subscriptions.store import subscriptions as store
from carbonledger.infra import db, outbox
from carbonledger.kernel.actor import Actor

CHECK_JOB: Final = "subscriptions.check"
WRONG: Final = "subscriptions.wrong"
BATCH: Final = 500
_TOLD_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Wrong:
    """A subscription whose row says otherwise than its facts, and in which columns."""

    subscription_id: UUID
    columns: tuple[str, ...]


async def check(uow: db.UnitOfWork, *, now: datetime, organization_id: UUID, after: UUID | None) -> tuple[list[Wrong], UUID | None]:
    """Return what is wrong of the next ``BATCH`` subscriptions after the one named, and the last of them; None at the end."""
    found = await store.kept(uow, organization_id=organization_id, after=after, limit=BATCH)
    versions = await recording.versions_of(uow, organization_id=organization_id, subscriptions=[one.subscription for one in found])
    wrong = [Wrong(one.subscription.id, columns) for one in found if (columns := tuple(checking.differences(one, versions, now=now)))]
    return wrong, found[-1].subscription.id if len(found) == BATCH else None


async def tell(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, wrong: Sequence[Wrong]) -> None:
    """Alert the operators."""
    await outbox.emit(
        uow,
        actor=actor,
        now=now,
        action=WRONG,
        target_type="organization",
        target_id=organization_id,
        after={"count": len(wrong), "subscriptions": {str(one.subscription_id): list(one.columns) for one in wrong[:_TOLD_MAX]}},
        severity="critical",
        audience=(outbox.OPERATORS,),
    )
