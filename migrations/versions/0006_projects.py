"""Projects, workloads and agents."""

from __future__ import annotations

from alembic import op

from carbonledger.infra import ddl

revision = "0006"
down_revision = "0005"

_STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE projects (
        organization_id uuid NOT NULL CONSTRAINT projects_organization_id_fkey REFERENCES organizations (id),
        id uuid CONSTRAINT projects_pkey PRIMARY KEY,
        name text NOT NULL CONSTRAINT projects_name_check CHECK (length(name) BETWEEN 1 AND 200),
        is_default boolean NOT NULL DEFAULT false,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        archived_at timestamptz,
        CONSTRAINT projects_organization_id_id_key UNIQUE (organization_id, id),
        CONSTRAINT projects_default_check CHECK (NOT is_default OR archived_at IS NULL)
    )
    """,
    """CREATE UNIQUE INDEX projects_name_idx ON projects (organization_id, lower(name COLLATE "C")) WHERE archived_at IS NULL""",
    "CREATE UNIQUE INDEX projects_default_idx ON projects (organization_id) WHERE is_default",
    *ddl.tenant_policy("projects"),
    *ddl.grant_app("projects", "SELECT", "INSERT", "UPDATE"),
    """
    CREATE TABLE workloads (
        organization_id uuid NOT NULL CONSTRAINT workloads_organization_id_fkey REFERENCES organizations (id),
        id uuid CONSTRAINT workloads_pkey PRIMARY KEY,
        project_id uuid NOT NULL,
        name text NOT NULL CONSTRAINT workloads_name_check CHECK (length(name) BETWEEN 1 AND 200),
        state text NOT NULL DEFAULT 'active',
        opened_at timestamptz NOT NULL,
        closed_at timestamptz,
        CONSTRAINT workloads_organization_id_id_key UNIQUE (organization_id, id),
        CONSTRAINT workloads_organization_id_project_id_fkey FOREIGN KEY (organization_id, project_id)
            REFERENCES projects (organization_id, id),
        CONSTRAINT workloads_state_check CHECK (
            (state = 'active' AND closed_at IS NULL) OR (state = 'inactive' AND closed_at IS NOT NULL AND closed_at >= opened_at)
        )
    )
    """,
    "CREATE INDEX workloads_organization_id_project_id_id_idx ON workloads (organization_id, project_id, id)",
    *ddl.tenant_policy("workloads"),
    # What was booked stays where it was: of a workload only its end can be written.
    *ddl.grant_app("workloads", "SELECT", "INSERT", "UPDATE (state, closed_at)"),
    """
    CREATE TABLE agents (
        organization_id uuid NOT NULL CONSTRAINT agents_organization_id_fkey REFERENCES organizations (id),
        id uuid CONSTRAINT agents_pkey PRIMARY KEY,
        project_id uuid NOT NULL,
        name text NOT NULL CONSTRAINT agents_name_check CHECK (length(name) BETWEEN 1 AND 200),
        external_id text CONSTRAINT agents_external_id_check CHECK (length(external_id) BETWEEN 1 AND 200),
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        archived_at timestamptz,
        CONSTRAINT agents_organization_id_id_key UNIQUE (organization_id, id),
        CONSTRAINT agents_organization_id_project_id_fkey FOREIGN KEY (organization_id, project_id)
            REFERENCES projects (organization_id, id)
    )
    """,
    """CREATE UNIQUE INDEX agents_name_idx ON agents (organization_id, lower(name COLLATE "C")) WHERE archived_at IS NULL""",
    "CREATE UNIQUE INDEX agents_external_id_idx ON agents (organization_id, external_id) WHERE archived_at IS NULL",
    "CREATE INDEX agents_organization_id_project_id_id_idx ON agents (organization_id, project_id, id)",
    *ddl.tenant_policy("agents"),
    *ddl.grant_app("agents", "SELECT", "INSERT", "UPDATE"),
)


def upgrade() -> None:
    """Run every statement in one transaction."""
    for statement in _STATEMENTS:
        op.execute(statement)
