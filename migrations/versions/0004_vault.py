"""Sealed secrets and LLM keys."""

from __future__ import annotations

from alembic import op

from carbonledger.infra import ddl

revision = "0004"
down_revision = "0003"

_STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE secrets (
        organization_id uuid NOT NULL CONSTRAINT secrets_organization_id_fkey REFERENCES organizations (id),
        id uuid CONSTRAINT secrets_pkey PRIMARY KEY,
        purpose text NOT NULL CONSTRAINT secrets_purpose_check CHECK (length(purpose) BETWEEN 1 AND 40),
        place text NOT NULL DEFAULT 'database',
        sealed text CONSTRAINT secrets_sealed_check CHECK (length(sealed) <= 20000),
        key_fingerprint text,
        ref text CONSTRAINT secrets_ref_check CHECK (length(ref) <= 2048),
        created_at timestamptz NOT NULL,
        resealed_at timestamptz,
        CONSTRAINT secrets_organization_id_id_key UNIQUE (organization_id, id),
        CONSTRAINT secrets_place_check CHECK (
            (place = 'database' AND sealed IS NOT NULL AND key_fingerprint IS NOT NULL AND ref IS NULL)
            OR (place = 'outside' AND sealed IS NULL AND key_fingerprint IS NULL AND ref IS NOT NULL)
        )
    )
    """,
    "CREATE INDEX secrets_key_fingerprint_id_idx ON secrets (key_fingerprint, id)",
    *ddl.tenant_policy("secrets"),
    *ddl.grant_app("secrets", "SELECT", "INSERT", "UPDATE", "DELETE"),
    *ddl.lookup_policy("secrets", "organization_id", "id", "place", "key_fingerprint"),
    *ddl.lookup_function(
        "secrets_to_reseal(current_fingerprint text, after_id uuid, at_most integer)",
        "TABLE (organization_id uuid, id uuid)",
        """
        SELECT s.organization_id, s.id FROM public.secrets s
        WHERE s.place = 'database' AND s.key_fingerprint <> current_fingerprint AND s.id > after_id
        ORDER BY s.id LIMIT at_most
        """,
    ),
    *ddl.lookup_function(
        "secret_key_fingerprints()",
        "TABLE (key_fingerprint text, secrets bigint)",
        "SELECT s.key_fingerprint, count(*) FROM public.secrets s WHERE s.place = 'database' GROUP BY s.key_fingerprint",
    ),
    """
    CREATE TABLE llm_keys (
        organization_id uuid NOT NULL CONSTRAINT llm_keys_organization_id_fkey REFERENCES organizations (id),
        id uuid CONSTRAINT llm_keys_pkey PRIMARY KEY,
        provider text NOT NULL CONSTRAINT llm_keys_provider_check CHECK (length(provider) BETWEEN 1 AND 40),
        label text NOT NULL CONSTRAINT llm_keys_label_check CHECK (length(label) BETWEEN 1 AND 100),
        key_hint text CONSTRAINT llm_keys_key_hint_check CHECK (length(key_hint) = 4),
        digest bytea CONSTRAINT llm_keys_digest_check CHECK (length(digest) = 32),
        secret_id uuid NOT NULL,
        created_at timestamptz NOT NULL,
        rotated_at timestamptz,
        CONSTRAINT llm_keys_organization_id_secret_id_fkey FOREIGN KEY (organization_id, secret_id) REFERENCES secrets (organization_id, id)
    )
    """,
    "CREATE UNIQUE INDEX llm_keys_organization_id_provider_label_idx ON llm_keys (organization_id, provider, label)",
    "CREATE UNIQUE INDEX llm_keys_organization_id_digest_idx ON llm_keys (organization_id, digest)",
    "CREATE INDEX llm_keys_organization_id_id_idx ON llm_keys (organization_id, id)",
    *ddl.tenant_policy("llm_keys"),
    *ddl.grant_app("llm_keys", "SELECT", "INSERT", "UPDATE", "DELETE"),
)


def upgrade() -> None:
    """Run every statement in one transaction."""
    for statement in _STATEMENTS:
        op.execute(statement)
