"""Tables of subscriptions: the facts, which nothing changes, and one row for each subscription with what is looked for."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    UniqueConstraint,
    Uuid,
    text,
)

from carbonledger.infra import columns

subscriptions = columns.tenant_table(
    "subscriptions",
    columns.id_column(),
    Column("account_id", Uuid, nullable=False),
    columns.text("external_id", nullable=True),
    columns.text("name", nullable=True),
    columns.text("currency"),
    columns.json("metadata"),
    Column("plan_id", Uuid, nullable=False),
    columns.text("status"),
    columns.instant("advanced_until"),
    columns.instant("next_due_at", nullable=True),
    columns.instant("billable_at", nullable=True),
    columns.instant("billed_until", nullable=True),
    columns.instant("claimed_until", nullable=True),
    Column("billed_facts", Integer, nullable=False, server_default=text("0")),
    Column("facts", Integer, nullable=False),
    columns.instant("created_at"),
    columns.instant("updated_at"),
    CheckConstraint("length(external_id) BETWEEN 1 AND 200", name="external_id"),
    CheckConstraint("length(name) BETWEEN 1 AND 200", name="name"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
    CheckConstraint(
        "status IN ('scheduled', 'trialing', 'incomplete', 'active', 'past_due', 'paused', 'canceled', 'ended')", name="status"
    ),
    CheckConstraint("billed_facts BETWEEN 0 AND facts", name="billed_facts"),
    UniqueConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "external_id"),
    ForeignKeyConstraint(["organization_id", "account_id"], ["accounts.organization_id", "accounts.id"]),
    ForeignKeyConstraint(["organization_id", "plan_id"], ["plans.organization_id", "plans.id"]),
    Index("subscriptions_organization_id_account_id_id_idx", "organization_id", "account_id", "id"),
    Index("subscriptions_organization_id_plan_id_id_idx", "organization_id", "plan_id", "id"),
    Index("subscriptions_due_idx", "organization_id", "next_due_at", postgresql_where=text("next_due_at IS NOT NULL")),
    Index("subscriptions_billable_idx", "organization_id", "billable_at", "account_id", postgresql_where=text("billable_at IS NOT NULL")),
)

facts = columns.tenant_table(
    "subscription_facts",
    Column("subscription_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False),
    columns.text("kind"),
    columns.instant("effective_at"),
    columns.instant("recorded_at"),
    Column("planned", Boolean, nullable=False),
    columns.text("actor_kind"),
    Column("actor_id", Uuid, nullable=True),
    Column("plan_version_id", Uuid, nullable=True),
    columns.json("overrides", nullable=True),
    Column("quantity", Integer, nullable=True),
    columns.text("proration", nullable=True),
    columns.text("zone", nullable=True),
    Column("anchor", Date, nullable=True),
    Column("trialing", Boolean, nullable=False),
    Column("payment_first", Boolean, nullable=False),
    Column("credit", Boolean, nullable=True),
    Column("withdraws", Integer, nullable=True),
    columns.text("reason", nullable=True),
    PrimaryKeyConstraint("organization_id", "subscription_id", "number"),
    CheckConstraint("number BETWEEN 1 AND 10000", name="number"),
    CheckConstraint(
        "kind IN ('started', 'trial_ended', 'plan_changed', 'quantity_changed', 'zone_changed', 'paused', 'resumed', 'past_due', 'settled',"
        " 'canceled', 'ended', 'expired', 'reactivated', 'withdrawn')",
        name="kind",
    ),
    CheckConstraint("(kind = 'started') = (number = 1)", name="first"),
    CheckConstraint("(kind IN ('started', 'plan_changed')) = (plan_version_id IS NOT NULL)", name="plan_version_id"),
    CheckConstraint("(kind = 'withdrawn') = (withdraws IS NOT NULL) AND withdraws < number", name="withdraws"),
    CheckConstraint("quantity BETWEEN 0 AND 1000000000", name="quantity"),
    CheckConstraint("proration IN ('day', 'second', 'none')", name="proration"),
    CheckConstraint("length(zone) BETWEEN 1 AND 64", name="zone"),
    CheckConstraint("length(reason) BETWEEN 1 AND 500", name="reason"),
    ForeignKeyConstraint(["organization_id", "subscription_id"], ["subscriptions.organization_id", "subscriptions.id"]),
    ForeignKeyConstraint(["organization_id", "plan_version_id"], ["plan_versions.organization_id", "plan_versions.id"]),
)
