"""How costs and emissions are made, for anybody: every rule and number with its source, and plainly what nobody has measured."""

from __future__ import annotations

import functools
from datetime import date

from pydantic import Field

from carbonledger.domains.emissions import service as emissions
from carbonledger.domains.emissions import types as emission_types
from carbonledger.domains.pricing import service as pricing
from carbonledger.domains.pricing import types as price_types
from carbonledger.entrypoints.rest import quantities, routing, shapes
from carbonledger.entrypoints.shared import access
from carbonledger.kernel import decimals

router = routing.Router(prefix="/v1/public/methodology", tag="Cost and carbon")

CACHE_S = 3600
STATEMENT = (
    "No provider measures energy or emissions for its customers, so every such figure is an estimate within bounds: low, mid and high. "
    "Emissions are gross: credits never lower them. Costs are exact products of token counts and published prices."
)

COST_FORMULA = (
    "cost = sum over kinds of (tokens of the kind x the price of the kind), for the price in force when it happened, of the price tier "
    "that the size of one request decides, of the service that served it; exact, and never rounded"
)


class SourceOut(shapes.Out):
    """Where numbers come from. Other parts name it by its id."""

    id: str
    title: str
    url: str | None = Field(description="Null: our own derivation or assumption.")
    used_for: str


class AssumptionOut(shapes.Out):
    """Something that moves the result and that no published measurement stands behind."""

    name: str
    text: str
    pointers: list[str] = Field(description="RFC 6901 pointers to its numbers in the factor set.")
    sources: list[str]


class FlagOut(shapes.Out):
    """What may have to be said about a figure."""

    flag: str
    covered: bool = Field(description="Whether there is a figure at all.")
    meaning: str


class FormulaOut(shapes.Out):
    """One line of the arithmetic."""

    name: str
    formula: str
    unit: str


class PhaseOut(shapes.Out):
    """What a model does with a token."""

    phase: str
    tokens: str = Field(description="The token buckets in it.")
    derivation: str
    is_assumption: bool


class TierOut(shapes.Out):
    """A group of models of similar energy per token, in Wh per 1,000 tokens before PUE."""

    tier: str
    label: str
    models: str
    wh_per_1k_tokens: dict[str, quantities.RangeOut] | None = Field(description="By phase. Null: not modelled, and never covered.")
    sources: list[str]


class RuleOut(shapes.Out):
    """Models whose name fits the pattern are of the tier. The first that fits decides."""

    pattern: str
    tier: str


class ContextStepOut(shapes.Out):
    """What long input multiplies energy by."""

    input_tokens_per_request_from: int
    prefill: str
    decode: str


class HostOut(shapes.Out):
    """Whose machines run the models of a provider."""

    provider: str
    hosting: str
    pue: quantities.RangeOut
    pue_sources: list[str]
    water_l_per_kwh: quantities.RangeOut
    water_sources: list[str]
    grid: str = Field(description="Where they are unless a region is told.")


class GridOut(shapes.Out):
    """The electricity of a place or of a contract."""

    grid: str
    basis: str = Field(description="`location` or `market`: two answers to two questions, never summed.")
    g_per_kwh: quantities.RangeOut
    water_l_per_kwh: str | None
    year: int
    bounds: str
    sources: list[str]


class EmissionsOut(shapes.Out):
    """How emissions are estimated."""

    factor_version: str
    digest: str
    status: str
    effective_from: date
    formulas: list[FormulaOut]
    bounds: str = Field(description="How bounds combine.")
    phases: list[PhaseOut]
    tiers: list[TierOut]
    rules: list[RuleOut]
    context_steps: list[ContextStepOut]
    context_sources: list[str]
    hosts: list[HostOut]
    grids: list[GridOut]
    embodied_g_per_kwh: quantities.RangeOut
    embodied_derivation: str
    embodied_sources: list[str]
    flags: list[FlagOut]
    sources: list[SourceOut]


class SettledOut(shapes.Out):
    """An entry of our own in the price book: where public books disagree or are silent."""

    rule: str
    provider: str
    models: list[str] = Field(description="None: all of the provider.")
    service: str
    valid_from: str | None
    valid_until: str | None
    per_million_tokens: dict[str, str] = Field(description="US dollars.")
    times: str | None = Field(description="A factor on the provider's other prices of these kinds, in place of prices.")
    kinds: list[str]
    hours: list[str] = Field(description="Of the day in UTC, such as 01:00-04:00; none: at all hours.")
    days: list[int] = Field(description="Of the week, Monday is 1; none: on all days.")
    reason: str
    links: list[str]
    decided_on: date
    disputed: bool


class CostOut(shapes.Out):
    """How costs are made."""

    price_version: str
    as_of: date
    currency: str
    source: dict[str, str] = Field(description="The release that the book was made of.")
    formula: str
    settled: list[SettledOut]
    flags: list[FlagOut]


class MethodologyOut(shapes.Out):
    """How costs and emissions are made."""

    statement: str
    assumptions: list[AssumptionOut] = Field(description="What nobody has measured. Cached input above all.")
    emissions: EmissionsOut
    cost: CostOut
    page: str = Field(description="The same as a page to read.")


_RANGE = {"low": "0.02", "mid": "0.075", "high": "0.25"}
_EXAMPLE = {
    "statement": STATEMENT,
    "assumptions": [
        {
            "name": "cached_input",
            "text": "Cached input is an assumption, more than any other number here.",
            "pointers": ["/tiers/medium/wh_per_1k_tokens/cached_input"],
            "sources": ["assumption"],
        }
    ],
    "emissions": {
        "factor_version": "1.0",
        "digest": "9a5eb3e79bc9bf5a2ea7c83977fcb23970a9ee518cdaeaae600b7a9f59aeb702",
        "status": "proposed",
        "effective_from": "2026-11-01",
        "formulas": [{"name": "facility_wh", "formula": "it_wh * pue", "unit": "Wh"}],
        "bounds": "Independent factors combine as the root of the sum of squares of the log ratios.",
        "phases": [{"phase": "cached", "tokens": "cached_input", "derivation": "no published measurement", "is_assumption": True}],
        "tiers": [
            {
                "tier": "medium",
                "label": "Medium",
                "models": "gpt-4o, gpt-5",
                "wh_per_1k_tokens": {"prefill": _RANGE, "cached": _RANGE, "decode": _RANGE},
                "sources": ["epoch-2025"],
            }
        ],
        "rules": [{"pattern": "gpt-4o*", "tier": "medium"}],
        "context_steps": [{"input_tokens_per_request_from": 32000, "prefill": "1.4", "decode": "1.2"}],
        "context_sources": ["epoch-2025", "assumption"],
        "hosts": [],
        "grids": [],
        "embodied_g_per_kwh": {"low": "20", "mid": "45", "high": "100"},
        "embodied_derivation": "7884 kg over 3 years at 7.1 kW average",
        "embodied_sources": ["ecologits-0.11.3"],
        "flags": [{"flag": "not_modelled", "covered": False, "meaning": "The factor set has no energy per token."}],
        "sources": [{"id": "assumption", "title": "Authors assumption", "url": None, "used_for": "cached input share"}],
    },
    "cost": {
        "price_version": "2026-11-21-35dc9ae5b5ea",
        "as_of": "2026-11-21",
        "currency": "USD",
        "source": {"name": "genai-prices", "version": "0.2.3"},
        "formula": "sum over kinds of tokens: count x price",
        "settled": [],
        "flags": [{"flag": "model_unknown", "covered": False, "meaning": "The price book does not have this model."}],
    },
    "page": "/methodology",
}


@router.get(
    "",
    access=access.public(limit="public"),
    summary="How costs and emissions are made",
    operation_id="getMethodology",
    examples={"response": _EXAMPLE},
    transaction=False,
    cache_s=CACHE_S,
)
async def get_methodology(call: routing.CallDep) -> MethodologyOut:  # noqa: ARG001 - every endpoint takes its call
    """Explain every number of the current factor set and price book, with its source, and say which of them are assumptions."""
    return to_api_methodology()


@functools.cache
def to_api_methodology() -> MethodologyOut:
    """Return the methodology as anybody sees it. It is the same as long as the process runs."""
    known = emissions.methodology()
    return MethodologyOut(
        statement=STATEMENT,
        assumptions=[
            AssumptionOut(name=one.name, text=one.text, pointers=list(one.pointers), sources=[source.id for source in one.sources])
            for one in known.assumptions
        ],
        emissions=_emissions(known),
        cost=_cost(),
        page="/methodology",
    )


def _emissions(known: emission_types.Methodology) -> EmissionsOut:
    factors = known.factors
    return EmissionsOut(
        factor_version=factors.version,
        digest=factors.digest,
        status=factors.status,
        effective_from=factors.effective_from,
        formulas=[FormulaOut(name=one.name, formula=one.text, unit=one.unit) for one in known.formulas],
        bounds=known.bounds,
        phases=[
            PhaseOut(phase=one.phase.value, tokens=one.tokens, derivation=one.derivation, is_assumption=one.is_assumption)
            for one in known.phases
        ],
        tiers=[_tier(tier) for tier in factors.tiers.values()],
        rules=[RuleOut(pattern=rule.pattern, tier=rule.tier) for rule in factors.rules],
        context_steps=[_context_step(step) for step in factors.context_steps],
        context_sources=list(factors.context_sources),
        hosts=[_host(host) for host in factors.hosts.values()],
        grids=[_grid(grid) for grid in factors.grids.values()],
        embodied_g_per_kwh=quantities.known(factors.embodied.value),
        embodied_derivation=factors.embodied_derivation,
        embodied_sources=list(factors.embodied.sources),
        flags=[FlagOut(flag=flag.value, covered=flag.is_covered, meaning=words) for flag, words in known.flags.items()],
        sources=[SourceOut(id=one.id, title=one.title, url=one.url, used_for=one.used) for one in factors.sources.values()],
    )


def _tier(tier: emission_types.Tier) -> TierOut:
    energies = tier.wh_per_1k
    return TierOut(
        tier=tier.name,
        label=tier.label,
        models=tier.representative,
        wh_per_1k_tokens=None if energies is None else {phase.value: quantities.known(energy) for phase, energy in energies.items()},
        sources=list(tier.sources),
    )


def _context_step(step: emission_types.ContextStep) -> ContextStepOut:
    prefill, decode = decimals.to_api_decimal(step.prefill), decimals.to_api_decimal(step.decode)
    return ContextStepOut(input_tokens_per_request_from=step.input_tokens_min, prefill=prefill, decode=decode)


def _host(host: emission_types.Host) -> HostOut:
    return HostOut(
        provider=host.name,
        hosting=host.hosting,
        pue=quantities.known(host.pue.value),
        pue_sources=list(host.pue.sources),
        water_l_per_kwh=quantities.known(host.water.value),
        water_sources=list(host.water.sources),
        grid=host.grid,
    )


def _grid(grid: emission_types.Grid) -> GridOut:
    return GridOut(
        grid=grid.name,
        basis=grid.basis.value,
        g_per_kwh=quantities.known(grid.intensity.value),
        water_l_per_kwh=None if grid.water is None else decimals.to_api_decimal(grid.water),
        year=grid.year,
        bounds=grid.bounds,
        sources=list(grid.intensity.sources),
    )


def _cost() -> CostOut:
    book = pricing.book()
    return CostOut(
        price_version=book.version,
        as_of=book.as_of,
        currency=price_types.USD.code,
        source=dict(book.source),
        formula=COST_FORMULA,
        settled=[_settled(one) for one in pricing.settled()],
        flags=[FlagOut(flag=flag.value, covered=flag.is_covered, meaning=pricing.said(flag)) for flag in price_types.Flag],
    )


def _settled(one: price_types.Settled) -> SettledOut:
    return SettledOut(
        rule=one.rule,
        provider=one.provider,
        models=list(one.models),
        service=one.service,
        valid_from=one.starts_on,
        valid_until=one.ends_on,
        per_million_tokens=dict(one.prices),
        times=one.times,
        kinds=list(one.kinds),
        hours=["-".join(hours) for hours in one.hours],
        days=list(one.days),
        reason=one.reason,
        links=list(one.links),
        decided_on=one.decided_on,
        disputed=one.is_disputed,
    )
