"""Credits: lots of retired ones are imported, given to receipts, released; and what a plan has compensated.

Each change is a leaf of the public log in the same transaction. So the first thing that each does is to take the head of the log, which
makes it the lock of the inventory as well: imports, allocations and releases of all organizations follow one another. A transaction that
also signs takes its key before (``log``).

Nothing is bought here, and nothing is retired: that happened at the registry before the import.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.identity import types as identity_types
from carbonledger.domains.identity.service import entitlements, organizations
from carbonledger.domains.receipts.core import intervals, lots
from carbonledger.domains.receipts.service import log
from carbonledger.domains.receipts.store import credits as store
from carbonledger.domains.receipts.types import credits as types
from carbonledger.domains.receipts.types.credits import Allocation, AllocationState, Bound, Credit, Imported, Interval, Lot, OffsetPolicy
from carbonledger.infra import db, outbox
from carbonledger.kernel import ids
from carbonledger.kernel import page as pages
from carbonledger.kernel.actor import Actor
from carbonledger.kernel.errors import Problem
from carbonledger_proof import leaves, statement

CHECK_JOB: Final = "receipts.check_credits"
IMPORTED: Final = "credits.imported"
"""The event of the house: whoever waits for credits tries again."""
COLUMNS: Final = lots.COLUMNS
"""Of a file of lots, in any order."""
OFFSET_PERCENT: Final = identity_types.Quota("offset_percent", default=100)
"""How much of the gross emissions a plan has compensated; None: all of it."""
OFFSET_MID: Final = identity_types.Feature("offset_mid", default=False)
"""Whether a plan compensates the mid of the range, and not its high end."""


async def import_lots(uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, content: bytes) -> Imported:
    """Add the lots of a CSV file (``core.lots``) to the inventory: all that are new, or none. What is there already is only counted.

    In a transaction of the house. Raises ``LotsInvalid`` with every line that can't be taken.
    """
    if len(content) > types.FILE_BYTES_MAX:
        raise types.LotsInvalid([Problem("/file", "file_too_large", f"It has more than {types.FILE_BYTES_MAX} bytes. Give it in parts.")])
    lines = lots.read(content, today=at.astimezone(UTC).date())
    moment = await log.turn(uow, at=at)
    new = lots.new_ones(lines, await store.meeting(uow, blocks=[line.credit.block for line in lines]))
    added = await store.add_lots(uow, lots=[(ids.new_id(at), line.credit) for line in new], at=at) if new else ()
    await log.append_all(uow, statements=[_imported(lot.credit, at=moment) for lot in added], at=at)
    if added:
        total_mg = sum(lot.credit.quantity_mg for lot in added)
        after = {"lots": len(added), "quantity_mg": total_mg, "registries": sorted({lot.credit.block.registry for lot in added})}
        await outbox.emit(uow, actor=actor, now=now, action=IMPORTED, target_type="credit_lot", target_id=added[0].id, after=after)
    return Imported(added, known=len(lines) - len(added))


async def list_lots(uow: db.UnitOfWork, *, page: pages.PageRequest) -> pages.Page[Lot]:
    """Return the inventory, the last imported first."""
    rows = await store.some_lots(uow, before=pages.before_id(page), limit=page.limit + 1)
    return pages.cut(rows, limit=page.limit, key=lambda lot: (str(lot.id),))


async def offset_policy(uow: db.UnitOfWork, *, organization_id: UUID) -> OffsetPolicy:
    """Return what an organization's plan has compensated: all of the high end, unless it says otherwise. Raises ``OffsetPolicyInvalid``."""
    percent = await entitlements.quota(uow, organization_id=organization_id, key=OFFSET_PERCENT)
    is_mid = await entitlements.has(uow, organization_id=organization_id, key=OFFSET_MID)
    return OffsetPolicy(Bound.MID if is_mid else Bound.HIGH, 100 if percent is None else percent)


def owed_mg(*, mid_mg: int, high_mg: int, policy: OffsetPolicy) -> int:
    """Return how many milligrams of gross emissions a plan has compensated; see ``core.intervals``."""
    return intervals.owed_mg(mid_mg=mid_mg, high_mg=high_mg, policy=policy)


async def allocate(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    at: datetime,
    organization_id: UUID,
    receipt_id: UUID,
    serial: str,
    milligrams: int,
) -> tuple[Allocation, ...]:
    """Give a receipt so many milligrams, oldest vintage first, and return its parts in that order; none for none.

    Before the receipt's own leaf. Asked again for the same receipt it gives what it gave. Raises ``InventoryShort`` (nothing is given),
    ``AllocationExists``, ``ValueError`` for a negative amount.
    """
    if milligrams < 0:
        raise ValueError(f"{milligrams} mg can't be allocated")
    moment = await log.turn(uow, at=at)
    given = await allocations(uow, organization_id=organization_id, receipt_id=receipt_id)
    if given or not milligrams:
        return _same(given, serial=serial, milligrams=milligrams)
    is_sandbox = (await organizations.find(uow, organization_id=organization_id)).is_sandbox
    free = await store.next_remainders(uow, milligrams=milligrams, is_sandbox=is_sandbox)
    shares = intervals.taken(free, milligrams=milligrams)
    for lot_id in dict.fromkeys(share.lot_id for share in shares):
        old = [one.interval for one in free if one.lot_id == lot_id]
        new: Sequence[Interval] = old
        for share in shares:
            new = intervals.without(new, share.interval) if share.lot_id == lot_id else new
        await store.replace_remainders(uow, lot_id=lot_id, old=old, new=new)
    named = [(ids.new_id(at), share) for share in shares]
    await store.give(uow, organization_id=organization_id, receipt_id=receipt_id, serial=serial, shares=named, at=at)
    made = await allocations(uow, organization_id=organization_id, receipt_id=receipt_id)
    await log.append_all(uow, statements=[_leaf(leaves.AllocationMade, one, at=moment) for one in made], at=at)
    await _tell(uow, actor=actor, now=now, action="credits.allocated", allocations=made)
    return made


async def suffices(uow: db.UnitOfWork, *, organization_id: UUID, milligrams: int) -> bool:
    """Say whether so much could be given to the organization now; whoever holds the head of the log knows that it stays so."""
    is_sandbox = (await organizations.find(uow, organization_id=organization_id)).is_sandbox
    free = await store.next_remainders(uow, milligrams=milligrams, is_sandbox=is_sandbox)
    return sum(one.interval.milligrams for one in free) >= milligrams


def _same(given: Sequence[Allocation], *, serial: str, milligrams: int) -> tuple[Allocation, ...]:
    found_mg = sum(one.interval.milligrams for one in given)
    if found_mg != milligrams or any(one.serial != serial for one in given):
        raise types.AllocationExists(f"It was given {found_mg} mg. Release them first.")
    return tuple(given)


async def allocations(uow: db.UnitOfWork, *, organization_id: UUID, receipt_id: UUID) -> tuple[Allocation, ...]:
    """Return what a receipt has been given and holds, in the order in which it was given."""
    return await store.of_receipt(uow, organization_id=organization_id, receipt_id=receipt_id, state=AllocationState.MADE)


async def release(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, organization_id: UUID, receipt_id: UUID
) -> tuple[Allocation, ...]:
    """Take back what a receipt was given, for others, and return it. Before the leaf that ends the receipt. Again it does nothing."""
    moment = await log.turn(uow, at=at)
    given = await allocations(uow, organization_id=organization_id, receipt_id=receipt_id)
    if not given:
        return ()
    await store.release(uow, organization_id=organization_id, receipt_id=receipt_id, at=at)
    for lot_id in dict.fromkeys(one.lot_id for one in given):
        parts = [one.interval for one in given if one.lot_id == lot_id]
        old = await store.touching(uow, lot_id=lot_id, parts=parts)
        await store.replace_remainders(uow, lot_id=lot_id, old=old, new=intervals.merged([*old, *parts]))
    await log.append_all(uow, statements=[_leaf(leaves.AllocationReleased, one, at=moment) for one in given], at=at)
    await _tell(uow, actor=actor, now=now, action="credits.released", allocations=given)
    return given


async def check(uow: db.UnitOfWork) -> tuple[types.Imbalance, ...]:
    """Return the lots of which what is left and what was given, to whatever organization, do not add up to the quantity."""
    return await store.imbalances(uow)


async def report(uow: db.UnitOfWork, *, actor: Actor, now: datetime, found: Iterable[types.Imbalance]) -> None:
    """Alert the operators that lots do not add up."""
    lot_ids = [str(one.lot_id) for one in found]
    await outbox.emit(
        uow,
        actor=actor,
        now=now,
        action="credits.imbalance_found",
        target_type="credit_lot",
        target_id=lot_ids[0],
        after={"lots": len(lot_ids), "first": lot_ids[:10]},
        severity="critical",
        audience=(outbox.OPERATORS,),
    )


async def _tell(uow: db.UnitOfWork, *, actor: Actor, now: datetime, action: str, allocations: Sequence[Allocation]) -> None:
    after = {
        "serial": allocations[0].serial,
        "milligrams": sum(one.interval.milligrams for one in allocations),
        "lots": len({one.lot_id for one in allocations}),
    }
    await outbox.emit(uow, actor=actor, now=now, action=action, target_type="receipt", target_id=allocations[0].receipt_id, after=after)


def _imported(credit: Credit, *, at: datetime) -> leaves.LotImported:
    return leaves.LotImported(
        at=at,
        registry=credit.block.registry,
        project_id=credit.project_id,
        project_name=credit.project_name,
        standard=credit.standard,
        kind=statement.Kind(credit.kind.value),
        vintage=credit.vintage,
        block=credit.block.text,
        block_prefix=credit.block.prefix,
        block_start=credit.block.start,
        block_end=credit.block.end,
        quantity_mg=credit.quantity_mg,
        retired_on=credit.retired_on,
        retirement_reference=credit.retirement_reference,
        retirement_url=credit.retirement_url,
        beneficiary=credit.beneficiary,
        evidence_sha256=credit.evidence_sha256,
    )


def _leaf(kind: type[leaves.AllocationMade], allocation: Allocation, *, at: datetime) -> leaves.AllocationMade:
    block, part = allocation.credit.block, allocation.interval
    return kind(at=at, serial=allocation.serial, registry=block.registry, block=block.text, from_mg=part.from_mg, to_mg=part.to_mg)
