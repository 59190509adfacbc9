"""Connections: accounts whose usage is read, how far, what each bucket said, and what the providers say it cost."""

from __future__ import annotations

from alembic import op

from carbonledger.infra import ddl

revision = "0009"
down_revision = "0008"


def _of_connection(table: str) -> str:
    return f"""
        organization_id uuid NOT NULL CONSTRAINT {table}_organization_id_fkey REFERENCES organizations (id),
        connection_id uuid NOT NULL,
        CONSTRAINT {table}_organization_id_connection_id_fkey FOREIGN KEY (organization_id, connection_id)
            REFERENCES connections (organization_id, id),
        stream text NOT NULL CONSTRAINT {table}_stream_check CHECK (length(stream) BETWEEN 1 AND 64),
    """


def _cost(table: str) -> str:
    return f"""
        starts_at timestamptz NOT NULL,
        digest text NOT NULL CONSTRAINT {table}_digest_check CHECK (length(digest) = 32),
        revision integer NOT NULL,
        amount numeric NOT NULL,
        currency text NOT NULL CONSTRAINT {table}_currency_check CHECK (length(currency) = 3),
        quantity numeric,
        unit text CONSTRAINT {table}_unit_check CHECK (length(unit) <= 256),
        read_at timestamptz NOT NULL,
    """


_STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE connections (
        organization_id uuid NOT NULL CONSTRAINT connections_organization_id_fkey REFERENCES organizations (id),
        id uuid CONSTRAINT connections_pkey PRIMARY KEY,
        provider text NOT NULL CONSTRAINT connections_provider_check CHECK (length(provider) BETWEEN 1 AND 64),
        label text NOT NULL CONSTRAINT connections_label_check CHECK (length(label) BETWEEN 1 AND 100),
        secret_id uuid,
        key_hint text CONSTRAINT connections_key_hint_check CHECK (length(key_hint) = 4),
        key_digest bytea CONSTRAINT connections_key_digest_check CHECK (length(key_digest) = 32),
        workload_id uuid NOT NULL,
        state text NOT NULL CONSTRAINT connections_state_check
            CHECK (state IN ('reading_back', 'active', 'error', 'stopped', 'deleted')),
        failures integer NOT NULL DEFAULT 0 CONSTRAINT connections_failures_check CHECK (failures >= 0),
        last_error_code text CONSTRAINT connections_last_error_code_check CHECK (length(last_error_code) <= 64),
        last_error_words text CONSTRAINT connections_last_error_words_check CHECK (length(last_error_words) <= 1000),
        last_error_at timestamptz,
        last_polled_at timestamptz,
        next_poll_at timestamptz,
        reads_from timestamptz NOT NULL,
        covers_direct boolean NOT NULL DEFAULT false,
        synced_at timestamptz,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        deleted_at timestamptz,
        CONSTRAINT connections_organization_id_id_key UNIQUE (organization_id, id),
        CONSTRAINT connections_organization_id_secret_id_fkey FOREIGN KEY (organization_id, secret_id)
            REFERENCES secrets (organization_id, id),
        CONSTRAINT connections_organization_id_workload_id_fkey FOREIGN KEY (organization_id, workload_id)
            REFERENCES workloads (organization_id, id),
        CONSTRAINT connections_deleted_check
            CHECK ((state = 'deleted') = (deleted_at IS NOT NULL) AND (state = 'deleted') = (secret_id IS NULL)),
        CONSTRAINT connections_last_error_check
            CHECK (num_nonnulls(last_error_code, last_error_words, last_error_at) IN (0, 3))
    )
    """,
    """
    CREATE UNIQUE INDEX connections_key_digest_idx ON connections (organization_id, provider, key_digest) WHERE deleted_at IS NULL
    """,
    """
    CREATE INDEX connections_next_poll_at_idx ON connections (next_poll_at, id) WHERE state IN ('reading_back', 'active', 'error')
    """,
    *ddl.tenant_policy("connections"),
    *ddl.grant_app("connections", "SELECT", "INSERT", "UPDATE"),
    *ddl.lookup_policy("connections", "organization_id", "id", "state", "next_poll_at", "last_polled_at"),
    *ddl.lookup_function(
        "due_connections(due_at timestamptz, after_id uuid, at_most integer)",
        "TABLE (organization_id uuid, connection_id uuid)",
        """
        SELECT c.organization_id, c.id FROM public.connections c JOIN public.organizations o ON o.id = c.organization_id
        WHERE c.state IN ('reading_back', 'active', 'error') AND c.next_poll_at <= due_at AND c.id > after_id AND NOT o.is_sandbox
        ORDER BY c.id LIMIT at_most
        """,
    ),
    *ddl.lookup_function(
        "read_connections(after_id uuid, at_most integer)",
        "TABLE (organization_id uuid, connection_id uuid)",
        """
        SELECT c.organization_id, c.id FROM public.connections c JOIN public.organizations o ON o.id = c.organization_id
        WHERE c.state IN ('active', 'error') AND c.id > after_id AND NOT o.is_sandbox
        ORDER BY c.id LIMIT at_most
        """,
    ),
    *ddl.lookup_function(
        "connection_polls()",
        "TABLE (connections bigint, last_polled_at timestamptz)",
        """
        SELECT count(*), max(c.last_polled_at) FROM public.connections c WHERE c.state IN ('reading_back', 'active', 'error')
        """,
    ),
    f"""
    CREATE TABLE connection_streams (
        {_of_connection("connection_streams")}
        is_read boolean NOT NULL,
        read_from timestamptz,
        read_to timestamptz,
        polled_at timestamptz,
        polled_by uuid,
        refused text CONSTRAINT connection_streams_refused_check CHECK (length(refused) <= 1000),
        CONSTRAINT connection_streams_read_check CHECK (num_nonnulls(read_from, read_to) IN (0, 2) AND read_from <= read_to),
        CONSTRAINT connection_streams_pkey PRIMARY KEY (organization_id, connection_id, stream)
    )
    """,
    *ddl.tenant_policy("connection_streams"),
    *ddl.grant_app("connection_streams", "SELECT", "INSERT", "UPDATE"),
    f"""
    CREATE TABLE connection_buckets (
        {_of_connection("connection_buckets")}
        starts_at timestamptz NOT NULL,
        width_s integer NOT NULL CONSTRAINT connection_buckets_width_s_check CHECK (width_s > 0),
        payload_digest bytea NOT NULL CONSTRAINT connection_buckets_payload_digest_check CHECK (length(payload_digest) = 32),
        content_digest bytea NOT NULL CONSTRAINT connection_buckets_content_digest_check CHECK (length(content_digest) = 32),
        told jsonb NOT NULL,
        read_at timestamptz NOT NULL,
        is_final boolean NOT NULL,
        revisions integer NOT NULL CONSTRAINT connection_buckets_revisions_check CHECK (revisions >= 0),
        CONSTRAINT connection_buckets_pkey PRIMARY KEY (organization_id, connection_id, stream, starts_at)
    )
    """,
    """
    CREATE INDEX connection_buckets_open_idx ON connection_buckets (organization_id, connection_id, stream, starts_at)
    WHERE NOT is_final
    """,
    *ddl.tenant_policy("connection_buckets"),
    *ddl.grant_app("connection_buckets", "SELECT", "INSERT", "UPDATE"),
    f"""
    CREATE TABLE reported_costs (
        {_of_connection("reported_costs")}
        {_cost("reported_costs")}
        width_s integer NOT NULL CONSTRAINT reported_costs_width_s_check CHECK (width_s > 0),
        item text CONSTRAINT reported_costs_item_check CHECK (length(item) <= 256),
        model text CONSTRAINT reported_costs_model_check CHECK (length(model) <= 256),
        dimensions jsonb NOT NULL,
        CONSTRAINT reported_costs_pkey PRIMARY KEY (organization_id, connection_id, stream, starts_at, digest)
    )
    """,
    "CREATE INDEX reported_costs_organization_id_starts_at_idx ON reported_costs (organization_id, starts_at)",
    *ddl.tenant_policy("reported_costs"),
    *ddl.grant_app("reported_costs", "SELECT", "INSERT", "UPDATE"),
    f"""
    CREATE TABLE reported_cost_revisions (
        {_of_connection("reported_cost_revisions")}
        {_cost("reported_cost_revisions")}
        replaced_at timestamptz NOT NULL,
        CONSTRAINT reported_cost_revisions_pkey PRIMARY KEY (organization_id, connection_id, stream, starts_at, digest, revision)
    )
    """,
    *ddl.tenant_policy("reported_cost_revisions"),
    *ddl.grant_app("reported_cost_revisions", "SELECT", "INSERT"),
    *ddl.append_only("reported_cost_revisions"),
    """
    CREATE TABLE telemetry_authorities (
        organization_id uuid NOT NULL CONSTRAINT telemetry_authorities_organization_id_fkey REFERENCES organizations (id),
        provider text NOT NULL CONSTRAINT telemetry_authorities_provider_check CHECK (length(provider) BETWEEN 1 AND 64),
        connection_id uuid NOT NULL,
        since timestamptz NOT NULL,
        CONSTRAINT telemetry_authorities_pkey PRIMARY KEY (organization_id, provider, connection_id)
    )
    """,
    *ddl.tenant_policy("telemetry_authorities"),
    *ddl.grant_app("telemetry_authorities", "SELECT", "INSERT", "UPDATE", "DELETE"),
)


def upgrade() -> None:
    """Run every statement in one transaction."""
    for statement in _STATEMENTS:
        op.execute(statement)
