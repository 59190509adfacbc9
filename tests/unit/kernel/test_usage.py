"""Token buckets: disjoint, bounded, unknown kept apart from zero, and sums that keep every total."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.kernel import usage
from carbonledger.kernel.usage import COUNT_MAX, TokenBuckets, Usage

AT = datetime(2026, 11, 21, 10, tzinfo=UTC)


@st.composite
def token_buckets(draw: st.DrawFn) -> TokenBuckets:
    counts: dict[str, int | None] = {name: draw(st.none() | st.integers(0, 10**9)) for name in usage.BUCKETS}
    for whole, parts in usage._PARTS:
        left = counts[whole]
        for part in parts:
            counts[part] = None if left is None else draw(st.none() | st.integers(0, left))
            left = None if left is None else left - (counts[part] or 0)
    return TokenBuckets(**counts)


TOTALS = [
    # buckets, total input, total
    # OpenAI's own example: 1,000 input tokens of which 400 cached and 100 written to the cache, 500 out
    ({"uncached_input": 500, "cached_input": 400, "cache_creation_5m": 100, "cache_creation_1h": 0, "output": 500}, 1000, 1500),
    # Anthropic's shape: two times of cache creation
    ({"uncached_input": 14, "cached_input": 0, "cache_creation_5m": 7, "cache_creation_1h": 9, "output": 65}, 30, 95),
    ({"uncached_input": 1000, "output": 500}, 1000, 1500),  # not told apart: the whole input is in uncached_input
    ({"uncached_input": 1000}, 1000, None),  # the answer was cut off before its count came
    ({"output": 500}, None, None),
    ({"cached_input": 400, "output": 500}, None, None),  # a part of the input is not the input
    ({"uncached_input": 0, "output": 0}, 0, 0),  # an explicit zero is known
    ({}, None, None),
    ({"uncached_input": 100, "output": 50, "reasoning": 40, "audio_input": 60, "audio_output": 10}, 100, 150),  # parts add nothing
]


@pytest.mark.parametrize("counts, total_input, total", TOTALS)
def test_totals_table(counts: dict[str, int], total_input: int | None, total: int | None) -> None:
    tokens = TokenBuckets(**counts)
    assert (tokens.total_input, tokens.total) == (total_input, total)


def test_input_is_split_when_every_bucket_of_it_is_known() -> None:
    assert TokenBuckets(uncached_input=1, cached_input=0, cache_creation_5m=0, cache_creation_1h=0).is_split
    assert not TokenBuckets(uncached_input=1, cached_input=0, cache_creation_5m=0).is_split


INVALID = [
    # counts, where, which rule
    ({"output": -1}, ["/output"], ["count_invalid"]),
    ({"output": 9_007_199_254_740_992}, ["/output"], ["count_invalid"]),
    ({"output": 1.0}, ["/output"], ["count_invalid"]),  # a float is no count, not even a whole one
    ({"output": True}, ["/output"], ["count_invalid"]),
    ({"output": "5"}, ["/output"], ["count_invalid"]),
    ({"output": 10, "reasoning": 11}, ["/output"], ["parts_exceed_whole"]),
    ({"uncached_input": 10, "audio_input": 6, "image_input": 5}, ["/uncached_input"], ["parts_exceed_whole"]),  # 11 of 10
    ({"cached_input": 10, "cached_audio_input": 11}, ["/cached_input"], ["parts_exceed_whole"]),
    ({"output": 10, "audio_output": 6, "image_output": 5}, ["/output"], ["parts_exceed_whole"]),
    ({"reasoning": 1}, ["/reasoning"], ["part_of_unknown"]),
    ({"cached_input": None, "cached_image_input": 0}, ["/cached_image_input"], ["part_of_unknown"]),
    ({"uncached_input": -5, "audio_input": 1}, ["/uncached_input"], ["count_invalid"]),  # nothing is measured against nonsense
    # all problems at once
    ({"uncached_input": -5, "output": 1, "reasoning": 2}, ["/uncached_input", "/output"], ["count_invalid", "parts_exceed_whole"]),
]


@pytest.mark.parametrize("counts, pointers, codes", INVALID)
def test_a_broken_rule_is_named_with_its_place(counts: dict[str, Any], pointers: list[str], codes: list[str]) -> None:
    with pytest.raises(usage.UsageInvalid) as caught:
        TokenBuckets(**counts)
    assert [problem.pointer for problem in caught.value.problems] == pointers
    assert [problem.code for problem in caught.value.problems] == codes


@pytest.mark.parametrize(
    "counts",
    [
        {"output": 9_007_199_254_740_991},  # 2^53 - 1
        {"output": 10, "reasoning": 10},  # all of it reasoning
        {"output": 10, "reasoning": 10, "audio_output": 10},  # reasoning is no modality
        {"uncached_input": 10, "audio_input": 4, "image_input": 6},
        {"uncached_input": 0, "audio_input": 0},
    ],
)
def test_the_edges_of_the_rules_hold(counts: dict[str, int]) -> None:
    assert TokenBuckets(**counts) == TokenBuckets(**counts)


def test_a_sum_adds_bucket_to_bucket() -> None:
    one = TokenBuckets(uncached_input=1, cached_input=2, cache_creation_5m=3, cache_creation_1h=4, output=5, reasoning=5)
    two = TokenBuckets(uncached_input=10, cached_input=20, cache_creation_5m=30, cache_creation_1h=40, output=50, reasoning=0)
    assert one + two == TokenBuckets(uncached_input=11, cached_input=22, cache_creation_5m=33, cache_creation_1h=44, output=55, reasoning=5)


def test_what_one_side_does_not_know_the_sum_does_not_know() -> None:
    known, cut_off = TokenBuckets(uncached_input=1, output=5, reasoning=2), TokenBuckets(uncached_input=1)
    assert (known + cut_off).output is None
    assert (known + cut_off).total is None
    assert (known + TokenBuckets(uncached_input=1, output=5)).reasoning is None


def test_tokens_that_one_side_does_not_tell_apart_move_to_uncached() -> None:
    told = TokenBuckets(uncached_input=60, cached_input=40, cache_creation_5m=5, cache_creation_1h=0, output=1, audio_input=9)
    untold = TokenBuckets(uncached_input=100, cache_creation_5m=0, output=1, audio_input=1)
    both = told + untold
    assert (both.uncached_input, both.cached_input, both.cache_creation_5m, both.cache_creation_1h) == (200, None, 5, None)
    assert both.total_input == 205 == 105 + 100
    assert both.audio_input is None  # which of the 40 are audio is not told


def test_adding_no_tokens_changes_nothing() -> None:
    tokens = TokenBuckets(uncached_input=60, output=7, reasoning=3, audio_input=9)
    assert tokens + TokenBuckets.zero() == tokens == TokenBuckets.zero() + tokens


def test_adding_something_else_is_an_error() -> None:
    with pytest.raises(TypeError):
        TokenBuckets() + 1  # type: ignore[operator]


def test_a_sum_beyond_the_bound_is_refused() -> None:
    with pytest.raises(usage.UsageInvalid):
        TokenBuckets(output=COUNT_MAX) + TokenBuckets(output=1)


@given(token_buckets(), token_buckets(), token_buckets())
def test_sums_keep_totals_in_any_order(one: TokenBuckets, two: TokenBuckets, three: TokenBuckets) -> None:
    both = one + two
    assert both == two + one
    assert both + three == one + (two + three)
    if one.total_input is not None and two.total_input is not None:
        assert both.total_input == one.total_input + two.total_input
    if one.total is not None and two.total is not None:
        assert both.total == one.total + two.total
    else:
        assert both.total is None


def call(**changed: Any) -> Usage:
    members: dict[str, Any] = {"provider": "openai", "model": "gpt-4o", "occurred_at": AT, "tokens": TokenBuckets(output=1), "requests": 1}
    return Usage(**(members | changed))


def test_usage_is_held_in_utc_and_names_its_key() -> None:
    berlin = timezone(timedelta(hours=1))
    made = call(occurred_at=datetime(2026, 11, 21, 11, tzinfo=berlin))
    assert made.occurred_at == AT
    assert made.occurred_at.tzinfo is UTC
    assert made.key == ("openai", "gpt-4o")


def test_a_call_is_no_batch_unless_it_says_so() -> None:
    assert not call().batch


def test_a_time_without_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="offset"):
        call(occurred_at=datetime(2026, 11, 21))  # noqa: DTZ001 - the point


@pytest.mark.parametrize(
    "member, value",
    [
        ("provider", "openai"),
        ("provider", "x-ai"),
        ("provider", "a" * 64),
        ("model", "anthropic/claude-sonnet-5.5:thinking"),  # OpenRouter's way
        ("model", "ft:gpt-4o:acme::AbC"),
        ("model", "Modèle 7"),  # a deployment may be called anything
        ("model", "m" * 256),
        ("model", "m"),
        ("requests", COUNT_MAX),
        ("requests", 0),
        ("requests", None),  # Anthropic's usage report has none
        ("service_tier", None),
        ("region", "eu-central-1"),
    ],
)
def test_names_that_providers_use_are_taken(member: str, value: object) -> None:
    assert getattr(call(**{member: value}), member) == value


@pytest.mark.parametrize(
    "member, value",
    [
        ("provider", ""),
        ("provider", "OpenAI"),  # one spelling for a key
        ("provider", "open ai"),
        ("provider", "-openai"),
        ("provider", "openai\n"),
        ("provider", "a" * 65),
        ("model", ""),
        ("model", " gpt-4o"),
        ("model", "gpt\x00"),  # PostgreSQL's text holds no NUL
        ("model", "\ud800"),  # nor UTF-8 a lone surrogate
        ("model", "gpt\n4o"),  # nor a log line a second line
        ("model", "m" * 257),
        ("requests", -1),
        ("requests", True),
        ("service_tier", ""),
        ("region", "r" * 65),
    ],
)
def test_names_that_could_not_be_kept_are_refused(member: str, value: object) -> None:
    with pytest.raises(usage.UsageInvalid) as caught:
        call(**{member: value})
    assert [problem.pointer for problem in caught.value.problems] == [f"/{member}"]
