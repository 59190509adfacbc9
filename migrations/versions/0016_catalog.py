"""The catalog: plans with their versions, meters, tax rates, what a version needs of the latter two; and indexes to meter accounts by."""

from __future__ import annotations

from alembic import op

from carbonledger.infra import ddl

revision = "0016"
down_revision = "0015"

_CODE = "code ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'"


def _owner(table: str) -> str:
    return f"organization_id uuid NOT NULL CONSTRAINT {table}_organization_id_fkey REFERENCES organizations (id)"


def _names(table: str) -> str:
    return f"""
        {_owner(table)},
        id uuid CONSTRAINT {table}_pkey PRIMARY KEY,
        code text NOT NULL CONSTRAINT {table}_code_check CHECK ({_CODE}),
        name text NOT NULL CONSTRAINT {table}_name_check CHECK (length(name) BETWEEN 1 AND 200)"""


_PLANS = f"""
    CREATE TABLE plans ({_names("plans")},
        description text CONSTRAINT plans_description_check CHECK (length(description) BETWEEN 1 AND 2000),
        state text NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        archived_at timestamptz,
        deleted_at timestamptz,
        CONSTRAINT plans_organization_id_id_key UNIQUE (organization_id, id),
        CONSTRAINT plans_state_check CHECK (state IN ('active', 'archived') AND (state = 'archived') = (archived_at IS NOT NULL))
    )
"""
_VERSIONS = f"""
    CREATE TABLE plan_versions (
        {_owner("plan_versions")},
        id uuid CONSTRAINT plan_versions_pkey PRIMARY KEY,
        plan_id uuid NOT NULL,
        number integer NOT NULL CONSTRAINT plan_versions_number_check CHECK (number > 0),
        effective_at timestamptz NOT NULL,
        currency text NOT NULL CONSTRAINT plan_versions_currency_check CHECK (currency ~ '^[A-Z]{{3}}$'),
        document jsonb NOT NULL,
        digest bytea NOT NULL CONSTRAINT plan_versions_digest_check CHECK (octet_length(digest) = 32),
        created_at timestamptz NOT NULL,
        CONSTRAINT plan_versions_organization_id_id_key UNIQUE (organization_id, id),
        CONSTRAINT plan_versions_organization_id_plan_id_number_key UNIQUE (organization_id, plan_id, number),
        CONSTRAINT plan_versions_organization_id_plan_id_fkey FOREIGN KEY (organization_id, plan_id) REFERENCES plans (organization_id, id)
    )
"""
_USES = f"""
    CREATE TABLE plan_uses (
        {_owner("plan_uses")},
        plan_id uuid NOT NULL,
        kind text NOT NULL CONSTRAINT plan_uses_kind_check CHECK (length(kind) BETWEEN 1 AND 64),
        first_at timestamptz NOT NULL,
        CONSTRAINT plan_uses_pkey PRIMARY KEY (organization_id, plan_id, kind),
        CONSTRAINT plan_uses_organization_id_plan_id_fkey FOREIGN KEY (organization_id, plan_id) REFERENCES plans (organization_id, id)
    )
"""
_METERS = f"""
    CREATE TABLE meters ({_names("meters")},
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        archived_at timestamptz,
        counts jsonb NOT NULL,
        CONSTRAINT meters_organization_id_id_key UNIQUE (organization_id, id)
    )
"""
_TAX_RATES = f"""
    CREATE TABLE tax_rates ({_names("tax_rates")},
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        archived_at timestamptz,
        percent numeric(7, 4) NOT NULL CONSTRAINT tax_rates_percent_check CHECK (percent BETWEEN 0 AND 100),
        inclusive boolean NOT NULL,
        CONSTRAINT tax_rates_organization_id_id_key UNIQUE (organization_id, id)
    )
"""
_NEEDS = f"""
    CREATE TABLE plan_version_needs (
        {_owner("plan_version_needs")},
        version_id uuid NOT NULL,
        kind text NOT NULL CONSTRAINT plan_version_needs_kind_check CHECK (kind IN ('meter', 'tax_rate')),
        needed_id uuid NOT NULL,
        CONSTRAINT plan_version_needs_pkey PRIMARY KEY (organization_id, version_id, kind, needed_id),
        CONSTRAINT plan_version_needs_organization_id_version_id_fkey FOREIGN KEY (organization_id, version_id)
            REFERENCES plan_versions (organization_id, id)
    )
"""
# What is billed by names these, so of each only its name, and whether it is still offered, ever changes.
_KEPT = """
    CREATE FUNCTION keep_catalog_entry() RETURNS trigger LANGUAGE plpgsql AS $body$
    BEGIN
        IF TG_OP <> 'UPDATE' OR to_jsonb(NEW) - '{name,updated_at,archived_at}'::text[]
            IS DISTINCT FROM to_jsonb(OLD) - '{name,updated_at,archived_at}'::text[] THEN
            RAISE EXCEPTION 'what a meter counts and what a tax rate is never changes' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END
    $body$
"""
# An account's usage is found by its series. Of single events only those that meters read one by one are told apart by series.
_METERING: tuple[str, ...] = (
    "CREATE INDEX telemetry_series_organization_id_account_idx ON telemetry_series (organization_id, account) WHERE account IS NOT NULL",
    "CREATE INDEX telemetry_daily_organization_id_series_id_day_idx ON telemetry_daily (organization_id, series_id, day)",
    "CREATE INDEX telemetry_events_organization_id_series_id_occurred_at_idx ON telemetry_events (organization_id, series_id, occurred_at)"
    " WHERE properties IS NOT NULL OR quantity IS NOT NULL",
)
_STATEMENTS: tuple[str, ...] = (
    *_METERING,
    _PLANS,
    "CREATE UNIQUE INDEX plans_code_idx ON plans (organization_id, code) WHERE deleted_at IS NULL",
    *ddl.tenant_policy("plans"),
    *ddl.grant_app("plans", "SELECT", "INSERT", "UPDATE (name, description, state, updated_at, archived_at, deleted_at)"),
    _VERSIONS,
    *ddl.tenant_policy("plan_versions"),
    *ddl.grant_app("plan_versions", "SELECT", "INSERT"),
    *ddl.append_only("plan_versions"),
    _USES,
    *ddl.tenant_policy("plan_uses"),
    *ddl.grant_app("plan_uses", "SELECT", "INSERT"),
    *ddl.append_only("plan_uses"),
    _METERS,
    "CREATE UNIQUE INDEX meters_code_idx ON meters (organization_id, code) WHERE archived_at IS NULL",
    *ddl.tenant_policy("meters"),
    *ddl.grant_app("meters", "SELECT", "INSERT", "UPDATE (name, updated_at, archived_at)"),
    _TAX_RATES,
    "CREATE UNIQUE INDEX tax_rates_code_idx ON tax_rates (organization_id, code) WHERE archived_at IS NULL",
    *ddl.tenant_policy("tax_rates"),
    *ddl.grant_app("tax_rates", "SELECT", "INSERT", "UPDATE (name, updated_at, archived_at)"),
    _KEPT,
    *(
        f"CREATE TRIGGER keep_entry BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION keep_catalog_entry()"
        for table in ("meters", "tax_rates")
    ),
    _NEEDS,
    "CREATE INDEX plan_version_needs_organization_id_needed_id_idx ON plan_version_needs (organization_id, needed_id)",
    *ddl.tenant_policy("plan_version_needs"),
    *ddl.grant_app("plan_version_needs", "SELECT", "INSERT"),
    *ddl.append_only("plan_version_needs"),
)


def upgrade() -> None:
    """Run every statement in one transaction."""
    for statement in _STATEMENTS:
        op.execute(statement)
