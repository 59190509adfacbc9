"""The job that forgets answers kept for ``Idempotency-Key`` once their day is over."""

from __future__ import annotations

from typing import Any, Final

from carbonledger.entrypoints.worker import runner
from carbonledger.infra import idempotency, queue

PURGE_JOB: Final = "idempotency.purge"

queue.schedule(PURGE_JOB, "17 * * * *")


@queue.steps(PURGE_JOB)
async def purge(work: runner.StepsJob) -> dict[str, Any]:
    """Delete what has run out, organization by organization; what is left when the job's time is up goes an hour later."""
    gone, batch = 0, 1
    while batch:
        batch = await idempotency.purge(work.services.database, at=work.at)
        gone += batch
    return {"answers": gone}
