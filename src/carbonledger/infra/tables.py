"""Tables of the infrastructure: events (outbox and audit trail in one), jobs with their attempts and steps, workers, the queue.

The ``pgqueuer`` tables belong to the library: migration 0002 holds its SQL, and a test compares that with the locked version.
"""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from carbonledger.infra import columns

_NAME = "~ '^[a-z][a-z0-9_]*(\\.[a-z][a-z0-9_]*)+$'"
_OPERATORS = "'operators' = ANY (audience)"


def _counter(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


events = columns.tenant_table(
    "events",
    columns.id_column(),
    columns.text("action"),
    columns.text("actor_kind"),
    Column("actor_id", Uuid),
    columns.text("target_type"),
    columns.text("target_id"),
    columns.json("before", nullable=True),
    columns.json("after", nullable=True),
    columns.text("severity", nullable=True),
    Column("audience", ARRAY(Text)),
    columns.text("request_id", nullable=True),
    columns.instant("occurred_at"),
    columns.instant("recorded_at"),
    CheckConstraint(f"length(action) <= 100 AND action {_NAME}", name="action"),
    CheckConstraint("actor_kind IN ('member', 'api_key', 'token', 'system', 'operator', 'anonymous')", name="actor_kind"),
    CheckConstraint("length(target_type) BETWEEN 1 AND 64", name="target_type"),
    CheckConstraint("target_id ~ '^[A-Za-z0-9._:/-]{1,128}$'", name="target_id"),
    CheckConstraint("octet_length(before::text) <= 32768", name="before"),
    CheckConstraint("octet_length(after::text) <= 32768", name="after"),
    CheckConstraint("severity IN ('info', 'warning', 'critical')", name="severity"),
    CheckConstraint(
        "cardinality(audience) > 0 AND audience <@ ARRAY['owner', 'admin', 'billing', 'viewer', 'operators']",
        name="audience",
    ),
    CheckConstraint("(severity IS NULL) = (audience IS NULL)", name="alert"),
    CheckConstraint("length(request_id) BETWEEN 1 AND 128", name="request_id"),
    Index("events_organization_id_occurred_at_id_idx", "organization_id", "occurred_at", "id"),
    Index("events_organization_id_action_occurred_at_idx", "organization_id", "action", "occurred_at"),
    Index("events_organization_id_actor_id_occurred_at_idx", "organization_id", "actor_id", "occurred_at"),
    Index("events_organization_id_target_id_occurred_at_idx", "organization_id", "target_id", "occurred_at"),
    Index("events_organization_id_id_idx", "organization_id", "id", postgresql_where=text("severity IS NOT NULL")),
    Index("events_id_idx", "id", postgresql_where=text(_OPERATORS)),
    lookup=(
        "organization_id",
        "id",
        "action",
        "actor_kind",
        "actor_id",
        "target_type",
        "target_id",
        "after",
        "severity",
        "audience",
        "request_id",
        "occurred_at",
        "recorded_at",
    ),
)

jobs = columns.tenant_table(
    "jobs",
    columns.id_column(),
    columns.text("name"),
    columns.json("args"),
    Column("state", Text, nullable=False, server_default=text("'queued'")),
    columns.text("dedupe_key", nullable=True),
    _counter("attempts"),
    _counter("failures"),
    _counter("progress_done"),
    columns.integer("progress_total", nullable=True),
    columns.text("progress_words", nullable=True),
    columns.json("result", nullable=True),
    columns.text("error", nullable=True),
    columns.text("request_id", nullable=True),
    columns.text("traceparent", nullable=True),
    columns.instant("occurred_at"),
    columns.instant("created_at"),
    columns.instant("started_at", nullable=True),
    columns.instant("finished_at", nullable=True),
    CheckConstraint(f"length(name) <= 100 AND name {_NAME}", name="name"),
    CheckConstraint("octet_length(args::text) <= 65536", name="args"),
    CheckConstraint("state IN ('queued', 'running', 'succeeded', 'parked', 'canceled')", name="state"),
    CheckConstraint("length(dedupe_key) BETWEEN 1 AND 200", name="dedupe_key"),
    CheckConstraint("attempts >= 0 AND failures >= 0 AND failures <= attempts", name="attempts"),
    CheckConstraint("progress_done >= 0 AND progress_total >= progress_done", name="progress"),
    CheckConstraint("length(progress_words) <= 500", name="progress_words"),
    CheckConstraint("octet_length(result::text) <= 65536", name="result"),
    CheckConstraint("length(error) <= 1000", name="error"),
    CheckConstraint("length(request_id) BETWEEN 1 AND 128", name="request_id"),
    CheckConstraint("length(traceparent) BETWEEN 55 AND 128", name="traceparent"),
    CheckConstraint("(state IN ('succeeded', 'parked', 'canceled')) = (finished_at IS NOT NULL)", name="finished"),
    UniqueConstraint("organization_id", "id"),
    Index(
        "jobs_live_idx",
        "organization_id",
        "name",
        "dedupe_key",
        unique=True,
        postgresql_where=text("dedupe_key IS NOT NULL AND state IN ('queued', 'running')"),
    ),
    Index(
        "jobs_organization_id_name_dedupe_key_idx",
        "organization_id",
        "name",
        "dedupe_key",
        postgresql_where=text("dedupe_key IS NOT NULL"),
    ),
    Index("jobs_finished_at_idx", "finished_at", postgresql_where=text("finished_at IS NOT NULL")),
    lookup=("organization_id", "finished_at"),
)

job_attempts = columns.tenant_table(
    "job_attempts",
    columns.id_column(),
    Column("job_id", Uuid, nullable=False),
    columns.integer("number"),
    columns.text("worker"),
    columns.instant("started_at"),
    columns.instant("finished_at", nullable=True),
    columns.text("outcome", nullable=True),
    columns.text("classification", nullable=True),
    columns.text("error_type", nullable=True),
    columns.text("error_text", nullable=True),
    ForeignKeyConstraint(["organization_id", "job_id"], ["jobs.organization_id", "jobs.id"], ondelete="CASCADE"),
    UniqueConstraint("job_id", "number"),
    CheckConstraint("number >= 1", name="number"),
    CheckConstraint("length(worker) BETWEEN 1 AND 200", name="worker"),
    CheckConstraint("outcome IN ('succeeded', 'retried', 'parked', 'released', 'canceled', 'lost')", name="outcome"),
    CheckConstraint("classification IN ('transient', 'permanent', 'unknown')", name="classification"),
    CheckConstraint("(outcome IS NULL) = (finished_at IS NULL)", name="finished"),
    CheckConstraint("length(error_type) <= 200", name="error_type"),
    CheckConstraint("length(error_text) <= 2000", name="error_text"),
)

job_steps = columns.tenant_table(
    "job_steps",
    Column("job_id", Uuid, nullable=False),
    columns.text("key"),
    columns.json("result", nullable=True),
    columns.instant("finished_at"),
    PrimaryKeyConstraint("job_id", "key"),
    ForeignKeyConstraint(["organization_id", "job_id"], ["jobs.organization_id", "jobs.id"], ondelete="CASCADE"),
    CheckConstraint("length(key) BETWEEN 1 AND 200", name="key"),
    CheckConstraint("octet_length(result::text) <= 65536", name="result"),
)

workers = columns.global_table(
    "workers",
    columns.id_column(),
    columns.text("name"),
    _counter("running"),
    columns.instant("started_at"),
    columns.instant("seen_at"),
    columns.instant("stopped_at", nullable=True),
    CheckConstraint("length(name) BETWEEN 1 AND 200", name="name"),
    CheckConstraint("running >= 0", name="running"),
    reason="processes of the installation, no tenant's data",
)

idempotent_answers = columns.tenant_table(
    "idempotent_answers",
    Column("place", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    columns.integer("status"),
    columns.json("headers"),
    Column("body", LargeBinary),
    columns.text("sealed_body", nullable=True),
    columns.instant("created_at"),
    columns.instant("expires_at"),
    PrimaryKeyConstraint("organization_id", "place"),
    CheckConstraint("octet_length(place) = 32", name="place"),
    CheckConstraint("octet_length(digest) = 32", name="digest"),
    CheckConstraint("status BETWEEN 200 AND 299", name="status"),
    CheckConstraint("octet_length(headers::text) <= 8192", name="headers"),
    CheckConstraint("octet_length(body) <= 4194304", name="body"),
    CheckConstraint("length(sealed_body) <= 8388608", name="sealed_body"),
    CheckConstraint("num_nonnulls(body, sealed_body) = 1", name="one_body"),
    Index("idempotent_answers_expires_at_idx", "expires_at"),
    lookup=("organization_id", "expires_at"),
)


def _of_the_library(name: str, *, reason: str) -> None:
    """Declare a table whose columns are pgqueuer's own: named here, because every table is, but never used through SQLAlchemy."""
    table = columns.global_table(name, Column("id", BigInteger, primary_key=True), reason=reason)
    table.info["foreign"] = True


_of_the_library("pgqueuer", reason="the queue serves every tenant; a row holds ids and the job's name")
_of_the_library("pgqueuer_log", reason="what became of a row of the queue: its number, its job's name and a time")
_of_the_library("pgqueuer_schedules", reason="one row for each schedule of the installation")
_of_the_library("pgqueuer_statistics", reason="counts of the log by name and second")
