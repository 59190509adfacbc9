"""Tallies: whatever happens to events, and whenever tallies are made, answers with them are those of the events themselves."""

from __future__ import annotations

import asyncio
import itertools
import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.core import identity
from carbonledger.domains.telemetry.service import events, metering, recomputing, tallying, upkeep
from carbonledger.domains.telemetry.types.metering import Aggregation, Answer, Asked, Detail, Dimension, Field, Filter, Measure, Query
from carbonledger.infra import db
from carbonledger.kernel import actor, zone
from tests import conftest, until
from tests.integration.domains import isolation
from tests.integration.domains.telemetry import kit

D = Decimal
DAYS = 4
BASE = datetime(2026, 10, 23, tzinfo=UTC)  # Europe's clocks go back on the 25th
NOW = BASE + timedelta(days=DAYS)
ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns")
ACCOUNTS = ("c", "d")
MODEL = Dimension(Field.MODEL)
USER, TEAM = Dimension(Field.PROPERTY, "user"), Dimension(Field.PROPERTY, "team")
_OF = {"event": "pages", "measure": Measure.PROPERTY, "property_name": "v"}
LATEST = Query(aggregation=Aggregation.LATEST, **_OF)  # type: ignore[arg-type]  # named as its fields
QUERIES = (
    LATEST,
    Query(aggregation=Aggregation.SUM, **_OF, group_by=(TEAM,)),  # type: ignore[arg-type]
    Query(aggregation=Aggregation.MAX, event="pages", measure=Measure.QUANTITY, group_by=(Dimension(Field.AGENT), TEAM)),
    Query(aggregation=Aggregation.UNIQUE, event="pages", unique=USER, group_by=(TEAM,)),
    Query(aggregation=Aggregation.UNIQUE, event="pages", unique=USER, filters=(Filter(TEAM, ("a", "b")),)),
    Query(aggregation=Aggregation.WEIGHTED_SUM, event="pages", measure=Measure.QUANTITY),
    Query(aggregation=Aggregation.WEIGHTED_SUM, **_OF, recurring=True, group_by=(TEAM,)),  # type: ignore[arg-type]
    Query(aggregation=Aggregation.COUNT, event="pages", filters=(Filter(TEAM, ("a",), excluded=True),)),
    Query(aggregation=Aggregation.COUNT, filters=(Filter(TEAM, ("a",)),), group_by=(TEAM, MODEL)),
    Query(aggregation=Aggregation.COUNT, filters=(Filter(TEAM, ("a",), excluded=True), Filter(MODEL, ("gpt-4o", "unknown")))),
    Query(aggregation=Aggregation.UNIQUE, unique=MODEL, filters=(Filter(TEAM, ("a", "b")),), group_by=(TEAM,)),
    Query(aggregation=Aggregation.UNIQUE, unique=Dimension(Field.REGION), filters=(Filter(TEAM, ("a", "b")),)),
    Query(aggregation=Aggregation.SUM, measure=Measure.COST, filters=(Filter(TEAM, ("b",)),)),
    Query(aggregation=Aggregation.MAX, measure=Measure.TOKENS, group_by=(MODEL,)),
    Query(aggregation=Aggregation.LATEST, measure=Measure.OUTPUT, filters=(Filter(MODEL, ("gpt-4o-mini",), excluded=True),)),
    Query(aggregation=Aggregation.WEIGHTED_SUM, measure=Measure.REQUESTS, recurring=True),
)
DETAILS = frozenset({Detail.COST, Detail.CO2E})
_WAITING = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'telemetry_tallies'::regclass"
RAW = Detail.EVENT_AMOUNTS  # what needs single events is always answered from them, and all else with it


@pytest.fixture(params=[1, 6], autouse=True)
def busy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few events make a slot busy, so that some are and some are not."""
    monkeypatch.setattr(tallying, "BUSY", request.param)


async def tally(database: db.Database, organization_id: UUID, *queries: Query, now: datetime = NOW) -> int:
    """Do what the job does."""
    kept = 0
    for query in queries:
        async with database.transaction(organization_id) as uow:
            days = await upkeep.days(uow, organization_id=organization_id)
            due = await tallying.due(uow, organization_id=organization_id, query=query, days=days, today=now.date())
        for day in due:
            async with database.transaction(organization_id) as uow:
                kept += await tallying.tally(uow, organization_id=organization_id, query=query, day=day, now=now)
        async with database.transaction(organization_id) as uow:
            await tallying.done(uow, organization_id=organization_id, query=query, today=now.date())
    return kept


async def ask(database: db.Database, organization_id: UUID, *asked: Asked) -> list[Answer]:
    async with database.transaction(organization_id) as uow:
        return await metering.answer(uow, organization_id=organization_id, asked=asked)


async def differing(database: db.Database, organization_id: UUID, chance: random.Random) -> list[tuple[Asked, Answer, Answer]]:
    """Return questions that tallies answer otherwise than single events; each query is asked of some accounts, zones and bounds."""
    asked = []
    for query, account in itertools.product(QUERIES, (*ACCOUNTS, "nobody")):
        midnight = zone.midnight((BASE + timedelta(days=chance.randrange(2))).date(), zone.named(chance.choice(ZONES)))
        end = zone.midnight((BASE + timedelta(days=chance.randrange(3, DAYS + 1))).date(), zone.named(chance.choice(ZONES)))
        odd = midnight + timedelta(microseconds=chance.randrange(86_400 * 10**6))
        asked += [Asked(query, account, midnight, end, DETAILS), Asked(query, account, odd, end, DETAILS)]
        asked.append(Asked(query, account, odd, odd + timedelta(microseconds=chance.randrange(1, 4 * 3600 * 10**6)), DETAILS))
    found = await ask(database, organization_id, *asked)
    raw = await ask(database, organization_id, *(one._replace(details=DETAILS | {RAW}) for one in asked))
    pairs = [(one, mine, replace(its, amounts=None)) for one, mine, its in zip(asked, found, raw, strict=True)]
    return [(one, mine, its) for one, mine, its in pairs if mine != its]


def at_random(chance: random.Random) -> datetime:
    """Return an instant, often a bound of an hour or a day, or a microsecond before."""
    minutes = chance.randrange(DAYS * 1440)
    edge = chance.choice((0, -1, chance.randrange(60 * 10**6)))
    step = chance.choice((1, 60, 1440))
    return max(BASE, BASE + timedelta(minutes=minutes // step * step, microseconds=edge))


def item(chance: random.Random, key: str, moment: datetime) -> types.AnyDraft:
    """Return an event that may have everything, or nothing, that queries look at."""
    told: dict[str, Any] = {"user": f"u{chance.randrange(5)}", "team": chance.choice("abc"), "v": chance.choice([1, "2.5", -3, "x", 10**9])}
    properties = {name: value for name, value in told.items() if chance.random() < 0.8} or None
    account = chance.choice(ACCOUNTS)
    if chance.random() < 0.6:
        return kit.metered(key, str(chance.randrange(50)), at=moment, account=account, properties=properties)
    model = chance.choice(("gpt-4o", "gpt-4o-mini", "unknown"))
    counts = kit.tokens(chance.randrange(9000), 0, chance.randrange(900))
    return kit.draft(key, at=moment, model=model, account=account, properties=properties, counts=counts)


def revised(chance: random.Random, draft: types.AnyDraft) -> types.AnyDraft:
    if isinstance(draft, types.MeteredDraft):
        return replace(draft, quantity=D(chance.randrange(50)))
    return replace(draft, usage=replace(draft.usage, tokens=kit.tokens(chance.randrange(9000), 0, chance.randrange(900))))


@pytest.mark.parametrize("turn", range(2))
async def test_answers_are_those_of_the_events_whatever_happens_to_them(database: db.Database, organization_id: UUID, turn: int) -> None:
    seed = conftest.seed()
    chance = random.Random(seed)
    sent: dict[str, types.AnyDraft] = {}
    for step in range(6):
        for number in range(60):
            key = f"{step} {number}"
            sent[key] = item(chance, key, at_random(chance))
        fresh = [one for key, one in sent.items() if key.startswith(f"{step} ")]
        known = [revised(chance, sent[key]) for key in chance.sample(sorted(sent), 20) if not key.startswith(f"{step} ")]
        twice = types.Booking(source=types.Source.API, is_duplicate=chance.random() < 0.2)
        await kit.accept(database, organization_id, *fresh, *known, at=NOW, booking=twice)
        for key in chance.sample(sorted(sent), 3):
            await erase(database, organization_id, key)
        if step % 2 == turn % 2:
            now = BASE + timedelta(hours=chance.randrange(12, DAYS * 24 + 1))
            await tally(database, organization_id, *chance.sample(QUERIES, len(QUERIES) * 2 // 3), now=now)
        if step == 3:
            await rebuild(database, organization_id, (BASE + timedelta(days=1)).date())
            await recompute(database, organization_id)
        assert await differing(database, organization_id, chance) == [], f"seed {seed}, step {step}"
    assert await kit.rows(database, organization_id, "SELECT 1 FROM telemetry_tallies WHERE organization_id = $1 AND place > 0 LIMIT 1")


async def erase(database: db.Database, organization_id: UUID, key: str) -> None:
    async with database.transaction(organization_id) as uow:
        await events.erase_properties(
            uow,
            actor=actor.system(organization_id),
            now=NOW,
            organization_id=organization_id,
            event_id=identity.event_id(organization_id, key),
        )


async def rebuild(database: db.Database, organization_id: UUID, day: date) -> None:
    async with database.transaction(organization_id) as uow:
        await upkeep.rebuild(uow, organization_id=organization_id, day=day)


async def recompute(database: db.Database, organization_id: UUID) -> None:
    what = recomputing.What(costs=True, emissions=True)
    async with database.transaction(organization_id) as uow:
        await recomputing.recompute(uow, at=NOW, organization_id=organization_id, what=what, place=recomputing.START)


def value(key: str, quantity: str, hour: float, v: object, user: str = "ann") -> types.MeteredDraft:
    return kit.metered(key, quantity, at=BASE + timedelta(hours=hour), account="c", properties={"v": v, "user": user})


async def quantity(database: db.Database, organization_id: UUID, query: Query) -> Decimal:
    [found] = await ask(database, organization_id, Asked(query, "c", BASE, BASE + timedelta(days=2)))
    return found.quantity


async def test_revisions_that_cancel_out_in_a_sum_are_seen_in_what_is_no_sum(database: db.Database, organization_id: UUID) -> None:
    last = Query(aggregation=Aggregation.LATEST, event="pages", measure=Measure.QUANTITY)
    hours = [(str(n), str(n + 1), n) for n in range(6)]
    await kit.accept(database, organization_id, *(value(key, units, 1 + hour / 100, 1) for key, units, hour in hours))
    assert await tally(database, organization_id, last) == 2  # an hour and a day
    assert await quantity(database, organization_id, last) == 6
    # The last two change places: even of their quarter of an hour, the sum is what it was.
    await kit.accept(database, organization_id, value("4", "6", 1.04, 1), value("5", "5", 1.05, 1))
    assert await quantity(database, organization_id, last) == 5


async def test_of_equal_times_the_event_with_the_larger_id_is_the_last(database: db.Database, organization_id: UUID) -> None:
    keys = [f"k{n}" for n in range(12)]
    # Half of them in a day with a tally, all at its last instant but one and alike in time.
    await kit.accept(database, organization_id, *(value(key, "1", 23.5, n) for n, key in enumerate(keys)))
    await tally(database, organization_id, LATEST)
    largest = max(range(12), key=lambda n: identity.event_id(organization_id, keys[n]).bytes)
    assert await quantity(database, organization_id, LATEST) == largest


async def test_tallies_are_read_in_the_place_of_events(database: db.Database, organization_id: UUID) -> None:
    await kit.accept(database, organization_id, *(value(str(n), "1", n / 2, n) for n in range(60)))
    await tally(database, organization_id, LATEST)
    async with database.transaction(organization_id) as uow:
        # Of tallies that say something else, the answer does: so it is theirs.
        await uow.conn.execute("CREATE TEMP TABLE said ON COMMIT DROP AS SELECT * FROM telemetry_tallies")
        await uow.conn.execute("DELETE FROM telemetry_tallies")
        await uow.conn.execute("UPDATE said SET value = 777")
        await uow.conn.execute("INSERT INTO telemetry_tallies SELECT * FROM said")
    assert await quantity(database, organization_id, LATEST) == 777
    await kit.accept(database, organization_id, value("late", "1", 29.9, 5))
    assert await quantity(database, organization_id, LATEST) == 5  # its day and hour are read again, and its event is the last


async def test_what_is_erased_is_kept_in_no_tally(database: db.Database, organization_id: UUID) -> None:
    users = Query(aggregation=Aggregation.UNIQUE, event="pages", unique=USER)
    await kit.accept(database, organization_id, *(value(str(n), "1", 3 + n / 100, 1, user=f"user {n}") for n in range(8)))
    await tally(database, organization_id, users)
    kept = "SELECT 1 FROM telemetry_tallies WHERE organization_id = $1 AND 'user 3' = ANY (members)"
    assert await kit.rows(database, organization_id, kept)
    await erase(database, organization_id, "3")
    assert not await kit.rows(database, organization_id, kept)
    assert await quantity(database, organization_id, users) == 7
    await tally(database, organization_id, users)
    assert await quantity(database, organization_id, users) == 7


async def waits(database: db.Database, organization_id: UUID) -> bool:
    """Somebody waits for the table of tallies."""
    return bool(await kit.rows(database, organization_id, f"{_WAITING} AND $1::uuid IS NOT NULL"))


async def test_who_makes_tallies_waits_for_who_erases_and_sees_what_is_left(database: db.Database, organization_id: UUID) -> None:
    users = Query(aggregation=Aggregation.UNIQUE, event="pages", unique=USER)
    await kit.accept(database, organization_id, *(value(str(n), "1", 3 + n / 100, 1, user=f"user {n}") for n in range(8)))
    async with database.transaction(organization_id) as uow:
        await events.erase_properties(
            uow,
            actor=actor.system(organization_id),
            now=NOW,
            organization_id=organization_id,
            event_id=identity.event_id(organization_id, "3"),
        )
        beside = asyncio.create_task(tally(database, organization_id, users))
        await until.comes(lambda: waits(database, organization_id))
        assert not beside.done()
    await beside
    assert not await kit.rows(
        database, organization_id, "SELECT 1 FROM telemetry_tallies WHERE organization_id = $1 AND 'user 3' = ANY (members)"
    )


async def test_what_is_over_is_tallied_once_and_again_only_where_it_changed(database: db.Database, organization_id: UUID) -> None:
    await kit.accept(database, organization_id, *(value(str(n), "1", 10 * (n // 12) + n % 12 / 60, 1) for n in range(72)))
    # At 00, 10, 20, and 06, 16 and 02 of the following days there are twelve events each. Two days are over, of the third 2.5 hours.
    now = BASE + timedelta(hours=50, minutes=30)
    assert await tally(database, organization_id, LATEST, now=now) == 5 + 2
    assert await tally(database, organization_id, LATEST, now=now) == 0
    await kit.accept(database, organization_id, *(value(f"late {n}", "1", 20.5, 1) for n in range(6)), at=now)
    assert await tally(database, organization_id, LATEST, now=now) == 0  # what came late is for the first time of a day
    assert (
        await tally(database, organization_id, LATEST, now=now + timedelta(hours=22)) == 2 + 2
    )  # it, and the third day with its last hour


async def test_meters_that_are_gone_leave_no_tallies(database: db.Database, organization_id: UUID) -> None:
    other = replace(LATEST, property_name="w")
    await kit.accept(database, organization_id, *(value(str(n), "1", n / 60, 1) for n in range(12)))
    await tally(database, organization_id, LATEST, other)
    async with database.transaction(organization_id) as uow:
        await tallying.forget(uow, organization_id=organization_id, queries=[LATEST])
    for table in ("telemetry_tallies", "telemetry_tallied"):
        found = await kit.rows(database, organization_id, f"SELECT DISTINCT query FROM {table} WHERE organization_id = $1")
        assert len(found) == 1


@pytest.mark.parametrize("table", ["telemetry_tallies", "telemetry_tallied"])
async def test_tallies_of_organizations_are_apart(
    database: db.Database, organization_id: UUID, worker_database: conftest.TestDatabase, table: str
) -> None:
    theirs = await conftest.make_organization(database)
    for number, each in enumerate((organization_id, theirs)):
        await kit.accept(database, each, *(value(str(n), "1", n / 60, number) for n in range(12)))
        await tally(database, each, LATEST)
    await isolation.assert_nothing_without_a_tenant(database, table)
    await isolation.assert_apart(database, worker_database, table, mine=organization_id, theirs=theirs)
    assert await quantity(database, organization_id, LATEST) == 0
    assert await quantity(database, theirs, LATEST) == 1
