"""An explanation can be followed: each input stands where its pointer says, and each formula gives the result beside it."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.emissions import data, types
from carbonledger.domains.emissions.core import explaining, loading
from carbonledger.domains.emissions.core.estimating import Estimator
from carbonledger.kernel import quantity
from carbonledger.kernel.quantity import Range
from carbonledger.kernel.usage import Usage
from tests.unit.domains.emissions.used import used

FILE = json.loads(data.factor_set("1.0"), parse_float=Decimal)
ESTIMATOR = Estimator(loading.factor_set(data.factor_set("1.0")))
NAMES = re.compile(r"[a-z_][a-z_0-9]*")
ORDER = [
    *("tier", "place", "long_context", "prefill_wh", "cached_wh", "decode_wh", "it_wh", "energy_wh", "embodied_g"),
    *("operational_location_g", "co2e_location_g", "co2e_market_g", "water_ml"),
]
WITH_MARKET = [*ORDER[:11], "operational_market_g", *ORDER[11:]]
COUNTS = st.integers(0, 200_000)
USAGES = st.builds(
    lambda model, provider, region, requests, batch, uncached, cached, created, output: used(
        model,
        provider=provider,
        region=region,
        requests=requests,
        batch=batch,
        uncached_input=uncached,
        cached_input=cached,
        cache_creation_1h=created,
        output=output,
    ),
    st.sampled_from(["gpt-4o", "gpt-5-pro", "gpt-4", "homunculus", "embed-v4"]),
    st.sampled_from(["openai", "google", "bedrock", "xai", "nobody"]),
    st.sampled_from([None, "eu-west-1", "FRA", "atlantis"]),
    st.sampled_from([None, 1, 7, 10**6]),
    st.booleans(),
    *(COUNTS, COUNTS, COUNTS, COUNTS),
)


def at(pointer: str) -> Any:  # noqa: ANN401 - whatever stands in the file
    """What an RFC 6901 pointer leads to in the factor file."""
    found = FILE
    for name in pointer.split("/")[1:]:
        found = found[int(name)] if isinstance(found, list) else found[name.replace("~1", "/").replace("~0", "~")]
    return found


def mid(value: object) -> Decimal:
    if isinstance(value, Range):
        return value.mid
    assert isinstance(value, Decimal | int)
    return Decimal(value)


def computed(step: types.Step) -> Decimal:
    """What the formula gives for the mids of the inputs. Its words are names of inputs; a remark in parentheses concerns bounds only."""
    formula = re.sub(r" \(low / low_divisor, high \* high_multiplier\)", "", step.formula.partition(";")[0])
    values = {given.name: mid(given.value) for given in step.inputs if isinstance(given.value, Range | Decimal | int)}
    terms = NAMES.sub(lambda name: f"values[{name[0]!r}]", formula)
    return eval(terms, {"values": values})  # type: ignore[no-any-return]  # noqa: S307 - formulas of our own


@given(USAGES)
def test_every_formula_gives_its_result(usage: Usage) -> None:
    explanation = explaining.explain(ESTIMATOR, usage)
    for step in explanation.steps[3:]:
        if step.result is not None:
            assert mid(step.result) == computed(step), step.name


@given(USAGES)
def test_every_input_stands_where_its_pointer_says(usage: Usage) -> None:
    for step in explaining.explain(ESTIMATOR, usage).steps:
        for given_ in step.inputs:
            if given_.pointer is None:
                continue
            row = at(given_.pointer)
            if isinstance(given_.value, Range) and isinstance(row, dict):
                assert (given_.value.low, given_.value.mid, given_.value.high) == (row["low"], row["mid"], row["high"])
            elif isinstance(given_.value, Range):
                assert given_.value.high == row  # the multiplier of a step of long context
            elif isinstance(given_.value, Decimal | int):
                assert given_.value == row
            assert {source.id for source in given_.sources} <= {source["id"] for source in FILE["sources"]}


@given(USAGES)
def test_results_are_those_of_the_estimate_and_inputs_those_of_earlier_steps(usage: Usage) -> None:
    explanation = explaining.explain(ESTIMATOR, usage)
    estimate = ESTIMATOR.estimate(usage)
    results = {step.name: step.result for step in explanation.steps}
    assert list(results) == (ORDER if estimate.co2e_market is None else WITH_MARKET)
    assert explanation.emissions == estimate
    assert (results["tier"], results["place"]) == (estimate.tier, estimate.match.grid.name)
    for name in ("prefill_wh", "cached_wh", "decode_wh", "energy_wh", "embodied_g", "co2e_location_g", "co2e_market_g", "water_ml"):
        assert results[name] == getattr(estimate, name)
    assert results["it_wh"] == estimate.it_energy_wh
    for step in explanation.steps:
        for given_ in step.inputs:
            if given_.name in results:
                assert given_.value == results[given_.name]


@given(USAGES)
def test_the_envelope_holds_the_range(usage: Usage) -> None:
    explanation = explaining.explain(ESTIMATOR, usage)
    envelope, estimate = explanation.envelope, explanation.emissions
    assert envelope is not None
    for name in ("energy_wh", "co2e_location_g", "co2e_market_g", "water_ml"):
        outer, inner = getattr(envelope, name), getattr(estimate, name)
        if inner is not None:
            assert outer.mid == inner.mid
            # A combined bound has 12 digits; of a single factor with a spread both are the same number.
            assert outer.low <= inner.low * (1 + Decimal("1e-11"))
            assert inner.high <= outer.high * (1 + Decimal("1e-11"))


def test_the_envelope_is_all_lows_and_all_highs() -> None:
    # By hand: 500 decode tokens of medium, 0.125 / 0.4 / 1.3 Wh; PUE 1.10 / 1.18 / 1.35; grid 250 / 384.4 / 500; embodied 20 / 45 / 100.
    envelope = explaining.explain(ESTIMATOR, used(output=500)).envelope
    assert envelope is not None
    assert envelope.energy_wh == quantity.EnergyWh(Decimal("0.1375"), Decimal("0.472"), Decimal("1.755"))
    assert envelope.co2e_location_g == quantity.Co2eG(Decimal("0.036875"), Decimal("0.1994368"), Decimal("1.0075"))


def test_assumptions_are_called_so() -> None:
    steps = {step.name: step for step in explaining.explain(ESTIMATOR, used(uncached_input=40_000, cached_input=10, output=10)).steps}
    assumed = {(step.name, given_.name) for step in steps.values() for given_ in step.inputs if given_.is_assumption}
    assert assumed == {
        ("long_context", "from_tokens"),
        ("prefill_wh", "context_multiplier"),
        ("cached_wh", "wh_per_1k"),  # above all
        ("decode_wh", "context_multiplier"),
    }
    assert "no published measurement" in (steps["cached_wh"].note or "")


@pytest.mark.parametrize(
    "model, provider, assumed", [("gpt-4", "openai", "decode_wh"), ("o3", "xai", "energy_wh"), ("homunculus", "openai", "decode_wh")]
)
def test_what_is_extrapolated_or_guessed_is_an_assumption(model: str, provider: str, assumed: str) -> None:
    steps = {step.name: step for step in explaining.explain(ESTIMATOR, used(model, provider=provider, output=1)).steps}
    assert any(given_.is_assumption for given_ in steps[assumed].inputs)


NOT_COVERED = [
    # usage, what the last step says
    (used("dall-e-3", output=5), "no energy per token"),
    (used(output=None), "A token count is unknown"),
]


@pytest.mark.parametrize("usage, said", NOT_COVERED)
def test_what_is_not_covered_says_why(usage: Usage, said: str) -> None:
    explanation = explaining.explain(ESTIMATOR, usage)
    assert explanation.envelope is None
    assert explanation.steps[-1].result is None
    assert said in (explanation.steps[-1].note or "")


def test_a_default_says_so() -> None:
    steps = {
        step.name: step for step in explaining.explain(ESTIMATOR, used("homunculus", provider="nobody", region="atlantis", output=1)).steps
    }
    assert "No rule knows this model" in (steps["tier"].note or "")
    assert "no row for this provider" in (steps["place"].note or "")
    assert "does not know this region" in (steps["place"].note or "")
    assert steps["place"].result == "WOR"


def test_unknown_requests_say_what_was_assumed() -> None:
    steps = {step.name: step for step in explaining.explain(ESTIMATOR, used(uncached_input=130_000, requests=None)).steps}
    assert steps["long_context"].result == "none to 128000"
    assert "number of requests is unknown" in (steps["long_context"].note or "")
