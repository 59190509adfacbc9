"""Months that an invoice of the house paid for, begun or not."""

from __future__ import annotations

from alembic import op

from carbonledger.infra import ddl

revision = "0022"
down_revision = "0021"

_PAID = """
    CREATE TABLE paid_months (
        organization_id uuid NOT NULL CONSTRAINT paid_months_organization_id_fkey REFERENCES organizations (id),
        month date NOT NULL CONSTRAINT paid_months_month_check CHECK (EXTRACT(day FROM month) = 1),
        invoice_id uuid NOT NULL,
        created_at timestamptz NOT NULL,
        CONSTRAINT paid_months_pkey PRIMARY KEY (organization_id, month)
    )
"""


def upgrade() -> None:
    statements = [
        _PAID,
        *ddl.tenant_policy("paid_months"),
        *ddl.grant_app("paid_months", "SELECT", "INSERT"),  # what was paid stays paid
    ]
    for statement in statements:
        op.execute(statement)
