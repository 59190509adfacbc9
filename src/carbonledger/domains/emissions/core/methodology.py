"""The methodology in words, beside the numbers of a factor set.

Owns which numbers are called assumptions, and says so: those whose sources are ``assumption`` or ``extrapolated``, and those that the set's
own words call so. What follows from the set (formulas, derivations) is quoted from it and not told anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import MappingProxyType

from carbonledger.domains.emissions import types
from carbonledger.domains.emissions.core import explaining, loading
from carbonledger.kernel import decimals

_UNITS = {
    "it_wh": "Wh",
    "facility_wh": "Wh",
    "operational_gco2e": "g CO2e",
    "embodied_gco2e": "g CO2e",
    "total_gco2e": "g CO2e",
    "water_ml": "ml",
}
_BOUNDS = (
    "Factors that are independent of each other combine, for each phase, as the root of the sum of the squares of their log ratios to mid. "
    "Phases, operational and embodied emissions, and events then add low to low and high to high, as if all were wrong in one direction. "
    "The file words it the other way round, sums before logarithms: ours is never narrower below, and differs little above."
)
SAID = {
    types.Flag.NOT_MODELLED: "The factor set has no energy per token for models of images, sound and video: nothing is estimated.",
    types.Flag.TOKENS_UNKNOWN: "A token count that the estimate needs is unknown: nothing is estimated.",
    types.Flag.MODEL_UNKNOWN: "No rule knows the model: the fallback tier, with its bounds moved out.",
    types.Flag.PROVIDER_UNKNOWN: "The factor set has no row for the provider: that of an unknown host.",
    types.Flag.REGION_UNKNOWN: "The factor set does not know the region: the host's usual place.",
    types.Flag.CACHE_SPLIT_UNKNOWN: "Cached tokens were not told apart: they count as prefill, which is never too low.",
    types.Flag.REQUESTS_UNKNOWN: "The number of requests is unknown: low and mid with the least long context possible, high with the most.",
}


def methodology(factors: types.FactorSet) -> types.Methodology:
    """Return the words that belong to the factor set."""
    return types.Methodology(
        factors=factors,
        formulas=tuple(types.Formula(name, loading.FORMULA[name], unit) for name, unit in _UNITS.items()),
        phases=tuple(_phases(factors)),
        bounds=_BOUNDS,
        assumptions=tuple(_assumptions(factors)),
        flags=MappingProxyType(SAID),
    )


def _phases(factors: types.FactorSet) -> Iterator[types.PhaseNote]:
    for phase in types.Phase:
        name = explaining.ROW_OF[phase]
        yield types.PhaseNote(phase, explaining.TOKENS_OF[phase], factors.notes[name], phase is types.Phase.CACHED)


def _assumptions(factors: types.FactorSet) -> Iterator[types.Assumption]:
    modelled = [tier for tier in factors.tiers.values() if tier.wh_per_1k is not None]
    yield types.Assumption(
        name="cached_input",
        text=f"Cached input is an assumption, more than any other number here: {factors.notes['cached_input']}. No provider and no paper "
        "has measured it. Where most input is cached, as with agents, it moves the result more than anything else.",
        pointers=tuple(f"/tiers/{tier.name}/wh_per_1k_tokens/cached_input" for tier in modelled),
        sources=_sources(factors, ("assumption",)),
    )
    yield types.Assumption(
        name="model_tier",
        text="Which model is in which tier is inferred, for closed models, from price and from others' guesses of their size; no provider "
        "has confirmed any.",
        pointers=("/matching/rules",),
        sources=(),
    )
    scaled = [tier.name for tier in modelled if explaining.is_assumption(tier.sources)]
    if scaled:
        yield types.Assumption(
            name="extrapolated_tiers",
            text=f"Nobody has measured models of these tiers: {', '.join(scaled)}. Their energy is scaled from neighbouring tiers.",
            pointers=tuple(f"/tiers/{name}/wh_per_1k_tokens" for name in scaled),
            sources=_sources(factors, ("extrapolated",)),
        )
    yield types.Assumption(
        name="long_context",
        text="The steps of long context are fitted to one published model and assumed between. Many requests are judged by their average.",
        pointers=("/modifiers/long_context/steps",),
        sources=_sources(factors, factors.context_sources),
    )
    yield _fallback(factors.fallback)
    yield _hosts(factors)
    yield _grids(factors)
    yield types.Assumption(
        name="batch",
        text=f"A batch takes as much energy as other calls. {factors.notes['batch_processing']}",
        pointers=("/modifiers/batch_processing/energy_multiplier",),
        sources=(),
    )


def _fallback(fallback: types.Fallback) -> types.Assumption:
    low, high = decimals.to_api_decimal(fallback.low_divisor), decimals.to_api_decimal(fallback.high_multiplier)
    return types.Assumption(
        name="unknown_model",
        text=f"A model that no rule knows is taken for {fallback.tier}, with low divided by {low} and high multiplied by {high}.",
        pointers=("/matching/default",),
        sources=(),
    )


def _hosts(factors: types.FactorSet) -> types.Assumption:
    pue = [host.name for host in factors.hosts.values() if explaining.is_assumption(host.pue.sources)]
    water = [host.name for host in factors.hosts.values() if explaining.is_assumption(host.water.sources)]
    return types.Assumption(
        name="hosts",
        text=f"Assumed for want of a published figure: PUE of {_listed(pue)}; water on site of "
        f"{_listed(water)}. Where a provider's machines stand, unless a region is told, is likely and not certain.",
        pointers=(
            *(f"/providers/{name}/pue" for name in pue),
            *(f"/providers/{name}/wue_site_l_per_kwh_it" for name in water),
        ),
        sources=_sources(factors, ("assumption",)),
    )


def _grids(factors: types.FactorSet) -> types.Assumption:
    assumed = [grid for grid in factors.grids.values() if "assumption" in grid.bounds]
    return types.Assumption(
        name="grid_bounds",
        text="Mids of grids are published annual means of countries. Their bounds are assumed: the spread within a country or over a year.",
        pointers=tuple(f"/grid/{grid.name}/gco2e_per_kwh" for grid in assumed),
        sources=(),
    )


def _sources(factors: types.FactorSet, names: Iterable[str]) -> tuple[types.Source, ...]:
    return tuple(factors.sources[name] for name in names if name in factors.sources)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
