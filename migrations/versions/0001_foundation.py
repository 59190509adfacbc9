"""Roles, the tenant of a transaction, and organizations."""

from __future__ import annotations

from alembic import op

from carbonledger.infra import ddl

revision = "0001"
down_revision = None

_ROLES = f"""
DO $roles$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['{ddl.APP}', '{ddl.LOOKUP}', '{ddl.MAINTENANCE}'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL; -- roles belong to the server: another database of it was migrated at the same moment
            END;
        END IF;
    END LOOP;
END
$roles$
"""

# The owner enters the other roles by SET ROLE. It need not inherit them, but before PostgreSQL 16 a grant can't say so; the policies
# therefore ask for the current user as well (infra.ddl).
_MEMBERSHIP = f"""
DO $membership$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['{ddl.LOOKUP}', '{ddl.MAINTENANCE}'] LOOP
        IF NOT pg_has_role(current_user, name, 'USAGE') THEN
            IF current_setting('server_version_num')::int >= 160000 THEN
                EXECUTE format('GRANT %I TO CURRENT_USER WITH INHERIT FALSE, SET TRUE', name);
            ELSE
                EXECUTE format('GRANT %I TO CURRENT_USER', name);
            END IF;
        END IF;
    END LOOP;
END
$membership$
"""

_SCHEMA = (
    "REVOKE ALL ON SCHEMA public FROM PUBLIC",
    f"GRANT USAGE ON SCHEMA public TO {ddl.APP}, {ddl.LOOKUP}, {ddl.MAINTENANCE}",
    f"GRANT SELECT ON alembic_version TO {ddl.APP}, {ddl.MAINTENANCE}",
    """
    CREATE FUNCTION current_organization() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    AS $body$ SELECT nullif(current_setting('carbonledger.organization_id', true), '')::uuid $body$
    """,
    """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $body$
    BEGIN
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END
    $body$
    """,
)

_ORGANIZATIONS = """
CREATE TABLE organizations (
    id uuid CONSTRAINT organizations_pkey PRIMARY KEY,
    name text NOT NULL CONSTRAINT organizations_name_check CHECK (length(name) BETWEEN 1 AND 200),
    external_id text CONSTRAINT organizations_external_id_check CHECK (length(external_id) BETWEEN 1 AND 200),
    tier text NOT NULL DEFAULT 'free'
        CONSTRAINT organizations_tier_check CHECK (tier IN ('free', 'starter', 'growth', 'scale', 'enterprise')),
    time_zone text NOT NULL DEFAULT 'UTC' CONSTRAINT organizations_time_zone_check CHECK (length(time_zone) BETWEEN 1 AND 64),
    currency text NOT NULL DEFAULT 'USD' CONSTRAINT organizations_currency_check CHECK (currency ~ '^[A-Z]{3}$'),
    is_house boolean NOT NULL DEFAULT false,
    is_sandbox boolean NOT NULL DEFAULT false,
    clock_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT organizations_clock_check CHECK (is_sandbox = (clock_at IS NOT NULL)),
    CONSTRAINT organizations_house_is_real_check CHECK (NOT (is_house AND is_sandbox))
)
"""


def upgrade() -> None:
    """Make the roles first: every policy and grant that follows names them."""
    statements = [
        _ROLES,
        _MEMBERSHIP,
        *_SCHEMA,
        _ORGANIZATIONS,
        "CREATE UNIQUE INDEX organizations_house_idx ON organizations (is_house) WHERE is_house",
        "CREATE UNIQUE INDEX organizations_external_id_idx ON organizations (external_id)",
        *ddl.tenant_policy("organizations", column="id"),
        *ddl.grant_app("organizations", "SELECT", "INSERT", "UPDATE"),
    ]
    for statement in statements:
        op.execute(statement)
