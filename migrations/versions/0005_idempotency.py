"""Answers kept for Idempotency-Key."""

from __future__ import annotations

from alembic import op

from carbonledger.infra import ddl

revision = "0005"
down_revision = "0004"

_STATEMENTS = (
    """
    CREATE TABLE idempotent_answers (
        organization_id uuid NOT NULL CONSTRAINT idempotent_answers_organization_id_fkey REFERENCES organizations (id),
        place bytea NOT NULL CONSTRAINT idempotent_answers_place_check CHECK (octet_length(place) = 32),
        digest bytea NOT NULL CONSTRAINT idempotent_answers_digest_check CHECK (octet_length(digest) = 32),
        status bigint NOT NULL CONSTRAINT idempotent_answers_status_check CHECK (status BETWEEN 200 AND 299),
        headers jsonb NOT NULL CONSTRAINT idempotent_answers_headers_check CHECK (octet_length(headers::text) <= 8192),
        body bytea CONSTRAINT idempotent_answers_body_check CHECK (octet_length(body) <= 4194304),
        sealed_body text CONSTRAINT idempotent_answers_sealed_body_check CHECK (length(sealed_body) <= 8388608),
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        CONSTRAINT idempotent_answers_pkey PRIMARY KEY (organization_id, place),
        CONSTRAINT idempotent_answers_one_body_check CHECK (num_nonnulls(body, sealed_body) = 1)
    )
    """,
    "CREATE INDEX idempotent_answers_expires_at_idx ON idempotent_answers (expires_at)",
    *ddl.tenant_policy("idempotent_answers"),
    *ddl.grant_app("idempotent_answers", "SELECT", "INSERT", "UPDATE", "DELETE"),
    *ddl.lookup_policy("idempotent_answers", "organization_id", "expires_at"),
    *ddl.lookup_function(
        "organizations_with_expired_answers(at timestamptz, at_most integer)",
        "TABLE (organization_id uuid)",
        "SELECT DISTINCT a.organization_id FROM idempotent_answers a WHERE a.expires_at <= at LIMIT at_most",
    ),
)


def upgrade() -> None:
    """Run every statement in one transaction."""
    for statement in _STATEMENTS:
        op.execute(statement)
