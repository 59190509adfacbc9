"""Upkeep of the roll-ups: comparing them with the events every night, and making them anew.

They are kept in the transaction that adds the events, so a difference is a defect, or a hand that reached into the database. It is
told, never mended by itself: what made it should be looked at first. Both work on whole days (UTC), one a transaction, so that no step
takes long.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from uuid import UUID

from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.store import tallying
from carbonledger.domains.telemetry.store import upkeep as store
from carbonledger.domains.telemetry.types import Difference
from carbonledger.infra import db, outbox
from carbonledger.kernel.actor import Actor

CHECK_JOB: Final = "telemetry.check_rollups"
DIFFER: Final = "telemetry.rollups_differ"
REBUILT: Final = "telemetry.rollups_rebuilt"
DIFFERENCES_MAX: Final = 1_000  # of a day and a table; whoever has more rebuilds the day
_DAY: Final = timedelta(days=1)


async def days(uow: db.UnitOfWork, *, organization_id: UUID, first: date | None = None, last: date | None = None) -> list[date]:
    """Return the days (UTC) that there is anything of, from ``first`` to ``last``, both inside. Raises ``PeriodInvalid``."""
    if first is not None and last is not None and last < first:
        raise types.PeriodInvalid("Give a last day that is not before the first.")
    span = await store.span(uow, organization_id=organization_id)
    if span is None:
        return []
    return list(_days(max(first or span[0], span[0]), min(last or span[1], span[1])))


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += _DAY


async def check(uow: db.UnitOfWork, *, organization_id: UUID, day: date) -> list[Difference]:
    """Return what the roll-ups of a day say otherwise than its events."""
    start = datetime.combine(day, time(), UTC)
    return await store.differences(uow, organization_id=organization_id, start=start, end=start + _DAY, at_most=DIFFERENCES_MAX)


async def rebuild(uow: db.UnitOfWork, *, organization_id: UUID, day: date) -> None:
    """Make the roll-ups of a day anew from its events. Ingest of every organization waits for the length of this transaction.

    Call it first in its transaction: what is added is what is committed when the lock is had.
    """
    start = datetime.combine(day, time(), UTC)
    await store.rebuild(uow, organization_id=organization_id, start=start, end=start + _DAY)
    await tallying.drop_between(uow, organization_id=organization_id, start=start, end=start + _DAY)


async def tell(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, differences: Sequence[Difference]) -> None:
    """Alert the operators that roll-ups are wrong."""
    found = sorted({str(one.slot)[:10] for one in differences})
    await outbox.emit(
        uow,
        actor=actor,
        now=now,
        action=DIFFER,
        target_type="organization",
        target_id=organization_id,
        after={"rows": len(differences), "days": len(found), "first_day": found[0], "last_day": found[-1]},
        severity="critical",
        audience=(outbox.OPERATORS,),
    )


async def rebuilt(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, days: Sequence[date]) -> None:
    """Put into the trail that roll-ups were made anew."""
    after = {"days": len(days), "first_day": str(days[0]), "last_day": str(days[-1])}
    await outbox.emit(uow, actor=actor, now=now, action=REBUILT, target_type="organization", target_id=organization_id, after=after)
