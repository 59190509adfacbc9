"""Answers are what the events say, to the last digit: over any period, in any zone, by any dimension."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from carbonledger.domains.projects import service as projects
from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.service import accepting, answering, caching, upkeep
from carbonledger.domains.telemetry.store import planning
from carbonledger.domains.telemetry.types import answers
from carbonledger.domains.telemetry.types.answers import Dimension, Filters
from carbonledger.infra import db
from carbonledger.kernel import actor, period
from carbonledger.kernel import zone as zones
from carbonledger.kernel.money import Money
from carbonledger.kernel.period import CalendarUnit, Period
from tests import conftest
from tests.integration.domains.telemetry import books, kit

START = datetime(2026, 10, 22, tzinfo=UTC)  # so that clocks are set back inside it: Berlin on 25 October, St John's on 1 November
DAYS = 14
ALL = Filters()
COLUMNS = {
    Dimension.PROJECT: "project_id",
    Dimension.WORKLOAD: "workload_id",
    Dimension.AGENT: "agent_id",
    Dimension.CONNECTION: "connection_id",
    Dimension.BATCH: "is_batch",
}


def asked(start: datetime, end: datetime, zone: str = "UTC") -> answers.Asked:
    return answering.asked(start=start, end=end, now=START, time_zone=zone)


def whole(zone: str = "UTC") -> answers.Asked:
    return asked(START, START + timedelta(days=DAYS), zone)


async def summary(database: db.Database, organization_id: UUID, over: answers.Asked, filters: Filters = ALL) -> answers.Summary:
    async with database.transaction(organization_id, read_only=True) as uow:
        return await answering.summary(uow, organization_id=organization_id, asked=over, filters=filters)


@pytest.fixture
async def ledger(database: db.Database, organization_id: UUID) -> list[dict[str, Any]]:
    """Fill the organization's ledger, and return its events."""
    made = []
    for name in ("Search", "Support"):
        async with database.transaction(organization_id) as uow:
            project = await projects.create_project(
                uow, actor=actor.system(organization_id), now=START, at=START, organization_id=organization_id, name=name
            )
            made.append(project.id)
    await books.write(database, organization_id, seed=7, start=START, days=DAYS, number=600, projects=made)
    await kit.rollups_equal_raw(database, organization_id)
    events = await books.events(database, organization_id)
    assert any(row["revision"] for row in events), "some are revised"
    return events


def of(events: list[dict[str, Any]], over: Period) -> list[dict[str, Any]]:
    return [row for row in events if over.contains(row["occurred_at"])]


async def test_totals_of_any_period_equal_the_events_in_it(
    database: db.Database, organization_id: UUID, ledger: list[dict[str, Any]]
) -> None:
    chance = random.Random(1)
    bounds = [START + timedelta(microseconds=chance.randrange(DAYS * 86_400_000_000)) for _ in range(12)]
    bounds += [row["occurred_at"] for row in ledger[:12]]  # an event on the bound is in when it starts the period, out when it ends it
    for one, other in zip(bounds, reversed(bounds), strict=True):
        if one != other:
            over = asked(min(one, other), max(one, other))
            found = await summary(database, organization_id, over)
            books.check(found.totals, of(ledger, over.period))


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/St_Johns", "Europe/Berlin", "Asia/Kathmandu", "Pacific/Kiritimati"])
@pytest.mark.parametrize("filters", [ALL, Filters(account="acme")], ids=["broad", "every series"])
async def test_days_are_those_of_the_zone(
    database: db.Database, organization_id: UUID, ledger: list[dict[str, Any]], zone: str, filters: Filters
) -> None:
    found = await summary(database, organization_id, whole(zone), filters)
    ledger = [row for row in ledger if filters.account in {None, row["account"]}]
    assert ledger
    by_day: dict[date, list[dict[str, Any]]] = defaultdict(list)
    for row in ledger:
        by_day[row["occurred_at"].astimezone(zones.named(zone)).date()].append(row)
    days = [slot.local for slot in found.daily]
    assert days == sorted(set(days)), "every day once, in order"
    assert set(by_day) <= set(days)
    for slot in found.daily:
        books.check(slot.measures, by_day[slot.local])


async def test_by_model_adds_up_to_the_totals(database: db.Database, organization_id: UUID, ledger: list[dict[str, Any]]) -> None:
    found = await summary(database, organization_id, whole())
    by_model: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in ledger:
        by_model[row["provider"], row["model"]].append(row)
    by_model.pop((None, None))  # metered events are of no model
    assert {group.labels for group in found.by_model} == set(by_model)
    for group in found.by_model:
        books.check(group.measures, by_model[group.labels])
    sizes = [group.measures.tokens for group in found.by_model]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("dimension", list(Dimension))
async def test_a_breakdown_by_any_dimension_equals_the_events(
    database: db.Database, organization_id: UUID, ledger: list[dict[str, Any]], dimension: Dimension
) -> None:
    async with database.transaction(organization_id, read_only=True) as uow:
        found = await answering.breakdown(
            uow, organization_id=organization_id, asked=whole("Asia/Kolkata"), filters=ALL, group_by=[dimension]
        )
    column = COLUMNS.get(dimension, dimension.value)
    groups: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for row in ledger:
        groups[row[column]].append(row)
    assert {group.labels[0] for group in found.groups} == set(groups)
    for group in found.groups:
        books.check(group.measures, groups[group.labels[0]])
    books.check(found.totals, ledger)


@pytest.mark.parametrize(
    "filters, meets",
    [
        (Filters(provider="openai"), lambda row: row["provider"] == "openai"),
        (Filters(model="gpt-4o"), lambda row: row["model"] == "gpt-4o"),
        (Filters(account="acme", operation="chat"), lambda row: (row["account"], row["operation"]) == ("acme", "chat")),
        (Filters(batch=True), lambda row: row["is_batch"]),
        (Filters(batch=False, source="api"), lambda row: not row["is_batch"] and row["source"] == "api"),
        (Filters(region="eu-west-1"), lambda row: row["region"] == "eu-west-1"),
        (Filters(provider="unheard-of"), lambda _: False),
    ],
    ids=["provider", "model", "account and operation", "batch", "source, no batch", "region", "nothing"],
)
async def test_a_filter_leaves_what_meets_it(
    database: db.Database, organization_id: UUID, ledger: list[dict[str, Any]], filters: Filters, meets: Callable[[dict[str, Any]], bool]
) -> None:
    found = await summary(database, organization_id, whole("Europe/Berlin"), filters)
    books.check(found.totals, [row for row in ledger if meets(row)])


@pytest.mark.parametrize("unit", answers.BUCKET_UNITS)
@pytest.mark.parametrize("zone", ["UTC", "America/St_Johns"])
async def test_a_series_over_time_equals_the_events_of_each_stretch(
    database: db.Database, organization_id: UUID, ledger: list[dict[str, Any]], unit: CalendarUnit, zone: str
) -> None:
    async with database.transaction(organization_id, read_only=True) as uow:
        found = await answering.timeseries(
            uow, organization_id=organization_id, asked=whole(zone), filters=ALL, unit=unit, group_by=Dimension.MODEL
        )
    for slot in found.slots:
        calendar = period.calendar_period(slot.period.start, unit, zones.named(zone))
        assert calendar.intersect(whole(zone).period) == slot.period
        books.check(slot.measures, of(ledger, slot.period))
    for series in found.series:
        mine = [row for row in ledger if row["model"] == series.labels[0]]
        books.check(series.totals, mine)
        for slot in series.slots:
            books.check(slot.measures, of(mine, slot.period))


async def test_a_plan_that_is_kept_answers_as_one_made_anew_does(
    database: db.Database, organization_id: UUID, ledger: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ledger
    over, earlier = whole("Asia/Kolkata"), asked(START - timedelta(days=1), START + timedelta(days=3, minutes=7))
    kept = [await summary(database, organization_id, one) for one in (over, earlier, over)]
    monkeypatch.setattr(planning, "STEPS_MAX", 0)
    assert [await summary(database, organization_id, one) for one in (over, earlier, over)] == kept


async def test_after_an_answer_the_transaction_is_planned_as_before(database: db.Database, organization_id: UUID) -> None:
    async with database.transaction(organization_id, read_only=True) as uow:
        before = await uow.conn.fetch("SHOW ALL")
        await answering.summary(uow, organization_id=organization_id, asked=whole(), filters=ALL)
        await caching.saving(uow, organization_id=organization_id, asked=whole(), filters=Filters(account="acme"))
        assert await uow.conn.fetch("SHOW ALL") == before


async def test_a_plot_names_the_largest_groups_and_adds_the_others_up(database: db.Database, organization_id: UUID) -> None:
    most = answering.SERIES_MAX + 3
    drafts = [kit.draft(f"{place}", at=START, counts=kit.tokens(1000 + place), account=f"account {place}") for place in range(most)]
    await kit.accept(database, organization_id, *drafts)
    async with database.transaction(organization_id, read_only=True) as uow:
        found = await answering.timeseries(
            uow, organization_id=organization_id, asked=whole(), filters=ALL, unit=CalendarUnit.DAY, group_by=Dimension.ACCOUNT
        )
    assert [series.labels[0] for series in found.series[:-1]] == [f"account {place}" for place in range(most - 1, 2, -1)]
    assert found.series[-1].is_other
    assert found.series[-1].totals.uncached_input == 1000 + 1001 + 1002


async def test_series_that_come_at_the_same_time_are_counted_once(database: db.Database, organization_id: UUID) -> None:
    """Neither transaction sees the other's series, so the broad roll-up has rows for both: they add up."""
    await kit.accept(database, organization_id, kit.draft("first", at=START, model="o3"))
    system = actor.system(organization_id)
    async with database.transaction(organization_id) as one, database.transaction(organization_id) as other:
        for uow, account in ((one, "a"), (other, "b")):
            await accepting.accept(
                uow, actor=system, now=START, at=START, organization_id=organization_id, booking=kit.API,
                items=[kit.draft(account, at=START, account=account)],
            )  # fmt: skip
    await kit.accept(database, organization_id, kit.draft("c", at=START, account="c"))
    leaders = "SELECT id FROM telemetry_series WHERE organization_id = $1 AND model = 'gpt-4o' AND broad_id IS NULL"
    assert len(await kit.rows(database, organization_id, leaders)) == 2
    found = await summary(database, organization_id, whole())
    assert found.totals.events == 4
    assert [(group.labels, group.measures.events) for group in found.by_model] == [(("openai", "gpt-4o"), 3), (("openai", "o3"), 1)]
    async with database.transaction(organization_id, read_only=True) as uow:
        assert await upkeep.check(uow, organization_id=organization_id, day=START.date()) == []


async def test_unknown_is_none_and_never_zero(database: db.Database, organization_id: UUID) -> None:
    await kit.accept(
        database,
        organization_id,
        kit.draft("one", at=START, counts=kit.tokens(10, None, 5, cache_creation_1h=None), requests=None),
        kit.draft("two", at=START, counts=kit.tokens(10, 7, 5, cache_creation_1h=None), requests=None),
    )
    found = (await summary(database, organization_id, whole())).totals
    assert (found.known("requests"), found.known("cache_creation_1h")) == (None, None)
    assert (found.known("cached_input"), found.unknown_cached_input) == (7, 1)
    assert found.known("cache_creation_5m") == 0, "both told that it was none"
    assert found.known_tokens == 37


async def test_what_is_not_covered_has_no_cost_and_no_energy(database: db.Database, organization_id: UUID) -> None:
    await kit.accept(database, organization_id, kit.draft("one", at=START, model="dall-e-3"))
    found = (await summary(database, organization_id, whole())).totals
    assert (found.energy_wh, found.co2e_g, found.water_ml, found.co2e_market_g) == (None, None, None, None)
    coverage = answering.emissions_coverage(found)
    assert (coverage.covered, coverage.not_covered) == (Decimal(0), Decimal(1))


async def test_an_empty_period_is_zero_and_covered_by_nothing(database: db.Database, organization_id: UUID) -> None:
    found = await summary(database, organization_id, whole())
    books.check(found.totals, [])
    assert (found.totals.requests, found.totals.cost, len(found.daily)) == (0, Decimal(0), DAYS)


async def test_a_share_that_is_not_covered_is_never_rounded_away(database: db.Database, organization_id: UUID) -> None:
    await kit.accept(
        database,
        organization_id,
        kit.draft("much", at=START, counts=kit.tokens(10**10, 0, 0)),
        kit.draft("little", at=START, counts=kit.tokens(1, 0, 0), model="dall-e-3"),
    )
    coverage = answering.emissions_coverage((await summary(database, organization_id, whole())).totals)
    assert (str(coverage.covered), str(coverage.not_covered)) == ("0.999999", "0.000001")


async def test_the_difference_is_over_what_has_both_costs(database: db.Database, organization_id: UUID) -> None:
    money = [Money(Decimal(amount), books.USD) for amount in ("0.01", "0.5")]
    await kit.accept(
        database,
        organization_id,
        kit.draft("both", at=START, reported=money[0]),  # ours: 0.0075
        kit.draft("theirs", at=START, reported=money[1], model="no-such-model-9"),
        kit.draft("ours", at=START),
        kit.draft("euros", at=START, reported=Money(Decimal(9), books.EUR)),
    )
    found = (await summary(database, organization_id, whole())).totals
    assert str(found.difference) == "-0.002500000000"
    assert found.reported == Decimal("0.51")
    assert found.cost == Decimal("0.0225")


async def test_another_organizations_usage_is_in_no_answer(
    database: db.Database, organization_id: UUID, ledger: list[dict[str, Any]]
) -> None:
    assert ledger
    other = await conftest.make_organization(database)
    found = await summary(database, other, whole())
    books.check(found.totals, [])
    async with database.transaction(other, read_only=True) as uow:  # even asked for by name
        found = await answering.summary(uow, organization_id=organization_id, asked=whole(), filters=ALL)
    books.check(found.totals, [])


async def test_models_say_when_they_were_first_and_last_used(database: db.Database, organization_id: UUID) -> None:
    for days in (0, 3, 9):
        await kit.accept(database, organization_id, kit.draft(f"{days}", at=START + timedelta(days=days)))
    async with database.transaction(organization_id, read_only=True) as uow:
        over = asked(START + timedelta(days=2), START + timedelta(days=5))
        [model] = (await answering.models(uow, organization_id=organization_id, asked=over, filters=ALL)).models
    assert (model.first_day, model.last_day) == (date(2026, 10, 22), date(2026, 10, 31))
    assert model.measures.events == 1


@pytest.mark.parametrize(
    "start, end",
    [
        (START, START),
        (START, START - timedelta(microseconds=1)),
        (START - timedelta(days=3_661), START),
        (datetime(1999, 12, 31, tzinfo=UTC), datetime(2001, 1, 1, tzinfo=UTC)),
        (datetime(2199, 12, 31, tzinfo=UTC), datetime(2200, 1, 1, 0, 0, 1, tzinfo=UTC)),
    ],
)
def test_a_period_without_time_or_without_end_is_refused(start: datetime, end: datetime) -> None:
    with pytest.raises(types.PeriodInvalid):
        asked(start, end)


@pytest.mark.parametrize(
    "zone, start, end",
    [
        ("UTC", "2026-10-27T00:00", "2026-11-26T00:00"),
        ("Europe/Berlin", "2026-10-26T23:00", "2026-11-25T23:00"),
        ("Asia/Kolkata", "2026-10-26T18:30", "2026-11-25T18:30"),
    ],
)
def test_without_a_period_it_is_the_last_thirty_local_days(zone: str, start: str, end: str) -> None:
    now = datetime(2026, 11, 25, 12, tzinfo=UTC)
    found = answering.asked(start=None, end=None, now=now, time_zone=zone)
    assert found.is_default
    assert found.period == Period(datetime.fromisoformat(f"{start}Z"), datetime.fromisoformat(f"{end}Z"))
