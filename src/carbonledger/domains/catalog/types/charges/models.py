"""The models, and what holds whichever it is. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import ClassVar, Final, TypeAlias

from carbonledger.domains.catalog.types.charges import numbers
from carbonledger.kernel import errors

_ZERO: Final = Decimal(0)


class Timing(enum.Enum):
    """When a charge is due: at the start of its service period, or when it is over."""

    ADVANCE = "advance"
    ARREARS = "arrears"


class Bound(enum.Enum):
    """Which number of an uncertain quantity is charged."""

    LOW = "low"
    MID = "mid"
    HIGH = "high"


class TokenKind(enum.Enum):
    """The disjoint buckets of tokens, of which the cost may have margins of their own."""

    UNCACHED_INPUT = "uncached_input"
    CACHED_INPUT = "cached_input"
    CACHE_CREATION_5M = "cache_creation_5m"
    CACHE_CREATION_1H = "cache_creation_1h"
    OUTPUT = "output"


class ChargeInvalid(errors.Invalid):
    """The price breaks one or more rules."""

    code = "charge_invalid"


@dataclass(frozen=True, slots=True)
class Tier:
    """Units above the last tier's bound and up to ``up_to``, which is inside (None: all others), at ``unit_price`` each.

    ``flat_price`` is charged once, on entering the tier.
    """

    up_to: Decimal | None
    unit_price: Decimal
    flat_price: Decimal = _ZERO


@dataclass(frozen=True, slots=True)
class PercentTier:
    """An amount above the last tier's bound and up to ``up_to``, which is inside (None: the rest), of which ``rate_percent`` is charged."""

    up_to: Decimal | None
    rate_percent: Decimal
    flat_price: Decimal = _ZERO


class _Checked:
    """What a model's making asks of it."""

    __slots__ = ()

    def __post_init__(self) -> None:
        numbers.refuse(ChargeInvalid, tuple(numbers.field_problems(self)))


@dataclass(frozen=True, slots=True)
class Standard(_Checked):
    """``unit_price`` for each unit."""

    name: ClassVar[str] = "standard"
    unit_price: Decimal


@dataclass(frozen=True, slots=True)
class Graduated(_Checked):
    """Each unit at the price of the tier that it falls into. ``flat_at_zero``: the first tier's flat price is charged without usage too."""

    name: ClassVar[str] = "graduated"
    tiers: tuple[Tier, ...]
    flat_at_zero: bool = True


@dataclass(frozen=True, slots=True)
class Volume(_Checked):
    """All units at the price of the tier that their number falls into. ``flat_at_zero``: as in ``Graduated``."""

    name: ClassVar[str] = "volume"
    tiers: tuple[Tier, ...]
    flat_at_zero: bool = True


@dataclass(frozen=True, slots=True)
class Package(_Checked):
    """``package_price`` for every ``package_size`` units begun, after ``free_units`` are taken off."""

    name: ClassVar[str] = "package"
    package_size: Decimal
    package_price: Decimal
    free_units: Decimal = _ZERO


@dataclass(frozen=True, slots=True)
class Percentage(_Checked):
    """``rate_percent`` of an amount, and ``fixed_fee_per_event`` for each event that makes it up.

    ``free_base_amount`` of the amount, the first to come, has no rate; the first ``free_event_count`` events have no fixed fee and no
    minimum. What one event comes to is at least ``per_event_minimum`` and at most ``per_event_maximum``.
    """

    name: ClassVar[str] = "percentage"
    rate_percent: Decimal
    fixed_fee_per_event: Decimal = _ZERO
    per_event_minimum: Decimal | None = None
    per_event_maximum: Decimal | None = None
    free_base_amount: Decimal | None = None
    free_event_count: int = 0


@dataclass(frozen=True, slots=True)
class GraduatedPercentage(_Checked):
    """Each part of an amount at the rate of the tier that it falls into."""

    name: ClassVar[str] = "graduated_percentage"
    tiers: tuple[PercentTier, ...]
    flat_at_zero: bool = True


@dataclass(frozen=True, slots=True)
class CostPlus(_Checked):
    """What providers charged, times ``1 + markup_percent / 100``; ``by_token_kind`` has markups of its own for the cost of some tokens.

    A markup of -100 makes it free, and less would pay the customer.
    """

    name: ClassVar[str] = "cost_plus"
    markup_percent: Decimal
    by_token_kind: Mapping[TokenKind, Decimal] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_token_kind", MappingProxyType(dict(self.by_token_kind)))
        numbers.refuse(ChargeInvalid, tuple(numbers.field_problems(self)))


@dataclass(frozen=True, slots=True)
class Carbon(_Checked):
    """``price_per_kg`` for each kilogram of CO2e, by one bound of its estimate."""

    name: ClassVar[str] = "carbon"
    price_per_kg: Decimal
    bound: Bound = Bound.MID


@dataclass(frozen=True, slots=True)
class Flat(_Checked):
    """``amount`` for each unit (a seat; 1 where there are none). A discount or a credit is no price, so it is never negative."""

    name: ClassVar[str] = "flat"
    amount: Decimal


Model: TypeAlias = Standard | Graduated | Volume | Package | Percentage | GraduatedPercentage | CostPlus | Carbon | Flat
MODELS: Final[Mapping[str, type[Model]]] = MappingProxyType(
    {model.name: model for model in (Standard, Graduated, Volume, Package, Percentage, GraduatedPercentage, CostPlus, Carbon, Flat)}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds whichever the model: units that cost nothing, and between which amounts the result stays.

    ``free_units`` and ``included`` are taken off the quantity before it is priced; ``minimum`` and ``maximum`` bound the amount.
    """

    free_units: Decimal = _ZERO
    included: Decimal = _ZERO
    minimum: Decimal | None = None
    maximum: Decimal | None = None

    def __post_init__(self) -> None:
        numbers.refuse(ChargeInvalid, tuple(numbers.field_problems(self)))


NO_TERMS: Final = Terms()
