"""Words of meters: a name for what is counted of a customer's usage. The counting itself is the ledger's, and so are its words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.catalog.types.charges import Carbon, CostPlus, Model, Percentage, Usage
from carbonledger.domains.telemetry.types.metering import (
    ESTIMATES,
    Aggregation,
    Detail,
    Dimension,
    Field,
    Filter,
    Group,
    Measure,
    Query,
)

__all__ = [
    "ESTIMATES",
    "Aggregation",
    "Detail",
    "Dimension",
    "Field",
    "Filter",
    "Group",
    "Measure",
    "Meter",
    "Quantity",
    "Query",
    "Request",
    "details_of",
]

FILTERS_MAX: Final = 10
FILTER_VALUES_MAX: Final = 50
GROUP_BY_MAX: Final = 4
VALUE_MAX_CHARS: Final = 256
PROPERTY_MAX_CHARS: Final = 64


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

    @property
    def query(self) -> Query:
        """What it asks of the ledger."""
        return Query(
            aggregation=self.aggregation,
            event=self.event,
            measure=self.measure,
            property_name=self.property_name,
            unique=self.unique,
            recurring=self.recurring,
            filters=self.filters,
            group_by=self.group_by,
        )


@dataclass(frozen=True, slots=True)
class Request:
    """A question to metering: what ``meter`` says of ``account`` (its external id) in ``[start, end)``, UTC, with which details."""

    meter: Meter
    account: str
    start: datetime
    end: datetime
    details: frozenset[Detail] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """What a meter says of an account in a period: always there, zero where nothing was used.

    ``usage`` is what a model prices: its quantity, how many events it rests on (``event_count``), and the details that were asked for;
    ``factors`` are the versions of the factor sets that CO2e rests on. ``groups``: by ``group_by``, largest first; for max, latest and
    unique they don't add up to the quantity. ``skipped``: events whose property is no number. ``without_cost``, ``without_co2e``: events of
    which that is not known (not covered), where it was asked for.
    """

    usage: Usage
    factors: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    skipped: int = 0
    without_cost: int = 0
    without_co2e: int = 0


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
