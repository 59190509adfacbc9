"""By which price books usage was priced: what days and the events of a few say is what all events say."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from carbonledger.domains.pricing import service as pricing
from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.service import priced, recomputing, upkeep
from carbonledger.domains.telemetry.types.metering import Aggregation, Asked, Dimension, Field, Filter, Measure, Query
from carbonledger.infra import db
from tests import conftest
from tests.integration.domains.telemetry import kit

DAYS = 4
BASE = datetime(2026, 10, 23, tzinfo=UTC)
NOW = BASE + timedelta(days=DAYS)
COST = Query(aggregation=Aggregation.SUM, measure=Measure.COST)
MODEL, TEAM = Dimension(Field.MODEL), Dimension(Field.PROPERTY, "team")
OF_TEAM = Query(aggregation=Aggregation.COUNT, filters=(Filter(TEAM, ("a",)),))
QUERIES = (COST, Query(aggregation=Aggregation.SUM, measure=Measure.COST, filters=(Filter(MODEL, ("gpt-4o",)),)), OF_TEAM)
_ALL = """
SELECT e.occurred_at, e.facts, e.cost_amount, e.properties, s.account, s.model, b.version FROM telemetry_events e
JOIN telemetry_series s ON s.id = e.series_id LEFT JOIN price_books b ON b.id = e.price_book_id WHERE e.organization_id = $1
"""
_OTHER = """
INSERT INTO price_books (version, as_of, source, prices, overrides, published_at)
SELECT '2001-01-0' || $1::integer || '-000000000000', as_of, source, prices, overrides, published_at FROM price_books ORDER BY id LIMIT 1
ON CONFLICT (version) DO UPDATE SET as_of = excluded.as_of RETURNING id
"""


class Books:
    """Price books of which one at a time is in force."""

    def __init__(self, ids: list[int]) -> None:
        self.ids = ids
        self.current = ids[0]

    async def book_id(self, _uow: db.UnitOfWork, *, at: datetime) -> int:
        return self.current


@pytest.fixture
async def books(
    database: db.Database, organization_id: UUID, worker_database: conftest.TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> Books:
    async with database.transaction(organization_id) as uow:
        first = await pricing.book_id(uow, at=NOW)
    owner = await asyncpg.connect(worker_database.owner)
    made = Books([first, *[await owner.fetchval(_OTHER, number) for number in (1, 2)]])
    await owner.close()
    monkeypatch.setattr(pricing, "book_id", made.book_id)
    return made


def counts(query: Query, event: dict[str, Any], account: str, start: datetime, end: datetime) -> bool:
    """Say whether an event is one that a query counts and that has a price, by plain reading."""
    if event["account"] != account or not start <= event["occurred_at"] < end or event["cost_amount"] is None:
        return False
    if event["facts"] & int(types.Fact.DUPLICATE):
        return False
    told = {MODEL: event["model"], TEAM: (event["properties"] or {}).get("team")}
    return all(told[one.dimension] in one.values for one in query.filters)


async def check(database: db.Database, organization_id: UUID, chance: random.Random, said: str) -> None:
    events = await kit.rows(database, organization_id, _ALL)
    asked, wanted = [], []
    for _ in range(30):
        start = BASE + timedelta(hours=chance.choice((0, 24, chance.randrange(40))), minutes=chance.choice((0, 0, 37)))
        end = start + timedelta(hours=chance.choice((24, 48, chance.randrange(1, 60))))
        query, account = chance.choice(QUERIES), chance.choice("cd")
        asked.append(Asked(query, account, start, end))
        wanted.append(tuple(sorted({one["version"] for one in events if counts(query, one, account, start, end)})))
    async with database.transaction(organization_id) as uow:
        assert await priced.versions(uow, organization_id=organization_id, asked=asked) == wanted, said


async def test_versions_are_those_of_the_events_whatever_prices_them_anew(
    database: db.Database, organization_id: UUID, books: Books
) -> None:
    seed = conftest.seed()
    chance = random.Random(seed)

    def call(key: str, moment: datetime, account: str) -> types.Draft:
        model, team = chance.choice(("gpt-4o", "gpt-4o-mini", "unknown")), chance.choice("ab")
        return kit.draft(
            key, at=moment, model=model, account=account, properties={"team": team}, counts=kit.tokens(chance.randrange(1, 9000), 0, 0)
        )

    sent: dict[str, tuple[datetime, str]] = {}
    for step in range(4):
        books.current = books.ids[step % len(books.ids)]
        for number in range(12):
            # Most of a step are of its day, as when a book changes; few come late.
            day = step if chance.random() < 0.8 else chance.randrange(DAYS)
            moment = BASE + timedelta(days=day, seconds=chance.randrange(86_400))
            sent[f"{step} {number}"] = moment, chance.choice("cd")
        fresh = [call(key, *of) for key, of in sent.items() if key.startswith(f"{step} ")]
        metered = kit.metered(f"metered {step}", "1", at=BASE + timedelta(days=step), account="c", properties={"team": "a"})
        again = [call(key, *sent[key]) for key in chance.sample(sorted(sent), 4) if not key.startswith(f"{step} ")]
        twice = types.Booking(source=types.Source.API, is_duplicate=step == 2)
        await kit.accept(database, organization_id, *fresh, metered, *again, at=NOW, booking=twice)
        await check(database, organization_id, chance, f"seed {seed}, step {step}")
    books.current = books.ids[2]
    what = recomputing.What(costs=True, emissions=False)
    async with database.transaction(organization_id) as uow:
        await recomputing.recompute(uow, at=NOW, organization_id=organization_id, what=what, place=recomputing.START)
    await check(database, organization_id, chance, f"seed {seed}, priced anew")
    for number in range(DAYS):
        async with database.transaction(organization_id) as uow:
            await upkeep.rebuild(uow, organization_id=organization_id, day=(BASE + timedelta(days=number)).date())
    await check(database, organization_id, chance, f"seed {seed}, made anew")
    kept = await kit.rows(
        database, organization_id, "SELECT price_books FROM telemetry_daily WHERE organization_id = $1 AND price_books <> '{}'"
    )
    assert {tuple(row["price_books"]) for row in kept} == {(books.ids[2],)}, "days made anew name what stands"
