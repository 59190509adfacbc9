"""Jobs of credits: every night what is left of each lot and what was given of it is held against what it has; removal is ordered ahead, and
its orders are asked for every day.
"""

from __future__ import annotations

from uuid import UUID

from carbonledger.domains.receipts.service import commitments
from carbonledger.domains.receipts.service import credits as service
from carbonledger.domains.receipts.types import commitments as types
from carbonledger.domains.receipts.types import credits as credit_types
from carbonledger.entrypoints.worker import runner
from carbonledger.infra import db, queue

queue.schedule(service.CHECK_JOB, "20 3 * * *")
queue.schedule(commitments.FOLLOW_JOB, "35 4 * * *")


@queue.handler(service.CHECK_JOB)
async def check_credits(uow: db.UnitOfWork, work: runner.Job) -> dict[str, int]:
    """Alert the operators where a lot does not add up."""
    found = await service.check(uow)
    if found:
        await service.report(uow, actor=work.actor, now=work.now, found=found)
    return {"imbalances": len(found)}


@queue.steps(commitments.PLACE_JOB, returns=True)
async def place_commitment(work: runner.StepsJob) -> dict[str, str]:
    """Order what a commitment is about, once: an order that was made before and not heard of is found by the commitment's id."""
    commitment_id = UUID(work.args["commitment_id"])
    async with work.transaction() as uow:
        asked = await commitments.find(uow, commitment_id=commitment_id)
    if asked.state is not types.CommitmentState.ASKED:
        return {"state": asked.state.value}
    seller = commitments.seller_of(work.services.credit_seller)
    key = str(asked.id)
    try:
        order = await seller.placed(key) or await seller.order(
            key=key, offer_id=asked.offer_id, milligrams=asked.quantity_mg, beneficiary=asked.beneficiary
        )
    except types.OrderRefused as fault:
        async with work.transaction() as uow:
            words = fault.detail or fault.title()
            done = await commitments.refused(uow, actor=work.actor, now=work.now, commitment_id=commitment_id, words=words)
        return {"state": done.state.value}
    async with work.transaction() as uow:
        done = await commitments.seen(uow, actor=work.actor, now=work.now, commitment_id=commitment_id, order=order)
    return {"state": done.state.value}


@queue.steps(commitments.FOLLOW_JOB)
async def follow_commitments(work: runner.StepsJob) -> dict[str, int]:
    """Ask how each order stands that is not at its end. One that can't be asked for keeps none of the others back."""
    async with work.transaction() as uow:
        followed = await commitments.followed(uow)
    if not followed:
        return {"followed": 0}
    seller = commitments.seller_of(work.services.credit_seller)
    faults: list[credit_types.CreditsFault] = []
    for one in followed:
        if one.order is None:
            continue
        try:
            order = await seller.find(one.order.id)
            async with work.transaction() as uow:
                await commitments.seen(uow, actor=work.actor, now=work.now, commitment_id=one.id, order=order)
        except credit_types.CreditsFault as fault:
            faults.append(fault)
    if faults:
        raise faults[0]
    return {"followed": len(followed)}
