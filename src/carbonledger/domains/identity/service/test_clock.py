"""The clock of a sandbox organization: asked to move, and moved by a job from one thing due to the next.

Each stop is one transaction that sets the clock and does what is due then, so the job can die anywhere and go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from carbonledger.domains.identity import types
from carbonledger.domains.identity.core import clock as rules
from carbonledger.domains.identity.service import due
from carbonledger.domains.identity.store import announcements, clock, organizations
from carbonledger.infra import db, outbox, queue
from carbonledger.kernel import errors
from carbonledger.kernel.actor import Actor

ADVANCE_JOB = "identity.advance_clock"
_DEDUPE_KEY = "clock"


@dataclass(frozen=True, slots=True)
class Stop:
    """Where the clock is after a step. ``is_end``: it is where it was told to go, and nothing is left to do."""

    clock_at: datetime
    is_end: bool


async def advance(uow: db.UnitOfWork, *, actor: Actor, at: datetime, organization_id: UUID, to: datetime) -> UUID:
    """Ask for the clock to be moved to ``to``, and return the job that does it.

    Raises ``SandboxOnly``, ``ClockBackwards``, ``ClockMoving``, ``Invalid`` (too far at once).
    """
    organization = await organizations.find(uow, organization_id=organization_id, lock=True)
    if organization is None:
        raise types.OrganizationUnknown
    if organization.clock_at is None:
        raise types.SandboxOnly
    if to < organization.clock_at:
        raise types.ClockBackwards(f"It shows {organization.clock_at.isoformat()}.")
    if to - organization.clock_at > rules.ADVANCE_MAX:
        raise errors.invalid("/to", "too_far", f"Move at most {rules.ADVANCE_MAX.days} days at a time.")
    # A target without a job is left by a move that was given up: this one takes its place.
    if await clock.is_live(uow, organization_id=organization_id, job=ADVANCE_JOB):
        raise types.ClockMoving("Wait for its job to end.")
    await organizations.change(uow, organization_id=organization_id, now=at, values={"clock_target": to})
    now = organization.clock_at
    job_id = await queue.enqueue(uow, name=ADVANCE_JOB, args={"to": to.isoformat()}, now=now, actor=actor, dedupe_key=_DEDUPE_KEY)
    await outbox.emit(
        uow,
        actor=actor,
        now=now,
        action="clock.advance_asked",
        target_type="organization",
        target_id=organization_id,
        after={"to": to.isoformat(), "job_id": str(job_id)},
    )
    return job_id


async def step(uow: db.UnitOfWork, *, actor: Actor, at: datetime, organization_id: UUID) -> Stop:
    """Move the clock to the next thing due and do what is due then; or, if nothing is left, to its target. Raises ``SandboxOnly``."""
    organization = await organizations.find(uow, organization_id=organization_id, lock=True)
    if organization is None or organization.clock_at is None:
        raise types.SandboxOnly
    target = organization.clock_target
    if target is None:
        return Stop(clock_at=organization.clock_at, is_end=True)
    sorts = due.every()
    upcoming = [await sort.next_due(uow, organization_id, target) for sort in sorts]
    stop = rules.next_stop(organization.clock_at, target, upcoming)
    values = {"clock_at": target, "clock_target": None} if stop is None else {"clock_at": stop}
    await organizations.change(uow, organization_id=organization_id, now=at, values=values)
    await announcements.announce(uow, organization_id=organization_id)
    if stop is None:
        await _emit_advanced(uow, actor=actor, organization=organization, target=target)
        return Stop(clock_at=target, is_end=True)
    for sort, instant in zip(sorts, upcoming, strict=True):
        if instant is not None and instant <= stop:
            await sort.run_due(uow, actor, stop)
    return Stop(clock_at=stop, is_end=False)


async def _emit_advanced(uow: db.UnitOfWork, *, actor: Actor, organization: types.Organization, target: datetime) -> None:
    after = {"clock_at": target.isoformat()}
    await outbox.emit(
        uow, actor=actor, now=target, action="clock.advanced", target_type="organization", target_id=organization.id, after=after
    )


async def is_settled(uow: db.UnitOfWork, *, at: datetime, organization_id: UUID, job_id: UUID) -> bool:
    """Say whether all work that follows from the last stop has ended; ``job_id`` is the mover's own."""
    return await clock.under_way(uow, organization_id=organization_id, but=job_id, at=at) == 0
