"""Tables of receipts: what was signed about a period and how it stands, and the counters of serials."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Date, ForeignKeyConstraint, Index, Integer, LargeBinary, UniqueConstraint, Uuid, text

from carbonledger.infra import columns

_FROZEN = "num_nonnulls(serial, payload, digest, signature, kid, log_index, issued_at) = CASE WHEN state = 'deferred' THEN 0 ELSE 7 END"

receipt_counters = columns.global_table(
    "receipt_counters",
    Column("month", Date, primary_key=True),
    Column("seed", LargeBinary, nullable=False),
    Column("issued", Integer, nullable=False),
    CheckConstraint("EXTRACT(day FROM month) = 1", name="month"),
    CheckConstraint("octet_length(seed) = 32", name="seed"),
    CheckConstraint("issued BETWEEN 0 AND 1048576", name="issued"),
    reason="serials are unique over all organizations",
)

receipts = columns.tenant_table(
    "receipts",
    columns.id_column(),
    Column("period_id", Uuid, nullable=False),
    columns.text("state"),
    columns.integer("required_mg"),
    columns.text("serial", nullable=True),
    Column("payload", LargeBinary),
    Column("digest", LargeBinary),
    columns.text("signature", nullable=True),
    columns.text("kid", nullable=True),
    columns.integer("log_index", nullable=True),
    Column("supersedes", Uuid),
    Column("superseded_by", Uuid),
    columns.text("revocation", nullable=True),
    columns.instant("deferred_at", nullable=True),
    columns.instant("issued_at", nullable=True),
    columns.instant("ended_at", nullable=True),
    Column("bundle", LargeBinary),
    Column("document", LargeBinary),
    columns.instant("created_at"),
    columns.instant("updated_at"),
    UniqueConstraint("organization_id", "id", name="receipts_organization_id_id_key"),
    UniqueConstraint("serial", name="receipts_serial_key"),
    ForeignKeyConstraint(["organization_id", "period_id"], ["periods.organization_id", "periods.id"], name="receipts_period_id_fkey"),
    ForeignKeyConstraint(["organization_id", "supersedes"], ["receipts.organization_id", "receipts.id"], name="receipts_supersedes_fkey"),
    ForeignKeyConstraint(
        ["organization_id", "superseded_by"],
        ["receipts.organization_id", "receipts.id"],
        name="receipts_superseded_by_fkey",
        deferrable=True,
        initially="DEFERRED",
    ),
    CheckConstraint("state IN ('deferred', 'issued', 'superseded', 'revoked')", name="state"),
    CheckConstraint("required_mg >= 0", name="required_mg"),
    CheckConstraint("serial ~ '^CL-[0-9]{6}-[0-9A-HJKMNP-TV-Z]{5}$'", name="serial"),
    CheckConstraint("octet_length(digest) = 32", name="digest"),
    CheckConstraint("length(signature) = 86", name="signature"),
    CheckConstraint("length(kid) = 43", name="kid"),
    CheckConstraint("log_index >= 0", name="log_index"),
    CheckConstraint("revocation IN ('issued_in_error', 'credits_invalid', 'key_compromised', 'requested')", name="revocation"),
    CheckConstraint(_FROZEN, name="issued"),
    CheckConstraint("state <> 'deferred' OR deferred_at IS NOT NULL AND num_nonnulls(bundle, document) = 0", name="deferred"),
    CheckConstraint("(bundle IS NULL) = (document IS NULL)", name="proven"),
    CheckConstraint("(state = 'superseded') = (superseded_by IS NOT NULL)", name="superseded"),
    CheckConstraint("(state = 'revoked') = (revocation IS NOT NULL)", name="revoked"),
    CheckConstraint("(state IN ('superseded', 'revoked')) = (ended_at IS NOT NULL)", name="ended"),
    Index(
        "receipts_standing_idx",
        "organization_id",
        "period_id",
        unique=True,
        postgresql_where=text("state IN ('deferred', 'issued')"),
    ),
    Index("receipts_organization_id_created_at_idx", "organization_id", "created_at"),
    lookup=(
        "id",
        "organization_id",
        "period_id",
        "serial",
        "state",
        "payload",
        "signature",
        "log_index",
        "superseded_by",
        "revocation",
        "ended_at",
        "bundle",
    ),
)
