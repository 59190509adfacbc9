"""Jobs of periods: looked at every hour, closed step by step, compared every night, and paid for by invoices of the house."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.identity.service import due
from carbonledger.domains.invoices.service import issuing, standing
from carbonledger.domains.receipts.service import closing, periods, plan_payments, proving, totals
from carbonledger.domains.receipts.types import periods as types
from carbonledger.domains.telemetry.types.closing import CutBusy
from carbonledger.entrypoints.worker import runner
from carbonledger.infra import clock, db, outbox, queue
from carbonledger.kernel import actor as actors

ADVANCE_JOB: Final = "receipts.advance_periods"
PLAN_PAYMENT_JOB: Final = "receipts.record_plan_payment"
READ_DEADLINE: Final = timedelta(minutes=15)
"""Of real time, in which connections are read for the last time; what is not read by then is noted, and arrives as an adjustment."""
_SETTLE_S: Final = 20.0  # then the job gives its place up for a moment: a worker of one place has to poll as well
_RETRY_S: Final = 15
_LOOK_S: Final = 0.05
_CUT_TRIES: Final = 20
_CUT_PAUSE_S: Final = 0.2
_TIMEOUT_S: Final = 3600.0
# Waiting for polls takes an attempt each time: enough of them for the deadline, and for as many failures as other jobs have.
_ATTEMPTS_MAX: Final = 40

queue.subscriber(issuing.PAID, standing.PAYMENT_FAILED, job=PLAN_PAYMENT_JOB)
queue.schedule(ADVANCE_JOB, "7 * * * *", each_organization=True)
queue.schedule(totals.CHECK_JOB, "10 3 * * *", each_organization=True)
due.register("receipts.periods", next_due=periods.next_due, run_due=periods.run_due)


@queue.handler(ADVANCE_JOB)
async def advance(uow: db.UnitOfWork, work: runner.Job) -> dict[str, int]:
    """Make months, move them, and ask for the closing of what is due."""
    found = await periods.advance(uow, actor=work.actor, now=work.now, organization_id=work.organization_id)
    return {"closing": len(found)}


@queue.steps(periods.CLOSE_JOB, timeout_s=_TIMEOUT_S, attempts_max=_ATTEMPTS_MAX)
async def close(work: runner.StepsJob) -> dict[str, Any]:
    """Close a period. Each step is committed with its effect, so a killed job goes on with the next one."""
    period_id = UUID(work.args["period_id"])
    names = {"organization_id": work.organization_id, "period_id": period_id}
    asked_at = datetime.fromisoformat(await work.step("ask", lambda uow: _ask(work, uow, period_id)))
    period = await _found(work, period_id)
    if not types.is_done(types.Step.RECONCILED, within=period.step):
        await _settled(work, until=asked_at + READ_DEADLINE)
        async with work.transaction() as uow:
            await closing.reconciled(uow, now=work.now, **names)
    await _cut(work, period_id)
    async with work.transaction() as uow:
        await closing.sum_up(uow, now=work.now, **names)
    async with work.transaction() as uow:
        await closing.adjust(uow, now=work.now, **names)
    await _prove(work, period_id)
    async with work.transaction() as uow:
        await closing.closed(uow, actor=work.actor, now=work.now, **names)
    period = await _found(work, period_id)
    return {"month": f"{period.month:%Y-%m}", "events": period.events, "leaves": period.leaves, "unread": len(period.unread)}


async def _found(work: runner.StepsJob, period_id: UUID) -> types.Period:
    async with work.database.transaction(work.organization_id, read_only=True) as uow:
        return await periods.find(uow, organization_id=work.organization_id, period_id=period_id)


async def _ask(work: runner.StepsJob, uow: db.UnitOfWork, period_id: UUID) -> str:
    await closing.begin(uow, actor=work.actor, now=work.now, at=work.at, organization_id=work.organization_id, period_id=period_id)
    return work.at.isoformat()


async def _settled(work: runner.StepsJob, *, until: datetime) -> None:
    """Wait until connections are read, or for ``until``. Raises ``PollsUnfinished``: the job goes on waiting in its next attempt."""
    loop = asyncio.get_running_loop()
    end = loop.time() + _SETTLE_S
    while True:
        async with work.database.transaction(work.organization_id, read_only=True) as uow:
            if await closing.is_read(uow, organization_id=work.organization_id) or clock.now() >= until:
                return
        if loop.time() >= end:
            raise types.PollsUnfinished("It goes on by itself.", retry_after_s=_RETRY_S)
        await asyncio.sleep(_LOOK_S)


async def _cut(work: runner.StepsJob, period_id: UUID) -> None:
    """Make the cut, in a transaction of its own: ingest waits for its length."""
    for tries_left in reversed(range(_CUT_TRIES)):
        try:
            async with work.transaction() as uow:
                await closing.freeze(uow, now=work.now, at=work.at, organization_id=work.organization_id, period_id=period_id)
        except CutBusy:
            if not tries_left:
                raise
            await asyncio.sleep(_CUT_PAUSE_S)
        else:
            return


async def _prove(work: runner.StepsJob, period_id: UUID) -> None:
    services = work.services
    async with work.transaction() as uow:
        located = await proving.salt(
            uow,
            actor=work.actor,
            now=work.now,
            at=work.at,
            sealer=services.sealer,
            organization_id=work.organization_id,
            outside=services.outside_secrets is not None,
        )
    salting = await proving.opened(located, sealer=services.sealer, outside=services.outside_secrets)
    files = services.objects.of_organization(work.organization_id)
    # Not fenced: it reads for as long as it takes, and what it writes is the same whoever writes it.
    async with work.database.transaction(work.organization_id, read_only=True) as uow:
        tree = await proving.make_tree(uow, organization_id=work.organization_id, period_id=period_id, salting=salting, files=files)
    if tree is not None:
        async with work.transaction() as uow:
            await proving.proven(uow, now=work.now, organization_id=work.organization_id, period_id=period_id, tree=tree)


@queue.steps(totals.CHECK_JOB, timeout_s=_TIMEOUT_S)
async def check(work: runner.StepsJob) -> dict[str, int]:
    """Compare every period and its adjustments with a fresh computation, and alert the operators where they differ."""
    async with work.transaction() as uow:
        found = await totals.check(uow, now=work.now, organization_id=work.organization_id)
    wrong = [one for one in found if one.differences]
    if wrong:
        await work.step(
            "tell",
            lambda uow: totals.tell(uow, actor=work.actor, now=work.now, organization_id=work.organization_id, found=wrong),
        )
    return {"periods": len(found), "different": len(wrong)}


@queue.steps(PLAN_PAYMENT_JOB, returns=True)
async def record_plan_payment(work: runner.StepsJob) -> dict[str, Any]:
    """Write for a customer of the house which months its plan was paid for, or not. An invoice of anybody else says nothing here."""
    async with work.transaction() as uow:
        event = await outbox.event(uow, event_id=UUID(work.args["event_id"]))
        settled = await plan_payments.of_invoice(uow, organization_id=work.organization_id, invoice_id=UUID(event.target_id))
    if settled is None:
        return {"months": []}
    # Another organization's transaction: saying the same again is nothing, so it may be repeated.
    actor = actors.system(settled.organization_id, request_id=work.job.request_id)
    async with work.database.transaction(settled.organization_id) as uow:
        months = await plan_payments.record(uow, actor=actor, at=work.at, settled=settled)
    return {"months": [f"{month:%Y-%m}" for month in months]}
