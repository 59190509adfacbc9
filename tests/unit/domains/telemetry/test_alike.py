"""Plain events that are judged together cost and emit what each of them does alone."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import orjson
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.emissions import service as emissions
from carbonledger.domains.pricing import service as pricing
from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.core import checks, identity
from carbonledger.domains.telemetry.service import alike, serials
from carbonledger.entrypoints.rest import telemetry_items
from carbonledger.kernel.usage import COUNT_MAX

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
# One of each kind that the price book has: a plain price, tiers of context, a disputed tier, a price by the hour, a fee for each request,
# reasoning with a price of its own, no price for output, sound; then what neither the book nor the factors have.
MODELS = (
    ("openai", "gpt-4o"),
    ("anthropic", "claude-haiku-5-5"),
    ("anthropic", "claude-sonnet-4-5"),
    ("deepseek", "deepseek-chat"),
    ("perplexity", "sonar"),
    ("perplexity", "sonar-deep-research"),
    ("azure", "ada"),
    ("openai", "gpt-4o-audio-preview"),
    ("openai", "dall-e-3"),
    ("openai", "no-such-model-9"),
    ("nobody", "nothing"),
)
# Around the edges of price tiers and of long context, and the largest there are.
_EDGES = (0, 1, 2, 31_999, 32_000, 100_000, 127_999, 128_000, 128_001, 200_000, 200_001, 272_000, 272_001, COUNT_MAX)
counts = st.none() | st.sampled_from(_EDGES) | st.integers(0, 300_000) | st.integers(0, COUNT_MAX)


@st.composite
def tokens(draw: st.DrawFn) -> dict[str, int | None]:
    output = draw(counts)
    return {
        "uncached_input": draw(counts),
        "cached_input": draw(counts),
        "cache_creation_5m": draw(counts),
        "cache_creation_1h": draw(counts),
        "output": output,
        "reasoning": draw(st.none() | st.integers(0, 2 if output is None else min(output + 1, COUNT_MAX))),
    }


instants = st.datetimes(datetime(2024, 1, 1), datetime(2026, 11, 25)).map(lambda at: f"{at.isoformat()}Z")  # noqa: DTZ001 - its Z follows


@st.composite
def batches(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Events alike, that differ in their time and their counts."""
    provider, model = draw(st.sampled_from(MODELS))
    alike = {
        "idempotency_key": "k",
        "provider": provider,
        "model": model,
        "requests": draw(st.sampled_from([1, 1, 1, None, 0, 2, 1000, COUNT_MAX])),
        "batch": draw(st.booleans()),
        "service_tier": draw(st.sampled_from([None, None, "priority", "flex"])),
        "region": draw(st.sampled_from([None, None, "eu", "westeurope"])),
        "quality": draw(st.sampled_from(["reported", "estimated", "partial"])),
    }
    return [{**alike, "occurred_at": draw(instants), "tokens": draw(tokens())} for _ in range(draw(st.integers(1, 12)))]


def read(*events: dict[str, Any]) -> Sequence[types.Plain]:
    return cast("Sequence[types.Plain]", list(telemetry_items.items([orjson.dumps(event) for event in events])))


def batch() -> alike.Batch:
    places = serials.Places(default=UUID(int=1), projects=frozenset((UUID(int=1),)), agents={})
    return alike.Batch(
        prefix=identity.of_organization(UUID(int=2)),
        booking=types.Booking(source=types.Source.API),
        places=places,
        last=checks.latest(NOW),
        since={},
    )


def sorted_together(items: Sequence[types.Plain]) -> tuple[alike.Batch, list[int], list[int]]:
    """Return items in their lines, the places of those that break a rule, and of those that have to be judged alone."""
    together = batch()
    groups, unsound = together.groups(items, range(len(items)))
    return together, unsound, [place for like, events in groups for place, _ in together.add(like, events)]


@given(st.lists(batches(), max_size=3).map(lambda parts: [event for part in parts for event in part]))
def test_every_event_of_a_line_is_judged_as_it_would_be_alone(sent: list[dict[str, Any]]) -> None:
    items = read(*({**event, "idempotency_key": str(place)} for place, event in enumerate(sent)))
    together, unsound, alone = sorted_together(items) if items else (batch(), [], [])
    assert sorted(unsound) == [place for place, item in enumerate(items) if isinstance(item.drafted(), types.Rejection)]
    assert sorted([*unsound, *alone, *(int(key) for line in together.lines for key in line.keys)]) == list(range(len(items)))
    for line in together.lines:
        first_cost, first = pricing.price(line.draft.usage), emissions.estimate(line.draft.usage)
        for item, pico in zip(line.items, line.picos or itertools.repeat(None), strict=False):
            draft = item.drafted()
            assert isinstance(draft, types.Draft)
            cost, estimate = pricing.price(draft.usage), emissions.estimate(draft.usage)
            assert (pico, first_cost.bits, first_cost.tier) == (cost.amount_pico, cost.bits, cost.tier)
            assert (first.bits, first.rates) == (estimate.bits, estimate.rates)


def test_events_that_differ_in_counts_alone_are_one_line() -> None:
    event = {"idempotency_key": "k", "occurred_at": "2026-11-01T09:00:00Z", "provider": "openai", "model": "gpt-4o"}
    sent = read(*({**event, "tokens": {"uncached_input": count, "output": 7}} for count in range(1, 1000)))
    together, _, _ = sorted_together(sent)
    assert [len(line.items) for line in together.lines] == [999]
    assert together.lines[0].picos[-1] == 2_567_500_000, "999 x 2.50 + 7 x 10.00 USD a million, in 10^-12 USD"
