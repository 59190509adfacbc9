"""What holds for every cost: its parts add up to it, it equals the plain sum of counts times prices, and sums do not change it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.pricing.types import BUCKETS, Cost, Flag, PriceKind, PriceTier
from carbonledger.kernel import currency, money
from carbonledger.kernel.usage import TokenBuckets, Usage
from tests.unit.domains.pricing import books

COUNTS = st.integers(0, 10_000_000)
MAYBE = st.none() | COUNTS
# One of each sort: flat, tiered, sound and images apart, reasoning apart, a fee per request, no output price, discounts, disputed.
MODELS = st.sampled_from(
    [
        ("openai", "gpt-4o"),
        ("openai", "gpt-5.4"),
        ("openai", "gpt-realtime"),
        ("openai", "gpt-image-1.5"),
        ("openai", "text-embedding-3-small"),
        ("openai", "gpt-4"),
        ("anthropic", "claude-haiku-5-5"),
        ("anthropic", "claude-sonnet-4-5"),
        ("google", "gemini-2.5-flash"),
        ("deepseek", "deepseek-v4-flash"),
        ("perplexity", "sonar"),
        ("perplexity", "sonar-deep-research"),
        ("azure", "gpt-4o"),
        ("openai", "whisper-1"),
        ("openai", "nothing-known"),
    ]
)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    uncached, cached, output = draw(MAYBE), draw(MAYBE), draw(MAYBE)

    def parts_of(bucket: int | None) -> tuple[int | None, int | None]:
        if bucket is None:
            return None, None
        first = draw(st.none() | st.integers(0, bucket))
        return first, draw(st.none() | st.integers(0, bucket - (first or 0)))

    audio_input, image_input = parts_of(uncached)
    cached_audio, cached_image = parts_of(cached)
    audio_output, image_output = parts_of(output)
    tokens = TokenBuckets(
        uncached_input=uncached,
        cached_input=cached,
        cache_creation_5m=draw(MAYBE),
        cache_creation_1h=draw(MAYBE),
        output=output,
        reasoning=None if output is None else draw(st.none() | st.integers(0, output)),
        audio_input=audio_input,
        image_input=image_input,
        cached_audio_input=cached_audio,
        cached_image_input=cached_image,
        audio_output=audio_output,
        image_output=image_output,
    )
    provider, model = draw(MODELS)
    return Usage(
        provider=provider,
        model=model,
        occurred_at=books.NOON,
        tokens=tokens,
        requests=draw(st.none() | st.integers(0, 1000)),
        batch=draw(st.booleans()),
        service_tier=draw(st.sampled_from([None, "default", "flex", "unheard-of"])),
    )


@given(usages())
def test_the_parts_add_up_to_the_amount(usage: Usage) -> None:
    cost = books.shipped().price(usage)
    assert cost.amount is None or sum(part.amount for part in cost.parts) == cost.amount
    assert all(part.amount == part.count * part.unit_price for part in cost.parts)


@given(usages())
def test_the_counts_of_the_parts_are_the_tokens(usage: Usage) -> None:
    """Nothing is charged twice, and nothing that has a price is left out."""
    cost = books.shipped().price(usage)
    charged = sum(part.count for part in cost.parts if part.kind is not PriceKind.REQUEST)
    told = sum(getattr(usage.tokens, bucket.value) or 0 for bucket in BUCKETS)
    assert cost.amount is None or charged == told


@given(usages())
def test_the_amount_is_the_plain_sum_of_the_book(usage: Usage) -> None:
    """A second reading of the rules, slow and in decimals, from the prices that the tier states."""
    cost = books.shipped().price(usage)
    if cost.tier is not None and cost.amount is not None:
        assert cost.amount == plainly(cost.tier, usage)


def plainly(tier: PriceTier, usage: Usage) -> Decimal:
    def price(*kinds: PriceKind) -> Decimal:
        return next((Decimal(found) for kind in kinds if (found := tier.price(kind)) is not None), Decimal(0))

    tokens, kind = usage.tokens, PriceKind
    uncached = tokens.uncached_input or 0
    cached = tokens.cached_input or 0
    output = tokens.output or 0
    audio, image = tokens.audio_input or 0, tokens.image_input or 0
    cached_audio, cached_image = tokens.cached_audio_input or 0, tokens.cached_image_input or 0
    audio_output, image_output = tokens.audio_output or 0, tokens.image_output or 0
    total = (uncached - audio - image) * price(kind.UNCACHED_INPUT)
    total += audio * price(kind.AUDIO_INPUT, kind.UNCACHED_INPUT) + image * price(kind.IMAGE_INPUT, kind.UNCACHED_INPUT)
    total += (cached - cached_audio - cached_image) * price(kind.CACHED_INPUT, kind.UNCACHED_INPUT)
    total += cached_audio * price(kind.CACHED_AUDIO_INPUT, kind.CACHED_INPUT, kind.UNCACHED_INPUT)
    total += cached_image * price(kind.CACHED_IMAGE_INPUT, kind.CACHED_INPUT, kind.UNCACHED_INPUT)
    total += (tokens.cache_creation_5m or 0) * price(kind.CACHE_CREATION_5M, kind.UNCACHED_INPUT)
    total += (tokens.cache_creation_1h or 0) * price(kind.CACHE_CREATION_1H, kind.CACHE_CREATION_5M, kind.UNCACHED_INPUT)
    if tier.price(kind.REASONING) is not None:
        reasoning = tokens.reasoning or 0
        total += (output - reasoning) * price(kind.OUTPUT) + reasoning * price(kind.REASONING)
    else:
        total += (output - audio_output - image_output) * price(kind.OUTPUT)
        total += audio_output * price(kind.AUDIO_OUTPUT, kind.OUTPUT) + image_output * price(kind.IMAGE_OUTPUT, kind.OUTPUT)
    total += (usage.requests or 0) * price(kind.REQUEST)
    return total.scaleb(-12)


@given(usages())
def test_no_amount_exactly_where_a_flag_says_why(usage: Usage) -> None:
    cost = books.shipped().price(usage)
    assert cost.is_covered is all(flag.is_covered for flag in cost.flags)
    assert (cost.amount is None) is (cost.money is None) is (not cost.is_covered)


@given(st.lists(st.tuples(COUNTS, COUNTS, COUNTS), min_size=1, max_size=6))
def test_without_tiers_the_cost_of_a_sum_is_the_sum_of_the_costs(calls: list[tuple[int, int, int]]) -> None:
    def cost(uncached: int, cached: int, output: int, requests: int) -> Decimal | None:
        usage = books.usage("openai", "gpt-4o", requests=requests, uncached_input=uncached, cached_input=cached, output=output)
        return books.shipped().price(usage).amount

    uncached, cached, output = (sum(counts) for counts in zip(*calls, strict=True))
    assert cost(uncached, cached, output, len(calls)) == sum(cost(*call, 1) or 0 for call in calls)


@given(st.integers(1, 1_000_000), st.integers(1, 1000))
def test_equal_requests_cost_as_a_sum_what_they_cost_one_by_one(tokens: int, requests: int) -> None:
    """Above and below the threshold of 100,000: the average is then no estimate."""
    one = books.usage("anthropic", "claude-haiku-5-5", uncached_input=tokens, output=tokens)
    all_of_them = books.usage(
        "anthropic", "claude-haiku-5-5", requests=requests, uncached_input=tokens * requests, output=tokens * requests
    )
    single = books.shipped().price(one).amount_pico
    assert single is not None
    assert books.shipped().price(all_of_them).amount_pico == single * requests


@pytest.mark.parametrize(
    "reported, difference",
    [
        ("0.0075", "0"),
        ("0.0070", "0.0005"),
        ("0.0080", "-0.0005"),
    ],
)
def test_the_providers_own_figure_stands_beside_ours(reported: str, difference: str) -> None:
    usd = currency.by_code("USD")
    usage = books.usage("openai", "gpt-4o", uncached_input=1000, output=500)
    cost = books.shipped().price(usage, reported=money.Money(Decimal(reported), usd))
    assert cost.amount == Decimal("0.0075")
    assert cost.reported == money.Money(Decimal(reported), usd)
    assert cost.difference == money.Money(Decimal(difference), usd)


def test_a_figure_in_another_currency_is_kept_and_not_compared() -> None:
    usage = books.usage("openai", "gpt-4o", uncached_input=1000)
    cost = books.shipped().price(usage, reported=money.Money(Decimal(1), currency.by_code("EUR")))
    with pytest.raises(money.CurrencyMismatch):
        _ = cost.difference


@pytest.mark.parametrize("usage", [books.usage("openai", "gpt-99"), books.usage("openai", "gpt-4o")])
def test_no_difference_without_both_figures(usage: Usage) -> None:
    assert books.shipped().price(usage).difference is None


def test_what_is_known_of_a_cost_that_is_not_covered() -> None:
    cost = books.shipped().price(books.usage("openai", "gpt-4o", uncached_input=1000, output=None))
    assert (cost.amount, [part.amount for part in cost.parts]) == (None, [Decimal("0.0025")])


@pytest.mark.parametrize("bits", range(1 << 4))
def test_flags_are_a_set_in_their_order(bits: int) -> None:
    usage = books.usage("openai", "gpt-99")
    rate = books.shipped().rate_at(provider="openai", model="gpt-99", at=books.NOON)
    cost = Cost(None, rate, None, usage.tokens, 1, bits, "v", None)
    assert cost.flags == tuple(flag for place, flag in enumerate(Flag) if bits >> place & 1)


@pytest.mark.parametrize(
    "counts, amount, flags",
    [
        ({"uncached_input": 1}, None, (Flag.RATE_MISSING,)),
        ({"cached_input": 1}, None, (Flag.RATE_MISSING,)),  # nothing to take for its price either
        ({"output": 1_000_000}, Decimal(1), ()),  # what has no tokens needs no price
        ({"uncached_input": None, "output": 1}, None, (Flag.TOKENS_UNKNOWN,)),
    ],
)
def test_input_of_a_model_without_a_price_for_input(counts: dict[str, Any], amount: Decimal | None, flags: tuple[Flag, ...]) -> None:
    book = books.small({"id": "m", "prices": [{"rates": {"output": "1"}}]})
    cost = book.price(books.usage(**counts))
    assert (cost.amount, cost.flags) == (amount, flags)


def test_no_flag_of_the_model_hides_another() -> None:
    rates: dict[str, Any] = {"uncached_input": "1"}
    book = books.small({"id": "m", "prices": [{"rates": rates}], "other": ["pages"]})
    cost = book.price(books.usage(batch=True, cached_input=1, cache_creation_5m=1, output=1))
    assert cost.flags == (Flag.RATE_MISSING, Flag.BATCH_RATE_MISSING, Flag.OTHER_CHARGES)
