"""What becomes of the invoices of a subscription that ended because its first payment did not come: they are void, nobody owes them."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.invoices.service import standing
from carbonledger.domains.invoices.store import reading
from carbonledger.domains.invoices.types.invoices import State
from carbonledger.infra import db
from carbonledger.kernel.actor import Actor

EXPIRED: Final = "subscription.expired"
"""The event of a subscription that this follows."""


async def void_unpaid(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, subscription_id: UUID) -> int:
    """Make the unpaid invoices of a subscription void, and drop its drafts; return how many. Again, it finds none.

    Those that have something else on them are left: a subscription that waits for its first payment has invoices of its own.
    """
    found = await reading.owed_alone(uow, organization_id=organization_id, subscription_id=subscription_id)
    for one in found:
        if one.state is State.DRAFT:
            await standing.let_go(uow, actor=actor, now=now, organization_id=organization_id, invoice_id=one.id)
        else:
            await standing.void(uow, actor=actor, now=now, organization_id=organization_id, invoice_id=one.id)
    return len(found)
