"""Accepting: once for each key, with cost and emissions, in roll-ups that say what the events say."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import asyncpg
import pytest

from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.core import identity
from carbonledger.infra import db
from carbonledger.kernel.usage import TokenBuckets
from tests import conftest
from tests.integration.domains.telemetry import kit
from tests.integration.domains.telemetry.kit import accept, draft, metered, rows, statuses, tokens

_COPIED = """
INSERT INTO telemetry_events
SELECT (jsonb_populate_record(e, jsonb_build_object('id', $2::uuid, 'idempotency_key', 'another'))).* FROM telemetry_events e
WHERE e.organization_id = $1
"""


async def test_an_event_is_stored_with_its_cost_and_its_rate(database: db.Database, organization_id: UUID) -> None:
    done = await accept(database, organization_id, draft("one"))
    assert (done.accepted, done.duplicate, done.revised, done.rejected) == (1, 0, 0, 0)
    [row] = await rows(database, organization_id, "SELECT * FROM telemetry_events WHERE organization_id = $1")
    assert row["id"] == done.results[0].event_id == identity.event_id(organization_id, "one")
    # 1000 x 2.50 USD + 500 x 10.00 USD a million tokens (OpenAI's list price of gpt-4o).
    assert row["cost_amount"] == Decimal("0.0075")
    assert row["emission_rate_id"] is not None
    assert row["facts"] == 0, "all counts known, price and tier certain"
    await kit.rollups_equal_raw(database, organization_id)


async def test_emissions_follow_from_counts_and_rates_exactly(database: db.Database, organization_id: UUID) -> None:
    await accept(database, organization_id, draft("one", counts=tokens(0, 0, 500)))
    query = """
    SELECT h.output * r.energy_wh[3] AS low, h.output * r.energy_wh[6] AS mid, h.output * r.energy_wh[9] AS high
    FROM telemetry_hourly h JOIN emission_rates r ON r.id = h.emission_rate_id WHERE h.organization_id = $1
    """
    [row] = await rows(database, organization_id, query)
    # 500 tokens x 0.8 Wh/1000 x PUE 1.18 of factor set 1.0 (tier medium, OpenAI).
    assert row["mid"] == Decimal("0.472")
    assert row["low"] < row["mid"] < row["high"]


async def test_the_same_item_again_adds_nothing(database: db.Database, organization_id: UUID) -> None:
    await accept(database, organization_id, draft("one"), draft("two"))
    done = await accept(database, organization_id, draft("two"), draft("one"), draft("three"))
    assert statuses(done) == ["duplicate", "duplicate", "accepted"]
    [count] = await rows(database, organization_id, "SELECT count(*) AS n FROM telemetry_events WHERE organization_id = $1")
    assert count["n"] == 3
    await kit.rollups_equal_raw(database, organization_id)


async def test_other_counts_are_a_revision_that_keeps_the_old_ones(database: db.Database, organization_id: UUID) -> None:
    await accept(database, organization_id, draft("one"))
    done = await accept(database, organization_id, draft("one", counts=tokens(2000, 10, 500), requests=3))
    assert statuses(done) == ["revised"]
    [now] = await rows(database, organization_id, "SELECT * FROM telemetry_events WHERE organization_id = $1")
    [old] = await rows(database, organization_id, "SELECT * FROM telemetry_revisions WHERE organization_id = $1")
    assert (now["revision"], now["uncached_input"], now["cached_input"], now["requests"]) == (1, 2000, 10, 3)
    assert now["cost_amount"] == Decimal("0.0100125"), "2000 x 2.50 + 10 x 1.25 + 500 x 10.00 a million"
    assert (old["revision"], old["uncached_input"], old["requests"], old["cost_amount"]) == (0, 1000, 1, Decimal("0.0075"))
    await kit.rollups_equal_raw(database, organization_id)


@pytest.mark.parametrize(
    "other",
    [draft("one", at=kit.AT - timedelta(microseconds=1)), draft("one", model="gpt-4o-mini"), draft("one", provider="azure")],
    ids=["time", "model", "provider"],
)
async def test_another_identity_under_the_same_key_is_rejected(database: db.Database, organization_id: UUID, other: types.Draft) -> None:
    await accept(database, organization_id, draft("one"))
    done = await accept(database, organization_id, other, draft("two"))
    assert statuses(done) == ["identity_changed", "accepted"]
    await kit.rollups_equal_raw(database, organization_id)


async def test_another_key_that_has_the_same_id_by_chance_is_rejected(database: db.Database, organization_id: UUID) -> None:
    """Of two keys with one path 74 bits are left: nobody finds such a pair in a test, so the other's event is written as it would stand."""
    await accept(database, organization_id, draft("one"))
    async with database.transaction(organization_id) as uow:
        await uow.conn.execute(_COPIED, organization_id, identity.event_id(organization_id, "two"))
    assert statuses(await accept(database, organization_id, draft("two"))) == ["identity_changed"]


async def test_a_key_that_repeats_in_a_batch_is_taken_in_the_order_given(database: db.Database, organization_id: UUID) -> None:
    done = await accept(
        database,
        organization_id,
        draft("one"),
        draft("one"),
        draft("one", counts=tokens(5)),
        draft("one", counts=tokens(7)),
        draft("one", counts=tokens(7)),
    )
    assert statuses(done) == ["accepted", "duplicate", "revised", "revised", "duplicate"]
    [now] = await rows(database, organization_id, "SELECT * FROM telemetry_events WHERE organization_id = $1")
    assert (now["uncached_input"], now["revision"]) == (7, 2)
    await kit.rollups_equal_raw(database, organization_id)


async def test_a_bad_item_does_not_sink_the_batch(database: db.Database, organization_id: UUID) -> None:
    done = await accept(
        database,
        organization_id,
        types.Rejection("item_unreadable", "No."),
        draft("early", at=kit.AT.replace(year=2014)),
        draft("late", at=kit.AT + timedelta(days=1, microseconds=1)),
        draft("edge", at=kit.AT + timedelta(days=1)),
        draft("x" * 201),
        draft("nul\0"),
        draft("other", project_id=uuid4()),
        draft("agent", agent_id=uuid4()),
        draft("large", properties={"text": "x" * 4090}),
        draft("small", properties={"text": "x" * 4080}),
        metered("negative", "-1"),
        metered("endless", "NaN"),
        metered("fine", "0.000000000001"),
    )
    assert statuses(done) == [
        "item_unreadable",
        "occurred_at_out_of_range",
        "occurred_at_out_of_range",
        "accepted",
        "idempotency_key_invalid",
        "idempotency_key_invalid",
        "project_unknown",
        "agent_unknown",
        "properties_too_large",
        "accepted",
        "quantity_invalid",
        "quantity_invalid",
        "accepted",
    ]
    await kit.rollups_equal_raw(database, organization_id)


async def test_two_organizations_may_use_the_same_key(database: db.Database, organization_id: UUID) -> None:
    other = await conftest.make_organization(database)
    first, second = await accept(database, organization_id, draft("one")), await accept(database, other, draft("one"))
    assert statuses(first) == statuses(second) == ["accepted"]
    assert first.results[0].event_id != second.results[0].event_id


async def test_unknown_is_stored_as_unknown_and_said_in_the_facts(database: db.Database, organization_id: UUID) -> None:
    await accept(database, organization_id, draft("one", counts=TokenBuckets(uncached_input=10, output=5), requests=None))
    [row] = await rows(database, organization_id, "SELECT * FROM telemetry_events WHERE organization_id = $1")
    assert (row["cached_input"], row["reasoning"], row["requests"]) == (None, None, None)
    facts = types.Fact(row["facts"])
    assert types.Fact.CACHED_INPUT_UNKNOWN in facts
    assert types.Fact.REQUESTS_UNKNOWN in facts
    assert types.Fact.COST_ESTIMATED in facts
    assert types.Fact.OUTPUT_UNKNOWN not in facts


async def test_an_unknown_model_is_not_covered_by_cost_and_never_costs_zero(database: db.Database, organization_id: UUID) -> None:
    await accept(database, organization_id, draft("one", model="no-such-model-9"))
    [row] = await rows(database, organization_id, "SELECT * FROM telemetry_events WHERE organization_id = $1")
    assert row["cost_amount"] is None
    assert types.Fact.COST_NOT_COVERED in types.Fact(row["facts"])


async def test_a_cost_beyond_64_bits_is_exact(database: db.Database, organization_id: UUID) -> None:
    await accept(database, organization_id, draft("one", counts=tokens(0, 0, 2**53 - 1)))
    [row] = await rows(database, organization_id, "SELECT * FROM telemetry_events WHERE organization_id = $1")
    assert row["cost_amount"] == Decimal("90071992547.40991"), "(2^53 - 1) x 10.00 USD a million"


async def test_counts_that_no_sum_can_hold_are_refused_whole_and_by_name(database: db.Database, organization_id: UUID) -> None:
    enormous = tokens(0, 0, 2**53 - 1)
    await accept(database, organization_id, *(draft(f"a{number}", counts=enormous) for number in range(1_000)))
    for batch in (30, 2_000):  # the first exceeds 64 bits where it is added, the second by itself
        with pytest.raises(types.SumsTooLarge):
            await accept(database, organization_id, *(draft(f"b{number}", counts=enormous) for number in range(batch)))
    await kit.rollups_equal_raw(database, organization_id)


async def test_what_was_provisional_becomes_final_without_a_revision(database: db.Database, organization_id: UUID) -> None:
    await accept(database, organization_id, draft("one"), booking=kit.PROVISIONAL)
    assert statuses(await accept(database, organization_id, draft("one"))) == ["duplicate"]
    [row] = await rows(database, organization_id, "SELECT * FROM telemetry_events WHERE organization_id = $1")
    assert (row["facts"], row["revision"]) == (0, 0)
    await kit.rollups_equal_raw(database, organization_id)


@pytest.mark.parametrize(
    "change",
    [
        "idempotency_key = 'other'",
        "occurred_at = occurred_at + interval '1 s'",
        "id = gen_random_uuid()",
        "uncached_input = 1",
        "cost_amount = 0",
        "uncached_input = 1, revision = revision + 2",
        "revision = revision + 1",
    ],
)
async def test_the_database_refuses_a_change_of_identity_or_without_history(
    database: db.Database, organization_id: UUID, change: str, worker_database: conftest.TestDatabase
) -> None:
    await accept(database, organization_id, draft("one"))
    for dsn in (worker_database.app, worker_database.superuser):
        conn = await asyncpg.connect(dsn)
        try:
            transaction = conn.transaction()
            await transaction.start()
            await conn.execute(f"SET LOCAL carbonledger.organization_id = '{organization_id}'")
            with pytest.raises((asyncpg.RestrictViolationError, asyncpg.InsufficientPrivilegeError)):
                await conn.execute(f"UPDATE telemetry_events SET {change} WHERE organization_id = $1", organization_id)
            await transaction.rollback()
        finally:
            await conn.close()


@pytest.mark.parametrize("statement", ["DELETE FROM {}", "TRUNCATE {}"])
@pytest.mark.parametrize("table", ["telemetry_events", "telemetry_events_p0", "telemetry_revisions", "telemetry_series"])
async def test_nobody_deletes_from_the_ledger(
    database: db.Database, organization_id: UUID, worker_database: conftest.TestDatabase, statement: str, table: str
) -> None:
    await accept(database, organization_id, *(draft(f"{number}") for number in range(50)))
    await accept(database, organization_id, *(draft(f"{number}", counts=tokens(number)) for number in range(50)))
    conn = await asyncpg.connect(worker_database.superuser)
    try:
        with pytest.raises((asyncpg.RestrictViolationError, asyncpg.FeatureNotSupportedError)):
            await conn.execute(statement.format(table) + (" CASCADE" if "TRUNCATE" in statement else ""))
    finally:
        await conn.close()


async def test_a_batch_of_more_than_its_bound_is_refused_whole(database: db.Database, organization_id: UUID) -> None:
    with pytest.raises(types.BatchTooLarge):
        await accept(database, organization_id, *([types.Rejection("x", "y")] * (types.BATCH_MAX + 1)))
