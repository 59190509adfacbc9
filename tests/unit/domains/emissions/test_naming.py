"""The digest that rates are known by: the same for the same rates, another for another name or number."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from datetime import UTC, datetime

import pytest

from carbonledger.domains.emissions import types
from carbonledger.domains.emissions.core import estimating, naming
from carbonledger.domains.emissions.core.estimating import Estimator
from carbonledger.kernel.usage import RequestSize, TokenBuckets, Usage


def estimated(
    estimator: Estimator,
    model: str = "gpt-4o",
    *,
    count: int = 1000,
    requests: int | None = 1,
    batch: bool = False,
    size: RequestSize | None = None,
) -> types.Emissions:
    tokens = TokenBuckets(uncached_input=count, cached_input=0, cache_creation_5m=0, cache_creation_1h=0, output=1)
    at = datetime(2026, 11, 20, tzinfo=UTC)
    return estimator.estimate(
        Usage(provider="openai", model=model, occurred_at=at, tokens=tokens, requests=requests, batch=batch), size=size
    )


def named(estimator: Estimator, emissions: types.Emissions) -> types.NamedRates:
    assert emissions.rates is not None
    return naming.named(estimator, emissions, emissions.rates)


def test_a_digest_does_not_change() -> None:
    """Computed once more by its description: names, then the six lists of numbers, as JSON without blanks."""
    from carbonledger.domains.emissions import service

    estimator = service._estimator("1.0")
    one = named(estimator, estimated(estimator))
    rates = one.rates
    numbers = [rates.it, rates.energy, rates.embodied, rates.co2e_location, None, rates.water]
    text = json.dumps(["1.0", "medium", False, "openai", "USA", None, False, 0, 0, *numbers], separators=(",", ":"))
    assert one.digest == hashlib.sha256(text.encode()).digest()
    # As it was when first published: what databases know these rates by.
    assert one.digest.hex() == "3ca1960db3d4750c1ea4f73c5bf36ef35ae2bcc84d722f45e304c178f0e8b96b"


def test_models_of_a_tier_share_a_digest_and_another_estimator_gives_the_same(factors: types.FactorSet) -> None:
    one, other = Estimator(factors), Estimator(factors)
    assert named(one, estimated(one)).digest == named(other, estimated(other, "gpt-5")).digest


def test_whatever_differs_gives_another(factors: types.FactorSet) -> None:
    estimator = Estimator(factors)
    found = [
        estimated(estimator),
        estimated(estimator, "o3"),
        estimated(estimator, "a-model-nobody-knows"),
        estimated(estimator, batch=True),  # the same numbers: a batch counts as any other call
        estimated(estimator, count=32_000),
        estimated(estimator, count=32_000, requests=None),
        estimated(estimator, count=128_000),
        estimated(estimator, count=128_000, requests=None),
    ]
    assert len({named(estimator, one).digest for one in found}) == len(found)
    steps = [(one.context_low, one.context_high) for one in (named(estimator, emissions) for emissions in found)]
    assert steps == [(0, 0)] * 4 + [(32_000, 32_000), (0, 32_000), (128_000, 128_000), (0, 128_000)]


def test_rates_between_two_steps_are_named_and_made_again(factors: types.FactorSet) -> None:
    estimator = Estimator(factors)
    found = [
        estimated(estimator, count=1_000_000, requests=None, size=RequestSize(above, up_to))
        for above, up_to in ((40_000, 60_000), (40_000, 200_000), (200_000, 1_000_000))
    ]
    steps = [(one.context_low, one.context_high) for one in (named(estimator, emissions) for emissions in found)]
    assert steps == [(32_000, 32_000), (32_000, 128_000), (128_000, 128_000)]
    for emissions, (low, high) in zip(found, steps, strict=True):
        key = estimating.key_of(emissions.match)
        assert naming.made_again(Estimator(factors), key, context_low=low, context_high=high) == named(estimator, emissions)


def test_rates_of_no_step_are_refused(factors: types.FactorSet) -> None:
    estimator = Estimator(factors)
    emissions = estimated(estimator)
    assert emissions.rates is not None
    other = dataclasses.replace(emissions.rates, water=(0,) * 9)
    with pytest.raises(ValueError, match="not of this factor set"):
        naming.named(estimator, emissions._replace(rates=other), other)
