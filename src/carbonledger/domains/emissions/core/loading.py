"""From the bytes of a file to a factor set: schema ``carbon-factors/1``, word for word.

Owns what a set must hold and how its parts refer to each other. It does not own the walk through the document (``reading``) nor
its canonical form (``canonical``). Members that nobody knows are refused: a number that is read by nobody would look as if it counted.
Units and formulas stand in the file as texts for its readers; they must be those that the arithmetic here follows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from carbonledger.domains.emissions import types
from carbonledger.domains.emissions.core import canonical, reading
from carbonledger.domains.emissions.core.reading import Node
from carbonledger.kernel import decimals
from carbonledger.kernel.quantity import Range

SCHEMA = "carbon-factors/1"
DEFAULT_HOST = "default"
RULES_MAX = 2000
# One character, a class of characters, any character, or any number of characters: what fnmatch knows, in lower case.
PATTERN = r"(?:[a-z0-9._:*?-]|\[!?[a-z0-9-]+\])+"
UNITS = {
    "energy": "Wh per 1000 tokens at IT level (accelerators + host + provisioned idle), before PUE",
    "grid": "gCO2e/kWh",
    "water": "L/kWh",
    "embodied": "gCO2e per kWh of IT energy",
}
FORMULA = {
    "it_wh": "sum(tokens_phase/1000 * wh_per_1k[phase])",
    "facility_wh": "it_wh * pue",
    "operational_gco2e": "facility_wh/1000 * grid",
    "embodied_gco2e": "it_wh/1000 * embodied",
    "total_gco2e": "operational + embodied",
    "water_ml": "it_wh * (wue_site + pue * ewif)",
    "uncertainty": (
        "For each multiplicative factor f take d_lo=ln(mid/low), d_hi=ln(high/mid); combine independent factors as the root of the sum"
        " of squares in log space; total_low=mid*exp(-D_lo), total_high=mid*exp(D_hi). Token phases of one tier are fully correlated:"
        " sum lows with lows, highs with highs, before taking logs. Report corner product (all lows / all highs) as the outer envelope."
    ),
}
NORMALISE = (
    'lower-case; strip a leading "ft:" and, for such names, everything from the next ":"; drop everything up to the last "/"; keep any'
    ' other ":suffix"; then fnmatch (case-sensitive), first match wins'
)
REASONING = "Already inside output tokens in every supported usage API; never add them again."
MEMBERS = (
    *("schema", "version", "status", "effective_from", "units", "formula", "matching", "tiers", "modifiers", "providers", "grid"),
    *("region_map", "embodied_gco2e_per_kwh_it", "phase_notes", "sources"),
)
PHASE_NOTES = ("prefill", "cached_input", "cache_creation", "decode")


class _Matching(NamedTuple):
    rules: tuple[types.ModelRule, ...]
    fallback: types.Fallback


class _Modifiers(NamedTuple):
    steps: tuple[types.ContextStep, ...]
    step_sources: tuple[str, ...]
    batch_multiplier: Decimal
    batch_note: str


def factor_set(data: bytes) -> types.FactorSet:
    """Return the factor set of a file. Raises ``FactorSetInvalid`` with every problem and its place."""
    document = canonical.parsed(data)
    top = Node(document, "", [])
    members = top.members(*MEMBERS)
    top.finish()  # without its parts there is nothing to check against
    for texts, required in ((members["units"], UNITS), (members["formula"], FORMULA)):
        for name, node in texts.members(*required).items():
            if name in required:
                node.exactly(required[name])
    members["schema"].exactly(SCHEMA)
    sources = _sources(members["sources"])
    tiers = {name: _tier(name, node, sources) for name, node in members["tiers"].named().items()}
    grids = {name: _grid(name, node, sources) for name, node in members["grid"].named().items()}
    places = {name for name, grid in grids.items() if grid.basis is types.Basis.LOCATION}
    matching = _matching(members["matching"], tiers)
    modifiers = _modifiers(members["modifiers"], sources)
    embodied, derivation = _embodied(members["embodied_gco2e_per_kwh_it"], sources)
    notes = {name: node.text() for name, node in members["phase_notes"].members(*PHASE_NOTES).items()}
    result = types.FactorSet(
        version=members["version"].text(r"[0-9]+\.[0-9]+(\.[0-9]+)?"),
        digest=canonical.digest(document),
        status=members["status"].one_of(("proposed", "final"), "status"),
        effective_from=members["effective_from"].date(),
        rules=matching.rules,
        fallback=matching.fallback,
        tiers=MappingProxyType(tiers),
        context_steps=modifiers.steps,
        context_sources=modifiers.step_sources,
        batch_multiplier=modifiers.batch_multiplier,
        hosts=MappingProxyType(_hosts(members["providers"], sources, places)),
        grids=MappingProxyType(grids),
        regions=MappingProxyType(_regions(members["region_map"], places)),
        embodied=embodied,
        embodied_derivation=derivation,
        notes=MappingProxyType({**notes, "batch_processing": modifiers.batch_note}),
        sources=MappingProxyType(sources),
        document=data,
    )
    top.finish()
    _check_digits(top, result)
    top.finish()
    return result


def _sources(node: Node) -> dict[str, types.Source]:
    sources: dict[str, types.Source] = {}
    for item in node.items():
        members = item.members("id", "title", "url", "used", optional=("licence",))
        name = members["id"].text(reading.NAME)
        if name in sources:
            members["id"].fail("source_double", f"The source {name!r} is there twice.")
        url = members["url"]
        sources[name] = types.Source(
            id=name,
            title=members["title"].text(),
            url=None if url.value is None else url.text(r"https://\S+"),
            used=members["used"].text(),
            licence=members["licence"].text() if "licence" in members else None,
        )
    return sources


def _tier(name: str, node: Node, sources: Collection[str]) -> types.Tier:
    members = node.members("label", "representative", "wh_per_1k_tokens", "basis")
    energy = members["wh_per_1k_tokens"]
    return types.Tier(
        name=name,
        label=members["label"].text(),
        representative=members["representative"].text(),
        wh_per_1k=None if energy.value is None else MappingProxyType(_phases(energy)),
        sources=members["basis"].texts(sources, "source"),
    )


def _phases(node: Node) -> dict[types.Phase, Range]:
    before = len(node.problems)
    members = node.members("prefill", "cache_creation", "cached_input", "decode")
    read = {name: member.range()[0] for name, member in members.items()}
    if len(node.problems) == before and read["cache_creation"] != read["prefill"]:
        members["cache_creation"].fail("cache_creation_differs", "Cache creation is a prefill pass: give it the numbers of prefill.")
    return {
        types.Phase.PREFILL: read["prefill"],
        types.Phase.CACHED: read["cached_input"],
        types.Phase.DECODE: read["decode"],
    }


def _grid(name: str, node: Node, sources: Collection[str]) -> types.Grid:
    members = node.members("basis", "gco2e_per_kwh", "ewif_l_per_kwh", "year", "source", "bounds")
    bases = {basis.value: basis for basis in types.Basis}
    basis = bases.get(members["basis"].one_of(bases, "basis"), types.Basis.LOCATION)
    water = members["ewif_l_per_kwh"]
    if water.value is None and basis is types.Basis.LOCATION:
        water.fail("water_missing", "The electricity of a place needs its water.")
    return types.Grid(
        name=name,
        basis=basis,
        intensity=types.Factor(members["gco2e_per_kwh"].range()[0], members["source"].texts(sources, "source")),
        water=None if water.value is None else water.decimal(),
        year=members["year"].whole(least=1990, most=2100),
        bounds=members["bounds"].text(),
    )


def _matching(node: Node, tiers: Mapping[str, types.Tier]) -> _Matching:
    members = node.members("normalise", "rules", "default")
    members["normalise"].exactly(NORMALISE)
    rules = []
    for item in members["rules"].items():
        rule = item.members("pattern", "tier")
        rules.append(types.ModelRule(rule["pattern"].text(PATTERN), rule["tier"].one_of(tiers, "tier")))
    if len(rules) > RULES_MAX:
        members["rules"].fail("too_many", f"Give at most {RULES_MAX} rules.")
    default = members["default"].members("pattern", "tier", "matched_by_default", "widen")
    default["pattern"].exactly("*")
    default["matched_by_default"].exactly(value=True)
    tier = default["tier"].one_of(tiers, "tier")
    if tier in tiers and tiers[tier].wh_per_1k is None:
        default["tier"].fail("tier_not_modelled", "An unknown model can't be given a tier without energy.")
    widen = default["widen"].members("low_divisor", "high_multiplier")
    return _Matching(
        tuple(rules),
        types.Fallback(
            tier=tier, low_divisor=widen["low_divisor"].decimal(least=1), high_multiplier=widen["high_multiplier"].decimal(least=1)
        ),
    )


def _modifiers(node: Node, sources: Collection[str]) -> _Modifiers:
    members = node.members("long_context", "batch_processing", "reasoning_tokens")
    context = members["long_context"].members("applies_to", "steps", "source")
    context["applies_to"].exactly("prefill, cache_creation and decode of a row whose (all input tokens / requests) reaches the bound")
    steps = []
    for item in context["steps"].items():
        step = item.members("min_avg_input_tokens", "prefill", "decode")
        bound = step["min_avg_input_tokens"].whole(least=1, most=10**9)
        steps.append(types.ContextStep(bound, step["prefill"].decimal(least=1), step["decode"].decimal(least=1)))
        if len(steps) > 1 and not _is_after(steps[-1], steps[-2]):
            item.fail("step_wrong", "Each step begins after the one before it and multiplies by no less.")
    batch = members["batch_processing"].members("energy_multiplier", "note")
    members["reasoning_tokens"].exactly(REASONING)
    return _Modifiers(tuple(steps), context["source"].texts(sources, "source"), batch["energy_multiplier"].decimal(), batch["note"].text())


def _is_after(step: types.ContextStep, before: types.ContextStep) -> bool:
    return step.input_tokens_min > before.input_tokens_min and step.prefill >= before.prefill and step.decode >= before.decode


def _hosts(node: Node, sources: Collection[str], places: Collection[str]) -> dict[str, types.Host]:
    hosts: dict[str, types.Host] = {}
    for name, item in node.named().items():
        members = item.members("hosting", "pue", "default_region", "wue_site_l_per_kwh_it")
        pue, beside_pue = members["pue"].range(least=1, beside=("source",))
        water, beside_water = members["wue_site_l_per_kwh_it"].range(beside=("source",))
        hosts[name] = types.Host(
            name=name,
            hosting=members["hosting"].text(),
            pue=types.Factor(pue, beside_pue["source"].texts(sources, "source")),
            water=types.Factor(water, beside_water["source"].texts(sources, "source")),
            grid=members["default_region"].one_of(places, "grid with basis location"),
        )
    if DEFAULT_HOST not in hosts:
        node.fail("member_missing", f"The member {DEFAULT_HOST!r} is missing: what holds for every other provider.")
    return hosts


def _regions(node: Node, places: Collection[str]) -> dict[str, Mapping[str, str]]:
    return {
        name: MappingProxyType({region: grid.one_of(places, "grid with basis location") for region, grid in item.named().items()})
        for name, item in node.named().items()
    }


def _embodied(node: Node, sources: Collection[str]) -> tuple[types.Factor, str]:
    value, beside = node.range(beside=("derivation", "source"))
    return types.Factor(value, beside["source"].texts(sources, "source")), beside["derivation"].text()


def _check_digits(top: Node, factors: types.FactorSet) -> None:
    """Refuse a set whose mids would have to be rounded: each of their products must be whole in quanta."""
    energies = [energy.mid for tier in factors.tiers.values() if tier.wh_per_1k for energy in tier.wh_per_1k.values()]
    multipliers = [multiplier for step in factors.context_steps for multiplier in (step.prefill, step.decode)]
    energy = _places(energies) + _places(multipliers) + _places([factors.batch_multiplier])
    pue = _places(host.pue.value.mid for host in factors.hosts.values())
    carbon = max(pue + _places(grid.intensity.value.mid for grid in factors.grids.values()), _places([factors.embodied.value.mid]))
    generation = _places(grid.water for grid in factors.grids.values() if grid.water is not None)
    water = max(pue + generation, _places(host.water.value.mid for host in factors.hosts.values()))
    # Three places for the thousand tokens, and for CO2e three more for the kilowatt-hour.
    if max(energy + 3 + 3 + carbon, energy + 3 + water) > types.PLACES:
        top.fail("too_precise", f"The mid numbers have too many digits: their products need more than {types.PLACES} places.")


def _places(numbers: Iterable[Decimal]) -> int:
    return max((len(decimals.to_api_decimal(number).partition(".")[2]) for number in numbers), default=0)
