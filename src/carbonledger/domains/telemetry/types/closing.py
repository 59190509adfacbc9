"""Words of closing a stretch of the ledger: the cut, lines with exact sums, and what changed after a cut.

A **cut** is an instant in the life of the ledger, counted 1, 2, 3 … for each organization: from it on, whatever arrives for a time before
``closed_through`` is late. How every event stood at a cut can be told at any later time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from carbonledger.domains.telemetry.types import TelemetryFault
from carbonledger.kernel import errors

NEVER_CUT: Final = 0
"""The cut of a ledger that was never closed: nothing comes late for it."""
AS_IT_STANDS: Final = 2**62
"""A cut after every other: what is asked for as of it is what stands now."""


class CutBusy(TelemetryFault, errors.Unavailable):
    """Usage is being written without a pause, so the cut could not be made yet."""

    kind = errors.Kind.UNAVAILABLE
    code = "cut_busy"


class CutTaken(TelemetryFault):
    """The ledger is closed beyond this time already."""

    kind = errors.Kind.CONFLICT
    code = "cut_taken"


@dataclass(frozen=True, slots=True)
class Closing:
    """How far a ledger is closed: by how many cuts, through which time (None: never)."""

    cuts: int
    closed_through: datetime | None


class LineKey(NamedTuple):
    """What the events of a line have in common. ``price_book_id`` and ``emission_rate_id`` None: not covered."""

    project_id: UUID
    provider: str | None
    model: str | None
    event: str | None  # of a metered event, which has neither provider nor model
    price_book_id: int | None
    emission_rate_id: int | None
    facts: int


class LineSums(NamedTuple):
    """What the events of a line come to, exactly; a change may be negative. ``cost_amount`` in USD. Unknown counts are not in the sums."""

    events: int
    requests: int
    uncached_input: int
    cached_input: int
    cache_creation_5m: int
    cache_creation_1h: int
    output: int
    reasoning: int
    quantity: Decimal
    cost_amount: Decimal


class Line(NamedTuple):
    """A line of a period."""

    key: LineKey
    sums: LineSums


class Stretch(NamedTuple):
    """A stretch of time with a name, ``[starts_at, ends_at)``."""

    id: UUID
    starts_at: datetime
    ends_at: datetime


class Change(NamedTuple):
    """What changed after a cut of the events of a stretch, by line."""

    stretch_id: UUID
    line: Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """Events as they stood at ``cut``: those of ``[starts_at, ends_at)``, and the earlier ones that came late since the cut before."""

    starts_at: datetime
    ends_at: datetime
    cut: int
