"""The keys that sign receipts and checkpoints, and the public log: leaves, nodes of its tree, its head, signed checkpoints."""

from __future__ import annotations

from alembic import op

from carbonledger.infra import ddl

revision = "0012"
down_revision = "0011"

# What no role may do, the owner included. A checkpoint that was signed can be shown by anybody: a log that differs from it proves us wrong.
_LEAF_FOLLOWS = """
CREATE FUNCTION log_leaf_follows() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF NEW.index > 0 AND NOT EXISTS (SELECT FROM log_leaves WHERE index = NEW.index - 1) THEN
        RAISE EXCEPTION 'leaf % of the log follows none', NEW.index USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$body$
"""
_LEAF_IS_COUNTED = """
CREATE FUNCTION log_leaf_is_counted() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF NEW.index >= (SELECT size FROM log_head) THEN
        RAISE EXCEPTION 'leaf % is beyond the head of the log', NEW.index USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END
$body$
"""
_HEAD_GROWS = """
CREATE FUNCTION log_head_grows() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF NEW.size < OLD.size OR NEW.signed_size < OLD.signed_size OR NEW.last_at < OLD.last_at
        OR (OLD.origin IS NOT NULL AND NEW.origin IS DISTINCT FROM OLD.origin)
        OR (NEW.size = OLD.size AND NEW.peaks <> OLD.peaks)
        OR (NEW.size > OLD.size AND NOT EXISTS (SELECT FROM log_leaves WHERE index = NEW.size - 1))
        OR EXISTS (SELECT FROM log_leaves WHERE index = NEW.size)
    THEN
        RAISE EXCEPTION 'the head of the log only grows with its leaves' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$body$
"""
_KEY_STAYS = """
CREATE FUNCTION signing_key_stays() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF (NEW.kid, NEW.purpose, NEW.public, NEW.not_before, NEW.created_at) IS DISTINCT FROM
            (OLD.kid, OLD.purpose, OLD.public, OLD.not_before, OLD.created_at)
        OR (OLD.retired_at IS NOT NULL AND (NEW.retired_at, NEW.not_after) IS DISTINCT FROM (OLD.retired_at, OLD.not_after))
        OR (OLD.revoked_at IS NOT NULL
            AND (NEW.revoked_at, NEW.revoked_reason) IS DISTINCT FROM (OLD.revoked_at, OLD.revoked_reason))
        OR (OLD.secret_id IS NULL AND NEW.secret_id IS NOT NULL)
    THEN
        RAISE EXCEPTION 'a signing key is published for ever' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$body$
"""

_STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE signing_keys (
        kid text CONSTRAINT signing_keys_pkey PRIMARY KEY CONSTRAINT signing_keys_kid_check CHECK (length(kid) = 43),
        purpose text NOT NULL CONSTRAINT signing_keys_purpose_check CHECK (purpose IN ('receipts', 'log')),
        public bytea NOT NULL CONSTRAINT signing_keys_public_check CHECK (octet_length(public) = 32),
        house_id uuid NOT NULL,
        secret_id uuid,
        not_before timestamptz NOT NULL,
        not_after timestamptz,
        retired_at timestamptz,
        revoked_at timestamptz,
        revoked_reason text CONSTRAINT signing_keys_revoked_reason_check
            CHECK (revoked_reason IN ('unspecified', 'compromised', 'superseded')),
        created_at timestamptz NOT NULL,
        CONSTRAINT signing_keys_house_id_secret_id_fkey FOREIGN KEY (house_id, secret_id) REFERENCES secrets (organization_id, id),
        CONSTRAINT signing_keys_not_after_check CHECK (not_before < not_after),
        CONSTRAINT signing_keys_retired_check
            CHECK ((retired_at IS NULL) = (not_after IS NULL) AND (retired_at IS NULL) = (secret_id IS NOT NULL)),
        CONSTRAINT signing_keys_revoked_check CHECK (num_nonnulls(revoked_at, revoked_reason) IN (0, 2)),
        CONSTRAINT signing_keys_ended_check CHECK (revoked_at IS NULL OR retired_at IS NOT NULL)
    )
    """,
    "CREATE UNIQUE INDEX signing_keys_current_idx ON signing_keys (purpose) WHERE retired_at IS NULL",
    *ddl.grant_app("signing_keys", "SELECT", "INSERT", "UPDATE"),
    f"GRANT SELECT, INSERT ON signing_keys TO {ddl.MAINTENANCE}",
    _KEY_STAYS,
    "CREATE TRIGGER stays BEFORE UPDATE ON signing_keys FOR EACH ROW EXECUTE FUNCTION signing_key_stays()",
    "CREATE TRIGGER append_only BEFORE DELETE ON signing_keys FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    "CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON signing_keys FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    r"""
    CREATE TABLE log_leaves (
        index bigint NOT NULL CONSTRAINT log_leaves_index_check CHECK (index >= 0),
        kind text NOT NULL CONSTRAINT log_leaves_kind_check CHECK (length(kind) BETWEEN 1 AND 40),
        leaf bytea NOT NULL CONSTRAINT log_leaves_leaf_check CHECK (octet_length(leaf) BETWEEN 2 AND 65535),
        hash bytea NOT NULL CONSTRAINT log_leaves_hash_check CHECK (hash = sha256('\x00'::bytea || leaf)),
        at timestamptz NOT NULL,
        CONSTRAINT log_leaves_pkey PRIMARY KEY (index) INCLUDE (hash)
    )
    """,
    "CREATE INDEX log_leaves_hash_idx ON log_leaves (hash)",
    """
    CREATE TABLE log_nodes (
        level smallint NOT NULL CONSTRAINT log_nodes_level_check CHECK (level BETWEEN 8 AND 48 AND level % 8 = 0),
        index bigint NOT NULL CONSTRAINT log_nodes_index_check CHECK (index >= 0),
        hash bytea NOT NULL CONSTRAINT log_nodes_hash_check CHECK (octet_length(hash) = 32),
        CONSTRAINT log_nodes_pkey PRIMARY KEY (level, index)
    )
    """,
    """
    CREATE TABLE log_head (
        is_head boolean CONSTRAINT log_head_pkey PRIMARY KEY CONSTRAINT log_head_is_head_check CHECK (is_head),
        size bigint NOT NULL,
        peaks bytea NOT NULL CONSTRAINT log_head_peaks_check CHECK (octet_length(peaks) = 32 * bit_count(size::bit(64))),
        signed_size bigint NOT NULL CONSTRAINT log_head_signed_size_check CHECK (signed_size BETWEEN 0 AND size),
        last_at timestamptz NOT NULL,
        origin text CONSTRAINT log_head_origin_check CHECK (length(origin) BETWEEN 1 AND 200)
    )
    """,
    """
    CREATE TABLE log_checkpoints (
        size bigint CONSTRAINT log_checkpoints_pkey PRIMARY KEY CONSTRAINT log_checkpoints_size_check CHECK (size > 0),
        root bytea NOT NULL CONSTRAINT log_checkpoints_root_check CHECK (octet_length(root) = 32),
        note text NOT NULL CONSTRAINT log_checkpoints_note_check CHECK (length(note) BETWEEN 1 AND 2000),
        kid text NOT NULL CONSTRAINT log_checkpoints_kid_fkey REFERENCES signing_keys (kid),
        signed_at timestamptz NOT NULL
    )
    """,
    r"INSERT INTO log_head (is_head, size, peaks, signed_size, last_at) VALUES (true, 0, '\x', 0, '1970-01-01T00:00:00Z')",
    *(
        statement
        for table in ("log_leaves", "log_nodes", "log_checkpoints")
        for statement in (
            *ddl.grant_app(table, "SELECT", "INSERT"),
            f"GRANT SELECT, INSERT ON {table} TO {ddl.MAINTENANCE}",
            *ddl.append_only(table),
        )
    ),
    *ddl.grant_app("log_head", "SELECT", "UPDATE"),
    f"GRANT SELECT, INSERT ON log_head TO {ddl.MAINTENANCE}",
    _LEAF_FOLLOWS,
    "CREATE TRIGGER follows BEFORE INSERT ON log_leaves FOR EACH ROW EXECUTE FUNCTION log_leaf_follows()",
    _LEAF_IS_COUNTED,
    """
    CREATE CONSTRAINT TRIGGER is_counted AFTER INSERT ON log_leaves DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION log_leaf_is_counted()
    """,
    _HEAD_GROWS,
    "CREATE TRIGGER grows BEFORE UPDATE ON log_head FOR EACH ROW EXECUTE FUNCTION log_head_grows()",
    "CREATE TRIGGER append_only BEFORE DELETE ON log_head FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    "CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON log_head FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
)


def upgrade() -> None:
    """Run every statement in one transaction."""
    for statement in _STATEMENTS:
        op.execute(statement)
