"""Upkeep of roll-ups: a difference is found wherever it is, and a rebuild is exact beside ingest that runs meanwhile."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.service import upkeep
from carbonledger.infra import db
from tests import conftest
from tests.integration.domains.telemetry import books, kit

START = datetime(2026, 10, 22, tzinfo=UTC)
DAYS = 3


async def found(database: db.Database, organization_id: UUID) -> list[types.Difference]:
    async with database.transaction(organization_id, read_only=True) as uow:
        days = await upkeep.days(uow, organization_id=organization_id)
        return [one for day in days for one in await upkeep.check(uow, organization_id=organization_id, day=day)]


async def rebuild(database: db.Database, organization_id: UUID) -> None:
    async with database.transaction(organization_id, read_only=True) as uow:
        days = await upkeep.days(uow, organization_id=organization_id)
    for day in days:
        async with database.transaction(organization_id) as uow:
            await upkeep.rebuild(uow, organization_id=organization_id, day=day)


@pytest.fixture
async def filled(database: db.Database, organization_id: UUID) -> UUID:
    await books.write(database, organization_id, seed=3, start=START, days=DAYS, number=120)
    return organization_id


async def test_what_ingest_keeps_is_the_same(database: db.Database, filled: UUID) -> None:
    assert await found(database, filled) == []


@pytest.mark.parametrize(
    "change, tables",
    [
        ("UPDATE telemetry_hourly SET output = output + 1 WHERE organization_id = $1 AND events > 0", {"hourly"}),
        ("UPDATE telemetry_daily SET cost_amount = cost_amount + 0.000000000001 WHERE organization_id = $1 AND events > 0", {"daily"}),
        ("DELETE FROM telemetry_daily WHERE organization_id = $1", {"daily"}),
        ("UPDATE telemetry_hourly SET facts = facts + 65536 WHERE organization_id = $1 AND facts & 65536 = 0 AND events > 0", {"hourly"}),
        ("UPDATE telemetry_broad SET output = output + 1 WHERE organization_id = $1 AND grain = 1 AND events > 0", {"broad"}),
        ("UPDATE telemetry_broad SET events = events + 1 WHERE organization_id = $1 AND grain = 5 AND events > 0", {"broad"}),
        ("DELETE FROM telemetry_broad WHERE organization_id = $1 AND grain = 3", {"broad"}),
        # Whatever is made of quarters differs with them.
        ("UPDATE telemetry_broad SET quantity = quantity + 1 WHERE organization_id = $1 AND grain = 0", {"broad", "broad quarters"}),
    ],
    ids=["a count", "last digit of a cost", "rows are gone", "another key", "broad hours", "broad days", "broad are gone", "quarters"],
)
async def test_a_difference_is_found_and_a_rebuild_mends_it(database: db.Database, filled: UUID, change: str, tables: set[str]) -> None:
    async with database.transaction(filled) as uow:
        await uow.conn.execute(change, filled)
    differences = await found(database, filled)
    assert differences
    assert {one.table for one in differences} == tables
    await rebuild(database, filled)
    assert await found(database, filled) == []
    await kit.rollups_equal_raw(database, filled)


async def test_a_difference_says_what_is_right_and_what_is_kept(database: db.Database, organization_id: UUID) -> None:
    await kit.accept(database, organization_id, kit.draft("one", at=START))
    async with database.transaction(organization_id) as uow:
        await uow.conn.execute("UPDATE telemetry_daily SET output = 7, cost_amount = 1 WHERE organization_id = $1", organization_id)
    [one] = await found(database, organization_id)
    assert (one.table, one.slot) == ("daily", date(2026, 10, 22))
    assert one.sums == (("output", 500, 7), ("cost_amount", Decimal("0.0075"), 1))


async def test_ingest_that_runs_beside_a_rebuild_is_counted_once(database: db.Database, organization_id: UUID) -> None:
    async def ingest(worker: int) -> None:
        for place in range(12):
            drafts = [kit.draft(f"{worker} {place} {number}", at=START + timedelta(minutes=number)) for number in range(20)]
            await kit.accept(database, organization_id, *drafts)

    async def upkept() -> None:
        for _ in range(8):
            await rebuild(database, organization_id)

    await kit.accept(database, organization_id, kit.draft("first", at=START))
    await asyncio.gather(ingest(1), ingest(2), upkept(), upkept())
    assert await found(database, organization_id) == []
    await kit.rollups_equal_raw(database, organization_id)


async def test_a_rebuild_touches_no_other_organization_and_no_other_day(database: db.Database, filled: UUID) -> None:
    other = await conftest.make_organization(database)
    await kit.accept(database, other, kit.draft("one", at=START))
    async with database.transaction(other) as uow:
        await uow.conn.execute("UPDATE telemetry_daily SET output = 7 WHERE organization_id = $1", other)
    async with database.transaction(filled) as uow:
        await uow.conn.execute("UPDATE telemetry_daily SET output = output + 1 WHERE organization_id = $1 AND events > 0", filled)
    async with database.transaction(filled) as uow:
        await upkeep.rebuild(uow, organization_id=filled, day=START.date())
    assert len(await found(database, other)) == 1
    assert {one.slot for one in await found(database, filled)} == {date(2026, 10, 23), date(2026, 10, 24)}


async def test_a_day_is_rebuilt_with_all_broad_days_that_reach_into_it(database: db.Database, organization_id: UUID) -> None:
    """One event at 03:00 stands in the day from 00:00 and in those of the day before from 06:00, 12:00 and 18:00."""
    await kit.accept(database, organization_id, kit.draft("one", at=START + timedelta(hours=3)))
    async with database.transaction(organization_id) as uow:
        await uow.conn.execute("UPDATE telemetry_broad SET output = 7 WHERE organization_id = $1 AND grain > 0", organization_id)
    assert len(await found(database, organization_id)) == 5
    async with database.transaction(organization_id) as uow:
        await upkeep.rebuild(uow, organization_id=organization_id, day=START.date())
    assert await found(database, organization_id) == []
    await kit.rollups_equal_raw(database, organization_id)


async def test_days_end_before_they_begin_is_refused(database: db.Database, organization_id: UUID) -> None:
    async with database.transaction(organization_id, read_only=True) as uow:
        assert await upkeep.days(uow, organization_id=organization_id) == []
        with pytest.raises(types.PeriodInvalid):
            await upkeep.days(uow, organization_id=organization_id, first=date(2026, 1, 2), last=date(2026, 1, 1))
