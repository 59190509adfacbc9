"""The public log: its leaves, the nodes of its tree that are kept, its head, and the checkpoints that were signed.

Of the tree only every eighth level is kept, as C2SP tiles have it: level 0 is in the leaves, the rest in ``log_nodes``. What is between
follows from it. ``log_head`` has one row, and whoever appends holds it until the commit, so that indexes are without holes.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
)

from carbonledger.infra import columns

_PUBLIC = "the log is one for the installation, and public"

log_leaves = columns.global_table(
    "log_leaves",
    Column("index", BigInteger, nullable=False, autoincrement=False),
    columns.text("kind"),
    Column("leaf", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    columns.instant("at"),
    CheckConstraint("index >= 0", name="index"),
    CheckConstraint("length(kind) BETWEEN 1 AND 40", name="kind"),
    CheckConstraint("octet_length(leaf) BETWEEN 2 AND 65535", name="leaf"),
    CheckConstraint(r"hash = sha256('\x00'::bytea || leaf)", name="hash"),
    # With the hash, so that the 256 of a tile are read from the index alone: the leaves are ten times as wide.
    PrimaryKeyConstraint("index", postgresql_include=["hash"]),
    Index("log_leaves_hash_idx", "hash"),
    reason=_PUBLIC,
)

log_nodes = columns.global_table(
    "log_nodes",
    Column("level", SmallInteger, nullable=False),
    Column("index", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("level", "index"),
    CheckConstraint("level BETWEEN 8 AND 48 AND level % 8 = 0", name="level"),
    CheckConstraint("index >= 0", name="index"),
    CheckConstraint("octet_length(hash) = 32", name="hash"),
    reason=_PUBLIC,
)

log_head = columns.global_table(
    "log_head",
    Column("is_head", Boolean, primary_key=True),
    columns.integer("size"),
    Column("peaks", LargeBinary, nullable=False),
    columns.integer("signed_size"),
    columns.instant("last_at"),
    columns.text("origin", nullable=True),
    CheckConstraint("is_head", name="is_head"),
    CheckConstraint("octet_length(peaks) = 32 * bit_count(size::bit(64))", name="peaks"),
    CheckConstraint("signed_size BETWEEN 0 AND size", name="signed_size"),
    CheckConstraint("length(origin) BETWEEN 1 AND 200", name="origin"),
    reason=_PUBLIC,
)

log_checkpoints = columns.global_table(
    "log_checkpoints",
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    columns.text("note"),
    columns.text("kid", ForeignKey("signing_keys.kid")),
    columns.instant("signed_at"),
    CheckConstraint("size > 0", name="size"),
    CheckConstraint("octet_length(root) = 32", name="root"),
    CheckConstraint("length(note) BETWEEN 1 AND 2000", name="note"),
    reason=_PUBLIC,
)
