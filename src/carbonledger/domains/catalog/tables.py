"""Tables of the catalog. A plan version is written once; what is used is never taken away, because bills name it.

A version's document (``types.documents``) is the version; the columns beside it are what is looked up by. What a plan charges by is kept
apart as well, so that a meter or tax rate that a version names can't go.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    PrimaryKeyConstraint,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.schema import SchemaItem

from carbonledger.infra import columns

_CODE = "code ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'"


def _named(table: str) -> list[SchemaItem]:
    """What every thing of the catalog has: an id, a code that is unique among those not archived, and a name."""
    return [
        columns.id_column(),
        columns.text("code"),
        columns.text("name"),
        columns.instant("created_at"),
        columns.instant("updated_at"),
        columns.instant("archived_at", nullable=True),
        CheckConstraint(_CODE, name="code"),
        CheckConstraint("length(name) BETWEEN 1 AND 200", name="name"),
        UniqueConstraint("organization_id", "id"),
        Index(f"{table}_code_idx", "organization_id", "code", unique=True, postgresql_where=text("archived_at IS NULL")),
    ]


plans = columns.tenant_table(
    "plans",
    columns.id_column(),
    columns.text("code"),
    columns.text("name"),
    columns.text("description", nullable=True),
    columns.text("state"),
    columns.instant("created_at"),
    columns.instant("updated_at"),
    columns.instant("archived_at", nullable=True),
    columns.instant("deleted_at", nullable=True),
    CheckConstraint(_CODE, name="code"),
    CheckConstraint("length(name) BETWEEN 1 AND 200", name="name"),
    CheckConstraint("length(description) BETWEEN 1 AND 2000", name="description"),
    CheckConstraint("state IN ('active', 'archived') AND (state = 'archived') = (archived_at IS NOT NULL)", name="state"),
    UniqueConstraint("organization_id", "id"),
    Index("plans_code_idx", "organization_id", "code", unique=True, postgresql_where=text("deleted_at IS NULL")),
)

plan_versions = columns.tenant_table(
    "plan_versions",
    columns.id_column(),
    Column("plan_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False),
    columns.instant("effective_at"),
    columns.text("currency"),
    columns.json("document"),
    Column("digest", LargeBinary, nullable=False),
    columns.instant("created_at"),
    CheckConstraint("number > 0", name="number"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
    CheckConstraint("octet_length(digest) = 32", name="digest"),
    UniqueConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "plan_id", "number"),
    ForeignKeyConstraint(["organization_id", "plan_id"], ["plans.organization_id", "plans.id"]),
)

plan_uses = columns.tenant_table(
    "plan_uses",
    Column("plan_id", Uuid, nullable=False),
    columns.text("kind"),
    columns.instant("first_at"),
    CheckConstraint("length(kind) BETWEEN 1 AND 64", name="kind"),
    PrimaryKeyConstraint("organization_id", "plan_id", "kind"),
    ForeignKeyConstraint(["organization_id", "plan_id"], ["plans.organization_id", "plans.id"]),
)

meters = columns.tenant_table(
    "meters",
    *_named("meters"),
    columns.json("counts"),
)

tax_rates = columns.tenant_table(
    "tax_rates",
    *_named("tax_rates"),
    Column("percent", Numeric(7, 4), nullable=False),
    Column("inclusive", Boolean, nullable=False),
    CheckConstraint("percent BETWEEN 0 AND 100", name="percent"),
)

plan_version_needs = columns.tenant_table(
    "plan_version_needs",
    Column("version_id", Uuid, nullable=False),
    columns.text("kind"),
    Column("needed_id", Uuid, nullable=False),
    CheckConstraint("kind IN ('meter', 'tax_rate')", name="kind"),
    PrimaryKeyConstraint("organization_id", "version_id", "kind", "needed_id"),
    ForeignKeyConstraint(["organization_id", "version_id"], ["plan_versions.organization_id", "plan_versions.id"]),
    Index("plan_version_needs_organization_id_needed_id_idx", "organization_id", "needed_id"),
)
