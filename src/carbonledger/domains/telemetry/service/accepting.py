"""Accepting usage: price it, rate it, and add it to the ledger once, in one transaction with its roll-ups.

    items ─> checked ─> booked (project, agent) ─> priced, rated ─> staged ─┬─ new key ──────────────────> accepted
                │                                                          └─ known key ─┬─ as it was ──> duplicate
                └─ breaks a rule ─> rejected                                             ├─ other counts > revised (the old ones are kept)
                                                                                         └─ other time or model ─> rejected
One bad item never sinks a batch. ``now`` is the organization's time, ``at`` the real one.
"""

from __future__ import annotations

import asyncio
import itertools
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from asyncpg.pgproto import pgproto

from carbonledger.domains.projects import service as projects
from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.core import checks, columns, identity, rollup
from carbonledger.domains.telemetry.core.rollup import SlotKey, Sums
from carbonledger.domains.telemetry.service import alike, authority, comparing, judging, serials
from carbonledger.domains.telemetry.store import writing
from carbonledger.domains.telemetry.types import Rejection, Result, Status
from carbonledger.infra import db, outbox
from carbonledger.kernel.actor import Actor

ACCEPTED = "telemetry.accepted"
_DRAFTED: Final = (types.Draft, types.MeteredDraft, Rejection)
_named: Callable[[Any], tuple[UUID | None, UUID | None]] = operator.attrgetter("project_id", "agent_id")


@dataclass(slots=True)
class _Batch:
    """Items on their way. ``first``: the place of each id's first item; ``again``: the places of those that repeat an id."""

    results: list[Result | None]
    plain: alike.Batch
    first: dict[bytes, int] = field(default_factory=dict)
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
    prefix = identity.of_organization(organization_id)
    plain = alike.Batch(prefix=prefix, booking=booking, places=places, last=last, since=since)
    batch = _Batch(results=[None] * len(items), plain=plain)
    for start in range(0, len(items), judging.SLICE):
        _take(batch, sent, range(start, min(start + judging.SLICE, len(items))), last=last, prefix=prefix)
        await asyncio.sleep(0)  # other requests have their turn
    changes = await _written(uow, batch, sent, organization_id=organization_id, at=at, since=since) if batch.first else []
    done = _counted(batch)
    if done.accepted or done.revised:
        after = {"source": booking.source.value, "accepted": done.accepted, "revised": done.revised}
        await outbox.emit(uow, actor=actor, now=now, action=ACCEPTED, target_type="organization", target_id=organization_id, after=after)
    # Last: until it is committed, other batches wait for the rows of roll-ups that this one adds to.
    await writing.add(uow, organization_id=organization_id, changes=rollup.merged(changes))
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
    named = set(
        map(_named, items if Rejection not in set(map(type, items)) else [item for item in items if not isinstance(item, Rejection)])
    )
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


def _take(batch: _Batch, sent: judging.Sent, indices: range, *, last: datetime, prefix: bytes) -> None:
    """Reject what breaks a rule, and sort the rest into what repeats an id, what is judged with others, and what is judged alone."""
    places, plain = _plain(sent.items, indices)
    groups, unsound = batch.plain.groups(plain, places) if plain else ([], [])
    alone = sorted({*indices}.difference(places).union(unsound)) if unsound or len(places) < len(indices) else []
    kept = list(_kept(batch, sent, alone, last=last))
    ids = identity.event_ids(prefix, [draft.idempotency_key.encode() for _, draft in kept])
    repeated = _repeated(batch, [(ids, [index for index, _ in kept]), *((events.ids, events.places) for _, events in groups)])
    batch.drafts += [(pgproto.UUID(raw), draft) for raw, (index, draft) in zip(ids, kept, strict=True) if index not in repeated]
    for like, events in groups:
        fresh = columns.without(events, repeated) if repeated else events
        if fresh is not None:
            left = batch.plain.add(like, fresh)
            batch.drafts += [(pgproto.UUID(raw), judging.drafted(sent.items[index])) for index, raw in left]


def _plain(items: Sequence[types.Item], indices: range) -> tuple[Sequence[int], Sequence[types.Plain]]:
    """Return which of the items are plain events, and these."""
    part: Sequence[Any] = items[indices.start : indices.stop]
    if {*map(type, part)}.isdisjoint(_DRAFTED):
        return indices, part
    places = [index for index, item in zip(indices, part, strict=True) if not isinstance(item, _DRAFTED)]
    return places, [part[index - indices.start] for index in places]


def _kept(batch: _Batch, sent: judging.Sent, indices: Iterable[int], *, last: datetime) -> Iterator[tuple[int, types.AnyDraft]]:
    """Reject what breaks a rule and yield the rest as drafts, with their places."""
    for index in indices:
        item = sent.items[index]
        draft = item if isinstance(item, _DRAFTED) else item.drafted()
        if isinstance(draft, Rejection):
            batch.reject(index, draft)
            continue
        rejection = checks.draft(draft, last=last) if isinstance(draft, types.Draft) else checks.metered(draft, last=last)
        rejection = rejection or sent.places.rejection(draft)
        if rejection is not None:
            batch.reject(index, rejection)
        else:
            yield index, draft


def _repeated(batch: _Batch, parts: Sequence[tuple[Sequence[bytes], Sequence[int]]]) -> set[int]:
    """Note the place of each id's first item, and return the places of those that repeat one; ``parts``: ids with their places."""
    first, found = batch.first, dict[bytes, int]()
    for ids, places in parts:
        found.update(zip(ids, places, strict=True))
    if len(found) == sum(len(ids) for ids, _ in parts) and first.keys().isdisjoint(found):
        first.update(found)
        return set()
    repeated = set()
    for index, raw in sorted(pair for ids, places in parts for pair in zip(places, ids, strict=True)):
        if first.setdefault(raw, index) != index:
            batch.again.append((pgproto.UUID(raw), index))
            repeated.add(index)
    return repeated


async def _written(
    uow: db.UnitOfWork, batch: _Batch, sent: judging.Sent, *, organization_id: UUID, at: datetime, since: Mapping[str, datetime]
) -> list[tuple[SlotKey, Sums]]:
    """Write events, note their results, and return what they change of the roll-ups."""
    lines = [line for line in batch.plain.lines if line.ids]
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
    known = {event_id.bytes for event_id in repeated}
    changes = list(judging.changes(judged, known=known))
    fresh = {raw: index for raw, index in batch.first.items() if raw not in known} if known else batch.first
    for result in _as_accepted(fresh):
        batch.results[result.place] = result
    # What repeats a key of this batch is compared after its first item is written, in the order given.
    rounds = [[(event_id, batch.first[event_id.bytes]) for event_id in repeated], *comparing.rounds(batch.again)]
    for pairs in rounds:
        if pairs:
            compared = await comparing.compare(uow, organization_id=organization_id, at=at, sent=sent, pairs=pairs)
            changes += compared.changes
            for result in compared.results:
                batch.results[result.place] = result
    return changes


def _as_accepted(fresh: Mapping[bytes, int]) -> Iterator[Result]:
    """Yield the results of new events, told by id and place; made in C, as there is one for every event."""
    told = zip(fresh.values(), itertools.repeat(Status.ACCEPTED), map(pgproto.UUID, fresh), itertools.repeat(None), strict=False)
    return map(tuple.__new__, itertools.repeat(Result), told)


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
