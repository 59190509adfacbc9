"""Shapes of single events of the ledger, with their calculation and their history."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from carbonledger.domains.emissions import types as emission_types
from carbonledger.domains.pricing import types as pricing_types
from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.types import answers
from carbonledger.entrypoints.rest import measures, quantities, shapes
from carbonledger.kernel import currency, decimals, money, quantity, usage


class EventTokensOut(measures.TokensOut):
    """Tokens of an event; null: not told, which is not zero. Audio and image tokens are parts of a bucket."""

    audio_input: int | None
    image_input: int | None
    cached_audio_input: int | None
    cached_image_input: int | None
    audio_output: int | None
    image_output: int | None


class TelemetryEventOut(shapes.Out):
    """One record of usage."""

    id: UUID
    idempotency_key: str
    occurred_at: datetime
    duration_s: int = Field(description="Width of a bucket; 0: a moment.")
    source: types.Source
    connection_id: UUID | None
    project_id: UUID
    workload_id: UUID | None
    agent_id: UUID | None
    account: str | None
    provider: str | None
    model: str | None
    operation: str | None
    batch: bool
    service_tier: str | None
    region: str | None
    size_above: int | None = Field(description="The input of each request was more than so many tokens, where the source tells.")
    size_up_to: int | None = Field(description="And at most so many; null: no bound.")
    event: str | None = Field(description="Of a metered event: what was counted.")
    quantity: str | None = Field(description="Of a metered event: how much.")
    tokens: EventTokensOut
    requests: int | None
    cost: measures.MoneyOut | None = Field(description="Null: not covered.")
    cost_flags: list[str] = Field(description="What has to be said about the cost.")
    price_version: str | None
    reported_cost: measures.MoneyOut | None
    energy_wh: measures.RangeOut | None = Field(description="Null: not covered.")
    co2e_g: measures.RangeOut | None
    co2e_market_g: measures.RangeOut | None
    water_ml: measures.RangeOut | None
    emission_flags: list[str] = Field(description="What has to be said about energy, CO2e and water.")
    factor_version: str | None
    facts: list[str] = Field(description="What is known of it, and unknown.")
    revision: int = Field(description="How often its counts were revised.")
    properties: dict[str, Any] | None
    recorded_at: datetime


class RatesOut(shapes.Out):
    """What one token takes and emits: of prefill, cached and decode for low, then for mid, then for high."""

    factor_version: str
    model_tier: str
    is_fallback: bool
    host: str
    grid: str
    market_grid: str | None
    is_batch: bool
    energy_wh: list[str]
    co2e_location_g: list[str]
    co2e_market_g: list[str] | None
    water_ml: list[str]


class PhasesOut(shapes.Out):
    """Tokens by phase: what the rates are multiplied with."""

    prefill: int = Field(description="uncached_input + cache_creation_5m + cache_creation_1h")
    cached: int = Field(description="cached_input")
    decode: int = Field(description="output")


class CostStepOut(shapes.Out):
    """A step of the cost, in words."""

    text: str
    links: list[str]


class InputOut(shapes.Out):
    """A number or word that a step uses."""

    name: str
    value: str | measures.RangeOut | None
    unit: str
    pointer: str | None = Field(description="Where it stands in the factor set (RFC 6901).")
    is_assumption: bool
    sources: list[str]


class EmissionStepOut(shapes.Out):
    """A step of the estimate."""

    name: str
    formula: str
    inputs: list[InputOut]
    result: str | measures.RangeOut | None
    unit: str
    note: str | None


class CalculationOut(shapes.Out):
    """How the amounts come about. Steps are empty where this version can't lead to the same amounts any more; the rates always do."""

    rates: RatesOut | None
    tokens: PhasesOut
    cost_steps: list[CostStepOut]
    emission_steps: list[EmissionStepOut]
    envelope: quantities.EnvelopeOut | None = Field(
        description="All lows and all highs multiplied: the outer bounds of the estimate. Null: not covered, or without steps."
    )


class ReplacedOut(shapes.Out):
    """What the event was before its next revision."""

    revision: int
    tokens: EventTokensOut
    requests: int | None
    quantity: str | None
    cost: measures.MoneyOut | None
    reported_cost: measures.MoneyOut | None
    price_version: str | None
    factor_version: str | None
    replaced_at: datetime


class TelemetryEventDetailOut(TelemetryEventOut):
    """One record of usage with its calculation and its history."""

    calculation: CalculationOut
    history: list[ReplacedOut] = Field(description="The first first.")


def _members(listed: answers.Listed) -> dict[str, Any]:
    event, series = listed.event, listed.event.series
    return {
        "id": event.id,
        "idempotency_key": event.idempotency_key,
        "occurred_at": event.occurred_at,
        "duration_s": event.duration_s,
        **{name: value for name, value in series._asdict().items() if name not in {"is_batch", "source"}},
        "source": types.Source(series.source),
        "batch": series.is_batch,
        "quantity": _decimal(event.quantity),
        "tokens": _tokens(event.tokens),
        "requests": event.requests,
        "cost": measures.to_api_usd(event.cost_amount),
        "cost_flags": [flag.value for flag in pricing_types.flags_of(event.cost_flags)],
        "price_version": event.price_version,
        "reported_cost": _reported(event.reported_cost, event.reported_currency),
        "energy_wh": measures.to_api_range(listed.energy_wh),
        "co2e_g": measures.to_api_range(listed.co2e_g),
        "co2e_market_g": measures.to_api_range(listed.co2e_market_g),
        "water_ml": measures.to_api_range(listed.water_ml),
        "emission_flags": [flag.value for flag in emission_types.flags_of(event.emission_flags)],
        "factor_version": listed.factor_version,
        "facts": list(types.words(event.facts)),
        "revision": event.revision,
        "properties": event.properties,
        "recorded_at": event.recorded_at,
    }


def _tokens(tokens: usage.TokenBuckets) -> EventTokensOut:
    return EventTokensOut(total=tokens.total, **{name: getattr(tokens, name) for name in (*usage.BUCKETS, *usage.PARTS)})


def _decimal(value: Any) -> str | None:  # noqa: ANN401 - a decimal or nothing
    return None if value is None else decimals.to_api_decimal(value)


def _reported(amount: Any, code: str | None) -> measures.MoneyOut | None:  # noqa: ANN401 - a decimal or nothing
    return None if amount is None or code is None else measures.to_api_money(money.Money(amount, currency.by_code(code)))


def _value(value: object) -> str | measures.RangeOut | None:
    if isinstance(value, quantity.Range):
        return measures.to_api_range(value)
    if value is None or isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) else _decimal(value)


def to_api_event(listed: answers.Listed) -> TelemetryEventOut:
    """Return an event as callers see it."""
    return TelemetryEventOut(**_members(listed))


def to_api_step(step: emission_types.Step) -> EmissionStepOut:
    """Return a step of an estimate as callers see it."""
    return EmissionStepOut(
        name=step.name,
        formula=step.formula,
        inputs=[
            InputOut(
                name=given.name,
                value=_value(given.value),
                unit=given.unit,
                pointer=given.pointer,
                is_assumption=given.is_assumption,
                sources=[source.url or source.title for source in given.sources],
            )
            for given in step.inputs
        ],
        result=_value(step.result),
        unit=step.unit,
        note=step.note,
    )


def to_api_rates(rating: answers.Rating) -> RatesOut:
    """Return rates as callers see them."""
    market = rating.co2e_market_g
    return RatesOut(
        factor_version=rating.factor_version,
        model_tier=rating.model_tier,
        is_fallback=rating.is_fallback,
        host=rating.host,
        grid=rating.grid,
        market_grid=rating.market_grid,
        is_batch=rating.is_batch,
        energy_wh=[decimals.to_api_decimal(rate) for rate in rating.energy_wh],
        co2e_location_g=[decimals.to_api_decimal(rate) for rate in rating.co2e_location_g],
        co2e_market_g=None if market is None else [decimals.to_api_decimal(rate) for rate in market],
        water_ml=[decimals.to_api_decimal(rate) for rate in rating.water_ml],
    )


def to_api_replaced(replaced: answers.Replaced) -> ReplacedOut:
    """Return what an event was as callers see it."""
    return ReplacedOut(
        revision=replaced.revision,
        tokens=_tokens(usage.TokenBuckets(**replaced.counts)),
        requests=replaced.requests,
        quantity=_decimal(replaced.quantity),
        cost=measures.to_api_usd(replaced.cost_amount),
        reported_cost=_reported(replaced.reported_cost, replaced.reported_currency),
        price_version=replaced.price_version,
        factor_version=replaced.factor_version,
        replaced_at=replaced.replaced_at,
    )


def to_api_detail(found: answers.Calculated) -> TelemetryEventDetailOut:
    """Return an event with its calculation as callers see it."""
    tokens = found.listed.event.tokens
    calculation = CalculationOut(
        rates=None if found.rating is None else to_api_rates(found.rating),
        tokens=PhasesOut(
            prefill=(tokens.uncached_input or 0) + (tokens.cache_creation_5m or 0) + (tokens.cache_creation_1h or 0),
            cached=tokens.cached_input or 0,
            decode=tokens.output or 0,
        ),
        cost_steps=[CostStepOut(text=step.text, links=list(step.links)) for step in found.cost_steps],
        emission_steps=[to_api_step(step) for step in found.emission_steps],
        envelope=quantities.to_api_envelope(found.envelope),
    )
    history = [to_api_replaced(replaced) for replaced in found.history]
    return TelemetryEventDetailOut(calculation=calculation, history=history, **_members(found.listed))
