"""Jobs of credits: every night what is left of each lot and what was given of it is held against what it has."""

from __future__ import annotations

from carbonledger.domains.receipts.service import credits as service
from carbonledger.entrypoints.worker import runner
from carbonledger.infra import db, queue

queue.schedule(service.CHECK_JOB, "20 3 * * *")


@queue.handler(service.CHECK_JOB)
async def check_credits(uow: db.UnitOfWork, work: runner.Job) -> dict[str, int]:
    """Alert the operators where a lot does not add up."""
    found = await service.check(uow)
    if found:
        await service.report(uow, actor=work.actor, now=work.now, found=found)
    return {"imbalances": len(found)}
