"""The fast estimate against the file's own formula, computed slowly: the same mid, the same bounds, or bounds within a stated distance.

The file sums the phases before it combines bounds, we after; docs/decisions/0010-emissions.md says why, and proves the sides. The
limits here are those it states.
"""

from __future__ import annotations

from decimal import Decimal

from hypothesis import example, given
from hypothesis import strategies as st

from carbonledger.domains.emissions import data, types
from carbonledger.domains.emissions.core import loading
from carbonledger.domains.emissions.core.estimating import Estimator
from carbonledger.kernel.quantity import Range
from carbonledger.kernel.usage import TokenBuckets
from tests.unit.domains.emissions import reference
from tests.unit.domains.emissions.used import used

ESTIMATOR = Estimator(loading.factor_set(data.factor_set("1.0")))
MODELS = ["embed-v4", "gpt-4.1-nano", "claude-haiku-4-5", "gpt-4o", "o4-mini", "o3", "claude-opus-4-5", "gpt-4", "gpt-5-pro", "homunculus"]
PROVIDERS = sorted(reference.FILE["providers"])
GRIDS = sorted(name for name, grid in reference.FILE["grid"].items() if grid["basis"] == "location")
ROUNDING = Decimal("1e-11")  # 12 digits of a combined bound, of up to six of them added
LOW_WIDER = Decimal("0.06")  # our low is at most so much lower, never higher
HIGH_APART = Decimal("0.004")
COUNTS = st.integers(0, 40_000) | st.integers(0, 10**7)


def ours(provider: str, model: str, tokens: TokenBuckets, requests: int, grid: str) -> dict[str, Range]:
    counts = {
        name: getattr(tokens, name) for name in ("uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h", "output")
    }
    emissions = ESTIMATOR.estimate(used(model, provider=provider, requests=requests, region=grid, **counts))
    assert emissions.energy_wh is not None
    assert emissions.co2e_location_g is not None
    assert emissions.water_ml is not None
    return {"energy": emissions.energy_wh, "co2e_location": emissions.co2e_location_g, "water": emissions.water_ml}


def relative(mine: Decimal, slow: Decimal) -> Decimal:
    return mine / slow - 1 if slow else mine


def told(uncached: int, cached: int, created: int, output: int) -> TokenBuckets:
    return TokenBuckets(uncached_input=uncached, cached_input=cached, cache_creation_5m=created, cache_creation_1h=1, output=output)


@given(st.sampled_from(PROVIDERS), st.sampled_from(MODELS), st.sampled_from(GRIDS), COUNTS, COUNTS, COUNTS, COUNTS, st.integers(1, 500))
@example("self_hosted", "gpt-4.1-nano", "CAN", 0, 8_000, 0, 53, 1)  # the widest low there is: half cached, half decode, on CAN's spread
@example("openrouter", "gpt-5-pro", "EU_MISTRAL", 600, 4_000, 0, 0, 1)  # the lowest high
@example("openrouter", "claude-opus-4-5", "CAN", 0, 3_440, 0, 10, 1)  # the highest high
def test_mids_are_the_formula_and_bounds_are_near_it(
    provider: str, model: str, grid: str, uncached: int, cached: int, created: int, output: int, requests: int
) -> None:
    tokens = told(uncached, cached, created, output)
    slow = reference.estimate(provider, model, tokens, requests, grid=grid)
    for name, mine in ours(provider, model, tokens, requests, grid).items():
        assert mine.mid == slow[name]["mid"]
        assert mine.low <= mine.mid <= mine.high
        assert -LOW_WIDER <= relative(mine.low, slow[name]["low"]) <= ROUNDING
        assert abs(relative(mine.high, slow[name]["high"])) <= HIGH_APART


@given(
    st.sampled_from(PROVIDERS),
    st.sampled_from(MODELS),
    st.sampled_from(GRIDS),
    st.sampled_from(["uncached_input", "cached_input", "output"]),
    COUNTS,
)
def test_of_one_phase_every_bound_is_the_formula(provider: str, model: str, grid: str, bucket: str, count: int) -> None:
    tokens = TokenBuckets(
        **{**dict.fromkeys(("uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h", "output"), 0), bucket: count}
    )
    slow = reference.estimate(provider, model, tokens, 1, grid=grid)
    for name, mine in ours(provider, model, tokens, 1, grid).items():
        for bound in reference.BOUNDS:
            # A bound of few quanta per token is rounded to a whole one, away from mid.
            assert abs(getattr(mine, bound) - slow[name][bound]) <= slow[name][bound] * ROUNDING + 3 * count * Decimal("1e-18")


def test_the_file_speaks_of_the_tiers_compared_here() -> None:
    assert {reference.tier(model)[0] for model in MODELS} == {name for name, tier in ESTIMATOR.factors.tiers.items() if tier.wh_per_1k}
    assert [step.input_tokens_min for step in ESTIMATOR.factors.context_steps] == [32_000, 128_000]
    assert types.Flag.MODEL_UNKNOWN in ESTIMATOR.estimate(used("homunculus")).flags
