"""What a payment of an invoice, or its failure, means for the subscriptions on it: past due, or settled once nothing else has failed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from carbonledger.domains.invoices.store import reading
from carbonledger.domains.subscriptions import service as subscriptions
from carbonledger.domains.subscriptions.service import billing as subscription_billing
from carbonledger.infra import db
from carbonledger.kernel.actor import Actor


async def settle(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, invoice_ids: Sequence[UUID]) -> None:
    """Tell the subscriptions on paid invoices that all is settled, but for those of which another invoice is still failed."""
    charged = await reading.subscriptions_on(uow, organization_id=organization_id, invoice_ids=invoice_ids)
    waiting = await subscription_billing.awaiting_payment(uow, organization_id=organization_id, subscription_ids=charged)
    if not waiting:
        return
    failed = await reading.failed_subscriptions(uow, organization_id=organization_id, subscription_ids=waiting)
    for subscription_id in waiting:
        if subscription_id not in failed:
            await subscriptions.record_payment(
                uow, actor=actor, now=now, organization_id=organization_id, subscription_id=subscription_id, failed=False
            )


async def fail(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, invoice_id: UUID) -> None:
    """Tell the subscriptions on an invoice that its payment failed."""
    for subscription_id in await reading.subscriptions_on(uow, organization_id=organization_id, invoice_ids=[invoice_id]):
        await subscriptions.record_payment(
            uow, actor=actor, now=now, organization_id=organization_id, subscription_id=subscription_id, failed=True
        )
