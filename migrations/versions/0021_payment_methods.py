"""Payment methods of accounts: references to what processors keep, never a number of a card. And an index to list late usage by."""

from __future__ import annotations

from alembic import op

from carbonledger.infra import ddl

revision = "0021"
down_revision = "0020"

_METHODS = """
    CREATE TABLE payment_methods (
        organization_id uuid NOT NULL CONSTRAINT payment_methods_organization_id_fkey REFERENCES organizations (id),
        id uuid CONSTRAINT payment_methods_pkey PRIMARY KEY,
        account_id uuid NOT NULL,
        processor text NOT NULL CONSTRAINT payment_methods_processor_check CHECK (processor ~ '^[a-z][a-z0-9_]{0,39}$'),
        reference text NOT NULL CONSTRAINT payment_methods_reference_check CHECK (length(reference) BETWEEN 1 AND 200),
        brand text CONSTRAINT payment_methods_brand_check CHECK (length(brand) BETWEEN 1 AND 40),
        last4 text CONSTRAINT payment_methods_last4_check CHECK (last4 ~ '^[0-9A-Z]{4}$'),
        label text CONSTRAINT payment_methods_label_check CHECK (length(label) BETWEEN 1 AND 100),
        is_default boolean NOT NULL,
        created_at timestamptz NOT NULL,
        CONSTRAINT payment_methods_organization_id_account_id_fkey FOREIGN KEY (organization_id, account_id)
            REFERENCES accounts (organization_id, id),
        CONSTRAINT payment_methods_reference_key UNIQUE (organization_id, processor, reference)
    )
"""
_STATEMENTS: tuple[str, ...] = (
    _METHODS,
    "CREATE INDEX payment_methods_account_idx ON payment_methods (organization_id, account_id, id)",
    "CREATE UNIQUE INDEX payment_methods_default_idx ON payment_methods (organization_id, account_id) WHERE is_default",
    *ddl.tenant_policy("payment_methods"),
    *ddl.grant_app("payment_methods", "SELECT", "INSERT", "UPDATE", "DELETE"),
    "CREATE INDEX late_usage_listed_idx ON late_usage (organization_id, id)",
)


def upgrade() -> None:
    """Run every statement in one transaction."""
    for statement in _STATEMENTS:
        op.execute(statement)
