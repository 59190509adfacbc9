"""Audit packs: ordered, listed, found, given away. Making one is ``packing``.

Ordering writes a row and asks for the job; while one of a month is being made, asking again is asking for that one. On the third of each
month every closed month gets one by itself, and gets another when its receipt is issued, superseded or revoked after that: whatever of the
month can change is in a pack's basis, and a pack is due where the newest is of another one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.identity.service import entitlements
from carbonledger.domains.receipts.core import packs as rules
from carbonledger.domains.receipts.service import periods
from carbonledger.domains.receipts.store import packs as store
from carbonledger.domains.receipts.types import packs as types
from carbonledger.domains.receipts.types import periods as period_types
from carbonledger.domains.receipts.types.packs import Contents, Listed, Pack, Standing, State, StoredFile
from carbonledger.infra import db, outbox, queue
from carbonledger.infra.objects import Objects
from carbonledger.kernel import ids
from carbonledger.kernel import page as pages
from carbonledger.kernel.actor import Actor
from carbonledger_proof import archive

MAKE_JOB: Final = "receipts.make_audit_pack"
ORDERED: Final = "receipts.audit_pack_ordered"
RETRY_S: Final = 10


async def order(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, month: date, upgrade_url: str
) -> tuple[Pack, UUID]:
    """Order the pack of a closed month, named by its first day; return it and the job that makes it.

    Raises ``UpgradeRequired``, ``PeriodNotFound``, ``PeriodNotClosed``.
    """
    await entitlements.require(uow, organization_id=organization_id, key=types.AUDIT_PACKS, upgrade_url=upgrade_url)
    period = await periods.of_month(uow, organization_id=organization_id, month=month)
    if period.state is not period_types.State.CLOSED:
        raise types.PeriodNotClosed(f"{month:%Y-%m} is {period.state.value}. A month is closed 48 hours after its end.")
    return await _ordered(uow, actor=actor, now=now, organization_id=organization_id, period_id=period.id, month=month)


async def _ordered(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, period_id: UUID, month: date
) -> tuple[Pack, UUID]:
    newest = await store.of_month(uow, organization_id=organization_id, month=month)
    if newest is not None and newest.state is State.ORDERED:
        return newest, await _ask(uow, actor=actor, now=now, pack=newest)
    made = Pack(
        id=ids.new_id(now),
        period_id=period_id,
        month=month,
        number=1 if newest is None else newest.number + 1,
        state=State.ORDERED,
        ordered_at=now,
        made_at=None,
        contents=None,
    )
    await store.add(uow, organization_id=organization_id, pack=made)
    told = {"month": f"{month:%Y-%m}", "number": made.number}
    await outbox.emit(uow, actor=actor, now=now, action=ORDERED, target_type="audit_pack", target_id=made.id, after=told)
    return made, await _ask(uow, actor=actor, now=now, pack=made)


async def _ask(uow: db.UnitOfWork, *, actor: Actor, now: datetime, pack: Pack) -> UUID:
    return await queue.enqueue(uow, name=MAKE_JOB, args={"pack_id": str(pack.id)}, now=now, actor=actor, dedupe_key=f"audit pack {pack.id}")


async def list_packs(uow: db.UnitOfWork, *, organization_id: UUID, page: pages.PageRequest, upgrade_url: str) -> pages.Page[Listed]:
    """Return packs, the last ordered first. Raises ``UpgradeRequired``, also where there are some of before."""
    await entitlements.require(uow, organization_id=organization_id, key=types.AUDIT_PACKS, upgrade_url=upgrade_url)
    return await some(uow, organization_id=organization_id, page=page)


async def some(uow: db.UnitOfWork, *, organization_id: UUID, page: pages.PageRequest) -> pages.Page[Listed]:
    """Return packs, the last ordered first, whatever the plan is: for operators."""
    rows = await store.some(uow, organization_id=organization_id, before_id=pages.before_id(page), limit=page.limit + 1)
    return pages.cut(rows, limit=page.limit, key=lambda pack: (str(pack.id),))


async def find(uow: db.UnitOfWork, *, organization_id: UUID, month: date, number: int | None = None, upgrade_url: str) -> Pack:
    """Return a pack that was made: the newest of a month, or that of a number. Who left a plan keeps what there is.

    Raises ``PackNotFound``, ``PackUnmade``; ``UpgradeRequired`` in place of these where the plan has no packs.
    """
    found = await store.of_month(uow, organization_id=organization_id, month=month, number=number, state=State.MADE)
    if found is not None:
        return found
    await entitlements.require(uow, organization_id=organization_id, key=types.AUDIT_PACKS, upgrade_url=upgrade_url)
    if await store.of_month(uow, organization_id=organization_id, month=month, number=number) is not None:
        raise types.PackUnmade("Try again in a few seconds.", retry_after_s=RETRY_S)
    raise types.PackNotFound(f"There is no audit pack of {month:%Y-%m}. Order one when the month is closed.")


def made(pack: Pack) -> Contents:
    """Return what a pack is. Raises ``PackUnmade``."""
    if pack.contents is None:
        raise types.PackUnmade("Try again in a few seconds.", retry_after_s=RETRY_S)
    return pack.contents


async def content(files: Objects, contents: Contents) -> AsyncIterator[bytes]:
    """Yield the archive in pieces, the same bytes each time. ``files`` are the organization's. Raises ``PackDamaged`` midway."""
    plan = archive.plan(file.entry for file in contents.files)
    for head, file in zip(plan.heads, contents.files, strict=True):
        yield head
        async for piece in of_file(files, file):
            yield piece
    yield plan.tail


async def of_file(files: Objects, file: StoredFile) -> AsyncIterator[bytes]:
    """Yield a file of a pack in pieces. Raises ``PackDamaged`` where a part is not as long as it was."""
    for part in file.parts:
        download = await files.get(key_of(part.sha256))
        size = 0
        async for piece in download.chunks:
            size += len(piece)
            yield piece
        if size != part.size:
            raise types.PackDamaged(f"A part of {file.name} has {size} bytes, not {part.size}.")


def key_of(sha256: str) -> str:
    """Return where a part is kept: by what it is, so that packs share what they have in common and nothing is ever written over."""
    return f"audit-packs/{sha256}"


# --- what is due


async def standings(uow: db.UnitOfWork, *, organization_id: UUID) -> list[Standing]:
    """Return how packs stand: of each closed month that has anything in it, by time."""
    return [
        Standing(
            period_id=row["period_id"],
            month=row["month"],
            zone=row["zone"],
            closed_at=row["closed_at"],
            basis=rules.basis(row["root"], row["receipts"] or ()),
            newest=row["newest"],
            is_ordered=row["is_ordered"],
        )
        for row in await store.standings(uow, organization_id=organization_id)
    ]


async def order_due(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID) -> list[Pack]:
    """Order the packs that are due at ``now``, and return them; none where the plan has none.

    Those that are ordered and not made yet are asked for again: a job of theirs that was parked is followed by another, which begins anew.
    """
    if not await entitlements.has(uow, organization_id=organization_id, key=types.AUDIT_PACKS):
        return []
    ordered = []
    for standing in await standings(uow, organization_id=organization_id):
        since = rules.due(standing)
        if not standing.is_ordered and (since is None or since > now):
            continue
        period = await periods.hold(uow, organization_id=organization_id, period_id=standing.period_id)
        pack, _ = await _ordered(uow, actor=actor, now=now, organization_id=organization_id, period_id=period.id, month=period.month)
        if not standing.is_ordered:
            ordered.append(pack)
    return ordered


async def next_due(uow: db.UnitOfWork, organization_id: UUID, until: datetime) -> datetime | None:
    """Return the organization's time at which the next pack is due, at or before ``until``."""
    if not await entitlements.has(uow, organization_id=organization_id, key=types.AUDIT_PACKS):
        return None
    times = [rules.due(standing) for standing in await standings(uow, organization_id=organization_id)]
    return min((time for time in times if time is not None and time <= until), default=None)


async def run_due(uow: db.UnitOfWork, actor: Actor, now: datetime) -> None:
    """Order what is due for the transaction's organization at ``now``, so that it is due no more."""
    if uow.organization_id is None:
        raise queue.NoOrganization("Audit packs are an organization's.")
    await order_due(uow, actor=actor, now=now, organization_id=uow.organization_id)
