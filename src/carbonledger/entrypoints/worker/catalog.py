"""The job of meters: what they make of events that no roll-up tells is kept of hours and days, so that usage so far is known at once."""

from __future__ import annotations

from typing import Any

from carbonledger import bootstrap
from carbonledger.domains.catalog.service import metering
from carbonledger.domains.telemetry.service import tallying, upkeep
from carbonledger.domains.telemetry.types.metering import Query
from carbonledger.infra import queue
from carbonledger.infra.queue import work as works

_TIMEOUT_S = 6 * 3600.0  # a meter's first time reads all of its events

Work = works.Steps[bootstrap.Services]

queue.schedule(tallying.TALLY_JOB, "4 * * * *", each_organization=True)


@queue.steps(tallying.TALLY_JOB, timeout_s=_TIMEOUT_S)
async def tally(work: Work) -> dict[str, Any]:
    """Keep tallies of hours and days that are over, a day of a meter a transaction. Killed, it goes on with what lacks them."""
    organization_id = work.organization_id
    async with work.transaction() as uow:
        queries = await metering.tallied(uow, organization_id=organization_id)
        await tallying.forget(uow, organization_id=organization_id, queries=queries)
    kept = 0
    for number, query in enumerate(queries, start=1):
        kept += await _tallied(work, query)
        await work.progress(number, len(queries), f"{number} of {len(queries)} meters")
    return {"meters": len(queries), "kept": kept}


async def _tallied(work: Work, query: Query) -> int:
    organization_id, today, kept = work.organization_id, work.now.date(), 0
    async with work.transaction() as uow:
        days = await upkeep.days(uow, organization_id=organization_id)
        due = await tallying.due(uow, organization_id=organization_id, query=query, days=days, today=today)
    for day in due:
        async with work.transaction() as uow:
            kept += await tallying.tally(uow, organization_id=organization_id, query=query, day=day, now=work.now)
    async with work.transaction() as uow:
        await tallying.done(uow, organization_id=organization_id, query=query, today=today)
    return kept
