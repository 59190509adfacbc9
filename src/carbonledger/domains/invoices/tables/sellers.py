"""Tables of the seller: the series of numbers, and how an organization appears on its invoices."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Integer, LargeBinary, PrimaryKeyConstraint, UniqueConstraint

from carbonledger.infra import columns

series = columns.tenant_table(
    "invoice_series",
    columns.text("code"),
    columns.text("prefix"),
    Column("padding", Integer, nullable=False),
    columns.integer("issued"),
    columns.instant("created_at"),
    CheckConstraint("length(code) BETWEEN 1 AND 20", name="code"),
    CheckConstraint("length(prefix) BETWEEN 1 AND 20", name="prefix"),
    CheckConstraint("padding BETWEEN 1 AND 12", name="padding"),
    CheckConstraint("issued >= 0", name="issued"),
    PrimaryKeyConstraint("organization_id", "code"),
    UniqueConstraint("organization_id", "prefix", name="invoice_series_organization_id_prefix_key"),
)

settings = columns.tenant_table(
    "seller_settings",
    columns.text("name", nullable=True),
    columns.json("address"),
    columns.json("tax_ids"),
    columns.text("email", nullable=True),
    columns.text("color"),
    columns.text("logo_media_type", nullable=True),
    Column("logo", LargeBinary),
    columns.text("locale"),
    columns.text("footer", nullable=True),
    Column("payment_terms_days", Integer, nullable=False),
    columns.integer("grace_s"),
    columns.text("late_usage"),
    columns.json("tax_rate_codes"),
    columns.text("tax_rounding"),
    columns.text("series"),
    columns.instant("updated_at"),
    CheckConstraint("length(name) BETWEEN 1 AND 200", name="name"),
    CheckConstraint(
        "pg_column_size(address) <= 8192 AND pg_column_size(tax_ids) <= 8192 AND pg_column_size(tax_rate_codes) <= 2048", name="documents"
    ),
    CheckConstraint("length(email) BETWEEN 1 AND 254", name="email"),
    CheckConstraint("color ~ '^#[0-9a-f]{6}$'", name="color"),
    CheckConstraint("logo_media_type IN ('image/png', 'image/svg+xml')", name="logo_media_type"),
    CheckConstraint("octet_length(logo) BETWEEN 1 AND 200000 AND (logo IS NULL) = (logo_media_type IS NULL)", name="logo"),
    CheckConstraint("locale IN ('en', 'de', 'fr')", name="locale"),
    CheckConstraint("length(footer) BETWEEN 1 AND 500", name="footer"),
    CheckConstraint("payment_terms_days BETWEEN 0 AND 365", name="payment_terms_days"),
    CheckConstraint("grace_s BETWEEN 0 AND 2592000", name="grace_s"),
    CheckConstraint("late_usage IN ('next_invoice', 'correction', 'ignore_and_report')", name="late_usage"),
    CheckConstraint("tax_rounding IN ('document', 'line')", name="tax_rounding"),
    PrimaryKeyConstraint("organization_id"),
)
