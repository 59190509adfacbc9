"""Words of tax rates: so many percent, on top of prices or inside them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

PERCENT_MAX: Final = Decimal(100)
PERCENT_PLACES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxRate:
    """A tax of ``percent`` (0 to 100, at most 4 places); ``inclusive``: prices hold it already.

    It never changes but for its name: what was billed with it names it. Another percentage is another rate.
    """

    id: UUID
    code: str
    name: str
    percent: Decimal
    inclusive: bool
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None = None
