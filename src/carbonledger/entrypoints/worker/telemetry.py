"""Jobs of the ledger: its roll-ups are compared with its events every night; it is computed anew when somebody asks."""

from __future__ import annotations

import functools
from datetime import datetime
from typing import Any
from uuid import UUID

from carbonledger import bootstrap
from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.service import recomputing, upkeep
from carbonledger.infra import db, queue
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


@queue.steps(recomputing.JOB, timeout_s=_TIMEOUT_S)
async def recompute(work: Work) -> dict[str, Any]:
    """Compute an organization's ledger anew, a batch a transaction; what a finished batch came to is kept, so a killed job goes on.

    From the first batch again where it goes on by another price book or factor set: then it was the software that changed in between.
    """
    organization_id = work.organization_id
    what = recomputing.What(costs=work.args["costs"], emissions=work.args["emissions"])
    place: recomputing.Place | None = recomputing.START
    number = seen = changed = 0
    by = recomputing.versions()
    while place is not None:
        number += 1
        done = await work.step(f"{by}: batch {number}", functools.partial(_batch, work, what, place))
        seen, changed = seen + done["seen"], changed + done["changed"]
        place = None if done["at"] is None else recomputing.Place(datetime.fromisoformat(done["at"]), UUID(done["event_id"]))
        await work.progress(seen, words=f"{seen} events computed anew, {changed} of them came out otherwise")
    await work.step(
        "tell",
        lambda uow: recomputing.tell(
            uow, actor=work.actor, now=work.now, organization_id=organization_id, what=what, seen=seen, changed=changed
        ),
    )
    return {"events": seen, "changed": changed}


async def _batch(work: Work, what: recomputing.What, place: recomputing.Place, uow: db.UnitOfWork) -> dict[str, Any]:
    done = await recomputing.recompute(uow, at=work.at, organization_id=work.organization_id, what=what, place=place)
    at, event_id = (None, None) if done.place is None else (done.place.occurred_at.isoformat(), str(done.place.event_id))
    return {"seen": done.seen, "changed": done.changed, "at": at, "event_id": event_id}
