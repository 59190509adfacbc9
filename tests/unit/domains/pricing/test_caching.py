"""What a cache saved: the price of uncached input less what was paid in its place, by prices in USD per million tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.pricing.core import caching
from carbonledger.domains.pricing.core.book import PriceBook
from carbonledger.domains.pricing.types import CacheTokens, Saving, UnitPrices
from carbonledger.kernel.usage import RequestSize
from tests.unit.domains.pricing import books

COUNTS = st.integers(0, 10**9)


def acme(**rates: Any) -> PriceBook:
    return books.small({"id": "m", "prices": [{"rates": rates}]})


def saved(book: PriceBook, tokens: CacheTokens, *, size: RequestSize | None = None, at: datetime = books.NOON) -> Saving:
    return caching.saving(caching.unit_prices(book.rate_at(provider="acme", model="m", at=at), size=size), tokens)


def test_the_saving_of_anthropics_published_prices_is_net_of_what_writing_cost() -> None:
    """Claude Sonnet 4.5: input 3.00, cache read 0.30, write of 5 minutes 3.75, of an hour 6.00 USD a million.

    1,000,000 x 2.70 - 200,000 x 0.75 - 100,000 x 3.00 = 2.70 - 0.15 - 0.30 = 2.25 USD.
    """
    rate = books.shipped().rate_at(provider="anthropic", model="claude-sonnet-4-5", at=books.NOON)
    found = caching.saving(caching.unit_prices(rate), CacheTokens(1_000_000, 200_000, 100_000))
    assert (found.amount, found.covered, found.not_covered, found.lowest) == (Decimal("2.25"), 1_300_000, 0, 0)


def test_a_cache_that_is_written_and_never_read_costs() -> None:
    book = acme(uncached_input="3", cached_input="0.3", cache_creation_5m="3.75", output="15")
    assert saved(book, CacheTokens(0, 1_000_000, 0)).amount == Decimal("-0.75")


@pytest.mark.parametrize(
    "rates, tokens",
    [
        ({"uncached_input": "3", "output": "15"}, CacheTokens(1000, 0, 0)),  # a cached token is charged as uncached: not a saving of 0
        ({"uncached_input": "3", "cached_input": "0.3", "output": "15"}, CacheTokens(1000, 1, 0)),  # what writing cost is unknown
        ({"uncached_input": "3", "cached_input": "0.3", "cache_creation_5m": "4", "output": "15"}, CacheTokens(1000, 0, 1)),
        ({"cached_input": "0.3", "output": "15"}, CacheTokens(1000, 0, 0)),
        ({}, CacheTokens(1000, 0, 0)),
    ],
    ids=["no cached price", "no price of writing", "no price of an hour", "no price of input", "no price"],
)
def test_without_one_of_the_prices_it_is_not_covered_and_not_nothing(rates: dict[str, str], tokens: CacheTokens) -> None:
    found = saved(acme(**rates), tokens)
    assert (found.amount, found.covered, found.not_covered) == (None, 0, tokens.total)


def test_a_price_that_is_missing_for_what_was_not_used_does_not_matter() -> None:
    assert saved(acme(uncached_input="3", cached_input="0.3", output="15"), CacheTokens(1_000_000, 0, 0)).amount == Decimal("2.7")
    assert saved(acme(uncached_input="3", output="15"), CacheTokens(0, 0, 0)).amount == 0


# Above 200,000 tokens of input a request costs twice as much: input 2.50 and 5, cached input 0.25 and 0.50.
TIERED = {"uncached_input": ["2.5", [200_000, "5"]], "cached_input": ["0.25", [200_000, "0.5"]], "output": "15"}


@pytest.mark.parametrize(
    "size, dollars, lowest",
    [
        (None, "2.25", 1_000_000),  # not told: of the lowest tier, and said so
        (RequestSize(0, 200_000), "2.25", 0),
        (RequestSize(200_000, 1_000_000), "4.5", 0),
        (RequestSize(200_000, None), "4.5", 0),
        (RequestSize(100_000, 300_000), "2.25", 1_000_000),  # the source groups across the threshold
    ],
)
def test_price_tiers_are_decided_by_the_size_that_the_source_tells(size: RequestSize | None, dollars: str, lowest: int) -> None:
    found = saved(acme(**TIERED), CacheTokens(1_000_000, 0, 0), size=size)
    assert (found.amount, found.lowest) == (Decimal(dollars), lowest)


def test_each_stretch_of_time_has_its_own_price() -> None:
    book = books.small(
        {
            "id": "m",
            "prices": [
                {"rates": {"uncached_input": "3", "cached_input": "1", "output": "9"}},
                {"from": "2026-11-10", "rates": {"uncached_input": "2", "cached_input": "1", "output": "9"}},
            ],
        }
    )
    tokens = CacheTokens(1_000_000, 0, 0)
    assert saved(book, tokens, at=datetime(2026, 11, 9, 23, 59, tzinfo=UTC)).amount == 2
    assert saved(book, tokens, at=datetime(2026, 11, 10, tzinfo=UTC)).amount == 1
    found = book.timeline(books.usage()).between(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
    assert [(at.day, caching.unit_prices(rate).uncached_input) for at, rate in found] == [(1, 3_000_000), (10, 2_000_000)]


@pytest.mark.parametrize("model, days", [("deepseek-chat", 3), ("deepseek-v4-pro", 40), ("deepseek-v4-flash", 40)])
def test_the_history_holds_at_every_quarter_of_an_hour(model: str, days: int) -> None:
    """DeepSeek's prices change at half hours of each day, at 16:00 of one and on weekdays only: asked one by one they are the same."""
    book, start = books.shipped(), datetime(2026, 8, 1, 5, 7, tzinfo=UTC)
    history = book.timeline(books.usage("deepseek", model)).between(start, start + timedelta(days=days))
    assert history[0][0] == start
    for step in range(days * 96):
        at = start + timedelta(minutes=15 * step)
        expected = book.rate_at(provider="deepseek", model=model, at=at)
        assert next(rate for since, rate in reversed(history) if since <= at) == expected, at


@given(st.lists(st.builds(CacheTokens, COUNTS, COUNTS, COUNTS), max_size=5), st.tuples(*[st.integers(0, 10**7)] * 4))
def test_sums_of_parts_are_the_part_of_the_sum(parts: list[CacheTokens], prices: tuple[int, int, int, int]) -> None:
    unit = UnitPrices(*prices)
    whole = Saving()
    for part in parts:
        whole = whole.plus(caching.saving(unit, part))
    together = CacheTokens(*(sum(part[place] for part in parts) for place in range(3)))
    assert whole == caching.saving(unit, together)
