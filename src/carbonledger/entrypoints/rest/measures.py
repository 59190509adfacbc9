"""Shapes of what the ledger adds up, and the parameters that say of what: shared by every operation that answers from it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final

from fastapi import Query
from pydantic import AwareDatetime, Field

from carbonledger.domains.emissions import types as emission_types
from carbonledger.domains.telemetry.service import answering
from carbonledger.domains.telemetry.types import answers, caching
from carbonledger.entrypoints.rest import routing, shapes
from carbonledger.kernel import decimals, money, quantity

_COUNTS: Final = ("uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h", "output", "reasoning")
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2200, 1, 1, tzinfo=UTC)
ZONE_CHARS_MAX: Final = 64
NOT_COVERED_EVENTS: Final = (
    "Events without an estimate of energy, CO2e and water. `coverage` is of known tokens: an event without any, such as an image, is in no"
    " share of it and is counted here."
)
COST_NOT_COVERED_EVENTS: Final = "Events without a cost, those without any known token too, which no share of `cost_coverage` holds."

From = Annotated[
    AwareDatetime | None,
    Query(alias="from", ge=_FIRST, le=_LAST, description="From this instant. Left out: thirty days before the end."),
]
To = Annotated[
    AwareDatetime | None,
    Query(
        alias="to", ge=_FIRST, le=_LAST, description="Up to, not including, this instant. Left out: the end of the organization's today."
    ),
]
TimeZone = Annotated[
    str | None, Query(min_length=1, max_length=ZONE_CHARS_MAX, description="Zone of days; the organization's where left out.")
]


class MoneyOut(shapes.Out):
    """An amount of money, unrounded."""

    amount: str = Field(description="Decimal, in major units.")
    currency: str = Field(description="ISO 4217.")


class RangeOut(shapes.Out):
    """A quantity within bounds, as exact decimals. The unit is in the name of the member."""

    low: str
    mid: str
    high: str


class TokensOut(shapes.Out):
    """Known tokens by bucket; the five buckets never overlap. Null: no event told it, which is not zero."""

    uncached_input: int | None
    cached_input: int | None
    cache_creation_5m: int | None
    cache_creation_1h: int | None
    output: int | None
    reasoning: int | None = Field(description="A part of output, never added to it.")
    total: int | None = Field(description="The five buckets together.")


class UnknownOut(shapes.Out):
    """Events that did not tell a count, by count: what the sums beside may lack."""

    uncached_input: int
    cached_input: int
    cache_creation_5m: int
    cache_creation_1h: int
    output: int
    reasoning: int
    requests: int


class CoverageOut(shapes.Out):
    """Shares of known tokens, 0 to 1. `covered` and `not_covered` make 1, unless there are no tokens. Events without a known token are in
    no share.
    """

    covered: str
    not_covered: str = Field(description="Without an amount, which is not zero.")
    estimated: str = Field(description="Resting on a count that is ours or partial, or on a stated assumption.")
    provisional: str = Field(description="The provider may still revise it.")


class MarketPartOut(shapes.Out):
    """CO2e by the electricity bought under contract, of the part that has such a figure."""

    co2e_g: RangeOut
    share: str = Field(description="Of the tokens, 0 to 1, rounded down.")


class CacheSavingOut(shapes.Out):
    """What caching saved, against the same input without a cache. Null: nothing of it is covered, which is not zero."""

    tokens: int = Field(description="Read from a cache.")
    cost: MoneyOut | None = Field(
        description="What tokens read would have cost uncached, less what all cost, by the dated price book; may be below zero."
    )
    cost_coverage: CoverageOut = Field(description="Shares of the tokens read from and written to a cache.")
    energy_wh: RangeOut | None
    co2e_g: RangeOut | None
    coverage: CoverageOut = Field(description="Shares of the tokens read from a cache.")


class DuplicatesOut(shapes.Out):
    """Usage that another source is authoritative for: shown here, in no sum."""

    events: int
    tokens: int


class MeasuresOut(shapes.Out):
    """Sums of a part of the ledger. Null: nothing of it is known or covered, which is not zero."""

    events: int = Field(description="Calls, or buckets of calls.")
    requests: int | None = Field(description="As far as told; `unknown.requests` counts the events that did not.")
    tokens: TokensOut
    cost: MoneyOut | None = Field(description="By the price book, of what is covered.")
    reported_cost: MoneyOut | None = Field(description="What providers report, where they do.")
    cost_difference: MoneyOut | None = Field(description="Ours less the provider's, over the events that have both.")
    energy_wh: RangeOut | None
    co2e_g: RangeOut | None = Field(description="Gross, by the grid at the place of use.")
    co2e_market_g: RangeOut | None = Field(
        description="By electricity bought under contract; null unless all that is covered has such a figure."
    )
    co2e_market_part: MarketPartOut
    water_ml: RangeOut | None
    coverage: CoverageOut = Field(description="Of energy, CO2e and water.")
    cost_coverage: CoverageOut
    not_covered_events: int = Field(description=NOT_COVERED_EVENTS)
    cost_not_covered_events: int = Field(description=COST_NOT_COVERED_EVENTS)
    unknown: UnknownOut
    duplicates: DuplicatesOut


class PeriodOut(shapes.Out):
    """The time that is answered for: from `start`, up to and without `end`."""

    start: datetime
    end: datetime
    time_zone: str = Field(description="Zone of days.")
    is_default: bool = Field(description="Whether `from` or `to` was left out.")


def asked(call: routing.Call, start: datetime | None, end: datetime | None, time_zone: str | None = None) -> answers.Asked:
    """Return the period that is asked for. Raises ``PeriodInvalid``, ``ZoneUnknown``."""
    return answering.asked(start=start, end=end, now=call.now, time_zone=time_zone or call.caller.time_zone)


def to_api_period(asked: answers.Asked) -> PeriodOut:
    """Return the period as callers see it."""
    return PeriodOut(start=asked.period.start, end=asked.end, time_zone=asked.time_zone, is_default=asked.is_default)


def to_api_usd(amount: Decimal | None) -> MoneyOut | None:
    """Return an amount in USD; None stays."""
    return None if amount is None else MoneyOut(amount=decimals.to_api_decimal(amount), currency="USD")


def to_api_money(amount: money.Money | None) -> MoneyOut | None:
    """Return an amount with its currency; None stays."""
    return None if amount is None else MoneyOut(amount=decimals.to_api_decimal(amount.amount), currency=amount.currency.code)


def to_api_range(found: quantity.Range | None) -> RangeOut | None:
    """Return a range as decimals; None stays."""
    return None if found is None else _range(found)


def _range(found: quantity.Range) -> RangeOut:
    low, mid, high = (decimals.to_api_decimal(bound) for bound in (found.low, found.mid, found.high))
    return RangeOut(low=low, mid=mid, high=high)


def to_api_quanta(found: emission_types.Quanta | None) -> RangeOut | None:
    """Return whole quanta of energy or emissions as decimals; None stays. A change may be in any order."""
    if found is None:
        return None
    low, mid, high = (decimals.to_api_decimal(decimals.shifted(decimals.of(bound), -emission_types.PLACES)) for bound in found)
    return RangeOut(low=low, mid=mid, high=high)


def measures(found: answers.Measures) -> dict[str, Any]:
    """Return the members of ``MeasuresOut`` as plain values, which are written as they are, or read by shapes that have others beside them.

    A summary has some seventy of these: to make a checked model of each part of each takes longer than the database does.
    """
    return {
        "events": found.events,
        "requests": found.known("requests"),
        "tokens": {**{name: found.known(name) for name in _COUNTS}, "total": found.known_tokens},
        "cost": _usd(found.cost),
        "reported_cost": _usd(found.reported),
        "cost_difference": _usd(found.difference),
        **_emissions(found),
        "coverage": _coverage(answering.emissions_coverage(found)),
        "cost_coverage": _coverage(answering.cost_coverage(found)),
        "not_covered_events": found.not_covered_events,
        "cost_not_covered_events": found.cost_not_covered_events,
        "unknown": {name: getattr(found, f"unknown_{name}") for name in (*_COUNTS, "requests")},
        "duplicates": {"events": found.duplicate_events, "tokens": found.duplicate_tokens},
    }


def _emissions(found: answers.Measures) -> dict[str, Any]:
    market = _bounds(found.market_low, found.market_mid, found.market_high)
    share = decimals.to_api_decimal(found.market_share)
    return {
        "energy_wh": _bounds(found.energy_low, found.energy_mid, found.energy_high) if found.is_covered else None,
        "co2e_g": _bounds(found.co2e_low, found.co2e_mid, found.co2e_high) if found.is_covered else None,
        "co2e_market_g": market if found.has_market else None,
        "co2e_market_part": {"co2e_g": market, "share": share},
        "water_ml": _bounds(found.water_low, found.water_mid, found.water_high) if found.is_covered else None,
    }


def _bounds(low: Decimal, mid: Decimal, high: Decimal) -> dict[str, str]:
    write = decimals.to_api_decimal
    return {"low": write(low), "mid": write(mid), "high": write(high)}


def _usd(amount: Decimal | None) -> dict[str, str] | None:
    return None if amount is None else {"amount": decimals.to_api_decimal(amount), "currency": "USD"}


def _coverage(coverage: answers.Coverage) -> dict[str, str]:
    write = decimals.to_api_decimal
    return {
        "covered": write(coverage.covered),
        "not_covered": write(coverage.not_covered),
        "estimated": write(coverage.estimated),
        "provisional": write(coverage.provisional),
    }


def to_api_measures(found: answers.Measures) -> MeasuresOut:
    """Return measures as callers see them."""
    return MeasuresOut(**measures(found))


def to_api_coverage(coverage: answers.Coverage) -> CoverageOut:
    """Return shares as decimals."""
    return CoverageOut(**_coverage(coverage))


def to_api_cache_saving(found: caching.CacheSaving) -> CacheSavingOut:
    """Return what caching saved as callers see it."""
    return CacheSavingOut(
        tokens=found.tokens,
        cost=to_api_usd(found.cost),
        cost_coverage=to_api_coverage(found.cost_coverage),
        energy_wh=to_api_range(found.energy_wh),
        co2e_g=to_api_range(found.co2e_g),
        coverage=to_api_coverage(found.coverage),
    )


_RANGE: Final = {"low": "0.1", "mid": "0.45", "high": "1.6"}
_COVERAGE: Final = {"covered": "1", "not_covered": "0", "estimated": "0.2", "provisional": "0.05"}
EXAMPLE: Final[dict[str, Any]] = {
    "events": 2,
    "requests": 2,
    "tokens": {
        "uncached_input": 1000,
        "cached_input": 400,
        "cache_creation_5m": 0,
        "cache_creation_1h": 0,
        "output": 500,
        "reasoning": None,
        "total": 1900,
    },
    "cost": {"amount": "0.008", "currency": "USD"},
    "reported_cost": None,
    "cost_difference": None,
    "energy_wh": _RANGE,
    "co2e_g": _RANGE,
    "co2e_market_g": None,
    "co2e_market_part": {"co2e_g": {"low": "0", "mid": "0", "high": "0"}, "share": "0"},
    "water_ml": _RANGE,
    "coverage": _COVERAGE,
    "cost_coverage": _COVERAGE,
    "not_covered_events": 0,
    "cost_not_covered_events": 0,
    "unknown": {
        "uncached_input": 0,
        "cached_input": 0,
        "cache_creation_5m": 0,
        "cache_creation_1h": 0,
        "output": 0,
        "reasoning": 2,
        "requests": 0,
    },
    "duplicates": {"events": 0, "tokens": 0},
}
CACHE_SAVING_EXAMPLE: Final[dict[str, Any]] = {
    "tokens": 400,
    "cost": {"amount": "0.0005", "currency": "USD"},
    "cost_coverage": _COVERAGE,
    "energy_wh": {"low": "0.008", "mid": "0.03186", "high": "0.1"},
    "co2e_g": {"low": "0.003", "mid": "0.0125", "high": "0.05"},
    "coverage": _COVERAGE,
}
PERIOD_EXAMPLE: Final[dict[str, Any]] = {
    "start": "2026-10-27T00:00:00Z",
    "end": "2026-11-26T00:00:00Z",
    "time_zone": "UTC",
    "is_default": True,
}
