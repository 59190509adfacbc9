"""The books compared with themselves every night: invoices with their lines, series with their numbers. The database holds both already."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.invoices.store import numbers, reading
from carbonledger.infra import db, outbox
from carbonledger.kernel.actor import Actor

CHECK_JOB: Final = "invoices.check"
WRONG: Final = "invoices.wrong"
BATCH: Final = 5000
"""Invoices of one statement: half a second of it, however many there are."""
_TOLD_MAX: Final = 100
_BEGINNING: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Found:
    """Invoices whose lines don't add up to them, and series with a gap or a double."""

    invoice_ids: tuple[UUID, ...]
    series: tuple[str, ...]

    @property
    def is_wrong(self) -> bool:
        """Whether anything is."""
        return bool(self.invoice_ids or self.series)


async def check(uow: db.UnitOfWork, *, organization_id: UUID) -> Found:
    """Return what does not fit; nothing, unless something is broken."""
    wrong: list[UUID] = []
    after: UUID | None = _BEGINNING
    while after is not None:
        found, after = await reading.wrong_sums(uow, organization_id=organization_id, after=after, limit=BATCH)
        wrong += found
    return Found(tuple(wrong), tuple(await numbers.broken(uow, organization_id=organization_id)))


async def tell(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, found: Found) -> None:
    """Alert the operators."""
    told = [str(one) for one in found.invoice_ids[:_TOLD_MAX]]
    await outbox.emit(
        uow,
        actor=actor,
        now=now,
        action=WRONG,
        target_type="organization",
        target_id=organization_id,
        after={"invoices": told, "count": len(found.invoice_ids), "series": list(found.series)},
        severity="critical",
        audience=(outbox.OPERATORS,),
    )
