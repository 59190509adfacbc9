"""Failed steps tried again by hand, each alone. What still fails says why, and stays as it was."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from carbonledger.domains.invoices.service import billing, collecting, failing, issuing
from carbonledger.domains.invoices.types.failures import Failure, Step
from carbonledger.infra import db, queue
from carbonledger.kernel.actor import Actor


async def retry(uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, organization_id: UUID, failure_id: UUID) -> Failure:
    """Do the step of a failure again, and return what it was. A PDF is made by a job of its own.

    Raises ``FailureNotFound``, and whatever the step raises.
    """
    found = await failing.find(uow, organization_id=organization_id, failure_id=failure_id)
    match found.step:
        case Step.RATE:
            await billing.run(
                uow, actor=actor, now=now, at=at, organization_id=organization_id, account_ids=[found.account_id], strictly=True
            )
        case Step.COLLECT if found.invoice_id is not None:
            await collecting.finalize(uow, actor=actor, now=now, organization_id=organization_id, invoice_id=found.invoice_id)
        case _:
            await queue.enqueue(uow, name=issuing.PRINT_JOB, args={"invoice_ids": [str(found.invoice_id)]}, now=now, actor=actor)
    return found
