"""The ledger: series, events in hash partitions, revisions, hourly and daily roll-ups (ADR 0012)."""

from __future__ import annotations

from alembic import op

from carbonledger.infra import ddl

revision = "0008"
down_revision = "0007"

PARTITIONS = 8
_COUNTS = """
        uncached_input bigint,
        cached_input bigint,
        cache_creation_5m bigint,
        cache_creation_1h bigint,
        output bigint,
        reasoning bigint,
        audio_input bigint,
        image_input bigint,
        cached_audio_input bigint,
        cached_image_input bigint,
        audio_output bigint,
        image_output bigint,
        requests bigint,
        quantity numeric,
        cost_amount numeric(38, 12),
        cost_flags integer NOT NULL,
        price_book_id smallint,
        reported_cost numeric(38, 12),
        reported_currency text,
        emission_rate_id integer,
        emission_flags integer NOT NULL,
        facts integer NOT NULL,
"""
_SUMS = """
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
"""


def _label(table: str, name: str, chars: int, *, required: bool = False) -> str:
    null = " NOT NULL" if required else ""
    return f"{name} text{null} CONSTRAINT {table}_{name}_check CHECK (length({name}) BETWEEN 1 AND {chars})"


def _reference(table: str, name: str, target: str) -> str:
    return f"CONSTRAINT {table}_organization_id_{name}_fkey FOREIGN KEY (organization_id, {name}) REFERENCES {target} (organization_id, id)"


_SERIES = f"""
    CREATE TABLE telemetry_series (
        organization_id uuid NOT NULL CONSTRAINT telemetry_series_organization_id_fkey REFERENCES organizations (id),
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT telemetry_series_pkey PRIMARY KEY,
        digest uuid NOT NULL,
        source text NOT NULL
            CONSTRAINT telemetry_series_source_check CHECK (source IN ('api', 'otlp', 'import', 'connection', 'gateway')),
        connection_id uuid,
        project_id uuid NOT NULL,
        workload_id uuid,
        agent_id uuid,
        {_label("telemetry_series", "account", 200)},
        {_label("telemetry_series", "provider", 64)},
        {_label("telemetry_series", "model", 256)},
        {_label("telemetry_series", "operation", 64)},
        is_batch boolean NOT NULL,
        {_label("telemetry_series", "service_tier", 64)},
        {_label("telemetry_series", "region", 64)},
        {_label("telemetry_series", "event", 64)},
        size_above bigint,
        size_up_to bigint,
        created_at timestamptz NOT NULL,
        CONSTRAINT telemetry_series_organization_id_digest_key UNIQUE (organization_id, digest),
        CONSTRAINT telemetry_series_size_check CHECK (size_above >= 0 AND size_up_to > size_above),
        CONSTRAINT telemetry_series_kind_check CHECK (num_nonnulls(event, provider) = 1 AND num_nonnulls(event, model) = 1),
        {_reference("telemetry_series", "project_id", "projects")},
        {_reference("telemetry_series", "workload_id", "workloads")},
        {_reference("telemetry_series", "agent_id", "agents")}
    )
"""
_EVENTS = f"""
    CREATE TABLE telemetry_events (
        organization_id uuid NOT NULL,
        id uuid NOT NULL CONSTRAINT telemetry_events_pkey PRIMARY KEY,
        idempotency_key text NOT NULL CONSTRAINT telemetry_events_idempotency_key_check CHECK (length(idempotency_key) BETWEEN 1 AND 200),
        series_id bigint NOT NULL,
        occurred_at timestamptz NOT NULL,
        duration_s integer NOT NULL CONSTRAINT telemetry_events_duration_s_check CHECK (duration_s >= 0),
        {_COUNTS}
        revision integer NOT NULL,
        properties jsonb CONSTRAINT telemetry_events_properties_check CHECK (octet_length(properties::text) <= 8192),
        recorded_at timestamptz NOT NULL
    ) PARTITION BY HASH (id)
"""
_REVISIONS = f"""
    CREATE TABLE telemetry_revisions (
        organization_id uuid NOT NULL CONSTRAINT telemetry_revisions_organization_id_fkey REFERENCES organizations (id),
        event_id uuid NOT NULL,
        revision integer NOT NULL,
        series_id bigint NOT NULL,
        {_COUNTS}
        replaced_at timestamptz NOT NULL,
        CONSTRAINT telemetry_revisions_pkey PRIMARY KEY (organization_id, event_id, revision)
    )
"""
# Identity is refused, history is written by the database itself, and whoever changes counts, cost or emissions must number the revision.
_GUARD = """
    CREATE FUNCTION keep_telemetry_history() RETURNS trigger LANGUAGE plpgsql AS $body$
    DECLARE
        old_series telemetry_series;
        new_series telemetry_series;
        is_revision boolean;
    BEGIN
        IF (NEW.organization_id, NEW.id, NEW.idempotency_key, NEW.occurred_at, NEW.duration_s, NEW.recorded_at)
            IS DISTINCT FROM (OLD.organization_id, OLD.id, OLD.idempotency_key, OLD.occurred_at, OLD.duration_s, OLD.recorded_at) THEN
            RAISE EXCEPTION 'the identity of an event never changes' USING ERRCODE = 'restrict_violation';
        END IF;
        IF NEW.series_id <> OLD.series_id THEN
            SELECT * INTO STRICT old_series FROM telemetry_series s WHERE s.organization_id = OLD.organization_id AND s.id = OLD.series_id;
            SELECT * INTO STRICT new_series FROM telemetry_series s WHERE s.organization_id = NEW.organization_id AND s.id = NEW.series_id;
            IF (old_series.provider, old_series.model, old_series.event)
                IS DISTINCT FROM (new_series.provider, new_series.model, new_series.event) THEN
                RAISE EXCEPTION 'the identity of an event never changes' USING ERRCODE = 'restrict_violation';
            END IF;
        END IF;
        is_revision := (NEW.series_id, NEW.uncached_input, NEW.cached_input, NEW.cache_creation_5m, NEW.cache_creation_1h, NEW.output,
            NEW.reasoning, NEW.audio_input, NEW.image_input, NEW.cached_audio_input, NEW.cached_image_input, NEW.audio_output,
            NEW.image_output, NEW.requests, NEW.quantity, NEW.cost_amount, NEW.cost_flags, NEW.price_book_id, NEW.reported_cost,
            NEW.reported_currency, NEW.emission_rate_id, NEW.emission_flags)
            IS DISTINCT FROM (OLD.series_id, OLD.uncached_input, OLD.cached_input, OLD.cache_creation_5m, OLD.cache_creation_1h, OLD.output,
            OLD.reasoning, OLD.audio_input, OLD.image_input, OLD.cached_audio_input, OLD.cached_image_input, OLD.audio_output,
            OLD.image_output, OLD.requests, OLD.quantity, OLD.cost_amount, OLD.cost_flags, OLD.price_book_id, OLD.reported_cost,
            OLD.reported_currency, OLD.emission_rate_id, OLD.emission_flags);
        IF NEW.revision <> OLD.revision + is_revision::integer THEN
            RAISE EXCEPTION 'a change of an event is its next revision' USING ERRCODE = 'restrict_violation';
        END IF;
        IF is_revision THEN
            INSERT INTO telemetry_revisions VALUES (
                OLD.organization_id, OLD.id, OLD.revision, OLD.series_id, OLD.uncached_input, OLD.cached_input, OLD.cache_creation_5m,
                OLD.cache_creation_1h, OLD.output, OLD.reasoning, OLD.audio_input, OLD.image_input, OLD.cached_audio_input,
                OLD.cached_image_input, OLD.audio_output, OLD.image_output, OLD.requests, OLD.quantity, OLD.cost_amount, OLD.cost_flags,
                OLD.price_book_id, OLD.reported_cost, OLD.reported_currency, OLD.emission_rate_id, OLD.emission_flags, OLD.facts,
                clock_timestamp()
            );
        END IF;
        RETURN NEW;
    END
    $body$
"""


def _rollup(table: str, slot: str, slot_type: str) -> str:
    return f"""
    CREATE TABLE {table} (
        organization_id uuid NOT NULL,
        {slot} {slot_type} NOT NULL,
        series_id bigint NOT NULL,
        {_SUMS}
        CONSTRAINT {table}_pkey PRIMARY KEY (organization_id, {slot}, series_id, facts, emission_rate_id)
    )
    """


def _partitions() -> list[str]:
    statements = []
    for number in range(PARTITIONS):
        name = f"telemetry_events_p{number}"
        statements += [
            f"CREATE TABLE {name} PARTITION OF telemetry_events FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {number})",
            *ddl.partition_policy(name),
            f"CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON {name} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
        ]
    return statements


_STATEMENTS: tuple[str, ...] = (
    _SERIES,
    *ddl.tenant_policy("telemetry_series"),
    *ddl.grant_app("telemetry_series", "SELECT", "INSERT"),
    *ddl.append_only("telemetry_series"),
    f"GRANT SELECT ON SEQUENCE telemetry_series_id_seq TO {ddl.MAINTENANCE}",  # pg_dump reads where it stands
    _EVENTS,
    "CREATE INDEX telemetry_events_organization_id_occurred_at_id_idx ON telemetry_events (organization_id, occurred_at, id)",
    *ddl.tenant_policy("telemetry_events"),
    *ddl.bulk_policy("telemetry_events"),
    *ddl.grant_app("telemetry_events", "SELECT", "INSERT", "UPDATE"),
    *_partitions(),
    _REVISIONS,
    *ddl.tenant_policy("telemetry_revisions"),
    *ddl.grant_app("telemetry_revisions", "SELECT", "INSERT"),
    *ddl.append_only("telemetry_revisions"),
    _GUARD,
    "CREATE TRIGGER keep_history BEFORE UPDATE ON telemetry_events FOR EACH ROW EXECUTE FUNCTION keep_telemetry_history()",
    "CREATE TRIGGER no_delete BEFORE DELETE ON telemetry_events FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    "CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON telemetry_events FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    _rollup("telemetry_hourly", "hour", "timestamptz"),
    *ddl.tenant_policy("telemetry_hourly"),
    *ddl.grant_app("telemetry_hourly", "SELECT", "INSERT", "UPDATE", "DELETE"),
    _rollup("telemetry_daily", "day", "date"),
    *ddl.tenant_policy("telemetry_daily"),
    *ddl.grant_app("telemetry_daily", "SELECT", "INSERT", "UPDATE", "DELETE"),
)


def upgrade() -> None:
    """Run every statement in one transaction."""
    for statement in _STATEMENTS:
        op.execute(statement)
