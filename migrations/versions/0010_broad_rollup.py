"""The broad roll-up: series that agree in all but customer, agent and workload, by quarters, hours and days from four hours (ADR 0012)."""

from __future__ import annotations

from alembic import op

from carbonledger.infra import ddl

revision = "0010"
down_revision = "0009"

_COUNTS = ("requests", "uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h", "output", "reasoning")
_NAMES = ("events", *_COUNTS, "quantity", "cost_amount", "reported_usd")
_TABLE = """
    CREATE TABLE telemetry_broad (
        organization_id uuid NOT NULL,
        grain smallint NOT NULL,
        starts timestamptz NOT NULL,
        series_id bigint NOT NULL,
        facts integer NOT NULL,
        emission_rate_id integer NOT NULL,
        events bigint NOT NULL,
        requests bigint NOT NULL,
        uncached_input bigint NOT NULL,
        cached_input bigint NOT NULL,
        cache_creation_5m bigint NOT NULL,
        cache_creation_1h bigint NOT NULL,
        output bigint NOT NULL,
        reasoning bigint NOT NULL,
        quantity numeric NOT NULL,
        cost_amount numeric(38, 12) NOT NULL,
        reported_usd numeric(38, 12) NOT NULL,
        CONSTRAINT telemetry_broad_pkey PRIMARY KEY (organization_id, grain, starts, series_id, facts, emission_rate_id)
    )
"""
_LEAD = """
    UPDATE telemetry_series s SET broad_id = l.id FROM (
        SELECT id AS series_id, min(id) OVER (PARTITION BY organization_id, source, connection_id, project_id, provider, model,
            operation, is_batch, service_tier, region, event, size_above, size_up_to) AS id
        FROM telemetry_series
    ) l WHERE l.series_id = s.id AND l.id <> s.id
"""
_QUARTERS = f"""
    INSERT INTO telemetry_broad
    SELECT e.organization_id, 0, date_bin('15 minutes', e.occurred_at, '2000-01-01 00:00+00'), coalesce(s.broad_id, s.id), e.facts,
        coalesce(e.emission_rate_id, 0), count(*), {", ".join(f"coalesce(sum(e.{name}), 0)" for name in _COUNTS)},
        coalesce(sum(e.quantity), 0), coalesce(sum(e.cost_amount), 0),
        coalesce(sum(e.reported_cost) FILTER (WHERE e.reported_currency = 'USD'), 0)
    FROM telemetry_events e JOIN telemetry_series s ON s.id = e.series_id GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
"""
_COARSER = f"""
    INSERT INTO telemetry_broad
    SELECT b.organization_id, g.grain, date_bin(g.step, b.starts, g.origin), b.series_id, b.facts, b.emission_rate_id,
        {", ".join(f"sum(b.{name})" for name in _NAMES)}
    FROM telemetry_broad b CROSS JOIN (VALUES (1::smallint, '1 hour'::interval, '2000-01-01 00:00+00'::timestamptz),
        (2, '1 day', '2000-01-01 00:00+00'), (3, '1 day', '2000-01-01 06:00+00'), (4, '1 day', '2000-01-01 12:00+00'),
        (5, '1 day', '2000-01-01 18:00+00')) AS g (grain, step, origin)
    GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
"""
_STATEMENTS: tuple[str, ...] = (
    "ALTER TABLE telemetry_series ADD COLUMN broad_id bigint",
    "CREATE INDEX telemetry_series_organization_id_idx ON telemetry_series (organization_id) WHERE broad_id IS NULL",
    _TABLE,
    *ddl.tenant_policy("telemetry_broad"),
    *ddl.grant_app("telemetry_broad", "SELECT", "INSERT", "UPDATE", "DELETE"),
    # What is there is filled in as the role that sees all rows; a series otherwise never changes, and never again after this.
    "ALTER TABLE telemetry_series DISABLE TRIGGER append_only",
    f"SET LOCAL ROLE {ddl.MAINTENANCE}",
    _LEAD,
    _QUARTERS,
    _COARSER,
    "RESET ROLE",
    "ALTER TABLE telemetry_series ENABLE TRIGGER append_only",
)


def upgrade() -> None:
    """Run every statement in one transaction."""
    for statement in _STATEMENTS:
        op.execute(statement)
