"""Tallies: what meters of single events make of the hours and days of a series, kept until one of their events changes (ADR 0012)."""

from __future__ import annotations

from alembic import op

from carbonledger.infra import ddl

revision = "0023"
down_revision = "0022"

_TALLIES = """
    CREATE TABLE telemetry_tallies (
        organization_id uuid NOT NULL,
        query uuid NOT NULL,
        series_id bigint NOT NULL,
        grain smallint NOT NULL CONSTRAINT telemetry_tallies_grain_check CHECK (grain IN (1, 2)),
        starts timestamptz NOT NULL,
        place integer NOT NULL CONSTRAINT telemetry_tallies_place_check CHECK (place >= 0),
        changes bigint NOT NULL,
        labels text[] NOT NULL,
        events bigint NOT NULL,
        skipped bigint NOT NULL,
        value numeric,
        area numeric,
        last_at timestamptz,
        last_id uuid,
        members text[],
        cost numeric NOT NULL,
        without_cost bigint NOT NULL,
        without_co2e bigint NOT NULL,
        co2e numeric[],
        factors text[],
        CONSTRAINT telemetry_tallies_pkey PRIMARY KEY (organization_id, series_id, query, grain, starts, place)
    )
"""
_TALLIED = """
    CREATE TABLE telemetry_tallied (
        organization_id uuid NOT NULL CONSTRAINT telemetry_tallied_organization_id_fkey REFERENCES organizations (id),
        query uuid NOT NULL,
        through date,
        CONSTRAINT telemetry_tallied_pkey PRIMARY KEY (organization_id, query)
    )
"""


def upgrade() -> None:
    """Count the changes of what is rolled up from here on, and make room for tallies; a constant default rewrites no row."""
    statements = [
        "ALTER TABLE telemetry_hourly ADD COLUMN changes bigint NOT NULL DEFAULT 1",
        "ALTER TABLE telemetry_daily ADD COLUMN changes bigint NOT NULL DEFAULT 1",
        _TALLIES,
        *ddl.tenant_policy("telemetry_tallies"),
        *ddl.bulk_policy("telemetry_tallies"),
        *ddl.grant_app("telemetry_tallies", "SELECT", "INSERT", "DELETE"),
        _TALLIED,
        *ddl.tenant_policy("telemetry_tallied"),
        *ddl.grant_app("telemetry_tallied", "SELECT", "INSERT", "UPDATE", "DELETE"),
    ]
    for statement in statements:
        op.execute(statement)
