"""Tables of periods: months, which were paid for, what was frozen of them, what is booked of earlier ones, what salts their leaves."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.schema import Index, SchemaItem

from carbonledger.infra import columns


def _of_period(name: str) -> list[SchemaItem]:
    key = ForeignKeyConstraint(["organization_id", name], ["periods.organization_id", "periods.id"])
    return [Column(name, Uuid, nullable=False), key]


def _sums() -> list[SchemaItem]:
    counts = ("events", "requests", "uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h", "output", "reasoning")
    return [
        Column("number", Integer, nullable=False),
        Column("project_id", Uuid, nullable=False),
        columns.text("provider", nullable=True),
        columns.text("model", nullable=True),
        columns.text("event", nullable=True),
        Column("price_book_id", SmallInteger),
        Column("emission_rate_id", Integer),
        Column("facts", Integer, nullable=False),
        *(columns.integer(name) for name in counts),
        columns.decimal("quantity"),
        columns.decimal("cost_amount"),
    ]


periods = columns.tenant_table(
    "periods",
    columns.id_column(),
    Column("month", Date, nullable=False),
    columns.text("zone"),
    columns.instant("starts_at"),
    columns.instant("ends_at"),
    columns.text("state"),
    columns.text("payment"),
    columns.text("step"),
    columns.instant("ended_at", nullable=True),
    columns.instant("closes_at", nullable=True),
    columns.instant("asked_at", nullable=True),
    columns.integer("cut", nullable=True),
    columns.instant("frozen_at", nullable=True),
    columns.integer("events", nullable=True),
    columns.integer("leaves", nullable=True),
    Column("root", LargeBinary),
    columns.json("unread"),
    columns.instant("closed_at", nullable=True),
    columns.instant("created_at"),
    columns.instant("updated_at"),
    CheckConstraint("EXTRACT(day FROM month) = 1", name="month"),
    CheckConstraint("length(zone) BETWEEN 1 AND 64", name="zone"),
    CheckConstraint("state IN ('open', 'closing', 'closed', 'failed')", name="state"),
    CheckConstraint("payment IN ('not_needed', 'awaited', 'paid', 'failed')", name="payment"),
    CheckConstraint("step IN ('none', 'reconciled', 'frozen', 'summed', 'adjusted', 'proven', 'closed')", name="step"),
    CheckConstraint("cut > 0", name="cut"),
    CheckConstraint("events >= 0", name="events"),
    CheckConstraint("leaves >= 0", name="leaves"),
    CheckConstraint("octet_length(root) = 32", name="root"),
    CheckConstraint("starts_at < ends_at", name="window"),
    CheckConstraint("(cut IS NULL) = (frozen_at IS NULL)", name="frozen"),
    CheckConstraint(
        "(state = 'closed') = (closed_at IS NOT NULL) AND (state = 'closed') = (step = 'closed')"
        " AND (state <> 'closed' OR num_nonnulls(cut, events, leaves, root) = 4)",
        name="closed",
    ),
    UniqueConstraint("organization_id", "id", name="periods_organization_id_id_key"),
    UniqueConstraint("organization_id", "month", name="periods_organization_id_month_key"),
    Index("periods_organization_id_starts_at_idx", "organization_id", "starts_at"),
)

paid_months = columns.tenant_table(
    "paid_months",
    Column("month", Date, nullable=False),
    Column("invoice_id", Uuid, nullable=False),  # the house's, whose rows no key of a customer's can point to
    columns.instant("created_at"),
    CheckConstraint("EXTRACT(day FROM month) = 1", name="month"),
    PrimaryKeyConstraint("organization_id", "month"),
)

lines = columns.tenant_table(
    "period_lines",
    *_of_period("period_id"),
    *_sums(),
    PrimaryKeyConstraint("organization_id", "period_id", "number"),
)

adjustments = columns.tenant_table(
    "period_adjustments",
    *_of_period("period_id"),
    *_of_period("booked_in"),
    *_sums(),
    PrimaryKeyConstraint("organization_id", "booked_in", "number"),
    Index("period_adjustments_organization_id_period_id_idx", "organization_id", "period_id"),
)

salts = columns.tenant_table(
    "receipt_salts",
    Column("secret_id", Uuid, nullable=False),
    columns.instant("created_at"),
    ForeignKeyConstraint(["organization_id", "secret_id"], ["secrets.organization_id", "secrets.id"]),
    PrimaryKeyConstraint("organization_id"),
)
