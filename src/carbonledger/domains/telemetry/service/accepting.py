"""Accepting usage: price it, rate it, and add it to the ledger once, in one transaction with its roll-ups.

    items ─> checked ─> booked (project, agent) ─> priced, rated ─> staged ─┬─ new key ──────────────────> accepted
                │                                                          └─ known key ─┬─ as it was ──> duplicate
                └─ breaks a rule ─> rejected                                             ├─ other counts > revised (the old ones are kept)
                                                                                         └─ other time or model ─> rejected
One bad item never sinks a batch. ``now`` is the organization's time, ``at`` the real one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from asyncpg.pgproto import pgproto

from carbonledger.domains.projects import service as projects
from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.core import checks, identity, rollup
from carbonledger.domains.telemetry.service import authority, comparing, judging, serials
from carbonledger.domains.telemetry.store import writing
from carbonledger.domains.telemetry.types import Rejection, Result, Status
from carbonledger.infra import db, outbox
from carbonledger.kernel.actor import Actor

ACCEPTED = "telemetry.accepted"


@dataclass(slots=True)
class _Batch:
    """Items on their way. ``first``: the place of each id's first item; ``again``: the places of those that repeat an id."""

    results: list[Result | None]
    first: dict[UUID, int] = field(default_factory=dict)
    again: list[tuple[UUID, int]] = field(default_factory=list)

    def reject(self, index: int, rejection: Rejection) -> None:
        self.results[index] = Result(index, Status.REJECTED, None, rejection)


async def accept(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    at: datetime,
    organization_id: UUID,
    booking: types.Booking,
    items: Sequence[types.AnyDraft | Rejection],
) -> types.Accepted:
    """Add items to the ledger and say what became of each. An item may be its own rejection, where it could not be read.

    Raises ``BatchTooLarge``.
    """
    if len(items) > types.BATCH_MAX:
        raise types.BatchTooLarge(f"Send {types.BATCH_MAX} events at a time; this were {len(items)}.")
    batch = _Batch(results=[None] * len(items))
    places = await _booked(uow, actor=actor, now=now, at=at, organization_id=organization_id, booking=booking, items=items)
    _check(batch, items, places, last=checks.latest(now), prefix=identity.of_organization(organization_id))
    judged = await judging.judge(
        uow, at=at, organization_id=organization_id, booking=booking, items=items, places=places, batch=batch.first
    )
    judged = await authority.mark_duplicates(uow, organization_id=organization_id, judged=judged, batch=batch.first)
    await _write(uow, batch, judged, organization_id=organization_id, at=at)
    done = _counted(batch)
    if done.accepted or done.revised:
        after = {"source": booking.source.value, "accepted": done.accepted, "revised": done.revised}
        await outbox.emit(uow, actor=actor, now=now, action=ACCEPTED, target_type="organization", target_id=organization_id, after=after)
    return done


async def _booked(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    at: datetime,
    organization_id: UUID,
    booking: types.Booking,
    items: Sequence[types.AnyDraft | Rejection],
) -> serials.Places:
    """Return where items may be booked: their projects and agents, as far as they exist here."""
    if booking.project_id is not None:
        return serials.Places(default=booking.project_id, projects=frozenset((booking.project_id,)), agents={})
    drafts = [item for item in items if not isinstance(item, Rejection)]
    known = await projects.known(
        uow,
        organization_id=organization_id,
        project_ids={draft.project_id for draft in drafts if draft.project_id is not None},
        agent_ids={draft.agent_id for draft in drafts if draft.agent_id is not None},
    )
    default = known.default_project_id
    if default is None:
        default = (await projects.default_project(uow, actor=actor, now=now, at=at, organization_id=organization_id)).id
    return serials.Places(default=default, projects=known.projects | {default}, agents=known.agents)


def _check(batch: _Batch, items: Sequence[types.AnyDraft | Rejection], places: serials.Places, *, last: datetime, prefix: bytes) -> None:
    """Sort items into those that break a rule, the first of each key, and those that repeat a key of this batch."""
    first = batch.first
    for index, item in enumerate(items):
        if isinstance(item, Rejection):
            batch.reject(index, item)
            continue
        rejection = checks.draft(item, last=last) if isinstance(item, types.Draft) else checks.metered(item, last=last)
        rejection = rejection or places.rejection(item)
        if rejection is not None:
            batch.reject(index, rejection)
            continue
        event_id = pgproto.UUID(identity.event_bytes(prefix, item.idempotency_key))
        if event_id in first:
            batch.again.append((event_id, index))
        else:
            first[event_id] = index


async def _write(uow: db.UnitOfWork, batch: _Batch, judged: judging.Judged, *, organization_id: UUID, at: datetime) -> None:
    if not batch.first:
        return
    inserted = await writing.insert_events(
        uow, organization_id=organization_id, rows=judged.rows, price_book_id=judged.price_book_id, at=at
    )
    changes = inserted.hours
    known = set(inserted.known)
    for event_id, index in batch.first.items():
        if event_id not in known:
            batch.results[index] = Result(index, Status.ACCEPTED, event_id, None)
    # What repeats a key of this batch is compared after its first item is written, in the order given.
    rounds = [[(event_id, batch.first[event_id]) for event_id in inserted.known], *comparing.rounds(batch.again)]
    for pairs in rounds:
        if pairs:
            compared = await comparing.compare(uow, organization_id=organization_id, at=at, judged=judged, pairs=pairs)
            changes += compared.hours
            for result in compared.results:
                batch.results[result.place] = result
    await writing.add(uow, organization_id=organization_id, hours=rollup.merged(changes))


def _counted(batch: _Batch) -> types.Accepted:
    numbers = dict.fromkeys(Status, 0)
    results = []
    for index, result in enumerate(batch.results):
        if result is None:
            message = f"item {index} was left without a result"
            raise AssertionError(message)
        numbers[result.status] += 1
        results.append(result)
    return types.Accepted(
        results=tuple(results),
        accepted=numbers[Status.ACCEPTED],
        duplicate=numbers[Status.DUPLICATE],
        revised=numbers[Status.REVISED],
        rejected=numbers[Status.REJECTED],
    )
