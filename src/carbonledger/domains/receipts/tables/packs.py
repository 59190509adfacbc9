"""The table of audit packs: what was ordered, and what a pack that was made is of."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, Index, Integer, LargeBinary, UniqueConstraint, Uuid, text

from carbonledger.infra import columns

_MADE = "num_nonnulls(files, size_bytes, sha256, basis, checkpoint_size, made_at) = CASE WHEN state = 'made' THEN 6 ELSE 0 END"

audit_packs = columns.tenant_table(
    "audit_packs",
    columns.id_column(),
    Column("period_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False),
    columns.text("state"),
    columns.instant("ordered_at"),
    columns.instant("made_at", nullable=True),
    columns.json("files", nullable=True),
    columns.integer("size_bytes", nullable=True),
    Column("sha256", LargeBinary),
    Column("basis", LargeBinary),
    columns.integer("checkpoint_size", nullable=True),
    UniqueConstraint("organization_id", "period_id", "number", name="audit_packs_number_key"),
    ForeignKeyConstraint(["organization_id", "period_id"], ["periods.organization_id", "periods.id"], name="audit_packs_period_id_fkey"),
    CheckConstraint("state IN ('ordered', 'made')", name="state"),
    CheckConstraint("number > 0", name="number"),
    CheckConstraint("octet_length(sha256) = 32", name="sha256"),
    CheckConstraint("octet_length(basis) = 32", name="basis"),
    CheckConstraint("size_bytes > 0 AND checkpoint_size > 0", name="size"),
    CheckConstraint(_MADE, name="made"),
    Index("audit_packs_ordered_idx", "organization_id", "period_id", unique=True, postgresql_where=text("state = 'ordered'")),
)
