"""Jobs of the public log: what was appended is signed, and every night the whole of it is checked."""

from __future__ import annotations

from typing import Any

from carbonledger import bootstrap
from carbonledger.domains.receipts.service import checking, log
from carbonledger.domains.receipts.types import log as types
from carbonledger.entrypoints.shared import signing
from carbonledger.infra import queue
from carbonledger.infra.queue import work as works

_TIMEOUT_S = 6 * 3600.0  # some two minutes for ten million leaves
_TOLD_EACH = 50  # stretches

Work = works.Steps[bootstrap.Services]

queue.schedule(checking.CHECK_JOB, "10 3 * * *")
queue.schedule(log.SIGN_JOB, "53 * * * *")  # each append asks too; what was parked then is made good here


@queue.steps(log.SIGN_JOB)
async def sign_checkpoint(work: Work) -> dict[str, Any]:
    """Sign the head of the log. Needs no memory: what is signed is not signed again."""
    async with work.database.transaction(read_only=True) as uow:
        if await log.is_signed(uow):
            return {"size": None}  # and no key is made where nothing was ever appended: the first one gives the log its name
    await signing.ready(work.services, at=work.at)
    async with work.transaction() as uow:
        signed = await log.checkpoint(uow, at=work.at)
    return {"size": None if signed is None else signed.size}


@queue.steps(checking.CHECK_JOB, timeout_s=_TIMEOUT_S)
async def check_log(work: Work) -> dict[str, Any]:
    """Compute the log anew from its leaves, and alert the operators where it is not what is kept. Reads only; killed, it begins again."""
    async with work.database.transaction(read_only=True) as uow:
        began = await checking.head(uow)
    edge, found, number = checking.START, list[types.Found](), 0
    while edge.size < began.frontier.size and len(found) < checking.FOUND_MAX:
        before = edge
        async with work.database.transaction(read_only=True) as uow:
            edge, some = await checking.stretch(uow, before=before, until=began.frontier.size)
        found += some
        if edge == before:
            break  # leaves are missing, which was found
        number += 1
        if number % _TOLD_EACH == 0:
            await work.progress(edge.size, began.frontier.size, f"{edge.size} of {began.frontier.size} leaves checked")
    async with work.database.transaction(read_only=True) as uow:
        found += await checking.ending(uow, began=began, reached=edge, at=work.at)
    if found:
        await work.step("tell", lambda uow: checking.tell(uow, actor=work.actor, now=work.now, found=found))
    return {"leaves": edge.size, "differences": len(found)}
