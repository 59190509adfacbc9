"""Events, jobs and their attempts, and the queue."""

from __future__ import annotations

import re

from alembic import op

from carbonledger.infra import ddl

revision = "0002"
down_revision = "0001"

_NAME = r"~ '^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$'"

_EVENTS = f"""
CREATE TABLE events (
    organization_id uuid NOT NULL CONSTRAINT events_organization_id_fkey REFERENCES organizations (id),
    id uuid CONSTRAINT events_pkey PRIMARY KEY,
    action text NOT NULL CONSTRAINT events_action_check CHECK (length(action) <= 100 AND action {_NAME}),
    actor_kind text NOT NULL CONSTRAINT events_actor_kind_check
        CHECK (actor_kind IN ('member', 'api_key', 'token', 'system', 'operator', 'anonymous')),
    actor_id uuid,
    target_type text NOT NULL CONSTRAINT events_target_type_check CHECK (length(target_type) BETWEEN 1 AND 64),
    target_id text NOT NULL CONSTRAINT events_target_id_check CHECK (target_id ~ '^[A-Za-z0-9._:/-]{{1,128}}$'),
    before jsonb CONSTRAINT events_before_check CHECK (octet_length(before::text) <= 32768),
    after jsonb CONSTRAINT events_after_check CHECK (octet_length(after::text) <= 32768),
    severity text CONSTRAINT events_severity_check CHECK (severity IN ('info', 'warning', 'critical')),
    audience text[] CONSTRAINT events_audience_check
        CHECK (cardinality(audience) > 0 AND audience <@ ARRAY['owner', 'admin', 'billing', 'viewer', 'operators']),
    request_id text CONSTRAINT events_request_id_check CHECK (length(request_id) BETWEEN 1 AND 128),
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT events_alert_check CHECK ((severity IS NULL) = (audience IS NULL))
)
"""

_EVENT_INDEXES = (
    "CREATE INDEX events_organization_id_occurred_at_id_idx ON events (organization_id, occurred_at, id)",
    "CREATE INDEX events_organization_id_action_occurred_at_idx ON events (organization_id, action, occurred_at)",
    "CREATE INDEX events_organization_id_actor_id_occurred_at_idx ON events (organization_id, actor_id, occurred_at)",
    "CREATE INDEX events_organization_id_target_id_occurred_at_idx ON events (organization_id, target_id, occurred_at)",
    "CREATE INDEX events_organization_id_id_idx ON events (organization_id, id) WHERE severity IS NOT NULL",
    "CREATE INDEX events_id_idx ON events (id) WHERE 'operators' = ANY (audience)",
)

_JOBS = f"""
CREATE TABLE jobs (
    organization_id uuid NOT NULL CONSTRAINT jobs_organization_id_fkey REFERENCES organizations (id),
    id uuid CONSTRAINT jobs_pkey PRIMARY KEY,
    name text NOT NULL CONSTRAINT jobs_name_check CHECK (length(name) <= 100 AND name {_NAME}),
    args jsonb NOT NULL CONSTRAINT jobs_args_check CHECK (octet_length(args::text) <= 65536),
    state text NOT NULL DEFAULT 'queued'
        CONSTRAINT jobs_state_check CHECK (state IN ('queued', 'running', 'succeeded', 'parked', 'canceled')),
    dedupe_key text CONSTRAINT jobs_dedupe_key_check CHECK (length(dedupe_key) BETWEEN 1 AND 200),
    attempts bigint NOT NULL DEFAULT 0,
    failures bigint NOT NULL DEFAULT 0,
    progress_done bigint NOT NULL DEFAULT 0,
    progress_total bigint,
    progress_words text CONSTRAINT jobs_progress_words_check CHECK (length(progress_words) <= 500),
    result jsonb CONSTRAINT jobs_result_check CHECK (octet_length(result::text) <= 65536),
    error text CONSTRAINT jobs_error_check CHECK (length(error) <= 1000),
    request_id text CONSTRAINT jobs_request_id_check CHECK (length(request_id) BETWEEN 1 AND 128),
    traceparent text CONSTRAINT jobs_traceparent_check CHECK (length(traceparent) BETWEEN 55 AND 128),
    occurred_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,
    CONSTRAINT jobs_organization_id_id_key UNIQUE (organization_id, id),
    CONSTRAINT jobs_attempts_check CHECK (attempts >= 0 AND failures >= 0 AND failures <= attempts),
    CONSTRAINT jobs_progress_check CHECK (progress_done >= 0 AND progress_total >= progress_done),
    CONSTRAINT jobs_finished_check CHECK ((state IN ('succeeded', 'parked', 'canceled')) = (finished_at IS NOT NULL))
)
"""

_JOB_INDEXES = (
    "CREATE UNIQUE INDEX jobs_live_idx ON jobs (organization_id, name, dedupe_key) "
    "WHERE dedupe_key IS NOT NULL AND state IN ('queued', 'running')",
    "CREATE INDEX jobs_organization_id_name_dedupe_key_idx ON jobs (organization_id, name, dedupe_key) WHERE dedupe_key IS NOT NULL",
    "CREATE INDEX jobs_finished_at_idx ON jobs (finished_at) WHERE finished_at IS NOT NULL",
)

_ATTEMPTS = """
CREATE TABLE job_attempts (
    organization_id uuid NOT NULL CONSTRAINT job_attempts_organization_id_fkey REFERENCES organizations (id),
    id uuid CONSTRAINT job_attempts_pkey PRIMARY KEY,
    job_id uuid NOT NULL,
    number bigint NOT NULL CONSTRAINT job_attempts_number_check CHECK (number >= 1),
    worker text NOT NULL CONSTRAINT job_attempts_worker_check CHECK (length(worker) BETWEEN 1 AND 200),
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    outcome text CONSTRAINT job_attempts_outcome_check
        CHECK (outcome IN ('succeeded', 'retried', 'parked', 'released', 'canceled', 'lost')),
    classification text CONSTRAINT job_attempts_classification_check CHECK (classification IN ('transient', 'permanent', 'unknown')),
    error_type text CONSTRAINT job_attempts_error_type_check CHECK (length(error_type) <= 200),
    error_text text CONSTRAINT job_attempts_error_text_check CHECK (length(error_text) <= 2000),
    CONSTRAINT job_attempts_organization_id_job_id_fkey
        FOREIGN KEY (organization_id, job_id) REFERENCES jobs (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT job_attempts_job_id_number_key UNIQUE (job_id, number),
    CONSTRAINT job_attempts_finished_check CHECK ((outcome IS NULL) = (finished_at IS NULL))
)
"""

# An attempt is written at its start and once more at its end; what has ended is history. (No rule on DELETE: purging a job takes its
# attempts along, and the service itself is granted none.)
_ATTEMPT_IS_HISTORY = (
    "CREATE TRIGGER finished_attempt BEFORE UPDATE ON job_attempts FOR EACH ROW "
    "WHEN (OLD.finished_at IS NOT NULL) EXECUTE FUNCTION refuse_change()"
)

_STEPS = """
CREATE TABLE job_steps (
    organization_id uuid NOT NULL CONSTRAINT job_steps_organization_id_fkey REFERENCES organizations (id),
    job_id uuid NOT NULL,
    key text NOT NULL CONSTRAINT job_steps_key_check CHECK (length(key) BETWEEN 1 AND 200),
    result jsonb CONSTRAINT job_steps_result_check CHECK (octet_length(result::text) <= 65536),
    finished_at timestamptz NOT NULL,
    CONSTRAINT job_steps_pkey PRIMARY KEY (job_id, key),
    CONSTRAINT job_steps_organization_id_job_id_fkey
        FOREIGN KEY (organization_id, job_id) REFERENCES jobs (organization_id, id) ON DELETE CASCADE
)
"""

_WORKERS = """
CREATE TABLE workers (
    id uuid CONSTRAINT workers_pkey PRIMARY KEY,
    name text NOT NULL CONSTRAINT workers_name_check CHECK (length(name) BETWEEN 1 AND 200),
    running bigint NOT NULL DEFAULT 0 CONSTRAINT workers_running_check CHECK (running >= 0),
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    stopped_at timestamptz
)
"""

# What pgqueuer 1.6.0 installs (its QueryBuilderEnvironment.build_install_query with default names), frozen: a migration is history. A test
# compares it with the locked version; when that differs, a new migration brings the difference.
PGQUEUER = """
CREATE TYPE pgqueuer_status AS ENUM ('queued', 'picked', 'successful', 'exception', 'canceled', 'deleted', 'failed');

CREATE TABLE pgqueuer (
    id bigserial NOT NULL PRIMARY KEY,
    priority integer NOT NULL,
    queue_manager_id uuid,
    created timestamp with time zone NOT NULL DEFAULT now(),
    updated timestamp with time zone NOT NULL DEFAULT now(),
    heartbeat timestamp with time zone NOT NULL DEFAULT now(),
    execute_after timestamp with time zone NOT NULL DEFAULT now(),
    status pgqueuer_status NOT NULL,
    entrypoint text NOT NULL,
    dedupe_key text,
    payload bytea,
    headers jsonb,
    attempts integer NOT NULL DEFAULT 0,
    slot bigint
);

CREATE TABLE pgqueuer_log (
    id bigint GENERATED BY DEFAULT AS IDENTITY NOT NULL PRIMARY KEY,
    created timestamp with time zone NOT NULL DEFAULT now(),
    job_id bigint NOT NULL,
    status pgqueuer_status NOT NULL,
    priority integer NOT NULL,
    entrypoint text NOT NULL,
    traceback jsonb,
    aggregated boolean DEFAULT false
);

CREATE TABLE pgqueuer_schedules (
    id bigserial NOT NULL PRIMARY KEY,
    expression text NOT NULL,
    entrypoint text NOT NULL,
    heartbeat timestamp with time zone NOT NULL DEFAULT now(),
    created timestamp with time zone NOT NULL DEFAULT now(),
    updated timestamp with time zone NOT NULL DEFAULT now(),
    next_run timestamp with time zone NOT NULL DEFAULT now(),
    last_run timestamp with time zone,
    status pgqueuer_status DEFAULT 'queued'::pgqueuer_status,
    UNIQUE (expression, entrypoint)
);

CREATE TABLE pgqueuer_statistics (
    id bigserial NOT NULL PRIMARY KEY,
    created timestamp with time zone NOT NULL DEFAULT date_trunc('sec'::text, now()),
    count bigint NOT NULL,
    priority integer NOT NULL,
    status pgqueuer_status NOT NULL,
    entrypoint text NOT NULL
);

CREATE INDEX pgqueuer_ep_ea_idx ON pgqueuer USING btree (entrypoint, execute_after) WHERE (status = 'queued'::pgqueuer_status);

CREATE INDEX pgqueuer_ep_prio_id_idx ON pgqueuer USING btree (entrypoint, priority DESC, id) WHERE (status = 'queued'::pgqueuer_status);

CREATE INDEX pgqueuer_log_created ON pgqueuer_log USING btree (created);

CREATE INDEX pgqueuer_log_job_id_status ON pgqueuer_log USING btree (job_id, created DESC);

CREATE INDEX pgqueuer_log_not_aggregated ON pgqueuer_log USING btree ((1)) WHERE (NOT aggregated);

CREATE INDEX pgqueuer_log_status ON pgqueuer_log USING btree (status);

CREATE INDEX pgqueuer_picked_heartbeat_idx ON pgqueuer USING btree (heartbeat) WHERE (status = 'picked'::pgqueuer_status);

CREATE UNIQUE INDEX pgqueuer_picked_slot_idx ON pgqueuer USING btree (entrypoint, slot) WHERE ((status = 'picked'::pgqueuer_status) AND (slot IS NOT NULL));

CREATE INDEX pgqueuer_priority_id_id1_idx ON pgqueuer USING btree (priority, id DESC) INCLUDE (id) WHERE (status = 'queued'::pgqueuer_status);

CREATE INDEX pgqueuer_queue_manager_id_idx ON pgqueuer USING btree (queue_manager_id) WHERE (queue_manager_id IS NOT NULL);

CREATE UNIQUE INDEX pgqueuer_statistics_unique_count ON pgqueuer_statistics USING btree (priority, date_trunc('sec'::text, timezone('UTC'::text, created)), status, entrypoint);

CREATE UNIQUE INDEX pgqueuer_unique_dedupe_key ON pgqueuer USING btree (dedupe_key) WHERE ((status = ANY (ARRAY['queued'::pgqueuer_status, 'picked'::pgqueuer_status])) AND (dedupe_key IS NOT NULL));

CREATE INDEX pgqueuer_updated_id_id1_idx ON pgqueuer USING btree (updated, id DESC) INCLUDE (id) WHERE (status = 'picked'::pgqueuer_status);

CREATE FUNCTION fn_pgqueuer_changed() RETURNS TRIGGER AS $$
DECLARE
    to_emit BOOLEAN := false;  -- Flag to decide whether to emit a notification
BEGIN
    -- Check operation type and set the emit flag accordingly
    IF TG_OP = 'UPDATE' AND OLD IS DISTINCT FROM NEW THEN
        to_emit := true;
    ELSIF TG_OP = 'DELETE' THEN
        to_emit := true;
    ELSIF TG_OP = 'INSERT' THEN
        to_emit := true;
    ELSIF TG_OP = 'TRUNCATE' THEN
        to_emit := true;
    END IF;

    -- Perform notification if the emit flag is set
    IF to_emit THEN
        PERFORM pg_notify(
            'ch_pgqueuer',
            json_build_object(
                'channel', 'ch_pgqueuer',
                'operation', lower(TG_OP),
                'sent_at', NOW(),
                'table', TG_TABLE_NAME,
                'type', 'table_changed_event'
            )::text
        );
    END IF;

    -- Return appropriate value based on the operation
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        RETURN NEW;
    ELSIF TG_OP = 'DELETE' THEN
        RETURN OLD;
    ELSE
        RETURN NULL; -- For TRUNCATE and other non-row-specific contexts
    END IF;

END;
$$ LANGUAGE plpgsql;

CREATE TRIGGER tg_pgqueuer_changed
AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON pgqueuer
EXECUTE FUNCTION fn_pgqueuer_changed();
"""  # noqa: E501 - the library's own lines

_CREATE = re.compile(r"\n\n(?=CREATE )")  # one statement at a time; the function's body has blank lines of its own

_QUEUE_GRANTS = (
    *ddl.grant_app("pgqueuer", "SELECT", "INSERT", "UPDATE", "DELETE"),
    *ddl.grant_app("pgqueuer_log", "SELECT", "INSERT", "UPDATE", "DELETE"),
    *ddl.grant_app("pgqueuer_schedules", "SELECT", "INSERT", "UPDATE", "DELETE"),
    *ddl.grant_app("pgqueuer_statistics", "SELECT", "INSERT", "UPDATE", "DELETE"),
    f"GRANT USAGE ON SEQUENCE pgqueuer_id_seq, pgqueuer_schedules_id_seq, pgqueuer_statistics_id_seq TO {ddl.APP}",
    *ddl.grant_app("workers", "SELECT", "INSERT", "UPDATE", "DELETE"),
    f"GRANT SELECT, INSERT, UPDATE, DELETE ON pgqueuer, pgqueuer_log, pgqueuer_schedules, pgqueuer_statistics, workers "
    f"TO {ddl.MAINTENANCE}",
    f"GRANT ALL ON SEQUENCE pgqueuer_id_seq, pgqueuer_log_id_seq, pgqueuer_schedules_id_seq, pgqueuer_statistics_id_seq "
    f"TO {ddl.MAINTENANCE}",
)

_ALERT_COLUMNS = (
    "organization_id, id, action, actor_kind, actor_id, target_type, target_id, after, severity, audience, "
    "request_id, occurred_at, recorded_at"
)
# What runs before, or beside, a tenant. Each policy shows the look-up functions no more rows than they hand on.
_LOOKUPS = (
    f"CREATE POLICY schedules ON organizations FOR SELECT TO {ddl.LOOKUP} USING ({ddl.is_user(ddl.LOOKUP)} AND NOT is_sandbox)",
    f"GRANT SELECT (id, is_house, is_sandbox) ON organizations TO {ddl.LOOKUP}",
    *ddl.lookup_function(
        "scheduled_organizations(after uuid, at_most int)",
        "SETOF uuid",
        "SELECT id FROM organizations WHERE NOT is_sandbox AND (after IS NULL OR id > after) ORDER BY id LIMIT at_most",
    ),
    f"CREATE POLICY operators ON events FOR SELECT TO {ddl.LOOKUP} USING ({ddl.is_user(ddl.LOOKUP)} AND 'operators' = ANY (audience))",
    f"GRANT SELECT ({_ALERT_COLUMNS}) ON events TO {ddl.LOOKUP}",
    # For the house alone; ids, words and times of alerts that their writer addressed to operators.
    *ddl.lookup_function(
        "operator_alerts(before uuid, at_most int)",
        "TABLE (organization_id uuid, id uuid, action text, actor_kind text, actor_id uuid, target_type text, target_id text, after jsonb, "
        "severity text, audience text[], request_id text, occurred_at timestamptz, recorded_at timestamptz)",
        "SELECT e.organization_id, e.id, e.action, e.actor_kind, e.actor_id, e.target_type, e.target_id, e.after, e.severity, e.audience, "
        "e.request_id, e.occurred_at, e.recorded_at FROM events e "
        "WHERE 'operators' = ANY (e.audience) AND (operator_alerts.before IS NULL OR e.id < operator_alerts.before) "
        "AND current_organization() = (SELECT o.id FROM organizations o WHERE o.is_house) ORDER BY e.id DESC LIMIT at_most",
    ),
    f"CREATE POLICY purge ON jobs FOR SELECT TO {ddl.LOOKUP} USING ({ddl.is_user(ddl.LOOKUP)} AND finished_at IS NOT NULL)",
    f"GRANT SELECT (organization_id, finished_at) ON jobs TO {ddl.LOOKUP}",
    *ddl.lookup_function(
        "organizations_with_jobs_before(finished timestamptz, at_most int)",
        "SETOF uuid",
        "SELECT DISTINCT organization_id FROM (SELECT organization_id FROM jobs WHERE finished_at < finished ORDER BY finished_at "
        "LIMIT at_most) old",
    ),
)

_STATEMENTS: tuple[str, ...] = (
    _EVENTS,
    *_EVENT_INDEXES,
    *ddl.tenant_policy("events"),
    *ddl.grant_app("events", "SELECT", "INSERT"),
    *ddl.append_only("events"),
    _JOBS,
    *_JOB_INDEXES,
    *ddl.tenant_policy("jobs"),
    *ddl.grant_app("jobs", "SELECT", "INSERT", "DELETE"),
    *ddl.grant_app(
        "jobs",
        "UPDATE (state, attempts, failures, progress_done, progress_total, progress_words, result, error, started_at, finished_at)",
    ),
    _ATTEMPTS,
    _ATTEMPT_IS_HISTORY,
    *ddl.tenant_policy("job_attempts"),
    *ddl.grant_app("job_attempts", "SELECT", "INSERT", "UPDATE (finished_at, outcome, classification, error_type, error_text)"),
    _STEPS,
    *ddl.tenant_policy("job_steps"),
    *ddl.grant_app("job_steps", "SELECT", "INSERT"),
    _WORKERS,
    *_CREATE.split(PGQUEUER.strip()),
    *_QUEUE_GRANTS,
    *_LOOKUPS,
)


def upgrade() -> None:
    """Run every statement in one transaction."""
    for statement in _STATEMENTS:
        op.execute(statement)
