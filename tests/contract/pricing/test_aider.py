"""Published costs of benchmark runs: reproduced where tokens and a dated price decide them; the rest are named with the reason.

The leaderboard states the sum of a run's prompt and completion tokens, not how much of the prompt was read from a cache. A run makes a
request or more for each of its 225 cases, so the average size of a request is known well enough for the tiers.
"""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from carbonledger.domains.pricing.types import Cost
from tests.unit.domains.pricing import books

RUNS: list[dict[str, Any]] = [
    run
    for run in yaml.safe_load((Path(__file__).parents[2] / "fixtures/traces/aider_polyglot_leaderboard.yml").read_text(encoding="utf-8"))
    if run.get("prompt_tokens")
]
REPRODUCED = {  # name of the run: provider, model
    "DeepSeek-V3.2-Exp (Chat)": ("deepseek", "deepseek-chat"),  # 2266868 x 0.28 + 573477 x 0.42 = 875583.38
    "claude-opus-4-20250514 (no think)": ("anthropic", "claude-opus-4-20250514"),
    "claude-opus-4-20250514 (32k thinking)": ("anthropic", "claude-opus-4-20250514"),
    "gemini-2.5-flash-preview-05-20 (no think)": ("google", "gemini-2.5-flash-preview-05-20"),
    "gemini-2.5-pro-preview-06-05 (32k think)": ("google", "gemini-2.5-pro-preview-06-05"),
    "o3-pro (high)": ("openai", "o3-pro"),
}
CACHED = {  # part of the prompt was billed at the price of cached input, so that ours, all uncached, is an upper bound, and not by much
    "claude-sonnet-4-20250514 (no thinking)": ("anthropic", "claude-sonnet-4-20250514"),
    "claude-sonnet-4-20250514 (32k thinking)": ("anthropic", "claude-sonnet-4-20250514"),
    "o3 (high)": ("openai", "o3"),
    "o3": ("openai", "o3"),
    "gpt-5 (high)": ("openai", "gpt-5"),
    "gpt-5 (medium)": ("openai", "gpt-5"),
    "gpt-5 (low)": ("openai", "gpt-5"),
    "DeepSeek R1 (0528)": ("deepseek", "deepseek-reasoner"),
}
NOT_PINNED = {
    "DeepSeek-V3.2-Exp (Reasoner)": "1.304559 computed, 1.3045 published: the run adds up costs that were rounded down",
    "gemini-2.5-flash-preview-05-20 (24k think)": "its thinking was billed at a price of its own, which the book has no longer",
    "gemini-2.5-pro-preview-06-05 (default think)": "dearer than its stated tokens at any tier's price: requests that were not counted",
    "o3 (high) + gpt-4.1": "two models in one sum",
    "Qwen3 32B": "OpenRouter's price of that day is not recorded",
    "Kimi K2": "OpenRouter's price of that day is not recorded",
    "gpt-oss-120b (high)": "OpenRouter's price of that day is not recorded",
    "grok-4 (high)": "no longer listed at OpenRouter",
    "Qwen3 235B A22B diff, no think, Alibaba API": "published as free",
}


def priced(run: dict[str, Any], provider: str, model: str) -> Cost:
    at = datetime.combine(run["date"], time(12), UTC)
    requests = run["test_cases"]
    usage = books.usage(provider, model, at=at, requests=requests, uncached_input=run["prompt_tokens"], output=run["completion_tokens"])
    return books.shipped().price(usage)


def named(name: str) -> dict[str, Any]:
    (run,) = (run for run in RUNS if run["model"] == name)
    return run


@pytest.mark.parametrize("name", REPRODUCED)
def test_the_published_cost_to_the_last_of_its_digits(name: str) -> None:
    run = named(name)
    amount = priced(run, *REPRODUCED[name]).amount
    assert amount is not None
    assert amount.quantize(Decimal("0.0001"), rounding=ROUND_HALF_UP) == Decimal(str(run["total_cost"]))


@pytest.mark.parametrize("name", CACHED)
def test_with_an_unstated_share_of_cached_input_ours_is_an_upper_bound(name: str) -> None:
    run = named(name)
    published = Decimal(str(run["total_cost"]))
    cost = priced(run, *CACHED[name])
    assert cost.amount is not None
    assert cost.tier is not None
    cheapest = cost.amount - Decimal(run["prompt_tokens"] * (cost.tier.charged[0] - cost.tier.charged[1])).scaleb(-12)
    assert cheapest < published < cost.amount  # between all of the prompt cached and none of it


def test_every_run_with_token_counts_is_accounted_for() -> None:
    assert {run["model"] for run in RUNS} == REPRODUCED.keys() | CACHED.keys() | NOT_PINNED.keys()
    assert len(RUNS) == 23
