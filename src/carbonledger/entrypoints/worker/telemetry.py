"""Jobs of the ledger: its roll-ups are compared with its events every night."""

from __future__ import annotations

from typing import Any

from carbonledger import bootstrap
from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.service import upkeep
from carbonledger.infra import queue
from carbonledger.infra.queue import work as works

_TIMEOUT_S = 6 * 3600.0  # some 3 s for a million events
_TOLD_MAX = 10_000  # differences held at a time; more of them say nothing new

Work = works.Steps[bootstrap.Services]

queue.schedule(upkeep.CHECK_JOB, "40 2 * * *", each_organization=True)


@queue.steps(upkeep.CHECK_JOB, timeout_s=_TIMEOUT_S)
async def check_rollups(work: Work) -> dict[str, Any]:
    """Compare every day of an organization, and alert the operators where a roll-up says something else than the events."""
    organization_id = work.organization_id
    async with work.database.transaction(organization_id, read_only=True) as uow:
        days = await upkeep.days(uow, organization_id=organization_id)
    found: list[types.Difference] = []
    for number, day in enumerate(days, start=1):
        async with work.database.transaction(organization_id, read_only=True) as uow:
            found += await upkeep.check(uow, organization_id=organization_id, day=day)
        await work.progress(number, len(days), f"{number} of {len(days)} days compared")
        if len(found) > _TOLD_MAX:
            break
    if found:
        await work.step(
            "tell",
            lambda uow: upkeep.tell(uow, actor=work.actor, now=work.now, organization_id=organization_id, differences=found),
        )
    return {"days": len(days), "differences": len(found)}
