"""Words of metering: what of a customer's events is counted, and how it becomes one number. What a number is used for is its asker's.

    events of an account ─> filters ─> measure of each ─> aggregation over the time ─> quantity (for each group)

A query reads usage of models (``event`` None), or the metered events of one name. Events that another source tells as well (duplicates)
never count. What is unknown of an event adds nothing, and how many events that were is told.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from carbonledger.kernel.quantity import Co2eG


class Aggregation(enum.Enum):
    """How the events of a period become one number."""

    COUNT = "count"  # how many events
    SUM = "sum"  # of the measure
    MAX = "max"  # the largest measure of one event; 0 without events
    UNIQUE = "unique"  # how many different values of the field
    LATEST = "latest"  # the measure of the last event; 0 without events
    WEIGHTED_SUM = "weighted_sum"  # the running sum, weighted with the time it stood: units x share of the period


class Measure(enum.Enum):
    """What of an event is summed. Costs are the provider's, in USD; CO2e in grams, energy in watt-hours, each by its bounds."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    INPUT = "input"
    UNCACHED_INPUT = "uncached_input"
    CACHED_INPUT = "cached_input"
    CACHE_CREATION_5M = "cache_creation_5m"
    CACHE_CREATION_1H = "cache_creation_1h"
    OUTPUT = "output"
    REASONING = "reasoning"
    COST = "cost"
    CO2E_LOW = "co2e_low"
    CO2E_MID = "co2e_mid"
    CO2E_HIGH = "co2e_high"
    ENERGY_LOW = "energy_low"
    ENERGY_MID = "energy_mid"
    ENERGY_HIGH = "energy_high"
    QUANTITY = "quantity"  # of a metered event
    PROPERTY = "property"  # a number in the event's properties


ESTIMATES: Final = frozenset(
    {Measure.CO2E_LOW, Measure.CO2E_MID, Measure.CO2E_HIGH, Measure.ENERGY_LOW, Measure.ENERGY_MID, Measure.ENERGY_HIGH}
)
"""Measures that are rates times tokens: only summed."""


class Field(enum.Enum):
    """What an event is told apart by: where it was booked, what it was, or one of its properties."""

    PROVIDER = "provider"
    MODEL = "model"
    OPERATION = "operation"
    PROJECT = "project_id"
    AGENT = "agent_id"
    SERVICE_TIER = "service_tier"
    REGION = "region"
    SOURCE = "source"
    BATCH = "batch"  # "true" or "false"
    PROPERTY = "property"


@dataclass(frozen=True, slots=True)
class Dimension:
    """A field, and for a property which one."""

    field: Field
    property_name: str | None = None

    @property
    def label(self) -> str:
        """Its name on the wire: ``model``, or ``properties.region``."""
        return f"properties.{self.property_name}" if self.field is Field.PROPERTY else self.field.value


@dataclass(frozen=True, slots=True)
class Filter:
    """Only events whose dimension has one of ``values``; ``excluded``: only those that have none of them (or nothing there)."""

    dimension: Dimension
    values: tuple[str, ...]
    excluded: bool = False


class Detail(enum.Enum):
    """What some askers need of events beyond the quantity, and which takes longer to find."""

    EVENT_AMOUNTS = "event_amounts"  # the measure of each event, in the order in which they happened
    COST = "cost"  # what providers charged, in USD
    COST_BY_KIND = "cost_by_kind"  # and how much of it was for which tokens
    CO2E = "co2e"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is counted.

    ``measure`` None where nothing is measured (count and unique); ``property_name``: which property is that of ``Measure.PROPERTY``;
    ``unique``: whose different values are counted; ``recurring``: a weighted sum goes on with what stood before the period.
    """

    aggregation: Aggregation
    event: str | None = None
    measure: Measure | None = None
    property_name: str | None = None
    unique: Dimension | None = None
    recurring: bool = False
    filters: tuple[Filter, ...] = ()
    group_by: tuple[Dimension, ...] = ()


class Asked(NamedTuple):
    """A query of one account (its external id) in ``[start, end)``, UTC, with which details."""

    query: Query
    account: str
    start: datetime
    end: datetime
    details: frozenset[Detail] = frozenset()


class Group(NamedTuple):
    """The quantity of one group: its values in the order of ``group_by``, None where an event has none."""

    values: tuple[str | None, ...]
    quantity: Decimal
    events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a query says, exact but for a weighted sum (rounded half up to 12 places) and quantities of CO2e and energy (as stored).

    ``events``: how many it rests on; ``skipped``: how many had a property that is no number. ``groups``: largest first; for max, latest and
    unique they don't add up. Of what was asked for in detail: ``amounts`` of events by time, then id; ``cost_usd``, of it ``cost_by_kind``
    by token bucket (the rest has none: fees, parts); ``co2e_g``, and ``factors``, the versions of the factor sets that it rests on; and how
    many events have no cost or no CO2e (not covered).
    """

    quantity: Decimal
    events: int
    skipped: int = 0
    groups: tuple[Group, ...] = ()
    amounts: tuple[Decimal, ...] | None = None
    cost_usd: Decimal | None = None
    cost_by_kind: Mapping[str, Decimal] = field(default_factory=dict)
    co2e_g: Co2eG | None = None
    factors: tuple[str, ...] = ()
    without_cost: int = 0
    without_co2e: int = 0
