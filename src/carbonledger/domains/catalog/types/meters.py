"""Words of meters: what of the ledger is counted for a customer, and how it becomes one number.

    events of an account ─> filters ─> measure of each ─> aggregation over the period ─> quantity (for each group)

A meter reads usage of models (``event`` None), or the metered events of one name. What it says is for a period ``[start, end)`` and an
account; events that another source tells as well (duplicates) never count.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from carbonledger.domains.catalog.types.charges import Carbon, CostPlus, Model, Percentage, Usage

FILTERS_MAX: Final = 10
FILTER_VALUES_MAX: Final = 50
GROUP_BY_MAX: Final = 4
VALUE_MAX_CHARS: Final = 256
PROPERTY_MAX_CHARS: Final = 64


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """What is counted. ``event``: the name of metered events; None: usage of models.

    ``measure`` is None where nothing is measured (count and unique). ``property_name``: which property is that of ``Measure.PROPERTY``.
    ``unique``: whose different values are counted. ``recurring``: a weighted sum goes on with what stood at the end of
    the period before; otherwise each period begins at 0. A meter never changes what it counts, only its name: bills name it.
    """

    id: UUID
    code: str
    name: str
    aggregation: Aggregation
    event: str | None = None
    measure: Measure | None = None
    property_name: str | None = None
    unique: Dimension | None = None
    recurring: bool = False
    filters: tuple[Filter, ...] = ()
    group_by: tuple[Dimension, ...] = ()
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None = None


class Detail(enum.Enum):
    """What some prices need of an event beyond its quantity, and which takes longer to find."""

    EVENT_AMOUNTS = "event_amounts"  # the measure of each event, in the order in which they happened
    COST = "cost"  # what providers charged, in USD
    COST_BY_KIND = "cost_by_kind"  # and how much of it was for which tokens
    CO2E = "co2e"


@dataclass(frozen=True, slots=True)
class Request:
    """A question to metering: what ``meter`` says of ``account`` (its external id) in ``[start, end)``, UTC, with which details."""

    meter: Meter
    account: str
    start: datetime
    end: datetime
    details: frozenset[Detail] = frozenset()


@dataclass(frozen=True, slots=True)
class Group:
    """The quantity of one group of a meter: its values in the order of ``group_by``, None where an event has none."""

    values: tuple[str | None, ...]
    quantity: Decimal
    events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """What a meter says of an account in a period: always there, zero where nothing was used.

    ``usage`` is what a model prices: its quantity, how many events it rests on (``event_count``), and the details that were asked for.
    ``groups``: by ``group_by``, largest first; for max, latest and unique they don't add up to the quantity.
    """

    usage: Usage
    groups: tuple[Group, ...] = ()


def details_of(model: Model) -> frozenset[Detail]:
    """Return what a model needs to know of usage beyond its quantity."""
    match model:
        case Percentage() if model.per_event_minimum is not None or model.per_event_maximum is not None:
            return frozenset({Detail.EVENT_AMOUNTS})
        case Percentage() if model.free_base_amount is not None and model.fixed_fee_per_event:
            return frozenset({Detail.EVENT_AMOUNTS})
        case CostPlus() if model.by_token_kind:
            return frozenset({Detail.COST, Detail.COST_BY_KIND})
        case CostPlus():
            return frozenset({Detail.COST})
        case Carbon():
            return frozenset({Detail.CO2E})
        case _:
            return frozenset()
