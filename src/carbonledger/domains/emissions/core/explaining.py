"""An estimate step by step: each with its formula, its inputs, and where in the factor set and in the literature they come from.

Owns the words and the order of the steps. It computes nothing anew: results are those of the estimate, and each mid is its formula's
value exactly. Bounds follow the combination rule, named in the formula wherever factors with bounds meet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple, TypeVar

from carbonledger.domains.emissions import types
from carbonledger.domains.emissions.core import estimating, rates
from carbonledger.domains.emissions.core.estimating import Estimator
from carbonledger.kernel import quantity
from carbonledger.kernel.quantity import Co2eG, Range
from carbonledger.kernel.usage import RequestSize, Usage

ASSUMPTIONS = frozenset(("assumption", "extrapolated"))  # sources of the set that are no measurement
COMBINED = "; bounds: per phase, root of the sum of squares of the log ratios, then added"
_MULTIPLIERS = ("context_multiplier", "batch")
TOKENS_OF = {
    types.Phase.PREFILL: "uncached_input + cache_creation_5m + cache_creation_1h",
    types.Phase.CACHED: "cached_input",
    types.Phase.DECODE: "output",
}
ROW_OF = {types.Phase.PREFILL: "prefill", types.Phase.CACHED: "cached_input", types.Phase.DECODE: "decode"}
R = TypeVar("R", bound=Range)


class _Context(NamedTuple):
    """What long context multiplies by: ``low`` for low and mid, ``high`` for high; they differ where it can't be told."""

    low: types.ContextStep | None
    high: types.ContextStep | None
    size: RequestSize | None


def explain(estimator: Estimator, usage: Usage, *, size: RequestSize | None = None) -> types.Explanation:
    """Return the estimate of the usage with its steps and its envelope. ``size``: how large each request's input was."""
    emissions = estimator.estimate(usage, size=size)
    if emissions.rates is None:
        return types.Explanation(emissions=emissions, steps=tuple(_not_covered(estimator.factors, usage, emissions)), envelope=None)
    context = _context(estimator, usage, emissions, size)
    return types.Explanation(
        emissions=emissions,
        steps=tuple(_steps(estimator.factors, usage, emissions, context)),
        envelope=_envelope(estimator, emissions, context),
    )


def _context(estimator: Estimator, usage: Usage, emissions: types.Emissions, size: RequestSize | None) -> _Context:
    steps, total = (None, *estimator.factors.context_steps), emissions.prefill_tokens + emissions.cached_tokens
    least, most = (estimator.step(total, usage.requests),) * 2 if usage.requests else estimator.reached(total, size)
    return _Context(steps[least], steps[most], size)


def _envelope(estimator: Estimator, emissions: types.Emissions, context: _Context) -> types.Envelope:
    match = emissions.match
    key = estimating.key_of(match)
    low, high = (estimating.rates_of(estimator.factors, key, step, quantity.envelope) for step in (context.low, context.high))
    outer = emissions._replace(rates=rates.without_requests(low, high))
    return types.Envelope(
        energy_wh=_known(outer.energy_wh),
        co2e_location_g=_known(outer.co2e_location_g),
        co2e_market_g=outer.co2e_market_g,
        water_ml=_known(outer.water_ml),
    )


def _steps(factors: types.FactorSet, usage: Usage, emissions: types.Emissions, context: _Context) -> Iterator[types.Step]:
    yield _tier(factors, usage, emissions.match)
    yield _place(usage, emissions.match)
    yield _long_context(factors, usage, emissions, context)
    phases = {phase: _phase(factors, emissions, context, phase) for phase in types.Phase}
    yield from phases.values()
    it = types.Step(
        name="it_wh",
        formula="prefill_wh + cached_wh + decode_wh",
        inputs=tuple(_from(step) for step in phases.values()),
        result=_known(emissions.it_energy_wh),
        unit="Wh",
    )
    yield it
    yield from _facility(factors, emissions, it)


def _facility(factors: types.FactorSet, emissions: types.Emissions, it: types.Step) -> Iterator[types.Step]:
    match = emissions.match
    host = f"/providers/{match.host.name}"
    pue = _input(factors, "pue", match.host.pue, "", f"{host}/pue")
    energy = types.Step(
        name="energy_wh", formula="it_wh * pue" + COMBINED, inputs=(_from(it), pue), result=_known(emissions.energy_wh), unit="Wh"
    )
    yield energy
    share = _input(factors, "embodied", factors.embodied, "g per kWh of IT energy", "/embodied_gco2e_per_kwh_it")
    embodied = types.Step(
        name="embodied_g",
        formula="it_wh / 1000 * embodied" + COMBINED,
        inputs=(_from(it), share),
        result=_known(emissions.embodied_g),
        unit="g CO2e",
        note=factors.embodied_derivation,
    )
    yield embodied
    yield from _basis(factors, match.grid, (_from(it), pue, _from(embodied)), emissions.co2e_location, emissions.embodied)
    if match.market is not None:
        yield from _basis(factors, match.market, (_from(it), pue, _from(embodied)), emissions.co2e_market, emissions.embodied)
    else:
        note = "No market-based figure is known for this provider. It is unknown, neither zero nor that of the location."
        yield types.Step(
            name="co2e_market_g", formula="needs a market-based figure of the host", inputs=(), result=None, unit="g CO2e", note=note
        )
    site = _input(factors, "wue_site", match.host.water, "L per kWh of IT energy", f"{host}/wue_site_l_per_kwh_it")
    generation = types.Input(
        name="ewif",
        value=match.grid.water,
        unit="L per kWh",
        pointer=f"/grid/{match.grid.name}/ewif_l_per_kwh",
        sources=_sources(factors, match.grid.intensity.sources),
    )
    yield types.Step(
        name="water_ml",
        formula="it_wh * (wue_site + pue * ewif)" + COMBINED,
        inputs=(_from(it), site, pue, generation),
        result=_known(emissions.water_ml),
        unit="ml",
        note="Use only: the water of making the hardware is not in it.",
    )


def _basis(
    factors: types.FactorSet,
    grid: types.Grid,
    given: tuple[types.Input, types.Input, types.Input],
    total: types.Quanta | None,
    embodied: types.Quanta | None,
) -> Iterator[types.Step]:
    """Return the two steps of a basis from ``given``: IT energy, PUE and the embodied share."""
    *energy, share = given
    whole = _known(types.to_range(total, Co2eG))
    used = None if total is None or embodied is None else (total[0] - embodied[0], total[1] - embodied[1], total[2] - embodied[2])
    intensity = _input(factors, "grid", grid.intensity, "g CO2e per kWh", f"/grid/{grid.name}/gco2e_per_kwh")
    operational = types.Step(
        name=f"operational_{grid.basis.value}_g",
        formula="it_wh * pue / 1000 * grid" + COMBINED,
        inputs=(*energy, intensity),
        result=_known(types.to_range(used, Co2eG)),
        unit="g CO2e",
        note=f"{grid.name}, {grid.year}, {grid.basis.value} basis; bounds: {grid.bounds}",
    )
    yield operational
    inputs = (_from(operational), share)
    formula = f"{operational.name} + embodied_g"
    yield types.Step(name=f"co2e_{grid.basis.value}_g", formula=formula, inputs=inputs, result=whole, unit="g CO2e")


def _tier(factors: types.FactorSet, usage: Usage, match: types.Match) -> types.Step:
    rule = match.rule
    pattern = "*" if rule is None else factors.rules[rule].pattern
    pointer = "/matching/default" if rule is None else f"/matching/rules/{rule}"
    return types.Step(
        name="tier",
        formula="the first rule whose pattern fits the normalised name",
        inputs=(
            types.Input(name="model", value=usage.model, unit=""),
            types.Input(name="normalised", value=match.model, unit="", pointer="/matching/normalise"),
            types.Input(name="pattern", value=pattern, unit="", pointer=pointer),
        ),
        result=match.tier.name,
        unit="",
        note=match.tier.label if rule is not None else f"No rule knows this model: {match.tier.label}, with its bounds moved out.",
    )


def _place(usage: Usage, match: types.Match) -> types.Step:
    notes = []
    if types.Flag.PROVIDER_UNKNOWN.bit & match.bits:
        notes.append("The factor set has no row for this provider: that of an unknown host.")
    if types.Flag.REGION_UNKNOWN.bit & match.bits:
        notes.append("The factor set does not know this region: the place of the host where nothing is said.")
    region_map = f"/region_map/{match.region_map}" if match.region_map else None
    host = f"/providers/{match.host.name}"
    return types.Step(
        name="place",
        formula="the grid of the region; without one the default_region of the host",
        inputs=(
            types.Input(name="provider", value=usage.provider, unit="", pointer=host),
            types.Input(name="region", value=usage.region, unit="", pointer=region_map),
            types.Input(name="default_region", value=match.host.grid, unit="", pointer=f"{host}/default_region"),
        ),
        result=match.grid.name,
        unit="",
        note=" ".join((*notes, f"Hosting: {match.host.hosting}.")),
    )


def _long_context(factors: types.FactorSet, usage: Usage, emissions: types.Emissions, context: _Context) -> types.Step:
    untold = "The number of requests is unknown: low and mid as if each were as short as it can have been, high as if it were as long."
    bounds = tuple(
        types.Input(
            name="from_tokens",
            value=step.input_tokens_min,
            unit="input tokens per request",
            pointer=f"/modifiers/long_context/steps/{place}/min_avg_input_tokens",
            sources=_sources(factors, factors.context_sources),
            is_assumption=is_assumption(factors.context_sources),
        )
        for place, step in enumerate(factors.context_steps)
    )
    reached = [str(step.input_tokens_min) if step else "none" for step in dict.fromkeys((context.low, context.high))]
    size = (
        () if context.size is None else (types.Input(name="request_input_tokens", value=_sized(context.size), unit="tokens per request"),)
    )
    return types.Step(
        name="long_context",
        formula="the last step that input_tokens / requests reaches",
        inputs=(
            types.Input(name="input_tokens", value=emissions.prefill_tokens + emissions.cached_tokens, unit="tokens"),
            types.Input(name="requests", value=usage.requests, unit=""),
            *size,
            *bounds,
        ),
        result=" to ".join(reached),
        unit="",
        note=untold if types.Flag.REQUESTS_UNKNOWN in emissions.flags else None,
    )


def _sized(size: RequestSize) -> str:
    return f"more than {size.above}" + ("" if size.up_to is None else f", at most {size.up_to}")


def _phase(factors: types.FactorSet, emissions: types.Emissions, context: _Context, phase: types.Phase) -> types.Step:
    match = emissions.match
    energies = match.tier.wh_per_1k or {}
    row = types.Input(
        name="wh_per_1k",
        value=energies[phase],
        unit="Wh per 1,000 tokens",
        pointer=f"/tiers/{match.tier.name}/wh_per_1k_tokens/{ROW_OF[phase]}",
        sources=_sources(factors, ("assumption",) if phase is types.Phase.CACHED else match.tier.sources),
        is_assumption=phase is types.Phase.CACHED or is_assumption(match.tier.sources),
    )
    tokens = {
        types.Phase.PREFILL: emissions.prefill_tokens,
        types.Phase.CACHED: emissions.cached_tokens,
        types.Phase.DECODE: emissions.decode_tokens,
    }
    results = {
        types.Phase.PREFILL: emissions.prefill_wh,
        types.Phase.CACHED: emissions.cached_wh,
        types.Phase.DECODE: emissions.decode_wh,
    }
    moved_out = "" if match.rule is not None else " (low / low_divisor, high * high_multiplier)"
    others = tuple(_modifiers(factors, match, context, phase))
    return types.Step(
        name=f"{phase.value}_wh",
        formula=" * ".join(("tokens / 1000", "wh_per_1k" + moved_out, *(given.name for given in others if given.name in _MULTIPLIERS))),
        inputs=(types.Input(name="tokens", value=tokens[phase], unit=TOKENS_OF[phase]), row, *others),
        result=_known(results[phase]),
        unit="Wh",
        note=factors.notes[ROW_OF[phase]],
    )


def _modifiers(factors: types.FactorSet, match: types.Match, context: _Context, phase: types.Phase) -> Iterator[types.Input]:
    if match.rule is None:
        for name in ("low_divisor", "high_multiplier"):
            yield types.Input(
                name=name, value=getattr(factors.fallback, name), unit="", pointer=f"/matching/default/widen/{name}", is_assumption=True
            )
    if phase is not types.Phase.CACHED and context.high is not None:
        place = factors.context_steps.index(context.high)
        low = getattr(context.low, phase.value) if context.low else Decimal(1)
        yield types.Input(
            name="context_multiplier",
            value=Range(low, low, getattr(context.high, phase.value)),
            unit="",
            pointer=f"/modifiers/long_context/steps/{place}/{phase.value}",
            sources=_sources(factors, factors.context_sources),
            is_assumption=is_assumption(factors.context_sources),
        )
    if match.is_batch:
        pointer = "/modifiers/batch_processing/energy_multiplier"
        yield types.Input(name="batch", value=factors.batch_multiplier, unit="", pointer=pointer)


def _not_covered(factors: types.FactorSet, usage: Usage, emissions: types.Emissions) -> Iterator[types.Step]:
    match = emissions.match
    yield _tier(factors, usage, match)
    if match.tier.wh_per_1k is None:
        row = types.Input(name="wh_per_1k", value=None, unit="Wh per 1,000 tokens", pointer=f"/tiers/{match.tier.name}/wh_per_1k_tokens")
        note = "The factor set has no energy per token for this tier. The emissions are unknown, which is not zero."
        yield types.Step(name="energy_wh", formula="tokens / 1000 * wh_per_1k", inputs=(row,), result=None, unit="Wh", note=note)
        return
    counts = tuple(types.Input(name=name, value=getattr(usage.tokens, name), unit="tokens") for name in ("uncached_input", "output"))
    note = "A token count is unknown, and so is what the tokens took: not zero, and not only the part that is known."
    yield types.Step(name="energy_wh", formula="needs uncached_input and output", inputs=counts, result=None, unit="Wh", note=note)


def _input(factors: types.FactorSet, name: str, factor: types.Factor, unit: str, pointer: str) -> types.Input:
    return types.Input(
        name=name,
        value=factor.value,
        unit=unit,
        pointer=pointer,
        sources=_sources(factors, factor.sources),
        is_assumption=is_assumption(factor.sources),
    )


def _from(step: types.Step) -> types.Input:
    return types.Input(name=step.name, value=step.result, unit=step.unit)


def _known(value: R | None) -> R:
    if value is None:
        raise ValueError("an estimate that is covered has every amount but the market basis")
    return value


def _sources(factors: types.FactorSet, names: Iterable[str]) -> tuple[types.Source, ...]:
    return tuple(factors.sources[name] for name in names if name in factors.sources)


def is_assumption(sources: Iterable[str]) -> bool:
    """Say whether one of the sources of a number is no measurement."""
    return not ASSUMPTIONS.isdisjoint(sources)
