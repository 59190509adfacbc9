"""A ledger of any size: events of 50 series over 60 days, made in the database from a few that went through the whole of ingest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.service import accepting
from carbonledger.domains.telemetry.store import broad
from carbonledger.infra import db, ddl
from carbonledger.kernel import actor
from carbonledger.kernel.usage import TokenBuckets, Usage, UsageQuality

START: Final = datetime(2026, 9, 1, tzinfo=UTC)
DAYS: Final = 60
END: Final = START + timedelta(days=DAYS)
ACCOUNTS: Final = 5
MODELS: Final = (
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-mini"),
    ("openai", "gpt-5"),
    ("openai", "o3"),
    ("openai", "text-embedding-3-small"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-opus-4-5"),
    ("anthropic", "claude-haiku-4-5"),
    ("google", "gemini-2.5-pro"),
    ("google", "gemini-2.5-flash"),
)
# Each step fills all of the period, in the order of time, as events come.
_FILL: Final = """
INSERT INTO telemetry_events
SELECT e.organization_id, gen_random_uuid(), 'bench ' || n, e.series_id,
    $2::timestamptz + $3::interval * ((n - $4)::double precision / ($5 - $4)), 0,
    e.uncached_input + n % 997, e.cached_input + n % 89, e.cache_creation_5m, e.cache_creation_1h, e.output + n % 211, e.reasoning,
    e.audio_input, e.image_input, e.cached_audio_input, e.cached_image_input, e.audio_output, e.image_output, e.requests, e.quantity,
    e.cost_amount + n % 1013 * 0.000000000001, e.cost_flags, e.price_book_id, e.reported_cost, e.reported_currency, e.emission_rate_id,
    e.emission_flags, e.facts, 0, NULL, e.recorded_at
FROM generate_series($4::bigint, $5 - 1) AS n
JOIN (SELECT *, row_number() OVER (ORDER BY idempotency_key) - 1 AS place, count(*) OVER () AS places
    FROM telemetry_events WHERE organization_id = $1 AND idempotency_key LIKE 'seed %') e ON e.place = n % e.places
"""
_COUNTS: Final = ("requests", "uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h", "output", "reasoning", "quantity")
_SUMMED: Final = f"""count(*) AS events, {", ".join(f"coalesce(sum(e.{name}), 0) AS {name}" for name in (*_COUNTS, "cost_amount"))},
    coalesce(sum(e.reported_cost) FILTER (WHERE e.reported_currency = 'USD'), 0) AS reported_usd"""
_NAMES: Final = ("events", *_COUNTS, "cost_amount", "reported_usd")
_KEY: Final = "series_id, facts, emission_rate_id"
_ADDED: Final = ", ".join(f"sum(q.{name})" for name in _NAMES)
# Events are read once, into quarters of every series; rows of roll-ups are written in the order of time, as they come in.
_ROLL_UPS: Final = (
    f"""CREATE TEMP TABLE quarters AS SELECT e.organization_id, date_bin('15 minutes', e.occurred_at, '2000-01-01 00:00+00') AS quarter,
    e.series_id, e.facts, coalesce(e.emission_rate_id, 0) AS emission_rate_id, {_SUMMED} FROM telemetry_events e GROUP BY 1, 2, 3, 4, 5""",
    f"""INSERT INTO telemetry_hourly SELECT organization_id, date_trunc('hour', quarter, 'UTC'), {_KEY}, {_ADDED}
    FROM quarters q GROUP BY 1, 2, 3, 4, 5 ORDER BY 2, 3, 4, 5""",
    f"""INSERT INTO telemetry_daily SELECT organization_id, (quarter AT TIME ZONE 'UTC')::date, {_KEY}, {_ADDED}
    FROM quarters q GROUP BY 1, 2, 3, 4, 5 ORDER BY 2, 3, 4, 5""",
    f"""INSERT INTO telemetry_broad SELECT q.organization_id, g.grain, date_bin(g.step, q.quarter, g.origin), coalesce(s.broad_id, s.id),
    q.facts, q.emission_rate_id, {_ADDED} FROM quarters q JOIN telemetry_series s ON s.id = q.series_id CROSS JOIN {broad.GRAINS}
    GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 2, 3, 4, 5, 6""",
    "DROP TABLE quarters",
)
_ROLLED_UP: Final = ("telemetry_hourly", "telemetry_daily", "telemetry_broad")


def seeds() -> list[types.Draft]:
    """Return two kinds of event for each of 50 series: all of it told, and estimated without requests or a split."""
    drafts = []
    for account in range(ACCOUNTS):
        for place, (provider, model) in enumerate(MODELS):
            whole = TokenBuckets(
                uncached_input=900 + place, cached_input=300, cache_creation_5m=10, cache_creation_1h=0, output=400, reasoning=20
            )
            for kind, (tokens, requests) in enumerate(((whole, 1), (TokenBuckets(uncached_input=900, output=300), None))):
                usage = Usage(provider=provider, model=model, occurred_at=START, tokens=tokens, requests=requests)
                quality = UsageQuality.ESTIMATED if kind else UsageQuality.REPORTED
                key = f"seed {account} {place} {kind}"
                drafts.append(types.Draft(idempotency_key=key, usage=usage, quality=quality, account=f"customer {account}"))
    return drafts


async def prepare(database: db.Database, organization_id: UUID) -> None:
    """Send one event of each kind."""
    async with database.transaction(organization_id) as uow:
        await accepting.accept(
            uow,
            actor=actor.system(organization_id),
            now=START,
            at=START,
            organization_id=organization_id,
            booking=types.Booking(source=types.Source.API),
            items=seeds(),
        )


async def fill(owner: str, organization_id: UUID, first: int, rows: int) -> None:
    """Add events from number ``first`` up to ``rows`` as the owner, and make all roll-ups anew. No other organization may have events."""
    conn = await asyncpg.connect(owner)
    try:
        await conn.execute(f"SET ROLE {ddl.MAINTENANCE}; SET work_mem = '256MB'")
        await conn.execute(_FILL, organization_id, START, timedelta(days=DAYS), first, rows)
        for table in _ROLLED_UP:
            await conn.execute(f"DELETE FROM {table}")
        await conn.execute("RESET ROLE")
        for table in _ROLLED_UP:
            await conn.execute(f"VACUUM {table}")
        await conn.execute(f"SET ROLE {ddl.MAINTENANCE}")
        for statement in _ROLL_UPS:
            await conn.execute(statement)
        await conn.execute("RESET ROLE")
        for table in ("telemetry_events", "telemetry_series", *_ROLLED_UP):
            await conn.execute(f"VACUUM ANALYZE {table}")
    finally:
        await conn.close()
