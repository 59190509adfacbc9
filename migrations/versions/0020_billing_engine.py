"""Subscriptions that expire without their first payment; amounts off invoices that say for which period they are."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"

_KINDS = (
    *("started", "trial_ended", "plan_changed", "quantity_changed", "zone_changed", "paused", "resumed", "past_due", "settled", "canceled"),
    *("ended", "expired", "reactivated", "withdrawn"),
)


def upgrade() -> None:
    """Let facts and discounts say more than they did: whatever stands fits."""
    kinds = ", ".join(f"'{kind}'" for kind in _KINDS)
    op.execute("ALTER TABLE subscription_facts DROP CONSTRAINT subscription_facts_kind_check")
    op.execute(f"ALTER TABLE subscription_facts ADD CONSTRAINT subscription_facts_kind_check CHECK (kind IN ({kinds}))")
    op.execute("ALTER TABLE invoices DROP CONSTRAINT invoices_taxes_check")
    op.execute(
        "ALTER TABLE invoices ADD CONSTRAINT invoices_taxes_check "
        "CHECK (pg_column_size(taxes) <= 32768 AND pg_column_size(discounts) <= 262144)"
    )
