"""Jobs of the public log: what was appended is signed, and every night the whole of it is checked."""

from __future__ import annotations

from typing import Any

from carbonledger import bootstrap
from carbonledger.domains.receipts.service import log
from carbonledger.entrypoints.shared import signing
from carbonledger.infra import queue
from carbonledger.infra.queue import work as works

Work = works.Steps[bootstrap.Services]


@queue.steps(log.SIGN_JOB)
async def sign_checkpoint(work: Work) -> dict[str, Any]:
    """Sign the head of the log. Needs no memory: what is signed is not signed again."""
    await signing.ready(work.services, at=work.at)
    async with work.transaction() as uow:
        signed = await log.checkpoint(uow, at=work.at)
    return {"size": None if signed is None else signed.size}
