"""A connection keeps which account it reads, as its provider calls it, and an organization has one connection of an account at a time.

Where the provider does not tell, and of connections that were made before, nothing is known, so nothing is refused.
"""

from __future__ import annotations

from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE connections ADD COLUMN account text CONSTRAINT connections_account_check CHECK (length(account) BETWEEN 1 AND 200)"
    )
    op.execute("CREATE UNIQUE INDEX connections_account_idx ON connections (organization_id, provider, account) WHERE deleted_at IS NULL")
