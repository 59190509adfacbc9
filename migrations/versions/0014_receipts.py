"""Receipts: what was signed about a period, how it stands, its bundle, and the counters of serials."""

from __future__ import annotations

from alembic import op

from carbonledger.infra import ddl

revision = "0014"
down_revision = "0013"

_COUNTERS = """
    CREATE TABLE receipt_counters (
        month date CONSTRAINT receipt_counters_pkey PRIMARY KEY CONSTRAINT receipt_counters_month_check CHECK (extract(day FROM month) = 1),
        seed bytea NOT NULL CONSTRAINT receipt_counters_seed_check CHECK (octet_length(seed) = 32),
        issued integer NOT NULL CONSTRAINT receipt_counters_issued_check CHECK (issued BETWEEN 0 AND 1048576)
    )
"""
# The seed makes the serials of its month, so it never changes, and no count is given twice.
_ONWARD = """
    CREATE FUNCTION keep_receipt_counter() RETURNS trigger LANGUAGE plpgsql AS $body$
    BEGIN
        IF TG_OP <> 'UPDATE' OR (NEW.month, NEW.seed) IS DISTINCT FROM (OLD.month, OLD.seed) OR NEW.issued <> OLD.issued + 1 THEN
            RAISE EXCEPTION 'a counter of serials only goes on by one' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END
    $body$
"""
_RECEIPTS = """
    CREATE TABLE receipts (
        organization_id uuid NOT NULL CONSTRAINT receipts_organization_id_fkey REFERENCES organizations (id),
        id uuid CONSTRAINT receipts_pkey PRIMARY KEY,
        period_id uuid NOT NULL,
        state text NOT NULL CONSTRAINT receipts_state_check CHECK (state IN ('deferred', 'issued', 'superseded', 'revoked')),
        required_mg bigint NOT NULL CONSTRAINT receipts_required_mg_check CHECK (required_mg >= 0),
        serial text CONSTRAINT receipts_serial_key UNIQUE
            CONSTRAINT receipts_serial_check CHECK (serial ~ '^CL-[0-9]{6}-[0-9A-HJKMNP-TV-Z]{5}$'),
        payload bytea,
        digest bytea CONSTRAINT receipts_digest_check CHECK (octet_length(digest) = 32),
        signature text CONSTRAINT receipts_signature_check CHECK (length(signature) = 86),
        kid text CONSTRAINT receipts_kid_check CHECK (length(kid) = 43),
        log_index bigint CONSTRAINT receipts_log_index_check CHECK (log_index >= 0),
        supersedes uuid,
        superseded_by uuid,
        revocation text CONSTRAINT receipts_revocation_check
            CHECK (revocation IN ('issued_in_error', 'credits_invalid', 'key_compromised', 'requested')),
        deferred_at timestamptz,
        issued_at timestamptz,
        ended_at timestamptz,
        bundle bytea,
        document bytea,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        CONSTRAINT receipts_organization_id_id_key UNIQUE (organization_id, id),
        CONSTRAINT receipts_period_id_fkey FOREIGN KEY (organization_id, period_id) REFERENCES periods (organization_id, id),
        CONSTRAINT receipts_supersedes_fkey FOREIGN KEY (organization_id, supersedes) REFERENCES receipts (organization_id, id),
        CONSTRAINT receipts_superseded_by_fkey FOREIGN KEY (organization_id, superseded_by) REFERENCES receipts (organization_id, id)
            DEFERRABLE INITIALLY DEFERRED,
        CONSTRAINT receipts_issued_check CHECK (
            num_nonnulls(serial, payload, digest, signature, kid, log_index, issued_at) = CASE WHEN state = 'deferred' THEN 0 ELSE 7 END
        ),
        CONSTRAINT receipts_deferred_check CHECK (state <> 'deferred' OR deferred_at IS NOT NULL AND num_nonnulls(bundle, document) = 0),
        CONSTRAINT receipts_proven_check CHECK ((bundle IS NULL) = (document IS NULL)),
        CONSTRAINT receipts_superseded_check CHECK ((state = 'superseded') = (superseded_by IS NOT NULL)),
        CONSTRAINT receipts_revoked_check CHECK ((state = 'revoked') = (revocation IS NOT NULL)),
        CONSTRAINT receipts_ended_check CHECK ((state IN ('superseded', 'revoked')) = (ended_at IS NOT NULL))
    )
"""
_KEPT = """
    CREATE FUNCTION keep_receipt() RETURNS trigger LANGUAGE plpgsql AS $body$
    BEGIN
        IF TG_OP <> 'UPDATE' THEN
            RAISE EXCEPTION 'a receipt stays for ever' USING ERRCODE = 'restrict_violation';
        END IF;
        IF (NEW.organization_id, NEW.id, NEW.period_id, NEW.supersedes, NEW.deferred_at, NEW.created_at)
            IS DISTINCT FROM (OLD.organization_id, OLD.id, OLD.period_id, OLD.supersedes, OLD.deferred_at, OLD.created_at) THEN
            RAISE EXCEPTION 'what a receipt is of never changes' USING ERRCODE = 'restrict_violation';
        END IF;
        IF OLD.state <> 'deferred'
            AND (NEW.required_mg, NEW.serial, NEW.payload, NEW.digest, NEW.signature, NEW.kid, NEW.log_index, NEW.issued_at) IS DISTINCT
            FROM (OLD.required_mg, OLD.serial, OLD.payload, OLD.digest, OLD.signature, OLD.kid, OLD.log_index, OLD.issued_at) THEN
            RAISE EXCEPTION 'what was signed never changes' USING ERRCODE = 'restrict_violation';
        END IF;
        IF NEW.state <> OLD.state
            AND (OLD.state, NEW.state) NOT IN (('deferred', 'issued'), ('issued', 'superseded'), ('issued', 'revoked')) THEN
            RAISE EXCEPTION 'a receipt that is % does not become %', OLD.state, NEW.state USING ERRCODE = 'restrict_violation';
        END IF;
        IF NEW.state = OLD.state AND (NEW.superseded_by, NEW.revocation, NEW.ended_at)
            IS DISTINCT FROM (OLD.superseded_by, OLD.revocation, OLD.ended_at) THEN
            RAISE EXCEPTION 'how a receipt ended never changes' USING ERRCODE = 'restrict_violation';
        END IF;
        IF OLD.bundle IS NOT NULL AND NEW.state = OLD.state AND (NEW.bundle, NEW.document) IS DISTINCT FROM (OLD.bundle, OLD.document) THEN
            RAISE EXCEPTION 'what proves a receipt is written once, and once more when it ended' USING ERRCODE = 'restrict_violation';
        END IF;
        IF NEW.state <> OLD.state AND num_nonnulls(NEW.bundle, NEW.document) > 0 THEN
            RAISE EXCEPTION 'what proves a receipt is made after it moved' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END
    $body$
"""
_PUBLIC = ("serial", "state", "payload", "signature", "log_index", "superseded_by", "revocation", "ended_at", "bundle", "id")


def upgrade() -> None:
    statements = [
        _COUNTERS,
        *ddl.grant_app("receipt_counters", "SELECT", "INSERT", "UPDATE (issued)"),
        f"GRANT SELECT, INSERT ON receipt_counters TO {ddl.MAINTENANCE}",
        _ONWARD,
        "CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON receipt_counters FOR EACH ROW EXECUTE FUNCTION keep_receipt_counter()",
        "CREATE TRIGGER keep_all BEFORE TRUNCATE ON receipt_counters FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
        _RECEIPTS,
        # One receipt of a period stands, or waits for credits; those that were replaced or revoked are beside it.
        "CREATE UNIQUE INDEX receipts_standing_idx ON receipts (organization_id, period_id) WHERE state IN ('deferred', 'issued')",
        "CREATE INDEX receipts_organization_id_created_at_idx ON receipts (organization_id, created_at)",
        *ddl.tenant_policy("receipts"),
        *ddl.grant_app("receipts", "SELECT", "INSERT", "UPDATE"),
        _KEPT,
        "CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON receipts FOR EACH ROW EXECUTE FUNCTION keep_receipt()",
        "CREATE TRIGGER keep_all BEFORE TRUNCATE ON receipts FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
        *ddl.lookup_policy("receipts", *_PUBLIC, "organization_id"),
        # Everybody who has a serial may ask how its receipt stands; the organization is not in the answer.
        *ddl.lookup_function(
            "receipt_by_serial(given text)",
            "TABLE (serial text, state text, payload bytea, signature text, log_index bigint, revocation text, ended_at timestamptz,"
            " bundle bytea, superseded_by text)",
            """
            SELECT r.serial, r.state, r.payload, r.signature, r.log_index, r.revocation, r.ended_at, r.bundle, n.serial
            FROM public.receipts r LEFT JOIN public.receipts n ON n.organization_id = r.organization_id AND n.id = r.superseded_by
            WHERE r.serial = given
            """,
        ),
        # Those that wait for credits, for the job that tries again when a lot has come.
        *ddl.lookup_function(
            "deferred_receipts()",
            "TABLE (organization_id uuid, period_id uuid)",
            "SELECT r.organization_id, r.period_id FROM public.receipts r WHERE r.state = 'deferred' ORDER BY r.id",
        ),
        f"GRANT SELECT (period_id) ON receipts TO {ddl.LOOKUP}",
    ]
    for statement in statements:
        op.execute(statement)
