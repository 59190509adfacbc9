"""An installation that issues receipts: customers with closed months, an inventory of credits, and whoever checks what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from carbonledger.adapters import pdf
from carbonledger.domains.identity.service import entitlements
from carbonledger.domains.receipts.service import bundling, issuing, log
from carbonledger.domains.receipts.service import keys as signing_keys
from carbonledger.domains.receipts.types.receipts import RECEIPTS, Receipt, Revocation
from carbonledger.infra import clock, db
from carbonledger.kernel import actor
from carbonledger.kernel import page as pages
from carbonledger_proof import audit, verify
from tests import conftest
from tests.integration.domains.receipts import kit as months
from tests.integration.domains.receipts import logs
from tests.integration.domains.receipts.inventories import Inventory

SALT = bytes(range(32))


@dataclass(frozen=True, slots=True)
class Office:
    """What a test of receipts works with."""

    kit: logs.Kit
    folder: Path

    @property
    def database(self) -> db.Database:
        return self.kit.database

    @property
    def inventory(self) -> Inventory:
        return Inventory(self.kit)

    async def customer(self, *, plan: bool = True, sandbox: bool = False) -> UUID:
        """Return a new organization, whose plan has receipts or not."""
        organization_id = await conftest.make_organization(self.database, name="Acme Robotics", sandbox=sandbox)
        await self.plan(organization_id, has_receipts=plan)
        return organization_id

    async def plan(self, organization_id: UUID, *, has_receipts: bool) -> None:
        now = clock.now()
        async with self.database.transaction(organization_id) as uow:
            await entitlements.grant(
                uow,
                actor=actor.system(organization_id),
                now=now,
                at=now,
                organization_id=organization_id,
                quotas={},
                features={RECEIPTS: has_receipts},
            )

    async def closed(self, organization_id: UUID, *, uncached: int = 1_000_000, key: str = "a") -> UUID:
        """Close October with one event of so many input tokens, and return the period."""
        await months.accept(self.database, organization_id, months.draft(key, uncached=uncached), now=months.NOVEMBER)
        files = months.files(self.folder, organization_id)
        now = months.NOVEMBER + months.CLOSES
        await months.close_due(self.database, organization_id, files, now=now)
        return (await months.every(self.database, organization_id, now=now))["2026-10"].id

    def turn(self, organization_id: UUID, *, now: datetime | None = None) -> issuing.Turn:
        at = clock.now()
        return issuing.Turn(actor=actor.system(organization_id), now=now or at, at=at, organization_id=organization_id, salt=SALT)

    async def issue(self, organization_id: UUID, period_id: UUID, *, again: bool = False) -> Receipt:
        """Issue the receipt of a period, of an organization whose plan has receipts."""
        async with self.database.transaction(organization_id) as uow:
            made = await issuing.issue(uow, turn=self.turn(organization_id), period_id=period_id, again=again)
        assert made is not None
        return made

    async def supersede(self, organization_id: UUID, receipt_id: UUID) -> Receipt:
        async with self.database.transaction(organization_id) as uow:
            return await issuing.supersede(uow, turn=self.turn(organization_id), receipt_id=receipt_id)

    async def revoke(self, organization_id: UUID, receipt_id: UUID) -> Receipt:
        async with self.database.transaction(organization_id) as uow:
            turn = self.turn(organization_id)
            return await issuing.revoke(uow, turn=turn, receipt_id=receipt_id, reason=Revocation.ISSUED_IN_ERROR)

    async def prove(self, organization_id: UUID) -> tuple[Receipt, ...]:
        """Sign the log, and make bundles and pages."""
        await self.kit.sign()
        async with self.database.transaction(organization_id) as uow:
            return await bundling.prove(
                uow, at=clock.now(), organization_id=organization_id, printer=pdf.TypstPrinter(), address=logs.ADDRESS
            )

    async def find(self, organization_id: UUID, receipt_id: UUID) -> Receipt:
        async with self.database.transaction(organization_id, read_only=True) as uow:
            return await issuing.find(uow, organization_id=organization_id, receipt_id=receipt_id)

    async def every(self, organization_id: UUID) -> list[Receipt]:
        """Return an organization's receipts, the newest first."""
        async with self.database.transaction(organization_id, read_only=True) as uow:
            page = await issuing.list_receipts(uow, organization_id=organization_id, page=pages.PageRequest(limit=200))
        return list(page.data)

    async def report(self, content: bytes | None) -> verify.Report:
        """Verify a bundle or a page with the keys that are published."""
        assert content is not None
        async with self.database.transaction(read_only=True) as uow:
            known = await signing_keys.published(uow)
        return verify.file(content, trusted_keys=known)

    async def problems(self) -> list[audit.Finding]:
        """What somebody finds who mirrors the log and replays it."""
        await self.kit.sign()
        async with self.database.transaction(read_only=True) as uow:
            note = (await log.latest(uow)).note
        return audit.audit(await self.kit.contents(), [note], origin=logs.ORIGIN)


async def opened(kit: logs.Kit, folder: Path) -> Office:
    """Return an office whose keys are open."""
    await kit.ready()
    return Office(kit, folder)
