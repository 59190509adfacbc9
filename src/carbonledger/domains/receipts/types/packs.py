"""Words of audit packs: how one stands, what is kept of it, and the faults. Pure.

    ordered ── its files are written, its manifest is sealed ──> made

A pack that is made never changes. Ordering again makes another one, with the next number, of the month as it stands then.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.identity import types as identity_types
from carbonledger.domains.receipts.types.periods import ReceiptsFault
from carbonledger.kernel import errors
from carbonledger_proof import archive, manifest

AUDIT_PACKS: Final = identity_types.Feature("audit_packs", default=False, is_paid_for=True)
"""Whether a plan has audit packs."""


class State(enum.Enum):
    """How a pack stands. Stored by these words."""

    ORDERED = "ordered"
    MADE = "made"


TRANSITIONS: Final[Mapping[State, frozenset[State]]] = {State.ORDERED: frozenset({State.MADE}), State.MADE: frozenset()}
"""From each state the ones that may follow it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a file, kept as an object that is named by its SHA-256 (hex)."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file of a pack: its name, its SHA-256 (hex) and CRC-32, and the parts that it is made of, in their order."""

    name: str
    sha256: str
    crc32: int
    parts: tuple[Part, ...]

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return sum(part.size for part in self.parts)

    def to_json(self) -> dict[str, object]:
        """Return how it is kept."""
        parts = [[part.sha256, part.size] for part in self.parts]
        return {"name": self.name, "sha256": self.sha256, "crc32": self.crc32, "parts": parts}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> StoredFile:
        """Return a file from how it is kept."""
        parts = tuple(Part(sha256, size) for sha256, size in value["parts"])
        return cls(name=value["name"], sha256=value["sha256"], crc32=value["crc32"], parts=parts)

    @property
    def entry(self) -> archive.Entry:
        """It as the archive names it."""
        return archive.Entry(self.name, self.size, self.crc32)

    @property
    def listed(self) -> manifest.File:
        """It as the manifest names it."""
        return manifest.File(name=self.name, size=self.size, sha256=self.sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a pack that is made is: its files in the order of the archive, the archive's size and SHA-256.

    ``basis``: a digest of what of the month can change and was put in it (``core.packs.basis``); ``checkpoint_size``: of the log's
    checkpoint in it, which the next pack begins its proof at.
    """

    files: tuple[StoredFile, ...]
    size: int
    sha256: bytes
    basis: bytes
    checkpoint_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """An audit pack. ``month``: its period's. ``number`` counts those of the period from 1 on. ``contents``: None until it is made.

    ``ordered_at`` is the organization's time, ``made_at`` real time, which is what the manifest says.
    """

    id: UUID
    period_id: UUID
    month: date
    number: int
    state: State
    ordered_at: datetime
    made_at: datetime | None
    contents: Contents | None

    @property
    def file_name(self) -> str:
        """Its name as a file."""
        return f"audit-pack-{self.month:%Y-%m}-{self.number}.zip"


@dataclass(frozen=True, slots=True)
class Listed:
    """A pack in a list: without its files, but with their number."""

    id: UUID
    month: date
    number: int
    state: State
    ordered_at: datetime
    made_at: datetime | None
    size: int | None
    sha256: bytes | None
    files: int | None


@dataclass(frozen=True, slots=True)
class Standing:
    """A closed month with what a pack of it would be of, and what there is: ``newest`` is the basis of the last pack that was made.

    ``is_ordered``: one is being made.
    """

    period_id: UUID
    month: date
    zone: str
    closed_at: datetime
    basis: bytes
    newest: bytes | None
    is_ordered: bool


class PackFault(ReceiptsFault):
    """An audit pack could not do this."""

    code = "audit_pack"


class PackNotFound(PackFault):
    """There is no audit pack of this month."""

    kind = errors.Kind.NOT_FOUND
    code = "audit_pack_not_found"


class PackUnmade(PackFault, errors.Unavailable):
    """The audit pack is being made."""

    kind = errors.Kind.UNAVAILABLE
    code = "audit_pack_unmade"


class PeriodNotClosed(PackFault):
    """The month is not closed yet, so that there is nothing to be audited."""

    kind = errors.Kind.CONFLICT
    code = "period_not_closed"


class PackDamaged(PackFault):
    """A file of an audit pack is not what was written."""

    kind = errors.Kind.INTERNAL
    code = "audit_pack_damaged"
