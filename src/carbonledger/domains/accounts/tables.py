"""Tables of accounts. An external id is free again once its account is deleted; the row stays, because history names it."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    UniqueConstraint,
    Uuid,
    text,
)

from carbonledger.infra import columns

accounts = columns.tenant_table(
    "accounts",
    columns.id_column(),
    columns.text("external_id", nullable=True),
    columns.text("name"),
    columns.text("email", nullable=True),
    columns.text("currency"),
    columns.text("time_zone"),
    columns.text("locale"),
    columns.json("address"),
    columns.json("tax_ids"),
    columns.text("tax_treatment"),
    Column("payment_terms_days", Integer, nullable=False),
    columns.json("metadata"),
    columns.instant("created_at"),
    columns.instant("updated_at"),
    columns.instant("deleted_at", nullable=True),
    columns.instant("erased_at", nullable=True),
    CheckConstraint("length(name) BETWEEN 1 AND 200", name="name"),
    CheckConstraint("length(external_id) BETWEEN 1 AND 200", name="external_id"),
    CheckConstraint("length(email) BETWEEN 3 AND 254", name="email"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
    CheckConstraint("length(time_zone) BETWEEN 1 AND 64", name="time_zone"),
    CheckConstraint("locale IN ('en', 'de', 'fr')", name="locale"),
    CheckConstraint("tax_treatment IN ('standard', 'exempt', 'reverse_charge')", name="tax_treatment"),
    CheckConstraint("payment_terms_days BETWEEN 0 AND 365", name="payment_terms_days"),
    CheckConstraint("erased_at IS NULL OR deleted_at IS NOT NULL", name="erased"),
    UniqueConstraint("organization_id", "id"),
    Index("accounts_external_id_idx", "organization_id", "external_id", unique=True, postgresql_where=text("deleted_at IS NULL")),
)

account_uses = columns.tenant_table(
    "account_uses",
    Column("account_id", Uuid, nullable=False),
    columns.text("kind"),
    Column("live", Integer, nullable=False),
    CheckConstraint("length(kind) BETWEEN 1 AND 64", name="kind"),
    CheckConstraint("live >= 0", name="live"),
    PrimaryKeyConstraint("organization_id", "account_id", "kind"),
    ForeignKeyConstraint(["organization_id", "account_id"], ["accounts.organization_id", "accounts.id"]),
)

payment_methods = columns.tenant_table(
    "payment_methods",
    columns.id_column(),
    Column("account_id", Uuid, nullable=False),
    columns.text("processor"),
    columns.text("reference"),
    columns.text("brand", nullable=True),
    columns.text("last4", nullable=True),
    columns.text("label", nullable=True),
    Column("is_default", Boolean, nullable=False),
    columns.instant("created_at"),
    CheckConstraint("processor ~ '^[a-z][a-z0-9_]{0,39}$'", name="processor"),
    CheckConstraint("length(reference) BETWEEN 1 AND 200", name="reference"),
    CheckConstraint("length(brand) BETWEEN 1 AND 40", name="brand"),
    CheckConstraint("last4 ~ '^[0-9A-Z]{4}$'", name="last4"),
    CheckConstraint("length(label) BETWEEN 1 AND 100", name="label"),
    ForeignKeyConstraint(["organization_id", "account_id"], ["accounts.organization_id", "accounts.id"]),
    UniqueConstraint("organization_id", "processor", "reference", name="payment_methods_reference_key"),
    Index("payment_methods_account_idx", "organization_id", "account_id", "id"),
    Index("payment_methods_default_idx", "organization_id", "account_id", unique=True, postgresql_where=text("is_default")),
)
