"""A model's name leads to its tier as the factor set's rules say, whatever stands around the name."""

from __future__ import annotations

import fnmatch
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.emissions import data, types
from carbonledger.domains.emissions.core import models
from carbonledger.domains.emissions.core.estimating import Estimator
from tests.unit.domains.emissions.used import used

FIXTURE = json.loads(data.factor_set("1.0"))
PATTERNS = [rule["pattern"] for rule in FIXTURE["matching"]["rules"]]
RECORDED = Path(__file__).parents[3] / "vectors" / "emissions_ratio_table.json"

NAMES = [
    # as sent, normalised: the text of matching.normalise, clause by clause
    ("GPT-4o", "gpt-4o"),  # lower-case
    ("ft:gpt-4o-mini:acme::abc123", "gpt-4o-mini"),  # a fine-tuned name ends at its next colon
    ("ft:openai/gpt-4.1:acme", "gpt-4.1"),
    ("anthropic/claude-sonnet-4-5", "claude-sonnet-4-5"),  # everything up to the last slash
    ("accounts/fireworks/models/deepseek-r1", "deepseek-r1"),
    ("deepseek/deepseek-r1:free", "deepseek-r1:free"),  # another suffix stays
    ("anthropic.claude-opus-4-1-20250805-v1:0", "anthropic.claude-opus-4-1-20250805-v1:0"),
    ("ft:", ""),
    ("a/", ""),
]


@pytest.mark.parametrize("model, name", NAMES)
def test_normalised_table(model: str, name: str) -> None:
    assert models.normalised(model) == name


TIERS = [
    # model, tier
    ("text-embedding-3-small", "embedding"),
    ("dall-e-3", "media"),
    ("gpt-4o-transcribe", "media"),  # media stands before the tier of its family
    ("gpt-5-pro-2025-10-06", "ultra"),
    ("gpt-5.4-pro", "ultra"),
    ("o4-mini-deep-research", "reasoning_small"),  # before o4-*
    ("o3", "reasoning"),
    ("qwen3-30b-a3b-thinking-2507", "reasoning_small"),
    ("claude-sonnet-4-5:thinking", "reasoning"),  # a suffix that stays
    ("gpt-4.1-nano", "nano"),
    ("ft:gpt-4o-mini-2024-07-18:acme::x", "nano"),
    ("gpt-5-mini", "small"),
    ("claude-haiku-4-5", "small"),
    ("gpt-4", "frontier"),
    ("gpt-4-0613", "frontier"),
    ("claude-opus-4-1-20250805", "frontier"),
    ("anthropic.claude-opus-4-1-20250805-v1:0", "frontier"),
    ("gpt-4-0125-preview", "frontier"),  # gpt-4-0* stands before gpt-4-0125*: first match wins
    ("claude-opus-4-5", "large"),
    ("gemini-2.5-pro", "large"),
    ("gpt-4o", "medium"),
    ("GPT-5", "medium"),
    ("homunculus-1", "medium"),  # no rule
]


@pytest.mark.parametrize("model, tier", TIERS)
def test_tier_table(estimator: Estimator, model: str, tier: str) -> None:
    assert estimator.estimate(used(model)).tier == tier


def test_a_model_that_no_rule_knows_says_so(estimator: Estimator) -> None:
    assert estimator.estimate(used("homunculus-1")).flags == (types.Flag.MODEL_UNKNOWN,)
    assert estimator.estimate(used("homunculus-1")).match.rule is None


def by_fnmatch(name: str) -> int | None:
    return next((place for place, pattern in enumerate(PATTERNS) if fnmatch.fnmatchcase(name, pattern)), None)


FRAGMENTS = sorted(
    {piece for pattern in PATTERNS for piece in pattern.replace("[", "*").replace("]", "*").replace("?", "*").split("*") if piece}
)


@given(st.lists(st.sampled_from(FRAGMENTS) | st.text("0123456789-.abcxyz:", max_size=4), max_size=6).map("".join))
def test_patterns_mean_what_fnmatch_means(name: str) -> None:
    assert models.first(COMPILED, name) == by_fnmatch(name)


COMPILED = models.compiled(types.ModelRule(pattern, "any") for pattern in PATTERNS)


@given(st.text("ab[]-!c", max_size=6).map(lambda name: name + "\n"))
def test_a_line_end_is_a_character_as_any_other(name: str) -> None:
    pattern = "*a*[!b]*c?*"
    assert (models.first(models.compiled([types.ModelRule(pattern, "any")]), name) == 0) is fnmatch.fnmatchcase(name, pattern)


def test_every_recorded_model_has_its_tier(estimator: Estimator) -> None:
    recorded = json.loads(RECORDED.read_text())
    rows = [*recorded["ratio_table"], *recorded["ecologits"]["rows"]]
    assert {row["model"]: estimator.estimate(used(row["model"])).tier for row in rows} == {row["model"]: row["tier"] for row in rows}


def test_names_from_outside_do_not_fill_the_memory(estimator: Estimator) -> None:
    for number in range(9000):
        estimator.line("openai", f"gpt-4o-{number}", None, False)
    assert estimator.line.cache_info().currsize <= 8192


def test_no_name_is_slow_to_refuse() -> None:
    # With backtracking, five stars over 256 characters are about 256^5 steps: this would not end.
    patterns = models.compiled([types.ModelRule("*a*a*a*a*a*b", "any")])
    assert models.first(patterns, "a" * 256) is None
