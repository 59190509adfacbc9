"""Periods: how far an organization's ledger is closed, what changes after that, months with what was frozen of them, adjustments."""

from __future__ import annotations

from alembic import op

from carbonledger.infra import ddl

revision = "0013"
down_revision = "0012"

_CLOSINGS = """
    CREATE TABLE telemetry_closings (
        organization_id uuid NOT NULL
            CONSTRAINT telemetry_closings_pkey PRIMARY KEY
            CONSTRAINT telemetry_closings_organization_id_fkey REFERENCES organizations (id),
        closed_through timestamptz NOT NULL,
        cuts bigint NOT NULL CONSTRAINT telemetry_closings_cuts_check CHECK (cuts > 0),
        frozen_at timestamptz NOT NULL
    )
"""
_LATE = """
    CREATE TABLE telemetry_late_changes (
        organization_id uuid NOT NULL CONSTRAINT telemetry_late_changes_organization_id_fkey REFERENCES organizations (id),
        event_id uuid NOT NULL,
        cut bigint NOT NULL CONSTRAINT telemetry_late_changes_cut_check CHECK (cut > 0),
        occurred_at timestamptz NOT NULL,
        revision integer,
        facts integer,
        recorded_at timestamptz NOT NULL,
        CONSTRAINT telemetry_late_changes_before_check CHECK (num_nonnulls(revision, facts) IN (0, 2)),
        CONSTRAINT telemetry_late_changes_pkey PRIMARY KEY (organization_id, event_id, cut)
    )
"""
_NEVER_BACK = """
    CREATE FUNCTION keep_telemetry_closed() RETURNS trigger LANGUAGE plpgsql AS $body$
    BEGIN
        IF NEW.organization_id <> OLD.organization_id OR NEW.closed_through <= OLD.closed_through OR NEW.cuts <> OLD.cuts + 1 THEN
            RAISE EXCEPTION 'what is closed stays closed' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END
    $body$
"""
# The lock is shared by everybody who writes, and taken alone by who makes a cut. Each statement of a function that may write sees what was
# committed before the statement began, so what is read after the lock is what holds until this transaction ends.
_LOCK = "PERFORM pg_advisory_xact_lock_shared(telemetry_closing_lock())"
_LOCK_NUMBER = """
    CREATE FUNCTION telemetry_closing_lock() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
    AS $body$ SELECT hashtextextended('telemetry closing ' || current_organization(), 0) $body$
"""
_NOTE_NEW = f"""
    CREATE FUNCTION note_late_telemetry() RETURNS trigger LANGUAGE plpgsql AS $body$
    DECLARE
        closing telemetry_closings;
    BEGIN
        {_LOCK};
        SELECT * INTO closing FROM telemetry_closings c WHERE c.organization_id = current_organization();
        IF FOUND THEN
            INSERT INTO telemetry_late_changes
            SELECT f.organization_id, f.id, closing.cuts, f.occurred_at, NULL, NULL, f.recorded_at
            FROM fresh f WHERE f.occurred_at < closing.closed_through;
        END IF;
        RETURN NULL;
    END
    $body$
"""
_NOTE_CHANGE = f"""
    CREATE FUNCTION note_late_change() RETURNS trigger LANGUAGE plpgsql AS $body$
    DECLARE
        closing telemetry_closings;
    BEGIN
        {_LOCK};
        SELECT * INTO closing FROM telemetry_closings c WHERE c.organization_id = OLD.organization_id;
        IF FOUND AND OLD.occurred_at < closing.closed_through THEN
            -- The first change after a cut says how it stood then; later ones say nothing new.
            INSERT INTO telemetry_late_changes
            VALUES (OLD.organization_id, OLD.id, closing.cuts, OLD.occurred_at, OLD.revision, OLD.facts, clock_timestamp())
            ON CONFLICT DO NOTHING;
        END IF;
        RETURN NULL;
    END
    $body$
"""
_PERIODS = """
    CREATE TABLE periods (
        organization_id uuid NOT NULL CONSTRAINT periods_organization_id_fkey REFERENCES organizations (id),
        id uuid CONSTRAINT periods_pkey PRIMARY KEY,
        month date NOT NULL CONSTRAINT periods_month_check CHECK (extract(day FROM month) = 1),
        zone text NOT NULL CONSTRAINT periods_zone_check CHECK (length(zone) BETWEEN 1 AND 64),
        starts_at timestamptz NOT NULL,
        ends_at timestamptz NOT NULL,
        state text NOT NULL CONSTRAINT periods_state_check CHECK (state IN ('open', 'closing', 'closed', 'failed')),
        payment text NOT NULL CONSTRAINT periods_payment_check CHECK (payment IN ('not_needed', 'awaited', 'paid', 'failed')),
        step text NOT NULL CONSTRAINT periods_step_check
            CHECK (step IN ('none', 'reconciled', 'frozen', 'summed', 'adjusted', 'proven', 'closed')),
        ended_at timestamptz,
        closes_at timestamptz,
        asked_at timestamptz,
        cut bigint CONSTRAINT periods_cut_check CHECK (cut > 0),
        frozen_at timestamptz,
        events bigint CONSTRAINT periods_events_check CHECK (events >= 0),
        leaves bigint CONSTRAINT periods_leaves_check CHECK (leaves >= 0),
        root bytea CONSTRAINT periods_root_check CHECK (octet_length(root) = 32),
        unread jsonb NOT NULL,
        closed_at timestamptz,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        CONSTRAINT periods_organization_id_id_key UNIQUE (organization_id, id),
        CONSTRAINT periods_organization_id_month_key UNIQUE (organization_id, month),
        CONSTRAINT periods_window_check CHECK (starts_at < ends_at),
        CONSTRAINT periods_frozen_check CHECK ((cut IS NULL) = (frozen_at IS NULL)),
        CONSTRAINT periods_closed_check CHECK (
            (state = 'closed') = (closed_at IS NOT NULL) AND (state = 'closed') = (step = 'closed')
            AND (state <> 'closed' OR num_nonnulls(cut, events, leaves, root) = 4)
        )
    )
"""
_KEPT = """
    CREATE FUNCTION keep_closed_period() RETURNS trigger LANGUAGE plpgsql AS $body$
    BEGIN
        IF OLD.state = 'closed' THEN
            RAISE EXCEPTION 'a closed period never changes' USING ERRCODE = 'restrict_violation';
        END IF;
        IF (NEW.organization_id, NEW.id, NEW.month, NEW.zone, NEW.starts_at, NEW.ends_at)
            IS DISTINCT FROM (OLD.organization_id, OLD.id, OLD.month, OLD.zone, OLD.starts_at, OLD.ends_at) THEN
            RAISE EXCEPTION 'the window of a period never changes' USING ERRCODE = 'restrict_violation';
        END IF;
        IF OLD.cut IS NOT NULL AND (NEW.cut, NEW.frozen_at) IS DISTINCT FROM (OLD.cut, OLD.frozen_at) THEN
            RAISE EXCEPTION 'a period is frozen once' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END
    $body$
"""
_SUMS = """
        project_id uuid NOT NULL,
        provider text,
        model text,
        event text,
        price_book_id smallint,
        emission_rate_id integer,
        facts integer NOT NULL,
        events bigint NOT NULL,
        requests bigint NOT NULL,
        uncached_input bigint NOT NULL,
        cached_input bigint NOT NULL,
        cache_creation_5m bigint NOT NULL,
        cache_creation_1h bigint NOT NULL,
        output bigint NOT NULL,
        reasoning bigint NOT NULL,
        quantity numeric NOT NULL,
        cost_amount numeric NOT NULL,
"""


def _of_period(table: str, column: str) -> str:
    return f"""
        {column} uuid NOT NULL,
        CONSTRAINT {table}_organization_id_{column}_fkey FOREIGN KEY (organization_id, {column}) REFERENCES periods (organization_id, id),
    """


_LINES = f"""
    CREATE TABLE period_lines (
        organization_id uuid NOT NULL CONSTRAINT period_lines_organization_id_fkey REFERENCES organizations (id),
        {_of_period("period_lines", "period_id")}
        number integer NOT NULL,
        {_SUMS}
        CONSTRAINT period_lines_pkey PRIMARY KEY (organization_id, period_id, number)
    )
"""
_ADJUSTMENTS = f"""
    CREATE TABLE period_adjustments (
        organization_id uuid NOT NULL CONSTRAINT period_adjustments_organization_id_fkey REFERENCES organizations (id),
        {_of_period("period_adjustments", "period_id")}
        {_of_period("period_adjustments", "booked_in")}
        number integer NOT NULL,
        {_SUMS}
        CONSTRAINT period_adjustments_pkey PRIMARY KEY (organization_id, booked_in, number)
    )
"""
_SALTS = """
    CREATE TABLE receipt_salts (
        organization_id uuid NOT NULL
            CONSTRAINT receipt_salts_pkey PRIMARY KEY
            CONSTRAINT receipt_salts_organization_id_fkey REFERENCES organizations (id),
        secret_id uuid NOT NULL,
        created_at timestamptz NOT NULL,
        CONSTRAINT receipt_salts_organization_id_secret_id_fkey FOREIGN KEY (organization_id, secret_id)
            REFERENCES secrets (organization_id, id)
    )
"""
_STATEMENTS: tuple[str, ...] = (
    _CLOSINGS,
    *ddl.tenant_policy("telemetry_closings"),
    *ddl.grant_app("telemetry_closings", "SELECT", "INSERT", "UPDATE"),
    _NEVER_BACK,
    "CREATE TRIGGER never_back BEFORE UPDATE ON telemetry_closings FOR EACH ROW EXECUTE FUNCTION keep_telemetry_closed()",
    "CREATE TRIGGER no_delete BEFORE DELETE ON telemetry_closings FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    _LATE,
    "CREATE INDEX telemetry_late_changes_organization_id_cut_idx ON telemetry_late_changes (organization_id, cut, occurred_at)",
    *ddl.tenant_policy("telemetry_late_changes"),
    *ddl.grant_app("telemetry_late_changes", "SELECT", "INSERT"),
    *ddl.append_only("telemetry_late_changes"),
    _LOCK_NUMBER,
    _NOTE_NEW,
    _NOTE_CHANGE,
    """
    CREATE TRIGGER note_late AFTER INSERT ON telemetry_events REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION note_late_telemetry()
    """,
    """
    CREATE TRIGGER note_late_change AFTER UPDATE ON telemetry_events FOR EACH ROW
    WHEN (OLD.revision <> NEW.revision OR OLD.facts <> NEW.facts) EXECUTE FUNCTION note_late_change()
    """,
    _PERIODS,
    "CREATE INDEX periods_organization_id_starts_at_idx ON periods (organization_id, starts_at)",
    *ddl.tenant_policy("periods"),
    *ddl.grant_app("periods", "SELECT", "INSERT", "UPDATE"),
    _KEPT,
    "CREATE TRIGGER keep_closed BEFORE UPDATE ON periods FOR EACH ROW EXECUTE FUNCTION keep_closed_period()",
    "CREATE TRIGGER no_delete BEFORE DELETE ON periods FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    _LINES,
    *ddl.tenant_policy("period_lines"),
    *ddl.grant_app("period_lines", "SELECT", "INSERT"),
    *ddl.append_only("period_lines"),
    _ADJUSTMENTS,
    "CREATE INDEX period_adjustments_organization_id_period_id_idx ON period_adjustments (organization_id, period_id)",
    *ddl.tenant_policy("period_adjustments"),
    *ddl.grant_app("period_adjustments", "SELECT", "INSERT"),
    *ddl.append_only("period_adjustments"),
    _SALTS,
    *ddl.tenant_policy("receipt_salts"),
    *ddl.grant_app("receipt_salts", "SELECT", "INSERT"),
    *ddl.append_only("receipt_salts"),
)


def upgrade() -> None:
    """Run every statement in one transaction."""
    for statement in _STATEMENTS:
        op.execute(statement)
