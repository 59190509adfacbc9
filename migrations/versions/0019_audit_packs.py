"""Audit packs: what was ordered, and what a pack that was made is of."""

from __future__ import annotations

from alembic import op

from carbonledger.infra import ddl

revision = "0019"
down_revision = "0018"

_PACKS = """
    CREATE TABLE audit_packs (
        organization_id uuid NOT NULL CONSTRAINT audit_packs_organization_id_fkey REFERENCES organizations (id),
        id uuid CONSTRAINT audit_packs_pkey PRIMARY KEY,
        period_id uuid NOT NULL,
        number integer NOT NULL CONSTRAINT audit_packs_number_check CHECK (number > 0),
        state text NOT NULL CONSTRAINT audit_packs_state_check CHECK (state IN ('ordered', 'made')),
        ordered_at timestamptz NOT NULL,
        made_at timestamptz,
        files jsonb,
        size_bytes bigint,
        sha256 bytea CONSTRAINT audit_packs_sha256_check CHECK (octet_length(sha256) = 32),
        basis bytea CONSTRAINT audit_packs_basis_check CHECK (octet_length(basis) = 32),
        checkpoint_size bigint,
        CONSTRAINT audit_packs_number_key UNIQUE (organization_id, period_id, number),
        CONSTRAINT audit_packs_period_id_fkey FOREIGN KEY (organization_id, period_id) REFERENCES periods (organization_id, id),
        CONSTRAINT audit_packs_size_check CHECK (size_bytes > 0 AND checkpoint_size > 0),
        CONSTRAINT audit_packs_made_check CHECK (
            num_nonnulls(files, size_bytes, sha256, basis, checkpoint_size, made_at) = CASE WHEN state = 'made' THEN 6 ELSE 0 END
        )
    )
"""
_KEPT = """
    CREATE FUNCTION keep_audit_pack() RETURNS trigger LANGUAGE plpgsql AS $body$
    BEGIN
        IF TG_OP <> 'UPDATE' THEN
            RAISE EXCEPTION 'an audit pack stays for ever' USING ERRCODE = 'restrict_violation';
        END IF;
        IF OLD.state = 'made' THEN
            RAISE EXCEPTION 'an audit pack that was made never changes' USING ERRCODE = 'restrict_violation';
        END IF;
        IF (NEW.organization_id, NEW.id, NEW.period_id, NEW.number, NEW.ordered_at)
            IS DISTINCT FROM (OLD.organization_id, OLD.id, OLD.period_id, OLD.number, OLD.ordered_at) THEN
            RAISE EXCEPTION 'what an audit pack is of never changes' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END
    $body$
"""


def upgrade() -> None:
    statements = [
        _PACKS,
        # While one of a month is being made, asking for another is asking for that one.
        "CREATE UNIQUE INDEX audit_packs_ordered_idx ON audit_packs (organization_id, period_id) WHERE state = 'ordered'",
        *ddl.tenant_policy("audit_packs"),
        *ddl.grant_app("audit_packs", "SELECT", "INSERT", "UPDATE"),
        _KEPT,
        "CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON audit_packs FOR EACH ROW EXECUTE FUNCTION keep_audit_pack()",
        "CREATE TRIGGER keep_all BEFORE TRUNCATE ON audit_packs FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    ]
    for statement in statements:
        op.execute(statement)
