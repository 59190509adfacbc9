"""Words of credits: lots of retired credits, what of them is given to receipts, what a plan has compensated, and what can go wrong.

A lot is a block of units of a registry, retired before it is imported. Its quantity is counted in milligrams of CO2e from the beginning of
the block, so that a part of it is a half-open interval ``[from_mg, to_mg)``. What is not allocated is the lot's remainder.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Final
from uuid import UUID

from carbonledger.kernel import errors
from carbonledger.kernel.errors import Kind, Problem

MG_PER_TONNE: Final = 10**9
QUANTITY_MAX_MG: Final = 2**53 - 1
"""Of one lot, some nine million tonnes: what every reader of JSON takes for a whole number (RFC 8785, section 3.2.2.3)."""
LINES_MAX: Final = 2_000
"""Lots of one file; each wrong one is named in the answer."""
FILE_BYTES_MAX: Final = 4 * 2**20
"""Of one file: 2,000 lines with every column at its longest."""
SANDBOX_REGISTRY: Final = "sandbox"
"""The registry of lots that only sandbox organizations are given, and real ones never: it stands on every receipt and in the log."""


class CreditKind(enum.Enum):
    """What a credit stands for."""

    REMOVAL = "removal"
    REDUCTION = "reduction"


class AllocationState(enum.Enum):
    """An allocation is made, and may be released once. Nothing follows a release: another receipt gets another allocation."""

    MADE = "made"
    RELEASED = "released"


class Bound(enum.Enum):
    """Which number of an uncertain quantity is compensated. Never the low one."""

    MID = "mid"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Interval:
    """A part ``[from_mg, to_mg)`` of a lot, in milligrams from the beginning of its block. Never empty."""

    from_mg: int
    to_mg: int

    def __post_init__(self) -> None:
        if not 0 <= self.from_mg < self.to_mg:
            raise ValueError(f"[{self.from_mg}, {self.to_mg}) is no part of a lot")

    @property
    def milligrams(self) -> int:
        """How much it is."""
        return self.to_mg - self.from_mg


@dataclass(frozen=True, slots=True)
class Block:
    """Units ``start`` to ``end`` (both in it) of what ``prefix`` names at a registry; ``text`` is how the registry writes it.

    Two blocks share units exactly when registry and prefix are the same and the ranges meet.
    """

    registry: str
    prefix: str
    text: str
    start: int
    end: int

    @property
    def units(self) -> int:
        """How many units it has."""
        return self.end - self.start + 1

    def meets(self, other: Block) -> bool:
        """Say whether the two share a unit."""
        same = (self.registry, self.prefix) == (other.registry, other.prefix)
        return same and self.start <= other.end and other.start <= self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """What is known of a block of credits that was retired: what a line of a file says.

    ``corresponding_adjustment``: by article 6 of the Paris agreement; None: not said. ``evidence_sha256``: of the file that proves it.
    """

    block: Block
    quantity_mg: int
    project_id: str
    project_name: str
    standard: str
    kind: CreditKind
    vintage: int
    retired_on: date
    retirement_reference: str
    retirement_url: str
    beneficiary: str
    reason: str | None
    corresponding_adjustment: bool | None
    evidence_sha256: str | None


@dataclass(frozen=True, slots=True)
class Lot:
    """A lot of the inventory. ``number`` grows with each import; ``remaining_mg`` is not allocated."""

    id: UUID
    number: int
    credit: Credit
    remaining_mg: int
    imported_at: datetime


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: the lots that it added, in the order of the file, and how many of the file were there already."""

    added: tuple[Lot, ...]
    known: int


@dataclass(frozen=True, slots=True)
class Remainder:
    """An interval of a lot that is not allocated, with what decides whose turn it is."""

    lot_id: UUID
    number: int
    vintage: int
    retired_on: date
    interval: Interval


@dataclass(frozen=True, slots=True)
class Share:
    """An interval of a lot, taken for a receipt."""

    lot_id: UUID
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """An interval of a lot that is given to a receipt, with all that the receipt says of it."""

    id: UUID
    receipt_id: UUID
    serial: str
    lot_id: UUID
    credit: Credit
    interval: Interval
    state: AllocationState
    made_at: datetime
    released_at: datetime | None


@dataclass(frozen=True, slots=True)
class OffsetPolicy:
    """What a plan has compensated: so many percent (1 to 100) of the mid or the high number. Raises ``OffsetPolicyInvalid``."""

    bound: Bound = Bound.HIGH
    percent: int = 100

    def __post_init__(self) -> None:
        if not 1 <= self.percent <= 100:  # noqa: PLR2004 - percent
            raise OffsetPolicyInvalid(f"The plan says {self.percent} percent; it has to be 1 to 100.")


@dataclass(frozen=True, slots=True)
class Imbalance:
    """A lot whose remainders and allocations do not add up to its quantity: what they come to instead."""

    lot_id: UUID
    quantity_mg: int
    remaining_mg: int
    allocated_mg: int


class CreditsFault(errors.Fault):
    """Something about the credits does not fit."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "credits"


class LotsInvalid(CreditsFault):
    """One or more lines of the file can't be taken, so none was."""

    code = "credit_lots_invalid"

    def __init__(self, problems: Sequence[Problem]) -> None:
        named = len({problem.pointer.split("/")[2] for problem in problems if problem.pointer.startswith("/lines/")})
        what = f"{named} of its lines can't be taken" if named else "The file can't be read"
        super().__init__(f"{what}. Nothing was imported: mend what is named and import the file again.", problems=tuple(problems))


class InventoryShort(CreditsFault):
    """There are not enough retired credits."""

    kind = Kind.CONFLICT
    code = "credits_short"

    def __init__(self, *, needed_mg: int, available_mg: int) -> None:
        super().__init__(f"{needed_mg} mg of CO2e are needed and {available_mg} mg are there. Import another lot.")
        self.needed_mg = needed_mg
        self.available_mg = available_mg


class AllocationExists(CreditsFault):
    """The receipt has credits already, and not as many as are asked for."""

    kind = Kind.CONFLICT
    code = "allocation_exists"


class OffsetPolicyInvalid(CreditsFault):
    """What the plan has compensated is no share from 1 to 100 percent."""

    code = "offset_policy_invalid"
