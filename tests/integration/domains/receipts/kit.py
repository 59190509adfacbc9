"""Months, late usage and closings that the tests of periods share."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from carbonledger.domains.receipts.service import closing, periods, proving, totals
from carbonledger.domains.receipts.types.periods import Period
from carbonledger.domains.receipts.types.totals import Checked
from carbonledger.domains.telemetry import types as telemetry_types
from carbonledger.domains.telemetry.types.closing import CutBusy
from carbonledger.infra import db, objects
from carbonledger.kernel import actor
from tests.integration.domains.telemetry import kit

OCTOBER, NOVEMBER, DECEMBER = (datetime(2026, month, 1, tzinfo=UTC) for month in (10, 11, 12))
CLOSES = timedelta(hours=48)
Step = Callable[..., Awaitable[None]]
SALT = proving.Salt(bytes(range(32)))


def draft(key: str, *, at: datetime = OCTOBER + timedelta(days=4), uncached: int | None = 1000, **more: Any) -> telemetry_types.Draft:
    return kit.draft(key, at=at, counts=kit.tokens(uncached=uncached), **more)


async def accept(database: db.Database, organization_id: UUID, *items: telemetry_types.Item, now: datetime) -> list[str]:
    return kit.statuses(await kit.accept(database, organization_id, *items, at=now))


async def advance(database: db.Database, organization_id: UUID, *, now: datetime) -> list[Period]:
    async with database.transaction(organization_id) as uow:
        return await periods.advance(uow, actor=actor.system(organization_id), now=now, organization_id=organization_id)


async def every(database: db.Database, organization_id: UUID, *, now: datetime) -> dict[str, Period]:
    async with database.transaction(organization_id) as uow:
        found = await periods.ensure(uow, organization_id=organization_id, now=now)
    return {f"{one.month:%Y-%m}": one for one in found}


async def close(database: db.Database, organization_id: UUID, period_id: UUID, files: objects.Objects, *, now: datetime) -> None:
    """Take the steps that the job takes, each in its transaction."""
    names: dict[str, Any] = {"organization_id": organization_id, "period_id": period_id}
    steps = (closing.reconciled, functools.partial(closing.freeze, at=now), closing.sum_up, closing.adjust)
    for step in steps:

        async def take(step: Step = step) -> None:
            async with database.transaction(organization_id) as uow:
                await step(uow, now=now, **names)

        await patiently(take)
    async with database.transaction(organization_id) as uow:
        tree = await proving.make_tree(uow, **names, salting=SALT, files=files)
    if tree is not None:
        async with database.transaction(organization_id) as uow:
            await proving.proven(uow, now=now, **names, tree=tree)
    async with database.transaction(organization_id) as uow:
        await closing.closed(uow, actor=actor.system(organization_id), now=now, **names)


async def patiently(take: Callable[[], Awaitable[None]]) -> None:
    """Try again, as the job does, a cut that found others writing for as long as it may wait: on a busy machine they take longer."""
    while True:
        try:
            return await take()
        except CutBusy:
            continue  # they end


async def close_due(database: db.Database, organization_id: UUID, files: objects.Objects, *, now: datetime) -> list[str]:
    """Close every month that is due at ``now``, in their order."""
    due = await advance(database, organization_id, now=now)
    for period in due:
        await close(database, organization_id, period.id, files, now=now)
    return [f"{period.month:%Y-%m}" for period in due]


async def check(database: db.Database, organization_id: UUID, *, now: datetime) -> Sequence[Checked]:
    async with database.transaction(organization_id) as uow:
        return await totals.check(uow, now=now, organization_id=organization_id)


def files(folder: Path, organization_id: UUID) -> objects.Objects:
    return objects.connect(folder.as_uri()).of_organization(organization_id)
