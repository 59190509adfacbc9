"""A second reading of the ledger: every event and rate as they stand, added up here in fractions, by other code than that which answers."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.types import Fact
from carbonledger.domains.telemetry.types.answers import Measures
from carbonledger.infra import db
from carbonledger.kernel import currency
from carbonledger.kernel.money import Money
from carbonledger.kernel.usage import UsageQuality
from tests.integration.domains.telemetry import kit

_EVENTS = """
SELECT e.*, s.source, s.connection_id, s.project_id, s.workload_id, s.agent_id, s.account, s.provider, s.model, s.operation, s.is_batch,
    s.service_tier, s.region, s.event, r.energy_wh, r.co2e_location_g, r.co2e_market_g, r.water_ml
FROM telemetry_events e JOIN telemetry_series s ON s.id = e.series_id LEFT JOIN emission_rates r ON r.id = e.emission_rate_id
WHERE e.organization_id = $1
"""
BUCKETS = ("uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h", "output")
USD = currency.by_code("USD")
EUR = currency.by_code("EUR")
MODELS = (
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-mini"),
    ("anthropic", "claude-sonnet-4-5"),
    ("google", "gemini-2.5-pro"),
    ("openai", "dall-e-3"),
    ("openai", "no-such-model-9"),
    ("nobody", "nothing"),
)


async def events(database: db.Database, organization_id: UUID) -> list[dict[str, Any]]:
    return await kit.rows(database, organization_id, _EVENTS)


def measured(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the measures of these events by name."""
    sums: dict[str, Fraction] = dict.fromkeys(Measures._fields, Fraction(0))
    for row in rows:
        for name, value in _measures(row):
            sums[name] += Fraction(value)
    return sums


def check(found: Measures, rows: Sequence[dict[str, Any]]) -> None:
    """Fail unless the answer is what these events say, to the last digit."""
    assert {name: Fraction(value) for name, value in found._asdict().items()} == measured(rows)


def _measures(row: dict[str, Any]) -> list[tuple[str, Any]]:
    known = {name: row[name] or 0 for name in (*BUCKETS, "reasoning", "requests")}
    tokens = sum(known[name] for name in BUCKETS)
    if row["facts"] & Fact.DUPLICATE:
        return [("duplicate_events", 1), ("duplicate_tokens", tokens)]
    if row["event"] is not None:
        return [("metered_events", 1), ("quantity", row["quantity"])]
    found: list[tuple[str, Any]] = [("events", 1), *known.items()]
    found += [(f"unknown_{name}", 1) for name in known if row[name] is None]
    if row["facts"] & Fact.PROVISIONAL:
        found.append(("provisional_tokens", tokens))
    return [*found, *_cost(row, tokens), *_emissions(row, known, tokens)]


def _is_ours(row: dict[str, Any]) -> bool:
    return bool(row["facts"] & (Fact.ESTIMATED | Fact.PARTIAL))


def _cost(row: dict[str, Any], tokens: int) -> list[tuple[str, Any]]:
    is_reported = row["reported_cost"] is not None and row["reported_currency"] == "USD"
    found: list[tuple[str, Any]] = [("reported_events", 1), ("reported_usd", row["reported_cost"])] if is_reported else []
    if row["cost_amount"] is None:
        return [*found, ("cost_not_covered_events", 1), ("cost_not_covered_tokens", tokens)]
    found.append(("cost_amount", row["cost_amount"]))
    if is_reported:
        found += [("compared_events", 1), ("compared_cost", row["cost_amount"]), ("compared_usd", row["reported_cost"])]
    if _is_ours(row) or row["facts"] & Fact.COST_ESTIMATED:
        found.append(("cost_estimated_tokens", tokens))
    return found


def _emissions(row: dict[str, Any], known: dict[str, int], tokens: int) -> list[tuple[str, Any]]:
    if row["energy_wh"] is None:
        return [("not_covered_events", 1), ("not_covered_tokens", tokens)]
    found: list[tuple[str, Any]] = []
    if _is_ours(row) or row["facts"] & Fact.EMISSIONS_ASSUMED:
        found.append(("estimated_tokens", tokens))
    phases = (known["uncached_input"] + known["cache_creation_5m"] + known["cache_creation_1h"], known["cached_input"], known["output"])
    for name, column in (("energy", "energy_wh"), ("co2e", "co2e_location_g"), ("market", "co2e_market_g"), ("water", "water_ml")):
        rates = row[column]
        if rates is None:
            continue
        for place, bound in enumerate(("low", "mid", "high")):
            three = rates[3 * place : 3 * place + 3]
            found.append((f"{name}_{bound}", sum(Fraction(rate) * count for rate, count in zip(three, phases, strict=True))))
        if name == "market":
            found.append(("market_tokens", tokens))
    return found


async def write(
    database: db.Database, organization_id: UUID, *, seed: int, start: datetime, days: int, number: int, projects: Sequence[UUID] = ()
) -> None:
    """Add events of every kind there is, at every time of these days, then revise some and settle some. The seed says which."""
    chance = random.Random(seed)
    times = [_time(chance, start, days) for _ in range(number)]
    drafts = [_draft(chance, f"{seed}-{place}", at, projects) for place, at in enumerate(times)]
    last = start + timedelta(days=days)
    for booking, share in ((kit.API, drafts[::2]), (kit.PROVISIONAL, drafts[1::4]), (DUPLICATE, drafts[3::4])):
        await kit.accept(database, organization_id, *share, booking=booking, at=last)
    again = [
        _draft(random.Random(place), draft.idempotency_key, times[place], projects, like=draft) for place, draft in enumerate(drafts[:40])
    ]
    await kit.accept(database, organization_id, *again, booking=kit.API, at=last)


DUPLICATE = types.Booking(source=types.Source.CONNECTION, is_duplicate=True)


def _time(chance: random.Random, start: datetime, days: int) -> datetime:
    at = start + timedelta(microseconds=chance.randrange(days * 86_400_000_000))
    # A quarter lies exactly on a full or half hour, or a microsecond before it: where bounds are.
    if chance.random() < 0.25:
        at = at.replace(minute=chance.choice((0, 30, 45)), second=0, microsecond=0) - timedelta(microseconds=chance.choice((0, 1)))
    return max(at, start)


def _draft(chance: random.Random, key: str, at: datetime, projects: Sequence[UUID], like: types.AnyDraft | None = None) -> types.AnyDraft:
    if isinstance(like, types.MeteredDraft) or (like is None and chance.random() < 0.05):
        event = like.event if isinstance(like, types.MeteredDraft) else chance.choice(("pages", "calls"))
        return kit.metered(key, str(Decimal(chance.randrange(10**9)).scaleb(-6)), at=at, event=event)
    provider, model = (like.usage.provider, like.usage.model) if like is not None else chance.choice(MODELS)
    maybe: Callable[[int], int | None] = lambda most: None if chance.random() < 0.2 else chance.randrange(most)  # noqa: E731 - of this draw
    output = maybe(5_000)
    counts = kit.tokens(
        maybe(200_000),
        maybe(50_000),
        output,
        cache_creation_5m=maybe(9_000),
        cache_creation_1h=maybe(9_000),
        reasoning=None if output is None or chance.random() < 0.5 else output // 3,
    )
    reported = None if chance.random() < 0.6 else Money(Decimal(chance.randrange(10**6)).scaleb(-6), chance.choice((USD, USD, EUR)))
    return kit.draft(
        key,
        at=at,
        counts=counts,
        provider=provider,
        model=model,
        requests=maybe(9),
        batch=chance.random() < 0.2,
        region=chance.choice((None, None, "us-east-1", "eu-west-1", "us-central1")),
        quality=chance.choice((UsageQuality.REPORTED, UsageQuality.REPORTED, UsageQuality.ESTIMATED, UsageQuality.PARTIAL)),
        operation=chance.choice((None, "chat", "embeddings")),
        account=chance.choice((None, "acme", "=cmd")),
        project_id=chance.choice(projects) if projects else None,
        reported=reported,
    )
