"""What subscriptions do because something else changed: a new version of their plan that takes them along, an account that moved."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.accounts import service as accounts
from carbonledger.domains.catalog import service as catalog
from carbonledger.domains.catalog.types import Migration
from carbonledger.domains.subscriptions.core import commands
from carbonledger.domains.subscriptions.service import recording
from carbonledger.domains.subscriptions.service.recording import Hand
from carbonledger.domains.subscriptions.store import subscriptions as store
from carbonledger.infra import db
from carbonledger.kernel.actor import Actor

BATCH: Final = 200


async def migrate(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, plan_id: UUID, number: int, after: UUID | None = None
) -> UUID | None:
    """Take subscriptions of a plan along to its version ``number``, as the version says; return the last one looked at, None at the end.

    One batch a call, from the one after ``after``. Who is on that version already, has a change planned to it, or is on another plan by
    then, is left alone; so it may be done again.
    """
    version = await catalog.find_version(uow, organization_id=organization_id, plan_id=plan_id, number=number)
    if version.migration is Migration.STAY:
        return None
    hand = Hand(uow=uow, actor=actor, now=now, organization_id=organization_id)
    found = await store.on_plan(uow, organization_id=organization_id, plan_id=plan_id, after=after, limit=BATCH)
    versions = await recording.versions_of(uow, organization_id=organization_id, subscriptions=found)
    late = [one for one in found if one.next_due_at is not None and one.next_due_at <= now]
    brought = {one.id: one for one in await recording.bring(hand, late, versions)} if late else {}
    for one in found:
        held = brought.get(one.id, one)
        desk = recording.desk_of(hand, held, {**versions, version.id: version})
        await recording.record(hand, held, desk, commands.follow(desk, version))
    return found[-1].id if len(found) == BATCH else None


async def move_zone(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, account_id: UUID) -> int:
    """Have the subscriptions of an account follow it to its time zone: periods begun end as they were to; return how many moved."""
    hand = Hand(uow=uow, actor=actor, now=now, organization_id=organization_id)
    found = await store.of_account(uow, organization_id=organization_id, account_id=account_id)
    # Read when nobody else can move them any more: of two changes of zone the later one stays.
    account = await accounts.find(uow, organization_id=organization_id, account_id=account_id)
    versions = await recording.versions_of(uow, organization_id=organization_id, subscriptions=found)
    moved = 0
    for one in found:
        if one.next_due_at is not None and one.next_due_at <= now:
            [one] = await recording.bring(hand, [one], versions)  # noqa: PLW2901 - the same, brought to now
        desk = recording.desk_of(hand, one, versions)
        new = commands.change_zone(desk, account.time_zone)
        await recording.record(hand, one, desk, new)
        moved += bool(new)
    return moved
