"""Jobs of receipts: issue one when a period is closed, try those again that wait for credits, make bundle and page of what was signed."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from carbonledger import bootstrap
from carbonledger.domains.receipts.service import bundling, closing, issuing, log
from carbonledger.domains.receipts.service import credits as inventory
from carbonledger.domains.receipts.types.receipts import Receipt
from carbonledger.entrypoints.shared import signing, turns
from carbonledger.infra import db, outbox, queue
from carbonledger.infra.queue import work as works
from carbonledger.kernel import actor as actors
from carbonledger.kernel import errors

ISSUE_JOB: Final = "receipts.issue"
RETRY_JOB: Final = "receipts.retry_deferred"
_TIMEOUT_S: Final = 3600.0  # with too little for the first in the row those behind are still to be looked at, be they some ten thousand

Work = works.Steps[bootstrap.Services]

queue.subscriber(closing.CLOSED, job=ISSUE_JOB)
queue.subscriber(inventory.IMPORTED, job=RETRY_JOB)
queue.schedule(RETRY_JOB, "40 4 * * *")


@queue.steps(ISSUE_JOB, returns=True)
async def issue(work: Work) -> dict[str, Any]:
    """Issue the receipt of a period that was closed. Issued once, however often it runs."""
    async with work.transaction() as uow:
        event = await outbox.event(uow, event_id=UUID(work.args["event_id"]))
    return _said(await _issue(work, organization_id=work.organization_id, period_id=UUID(event.target_id)))


@queue.steps(RETRY_JOB, timeout_s=_TIMEOUT_S)
async def retry_deferred(work: Work) -> dict[str, Any]:
    """Try every receipt that waits for credits again, the oldest first, each in a transaction of its organization.

    One that can't be issued keeps none of the others back.
    """
    async with work.database.transaction() as uow:
        waiting = await issuing.waiting(uow)
    issued, faults = 0, list[errors.Fault]()
    for organization_id, period_id in waiting:
        try:
            made = await _issue(work, organization_id=organization_id, period_id=period_id)
        except errors.Fault as fault:
            faults.append(fault)
            continue
        issued += made is not None and made.signed is not None
    if faults:
        raise faults[0]
    return {"waiting": len(waiting), "issued": issued}


async def _issue(work: Work, *, organization_id: UUID, period_id: UUID) -> Receipt | None:
    actor = actors.system(organization_id, request_id=work.job.request_id)
    async with turns.taken(turns.of(work.services), actor=actor, at=work.at, organization_id=organization_id) as (uow, turn):
        return await issuing.issue(uow, turn=turn, period_id=period_id)


def _said(made: Receipt | None) -> dict[str, Any]:
    if made is None:
        return {"receipt": None}
    return {"receipt": str(made.id), "state": made.state.value, "serial": None if made.signed is None else made.signed.serial}


@queue.steps(issuing.PROVE_JOB, returns=True)
async def prove(work: Work) -> dict[str, Any]:
    """Make bundle and page of what was signed, once a checkpoint covers its leaf. What has them is not made again.

    A receipt that was issued after the log was signed here waits for its own job.
    """
    await signing.ready(work.services, at=work.at)
    async with work.transaction() as uow:
        await log.checkpoint(uow, at=work.at)  # the job that signs the log may come later; it then finds it signed

    async def make(uow: db.UnitOfWork) -> int:
        made = await bundling.prove(
            uow,
            at=work.at,
            organization_id=work.organization_id,
            printer=work.services.printer,
            address=work.services.settings.address,
        )
        return len(made)

    return {"made": await work.step("make", make)}
