"""A log of its own for each test: a fresh database with a house, the sealer of its keys, and leaves to append."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from carbonledger.domains.identity.service import house
from carbonledger.domains.receipts.service import log
from carbonledger.domains.receipts.types import log as types
from carbonledger.entrypoints.shared import signing
from carbonledger.infra import clock, crypto, db
from carbonledger_proof import checkpoint, keys, leaves, statement

ADDRESS = "https://ledger.example"
ORIGIN = "ledger.example/v1/public/log"


@dataclass(frozen=True, slots=True)
class Kit:
    """What a test of the log works with."""

    database: db.Database
    house_id: UUID
    sealer: crypto.Sealer

    async def ready(self, *, at: datetime | None = None) -> None:
        """Have the keys made, and open in this process."""
        await signing.open_current(self.database, at=at or clock.now(), sealer=self.sealer, outside=None, address=ADDRESS)

    async def append(self, *numbers: int, at: datetime | None = None) -> tuple[types.Entry, ...]:
        """Append the lots of these numbers in one transaction."""
        now = at or clock.now()
        async with self.database.transaction(self.house_id) as uow:
            spoken = await log.turn(uow, at=now)
            return await log.append_all(uow, statements=[lot(number, at=spoken) for number in numbers], at=now)

    async def sign(self) -> types.Checkpoint | None:
        """Sign the head."""
        async with self.database.transaction(self.house_id) as uow:
            return await log.checkpoint(uow, at=clock.now())

    async def contents(self) -> list[bytes]:
        """Return the bytes of all leaves, in order."""
        conn = await self.database.acquire()
        try:
            return [row["leaf"] for row in await conn.fetch("SELECT leaf FROM log_leaves ORDER BY index")]
        finally:
            await self.database.release(conn)


async def made(database: db.Database) -> Kit:
    """Return the kit of a database, with a house."""
    async with database.transaction() as uow:
        found = await house.ensure(uow, at=clock.now(), email="owner@example.com")
    return Kit(database, found.organization_id, crypto.Sealer(crypto.parse_keys(crypto.generate_key())))


def lot(number: int, *, at: datetime) -> leaves.LotImported:
    """Return the leaf of the lot of a number: one tonne, unlike any other's."""
    return leaves.LotImported(
        at=at,
        registry="verra",
        project_id="VCS-1",
        project_name="A wood",
        standard="VCS",
        kind=statement.Kind.REMOVAL,
        vintage=2024,
        block=f"VCS-1-{number}-{number}",
        block_prefix="VCS-1",
        block_start=number,
        block_end=number,
        quantity_mg=leaves.MG_PER_UNIT,
        retired_on=date(2025, 1, 2),
        retirement_reference="R-1",
        retirement_url="https://registry.example/r/1",
        beneficiary=ORIGIN,
        evidence_sha256=None,
    )


def verified(found: types.Checkpoint, known: keys.KeySet) -> checkpoint.Checkpoint:
    """Return what a checkpoint says, verified by the published keys of the log."""
    said, _ = checkpoint.verified(found.note, origin=ORIGIN, keys=[key.public for key in known.of(keys.Purpose.LOG)])
    return said
