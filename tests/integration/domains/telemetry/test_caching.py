"""What caching saved and what each kind of token cost: by hand, and against every event added up one by one by other code."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest

from carbonledger.domains.pricing import service as pricing
from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.service import answering, caching
from carbonledger.domains.telemetry.types import Fact
from carbonledger.domains.telemetry.types.answers import Asked, Dimension, Filters
from carbonledger.domains.telemetry.types.caching import KINDS, ByKind, CacheSaving
from carbonledger.infra import db
from carbonledger.kernel.quantity import EnergyWh
from carbonledger.kernel.usage import RequestSize
from tests import conftest
from tests.integration.domains.telemetry import books, kit

START = datetime(2026, 8, 14, tzinfo=UTC)  # DeepSeek changes a price at 16:00 on the 16th and 22nd, and by the hour between them
DAYS = 12


def asked(start: datetime, end: datetime, zone: str = "UTC") -> Asked:
    return answering.asked(start=start, end=end, now=end, time_zone=zone)


async def saved(database: db.Database, organization_id: UUID, over: Asked, **filters: Any) -> CacheSaving:
    async with database.transaction(organization_id, read_only=True) as uow:
        return await caching.saving(uow, organization_id=organization_id, asked=over, filters=Filters(**filters))


async def kinds(database: db.Database, organization_id: UUID, over: Asked, **filters: Any) -> ByKind:
    async with database.transaction(organization_id, read_only=True) as uow:
        return await caching.by_kind(uow, organization_id=organization_id, asked=over, filters=Filters(**filters))


async def test_the_saving_is_worked_by_hand(database: db.Database, organization_id: UUID) -> None:
    """gpt-4o: 2.50 and cached 1.25 USD a million. Sonnet 4.5: 3.00, read 0.30, written 3.75. dall-e-3 has no price by token.

    1,000,000 x 1.25 + 2,000,000 x 2.70 - 100,000 x 0.75 = 1.25 + 5.40 - 0.075 = 6.575 USD of 3,100,000 tokens of 3,100,500.
    Energy by factor set 1.0, tier medium: a thousand tokens of prefill take 0.075 Wh, cached ones 0.0075; the overhead (PUE) of OpenAI is
    1.18, of Anthropic 1.13: 1,000 x 0.0675 x 1.18 + 2,000 x 0.0675 x 1.13 Wh.
    """
    await kit.accept(
        database,
        organization_id,
        kit.draft("a", at=START, counts=kit.tokens(10, 1_000_000, 1), requests=1_000),
        kit.draft(
            "b",
            at=START + timedelta(hours=30),
            provider="anthropic",
            model="claude-sonnet-4-5",
            counts=kit.tokens(10, 2_000_000, 1, cache_creation_5m=100_000),
            requests=1_000,
        ),
        kit.draft("c", at=START, model="dall-e-3", counts=kit.tokens(0, 500, 0)),
    )
    found = await saved(database, organization_id, asked(START, START + timedelta(days=3)))
    assert (found.tokens, found.cost) == (3_000_500, Decimal("6.575"))
    assert found.cost_coverage.not_covered == Decimal("0.000162"), "500 of 3,100,500, rounded up"
    assert found.energy_wh is not None
    assert found.energy_wh.mid == Decimal("67.5") * Decimal("1.18") + Decimal(135) * Decimal("1.13")
    assert found.coverage.not_covered == Decimal("0.000167"), "500 of 3,000,500, rounded up"


async def test_nothing_known_is_not_covered_and_nothing_cached_is_nothing(database: db.Database, organization_id: UUID) -> None:
    over = asked(START, START + timedelta(days=3))
    nothing = await saved(database, organization_id, over)
    assert (nothing.tokens, nothing.cost, nothing.energy_wh) == (0, Decimal(0), EnergyWh.zero())
    await kit.accept(database, organization_id, kit.draft("a", at=START, model="dall-e-3", counts=kit.tokens(0, 500, 0)))
    found = await saved(database, organization_id, over)
    assert (found.tokens, found.cost, found.energy_wh, found.co2e_g) == (500, None, None, None)


async def test_a_price_that_changes_within_a_day_is_that_of_the_hour(database: db.Database, organization_id: UUID) -> None:
    """deepseek-v4-pro on 18 August 2026: 0.66 and cached 0.022; from 1 to 4 and 6 to 10 o'clock (UTC) 1.32 and 0.044 USD a million."""
    day = datetime(2026, 8, 18, tzinfo=UTC)
    drafts = [
        kit.draft(
            str(hour), at=day + timedelta(hours=hour, minutes=59), provider="deepseek", model="deepseek-v4-pro", counts=kit.tokens(0, 10**6)
        )
        for hour in (0, 1, 4, 9, 10)
    ]
    await kit.accept(database, organization_id, *drafts)
    found = await saved(database, organization_id, asked(day, day + timedelta(days=1)))
    assert found.cost == 3 * Decimal("0.638") + 2 * Decimal("1.276")
    morning = await saved(database, organization_id, asked(day + timedelta(hours=1), day + timedelta(hours=5)))
    assert morning.cost == Decimal("0.638") + Decimal("1.276")


@pytest.fixture
async def ledger(database: db.Database, organization_id: UUID) -> list[dict[str, Any]]:
    await books.write(database, organization_id, seed=11, start=START, days=DAYS, number=300)
    chance = random.Random(3)
    drafts = [
        kit.draft(
            f"deep-{place}",
            at=START + timedelta(microseconds=chance.randrange(DAYS * 86_400_000_000)),
            provider="deepseek",
            model=chance.choice(["deepseek-v4-pro", "deepseek-v4-flash"]),
            counts=kit.tokens(chance.randrange(10**5), chance.randrange(10**5)),
        )
        for place in range(60)
    ]
    large = types.Booking(source=types.Source.CONNECTION)
    sized = [
        kit.draft(
            f"sized-{place}",
            at=START + timedelta(hours=5 * place),
            provider="google",
            model="gemini-2.5-pro",
            counts=kit.tokens(300_000, 700_000),
            requests=None,
            size=size,
        )
        for place, size in enumerate((RequestSize(0, 200_000), RequestSize(200_000, None), None))
    ]
    await kit.accept(database, organization_id, *drafts)
    await kit.accept(database, organization_id, *sized, booking=large)
    return await _events(database, organization_id)


async def _events(database: db.Database, organization_id: UUID) -> list[dict[str, Any]]:
    sizes = await kit.rows(database, organization_id, "SELECT id, size_above, size_up_to FROM telemetry_series WHERE organization_id = $1")
    by_series = {row["id"]: row for row in sizes}
    events = await books.events(database, organization_id)
    return [{**row, **{name: by_series[row["series_id"]][name] for name in ("size_above", "size_up_to")}} for row in events]


def second(rows: Sequence[dict[str, Any]]) -> dict[str, Fraction]:
    """Add up events one by one: what was saved and by how many tokens, and the cost of each kind."""
    sums: dict[str, Fraction] = {name: Fraction(0) for name in ("saved", "known", "all", "energy_mid", "co2e_high", *KINDS)}
    for row in rows:
        if row["facts"] & Fact.DUPLICATE or row["event"] is not None:
            continue
        counts = {name: row[name] or 0 for name in KINDS}
        cache = sum(counts[name] for name in KINDS[1:4])
        sums["all"] += cache
        prices = _prices(row) if row["cost_amount"] is not None else {}
        plain = prices.get("uncached_input")
        parts = [(prices.get(name), counts[name]) for name in KINDS[1:4] if counts[name]]
        if plain is not None and all(price is not None for price, _ in parts):
            sums["known"] += cache
            sums["saved"] += sum(((plain - price) * count for price, count in parts if price is not None), Fraction(0))
        for name, price in prices.items():
            sums[name] += price * counts[name]
        if row["energy_wh"] is not None:
            sums["energy_mid"] += Fraction(row["energy_wh"][3] - row["energy_wh"][4]) * counts["cached_input"]
            sums["co2e_high"] += Fraction(row["co2e_location_g"][6] - row["co2e_location_g"][7]) * counts["cached_input"]
    return sums


def _prices(row: dict[str, Any]) -> dict[str, Fraction]:
    """Return prices of a token as the API lists them at the event's hour: of the tier of its size, or of the lowest."""
    at = row["occurred_at"].replace(minute=0, second=0, microsecond=0)
    rate = pricing.book().rate_at(
        provider=row["provider"], model=row["model"], at=at, batch=row["is_batch"], service_tier=row["service_tier"], region=row["region"]
    )
    if not rate.tiers:
        return {}
    tier = [tier for tier in rate.tiers if tier.above_tokens <= (row["size_above"] or 0)][-1]
    found = {}
    for place, name in enumerate(KINDS):
        price = tier.prices[place]
        if price is not None:
            found[name] = Fraction(price, 10**12)
    return found


PERIODS = [
    (timedelta(0), timedelta(days=DAYS)),
    (timedelta(hours=7), timedelta(days=9, hours=13)),
    (timedelta(days=2, hours=18, minutes=30), timedelta(days=8, hours=18, minutes=30)),
    (timedelta(days=3, minutes=7), timedelta(days=3, hours=2, minutes=31)),
    (timedelta(days=4, minutes=7), timedelta(days=4, minutes=9)),
]


@pytest.mark.parametrize("begins, ends", PERIODS)
async def test_any_period_equals_its_events(
    database: db.Database, organization_id: UUID, ledger: list[dict[str, Any]], begins: timedelta, ends: timedelta
) -> None:
    over = asked(START + begins, START + ends)
    expected = second([row for row in ledger if over.period.contains(row["occurred_at"])])
    found = await saved(database, organization_id, over)
    assert Fraction(found.cost or 0) == expected["saved"]
    assert found.energy_wh is None or Fraction(found.energy_wh.mid) == expected["energy_mid"]
    assert found.co2e_g is None or Fraction(found.co2e_g.high) == expected["co2e_high"]
    missing = expected["all"] - expected["known"]
    share = missing / expected["all"] if expected["all"] else Fraction(0)
    assert 0 <= Fraction(found.cost_coverage.not_covered) - share < Fraction(1, 10**6)
    told = await kinds(database, organization_id, over)
    assert {one.kind: Fraction(one.cost or 0) for one in told.kinds} == {name: expected[name] for name in KINDS}


async def test_kinds_and_the_rest_are_the_totals(database: db.Database, organization_id: UUID, ledger: list[dict[str, Any]]) -> None:
    over = asked(START, START + timedelta(days=DAYS), "Asia/Kolkata")
    for filters in ({}, {"provider": "openai"}, {"batch": True}, {"service_tier": "nothing"}):
        async with database.transaction(organization_id, read_only=True) as uow:
            whole = await answering.breakdown(
                uow, organization_id=organization_id, asked=over, filters=Filters(**filters), group_by=[Dimension.PROVIDER]
            )
        found = await kinds(database, organization_id, over, **filters)
        totals = whole.totals
        assert sum((one.cost or 0 for one in found.kinds), Decimal(0)) + found.other_cost == (totals.cost or 0)
        assert [one.tokens for one in found.kinds] == [getattr(totals, name) for name in KINDS]
        for bound in ("low", "mid", "high"):
            energy = sum((getattr(one.energy_wh, bound) for one in found.kinds if one.energy_wh), Decimal(0))
            assert energy == (getattr(totals.energy_wh, bound) if totals.energy_wh else 0)


async def test_no_organization_sees_anothers_saving(database: db.Database, ledger: list[dict[str, Any]]) -> None:
    assert ledger
    found = await saved(database, await conftest.make_organization(database), asked(START, START + timedelta(days=DAYS)))
    assert (found.tokens, found.cost) == (0, Decimal(0))
