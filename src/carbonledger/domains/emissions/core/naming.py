"""What rates were made for, and the digest that they are known by in every database.

Owns that form. The digest is over names and numbers both, so rates that come out alike for two tiers or two places stay two; and the
numbers are in it, so no change of the arithmetic can give new amounts to an old id.
"""

from __future__ import annotations

import hashlib
import json

from carbonledger.domains.emissions import types
from carbonledger.domains.emissions.core import estimating
from carbonledger.domains.emissions.core.estimating import Estimator


def named(estimator: Estimator, emissions: types.Emissions, rates: types.Rates) -> types.NamedRates:
    """Return the rates of an estimate with the names that they go by."""
    low, high = _context(estimator, emissions)
    return _named(emissions.version, estimating.key_of(emissions.match), low, high, rates)


def made_again(estimator: Estimator, key: estimating.RatesKey, *, context_low: int, context_high: int) -> types.NamedRates:
    """Return the rates for these names, computed from the factor set. Raises ``KeyError`` or ``ValueError`` for names that it has not."""
    bounds = (0, *(step.input_tokens_min for step in estimator.factors.context_steps))
    steps = estimator.steps_of(key)
    found = steps.untold[bounds.index(context_low)][bounds.index(context_high)]
    return _named(estimator.factors.version, key, context_low, context_high, found)


def _named(version: str, key: estimating.RatesKey, low: int, high: int, rates: types.Rates) -> types.NamedRates:
    names = (version, key.tier, key.is_fallback, key.host, key.grid, key.market, key.is_batch, low, high)
    numbers = (rates.it, rates.energy, rates.embodied, rates.co2e_location, rates.co2e_market, rates.water)
    return types.NamedRates(
        # Only texts, integers, booleans and null: one spelling, whatever wrote it. It may never change for a set that was published.
        digest=hashlib.sha256(json.dumps([*names, *numbers], separators=(",", ":")).encode()).digest(),
        version=version,
        tier=key.tier,
        is_fallback=key.is_fallback,
        host=key.host,
        grid=key.grid,
        market=key.market,
        is_batch=key.is_batch,
        context_low=low,
        context_high=high,
        rates=rates,
    )


def _context(estimator: Estimator, emissions: types.Emissions) -> tuple[int, int]:
    """Return the steps of long context that the rates are of: found among those of their tier and place, which share their objects."""
    steps = estimator.steps(emissions.match)
    bounds = (0, *(step.input_tokens_min for step in estimator.factors.context_steps))
    for least, low in enumerate(bounds):
        for most, high in enumerate(bounds[least:], least):
            if emissions.rates == steps.untold[least][most]:
                return low, high
    raise ValueError("the rates are not of this factor set")
