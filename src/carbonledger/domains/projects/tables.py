"""Tables of projects. A name is free again once its project or agent is archived; the rows stay, because history names them.

Case is folded for ASCII letters alone (collation C): what counts as the same name must not depend on the server's locale, or a
dump of one server would not fit into another.
"""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKeyConstraint, Index, UniqueConstraint, Uuid, text

from carbonledger.infra import columns

_FOLDED_NAME = text('lower(name COLLATE "C")')
_IN_USE = text("archived_at IS NULL")

projects = columns.tenant_table(
    "projects",
    columns.id_column(),
    columns.text("name"),
    Column("is_default", Boolean, nullable=False, server_default=text("false")),
    columns.instant("created_at"),
    columns.instant("updated_at"),
    columns.instant("archived_at", nullable=True),
    CheckConstraint("length(name) BETWEEN 1 AND 200", name="name"),
    CheckConstraint("NOT is_default OR archived_at IS NULL", name="default"),
    UniqueConstraint("organization_id", "id"),
    Index("projects_name_idx", "organization_id", _FOLDED_NAME, unique=True, postgresql_where=_IN_USE),
    Index("projects_default_idx", "organization_id", unique=True, postgresql_where=text("is_default")),
)

workloads = columns.tenant_table(
    "workloads",
    columns.id_column(),
    Column("project_id", Uuid, nullable=False),
    columns.text("name"),
    columns.text("state", default="'active'"),
    columns.instant("opened_at"),
    columns.instant("closed_at", nullable=True),
    ForeignKeyConstraint(["organization_id", "project_id"], ["projects.organization_id", "projects.id"]),
    CheckConstraint("length(name) BETWEEN 1 AND 200", name="name"),
    CheckConstraint(
        "(state = 'active' AND closed_at IS NULL) OR (state = 'inactive' AND closed_at IS NOT NULL AND closed_at >= opened_at)",
        name="state",
    ),
    UniqueConstraint("organization_id", "id"),
    Index("workloads_organization_id_project_id_id_idx", "organization_id", "project_id", "id"),
)

agents = columns.tenant_table(
    "agents",
    columns.id_column(),
    Column("project_id", Uuid, nullable=False),
    columns.text("name"),
    columns.text("external_id", nullable=True),
    columns.instant("created_at"),
    columns.instant("updated_at"),
    columns.instant("archived_at", nullable=True),
    ForeignKeyConstraint(["organization_id", "project_id"], ["projects.organization_id", "projects.id"]),
    CheckConstraint("length(name) BETWEEN 1 AND 200", name="name"),
    CheckConstraint("length(external_id) BETWEEN 1 AND 200", name="external_id"),
    UniqueConstraint("organization_id", "id"),
    Index("agents_name_idx", "organization_id", _FOLDED_NAME, unique=True, postgresql_where=_IN_USE),
    Index("agents_external_id_idx", "organization_id", "external_id", unique=True, postgresql_where=_IN_USE),
    Index("agents_organization_id_project_id_id_idx", "organization_id", "project_id", "id"),
)
