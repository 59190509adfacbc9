"""What usage would cost and emit: computed as the ledger computes it, with every step, and nothing is stored."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pydantic import AwareDatetime, Field

from carbonledger.domains.emissions import service as emissions
from carbonledger.domains.emissions import types as emission_types
from carbonledger.domains.pricing import service as pricing
from carbonledger.domains.pricing import types as price_types
from carbonledger.entrypoints.rest import quantities, routing, shapes
from carbonledger.entrypoints.shared import access
from carbonledger.kernel import decimals, errors, money, usage
from carbonledger.kernel.quantity import Range

router = routing.Router(prefix="/v1/estimates", tag="Cost and carbon")

FIRST, LAST = datetime(2015, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def _count(description: str) -> int | None:
    """Declare a count of tokens, which may be unknown."""
    field: int | None = Field(default=None, ge=0, le=usage.COUNT_MAX, description=f"{description} Null: unknown, which is not 0.")
    return field


class TokensIn(shapes.In):
    """Tokens by bucket. Every input token is in exactly one; parts are inside their bucket and never added to it."""

    uncached_input: int | None = _count("Input that was not served from a cache.")
    cached_input: int | None = _count("Input served from the provider's cache.")
    cache_creation_5m: int | None = _count("Input written to the cache for five minutes, or for a time not told.")
    cache_creation_1h: int | None = _count("Input written to the cache for an hour.")
    output: int | None = _count("Output, reasoning included.")
    reasoning: int | None = _count("Part of output.")
    audio_input: int | None = _count("Part of uncached_input.")
    image_input: int | None = _count("Part of uncached_input.")
    cached_audio_input: int | None = _count("Part of cached_input.")
    cached_image_input: int | None = _count("Part of cached_input.")
    audio_output: int | None = _count("Part of output.")
    image_output: int | None = _count("Part of output.")


class EstimateIn(shapes.In):
    """Usage of one model, in one request or in many."""

    provider: str = Field(min_length=1, max_length=64, description="Slug of who serves the model, such as openai or azure.")
    model: str = Field(min_length=1, max_length=usage.MODEL_CHARS_MAX, description="The provider's name of it.")
    tokens: TokensIn
    requests: int | None = Field(
        default=1, ge=0, le=usage.COUNT_MAX, description="Over how many requests the tokens are spread; price tiers and long context ask."
    )
    batch: bool = Field(default=False, description="Whether it went through the provider's batch service.")
    service_tier: str | None = Field(default=None, min_length=1, max_length=usage.LABEL_CHARS_MAX, description="The provider's own word.")
    region: str | None = Field(
        default=None,
        min_length=1,
        max_length=usage.LABEL_CHARS_MAX,
        description="The provider's own word, or the name of a grid, such as DEU.",
    )
    at: AwareDatetime | None = Field(default=None, ge=FIRST, lt=LAST, description="When; decides the price. Null: now.")


class CostOut(shapes.Out):
    """What the provider charges, exact and unrounded."""

    amount: str = Field(pattern=quantities.DECIMAL)
    currency: str = Field(max_length=3)
    price_version: str = Field(description="Version of the price book.")


class BreakdownOut(shapes.Out):
    """What the estimate is made of: energy of each phase before PUE, the factors, and the share of making the hardware."""

    prefill_wh: quantities.RangeOut
    cached_wh: quantities.RangeOut = Field(description="Rests on an assumption: nobody has measured it.")
    decode_wh: quantities.RangeOut
    pue: quantities.RangeOut = Field(description="Facility energy per IT energy.")
    grid_g_per_kwh: quantities.RangeOut = Field(description="Of the grid at the place of use.")
    embodied_g: quantities.RangeOut = Field(description="Inside co2e_g already.")


class InputOut(shapes.Out):
    """One number or word that a step uses, and where it comes from."""

    name: str
    value: quantities.RangeOut | str | None = Field(description="A range, a decimal or a word; null: unknown.")
    unit: str
    pointer: str | None = Field(description="RFC 6901 pointer into the factor set; null: it came with the usage or from a step before.")
    sources: list[str] = Field(description="Ids of the factor set's sources.")
    is_assumption: bool = Field(description="No published measurement stands behind it.")


class EmissionStepOut(shapes.Out):
    """One step of the estimate, in the order of computing."""

    name: str
    formula: str
    inputs: list[InputOut]
    result: quantities.RangeOut | str | None = Field(description="Null: the step could not be taken; `note` says why.")
    unit: str
    note: str | None


class CostStepOut(shapes.Out):
    """One step of how the cost came about."""

    text: str
    links: list[str]


class StepsOut(shapes.Out):
    """How both came about, step by step."""

    cost: list[CostStepOut]
    emissions: list[EmissionStepOut]


class EstimateOut(shapes.Out):
    """What the usage would cost and emit. What can't be known is null, never 0, and a flag says why."""

    cost: CostOut | None
    energy_wh: quantities.RangeOut | None = Field(description="Energy of the facility: IT energy times PUE.")
    co2e_g: quantities.RangeOut | None = Field(description="Gross, by the grid at the place of use; the embodied share is in it.")
    co2e_market_g: quantities.RangeOut | None = Field(description="Gross, by contract; null where no such figure is published.")
    water_ml: quantities.RangeOut | None
    envelope: quantities.EnvelopeOut | None = Field(
        description="All lows and all highs multiplied: wider than the ranges above, whose factors are independent. Null: not covered."
    )
    tier: str = Field(description="The model tier of the factor set.")
    factor_version: str
    breakdown: BreakdownOut | None
    covered: bool = Field(description="Whether the emissions could be estimated.")
    flags: list[str] = Field(description="What has to be said about the emissions or the cost: both lists that follow, each flag once.")
    emission_flags: list[str]
    cost_flags: list[str]
    steps: StepsOut


_TOKENS = {"uncached_input": 1000, "cached_input": 0, "cache_creation_5m": 0, "cache_creation_1h": 0, "output": 500}
_REQUEST = {"provider": "openai", "model": "gpt-4o", "region": None, "at": None, "requests": 1, "tokens": _TOKENS, "batch": False}
_RESPONSE: dict[str, Any] = {
    "cost": {"amount": "0.0075", "currency": "USD", "price_version": "2026-11-21-35dc9ae5b5ea"},
    "energy_wh": {"low": "0.1707441836355", "mid": "0.5605", "high": "1.843015457372"},
    "co2e_g": {"low": "0.065926116645769", "mid": "0.2368312", "high": "0.8181311842403"},
    "co2e_market_g": None,
    "water_ml": {"low": "0.570813110588906", "mid": "1.897986", "high": "6.319617156742604"},
    "envelope": {
        "energy_wh": {"low": "0.1595", "high": "2.0925"},
        "co2e_g": {"low": "0.042775", "high": "1.20125"},
        "co2e_market_g": None,
        "water_ml": {"low": "0.521304", "high": "7.43721"},
    },
    "tier": "medium",
    "factor_version": "1.0",
    "breakdown": {
        "prefill_wh": {"low": "0.02", "mid": "0.075", "high": "0.25"},
        "cached_wh": {"low": "0", "mid": "0", "high": "0"},
        "decode_wh": {"low": "0.125", "mid": "0.4", "high": "1.3"},
        "pue": {"low": "1.1", "mid": "1.18", "high": "1.35"},
        "grid_g_per_kwh": {"low": "250", "mid": "384.4", "high": "500"},
        "embodied_g": {"low": "0.005075705841779", "mid": "0.021375", "high": "0.0890541136143"},
    },
    "covered": True,
    "flags": [],
    "emission_flags": [],
    "cost_flags": [],
    "steps": {
        "cost": [{"text": "1000 tokens of uncached_input at 0.0000025 USD each: 0.0025 USD.", "links": []}],
        "emissions": [
            {
                "name": "prefill_wh",
                "formula": "tokens / 1000 * wh_per_1k",
                "inputs": [
                    {
                        "name": "wh_per_1k",
                        "value": {"low": "0.02", "mid": "0.075", "high": "0.25"},
                        "unit": "Wh per 1,000 tokens",
                        "pointer": "/tiers/medium/wh_per_1k_tokens/prefill",
                        "sources": ["epoch-2025"],
                        "is_assumption": False,
                    }
                ],
                "result": {"low": "0.02", "mid": "0.075", "high": "0.25"},
                "unit": "Wh",
                "note": None,
            }
        ],
    },
}


@router.post(
    "",
    access=access.scope("prices:read"),
    summary="Estimate cost and emissions",
    operation_id="estimate",
    examples={"request": _REQUEST, "response": _RESPONSE},
    errors=(usage.UsageInvalid,),
)
async def estimate(call: routing.CallDep, body: EstimateIn) -> EstimateOut:
    """Say what usage would cost and emit, as the ledger would say it of an event. Nothing is stored.

    A model that is not token-based (image, sound, video) is answered too: tier `media`, not covered, energy and CO2e null.
    """
    given = from_api_usage(body, at=body.at or call.now)
    return to_api_estimate(emissions.explain(given), pricing.price(given))


def from_api_usage(body: EstimateIn, *, at: datetime) -> usage.Usage:
    """Return the usage. Raises ``UsageInvalid`` with the places in the body of all that is wrong."""
    try:
        tokens = usage.TokenBuckets(**body.tokens.model_dump())
        return usage.Usage(
            provider=body.provider,
            model=body.model,
            occurred_at=at,
            tokens=tokens,
            requests=body.requests,
            batch=body.batch,
            service_tier=body.service_tier,
            region=body.region,
        )
    except usage.UsageInvalid as fault:
        raise usage.UsageInvalid(fault.detail, problems=tuple(_placed(problem) for problem in fault.problems)) from fault


def _placed(problem: errors.Problem) -> errors.Problem:
    """Return a problem of the buckets with its place in the body."""
    name = problem.pointer.lstrip("/")
    if name in usage.BUCKETS or name in usage.PARTS:
        return errors.Problem(f"/tokens/{name}", problem.code, problem.detail)
    return problem


def to_api_estimate(explained: emission_types.Explanation, cost: price_types.Cost) -> EstimateOut:
    """Return an estimate as callers see it."""
    found = explained.emissions
    emission_flags, cost_flags = [flag.value for flag in found.flags], [flag.value for flag in cost.flags]
    return EstimateOut(
        cost=_cost(cost),
        energy_wh=quantities.to_api_range(found.energy_wh),
        co2e_g=quantities.to_api_range(found.co2e_location_g),
        co2e_market_g=quantities.to_api_range(found.co2e_market_g),
        water_ml=quantities.to_api_range(found.water_ml),
        envelope=quantities.to_api_envelope(explained.envelope),
        tier=found.tier,
        factor_version=found.version,
        breakdown=_breakdown(found),
        covered=found.is_covered,
        flags=list(dict.fromkeys((*emission_flags, *cost_flags))),
        emission_flags=emission_flags,
        cost_flags=cost_flags,
        steps=StepsOut(
            cost=[CostStepOut(text=step.text, links=list(step.links)) for step in pricing.explain(cost)],
            emissions=[_step(step) for step in explained.steps],
        ),
    )


def _cost(cost: price_types.Cost) -> CostOut | None:
    amount = cost.money
    return None if amount is None else CostOut(**money.to_api_money(amount), price_version=cost.version)


def _breakdown(found: emission_types.Emissions) -> BreakdownOut | None:
    parts = (found.prefill_wh, found.cached_wh, found.decode_wh, found.embodied_g)
    prefill, cached, decode, embodied = (quantities.to_api_range(part) for part in parts)
    if prefill is None or cached is None or decode is None or embodied is None:
        return None
    return BreakdownOut(
        prefill_wh=prefill,
        cached_wh=cached,
        decode_wh=decode,
        pue=quantities.known(found.match.host.pue.value),
        grid_g_per_kwh=quantities.known(found.match.grid.intensity.value),
        embodied_g=embodied,
    )


def _step(step: emission_types.Step) -> EmissionStepOut:
    return EmissionStepOut(
        name=step.name,
        formula=step.formula,
        inputs=[
            InputOut(
                name=given.name,
                value=_value(given.value),
                unit=given.unit,
                pointer=given.pointer,
                sources=[source.id for source in given.sources],
                is_assumption=given.is_assumption,
            )
            for given in step.inputs
        ],
        result=_value(step.result),
        unit=step.unit,
        note=step.note,
    )


def _value(value: object) -> quantities.RangeOut | str | None:
    if isinstance(value, Range):
        return quantities.known(value)
    if value is None or isinstance(value, str):
        return value
    return decimals.to_api_decimal(value) if isinstance(value, Decimal) else str(value)
