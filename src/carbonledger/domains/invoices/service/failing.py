"""Steps of billing that failed: written down beside what they were to do, listed, and tried again alone."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from carbonledger.domains.invoices.store import upkeep
from carbonledger.domains.invoices.types.failures import Failure, FailureNotFound, Step
from carbonledger.infra import db
from carbonledger.kernel import errors, ids
from carbonledger.kernel import page as pages

_DETAIL_MAX_CHARS = 1000


async def write(
    uow: db.UnitOfWork,
    *,
    now: datetime,
    at: datetime,
    organization_id: UUID,
    account_id: UUID,
    invoice_id: UUID | None,
    step: Step,
    fault: errors.Fault,
) -> None:
    """Write that a step failed, once more if it has before."""
    await upkeep.fail(
        uow,
        organization_id=organization_id,
        failure_id=ids.new_id(at),
        account_id=account_id,
        invoice_id=invoice_id,
        step=step,
        code=fault.code,
        detail=(str(fault) or fault.title())[:_DETAIL_MAX_CHARS],
        now=now,
    )


async def find(uow: db.UnitOfWork, *, organization_id: UUID, failure_id: UUID) -> Failure:
    """Return a failed step. Raises ``FailureNotFound``."""
    found = await upkeep.find_failure(uow, organization_id=organization_id, failure_id=failure_id)
    if found is None:
        raise FailureNotFound("It may have been done since.")
    return found


async def listed(uow: db.UnitOfWork, *, organization_id: UUID, page: pages.PageRequest) -> pages.Page[Failure]:
    """Return failed steps, the newest first."""
    rows = await upkeep.failures(uow, organization_id=organization_id, before=pages.before_id(page), limit=page.limit + 1)
    return pages.cut(rows, limit=page.limit, key=lambda last: (str(last.id),))


async def of_invoice(uow: db.UnitOfWork, *, organization_id: UUID, invoice_id: UUID) -> tuple[Failure, ...]:
    """Return the failed steps of an invoice, the newest first."""
    return tuple(await upkeep.failures(uow, organization_id=organization_id, limit=len(Step), invoice_id=invoice_id))
