"""Accepting usage: price it, rate it, and add it to the ledger once, in one transaction with its roll-ups.

    items ─> checked ─> booked (project, agent) ─> priced, rated ─> staged ─┬─ new key ──────────────────> accepted
                │                                                          └─ known key ─┬─ as it was ──> duplicate
                └─ breaks a rule ─> rejected                                             ├─ other counts > revised (the old ones are kept)
                                                                                         └─ other time or model ─> rejected
One bad item never sinks a batch. ``now`` is the organization's time, ``at`` the real one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from asyncpg.pgproto import pgproto

from carbonledger.domains.projects import service as projects
from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.core import checks, identity, rollup
from carbonledger.domains.telemetry.service import alike, authority, comparing, judging, serials
from carbonledger.domains.telemetry.store import writing
from carbonledger.domains.telemetry.types import Rejection, Result, Status
from carbonledger.infra import db, outbox
from carbonledger.kernel.actor import Actor

ACCEPTED = "telemetry.accepted"
_DRAFTED: Final = (types.Draft, types.MeteredDraft, Rejection)


_Kept = tuple[int, types.AnyDraft | types.Plain, alike.Alike | None]
"""An item that breaks no rule: its place, itself, and what a plain event is like; None: it is a draft, or has to become one."""


@dataclass(slots=True)
class _Batch:
    """Items on their way. ``first``: the place of each id's first item; ``again``: the places of those that repeat an id."""

    results: list[Result | None]
    plain: alike.Batch
    first: dict[UUID, int] = field(default_factory=dict)
    again: list[tuple[UUID, int]] = field(default_factory=list)
    drafts: list[tuple[UUID, types.AnyDraft]] = field(default_factory=list)

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
    items: Sequence[types.Item],
) -> types.Accepted:
    """Add items to the ledger and say what became of each. An item may be its own rejection, where it could not be read.

    Raises ``BatchTooLarge``.
    """
    if len(items) > types.BATCH_MAX:
        raise types.BatchTooLarge(f"Send {types.BATCH_MAX} events at a time; this were {len(items)}.")
    places = await _booked(uow, actor=actor, now=now, at=at, organization_id=organization_id, booking=booking, items=items)
    sent, last = judging.Sent(booking, places, items), checks.latest(now)
    since = await authority.since(uow, organization_id=organization_id, source=booking.source)
    batch = _Batch(results=[None] * len(items), plain=alike.Batch(booking=booking, places=places, last=last, since=since))
    prefix = identity.of_organization(organization_id)
    for start in range(0, len(items), judging.SLICE):
        _sort(batch, _kept(batch, sent, range(start, min(start + judging.SLICE, len(items))), last=last), prefix=prefix)
        await asyncio.sleep(0)  # other requests have their turn
    if batch.first:
        await _write(uow, batch, sent, organization_id=organization_id, at=at, since=since)
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
    items: Sequence[types.Item],
) -> serials.Places:
    """Return where items may be booked: their projects and agents, as far as they exist here."""
    if booking.project_id is not None:
        return serials.Places(default=booking.project_id, projects=frozenset((booking.project_id,)), agents={})
    named = {(item.project_id, item.agent_id) for item in items if not isinstance(item, Rejection)}
    known = await projects.known(
        uow,
        organization_id=organization_id,
        project_ids={project_id for project_id, _ in named if project_id is not None},
        agent_ids={agent_id for _, agent_id in named if agent_id is not None},
    )
    default = known.default_project_id
    if default is None:
        default = (await projects.default_project(uow, actor=actor, now=now, at=at, organization_id=organization_id)).id
    return serials.Places(default=default, projects=known.projects | {default}, agents=known.agents)


def _kept(batch: _Batch, sent: judging.Sent, indices: range, *, last: datetime) -> list[_Kept]:
    """Reject what breaks a rule and return the rest."""
    kept: list[_Kept] = []
    for index in indices:
        item = sent.items[index]
        if not isinstance(item, _DRAFTED):
            found = batch.plain.alike(item)
            if found is not None:
                kept.append((index, item, found))
                continue
            item = item.drafted()
        if isinstance(item, Rejection):
            batch.reject(index, item)
            continue
        rejection = checks.draft(item, last=last) if isinstance(item, types.Draft) else checks.metered(item, last=last)
        rejection = rejection or sent.places.rejection(item)
        if rejection is not None:
            batch.reject(index, rejection)
        else:
            kept.append((index, item, None))
    return kept


def _sort(batch: _Batch, kept: Sequence[_Kept], *, prefix: bytes) -> None:
    """Give items their ids, and sort them into those that repeat one, those that are judged with others, and those judged alone."""
    first = batch.first
    for raw, (index, item, found) in zip(identity.event_ids(prefix, [item.idempotency_key for _, item, _ in kept]), kept, strict=True):
        event_id = pgproto.UUID(raw)
        if event_id in first:
            batch.again.append((event_id, index))
            continue
        first[event_id] = index
        if isinstance(item, _DRAFTED):
            batch.drafts.append((event_id, item))
        elif found is None or not batch.plain.add(raw, item, found):
            batch.drafts.append((event_id, judging.drafted(item)))


async def _write(
    uow: db.UnitOfWork, batch: _Batch, sent: judging.Sent, *, organization_id: UUID, at: datetime, since: Mapping[str, datetime]
) -> None:
    lines = [line for line in batch.plain.lines if line.events]
    judged = await judging.judge(uow, at=at, organization_id=organization_id, sent=sent, drafts=batch.drafts, lines=lines)
    judged = authority.marked(judged, drafts=batch.drafts, since=since)
    repeated = await writing.insert_events(
        uow,
        organization_id=organization_id,
        rows=judging.packed(judged),
        count=judged.size,
        price_book_id=judged.price_book_id,
        at=at,
    )
    known = set(repeated)
    changes = list(judging.changes(judged, known={event_id.bytes for event_id in known}))
    for event_id, index in batch.first.items():
        if event_id not in known:
            batch.results[index] = Result(index, Status.ACCEPTED, event_id, None)
    # What repeats a key of this batch is compared after its first item is written, in the order given.
    rounds = [[(event_id, batch.first[event_id]) for event_id in repeated], *comparing.rounds(batch.again)]
    for pairs in rounds:
        if pairs:
            compared = await comparing.compare(uow, organization_id=organization_id, at=at, sent=sent, pairs=pairs)
            changes += compared.changes
            for result in compared.results:
                batch.results[result.place] = result
    await writing.add(uow, organization_id=organization_id, changes=rollup.merged(changes))


def _counted(batch: _Batch) -> types.Accepted:
    results = tuple(result for result in batch.results if result is not None)
    if len(results) < len(batch.results):
        message = f"item {batch.results.index(None)} was left without a result"
        raise AssertionError(message)
    statuses = [result.status for result in results]  # counted as a list: to hash a member of an enum takes ten times as long
    return types.Accepted(
        results=results,
        accepted=statuses.count(Status.ACCEPTED),
        duplicate=statuses.count(Status.DUPLICATE),
        revised=statuses.count(Status.REVISED),
        rejected=statuses.count(Status.REJECTED),
    )
