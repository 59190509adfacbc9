"""A ledger that was there before the broad roll-up has it filled in by the migration that brings it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from carbonledger.infra import ddl, migrations
from carbonledger.infra import server as servers
from tests import conftest

ORGANIZATION = "00000000-0000-7000-8000-000000000001"
PROJECT = "00000000-0000-7000-8000-000000000002"
_MADE = (
    f"INSERT INTO organizations (id, name, created_at, updated_at) VALUES ('{ORGANIZATION}', 'Old', now(), now())",
    f"""INSERT INTO projects (organization_id, id, name, created_at, updated_at)
    VALUES ('{ORGANIZATION}', '{PROJECT}', 'Default', now(), now())""",
    # The first two agree in what the broad roll-up tells apart.
    f"""INSERT INTO telemetry_series (organization_id, digest, source, project_id, account, provider, model, is_batch, created_at)
    SELECT '{ORGANIZATION}', gen_random_uuid(), 'api', '{PROJECT}', account, 'openai', model, false, now()
    FROM unnest('{{acme,globex,acme}}'::text[], '{{gpt-4o,gpt-4o,o3}}'::text[]) AS s (account, model)""",
    f"""INSERT INTO telemetry_events (organization_id, id, idempotency_key, series_id, occurred_at, duration_s, output, cost_amount,
        cost_flags, emission_flags, facts, revision, recorded_at)
    SELECT '{ORGANIZATION}', gen_random_uuid(), at, series, at::timestamptz, 0, output, 0.000000000001, 0, 0, 0, 0, now()
    FROM (VALUES (1, '2026-10-22 03:10Z', 1), (2, '2026-10-22 03:14Z', 20), (1, '2026-10-22 03:15Z', 300), (3, '2026-10-22 23:59Z', 4000))
        AS e (series, at, output)""",
)
_SUMS = """
SELECT grain, to_char(starts AT TIME ZONE 'UTC', 'DD HH24:MI') AS starts, series_id, events, output, (cost_amount * 1e12)::integer AS pico
FROM telemetry_broad ORDER BY 1, 2, 3
"""


@pytest.fixture
async def old(server: conftest.Server) -> AsyncIterator[str]:
    """Give the owner's address of a database of the version before, with four events of three series."""
    name = f"test_{uuid4().hex[:12]}"
    async with servers.connected(server.superuser) as conn:
        await conn.execute(f"CREATE DATABASE {name} OWNER carbonledger_owner")
        try:
            yield server.dsn("owner", name)
        finally:
            await conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def test_what_was_there_before_is_filled_in(old: str) -> None:
    await migrations.upgrade(old, revision="0009")
    conn = await asyncpg.connect(old)
    try:
        await conn.execute(f"SET ROLE {ddl.MAINTENANCE}")
        for statement in _MADE:
            await conn.execute(statement)
        await migrations.upgrade(old, revision="0010")
        assert [tuple(row) for row in await conn.fetch("SELECT id, broad_id FROM telemetry_series ORDER BY 1")] == [
            (1, None),
            (2, 1),
            (3, None),
        ]
        assert [tuple(row) for row in await conn.fetch(_SUMS)] == [
            (0, "22 03:00", 1, 2, 21, 2),
            (0, "22 03:15", 1, 1, 300, 1),
            (0, "22 23:45", 3, 1, 4000, 1),
            (1, "22 03:00", 1, 3, 321, 3),
            (1, "22 23:00", 3, 1, 4000, 1),
            (2, "22 00:00", 1, 3, 321, 3),
            (2, "22 00:00", 3, 1, 4000, 1),
            (3, "21 06:00", 1, 3, 321, 3),
            (3, "22 06:00", 3, 1, 4000, 1),
            (4, "21 12:00", 1, 3, 321, 3),
            (4, "22 12:00", 3, 1, 4000, 1),
            (5, "21 18:00", 1, 3, 321, 3),
            (5, "22 18:00", 3, 1, 4000, 1),
        ]
        with pytest.raises(asyncpg.RestrictViolationError):  # a series never changes again
            await conn.execute("UPDATE telemetry_series SET broad_id = 3")
    finally:
        await conn.close()
