"""Words of the public log: an entry, the head, a signed checkpoint, what a check finds, and the faults. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from carbonledger.kernel import errors
from carbonledger_proof import merkle

MONITOR_PATH = "/v1/public/log"
"""Where the log stands under the installation's address: what C2SP tlog-tiles calls the prefix."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a leaf stands: its index from 0, and its hash of 32 bytes (RFC 6962)."""

    index: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf as it is kept: the canonical bytes, their hash, and their kind such as ``receipt.issued``."""

    kind: str
    content: bytes
    hash: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the tree at a level that is kept (8, 16, 24, …)."""

    level: int
    index: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Stretch:
    """``count`` nodes that stand side by side, from the index ``first`` on, at a level that is kept (0, 8, 16, …)."""

    level: int
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Head:
    """How far the log is, how much of it is signed, when its last leaf says it was, and its name (None: nothing was signed yet)."""

    frontier: merkle.Frontier
    signed_size: int
    last_at: datetime
    origin: str | None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that was signed. ``note`` is what others keep, byte for byte."""

    size: int
    root: bytes
    note: str
    kid: str
    signed_at: datetime


@dataclass(frozen=True, slots=True)
class Inclusion:
    """That a leaf stands at an index of the tree of ``size``: the proof's hashes from the leaf up.

    ``checkpoint`` is the signed note of that very size; None if none was signed of it.
    """

    entry: Entry
    size: int
    path: tuple[bytes, ...]
    checkpoint: str | None


class Difference(enum.Enum):
    """What a check of the whole log finds."""

    LEAF_HASH = "leaf_hash"  # the kept hash is not the leaf's
    LEAVES = "leaves"  # more or fewer leaves than the head says
    NODE = "node"  # a kept node is missing, or not what the leaves come to
    HEAD = "head"  # the head is not what the leaves come to
    CHECKPOINT_ROOT = "checkpoint_root"  # the leaves are not those that were signed
    CHECKPOINT_SIGNATURE = "checkpoint_signature"  # a checkpoint that none of our keys signed
    UNSIGNED = "unsigned"  # leaves that no checkpoint covers, and nobody is about to sign them


@dataclass(frozen=True, slots=True)
class Found:
    """One difference: what, and at which leaf, node or size."""

    difference: Difference
    place: str


class LogFault(errors.Fault):
    """The public log could not do this."""

    code = "log"


class LeafRefused(LogFault):
    """A leaf is longer than the log takes, or its time is not right."""

    kind = errors.Kind.INVALID
    code = "log_leaf_refused"


class LeafTimeReversed(LogFault):
    """A leaf's time is before that of the one before it; take the time of ``log.turn`` and try again."""

    kind = errors.Kind.UNAVAILABLE
    code = "log_leaf_time_reversed"


class CheckpointNotFound(LogFault):
    """Nothing of the log was signed yet."""

    kind = errors.Kind.NOT_FOUND
    code = "log_checkpoint_not_found"


class TileNotFound(LogFault):
    """There is no such tile of the log, or not of this width yet."""

    kind = errors.Kind.NOT_FOUND
    code = "log_tile_not_found"


class EntryNotFound(LogFault):
    """There is no such leaf in the log."""

    kind = errors.Kind.NOT_FOUND
    code = "log_entry_not_found"


class SizeInvalid(LogFault):
    """There is no such tree: the log was never of that size, or the two sizes are the wrong way round."""

    kind = errors.Kind.INVALID
    code = "log_size_invalid"
