"""Words of what the ledger answers: what is asked, the measures of a part of it, and the answers themselves.

Amounts are sums over calls of models. A duplicate is counted apart and in no sum; a metered event has a quantity and nothing else. Every
sum stands beside the number of events whose count it lacks, and beside the tokens that it does not cover.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from carbonledger.domains.emissions.types import Envelope
from carbonledger.domains.emissions.types import Step as EmissionStep
from carbonledger.domains.pricing.types import Step as CostStep
from carbonledger.domains.telemetry.types import Event, TelemetryFault
from carbonledger.kernel import decimals, errors
from carbonledger.kernel.period import CalendarUnit, Period
from carbonledger.kernel.quantity import Co2eG, EnergyWh, WaterMl

SHARE_PLACES: Final = 6
BUCKET_UNITS: Final = (CalendarUnit.HOUR, CalendarUnit.DAY, CalendarUnit.WEEK, CalendarUnit.MONTH)


class AnswerTooLarge(TelemetryFault):
    """The answer would have more rows than are given at once."""

    kind = errors.Kind.INVALID
    code = "answer_too_large"


class Dimension(enum.Enum):
    """What usage is told apart by. All of them are of an event's series."""

    PROVIDER = "provider"
    MODEL = "model"
    PROJECT = "project"
    WORKLOAD = "workload"
    AGENT = "agent"
    ACCOUNT = "account"
    OPERATION = "operation"
    SERVICE_TIER = "service_tier"
    REGION = "region"
    BATCH = "batch"
    SOURCE = "source"
    CONNECTION = "connection"
    EVENT = "event"


WITHOUT: Final = frozenset(map(Dimension, ("workload", "agent", "account", "operation", "service_tier", "region", "connection")))
"""What usage may be without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which events are meant; None: all. ``without``: only those that have no such thing; of ``WITHOUT``."""

    project_id: UUID | None = None
    workload_id: UUID | None = None
    agent_id: UUID | None = None
    account: str | None = None
    provider: str | None = None
    model: str | None = None
    source: str | None = None
    connection_id: UUID | None = None
    batch: bool | None = None
    service_tier: str | None = None
    region: str | None = None
    operation: str | None = None
    without: frozenset[Dimension] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The time that an answer is about. ``is_default``: the caller named no start or no end."""

    period: Period
    time_zone: str
    is_default: bool

    @property
    def end(self) -> datetime:
        """The end, which always is there."""
        if self.period.end is None:
            message = "an answer has an end"
            raise AssertionError(message)
        return self.period.end


class Measures(NamedTuple):
    """Sums of a part of the ledger. A tuple because the database makes them; ``core.measuring`` adds them.

    Tokens and requests are the sums of what is known. ``unknown_…`` and ``…_events`` count events, ``…_tokens`` tokens. ``compared_…``
    are ours and the provider's cost of the events that have both. Amounts in USD, Wh, g and ml; those of emissions as low, mid, high.
    """

    events: int
    requests: int
    uncached_input: int
    cached_input: int
    cache_creation_5m: int
    cache_creation_1h: int
    output: int
    reasoning: int
    unknown_uncached_input: int
    unknown_cached_input: int
    unknown_cache_creation_5m: int
    unknown_cache_creation_1h: int
    unknown_output: int
    unknown_reasoning: int
    unknown_requests: int
    cost_not_covered_events: int
    not_covered_events: int
    reported_events: int
    compared_events: int
    not_covered_tokens: int
    estimated_tokens: int
    provisional_tokens: int
    cost_not_covered_tokens: int
    cost_estimated_tokens: int
    market_tokens: int
    duplicate_events: int
    duplicate_tokens: int
    metered_events: int
    quantity: Decimal
    cost_amount: Decimal
    reported_usd: Decimal
    compared_cost: Decimal
    compared_usd: Decimal
    energy_low: Decimal
    energy_mid: Decimal
    energy_high: Decimal
    co2e_low: Decimal
    co2e_mid: Decimal
    co2e_high: Decimal
    market_low: Decimal
    market_mid: Decimal
    market_high: Decimal
    water_low: Decimal
    water_mid: Decimal
    water_high: Decimal

    @property
    def tokens(self) -> int:
        """All known tokens of the five buckets."""
        return self.uncached_input + self.cached_input + self.cache_creation_5m + self.cache_creation_1h + self.output

    def known(self, name: str) -> int | None:
        """Return the sum of a count (a bucket, ``reasoning`` or ``requests``); None where no event told it."""
        value: int = getattr(self, name)
        return None if self.events and getattr(self, f"unknown_{name}") == self.events else value

    @property
    def known_tokens(self) -> int | None:
        """All known tokens; None where no event told any."""
        names = ("uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h", "output")
        return None if all(self.known(name) is None for name in names) else self.tokens

    @property
    def cost(self) -> Decimal | None:
        """USD of what is covered; None where nothing is."""
        return None if self.events and self.cost_not_covered_events == self.events else self.cost_amount

    @property
    def reported(self) -> Decimal | None:
        """USD that providers report; None where none does."""
        return self.reported_usd if self.reported_events else None

    @property
    def difference(self) -> Decimal | None:
        """Ours less the provider's, in USD, over the events that have both; None where none has."""
        return decimals.subtract(self.compared_cost, self.compared_usd) if self.compared_events else None

    @property
    def is_covered(self) -> bool:
        """Whether anything is covered by emissions, or there is nothing."""
        return not self.events or self.not_covered_events < self.events

    @property
    def energy_wh(self) -> EnergyWh | None:
        """Energy of what is covered; None where nothing is."""
        return EnergyWh(self.energy_low, self.energy_mid, self.energy_high) if self.is_covered else None

    @property
    def co2e_g(self) -> Co2eG | None:
        """CO2e by location of what is covered; None where nothing is."""
        return Co2eG(self.co2e_low, self.co2e_mid, self.co2e_high) if self.is_covered else None

    @property
    def water_ml(self) -> WaterMl | None:
        """Water of what is covered; None where nothing is."""
        return WaterMl(self.water_low, self.water_mid, self.water_high) if self.is_covered else None

    @property
    def market_part_g(self) -> Co2eG:
        """CO2e by market of ``market_tokens``, the part that has such a figure."""
        return Co2eG(self.market_low, self.market_mid, self.market_high)

    @property
    def market_share(self) -> Decimal:
        """The share of the tokens that has a figure by market, 0 to 1, rounded down; 0 of nothing."""
        if not self.tokens:
            return Decimal(0)
        return decimals.shifted(Decimal(self.market_tokens * 10**SHARE_PLACES // self.tokens), -SHARE_PLACES)

    @property
    def has_market(self) -> bool:
        """Whether all that is covered has a figure by market; a part of it would pass for the whole."""
        covered = self.tokens - self.not_covered_tokens
        return bool(self.events) and self.is_covered and self.market_tokens == covered

    @property
    def co2e_market_g(self) -> Co2eG | None:
        """CO2e by market; None unless all that is covered has such a figure."""
        return self.market_part_g if self.has_market else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Shares of tokens, 0 to 1 with six places, each but ``covered`` rounded up, so that a rest is never shown as none.

    ``covered`` and ``not_covered`` make 1 (both are 0 where there are no tokens). ``estimated``: covered, and resting on a count that is
    ours or partial or on a stated assumption. ``provisional``: the provider may still revise it.
    """

    covered: Decimal
    not_covered: Decimal
    estimated: Decimal
    provisional: Decimal


@dataclass(frozen=True, slots=True)
class Group:
    """Measures of what has these words or ids in common, in the order of the dimensions asked for; None: without one."""

    labels: tuple[str | UUID | bool | None, ...]
    measures: Measures


@dataclass(frozen=True, slots=True)
class Slot:
    """Measures of a stretch of the calendar in the zone, cut where the period begins or ends inside it."""

    period: Period
    local: date
    measures: Measures


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Totals of a period, by model (most tokens first) and by day of the zone (every day, in order)."""

    asked: Asked
    totals: Measures
    by_model: tuple[Group, ...]
    daily: tuple[Slot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Measures of one group in every bucket, in order. ``is_other``: all groups beyond those named, together."""

    labels: tuple[str | UUID | bool | None, ...]
    is_other: bool
    slots: tuple[Slot, ...]
    totals: Measures


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeseries:
    """Measures over time: of everything, and of the largest groups where some were asked for."""

    asked: Asked
    unit: CalendarUnit
    totals: Measures
    slots: tuple[Slot, ...]
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """Measures by group, most tokens first."""

    asked: Asked
    totals: Measures
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenModel:
    """A model with its measures in the period, and the first and last day (UTC) of all its usage."""

    provider: str
    model: str
    measures: Measures
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """Models used in a period, most tokens first."""

    asked: Asked
    models: tuple[SeenModel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """The numbers per token that an event's emissions are products of: prefill, cached, decode for low, then mid, then high."""

    factor_version: str
    model_tier: str
    is_fallback: bool
    host: str
    grid: str
    market_grid: str | None
    is_batch: bool
    energy_wh: tuple[Decimal, ...]
    co2e_location_g: tuple[Decimal, ...]
    co2e_market_g: tuple[Decimal, ...] | None
    water_ml: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An event with the emissions that its rates make of its counts; None: not covered."""

    event: Event
    energy_wh: EnergyWh | None
    co2e_g: Co2eG | None
    co2e_market_g: Co2eG | None
    water_ml: WaterMl | None
    factor_version: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """What an event was before its next revision."""

    revision: int
    counts: Mapping[str, int | None]
    requests: int | None
    quantity: Decimal | None
    cost_amount: Decimal | None
    reported_cost: Decimal | None
    reported_currency: str | None
    price_version: str | None
    factor_version: str | None
    replaced_at: datetime


class Duplicated(NamedTuple):
    """A model whose usage of one day (UTC) more than one source tells: possibly the same tokens twice. Tokens by source."""

    provider: str
    model: str
    day: date
    tokens: Mapping[str, int]
    is_marked: bool
    """Whether all but one source are marked as duplicates already, so that sums hold them once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calculated:
    """An event with what its amounts are made of. Steps are empty where this process can't lead to the very same amount by them.

    ``envelope``: the outermost bounds of the emissions that the steps lead to; None: without steps, or not covered.
    """

    listed: Listed
    rating: Rating | None
    cost_steps: tuple[CostStep, ...]
    emission_steps: tuple[EmissionStep, ...]
    envelope: Envelope | None
    history: tuple[Replaced, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderUsage:
    """A model of a provider: ours beside what the provider says, and the tokens that each source told (duplicates too)."""

    provider: str
    model: str
    measures: Measures
    tokens_by_source: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Providers:
    """Usage by provider and model, most tokens first, and what several sources may have told twice, the latest days first."""

    asked: Asked
    totals: Measures
    models: tuple[ProviderUsage, ...]
    possible_duplicates: tuple[Duplicated, ...]
