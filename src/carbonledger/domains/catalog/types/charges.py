"""Words of prices: how usage or a seat becomes an amount, one model each, and the usage that they price.

A model is a value that can't be wrong: what breaks a rule of it is told when it is made, all problems at once, each with a pointer
into the model (``/tiers/1/up_to``); whoever holds the model in a document puts the document's own pointer before it (``placed``).
What depends on the currency (``amount_problems``) is asked apart, because only the document that holds the charge knows it.

Money is ``Decimal`` in major units of the document's one currency. Prices have at most ``PRICE_PLACES`` places; amounts that are
charged as they stand (``Flat.amount``, minimum, maximum) are whole numbers of the currency's minor unit. Tiers: ``up_to`` is inside its
tier, the next begins right above it, and the last has none, so that no quantity is without a price and none has two.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from types import MappingProxyType
from typing import ClassVar, Final, TypeAlias, TypeGuard

from carbonledger.kernel import decimals, errors
from carbonledger.kernel.currency import Currency
from carbonledger.kernel.errors import Problem
from carbonledger.kernel.quantity import Co2eG

PRICE_PLACES: Final = 12
QUANTITY_PLACES: Final = 12  # as many as a metered event has
PERCENT_PLACES: Final = 12
TIERS_MAX: Final = 100  # what a person can still check; a table of prices is not a price
EVENTS_MAX: Final = 1_000_000  # of a percentage charge, each priced by itself
COUNT_MAX: Final = 2**53 - 1
MARKUP_MIN_PERCENT: Final = Decimal(-100)
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


class UsageInvalid(errors.Invalid):
    """The usage can't be priced."""

    code = "charge_usage_invalid"


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
        _refuse(ChargeInvalid, tuple(_field_problems(self)))


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
        _refuse(ChargeInvalid, tuple(_field_problems(self)))


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
        _refuse(ChargeInvalid, tuple(_field_problems(self)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What is priced. A model reads what it needs, and refuses (``usage_problems``) what lacks it.

    ``quantity``: units, seats, or the amount of which a percentage is charged. ``event_count`` and ``event_amounts`` (in the order in
    which the events happened): of percentages; where the amounts are known, they are the base and ``quantity`` is not read.
    ``metered_cost``: what providers charged, in the document's currency; ``cost_by_kind``: how much of it was for which tokens.
    ``co2e``: grams.
    """

    quantity: Decimal = _ZERO
    event_count: int | None = None
    event_amounts: tuple[Decimal, ...] | None = None
    metered_cost: Decimal | None = None
    cost_by_kind: Mapping[TokenKind, Decimal] = field(default_factory=dict, hash=False)
    co2e: Co2eG | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "cost_by_kind", MappingProxyType(dict(self.cost_by_kind)))
        _refuse(UsageInvalid, tuple(_usage_field_problems(self)))


def placed(problems: Iterable[Problem], at: str) -> Iterator[Problem]:
    """Yield problems of a value as those of the document that holds it at the pointer ``at``."""
    for problem in problems:
        yield Problem(at + problem.pointer, problem.code, problem.detail)


def amount_problems(model: Model | None, terms: Terms | None, currency: Currency, *, at: str = "") -> Iterator[Problem]:
    """Yield what of a charge's amounts is no whole number of the currency's minor unit; unit prices may be finer and are not asked.

    ``at`` is the pointer of the object that holds them.
    """
    amounts = {"amount": model.amount} if isinstance(model, Flat) else {}
    if terms is not None:
        amounts |= {name: bound for name in ("minimum", "maximum") if (bound := getattr(terms, name)) is not None}
    for name, amount in amounts.items():
        yield from minor_unit_problems(amount, currency, at=f"{at}/{name}")


def minor_unit_problems(amount: Decimal, currency: Currency, *, at: str) -> Iterator[Problem]:
    """Yield a problem if ``amount`` is no whole number of the currency's minor unit."""
    if decimals.rounded(amount, places=currency.minor_digits, mode=decimals.Rounding.DOWN) != amount:
        digits = currency.minor_digits
        yield Problem(at, "minor_unit_fraction", f"An amount in {currency.code} has at most {digits} digits after the point.")


def usage_problems(model: Model, usage: Usage, *, at: str = "") -> Iterator[Problem]:
    """Yield what a model needs of the usage and does not find; ``at`` is the pointer of the object that holds the usage."""
    match model:
        case Percentage():
            yield from _percentage_usage_problems(model, usage, at)
        case CostPlus():
            yield from _cost_usage_problems(model, usage, at)
        case Carbon():
            if usage.co2e is None:
                yield Problem(f"{at}/co2e_g", "required", "Give the CO2e in grams, as low, mid and high.")
        case _:
            return


def _percentage_usage_problems(model: Percentage, usage: Usage, at: str) -> Iterator[Problem]:
    bounded = model.per_event_minimum is not None or model.per_event_maximum is not None
    if usage.event_amounts is None and bounded:
        yield Problem(f"{at}/event_amounts", "required", "A minimum or maximum of each event needs the amount of each.")
    elif usage.event_amounts is None and usage.event_count is None and model.fixed_fee_per_event:
        yield Problem(f"{at}/event_count", "required", "A fee for each event needs the number of events.")
    if usage.event_amounts is not None and usage.event_count not in {None, len(usage.event_amounts)}:
        yield Problem(f"{at}/event_count", "count_mismatch", f"There are {len(usage.event_amounts)} amounts of events.")


def _cost_usage_problems(model: CostPlus, usage: Usage, at: str) -> Iterator[Problem]:
    if usage.metered_cost is None:
        yield Problem(f"{at}/metered_cost", "required", "Give what the providers charged.")
        return
    told = _ZERO
    for cost in usage.cost_by_kind.values():
        told = decimals.add(told, cost)
    if told > usage.metered_cost:
        yield Problem(f"{at}/cost_by_kind", "parts_exceed_whole", "The costs by kind of token come to more than the cost as a whole.")
    elif model.by_token_kind and not usage.cost_by_kind and usage.metered_cost:
        yield Problem(f"{at}/cost_by_kind", "required", "Margins by kind of token need the cost by kind.")


# --- what a model, its terms and its usage have to be


@dataclass(frozen=True, slots=True)
class _Rule:
    """Bounds of one number: its places, the least that it may be, and whether it may be the least itself."""

    places: int = PRICE_PLACES
    least: Decimal = _ZERO
    may_be_least: bool = True


_PRICE: Final = _Rule()
_QUANTITY: Final = _Rule(places=QUANTITY_PLACES)
_POSITIVE: Final = _Rule(places=QUANTITY_PLACES, may_be_least=False)
_RATE: Final = _Rule(places=PERCENT_PLACES)
_MARKUP: Final = _Rule(places=PERCENT_PLACES, least=MARKUP_MIN_PERCENT)
_COST: Final = _Rule(places=decimals.DIGITS_MAX)
_RULES: Final[Mapping[str, _Rule]] = MappingProxyType(
    {
        **dict.fromkeys(("unit_price", "flat_price", "package_price", "fixed_fee_per_event", "price_per_kg", "amount"), _PRICE),
        **dict.fromkeys(("per_event_minimum", "per_event_maximum", "free_base_amount", "minimum", "maximum"), _PRICE),
        **dict.fromkeys(("free_units", "included", "quantity"), _QUANTITY),
        **dict.fromkeys(("package_size", "up_to"), _POSITIVE),
        **dict.fromkeys(("metered_cost",), _COST),
        "rate_percent": _RATE,
        "markup_percent": _MARKUP,
    }
)


def _refuse(fault: type[errors.Invalid], found: Sequence[Problem]) -> None:
    if found:
        raise fault("; ".join(dict.fromkeys(problem.detail for problem in found)), problems=tuple(found))


def _field_problems(value: object) -> Iterator[Problem]:
    """Yield what is wrong with the numbers of a model or of terms, and with how they go together."""
    for name in (one.name for one in fields(value)):  # type: ignore[arg-type]  # every one of them is a dataclass
        yield from _problems_of_field(name, getattr(value, name))
    for least, most in (("per_event_minimum", "per_event_maximum"), ("minimum", "maximum")):
        low, high = getattr(value, least, None), getattr(value, most, None)
        if _is_number(low) and _is_number(high) and low > high:
            yield Problem(f"/{least}", "minimum_above_maximum", "The minimum is above the maximum.")


def _problems_of_field(name: str, value: object) -> Iterator[Problem]:
    if name == "tiers":
        yield from _tier_problems(value)
    elif name == "by_token_kind":
        yield from _by_kind_problems(value, name, _MARKUP)
    elif name == "free_event_count":
        yield from _count_problems(value, f"/{name}")
    elif value is not None and name in _RULES:
        yield from _number_problems(value, _RULES[name], f"/{name}")


def _tier_problems(tiers: object) -> Iterator[Problem]:
    if not isinstance(tiers, tuple) or not 1 <= len(tiers) <= TIERS_MAX:
        yield Problem("/tiers", "tiers_count", f"Give 1 to {TIERS_MAX} tiers.")
        return
    bound = _ZERO
    for place, tier in enumerate(tiers):
        at, is_last = f"/tiers/{place}", place == len(tiers) - 1
        for name in ("rate_percent",) if isinstance(tier, PercentTier) else ("unit_price",):
            yield from _number_problems(getattr(tier, name), _RULES[name], f"{at}/{name}")
        yield from _number_problems(tier.flat_price, _PRICE, f"{at}/flat_price")
        yield from _bound_problems(tier.up_to, bound, f"{at}/up_to", is_last=is_last)
        if _is_number(tier.up_to):
            bound = max(bound, tier.up_to)


def _bound_problems(up_to: object, before: Decimal, at: str, *, is_last: bool) -> Iterator[Problem]:
    if up_to is None:
        if not is_last:
            yield Problem(at, "tier_unbounded", "Only the last tier goes without a bound; those after it would overlap it.")
        return
    found = tuple(_number_problems(up_to, _POSITIVE, at))
    yield from found
    if not found and isinstance(up_to, Decimal) and up_to <= before:
        yield Problem(at, "tier_not_above", f"A tier ends above the one before it, here above {decimals.to_api_decimal(before)}.")
    if is_last:
        yield Problem(at, "tier_bounded", "The last tier has no bound (null), or what is above it would have no price.")


def _by_kind_problems(value: object, name: str, rule: _Rule) -> Iterator[Problem]:
    for kind, number in value.items() if isinstance(value, Mapping) else ():
        yield from _number_problems(number, rule, f"/{name}/{kind.value}")


def _number_problems(value: object, rule: _Rule, at: str) -> Iterator[Problem]:
    try:
        number = decimals.checked(value)  # type: ignore[arg-type]  # anything but a Decimal is refused there
    except decimals.NumberOutOfRange as fault:
        yield Problem(at, fault.code, str(fault))
        return
    if _places(number) > rule.places:
        yield Problem(at, "too_many_places", f"Give at most {rule.places} digits after the point.")
    if number < rule.least or (number == rule.least and not rule.may_be_least):
        least = decimals.to_api_decimal(rule.least)
        yield Problem(at, "too_small", f"Give {f'{least} or more' if rule.may_be_least else f'more than {least}'}.")


def _places(number: Decimal) -> int:
    """Return how many digits stand after the point: one in ``1.50``."""
    exponent = number.as_tuple().exponent
    if type(exponent) is int and exponent >= 0:  # most numbers, and there may be a million of them
        return 0
    return len(decimals.to_api_decimal(number).partition(".")[2])


def _count_problems(value: object, at: str) -> Iterator[Problem]:
    if type(value) is not int or not 0 <= value <= COUNT_MAX:
        yield Problem(at, "count_invalid", f"Give a whole number from 0 to {COUNT_MAX}.")


def _is_number(value: object) -> TypeGuard[Decimal]:
    return type(value) is Decimal and value.is_finite()


def _usage_field_problems(usage: Usage) -> Iterator[Problem]:
    yield from _number_problems(usage.quantity, _QUANTITY, "/quantity")
    if usage.event_count is not None:
        yield from _count_problems(usage.event_count, "/event_count")
    amounts = usage.event_amounts or ()
    if len(amounts) > EVENTS_MAX:
        yield Problem("/event_amounts", "too_many", f"Give at most {EVENTS_MAX} amounts.")
        return
    for place, amount in enumerate(amounts):
        yield from _number_problems(amount, _PRICE, f"/event_amounts/{place}")
    if usage.metered_cost is not None:
        yield from _number_problems(usage.metered_cost, _COST, "/metered_cost")
    yield from _by_kind_problems(usage.cost_by_kind, "cost_by_kind", _COST)


NO_TERMS: Final = Terms()  # down here, because making one asks the rules above
