"""Usage as rows of FOCUS 1.2, the FinOps Foundation's common form of cost data: one row for each kind of token of an event.

Costs are estimates by the price book, so they are ``ListCost``, and the other costs are the same for want of any discount that is known;
where nothing is covered they are empty, never 0, though ``BilledCost`` must not be null. ``SkuPriceDetails`` is empty, as it must be
without a ``SkuPriceId``, of which there is none; what it would say is in ``x_SkuDetails``. Times are whole seconds.

Parts of the rows of an event add up to its cost, energy and CO2e exactly. Duplicates and metered events have no rows: whoever adds rows up
must not count twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from carbonledger.domains.pricing.types import CostPart, PriceKind
from carbonledger.domains.telemetry.types.exports import Cell, Column, Kind
from carbonledger.kernel import decimals
from carbonledger.kernel import period as periods
from carbonledger.kernel.period import CalendarUnit, Period
from carbonledger.kernel.usage import BUCKETS

_UTC: Final = ZoneInfo("UTC")
_MOMENT: Final = timedelta(seconds=1)  # a charge period has an end after its start
_PER_KILO: Final = -3
_NO_TOKENS: Final = (0, 0, 0)
ALL_TOKENS: Final = "tokens"
_PHASE: Final = {
    "cached_input": 1,
    "cached_audio_input": 1,
    "cached_image_input": 1,
    "output": 2,
    "reasoning": 2,
    "audio_output": 2,
    "image_output": 2,
}
COLUMNS: Final = (
    Column("BilledCost", Kind.MONEY),
    Column("BillingAccountId", Kind.WORD),
    Column("BillingAccountName", Kind.TEXT),
    Column("BillingCurrency", Kind.WORD),
    Column("BillingPeriodStart", Kind.INSTANT),
    Column("BillingPeriodEnd", Kind.INSTANT),
    Column("ChargeCategory", Kind.WORD),
    Column("ChargeClass", Kind.WORD),
    Column("ChargeDescription", Kind.TEXT),
    Column("ChargeFrequency", Kind.WORD),
    Column("ChargePeriodStart", Kind.INSTANT),
    Column("ChargePeriodEnd", Kind.INSTANT),
    Column("ConsumedQuantity", Kind.INTEGER),
    Column("ConsumedUnit", Kind.WORD),
    Column("ContractedCost", Kind.MONEY),
    Column("EffectiveCost", Kind.MONEY),
    Column("InvoiceIssuerName", Kind.TEXT),
    Column("ListCost", Kind.MONEY),
    Column("ListUnitPrice", Kind.MONEY),
    Column("PricingCategory", Kind.WORD),
    Column("PricingQuantity", Kind.INTEGER),
    Column("PricingUnit", Kind.WORD),
    Column("ProviderName", Kind.TEXT),
    Column("PublisherName", Kind.TEXT),
    Column("RegionId", Kind.TEXT),
    Column("RegionName", Kind.TEXT),
    Column("ResourceId", Kind.TEXT),
    Column("ServiceCategory", Kind.WORD),
    Column("ServiceName", Kind.TEXT),
    Column("ServiceSubcategory", Kind.WORD),
    Column("SkuId", Kind.TEXT),
    Column("SkuMeter", Kind.WORD),
    Column("SkuPriceDetails", Kind.WORD),
    Column("SubAccountId", Kind.WORD),
    Column("SubAccountName", Kind.TEXT),
    Column("Tags", Kind.TEXT),
    Column("x_EnergyKwh", Kind.AMOUNT),
    Column("x_Co2eLowG", Kind.AMOUNT),
    Column("x_Co2eMidG", Kind.AMOUNT),
    Column("x_Co2eHighG", Kind.AMOUNT),
    Column("x_GridBasis", Kind.WORD),
    Column("x_FactorVersion", Kind.WORD),
    Column("x_PriceVersion", Kind.WORD),
    Column("x_ReportedCost", Kind.MONEY),
    Column("x_Facts", Kind.WORD),
    Column("x_EventId", Kind.WORD),
    Column("x_SkuDetails", Kind.TEXT),
    Column("x_ProjectName", Kind.TEXT),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """An event as its rows need it. ``parts`` None: its cost can't be told apart by kind, and stays whole."""

    organization_id: UUID
    organization_name: str
    event_id: UUID
    occurred_at: datetime
    duration_s: int
    project_id: UUID
    project_name: str | None
    provider: str
    model: str
    operation: str | None
    region: str | None
    service_tier: str | None
    is_batch: bool
    tags: dict[str, str]
    counts: dict[str, int | None]
    requests: int | None
    cost_amount: Decimal | None
    parts: Sequence[CostPart] | None
    price_version: str | None
    reported_usd: Decimal | None
    energy_wh: Sequence[Decimal] | None
    co2e_g: Sequence[Decimal] | None
    factor_version: str | None
    facts: str


@dataclass(frozen=True, slots=True)
class _Line:
    """``quantity`` and ``unit`` None: unknown."""

    meter: str
    quantity: int | None
    unit: str | None
    unit_price: Decimal | None
    cost: Decimal | None
    tokens: tuple[int, int, int]
    """By phase: prefill, cached, decode."""


def rows(charge: Charge) -> Iterator[tuple[Cell, ...]]:
    """Yield the rows of an event, in the order of its buckets; an event without any token has one, of its requests."""
    for place, line in enumerate(_lines(charge)):
        yield _row(charge, line, is_first=place == 0)


def _lines(charge: Charge) -> list[_Line]:
    counts = {name: charge.counts.get(name) or 0 for name in BUCKETS}
    if not any(counts.values()) and not charge.parts:
        return [_without_tokens(charge)]
    if charge.parts is None and charge.cost_amount is not None:
        whole = (
            counts["uncached_input"] + counts["cache_creation_5m"] + counts["cache_creation_1h"],
            counts["cached_input"],
            counts["output"],
        )
        return [_Line(ALL_TOKENS, sum(whole), "Tokens", None, charge.cost_amount, whole)]
    if charge.cost_amount is None:
        return [_unpriced(name, count) for name, count in counts.items() if count]
    parts = charge.parts or ()
    return [*map(_priced, parts), *_free(counts, parts)]


def _without_tokens(charge: Charge) -> _Line:
    """Return the line of an event whose tokens are unknown or none, such as an image's: its requests are all that was counted."""
    is_told = any(charge.counts.get(name) is not None for name in BUCKETS)
    if charge.requests or (charge.requests is not None and not is_told):
        return _Line(PriceKind.REQUEST.value, charge.requests, "Requests", None, charge.cost_amount, _NO_TOKENS)
    if is_told:
        return _Line(ALL_TOKENS, 0, "Tokens", None, charge.cost_amount, _NO_TOKENS)
    return _Line(ALL_TOKENS, None, None, None, charge.cost_amount, _NO_TOKENS)


def _priced(part: CostPart) -> _Line:
    if part.kind is PriceKind.REQUEST:
        return _Line(part.kind.value, part.count, "Requests", part.unit_price, part.amount, _NO_TOKENS)
    return _Line(part.kind.value, part.count, "Tokens", part.unit_price, part.amount, _phases(part.kind.value, part.count))


def _unpriced(name: str, count: int) -> _Line:
    return _Line(name, count, "Tokens", None, None, _phases(name, count))


def _free(counts: dict[str, int], parts: Sequence[CostPart]) -> list[_Line]:
    """Return lines for tokens that no part of the cost is for, such as output of a model that charges for input alone."""
    lines = []
    for name, count in counts.items():
        left = count - sum(part.count for part in parts if _bucket(part.kind) == name)
        if left:
            lines.append(_Line(name, left, "Tokens", Decimal(0), Decimal(0), _phases(name, left)))
    return lines


def _bucket(kind: PriceKind) -> str | None:
    if kind is PriceKind.REQUEST:
        return None
    if kind.value in BUCKETS:
        return str(kind.value)
    return ("uncached_input", "cached_input", "output")[_PHASE.get(kind.value, 0)]


def _phases(name: str, count: int) -> tuple[int, int, int]:
    phase = _PHASE.get(name, 0)
    return (count if phase == 0 else 0, count if phase == 1 else 0, count if phase == 2 else 0)  # noqa: PLR2004 - prefill, cached, decode


def _row(charge: Charge, line: _Line, *, is_first: bool) -> tuple[Cell, ...]:
    month = periods.calendar_period(charge.occurred_at, CalendarUnit.MONTH, _UTC)
    start, end = _charge_period(charge, month)
    cost = _text(line.cost)
    low, mid, high = (_emitted(charge.co2e_g, bound, line.tokens) for bound in range(3))
    energy = _emitted(charge.energy_wh, 1, line.tokens)
    details = {"Model": charge.model, "ServiceTier": charge.service_tier, "Batch": charge.is_batch}
    return (
        cost,
        str(charge.organization_id),
        charge.organization_name,
        "USD",
        month.start,
        month.end,
        "Usage",
        None,
        _described(charge, line),
        "Usage-Based",
        start,
        end,
        line.quantity,
        line.unit,
        cost,
        cost,
        charge.provider,
        cost,
        _text(line.unit_price),
        "Standard",
        line.quantity,
        line.unit,
        charge.provider,
        charge.provider,
        charge.region,
        charge.region,
        f"{charge.provider}/{charge.model}",
        "AI and Machine Learning",
        f"{charge.provider} API",
        "Generative AI",
        f"{charge.provider}/{charge.model}/{line.meter}",
        line.meter,
        None,
        str(charge.project_id),
        charge.project_name,
        json.dumps(charge.tags, ensure_ascii=False),
        None if energy is None else _text(decimals.shifted(energy, _PER_KILO)),
        _text(low),
        _text(mid),
        _text(high),
        None if mid is None else "location",
        charge.factor_version,
        charge.price_version,
        _text(charge.reported_usd) if is_first else None,
        charge.facts,
        str(charge.event_id),
        json.dumps({name: value for name, value in details.items() if value is not None}, ensure_ascii=False),
        charge.project_name,
    )


def _charge_period(charge: Charge, month: Period) -> tuple[datetime, datetime]:
    """Return whole seconds inside the month, the end after the start: a call in the last second of it ends with it."""
    start = charge.occurred_at.astimezone(UTC).replace(microsecond=0)
    end = start + max(timedelta(seconds=charge.duration_s), _MOMENT)
    return start, end if month.end is None else min(end, month.end)


def _described(charge: Charge, line: _Line) -> str:
    what = f"{charge.provider}/{charge.model}: {_counted(line)}"
    return f"Estimate by price book {charge.price_version}, {what}" if line.cost is not None else f"Not covered by the price book, {what}"


def _counted(line: _Line) -> str:
    if line.quantity is None or line.unit is None:
        return "how much is unknown"
    if line.meter in {ALL_TOKENS, PriceKind.REQUEST.value}:
        return f"{line.quantity} {line.unit.lower()}"
    return f"{line.quantity} {line.meter} {line.unit.lower()}"


def _emitted(rates: Sequence[Decimal] | None, bound: int, tokens: tuple[int, int, int]) -> Decimal | None:
    if rates is None:
        return None
    total = Decimal(0)
    for rate, count in zip(rates[3 * bound : 3 * bound + 3], tokens, strict=True):
        total = decimals.add(total, decimals.multiply(rate, decimals.of(count)))
    return total


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else decimals.to_api_decimal(amount)
