"""LiteLLM's prices of the models most used: where both books have a price it is the same, tiers, batches and service tiers included.

Both take their numbers from the providers' price pages, so this shows consistency, not what an invoice will say.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from carbonledger.domains.pricing.core import comparison
from carbonledger.domains.pricing.types import PriceKind
from tests.unit.domains.pricing import books

THEIRS = comparison.read_litellm((Path(__file__).parent / "litellm-1.109.1.json").read_bytes())
PEAK = datetime(2026, 11, 20, 9, tzinfo=UTC)  # a Friday: their one price for DeepSeek is that of peak hours
FOUND = comparison.compare(books.shipped(), THEIRS, at=PEAK)


def test_no_price_that_both_have_differs() -> None:
    assert [row for row in FOUND.rows if row.ours is not None and row.theirs is not None] == []
    assert FOUND.agreed == 550
    assert FOUND.only_theirs == ()


def test_what_only_one_of_them_has_is_known() -> None:
    """Theirs: Google's service tiers. Ours: an hour's cache creation in batches, cached input of batches that costs as without, a zero."""
    only_theirs = {(row.provider, row.service) for row in FOUND.rows if row.ours is None}
    only_ours = {(row.provider, row.service, row.kind) for row in FOUND.rows if row.theirs is None}
    assert only_theirs == {("gemini", "flex"), ("gemini", "priority")}
    assert only_ours == {
        ("anthropic", "batch", PriceKind.CACHE_CREATION_1H),
        ("openai", "batch", PriceKind.CACHED_INPUT),
        ("mistral", "standard", PriceKind.OUTPUT),
    }


@pytest.mark.parametrize(
    "key",
    ["deepseek-chat", "deepseek-reasoner", "text-embedding-3-small", "claude-sonnet-4-5", "mistral/mistral-large-latest"],
)
def test_what_the_release_has_otherwise_is_settled(key: str) -> None:
    """Each differs between genai-prices and LiteLLM, and an override of ours decides."""
    (model,) = (model for model in THEIRS if model.key == key)
    rates = [books.shipped().rate_at(provider=model.provider, model=model.name, at=PEAK, service_tier=service) for service in model.prices]
    assert any(rule.startswith("override:") for rate in rates for rule in rate.rules)
    assert not [row for row in FOUND.rows if row.key == key and None not in (row.ours, row.theirs)]
