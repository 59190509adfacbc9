"""Taking what a page says into the ledger, bucket by whole bucket: drafts, zeros for what vanished, costs, and the memory of all that.

The connection's row is held meanwhile, so that two readers of one connection take turns, and what was read with a key that is no longer the
connection's is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.connections import types
from carbonledger.domains.connections.core import booking, reporting, settling
from carbonledger.domains.connections.core.settling import Verdict
from carbonledger.domains.connections.service import polling
from carbonledger.domains.connections.store import buckets as store
from carbonledger.domains.connections.types import Bucket, Connection, StoredBucket, Stream
from carbonledger.domains.projects import service as projects
from carbonledger.domains.telemetry import types as telemetry_types
from carbonledger.domains.telemetry.service import accepting
from carbonledger.domains.telemetry.types import AnyDraft
from carbonledger.infra import db, outbox
from carbonledger.kernel.actor import Actor, Role

ROWS_MAX: Final = 5_000  # of one transaction, some tenths of a second
_KEEPERS: Final = (Role.OWNER, Role.ADMIN)


@dataclass(frozen=True, slots=True)
class Taken:
    """What a page brought: buckets, how many of them said something new, and how many of these had been final."""

    buckets: int = 0
    changed: int = 0
    late: int = 0

    def __add__(self, other: Taken) -> Taken:
        return Taken(self.buckets + other.buckets, self.changed + other.changed, self.late + other.late)


@dataclass(frozen=True, slots=True)
class _Judged:
    bucket: Bucket
    known: StoredBucket | None
    content_digest: bytes
    verdict: Verdict


def in_parts(buckets: Sequence[Bucket]) -> list[list[Bucket]]:
    """Return a page's buckets in parts, each for one transaction."""
    return booking.parts(buckets, rows_max=ROWS_MAX)


async def has_news(
    uow: db.UnitOfWork, *, organization_id: UUID, connection: Connection, stream: Stream, buckets: Sequence[Bucket], now: datetime
) -> bool:
    """Say whether any bucket says something new: then its page is kept, so that the figures can be traced to it."""
    judged = await _judged(uow, organization_id=organization_id, connection_id=connection.id, stream=stream, buckets=buckets, now=now)
    return any(one.verdict.is_changed for one in judged)


async def take(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    at: datetime,
    organization_id: UUID,
    connection: Connection,
    stream: Stream,
    buckets: Sequence[Bucket],
    payload_digest: bytes,
) -> Taken:
    """Bring the ledger to what these buckets say. Taking the same again changes nothing.

    Raises ``ConnectionChanged`` and ``RowsRefused``: then nothing of them is taken.
    """
    present = await polling.unchanged(uow, organization_id=organization_id, connection=connection)
    judged = await _judged(uow, organization_id=organization_id, connection_id=present.id, stream=stream, buckets=buckets, now=now)
    news = [one for one in judged if one.verdict.is_news]
    await _book(uow, actor=actor, now=now, at=at, organization_id=organization_id, connection=present, stream=stream, news=news)
    await _report(uow, organization_id=organization_id, connection_id=present.id, stream=stream, news=news, now=now)
    found = [_remembered(one, payload_digest=payload_digest, now=now) for one in judged]
    await store.store(
        uow, organization_id=organization_id, connection_id=present.id, stream=stream.name, width_s=stream.bucket_width_s, found=found
    )
    taken = Taken(
        buckets=len(buckets),
        changed=sum(one.verdict.is_changed for one in judged),
        late=sum(one.verdict.is_changed and one.verdict.was_final for one in judged),
    )
    if taken.late:
        await _tell_late(uow, actor=actor, now=now, connection=present, stream=stream, late=taken.late)
    return taken


async def _judged(
    uow: db.UnitOfWork, *, organization_id: UUID, connection_id: UUID, stream: Stream, buckets: Sequence[Bucket], now: datetime
) -> list[_Judged]:
    """Judge each bucket beside what is known of it. One that is empty and always was is nothing to remember."""
    starts = [bucket.starts_at for bucket in buckets]
    known = await store.stored(uow, organization_id=organization_id, connection_id=connection_id, stream=stream.name, starts=starts)
    judged = []
    for bucket in buckets:
        before = known.get(bucket.starts_at)
        if before is not None or not booking.is_empty(bucket):
            digest = booking.content_digest(bucket)
            verdict = settling.judge(before, content_digest=digest, ends_at=bucket.ends_at, now=now)
            judged.append(_Judged(bucket, before, digest, verdict))
    return judged


async def _book(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    at: datetime,
    organization_id: UUID,
    connection: Connection,
    stream: Stream,
    news: Sequence[_Judged],
) -> None:
    workload = await projects.find_workload(uow, organization_id=organization_id, workload_id=connection.workload_id)
    for is_final in (True, False):
        items: list[AnyDraft] = []
        for one in news:
            if one.verdict.is_final is is_final:
                told = () if one.known is None else one.known.told
                items += booking.drafts(connection.id, connection.provider, stream=stream, bucket=one.bucket, known=told)
        booked = telemetry_types.Booking(
            source=telemetry_types.Source.CONNECTION,
            connection_id=connection.id,
            workload_id=workload.id,
            project_id=workload.project_id,
            is_provisional=not is_final,
        )
        for place in range(0, len(items), telemetry_types.BATCH_MAX):
            batch = items[place : place + telemetry_types.BATCH_MAX]
            done = await accepting.accept(uow, actor=actor, now=now, at=at, organization_id=organization_id, booking=booked, items=batch)
            _refuse_rejected(done)


def _refuse_rejected(done: telemetry_types.Accepted) -> None:
    refused = [result.rejection for result in done.results if result.rejection is not None]
    if refused:
        codes = ", ".join(sorted({rejection.code for rejection in refused}))
        raise types.RowsRefused(f"{len(refused)} of {len(done.results)} rows: {codes}.")


async def _report(
    uow: db.UnitOfWork, *, organization_id: UUID, connection_id: UUID, stream: Stream, news: Sequence[_Judged], now: datetime
) -> None:
    """Bring the reported costs to what the changed buckets say; one that is told no more is a known zero."""
    changed = [one.bucket for one in news if one.verdict.is_changed]
    if not changed or stream.carries is not types.Carries.COSTS:
        return
    starts = [bucket.starts_at for bucket in changed]
    known = await store.stored_costs(uow, organization_id=organization_id, connection_id=connection_id, stream=stream.name, starts=starts)
    found = reporting.changes(changed, known, width_s=stream.bucket_width_s, now=now)
    await store.store_costs(uow, organization_id=organization_id, connection_id=connection_id, stream=stream.name, found=found, now=now)


def _remembered(one: _Judged, *, payload_digest: bytes, now: datetime) -> StoredBucket:
    told = booking.told(one.bucket)
    known, verdict = one.known, one.verdict
    if known is None:
        return StoredBucket(
            starts_at=one.bucket.starts_at,
            payload_digest=payload_digest,
            content_digest=one.content_digest,
            told=told,
            read_at=now,
            is_final=verdict.is_final,
            revisions=0,
        )
    return StoredBucket(
        starts_at=known.starts_at,
        payload_digest=payload_digest if verdict.is_changed else known.payload_digest,
        content_digest=one.content_digest,
        told=booking.together(known.told, told),
        read_at=now,
        is_final=verdict.is_final,
        revisions=known.revisions + verdict.is_changed,
    )


async def _tell_late(uow: db.UnitOfWork, *, actor: Actor, now: datetime, connection: Connection, stream: Stream, late: int) -> None:
    await outbox.emit(
        uow,
        actor=actor,
        now=now,
        action="connection.revised_late",
        target_type="connection",
        target_id=connection.id,
        after={"provider": connection.provider, "stream": stream.name, "buckets": late},
        severity="info",
        audience=_KEEPERS,
    )
