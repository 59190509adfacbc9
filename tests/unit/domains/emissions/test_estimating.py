"""From usage to emissions: exact digits, additivity, long context, and unknown counts that are never zero."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from carbonledger.domains.emissions import data, types
from carbonledger.domains.emissions.core import loading
from carbonledger.domains.emissions.core.estimating import Estimator
from carbonledger.kernel import usage
from carbonledger.kernel.usage import RequestSize, Usage
from tests.unit.domains.emissions.used import used

VECTORS = json.loads((Path(__file__).parents[3] / "vectors" / "emissions_digits.json").read_text())["rows"]
ESTIMATOR = Estimator(loading.factor_set(data.factor_set("1.0")))
MODELS = st.sampled_from(["embed-v4", "gpt-4.1-nano", "claude-haiku-4-5", "gpt-4o", "o3", "gpt-5-pro", "homunculus"])
PROVIDERS = st.sampled_from(["openai", "google", "mistral", "nobody"])
BUCKETS = usage.BUCKETS
QUANTITIES = ("energy", "co2e_location", "co2e_market", "water", "embodied")


@pytest.mark.parametrize("row", VECTORS, ids=[row["why"] for row in VECTORS])
def test_every_digit_is_that_of_a_second_program(estimator: Estimator, row: dict[str, Any]) -> None:
    given = row["usage"]
    emissions = estimator.estimate(
        used(given["model"], provider=given["provider"], requests=given["requests"], region=given["region"], **given["tokens"])
    )
    assert emissions.tier == row["tier"]
    for name in QUANTITIES:
        amount = getattr(emissions, name)
        assert (None if amount is None else [str(bound) for bound in amount]) == row[name], name


def test_units_and_parts_of_the_example_of_the_api(estimator: Estimator) -> None:
    # By hand: 1,000 x 0.075 Wh/1k + 500 x 0.8 Wh/1k = 0.475 Wh IT; x 1.18 = 0.5605 Wh; x 0.3844 + 0.475 x 0.045 = 0.2368312 g.
    emissions = estimator.estimate(used(uncached_input=1000, output=500))
    assert emissions.is_covered
    assert (emissions.tier, emissions.version, emissions.flags) == ("medium", "1.0", ())
    mids = {
        name: amount.mid
        for name in ("prefill_wh", "cached_wh", "decode_wh", "it_energy_wh", "energy_wh", "embodied_g", "co2e_location_g", "water_ml")
        if (amount := getattr(emissions, name)) is not None
    }
    assert mids == {
        "prefill_wh": Decimal("0.075"),
        "cached_wh": Decimal(0),
        "decode_wh": Decimal("0.4"),
        "it_energy_wh": Decimal("0.475"),
        "energy_wh": Decimal("0.5605"),
        "embodied_g": Decimal("0.021375"),
        "co2e_location_g": Decimal("0.2368312"),
        "water_ml": Decimal("1.897986"),  # 0.475 x 0.3 + 0.5605 x 3.132
    }


NOT_COVERED = [
    # model, tokens, flags
    ("dall-e-3", {"uncached_input": 50, "output": 4000}, (types.Flag.NOT_MODELLED,)),
    ("whisper-1", {"uncached_input": None, "output": None}, (types.Flag.NOT_MODELLED,)),
    ("gpt-4o", {"uncached_input": None, "output": 500}, (types.Flag.TOKENS_UNKNOWN,)),
    ("gpt-4o", {"uncached_input": 500, "output": None}, (types.Flag.TOKENS_UNKNOWN,)),  # cut off before its count: not "0 so far"
    ("gpt-4o", {"uncached_input": None, "cached_input": 400}, (types.Flag.TOKENS_UNKNOWN,)),  # a part of the input is not the input
    ("embed-v4", {"uncached_input": None, "output": 0}, (types.Flag.TOKENS_UNKNOWN,)),
    ("homunculus", dict.fromkeys(BUCKETS), (types.Flag.TOKENS_UNKNOWN, types.Flag.MODEL_UNKNOWN)),
]


@pytest.mark.parametrize("model, tokens, flags", NOT_COVERED)
def test_what_is_unknown_is_null_and_never_zero(
    estimator: Estimator, model: str, tokens: dict[str, Any], flags: tuple[types.Flag, ...]
) -> None:
    emissions = estimator.estimate(used(model, **tokens))
    assert not emissions.is_covered
    assert emissions.flags == flags
    assert not all(flag.is_covered for flag in flags)
    assert emissions.amounts() == (None, None, None, None)
    for name in (
        *QUANTITIES,
        "energy_wh",
        "co2e_location_g",
        "co2e_market_g",
        "water_ml",
        "embodied_g",
        "it_energy_wh",
        "prefill_wh",
        "cached_wh",
        "decode_wh",
    ):
        assert getattr(emissions, name) is None


COVERED = [
    # model, tokens, flags
    ("gpt-4o", {"uncached_input": 0, "output": 0}, ()),  # a known zero is zero
    ("embed-v4", {"uncached_input": 10, "output": None}, ()),  # no output token of an encoder takes energy, however many there were
    (
        "gpt-4o",
        {"uncached_input": 10, "cache_creation_5m": None, "cache_creation_1h": None},
        (),
    ),  # inside uncached input: prefill both ways
    ("gpt-4o", {"uncached_input": 10, "cached_input": None}, (types.Flag.CACHE_SPLIT_UNKNOWN,)),
    ("gpt-4o", {"uncached_input": 0, "cached_input": None, "output": 5}, ()),  # no input that any could be inside of
]


@pytest.mark.parametrize("model, tokens, flags", COVERED)
def test_covered_table(estimator: Estimator, model: str, tokens: dict[str, Any], flags: tuple[types.Flag, ...]) -> None:
    emissions = estimator.estimate(used(model, **tokens))
    assert emissions.is_covered
    assert emissions.flags == flags


def test_cached_tokens_that_are_not_told_apart_count_as_prefill(estimator: Estimator) -> None:
    untold = estimator.estimate(used(uncached_input=1000, cached_input=None, output=5))
    assert untold.energy == estimator.estimate(used(uncached_input=1000, cached_input=0, output=5)).energy


def test_writing_to_a_cache_is_a_prefill(estimator: Estimator) -> None:
    whole = estimator.estimate(used(uncached_input=600)).energy
    assert estimator.estimate(used(uncached_input=100, cache_creation_5m=200, cache_creation_1h=300)).energy == whole


def test_reasoning_and_batches_change_nothing(estimator: Estimator) -> None:
    plain = estimator.estimate(used("o3", uncached_input=100, output=900))
    assert estimator.estimate(used("o3", uncached_input=100, output=900, reasoning=800)).energy == plain.energy
    assert estimator.estimate(used("o3", uncached_input=100, output=900, batch=True)).energy == plain.energy


def test_an_unknown_model_is_medium_with_its_bounds_moved_out(estimator: Estimator) -> None:
    known = estimator.estimate(used("gpt-4o", uncached_input=1000, output=1000)).it_energy_wh
    unknown = estimator.estimate(used("homunculus", uncached_input=1000, output=1000)).it_energy_wh
    assert known is not None
    assert unknown is not None
    assert (unknown.low * 2, unknown.mid, unknown.high) == (known.low, known.mid, known.high * 2)


STEPS = [
    # input tokens (uncached, cached), requests, prefill and decode multipliers of mid
    (31_999, 0, 1, "1", "1"),
    (32_000, 0, 1, "1.4", "1.2"),  # the bound itself is in the step
    (0, 32_000, 1, "1", "1.2"),  # cached input counts for the bound, and is never multiplied itself
    (16_000, 16_000, 1, "1.4", "1.2"),
    (127_999, 0, 1, "1.4", "1.2"),
    (128_000, 0, 1, "2.2", "1.6"),
    (127_999, 0, 4, "1", "1"),  # 31,999.75 on average
    (128_000, 0, 4, "1.4", "1.2"),
    (10**9, 0, 10**9, "1", "1"),
]


@pytest.mark.parametrize("uncached, cached, requests, prefill, decode", STEPS)
def test_long_context_table(estimator: Estimator, uncached: int, cached: int, requests: int, prefill: str, decode: str) -> None:
    emissions = estimator.estimate(used(uncached_input=uncached, cached_input=cached, output=1000, requests=requests))
    assert emissions.prefill_wh is not None
    assert emissions.cached_wh is not None
    assert emissions.decode_wh is not None
    assert emissions.prefill_wh.mid == uncached * Decimal("0.000075") * Decimal(prefill)
    assert emissions.cached_wh.mid == cached * Decimal("0.0000075")
    assert emissions.decode_wh.mid == Decimal("0.8") * Decimal(decode)


@pytest.mark.parametrize("requests", [None, 0])  # tokens without a request are a count that can't be right
def test_without_the_number_of_requests_the_range_holds_both(estimator: Estimator, requests: int | None) -> None:
    tokens: dict[str, Any] = {"uncached_input": 100_000, "cached_input": 50_000, "output": 1000}
    untold = estimator.estimate(used(**tokens, requests=requests))
    short = estimator.estimate(used(**tokens, requests=1000))
    longest = estimator.estimate(used(**tokens, requests=1))
    assert untold.flags == (types.Flag.REQUESTS_UNKNOWN,)
    for name in ("energy", "co2e_location", "water", "embodied"):
        low, mid, _ = getattr(short, name)
        assert getattr(untold, name) == (low, mid, getattr(longest, name)[2])


# Input of each request that the provider tells, all input, and the context multipliers of prefill that low and mid, and high, take:
# 1.4 from 32,000 tokens a request, 2.2 from 128,000.
SIZES = [
    (RequestSize(0, 200_000), 2_500_000, "1", "2.2"),  # each may be short, none can be longer than 200,000
    (RequestSize(0, 100_000), 2_500_000, "1", "1.4"),
    (RequestSize(0, 20_000), 2_500_000, "1", "1"),
    (RequestSize(200_000, 1_000_000), 2_500_000, "2.2", "2.2"),  # each is long, whatever their number
    (RequestSize(127_999, None), 2_500_000, "2.2", "2.2"),
    (RequestSize(127_998, None), 2_500_000, "1.4", "2.2"),
    (RequestSize(50_000, 90_000), 2_500_000, "1.4", "1.4"),
    (RequestSize(200_000, None), 90_000, "1.4", "1.4"),  # what contradicts itself: no request had more than all there is
]


@pytest.mark.parametrize("size, total, least, most", SIZES)
def test_the_size_of_requests_bounds_what_their_number_would_tell(
    estimator: Estimator, size: RequestSize, total: int, least: str, most: str
) -> None:
    found = estimator.estimate(used(uncached_input=total, output=0, requests=None), size=size)
    one = estimator.estimate(used(uncached_input=1, output=0, requests=1)).prefill_wh
    assert found.prefill_wh is not None
    assert one is not None
    expected = tuple(total * Decimal(multiplier) * bound for multiplier, bound in ((least, one.low), (least, one.mid), (most, one.high)))
    assert (found.prefill_wh.low, found.prefill_wh.mid, found.prefill_wh.high) == expected
    assert found.flags == (() if least == most else (types.Flag.REQUESTS_UNKNOWN,))


def test_few_tokens_need_no_number_of_requests(estimator: Estimator) -> None:
    assert estimator.estimate(used(uncached_input=31_999, requests=None)).flags == ()


# --- properties

COUNT = st.integers(0, usage.COUNT_MAX // 4)
SHORT = st.fixed_dictionaries(dict.fromkeys(BUCKETS, COUNT))


def tokens_of(counts: dict[str, Any]) -> Usage:
    return used("gpt-4o", requests=usage.COUNT_MAX, **counts)


def amounts(model: str, provider: str, counts: dict[str, Any], requests: int) -> dict[str, types.Quanta | None]:
    emissions = ESTIMATOR.estimate(used(model, provider=provider, requests=requests, **counts))
    return {name: getattr(emissions, name) for name in QUANTITIES}


@given(MODELS, PROVIDERS, SHORT, SHORT)
def test_split_usage_adds_up_to_the_last_digit(model: str, provider: str, one: dict[str, Any], other: dict[str, Any]) -> None:
    requests = usage.COUNT_MAX  # on average no request is long
    whole = amounts(model, provider, {name: one[name] + other[name] for name in BUCKETS}, requests)
    parts = [amounts(model, provider, counts, requests) for counts in (one, other)]
    for name in QUANTITIES:
        left, right = (part[name] for part in parts)
        assert (left is None) is (right is None) is (whole[name] is None)
        if left is not None and right is not None:
            assert whole[name] == tuple(map(sum, zip(left, right, strict=True)))


@given(MODELS, PROVIDERS, SHORT, st.sampled_from(BUCKETS), st.integers(1, 10**9), st.integers(1, 10**6))
def test_more_tokens_never_emit_less(model: str, provider: str, counts: dict[str, Any], bucket: str, more: int, requests: int) -> None:
    before = amounts(model, provider, counts, requests)
    after = amounts(model, provider, {**counts, bucket: counts[bucket] + more}, requests)
    for name in QUANTITIES:
        small, large = before[name], after[name]
        if small is not None and large is not None:
            assert all(less <= greater for less, greater in zip(small, large, strict=True))


@given(MODELS, PROVIDERS, SHORT, st.none() | st.integers(0, 10**6))
def test_low_mid_and_high_are_in_order(model: str, provider: str, counts: dict[str, Any], requests: int | None) -> None:
    emissions = ESTIMATOR.estimate(used(model, provider=provider, requests=requests, **counts))
    for name in QUANTITIES:
        amount = getattr(emissions, name)
        if amount is not None:
            assert 0 <= amount[0] <= amount[1] <= amount[2]


@given(MODELS, PROVIDERS, st.fixed_dictionaries(dict.fromkeys(BUCKETS, st.integers(0, 10**9))), st.integers(1, 1000), st.integers(1, 1000))
def test_so_many_times_the_usage_is_so_many_times_the_emissions(
    model: str, provider: str, counts: dict[str, Any], requests: int, scale: int
) -> None:
    once = amounts(model, provider, counts, requests)
    scaled = amounts(model, provider, {name: count * scale for name, count in counts.items()}, requests * scale)
    for name, amount in once.items():
        assert scaled[name] == (None if amount is None else tuple(bound * scale for bound in amount))


@given(MODELS, PROVIDERS, SHORT)
def test_the_amounts_of_a_ledger_are_the_four_quantities(model: str, provider: str, counts: dict[str, Any]) -> None:
    emissions = ESTIMATOR.estimate(used(model, provider=provider, **counts))
    assert emissions.amounts() == (emissions.energy, emissions.co2e_location, emissions.co2e_market, emissions.water)


@given(SHORT)
def test_a_total_is_the_sum_of_its_parts(counts: dict[str, Any]) -> None:
    assume(any(counts.values()))
    emissions = ESTIMATOR.estimate(tokens_of(counts))
    phases = [emissions.prefill_wh, emissions.cached_wh, emissions.decode_wh]
    assert emissions.it_energy_wh is not None
    assert emissions.it_energy_wh.high == sum((phase.high for phase in phases if phase is not None), Decimal(0))


def test_the_largest_counts_still_fit_a_range() -> None:
    counts: dict[str, Any] = dict.fromkeys(BUCKETS, usage.COUNT_MAX)
    emissions = ESTIMATOR.estimate(used("homunculus", provider="self_hosted", region="ZAF", requests=1, **counts))
    assert emissions.co2e_location_g is not None
    assert emissions.co2e_location_g.high > 0


def test_parts_of_a_bucket_count_as_its_other_tokens() -> None:
    assert (
        ESTIMATOR.estimate(used(uncached_input=9, audio_input=None)).energy
        == ESTIMATOR.estimate(used(uncached_input=9, audio_input=4)).energy
    )
