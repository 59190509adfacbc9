"""Tables of the vault. Values are sealed text or a reference; nothing here is readable without the key file."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, Uuid

from carbonledger.infra import columns

secrets = columns.tenant_table(
    "secrets",
    columns.id_column(),
    columns.text("purpose"),
    columns.text("place", default="'database'"),
    columns.text("sealed", nullable=True),
    columns.text("key_fingerprint", nullable=True),
    columns.text("ref", nullable=True),
    columns.instant("created_at"),
    columns.instant("resealed_at", nullable=True),
    CheckConstraint("length(purpose) BETWEEN 1 AND 40", name="purpose"),
    CheckConstraint(
        "(place = 'database' AND sealed IS NOT NULL AND key_fingerprint IS NOT NULL AND ref IS NULL)"
        " OR (place = 'outside' AND sealed IS NULL AND key_fingerprint IS NULL AND ref IS NOT NULL)",
        name="place",
    ),
    CheckConstraint("length(sealed) <= 20000", name="sealed"),
    CheckConstraint("length(ref) <= 2048", name="ref"),
    UniqueConstraint("organization_id", "id"),
    Index("secrets_key_fingerprint_id_idx", "key_fingerprint", "id"),
    lookup=("organization_id", "id", "place", "key_fingerprint"),
)

llm_keys = columns.tenant_table(
    "llm_keys",
    columns.id_column(),
    columns.text("provider"),
    columns.text("label"),
    columns.text("key_hint", nullable=True),
    Column("digest", LargeBinary, nullable=True),
    Column("secret_id", Uuid, nullable=False),
    columns.instant("created_at"),
    columns.instant("rotated_at", nullable=True),
    ForeignKeyConstraint(["organization_id", "secret_id"], ["secrets.organization_id", "secrets.id"]),
    CheckConstraint("length(provider) BETWEEN 1 AND 40", name="provider"),
    CheckConstraint("length(label) BETWEEN 1 AND 100", name="label"),
    CheckConstraint("length(key_hint) = 4", name="key_hint"),
    CheckConstraint("length(digest) = 32", name="digest"),
    Index("llm_keys_organization_id_provider_label_idx", "organization_id", "provider", "label", unique=True),
    Index("llm_keys_organization_id_digest_idx", "organization_id", "digest", unique=True),
    Index("llm_keys_organization_id_id_idx", "organization_id", "id"),
)
