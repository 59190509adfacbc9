"""Keys that sign receipts and checkpoints: public parts and windows for ever, the private part as a secret of the house."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, Index, LargeBinary, Text, Uuid, text

from carbonledger.infra import columns

signing_keys = columns.global_table(
    "signing_keys",
    Column("kid", Text, primary_key=True),
    columns.text("purpose"),
    Column("public", LargeBinary, nullable=False),
    Column("house_id", Uuid, nullable=False),
    Column("secret_id", Uuid),
    columns.instant("not_before"),
    columns.instant("not_after", nullable=True),
    columns.instant("retired_at", nullable=True),
    columns.instant("revoked_at", nullable=True),
    columns.text("revoked_reason", nullable=True),
    columns.instant("created_at"),
    ForeignKeyConstraint(["house_id", "secret_id"], ["secrets.organization_id", "secrets.id"], name="signing_keys_house_id_secret_id_fkey"),
    CheckConstraint("length(kid) = 43", name="kid"),
    CheckConstraint("purpose IN ('receipts', 'log')", name="purpose"),
    CheckConstraint("octet_length(public) = 32", name="public"),
    CheckConstraint("revoked_reason IN ('unspecified', 'compromised', 'superseded')", name="revoked_reason"),
    CheckConstraint("not_before < not_after", name="not_after"),
    CheckConstraint("(retired_at IS NULL) = (not_after IS NULL) AND (retired_at IS NULL) = (secret_id IS NOT NULL)", name="retired"),
    CheckConstraint("num_nonnulls(revoked_at, revoked_reason) IN (0, 2)", name="revoked"),
    CheckConstraint("revoked_at IS NULL OR retired_at IS NOT NULL", name="ended"),
    Index("signing_keys_current_idx", "purpose", unique=True, postgresql_where=text("retired_at IS NULL")),
    reason="the keys of the installation, published for everybody; their private parts are secrets of the house",
)
