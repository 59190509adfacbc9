"""Jobs of invoices: the bill run every hour, what came late every day, PDFs after issue, and the books compared every night."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.identity.service import due
from carbonledger.domains.invoices.service import billing, checking, collecting, issuing, late, printing, running
from carbonledger.entrypoints.shared import bill_runs
from carbonledger.entrypoints.worker import runner
from carbonledger.infra import clock, queue
from carbonledger.infra.queue import workers
from carbonledger.kernel import instant

BILL_JOB: Final = "invoices.bill"
LATE_JOB: Final = "invoices.settle_late_usage"
BESIDE_JOB: Final = "invoices.bill_beside"
"""Another worker's part in a bill run."""
BESIDE_MAX: Final = 7
"""Workers beside the first at one run: numbers are given out one batch after the other, and more of them would wait for that."""
_ALIVE: Final = timedelta(seconds=30)
"""Since when a worker must have been heard of to be asked: they report every ten seconds."""
_HANDED_ON_MAX: Final = 8
"""Times that a part is given on, each after twice the pause, until it is with a worker that does not work at this run already."""
_PAUSE_S: Final = 0.25
_TIMEOUT_S: Final = 6 * 3600.0
_at_work: list[UUID] = []
"""The organizations whose bill runs this process works at: to work at one twice would make it no faster."""

queue.schedule(BILL_JOB, "12 * * * *", each_organization=True)
queue.schedule(LATE_JOB, "25 2 * * *", each_organization=True)
queue.schedule(checking.CHECK_JOB, "35 3 * * *", each_organization=True)
due.register("invoices.billing", next_due=billing.next_due, run_due=running.run_due)


@queue.steps(BILL_JOB, timeout_s=_TIMEOUT_S)
async def bill(work: runner.StepsJob) -> dict[str, int]:
    """Issue the drafts that have waited for late usage, then bill all that is due: some hundred accounts a transaction, with other workers.

    Killed anywhere, it begins again: what is billed is not due any more.
    """
    collected = await _collect(work)
    with _working(work.organization_id):
        await _ask_others(work)
        return {"collected": collected, **await _bill(work, work.now)}


@queue.steps(BESIDE_JOB, timeout_s=_TIMEOUT_S)
async def bill_beside(work: runner.StepsJob) -> dict[str, int]:
    """Take batches of a bill run that another worker has begun, at its time; without that worker all of them."""
    turn = work.args["turn"]
    if work.organization_id in _at_work:
        if turn < _HANDED_ON_MAX:
            async with work.transaction() as uow:
                args = {**work.args, "turn": turn + 1}
                await queue.enqueue(uow, name=BESIDE_JOB, args=args, now=work.now, actor=work.actor, delay_s=_PAUSE_S * 2**turn)
        return {}
    with _working(work.organization_id):
        return await _bill(work, instant.from_api_instant(work.args["now"]))


async def _ask_others(work: runner.StepsJob) -> None:
    """Ask the other workers that live to take their part, where there is more than one batch."""
    async with work.transaction() as uow:
        if len(await billing.batch(uow, now=work.now, organization_id=work.organization_id)) < billing.BATCH:
            return
        alive = await workers.seen_since(uow, since=clock.now() - _ALIVE)
        for place in range(min(len(alive) - 1, BESIDE_MAX)):
            await queue.enqueue(
                uow,
                name=BESIDE_JOB,
                args={"now": instant.to_api_instant(work.now), "turn": 0},
                now=work.now,
                actor=work.actor,
                dedupe_key=f"{work.job.id}:{place}",
            )


@contextlib.contextmanager
def _working(organization_id: UUID) -> Iterator[None]:
    _at_work.append(organization_id)
    try:
        yield
    finally:
        _at_work.remove(organization_id)


async def _bill(work: runner.StepsJob, now: datetime) -> dict[str, int]:
    """Bill what is due at ``now`` and nobody else bills, and return what that came to."""

    async def told(ran: billing.Ran) -> None:
        await work.progress(ran.issued + ran.drafted, None, f"{ran.lines} lines")  # also where this attempt learns that it is superseded

    # Not fenced: two batches would wait for each other, and whoever bills finds what is billed not due any more.
    ran = await bill_runs.run(work.database, actor=work.actor, now=now, at=work.at, organization_id=work.organization_id, told=told)
    return {"issued": ran.issued, "drafted": ran.drafted, "lines": ran.lines, "failed": ran.failed}


async def _collect(work: runner.StepsJob) -> int:
    """Issue the drafts that have waited, and return how many."""
    total, failed = 0, set[UUID]()
    while True:
        async with work.transaction() as uow:
            done = await collecting.run(
                uow,
                actor=work.actor,
                now=work.now,
                at=work.at,
                organization_id=work.organization_id,
                limit=billing.BATCH,
                apart_from=failed,
            )
        if not done.issued and not done.failed:
            return total
        total += done.issued
        failed.update(done.failed)


@queue.steps(LATE_JOB, timeout_s=_TIMEOUT_S)
async def settle_late_usage(work: runner.StepsJob) -> dict[str, int]:
    """Count the usage of issued lines again, and do with what came late as the seller has decided."""
    after: UUID | None = late.BEGINNING
    stretches = 0
    while after is not None:
        async with work.transaction() as uow:
            after = await late.settle(
                uow,
                actor=work.actor,
                now=work.now,
                at=work.at,
                organization_id=work.organization_id,
                after=after,
                limit=running.LINES,
            )
        stretches += 1
    return {"stretches": stretches}


@queue.steps(issuing.PRINT_JOB, timeout_s=_TIMEOUT_S)
async def print_invoices(work: runner.StepsJob) -> dict[str, int]:
    """Make the PDFs of invoices that were issued together. Those that have one are left; one that fails keeps none of the others back."""
    invoice_ids = [UUID(each) for each in work.args["invoice_ids"]]
    async with work.database.transaction(work.organization_id, read_only=True) as uow:
        waiting = await printing.unprinted(uow, organization_id=work.organization_id, invoice_ids=invoice_ids)
    failures: list[Exception] = []
    for prepared in waiting:
        try:
            content = await printing.printed(prepared, printer=work.services.invoice_printer)
        except Exception as error:  # typst says everything with one class, and the others are printed all the same
            failures.append(error)
            async with work.transaction() as uow:
                await printing.failed(
                    uow,
                    now=work.now,
                    at=work.at,
                    organization_id=work.organization_id,
                    prepared=prepared,
                    detail=type(error).__name__,
                )
            continue
        async with work.transaction() as uow:
            await printing.keep(uow, at=work.at, organization_id=work.organization_id, invoice_id=prepared.invoice_id, content=content)
    if failures:
        raise failures[0]
    return {"printed": len(waiting)}


@queue.steps(checking.CHECK_JOB, timeout_s=_TIMEOUT_S)
async def check(work: runner.StepsJob) -> dict[str, Any]:
    """Compare every invoice with its lines and every series with its numbers, and alert the operators where they differ."""
    async with work.transaction() as uow:
        found = await checking.check(uow, organization_id=work.organization_id)
    if found.is_wrong:
        await work.step(
            "tell",
            lambda uow: checking.tell(uow, actor=work.actor, now=work.now, organization_id=work.organization_id, found=found),
        )
    return {"invoices": [str(one) for one in found.invoice_ids], "series": list(found.series)}
