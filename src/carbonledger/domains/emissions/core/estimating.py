"""From usage to emissions by one factor set.

Owns which tokens are which phase, when long context counts, and what an unknown count means. It does not own the numbers (``rates``)
nor where usage ran (``places``).

Unknown is not zero. Without ``uncached_input``, or without ``output`` where a token of it takes energy, there is no estimate.
Cached tokens that were not told apart are inside ``uncached_input`` and count as prefill, which is never too low. Tokens written to
a cache are prefill wherever they are counted. Reasoning, sound and images are parts of a bucket and count as its other tokens.
"""

from __future__ import annotations

import bisect
import functools
from typing import NamedTuple

from carbonledger.domains.emissions import types
from carbonledger.domains.emissions.core import models, places, rates
from carbonledger.kernel import quantity
from carbonledger.kernel.usage import RequestSize, TokenBuckets, Usage

# What is kept of look-ups: names of models come from outside, so without a bound they would fill the memory. Rates are shared by all
# models of a tier at a place; 1,024 take 11 MB.
LINES_KEPT = 8192
RATES_KEPT = 1024
_CACHE_SPLIT_UNKNOWN = types.Flag.CACHE_SPLIT_UNKNOWN.bit
_REQUESTS_UNKNOWN = types.Flag.REQUESTS_UNKNOWN.bit
_TOKENS_UNKNOWN = types.Flag.TOKENS_UNKNOWN.bit
_NOT_MODELLED = types.Flag.NOT_MODELLED.bit


class RatesKey(NamedTuple):
    """What rates depend on, by the names that the factor set gives."""

    tier: str
    is_fallback: bool
    host: str
    grid: str
    market: str | None
    is_batch: bool


class Steps(NamedTuple):
    """Rates by the step of long context that is reached, first that of none.

    ``told``: every request reaches it, or their average. ``untold[least][most]``: each reaches ``least`` and none more than ``most``, from
    ``least`` on; where they are the same it is that of ``told``.
    """

    told: tuple[types.Rates, ...]
    untold: tuple[tuple[types.Rates, ...], ...]


class Line(NamedTuple):
    """What is the same for all usage of one model at one place. ``steps`` None: the tier is not modelled."""

    match: types.Match
    steps: Steps | None
    takes_output: bool  # whether an output token takes energy


class Estimator:
    """Estimates by one factor set. Keeps what it has looked up and nothing else, so it may be shared."""

    def __init__(self, factors: types.FactorSet) -> None:
        self.factors = factors
        self._patterns = models.compiled(factors.rules)
        self._bounds = tuple(step.input_tokens_min for step in factors.context_steps)
        self.line = functools.lru_cache(maxsize=LINES_KEPT)(self._line)
        self._steps = functools.lru_cache(maxsize=RATES_KEPT)(self._rates)

    def estimate(self, usage: Usage, *, size: RequestSize | None = None) -> types.Emissions:
        """Return the emissions of the usage, with amounts None where they can't be known. ``size``: how large each request's input was."""
        line = self.line(usage.provider, usage.model, usage.region, usage.batch)
        match, tokens = line.match, usage.tokens
        uncached, cached, decode = tokens.uncached_input, tokens.cached_input, tokens.output
        if line.steps is None or uncached is None or (decode is None and line.takes_output):
            return self._not_covered(line, tokens)
        bits = match.bits
        if cached is None:
            cached = 0
            bits |= _CACHE_SPLIT_UNKNOWN if uncached else 0
        prefill = uncached + (tokens.cache_creation_5m or 0) + (tokens.cache_creation_1h or 0)
        rate = line.steps.told[0]
        if prefill + cached >= self._bounds[0]:  # no request can have reached it otherwise
            if usage.requests:
                rate = line.steps.told[self.step(prefill + cached, usage.requests)]
            else:
                least, most = self.reached(prefill + cached, size)
                rate = line.steps.untold[least][most]
                bits |= _REQUESTS_UNKNOWN if least != most else 0
        return types.Emissions(match, bits, prefill, cached, decode or 0, rate)

    def steps(self, match: types.Match) -> Steps:
        """Return the rates of a match by the step of long context. Raises ``ValueError`` for a tier that is not modelled."""
        return self.steps_of(key_of(match))

    def steps_of(self, key: RatesKey) -> Steps:
        """Return the rates for a key. Raises ``KeyError`` for names that the factor set has not, ``ValueError`` as ``steps`` does."""
        return self._steps(key)

    def step(self, total_input: int, requests: int) -> int:
        """Return how many steps of long context the average input of a request reaches: 0 for none."""
        return bisect.bisect(self._bounds, total_input // requests)  # bounds are whole, so the part left out decides nothing

    def reached(self, total_input: int, size: RequestSize | None) -> tuple[int, int]:
        """Return the least and the most steps that requests of unknown number can have reached: none had more input than all of it."""
        least, most = (0, total_input) if size is None else (size.above + 1, total_input if size.up_to is None else size.up_to)
        return self.step(min(least, total_input), 1), self.step(min(most, total_input), 1)

    def _not_covered(self, line: Line, tokens: TokenBuckets) -> types.Emissions:
        why = _TOKENS_UNKNOWN if line.steps else _NOT_MODELLED
        prefill = (tokens.uncached_input or 0) + (tokens.cache_creation_5m or 0) + (tokens.cache_creation_1h or 0)
        return types.Emissions(line.match, line.match.bits | why, prefill, tokens.cached_input or 0, tokens.output or 0, None)

    def _line(self, provider: str, model: str, region: str | None, is_batch: bool) -> Line:  # noqa: FBT001 - a cache's key is positional
        factors = self.factors
        name = models.normalised(model)
        rule = models.first(self._patterns, name)
        tier = factors.tiers[factors.fallback.tier if rule is None else factors.rules[rule].tier]
        at = places.place(factors, provider, region)
        match = types.Match(
            version=factors.version,
            digest=factors.digest,
            model=name,
            rule=rule,
            tier=tier,
            host=at.host,
            grid=at.grid,
            market=at.market,
            region_map=at.region_map,
            is_batch=is_batch,
            bits=at.bits | (types.Flag.MODEL_UNKNOWN.bit if rule is None else 0),
        )
        if tier.wh_per_1k is None:
            return Line(match, None, takes_output=False)
        return Line(match, self._steps(key_of(match)), takes_output=tier.wh_per_1k[types.Phase.DECODE].high > 0)

    def _rates(self, key: RatesKey) -> Steps:
        told = tuple(rates_of(self.factors, key, step) for step in (None, *self.factors.context_steps))
        places = range(len(told))
        between = [
            [told[most] if most <= least else rates.without_requests(told[least], told[most]) for most in places] for least in places
        ]
        return Steps(told, tuple(map(tuple, between)))


def key_of(match: types.Match) -> RatesKey:
    """Return what the rates of a match depend on."""
    market = match.market.name if match.market else None
    return RatesKey(match.tier.name, match.rule is None, match.host.name, match.grid.name, market, match.is_batch)


def rates_of(
    factors: types.FactorSet, key: RatesKey, step: types.ContextStep | None, product: rates.Product = quantity.combine
) -> types.Rates:
    """Return the rates for a key at a step of long context."""
    tier = factors.tiers[key.tier]
    return rates.rates(
        factors,
        rates.energies(factors, tier, is_fallback=key.is_fallback, step=step, is_batch=key.is_batch),
        host=factors.hosts[key.host],
        grid=factors.grids[key.grid],
        market=None if key.market is None else factors.grids[key.market],
        product=product,
    )
