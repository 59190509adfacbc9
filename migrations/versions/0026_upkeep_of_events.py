"""What PostgreSQL does for the ledger by itself costs the same for each event, however large the ledger is.

It is frozen when it is vacuumed first, after so many new events and not after a fifth more: its pages are then still in memory, and nobody
has to read and log all of them again later. Statistics are kept of what questions look for, and of none of its counts, from 6,000 rows of a
partition after half as much growth: 30,000 after a tenth, which is the default, lie on as many pages, and a large ledger's are on the disk.
"""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"

_PARTITIONS = 8
_VACUUM = (
    "autovacuum_freeze_min_age = 0",
    "autovacuum_vacuum_insert_scale_factor = 0",
    "autovacuum_vacuum_insert_threshold = 250000",
    "autovacuum_analyze_scale_factor = 0.5",
)
_ASKED_FOR = (
    "organization_id",
    "id",
    "series_id",
    "occurred_at",
    "quantity",
    "price_book_id",
    "emission_rate_id",
    "facts",
    "properties",
)
_TARGET = 20  # a sample has 300 times as many rows
# No condition, join, order or group names these; quantity and properties are asked for whether they are there.
_ONLY_READ = (
    "idempotency_key",
    "duration_s",
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
    "cost_amount",
    "cost_flags",
    "reported_cost",
    "reported_currency",
    "emission_flags",
    "revision",
    "recorded_at",
)


def upgrade() -> None:
    targets = dict.fromkeys(_ONLY_READ, 0) | dict.fromkeys(_ASKED_FOR, _TARGET)
    changes = ", ".join(f"ALTER COLUMN {name} SET STATISTICS {target}" for name, target in targets.items())
    op.execute(f"ALTER TABLE telemetry_events {changes}")  # and its partitions
    for number in range(_PARTITIONS):
        op.execute(f"ALTER TABLE telemetry_events_p{number} SET ({', '.join(_VACUUM)})")
