"""Tables of the ledger. An event's row is narrow: what all events of a series share stands in ``telemetry_series``.

Events are partitioned by the hash of their id, which is made from organization and idempotency key, so that the primary key alone keeps
one event for each key, whatever its time (ADR 0012). They and the roll-ups have no foreign keys: a check for each row of a batch would
cost more than storing it. A nightly check looks for what those would have refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Identity,
    Integer,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.schema import Index, SchemaItem

from carbonledger.infra import columns

_SOURCES = "source IN ('api', 'otlp', 'import', 'connection', 'gateway')"
_LABELS = {"account": 200, "provider": 64, "model": 256, "operation": 64, "service_tier": 64, "region": 64, "event": 64}
COUNTS = (
    "uncached_input",
    "cached_input",
    "cache_creation_5m",
    "cache_creation_1h",
    "output",
    "reasoning",
    "audio_input",
    "image_input",
    "cached_audio_input",
    "cached_image_input",
    "audio_output",
    "image_output",
    "requests",
)
SUMS = (
    "requests",
    "uncached_input",
    "cached_input",
    "cache_creation_5m",
    "cache_creation_1h",
    "output",
    "reasoning",
)


def _bare_tenant_table(name: str, *items: SchemaItem, partition_by: str | None = None) -> Table:
    """Declare a tenant's table without a foreign key on its organization."""
    info = {columns.TENANT: True, columns.TENANT_COLUMN: "organization_id", columns.LOOKUP: ()}
    tenant = Column("organization_id", Uuid, nullable=False)
    return Table(name, columns.metadata, tenant, *items, info=info, postgresql_partition_by=partition_by)


def _money(name: str, *, nullable: bool = True) -> Column[object]:
    return Column(name, Numeric(38, 12), nullable=nullable)


def _measures() -> list[SchemaItem]:
    return [
        *(columns.integer(name, nullable=True) for name in COUNTS),
        columns.decimal("quantity", nullable=True),
        _money("cost_amount"),
        Column("cost_flags", Integer, nullable=False),
        Column("price_book_id", SmallInteger),
        _money("reported_cost"),
        columns.text("reported_currency", nullable=True),
        Column("emission_rate_id", Integer),
        Column("emission_flags", Integer, nullable=False),
        Column("facts", Integer, nullable=False),
    ]


series = columns.tenant_table(
    "telemetry_series",
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("digest", Uuid, nullable=False),
    columns.text("source"),
    Column("connection_id", Uuid),
    Column("project_id", Uuid, nullable=False),
    Column("workload_id", Uuid),
    Column("agent_id", Uuid),
    columns.text("account", nullable=True),
    columns.text("provider", nullable=True),
    columns.text("model", nullable=True),
    columns.text("operation", nullable=True),
    Column("is_batch", Boolean, nullable=False),
    columns.text("service_tier", nullable=True),
    columns.text("region", nullable=True),
    columns.text("event", nullable=True),
    columns.integer("size_above", nullable=True),
    columns.integer("size_up_to", nullable=True),
    columns.instant("created_at"),
    Column("broad_id", BigInteger),
    CheckConstraint(_SOURCES, name="source"),
    *(CheckConstraint(f"length({name}) BETWEEN 1 AND {chars}", name=name) for name, chars in _LABELS.items()),
    CheckConstraint("size_above >= 0 AND size_up_to > size_above", name="size"),
    CheckConstraint("num_nonnulls(event, provider) = 1 AND num_nonnulls(event, model) = 1", name="kind"),
    UniqueConstraint("organization_id", "digest", name="telemetry_series_organization_id_digest_key"),
    *(
        ForeignKeyConstraint(
            ["organization_id", name],
            [f"{target}.organization_id", f"{target}.id"],
            name=f"telemetry_series_organization_id_{name}_fkey",
        )
        for name, target in (("project_id", "projects"), ("workload_id", "workloads"), ("agent_id", "agents"))
    ),
)
Index("telemetry_series_organization_id_idx", series.c.organization_id, postgresql_where=series.c.broad_id.is_(None))
Index(
    "telemetry_series_organization_id_account_idx",
    series.c.organization_id,
    series.c.account,
    postgresql_where=series.c.account.is_not(None),
)

events = _bare_tenant_table(
    "telemetry_events",
    Column("id", Uuid, primary_key=True),
    columns.text("idempotency_key"),
    Column("series_id", BigInteger, nullable=False),
    columns.instant("occurred_at"),
    Column("duration_s", Integer, nullable=False),
    *_measures(),
    Column("revision", Integer, nullable=False),
    columns.json("properties", nullable=True),
    columns.instant("recorded_at"),
    CheckConstraint("length(idempotency_key) BETWEEN 1 AND 200", name="idempotency_key"),
    CheckConstraint("duration_s >= 0", name="duration_s"),
    CheckConstraint("octet_length(properties::text) <= 8192", name="properties"),
    Index("telemetry_events_organization_id_occurred_at_id_idx", "organization_id", "occurred_at", "id"),
    Index(
        "telemetry_events_organization_id_series_id_occurred_at_idx",
        "organization_id",
        "series_id",
        "occurred_at",
        postgresql_where=text("properties IS NOT NULL OR quantity IS NOT NULL"),
    ),
    partition_by="HASH (id)",
)

revisions = columns.tenant_table(
    "telemetry_revisions",
    Column("event_id", Uuid, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("series_id", BigInteger, nullable=False),
    *_measures(),
    columns.instant("replaced_at"),
    PrimaryKeyConstraint("organization_id", "event_id", "revision"),
)


def _rollup(name: str, *slot: Column[object], more: Sequence[Column[object]] = ()) -> Table:
    return _bare_tenant_table(
        name,
        *slot,
        Column("series_id", BigInteger, nullable=False),
        Column("facts", Integer, nullable=False),
        Column("emission_rate_id", Integer, nullable=False),
        columns.integer("events"),
        *(columns.integer(sum_) for sum_ in SUMS),
        Column("quantity", Numeric, nullable=False),
        _money("cost_amount", nullable=False),
        _money("reported_usd", nullable=False),
        *more,
        PrimaryKeyConstraint("organization_id", *(part.name for part in slot), "series_id", "facts", "emission_rate_id"),
    )


# How often a row was added to: what was made of its events stands as long as that does (``core.tallying``).
hourly = _rollup("telemetry_hourly", columns.instant("hour"), more=[columns.integer("changes", default="1")])
daily = _rollup(
    "telemetry_daily",
    Column("day", Date, nullable=False),
    more=[
        columns.integer("changes", default="1"),
        # By which its events were priced, once at least: what was priced anew leaves both.
        Column("price_books", ARRAY(SmallInteger), nullable=False, server_default=text("'{}'")),
    ],
)
Index("telemetry_daily_organization_id_series_id_day_idx", daily.c.organization_id, daily.c.series_id, daily.c.day)
broad = _rollup("telemetry_broad", Column("grain", SmallInteger, nullable=False), columns.instant("starts"))

tallies = _bare_tenant_table(
    "telemetry_tallies",
    Column("query", Uuid, nullable=False),
    Column("series_id", BigInteger, nullable=False),
    Column("grain", SmallInteger, nullable=False),
    columns.instant("starts"),
    Column("place", Integer, nullable=False),
    columns.integer("changes"),
    Column("labels", ARRAY(Text), nullable=False),
    columns.integer("events"),
    columns.integer("skipped"),
    columns.decimal("value", nullable=True),
    columns.decimal("area", nullable=True),
    columns.instant("last_at", nullable=True),
    Column("last_id", Uuid),
    Column("members", ARRAY(Text)),
    columns.decimal("cost"),
    columns.integer("without_cost"),
    columns.integer("without_co2e"),
    Column("co2e", ARRAY(Numeric)),
    Column("factors", ARRAY(Text)),
    CheckConstraint("grain IN (1, 2)", name="grain"),
    CheckConstraint("place >= 0", name="place"),
    PrimaryKeyConstraint("organization_id", "series_id", "query", "grain", "starts", "place"),
)

tallied = columns.tenant_table(
    "telemetry_tallied",
    Column("query", Uuid, nullable=False),
    Column("through", Date),
    PrimaryKeyConstraint("organization_id", "query"),
)

authorities = columns.tenant_table(
    "telemetry_authorities",
    columns.text("provider"),
    Column("connection_id", Uuid, nullable=False),
    columns.instant("since"),
    CheckConstraint("length(provider) BETWEEN 1 AND 64", name="provider"),
    PrimaryKeyConstraint("organization_id", "provider", "connection_id"),
)

closings = columns.tenant_table(
    "telemetry_closings",
    columns.instant("closed_through"),
    columns.integer("cuts"),
    columns.instant("frozen_at"),
    CheckConstraint("cuts > 0", name="cuts"),
    PrimaryKeyConstraint("organization_id"),
)

late_changes = columns.tenant_table(
    "telemetry_late_changes",
    Column("event_id", Uuid, nullable=False),
    columns.integer("cut"),
    columns.instant("occurred_at"),
    Column("revision", Integer),
    Column("facts", Integer),
    columns.instant("recorded_at"),
    CheckConstraint("cut > 0", name="cut"),
    CheckConstraint("num_nonnulls(revision, facts) IN (0, 2)", name="before"),
    PrimaryKeyConstraint("organization_id", "event_id", "cut"),
    Index("telemetry_late_changes_organization_id_cut_idx", "organization_id", "cut", "occurred_at"),
)
