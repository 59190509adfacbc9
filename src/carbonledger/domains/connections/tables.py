"""Tables of connections. A deleted connection keeps its row, because events name it; its secret is gone.

What a bucket said is kept without its counts: these are in the ledger. What a provider reports as cost is here, with what it replaced.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.schema import Index, SchemaItem

from carbonledger.infra import columns

ACCOUNT_INDEX = "connections_account_idx"
_OF_CONNECTION = ["organization_id", "connection_id"]
_CONNECTIONS = ["connections.organization_id", "connections.id"]


def _of_connection() -> list[SchemaItem]:
    return [Column("connection_id", Uuid, nullable=False), ForeignKeyConstraint(_OF_CONNECTION, _CONNECTIONS)]


def _stream() -> list[SchemaItem]:
    return [columns.text("stream"), CheckConstraint("length(stream) BETWEEN 1 AND 64", name="stream")]


connections = columns.tenant_table(
    "connections",
    columns.id_column(),
    columns.text("provider"),
    columns.text("label"),
    Column("secret_id", Uuid),
    columns.text("key_hint", nullable=True),
    Column("key_digest", LargeBinary),
    Column("workload_id", Uuid, nullable=False),
    columns.text("state"),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    columns.text("last_error_code", nullable=True),
    columns.text("last_error_words", nullable=True),
    columns.instant("last_error_at", nullable=True),
    columns.instant("last_polled_at", nullable=True),
    columns.instant("next_poll_at", nullable=True),
    columns.instant("reads_from"),
    Column("covers_direct", Boolean, nullable=False, server_default=text("false")),
    columns.instant("synced_at", nullable=True),
    columns.instant("created_at"),
    columns.instant("updated_at"),
    columns.instant("deleted_at", nullable=True),
    columns.text("account", nullable=True),
    ForeignKeyConstraint(["organization_id", "secret_id"], ["secrets.organization_id", "secrets.id"]),
    ForeignKeyConstraint(["organization_id", "workload_id"], ["workloads.organization_id", "workloads.id"]),
    CheckConstraint("length(provider) BETWEEN 1 AND 64", name="provider"),
    CheckConstraint("length(label) BETWEEN 1 AND 100", name="label"),
    CheckConstraint("length(account) BETWEEN 1 AND 200", name="account"),
    CheckConstraint("length(key_hint) = 4", name="key_hint"),
    CheckConstraint("length(key_digest) = 32", name="key_digest"),
    CheckConstraint("state IN ('reading_back', 'active', 'error', 'stopped', 'deleted')", name="state"),
    CheckConstraint("failures >= 0", name="failures"),
    CheckConstraint("(state = 'deleted') = (deleted_at IS NOT NULL) AND (state = 'deleted') = (secret_id IS NULL)", name="deleted"),
    CheckConstraint("num_nonnulls(last_error_code, last_error_words, last_error_at) IN (0, 3)", name="last_error"),
    CheckConstraint("length(last_error_code) <= 64", name="last_error_code"),
    CheckConstraint("length(last_error_words) <= 1000", name="last_error_words"),
    UniqueConstraint("organization_id", "id"),
    Index(
        "connections_key_digest_idx", "organization_id", "provider", "key_digest", unique=True, postgresql_where=text("deleted_at IS NULL")
    ),
    Index(ACCOUNT_INDEX, "organization_id", "provider", "account", unique=True, postgresql_where=text("deleted_at IS NULL")),
    Index("connections_next_poll_at_idx", "next_poll_at", "id", postgresql_where=text("state IN ('reading_back', 'active', 'error')")),
    lookup=("organization_id", "id", "state", "next_poll_at", "last_polled_at"),
)

streams = columns.tenant_table(
    "connection_streams",
    *_of_connection(),
    *_stream(),
    Column("is_read", Boolean, nullable=False),
    columns.instant("read_from", nullable=True),
    columns.instant("read_to", nullable=True),
    columns.instant("polled_at", nullable=True),
    Column("polled_by", Uuid),
    columns.text("refused", nullable=True),
    CheckConstraint("num_nonnulls(read_from, read_to) IN (0, 2) AND read_from <= read_to", name="read"),
    CheckConstraint("length(refused) <= 1000", name="refused"),
    PrimaryKeyConstraint("organization_id", "connection_id", "stream"),
)

buckets = columns.tenant_table(
    "connection_buckets",
    *_of_connection(),
    *_stream(),
    columns.instant("starts_at"),
    Column("width_s", Integer, nullable=False),
    Column("payload_digest", LargeBinary, nullable=False),
    Column("content_digest", LargeBinary, nullable=False),
    columns.json("told"),
    columns.instant("read_at"),
    Column("is_final", Boolean, nullable=False),
    Column("revisions", Integer, nullable=False),
    CheckConstraint("width_s > 0", name="width_s"),
    CheckConstraint("length(payload_digest) = 32", name="payload_digest"),
    CheckConstraint("length(content_digest) = 32", name="content_digest"),
    CheckConstraint("revisions >= 0", name="revisions"),
    PrimaryKeyConstraint("organization_id", "connection_id", "stream", "starts_at"),
    Index(
        "connection_buckets_open_idx",
        "organization_id",
        "connection_id",
        "stream",
        "starts_at",
        postgresql_where=text("NOT is_final"),
    ),
)


def _cost() -> list[SchemaItem]:
    return [
        *_stream(),
        columns.instant("starts_at"),
        columns.text("digest"),
        Column("revision", Integer, nullable=False),
        columns.decimal("amount"),
        columns.text("currency"),
        columns.decimal("quantity", nullable=True),
        columns.text("unit", nullable=True),
        columns.instant("read_at"),
        CheckConstraint("length(digest) = 32", name="digest"),
        CheckConstraint("length(currency) = 3", name="currency"),
        CheckConstraint("length(unit) <= 256", name="unit"),
    ]


reported_costs = columns.tenant_table(
    "reported_costs",
    *_of_connection(),
    *_cost(),
    Column("width_s", Integer, nullable=False),
    columns.text("item", nullable=True),
    columns.text("model", nullable=True),
    columns.json("dimensions"),
    CheckConstraint("width_s > 0", name="width_s"),
    CheckConstraint("length(item) <= 256", name="item"),
    CheckConstraint("length(model) <= 256", name="model"),
    PrimaryKeyConstraint("organization_id", "connection_id", "stream", "starts_at", "digest"),
    Index("reported_costs_organization_id_starts_at_idx", "organization_id", "starts_at"),
)

reported_cost_revisions = columns.tenant_table(
    "reported_cost_revisions",
    *_of_connection(),
    *_cost(),
    columns.instant("replaced_at"),
    PrimaryKeyConstraint("organization_id", "connection_id", "stream", "starts_at", "digest", "revision"),
)
