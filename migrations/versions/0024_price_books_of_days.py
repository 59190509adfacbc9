"""By which price books the events of a day were priced, kept with the day (ADR 0012)."""

from __future__ import annotations

from alembic import op

from carbonledger.infra import ddl

revision = "0024"
down_revision = "0023"

_FILL = """
    UPDATE telemetry_daily d SET price_books = e.books FROM (
        SELECT organization_id, (occurred_at AT TIME ZONE 'UTC')::date AS day, series_id, facts, coalesce(emission_rate_id, 0) AS rate_id,
            array_agg(DISTINCT price_book_id ORDER BY price_book_id) AS books
        FROM telemetry_events WHERE price_book_id IS NOT NULL GROUP BY 1, 2, 3, 4, 5
    ) e
    WHERE d.organization_id = e.organization_id AND d.day = e.day AND d.series_id = e.series_id AND d.facts = e.facts
        AND d.emission_rate_id = e.rate_id
"""
_STATEMENTS = (
    "ALTER TABLE telemetry_daily ADD COLUMN price_books smallint[] NOT NULL DEFAULT '{}'",
    # What is there is filled in as the role that sees all rows.
    f"SET LOCAL ROLE {ddl.MAINTENANCE}",
    _FILL,
    "RESET ROLE",
)


def upgrade() -> None:
    """Run every statement in one transaction."""
    for statement in _STATEMENTS:
        op.execute(statement)
