"""Tables of what did not go as planned: usage that came late, and steps that failed."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, Integer, Uuid
from sqlalchemy.schema import Index

from carbonledger.infra import columns

late_usage = columns.tenant_table(
    "late_usage",
    columns.id_column(),
    columns.text("cause"),
    Column("invoice_id", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False),
    columns.text("decision"),
    columns.decimal("quantity_before"),
    columns.decimal("quantity_after"),
    columns.decimal("amount"),
    columns.text("currency"),
    columns.integer("events"),
    columns.text("digest"),
    columns.instant("found_at"),
    CheckConstraint("decision IN ('next_invoice', 'correction', 'ignore_and_report')", name="decision"),
    CheckConstraint("length(cause) BETWEEN 1 AND 300", name="cause"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
    CheckConstraint("events >= 0", name="events"),
    CheckConstraint("digest ~ '^[0-9a-f]{64}$'", name="digest"),
    ForeignKeyConstraint(["organization_id", "invoice_id"], ["invoices.organization_id", "invoices.id"]),
    Index("late_usage_organization_id_cause_idx", "organization_id", "cause", "id"),
    Index("late_usage_listed_idx", "organization_id", "id"),
)

failures = columns.tenant_table(
    "billing_failures",
    columns.id_column(),
    Column("account_id", Uuid, nullable=False),
    Column("invoice_id", Uuid),
    columns.text("step"),
    columns.text("code"),
    columns.text("detail"),
    Column("attempts", Integer, nullable=False),
    columns.instant("first_failed_at"),
    columns.instant("last_failed_at"),
    CheckConstraint("step IN ('rate', 'collect', 'print')", name="step"),
    CheckConstraint("length(code) BETWEEN 1 AND 100", name="code"),
    CheckConstraint("length(detail) BETWEEN 1 AND 1000", name="detail"),
    CheckConstraint("attempts > 0", name="attempts"),
    ForeignKeyConstraint(["organization_id", "account_id"], ["accounts.organization_id", "accounts.id"]),
    ForeignKeyConstraint(["organization_id", "invoice_id"], ["invoices.organization_id", "invoices.id"]),
    Index(
        "billing_failures_organization_id_step_idx",
        "organization_id",
        "step",
        "account_id",
        "invoice_id",
        unique=True,
        postgresql_nulls_not_distinct=True,
    ),
)
