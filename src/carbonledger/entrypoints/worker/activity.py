"""Jobs of the installation itself: old jobs and logs are purged, schedules fan out to organizations, some that were parked are put back."""

from __future__ import annotations

import contextlib
import functools
from typing import Any
from uuid import UUID

from carbonledger import bootstrap
from carbonledger.entrypoints.worker import runner
from carbonledger.infra import db, queue
from carbonledger.infra.queue import registry, retention, schedules
from carbonledger.infra.queue import work as works

PURGE_JOB = "activity.purge"
RETURN_JOB = "activity.return_parked"
_PAGE = 500  # organizations looked up at a time
_TIMEOUT_S = 3600.0

Work = works.Steps[bootstrap.Services]

queue.schedule(PURGE_JOB, "23 * * * *")
queue.schedule(RETURN_JOB, "25 5 * * *", each_organization=True)


@queue.steps(PURGE_JOB, timeout_s=_TIMEOUT_S)
async def purge(work: Work) -> dict[str, Any]:
    """Delete what has been kept long enough. Needs no memory: what is gone is not found again."""
    jobs = rows = 0
    while True:
        async with work.database.transaction() as uow:
            found = await retention.organizations_with_old_jobs(uow, at=work.at)
        if not found:
            break
        for organization_id in found:
            async with work.database.transaction(organization_id) as uow:
                jobs += await retention.purge_jobs(uow, at=work.at)
        await work.progress(jobs, words=f"{jobs} jobs deleted")
    batch = 1
    while batch:
        async with work.transaction() as uow:
            batch = await retention.purge_logs(uow, at=work.at)
        rows += batch
    async with work.transaction() as uow:
        await retention.purge_workers(uow, at=work.at)
    return {"jobs": jobs, "log_rows": rows}


@queue.handler(RETURN_JOB)
async def return_parked(uow: db.UnitOfWork, work: runner.Job) -> dict[str, int]:
    """Put back what was parked and what nothing else would ask for again, such as the receipt of a month."""
    del work
    returned = 0
    for job_id in await queue.parked(uow, names=registry.declared.returning()):
        with contextlib.suppress(queue.JobHasLiveTwin):  # that one does what this one would
            await queue.unpark(uow, job_id=job_id)
            returned += 1
    return {"returned": returned}


@queue.steps(schedules.FAN_OUT, timeout_s=_TIMEOUT_S)
async def fan_out(work: Work) -> dict[str, Any]:
    """Make the schedule's job for each organization that is not a sandbox. The key keeps a second one out while the first is live."""
    schedule = registry.declared.schedules[work.args["schedule"]]
    count, after = 0, None
    while True:
        async with work.database.transaction() as uow:
            page = await schedules.organizations(uow, after=after, at_most=_PAGE)
        if not page:
            return {"organizations": count}
        await work.outside(f"after {after}", functools.partial(_ask_all, work, schedule, page))
        count, after = count + len(page), page[-1]
        await work.progress(count, words=f"{count} organizations")


async def _ask_all(work: Work, schedule: registry.Schedule, page: list[UUID]) -> None:
    """Ask for the job in each organization's own transaction."""
    key = schedules.dedupe_key(schedule.name)
    for organization_id in page:
        async with work.database.transaction(organization_id) as uow:
            await queue.enqueue(uow, name=schedule.job, args=schedule.args, now=work.at, dedupe_key=key)
