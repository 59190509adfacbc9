"""Jobs of subscriptions: what is planned takes effect and periods begin; they follow new versions of their plan and accounts that move.

Every night their rows are compared with their facts.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from carbonledger.domains.accounts import service as accounts
from carbonledger.domains.catalog.service import plans
from carbonledger.domains.identity.service import due
from carbonledger.domains.subscriptions import service
from carbonledger.domains.subscriptions.service import advancing, checking
from carbonledger.entrypoints.worker import runner
from carbonledger.infra import db, outbox, queue

ADVANCE_JOB: Final = "subscriptions.advance"
MIGRATE_JOB: Final = "subscriptions.migrate"
MOVE_JOB: Final = "subscriptions.move_zone"
_TIMEOUT_S: Final = 3600.0

# Before whatever bills them: the order of registration is the order of an instant.
due.register("subscriptions", next_due=service.next_due, run_due=service.run_due)
queue.schedule(ADVANCE_JOB, "2 * * * *", each_organization=True)
queue.schedule(checking.CHECK_JOB, "45 3 * * *", each_organization=True)
queue.subscriber(plans.VERSIONED, job=MIGRATE_JOB)
queue.subscriber(accounts.CHANGED, job=MOVE_JOB)


@queue.steps(ADVANCE_JOB)
async def advance(work: runner.StepsJob) -> dict[str, int]:
    """Bring subscriptions to now, a batch a transaction. Killed, it goes on with what is still due."""
    moved = 0
    while True:
        async with work.transaction() as uow:
            count = await service.advance(uow, actor=work.actor, now=work.now, organization_id=work.organization_id)
        moved += count
        if count < advancing.BATCH:
            return {"subscriptions": moved}


@queue.steps(checking.CHECK_JOB, timeout_s=_TIMEOUT_S)
async def check(work: runner.StepsJob) -> dict[str, Any]:
    """Compare the row of every subscription with its facts, and alert the operators where they differ."""
    wrong: list[checking.Wrong] = []
    after: UUID | None = None
    while True:
        async with work.database.transaction(work.organization_id, read_only=True) as uow:
            found, after = await checking.check(uow, now=work.now, organization_id=work.organization_id, after=after)
        wrong += found
        if after is None:
            break
    if wrong:
        await work.step(
            "tell",
            lambda uow: checking.tell(uow, actor=work.actor, now=work.now, organization_id=work.organization_id, wrong=wrong),
        )
    return {"wrong": [str(one.subscription_id) for one in wrong]}


@queue.steps(MIGRATE_JOB, timeout_s=_TIMEOUT_S)
async def migrate(work: runner.StepsJob) -> None:
    """Take subscriptions along to a new version of their plan. Done again, it finds them there."""
    async with work.transaction() as uow:
        event = await outbox.event(uow, event_id=UUID(work.args["event_id"]))
    after: UUID | None = None
    while True:
        async with work.transaction() as uow:
            after = await service.migrate(
                uow,
                actor=work.actor,
                now=work.now,
                organization_id=work.organization_id,
                plan_id=UUID(event.target_id),
                number=int(event.after["version"]),
                after=after,
            )
        if after is None:
            return


@queue.handler(MOVE_JOB)
async def move(uow: db.UnitOfWork, work: runner.Job) -> dict[str, int]:
    """Have subscriptions follow their account to another time zone. Done again, it finds them there."""
    event = await outbox.event(uow, event_id=UUID(work.args["event_id"]))
    if "time_zone" not in (event.after or {}):
        return {"subscriptions": 0}
    moved = await service.move_zone(
        uow, actor=work.actor, now=work.now, organization_id=work.organization_id, account_id=UUID(event.target_id)
    )
    return {"subscriptions": moved}
