"""A ledger of any size: events over 60 days, made in the database from a few that went through the whole of ingest.

``seeds`` are of five accounts alike, with 50 series. ``customers`` are a thousand of them as they are: one is a tenth of everything, each
has calls of models and metered events with properties.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
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
CUSTOMERS: Final = 1000
BIG: Final = "customer 0000"
"""The customer with a tenth of all events."""
EVENT: Final = "job.run"
"""What metered events are called."""
EVENLY: Final = "n % $6"
SKEWED: Final = f"CASE WHEN n % 10 = 0 THEN (n / 10) % {len(MODELS) + 1} ELSE {len(MODELS) + 1} + n % ($6 - {len(MODELS) + 1}) END"
"""Which seed the n-th event is like, of so many: every tenth one is of the big customer."""
# Each step fills all of the period, in the order of time, as events come.
_FILL: Final = """
INSERT INTO telemetry_events
SELECT e.organization_id, gen_random_uuid(), 'bench ' || n, e.series_id,
    $2::timestamptz + $3::interval * ((n - $4)::double precision / ($5 - $4)), 0,
    e.uncached_input + n % 997, e.cached_input + n % 89, e.cache_creation_5m, e.cache_creation_1h, e.output + n % 211, e.reasoning,
    e.audio_input, e.image_input, e.cached_audio_input, e.cached_image_input, e.audio_output, e.image_output, e.requests, e.quantity,
    e.cost_amount + n % 1013 * 0.000000000001, e.cost_flags, e.price_book_id, e.reported_cost, e.reported_currency, e.emission_rate_id,
    e.emission_flags, e.facts, 0,
    CASE WHEN e.quantity IS NOT NULL THEN jsonb_build_object('user', 'user ' || n % 101, 'ms', n % 1009) END, e.recorded_at
FROM (SELECT n, <place> AS place FROM generate_series($4::bigint, $5 - 1) AS n) n
JOIN (SELECT *, row_number() OVER (ORDER BY idempotency_key) - 1 AS place
    FROM telemetry_events WHERE organization_id = $1 AND idempotency_key LIKE 'seed %') e USING (place)
"""
# Made after the events, the two indexes that no fill needs take a third of the time.
_LATER: Final = """
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS made FROM pg_index i
WHERE i.indrelid = 'telemetry_events'::regclass AND NOT i.indisunique
"""
_COUNTS: Final = ("requests", "uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h", "output", "reasoning", "quantity")
_SUMMED: Final = f"""count(*) AS events, {", ".join(f"coalesce(sum(e.{name}), 0) AS {name}" for name in (*_COUNTS, "cost_amount"))},
    coalesce(sum(e.reported_cost) FILTER (WHERE e.reported_currency = 'USD'), 0) AS reported_usd"""
_NAMES: Final = ("events", *_COUNTS, "cost_amount", "reported_usd")
_KEY: Final = "series_id, facts, emission_rate_id"
_ADDED: Final = ", ".join(f"sum(q.{name})" for name in _NAMES)
# Events are read once, into quarters of every series; rows of roll-ups are written in the order of time, as they come in.
_SERIES_ROLL_UPS: Final = (
    f"""CREATE TEMP TABLE quarters AS SELECT e.organization_id, date_bin('15 minutes', e.occurred_at, '2000-01-01 00:00+00') AS quarter,
    e.series_id, e.facts, coalesce(e.emission_rate_id, 0) AS emission_rate_id, {_SUMMED} FROM telemetry_events e GROUP BY 1, 2, 3, 4, 5""",
    f"""INSERT INTO telemetry_hourly SELECT organization_id, date_trunc('hour', quarter, 'UTC'), {_KEY}, {_ADDED}
    FROM quarters q GROUP BY 1, 2, 3, 4, 5 ORDER BY 2, 3, 4, 5""",
    f"""INSERT INTO telemetry_daily SELECT organization_id, (quarter AT TIME ZONE 'UTC')::date, {_KEY}, {_ADDED}
    FROM quarters q GROUP BY 1, 2, 3, 4, 5 ORDER BY 2, 3, 4, 5""",
)
_ROLL_UPS: Final = (
    *_SERIES_ROLL_UPS,
    f"""INSERT INTO telemetry_broad SELECT q.organization_id, g.grain, date_bin(g.step, q.quarter, g.origin), coalesce(s.broad_id, s.id),
    q.facts, q.emission_rate_id, {_ADDED} FROM quarters q JOIN telemetry_series s ON s.id = q.series_id CROSS JOIN {broad.GRAINS}
    GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 2, 3, 4, 5, 6""",
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


def customers() -> list[types.AnyDraft]:
    """Return one event of each series of a thousand customers: ten models and one metered event of the big one, which come first, and two
    models and one metered event of each other.
    """
    drafts: list[types.AnyDraft] = []
    for number in range(CUSTOMERS):
        account = f"customer {number:04}"
        for provider, model in MODELS if account == BIG else (MODELS[number % len(MODELS)], MODELS[(number + 3) % len(MODELS)]):
            tokens = TokenBuckets(uncached_input=900, cached_input=300, cache_creation_5m=10, cache_creation_1h=0, output=400, reasoning=20)
            usage = Usage(provider=provider, model=model, occurred_at=START, tokens=tokens, requests=1)
            drafts.append(types.Draft(idempotency_key=f"seed {len(drafts):06}", usage=usage, account=account))
        drafts.append(
            types.MeteredDraft(
                idempotency_key=f"seed {len(drafts):06}",
                occurred_at=START,
                event=EVENT,
                quantity=Decimal("1.5"),
                account=account,
                properties={"user": "user 0", "ms": 1},
            )
        )
    return drafts


async def prepare(database: db.Database, organization_id: UUID, items: Sequence[types.AnyDraft] | None = None) -> None:
    """Send one event of each kind; ``seeds`` unless others are given."""
    async with database.transaction(organization_id) as uow:
        await accepting.accept(
            uow,
            actor=actor.system(organization_id),
            now=START,
            at=START,
            organization_id=organization_id,
            booking=types.Booking(source=types.Source.API),
            items=seeds() if items is None else items,
        )


async def fill(owner: str, organization_id: UUID, first: int, rows: int, *, like: str = EVENLY, broad: bool = True) -> None:
    """Add events from number ``first`` up to ``rows`` as the owner, and make all roll-ups anew. No other organization may have events.

    ``like``: which seed an event is like. ``broad`` False: without the broad roll-up, which no meter reads and takes longest.
    """
    conn = await asyncpg.connect(owner)
    try:
        await conn.execute("SET work_mem = '256MB'; SET maintenance_work_mem = '512MB'")
        later = await conn.fetch(_LATER)
        for row in later:
            await conn.execute(f"DROP INDEX {row['name']}")
        await conn.execute(f"SET ROLE {ddl.MAINTENANCE}")
        places = await conn.fetchval("SELECT count(*) FROM telemetry_events WHERE idempotency_key LIKE 'seed %'")
        await conn.execute(_FILL.replace("<place>", like), organization_id, START, timedelta(days=DAYS), first, rows, places)
        for table in _ROLLED_UP:
            await conn.execute(f"DELETE FROM {table}")
        await conn.execute("RESET ROLE")
        for row in later:
            await conn.execute(row["made"].replace(" ON ONLY ", " ON "))  # of a partitioned table it names that alone
        for table in _ROLLED_UP:
            await conn.execute(f"VACUUM {table}")
        await conn.execute(f"SET ROLE {ddl.MAINTENANCE}")
        for statement in (*(_ROLL_UPS if broad else _SERIES_ROLL_UPS), "DROP TABLE quarters"):
            await conn.execute(statement)
        await conn.execute("RESET ROLE")
        for table in ("telemetry_events", "telemetry_series", *_ROLLED_UP):
            await conn.execute(f"VACUUM ANALYZE {table}")
    finally:
        await conn.close()
