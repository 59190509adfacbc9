"""Metering from the ledger: every aggregation beside what the events say, worked by hand or computed here by plain arithmetic."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from carbonledger.domains.pricing import service as pricing
from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.service import answering, kinds, metering
from carbonledger.domains.telemetry.types import answers
from carbonledger.domains.telemetry.types.metering import Aggregation, Answer, Asked, Detail, Dimension, Field, Filter, Measure, Query
from carbonledger.infra import db
from carbonledger.kernel import period, zone
from tests import conftest
from tests.integration.domains.telemetry import kit

D = Decimal
MARCH, APRIL = datetime(2022, 3, 1, tzinfo=UTC), datetime(2022, 4, 1, tzinfo=UTC)
COUNT = Query(aggregation=Aggregation.COUNT)
MODEL = Dimension(Field.MODEL)
LATER = datetime(2026, 11, 28, tzinfo=UTC)


async def ask(database: db.Database, organization_id: UUID, *asked: Asked) -> list[Answer]:
    async with database.transaction(organization_id) as uow:
        return await metering.answer(uow, organization_id=organization_id, asked=asked)


async def one(database: db.Database, organization_id: UUID, query: Query, account: str = "c", **given: Any) -> Answer:
    start, end = given.pop("time", (MARCH, APRIL))
    [found] = await ask(database, organization_id, Asked(query, account, start, end, **given))
    return found


def at(day: int, hour: int = 0, month: int = 3) -> datetime:
    return datetime(2022, month, day, hour, tzinfo=UTC)


def prop(name: str) -> Dimension:
    return Dimension(Field.PROPERTY, name)


# "Aggregation examples" of Lago's documentation: two events of tracked pages, of one user, with 10 and 20 page views.
LAGO: list[tuple[Query, str]] = [
    (Query(aggregation=Aggregation.COUNT, event="tracked_pages"), "2"),
    (Query(aggregation=Aggregation.SUM, event="tracked_pages", measure=Measure.PROPERTY, property_name="pageviews"), "30"),
    (Query(aggregation=Aggregation.MAX, event="tracked_pages", measure=Measure.PROPERTY, property_name="pageviews"), "20"),
    (Query(aggregation=Aggregation.UNIQUE, event="tracked_pages", unique=prop("tracked_user_id")), "1"),
    (Query(aggregation=Aggregation.LATEST, event="tracked_pages", measure=Measure.PROPERTY, property_name="pageviews"), "20"),
]


async def test_aggregations_say_what_published_examples_do(database: db.Database, organization_id: UUID) -> None:
    user = "1234-5678-9098-7654"
    await kit.accept(
        database,
        organization_id,
        kit.metered("1", "1", at=at(16), event="tracked_pages", account="c", properties={"tracked_user_id": user, "pageviews": 10}),
        kit.metered("2", "1", at=at(17), event="tracked_pages", account="c", properties={"tracked_user_id": user, "pageviews": "20"}),
    )
    found = await ask(database, organization_id, *(Asked(query, "c", MARCH, APRIL) for query, _ in LAGO))
    assert [answer.quantity for answer in found] == [D(expected) for _, expected in LAGO]
    assert {answer.events for answer in found} == {2}


async def test_latest_is_the_last_value_not_the_largest(database: db.Database, organization_id: UUID) -> None:
    # Lago's changelog, "LATEST aggregation": 5, then 7, then 6 GB make 6.
    drafts = [kit.metered(str(day), gb, at=at(day), event="storage", account="c") for day, gb in ((3, "5"), (9, "7"), (12, "6"))]
    await kit.accept(database, organization_id, *reversed(drafts))
    query = Query(aggregation=Aggregation.LATEST, event="storage", measure=Measure.QUANTITY)
    assert (await one(database, organization_id, query)).quantity == 6
    assert (await one(database, organization_id, query, time=(MARCH, at(12)))).quantity == 7


async def test_a_weighted_sum_is_the_running_sum_by_the_time_it_stood(database: db.Database, organization_id: UUID) -> None:
    # The example of Flexprice's documentation ("WEIGHTED SUM"), 31 days of 86,400 s from 31 July 18:30: 20, 10 and 10 GB are reserved on
    # 16, 18 and 20 August, at 00:00, until 31 August 18:30. Its page gives each too many seconds; by the calendar they are 15 days 18.5 h =
    # 1,362,600, 13 days 18.5 h = 1,189,800 and 11 days 18.5 h = 1,017,000. (20 * 1,362,600 + 10 * 1,189,800 + 10 * 1,017,000) / 2,678,400
    # = 49,320,000 / 2,678,400 = 18.413978494623655...
    start, end = datetime(2025, 7, 31, 18, 30, tzinfo=UTC), datetime(2025, 8, 31, 18, 30, tzinfo=UTC)
    reserved = [(16, "20"), (18, "10"), (20, "10")]
    drafts = [
        kit.metered(str(day), "1", at=datetime(2025, 8, day, tzinfo=UTC), event="gb", account="c", properties={"gb": gb})
        for day, gb in reserved
    ]
    await kit.accept(database, organization_id, *drafts)
    query = Query(aggregation=Aggregation.WEIGHTED_SUM, event="gb", measure=Measure.PROPERTY, property_name="gb")
    assert (await one(database, organization_id, query, time=(start, end))).quantity == D("18.413978494624")


async def test_a_weighted_sum_goes_down_and_goes_on_where_it_recurs(database: db.Database, organization_id: UUID) -> None:
    # April has 30 days. 6 GB from 22 March; 4 more from 11 April on, 10 less from 21 April on.
    changes = [("a", at(22), 6), ("b", at(11, month=4), 4), ("c", at(21, month=4), -10)]
    drafts = [kit.metered(key, "1", at=moment, event="gb", account="c", properties={"gb": gb}) for key, moment, gb in changes]
    await kit.accept(database, organization_id, *drafts)
    query = Query(aggregation=Aggregation.WEIGHTED_SUM, event="gb", measure=Measure.PROPERTY, property_name="gb")
    april = (APRIL, datetime(2022, 5, 1, tzinfo=UTC))
    # From 0: 4 GB for 10 of 30 days, then -6 for 10: (4 * 10 - 6 * 10) / 30 = -2/3.
    assert (await one(database, organization_id, query, time=april)).quantity == D("-0.666666666667")
    # Going on: 6 for 10 days, 10 for 10, 0 for 10: 160 / 30.
    recurring = replace(query, recurring=True)
    assert (await one(database, organization_id, recurring, time=april)).quantity == D("5.333333333333")


async def test_a_property_that_is_no_number_is_skipped_and_told(database: db.Database, organization_id: UUID) -> None:
    values: list[Any] = [1, "2.5", "x", None, {"a": 1}, True, 1e300, "1e3", -1]
    drafts = [kit.metered(str(n), "1", at=at(5), account="c", properties={"v": value}) for n, value in enumerate(values)]
    await kit.accept(database, organization_id, *drafts, kit.metered("none", "1", at=at(5), account="c"))
    query = Query(aggregation=Aggregation.SUM, event="pages", measure=Measure.PROPERTY, property_name="v")
    found = await one(database, organization_id, query)
    assert (found.quantity, found.events, found.skipped) == (D("2.5"), 3, 5)


async def test_the_amounts_of_events_come_by_time(database: db.Database, organization_id: UUID) -> None:
    drafts = [kit.metered(str(day), amount, at=at(day), event="sale", account="c") for day, amount in ((9, "30"), (3, "10"), (5, "20.5"))]
    await kit.accept(database, organization_id, *drafts)
    query = Query(aggregation=Aggregation.SUM, event="sale", measure=Measure.QUANTITY)
    found = await one(database, organization_id, query, details=frozenset({Detail.EVENT_AMOUNTS}))
    assert (found.quantity, found.events, found.amounts) == (D("60.5"), 3, (D(10), D("20.5"), D(30)))


async def test_filters_and_groups_tell_usage_apart(database: db.Database, organization_id: UUID) -> None:
    drafts = []
    for number, (model, batch, team) in enumerate(
        [("gpt-4o", False, "a"), ("gpt-4o", True, "a"), ("gpt-4o-mini", False, "b"), ("gpt-4o-mini", False, None)]
    ):
        properties = {"team": team} if team else None
        drafts.append(
            kit.draft(
                str(number), at=at(2), model=model, batch=batch, account="c", properties=properties, counts=kit.tokens(10**number, 0, 0)
            )
        )
    await kit.accept(database, organization_id, *drafts)
    tokens = Query(aggregation=Aggregation.SUM, measure=Measure.TOKENS)

    async def of(**given: Any) -> tuple[Any, Any]:
        found = await one(database, organization_id, replace(tokens, **given))
        return found.quantity, [(group.values, group.quantity) for group in found.groups]

    assert await of(group_by=(MODEL,)) == (1111, [(("gpt-4o-mini",), 1100), (("gpt-4o",), 11)])
    assert await of(group_by=(prop("team"), MODEL)) == (
        1111,
        [((None, "gpt-4o-mini"), 1000), (("b", "gpt-4o-mini"), 100), (("a", "gpt-4o"), 11)],
    )
    assert await of(filters=(Filter(MODEL, ("gpt-4o", "x")),)) == (11, [])
    assert await of(filters=(Filter(MODEL, ("gpt-4o",), excluded=True),)) == (1100, [])
    assert await of(filters=(Filter(Dimension(Field.BATCH), ("true",)),)) == (10, [])
    assert await of(filters=(Filter(Dimension(Field.REGION), ("eu",), excluded=True),)) == (1111, [])
    assert await of(filters=(Filter(prop("team"), ("a",)),)) == (11, [])
    assert await of(filters=(Filter(prop("team"), ("a",), excluded=True),)) == (1100, [])  # what has none is none of them
    assert await of(filters=(Filter(prop("team"), ("a",)), Filter(Dimension(Field.BATCH), ("false",)))) == (1, [])


async def test_different_values_are_counted_from_series_or_from_properties(database: db.Database, organization_id: UUID) -> None:
    drafts = [
        kit.draft(str(n), at=at(2 + n), model=f"gpt-4o{'-mini' * (n % 2)}", account="c", properties={"user": f"u{n % 3}"} if n else None)
        for n in range(7)
    ]
    await kit.accept(database, organization_id, *drafts)
    models = Query(aggregation=Aggregation.UNIQUE, unique=MODEL)
    assert (await one(database, organization_id, models)).quantity == 2
    assert (await one(database, organization_id, replace(models, unique=Dimension(Field.AGENT)))).quantity == 0
    users = Query(aggregation=Aggregation.UNIQUE, unique=prop("user"), group_by=(MODEL,))
    found = await one(database, organization_id, users)
    assert found.quantity == 3
    # 2, 4 and 6 by one model: users 2, 1 and 0; 1, 3 and 5 by the other: users 1, 0 and 2.
    told: list[Any] = [(group.values, group.quantity, group.events) for group in found.groups]
    assert told == [(("gpt-4o",), 3, 3), (("gpt-4o-mini",), 3, 3)]
    within = replace(models, filters=(Filter(prop("user"), ("u1",)),))
    assert (await one(database, organization_id, within)).quantity == 2


async def test_what_another_source_tells_as_well_does_not_count(database: db.Database, organization_id: UUID) -> None:
    await kit.accept(database, organization_id, kit.draft("a", at=at(2), account="c"))
    twice = types.Booking(source=types.Source.API, is_duplicate=True)
    await kit.accept(database, organization_id, kit.draft("b", at=at(2), account="c", properties={"x": 1}), booking=twice)
    assert (await one(database, organization_id, COUNT)).quantity == 1
    assert (await one(database, organization_id, replace(COUNT, group_by=(prop("x"),)))).quantity == 1
    largest = Query(aggregation=Aggregation.MAX, measure=Measure.TOKENS)
    assert (await one(database, organization_id, largest)).events == 1


async def test_nothing_is_zero(database: db.Database, organization_id: UUID) -> None:
    await kit.accept(database, organization_id, kit.draft("a", at=at(2), account="c"))
    for query in (COUNT, Query(aggregation=Aggregation.MAX, measure=Measure.TOKENS), replace(COUNT, event="other")):
        found = await one(database, organization_id, query, account="nobody", details=frozenset({Detail.COST, Detail.CO2E}))
        assert (found.quantity, found.events, found.cost_usd) == (D(0), 0, D(0))


async def test_cost_and_co2e_are_those_of_the_ledger(database: db.Database, organization_id: UUID) -> None:
    drafts = [kit.draft(str(n), at=kit.AT - timedelta(hours=n), account="c", counts=kit.tokens(1000 + n, n, 7 * n)) for n in range(30)]
    unpriced = kit.draft("x", at=kit.AT, account="c", model="nobody-knows-it")
    await kit.accept(database, organization_id, *drafts, unpriced, kit.draft("other", account="d"))
    time = (kit.AT - timedelta(hours=24, minutes=30), kit.AT + timedelta(minutes=30))
    whole = answers.Asked(period=period.Period(*time), time_zone="UTC", is_default=False)
    async with database.transaction(organization_id) as uow:
        summary = await answering.summary(uow, organization_id=organization_id, asked=whole, filters=answers.Filters(account="c"))
    details = frozenset({Detail.COST, Detail.CO2E})
    found = await one(database, organization_id, COUNT, time=time, details=details)
    assert (found.cost_usd, found.co2e_g) == (summary.totals.cost, summary.totals.co2e_g)
    assert (found.events, found.without_cost) == (26, 1)
    grouped = await one(
        database, organization_id, replace(COUNT, filters=(Filter(prop("x"), ("1",), excluded=True),)), time=time, details=details
    )
    assert (grouped.cost_usd, grouped.co2e_g, grouped.without_cost) == (found.cost_usd, found.co2e_g, 1)
    for measure, expected in (
        (Measure.COST, summary.totals.cost),
        (Measure.CO2E_HIGH, summary.totals.co2e_high),
        (Measure.ENERGY_LOW, summary.totals.energy_low),
    ):
        assert (await one(database, organization_id, Query(aggregation=Aggregation.SUM, measure=measure), time=time)).quantity == expected


async def test_costs_by_kind_of_token_are_tokens_times_their_price(database: db.Database, organization_id: UUID) -> None:
    for account, count in (("c", 3), ("d", 1)):
        drafts = [kit.draft(f"{account}{n}", at=kit.AT, account=account, counts=kit.tokens(1000, 400, 500)) for n in range(count)]
        await kit.accept(database, organization_id, *drafts)
    time = (kit.AT - timedelta(days=1), kit.AT + timedelta(days=1))
    details = frozenset({Detail.COST, Detail.COST_BY_KIND})
    mine, theirs = await ask(database, organization_id, *(Asked(COUNT, account, *time, details) for account in ("c", "d")))
    [rate] = [rate for rate in pricing.dated(provider="openai", model="gpt-4o") if rate.ends_at is None and rate.service == "standard"]
    prices = pricing.unit_prices(rate)
    counts = {"uncached_input": (3000, prices.uncached_input), "cached_input": (1200, prices.cached_input), "output": (1500, prices.output)}
    assert mine.cost_by_kind == {kind: D(count * (price or 0)).scaleb(-12) for kind, (count, price) in counts.items()}
    assert sum(mine.cost_by_kind.values()) == mine.cost_usd
    assert {kind: cost * 3 for kind, cost in theirs.cost_by_kind.items()} == mine.cost_by_kind


def test_parts_that_come_to_more_than_the_whole_share_it() -> None:
    assert kinds.within({"a": D(1), "b": D(2)}, D(4)) == {"a": D(1), "b": D(2)}
    assert kinds.within({"a": D(1), "b": D(2)}, D(1)) == {"a": D("0.333333333333"), "b": D("0.666666666666")}
    assert kinds.within({}, D(0)) == {}


ZONES = ("UTC", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Chatham")


def expected(events: Iterable[tuple[datetime, str, int]], account: str, start: datetime, end: datetime) -> tuple[int, int]:
    mine = [tokens for moment, whose, tokens in events if whose == account and start <= moment < end]
    return len(mine), sum(mine)


async def test_any_bounds_of_many_accounts_are_answered_exactly_at_once(database: db.Database, organization_id: UUID) -> None:
    seed = conftest.seed()
    chance = random.Random(seed)
    base = datetime(2026, 11, 20, tzinfo=UTC)
    events = [
        (base + timedelta(microseconds=chance.randrange(5 * 86_400 * 10**6)), chance.choice("abcdef"), chance.randrange(1, 1000))
        for _ in range(400)
    ]
    drafts = [
        kit.draft(str(n), at=moment, account=account, model=chance.choice(("gpt-4o", "gpt-4o-mini")), counts=kit.tokens(tokens, 0, 0))
        for n, (moment, account, tokens) in enumerate(events)
    ]
    await kit.accept(database, organization_id, *drafts)
    asked, wanted = [], []
    for account in "abcdefg":
        for name in ZONES:
            midnight = zone.midnight((base + timedelta(days=chance.randrange(3))).date(), zone.named(name))
            for start, end in (
                (midnight, midnight + timedelta(days=2)),
                (midnight + timedelta(minutes=chance.randrange(1440)), midnight + timedelta(days=1, seconds=chance.randrange(90_000))),
                (midnight, midnight + timedelta(seconds=chance.randrange(1, 3000))),
            ):
                for query, place in ((COUNT, 0), (Query(aggregation=Aggregation.SUM, measure=Measure.TOKENS, group_by=(MODEL,)), 1)):
                    asked.append(Asked(query, account, start, end))
                    wanted.append(expected(events, account, start, end)[place])
    found = await ask(database, organization_id, *asked)
    assert [answer.quantity for answer in found] == wanted, f"seed {seed}"
    for answer in found:
        assert not answer.groups or sum(group.quantity for group in answer.groups) == answer.quantity


async def test_what_needs_single_events_is_exact_for_any_bounds_too(database: db.Database, organization_id: UUID) -> None:
    seed = conftest.seed()
    chance = random.Random(seed)
    base = datetime(2026, 11, 20, tzinfo=UTC)
    events = [(base + timedelta(seconds=chance.randrange(3 * 86_400)), chance.choice("abc"), chance.randrange(1, 50)) for _ in range(200)]
    drafts = [
        kit.metered(str(n), str(value), at=moment, account=account, properties={"v": value, "user": value % 7})
        for n, (moment, account, value) in enumerate(events)
    ]
    await kit.accept(database, organization_id, *drafts)
    queries = {
        "max": Query(aggregation=Aggregation.MAX, event="pages", measure=Measure.QUANTITY),
        "sum": Query(aggregation=Aggregation.SUM, event="pages", measure=Measure.PROPERTY, property_name="v"),
        "unique": Query(aggregation=Aggregation.UNIQUE, event="pages", unique=prop("user")),
        "weighted": Query(aggregation=Aggregation.WEIGHTED_SUM, event="pages", measure=Measure.QUANTITY),
    }
    for _ in range(5):
        start = base + timedelta(seconds=chance.randrange(86_400))
        end = start + timedelta(seconds=chance.randrange(1, 2 * 86_400))
        for account in "abc":
            mine = [(moment, value) for moment, whose, value in events if whose == account and start <= moment < end]
            seconds = int((end - start).total_seconds())
            weighted = D(sum(value * int((end - moment).total_seconds()) for moment, value in mine)) / seconds
            wanted = {
                "max": max((value for _, value in mine), default=0),
                "sum": sum(value for _, value in mine),
                "unique": len({value % 7 for _, value in mine}),
                "weighted": weighted.quantize(D("1E-12"), rounding="ROUND_HALF_UP"),
            }
            found = await ask(database, organization_id, *(Asked(query, account, start, end) for query in queries.values()))
            assert {name: answer.quantity for name, answer in zip(queries, found, strict=True)} == wanted, f"seed {seed}"


async def test_more_accounts_are_no_more_statements(database: db.Database, organization_id: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [Asked(COUNT, f"c{n}", MARCH, APRIL) for n in range(500)]
    asked += [Asked(Query(aggregation=Aggregation.SUM, measure=Measure.TOKENS), f"c{n}", MARCH, APRIL) for n in range(500)]
    asked += [Asked(Query(aggregation=Aggregation.MAX, measure=Measure.TOKENS), f"c{n}", MARCH, APRIL) for n in range(500)]
    async with database.transaction(organization_id) as uow:
        sent: list[str] = []
        fetch = uow.conn.fetch

        async def counted(query: str, *arguments: object) -> object:
            sent.append(query)
            return await fetch(query, *arguments)

        monkeypatch.setattr(type(uow.conn), "fetch", staticmethod(counted), raising=False)
        found = await metering.answer(uow, organization_id=organization_id, asked=asked)
    assert len(found) == 1500
    assert len(sent) == 2
