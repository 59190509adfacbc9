"""The breakdown of a cost, in words: rate, tier, products, sum, what must be said, and the provider's own figure."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from carbonledger.domains.pricing.core import breakdown
from carbonledger.domains.pricing.types import Flag, Step
from carbonledger.kernel import currency
from carbonledger.kernel.money import Money
from carbonledger.kernel.usage import Usage
from tests.unit.domains.pricing import books

DOCS = Path(__file__).parents[4] / "docs/methodology/cost.md"


def test_a_sum_of_requests_in_a_tier_with_the_providers_figure_beside_it() -> None:
    usage = books.usage("anthropic", "claude-haiku-5-5", requests=10, batch=True, uncached_input=1_000_001, cached_input=0, output=2000)
    cost = books.shipped().price(usage, reported=Money(Decimal("0.25"), currency.by_code("USD")))
    version = books.shipped().version
    assert breakdown.explain(cost) == (
        Step(
            f"Price book {version}, anthropic/claude-haiku-5-5, batch service from 2026-10-14T00:00:00Z: anthropic/claude-haiku-5-5.",
            (
                "https://platform.claude.com/docs/en/about-claude/pricing#long-context-pricing",
                "https://platform.claude.com/docs/en/about-claude/models/overview",
            ),
        ),
        Step(
            "Over it: anthropic/claude-haiku-5-5:batch@2026-10-14.",
            (
                "https://platform.claude.com/docs/en/about-claude/pricing#long-context-pricing",
                "https://platform.claude.com/docs/en/about-claude/models/overview",
            ),
        ),
        Step("Price tier of requests with more than 100000 input tokens: 1000001 in 10 requests."),
        Step("1000001 tokens of uncached_input at 0.00000025 USD each: 0.25000025 USD."),
        Step("2000 tokens of output at 0.00000125 USD each: 0.0025 USD."),
        Step("In sum 0.25250025 USD, unrounded."),
        Step("Many requests are known only as a sum: the price tier is that of a request of the average size."),
        Step("The provider reports 0.25 USD. Ours less that: 0.00250025 USD."),
    )


def test_our_own_price_gives_its_reason() -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    cost = books.shipped().price(books.usage("deepseek", "deepseek-chat", at=at, uncached_input=1000))
    said = [step.text for step in breakdown.explain(cost)]
    named = "deepseek/deepseek-chat, standard service from 2025-09-29T00:00:00Z until 2026-04-24T00:00:00Z: override:deepseek-v3.2."
    assert said[0] == f"Price book {books.shipped().version}, {named}"
    assert said[1].startswith("DeepSeek cut its prices with V3.2-Exp")
    assert said[2:] == ["1000 tokens of uncached_input at 0.00000028 USD each: 0.00028 USD.", "In sum 0.00028 USD, unrounded."]


@pytest.mark.parametrize(
    "usage, said",
    [
        (books.usage("openai", "gpt-99"), ["The price book does not have this model, so there is no cost."]),
        (
            books.usage("perplexity", "sonar", requests=2),
            ["2 requests at 0.012 USD each: 0.024 USD.", "In sum 0.024 USD, unrounded."],
        ),
        (
            books.usage("anthropic", "claude-haiku-5-5", uncached_input=1),
            [
                "Price tier of requests with at most 100000 input tokens.",
                "1 tokens of uncached_input at 0.0000001 USD each: 0.0000001 USD.",
                "In sum 0.0000001 USD, unrounded.",
            ],
        ),
    ],
)
def test_what_follows_the_rate(usage: Usage, said: list[str]) -> None:
    steps = breakdown.explain(books.shipped().price(usage))
    assert [step.text for step in steps][-len(said) :] == said


def test_a_price_of_certain_hours_says_so() -> None:
    peak = books.usage("deepseek", "deepseek-v4-flash", at=datetime(2026, 11, 20, 3, tzinfo=UTC), uncached_input=1)
    assert ", at these hours: override:deepseek-v4.1-flash-peak-weekdays." in breakdown.explain(books.shipped().price(peak))[0].text


def test_a_figure_in_another_currency_is_told_and_not_compared() -> None:
    reported = Money(Decimal("1.5"), currency.by_code("EUR"))
    cost = books.shipped().price(books.usage("openai", "gpt-4o", uncached_input=1), reported=reported)
    assert breakdown.explain(cost)[-1] == Step("The provider reports 1.50 EUR.")


def test_every_flag_is_said_here_and_on_the_page_of_the_method() -> None:
    assert set(breakdown.SAID) == set(Flag)
    page = DOCS.read_text(encoding="utf-8")
    assert [flag.value for flag in Flag if f"`{flag.value}`" not in page] == []
