"""Receipts and credits as lists show them: without what was signed, its bundle and its page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from carbonledger.domains.receipts.types.receipts import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A receipt in a list. ``serial`` and ``issued_at`` are None while it is deferred; ``month`` is its period's."""

    id: UUID
    period_id: UUID
    month: date
    state: State
    serial: str | None
    required_mg: int
    issued_at: datetime | None
    deferred_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """What the inventory comes to: lots, milligrams retired, and milligrams that no receipt has. Those made up for sandboxes are apart."""

    is_sandbox: bool
    lots: int
    quantity_mg: int
    remaining_mg: int

    @property
    def allocated_mg(self) -> int:
        """What receipts have."""
        return self.quantity_mg - self.remaining_mg
