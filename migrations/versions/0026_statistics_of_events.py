"""Keep statistics of what questions to the ledger look for, and none of its counts: every tenth of growth reads 240,000 events for them."""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"

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
    changes = ", ".join(f"ALTER COLUMN {name} SET STATISTICS 0" for name in _ONLY_READ)
    op.execute(f"ALTER TABLE telemetry_events {changes}")  # and its partitions
