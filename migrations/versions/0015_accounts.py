"""Accounts: the billed customers of an organization, and what is live for each."""

from __future__ import annotations

from alembic import op

from carbonledger.infra import ddl

revision = "0015"
down_revision = "0014"

_ACCOUNTS = """
    CREATE TABLE accounts (
        organization_id uuid NOT NULL CONSTRAINT accounts_organization_id_fkey REFERENCES organizations (id),
        id uuid CONSTRAINT accounts_pkey PRIMARY KEY,
        external_id text CONSTRAINT accounts_external_id_check CHECK (length(external_id) BETWEEN 1 AND 200),
        name text NOT NULL CONSTRAINT accounts_name_check CHECK (length(name) BETWEEN 1 AND 200),
        email text CONSTRAINT accounts_email_check CHECK (length(email) BETWEEN 3 AND 254),
        currency text NOT NULL CONSTRAINT accounts_currency_check CHECK (currency ~ '^[A-Z]{3}$'),
        time_zone text NOT NULL CONSTRAINT accounts_time_zone_check CHECK (length(time_zone) BETWEEN 1 AND 64),
        locale text NOT NULL CONSTRAINT accounts_locale_check CHECK (locale IN ('en', 'de', 'fr')),
        address jsonb NOT NULL,
        tax_ids jsonb NOT NULL,
        tax_treatment text NOT NULL
            CONSTRAINT accounts_tax_treatment_check CHECK (tax_treatment IN ('standard', 'exempt', 'reverse_charge')),
        payment_terms_days integer NOT NULL CONSTRAINT accounts_payment_terms_days_check CHECK (payment_terms_days BETWEEN 0 AND 365),
        metadata jsonb NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        deleted_at timestamptz,
        erased_at timestamptz,
        CONSTRAINT accounts_organization_id_id_key UNIQUE (organization_id, id),
        CONSTRAINT accounts_erased_check CHECK (erased_at IS NULL OR deleted_at IS NOT NULL)
    )
"""
_USES = """
    CREATE TABLE account_uses (
        organization_id uuid NOT NULL CONSTRAINT account_uses_organization_id_fkey REFERENCES organizations (id),
        account_id uuid NOT NULL,
        kind text NOT NULL CONSTRAINT account_uses_kind_check CHECK (length(kind) BETWEEN 1 AND 64),
        live integer NOT NULL CONSTRAINT account_uses_live_check CHECK (live >= 0),
        CONSTRAINT account_uses_pkey PRIMARY KEY (organization_id, account_id, kind),
        CONSTRAINT account_uses_organization_id_account_id_fkey FOREIGN KEY (organization_id, account_id)
            REFERENCES accounts (organization_id, id)
    )
"""
_STATEMENTS: tuple[str, ...] = (
    _ACCOUNTS,
    "CREATE UNIQUE INDEX accounts_external_id_idx ON accounts (organization_id, external_id) WHERE deleted_at IS NULL",
    *ddl.tenant_policy("accounts"),
    # A row is never taken away: bills name it.
    *ddl.grant_app("accounts", "SELECT", "INSERT", "UPDATE"),
    _USES,
    *ddl.tenant_policy("account_uses"),
    *ddl.grant_app("account_uses", "SELECT", "INSERT", "UPDATE"),
)


def upgrade() -> None:
    """Run every statement in one transaction."""
    for statement in _STATEMENTS:
        op.execute(statement)
