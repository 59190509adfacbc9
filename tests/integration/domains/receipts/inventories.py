"""The inventory of a fresh installation: files are imported by the house, and organizations are given credits for receipts."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from carbonledger.domains.receipts.service import credits as service
from carbonledger.domains.receipts.types import credits as types
from carbonledger.infra import clock
from carbonledger.kernel import actor, ids, page
from carbonledger_proof import audit, serials
from tests.integration.domains.receipts import logs
from tests.unit.domains.receipts import credit_files as files

TONNE = 10**9


def serial(number: int) -> str:
    """The serial of a receipt of one month."""
    return serials.of_number("2026-10", number)


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a test of credits works with."""

    kit: logs.Kit

    async def take_in(self, *lines: dict[str, str]) -> types.Imported:
        """Import a file of these lines."""
        now = clock.now()
        async with self.kit.database.transaction(self.kit.house_id) as uow:
            return await service.import_lots(uow, actor=actor.system(self.kit.house_id), now=now, at=now, content=files.written(*lines))

    async def give(self, organization_id: UUID, milligrams: int, *, number: int = 1, receipt_id: UUID | None = None) -> UUID:
        """Give a new receipt credits, or the one that is named, and return its id."""
        now = clock.now()
        receipt_id = receipt_id or ids.new_id(now)
        async with self.kit.database.transaction(organization_id) as uow:
            await service.allocate(
                uow,
                actor=actor.system(organization_id),
                now=now,
                at=now,
                organization_id=organization_id,
                receipt_id=receipt_id,
                serial=serial(number),
                milligrams=milligrams,
            )
        return receipt_id

    async def held(self, organization_id: UUID, receipt_id: UUID) -> list[tuple[int, int, int]]:
        """What a receipt holds: the first unit of the lot, from, to."""
        async with self.kit.database.transaction(organization_id, read_only=True) as uow:
            found = await service.allocations(uow, organization_id=organization_id, receipt_id=receipt_id)
        return [(one.credit.block.start, one.interval.from_mg, one.interval.to_mg) for one in found]

    async def release(self, organization_id: UUID, receipt_id: UUID) -> int:
        """Release what a receipt holds, and return how many parts that were."""
        now = clock.now()
        async with self.kit.database.transaction(organization_id) as uow:
            gone = await service.release(
                uow, actor=actor.system(organization_id), now=now, at=now, organization_id=organization_id, receipt_id=receipt_id
            )
        return len(gone)

    async def remaining(self) -> list[int]:
        """What each lot has left, the last imported first, after a check that everything adds up."""
        async with self.kit.database.transaction(self.kit.house_id, read_only=True) as uow:
            assert await service.check(uow) == ()
            found = await service.list_lots(uow, page=page.PageRequest(limit=200))
        return [lot.remaining_mg for lot in found.data]

    async def audited(self) -> set[audit.Problem]:
        """What somebody finds who replays the log, but for receipts, which nobody issued here."""
        found = audit.audit(await self.kit.contents(), (), origin=logs.ORIGIN)
        return {one.problem for one in found} - {audit.Problem.ALLOCATION_WITHOUT_RECEIPT}
