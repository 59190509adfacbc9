"""Prices and usage as callers write them, and reading them: every number is a decimal string, and all that is wrong is told at once.

A line names its model and has the model's own members beside it. What a model does not take is refused, because a member that is ignored
does something other than what was asked; null is the same as nothing. ``Reader`` collects problems with their pointers; what it can't read
it returns as None, and whoever reads on leaves that out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final, Literal, TypeVar

from pydantic import Field

from carbonledger.domains.catalog.types import charges
from carbonledger.domains.catalog.types.charges import Bound, Model, TokenKind
from carbonledger.domains.catalog.types.plans import AmountDiscount, Discount, PercentDiscount
from carbonledger.entrypoints.rest import shapes
from carbonledger.kernel import decimals, errors
from carbonledger.kernel.errors import Problem
from carbonledger.kernel.quantity import Co2eG

T = TypeVar("T")
NUMBER_CHARS_MAX: Final = 100
EVENT_AMOUNTS_MAX: Final = 1000
NAME_CHARS_MAX: Final = 200
ModelName = Literal["standard", "graduated", "volume", "package", "percentage", "graduated_percentage", "cost_plus", "carbon", "flat"]


def number(description: str) -> Any:  # noqa: ANN401 - pydantic's own
    """Declare a decimal string that may be left out."""
    return Field(default=None, max_length=NUMBER_CHARS_MAX, description=description)


class TierIn(shapes.In):
    """A tier: units above the last tier's bound and up to its own, which is inside."""

    up_to: str | None = number("Null: everything above. Only the last tier has null, and it has to.")
    unit_price: str | None = number("For each unit in the tier; needed but for graduated_percentage.")
    rate_percent: str | None = number("Of the amount in the tier: of graduated_percentage, and needed there.")
    flat_price: str | None = number("Charged once, when something falls into the tier. Left out: none.")


class Co2eIn(shapes.In):
    """Grams of CO2e, estimated."""

    low: str = Field(max_length=NUMBER_CHARS_MAX)
    mid: str = Field(max_length=NUMBER_CHARS_MAX)
    high: str = Field(max_length=NUMBER_CHARS_MAX)


class ByKindIn(shapes.In):
    """A number for each kind of token; those left out have none of their own."""

    uncached_input: str | None = number("Input that was not served from a cache.")
    cached_input: str | None = number("Input served from the provider's cache.")
    cache_creation_5m: str | None = number("Input written to the cache for five minutes.")
    cache_creation_1h: str | None = number("Input written to the cache for an hour.")
    output: str | None = number("Output, reasoning included.")


class DiscountIn(shapes.In):
    """A discount: a percentage, or an amount of the document's currency. Give one of them."""

    percent: str | None = number("More than 0, at most 100.")
    amount: str | None = number("More than 0, in whole minor units; never takes off more than there is.")
    name: str | None = Field(default=None, min_length=1, max_length=NAME_CHARS_MAX, description="What it is called on the document.")


class PriceIn(shapes.In):
    """A charge model with its own members."""

    charge_model: ModelName
    unit_price: str | None = number("Of standard, for each unit; of carbon, another name of price_per_kg.")
    tiers: list[TierIn] | None = Field(
        default=None, max_length=charges.TIERS_MAX, description="Of graduated, volume and graduated_percentage, in rising order."
    )
    flat_at_zero: bool | None = Field(
        default=None, description="Of tiers: whether the first one's flat price is charged without usage. Left out: it is."
    )
    package_size: str | None = number("Of package: units of one package; one begun is charged in full.")
    package_price: str | None = number("Of package: for each package begun.")
    rate_percent: str | None = number("Of percentage: so many percent of the amount.")
    fixed_fee_per_event: str | None = number("Of percentage: for each event.")
    per_event_minimum: str | None = number("Of percentage: what each event costs at the least.")
    per_event_maximum: str | None = number("Of percentage: what each event costs at the most.")
    free_base_amount: str | None = number("Of percentage: how much of the amount, the first to come, has no rate.")
    free_event_count: int | None = Field(
        default=None, ge=0, le=charges.COUNT_MAX, description="Of percentage: the first events, which have no fixed fee and no minimum."
    )
    multiplier: str | None = number("Of cost_plus: what the cost is multiplied with. 1.2 is a markup of 20 percent; give one of the two.")
    markup_percent: str | None = number("Of cost_plus: percent on top of the cost, -100 or more.")
    by_token_kind: ByKindIn | None = Field(default=None, description="Of cost_plus: markups in percent of their own.")
    price_per_kg: str | None = number("Of carbon: for each kilogram of CO2e.")
    bound: Literal["low", "mid", "high"] | None = Field(default=None, description="Of carbon: which number is charged. Left out: mid.")
    amount: str | None = number("Of flat: for each unit (a seat).")


@dataclass(slots=True)
class Reader:
    """Reads decimal strings, and keeps what is wrong with them."""

    problems: list[Problem] = field(default_factory=list)

    def told(self, at: str, code: str, detail: str) -> None:
        """Keep a problem."""
        self.problems.append(Problem(at, code, detail))

    def decimal(self, text: str | None, at: str, *, places: int = charges.PRICE_PLACES) -> Decimal | None:
        """Return the number that ``text`` spells; None: there is none, or it can't be read."""
        if text is None:
            return None
        try:
            return decimals.from_api_decimal(text, places=places)
        except errors.Invalid as fault:
            self.told(at, fault.code, str(fault))
            return None

    def needed(self, text: str | None, at: str, *, places: int = charges.PRICE_PLACES) -> Decimal | None:
        """Return the number that ``text`` spells, which may not be left out."""
        if text is None:
            self.told(at, "required", "This member is needed here.")
        return self.decimal(text, at, places=places)

    def made(self, at: str, make: Callable[[], T]) -> T | None:
        """Return what ``make`` makes; None, and its problems at their places, if it refuses."""
        try:
            return make()
        except errors.Invalid as fault:
            self.problems += charges.placed(fault.problems or (Problem("", fault.code, str(fault)),), at)
            return None

    def co2e(self, value: Co2eIn | None, at: str) -> Co2eG | None:
        """Return grams of CO2e."""
        if value is None:
            return None
        low, mid, high = (self.decimal(getattr(value, name), f"{at}/{name}") for name in ("low", "mid", "high"))
        if low is None or mid is None or high is None:
            return None
        return self.made(at, lambda: Co2eG(low, mid, high))

    def by_kind(self, value: ByKindIn | None, at: str, *, places: int = charges.PRICE_PLACES) -> dict[TokenKind, Decimal]:
        """Return the numbers by kind of token."""
        found = {kind: self.decimal(getattr(value, kind.value, None), f"{at}/{kind.value}", places=places) for kind in TokenKind}
        return {kind: given for kind, given in found.items() if given is not None}

    def discounts(self, given: Iterable[DiscountIn], at: str) -> tuple[Discount, ...]:
        """Return discounts in their order; what is wrong with their numbers the domain says."""
        found = [self._discount(one, f"{at}/{place}") for place, one in enumerate(given)]
        return tuple(one for one in found if one is not None)

    def _discount(self, given: DiscountIn, at: str) -> Discount | None:
        if (given.percent is None) == (given.amount is None):
            self.told(at, "one_of", "Give a percent or an amount.")
            return None
        percent, amount = self.decimal(given.percent, f"{at}/percent"), self.decimal(given.amount, f"{at}/amount")
        if percent is not None:
            return PercentDiscount(percent, given.name)
        return None if amount is None else AmountDiscount(amount, given.name)


def kilograms(quantity: Decimal) -> Co2eG:
    """Return kilograms of CO2e that are known exactly. Raises ``NumberOutOfRange``."""
    return Co2eG.point(decimals.shifted(quantity, 3))


# Which members a model takes; those that it needs stand first.
_NEEDED: Final[dict[str, tuple[str, ...]]] = {
    "standard": ("unit_price",),
    "package": ("package_size", "package_price"),
    "percentage": ("rate_percent",),
    "flat": ("amount",),
}
_BOUNDS: Final = ("fixed_fee_per_event", "per_event_minimum", "per_event_maximum", "free_base_amount")
_TAKEN: Final[dict[str, frozenset[str]]] = {
    "standard": frozenset({"unit_price"}),
    "graduated": frozenset({"tiers", "flat_at_zero"}),
    "volume": frozenset({"tiers", "flat_at_zero"}),
    "package": frozenset({"package_size", "package_price"}),
    "percentage": frozenset({"rate_percent", "free_event_count", *_BOUNDS}),
    "graduated_percentage": frozenset({"tiers", "flat_at_zero"}),
    "cost_plus": frozenset({"multiplier", "markup_percent", "by_token_kind"}),
    "carbon": frozenset({"price_per_kg", "unit_price", "bound"}),
    "flat": frozenset({"amount"}),
}
_MEMBERS: Final = frozenset(PriceIn.model_fields) - {"charge_model"}


def from_api_model(price: PriceIn, reader: Reader, at: str) -> Model | None:
    """Return the charge model of a price at the pointer ``at``; None where it can't be read, which the reader then knows."""
    name, before = price.charge_model, len(reader.problems)
    for member in sorted(_MEMBERS - _TAKEN[name]):
        if getattr(price, member) is not None:
            reader.told(f"{at}/{member}", "member_unexpected", f"The model {name} does not take this member.")
    numbers: dict[str, Any] = {one: reader.needed(getattr(price, one), f"{at}/{one}") for one in _NEEDED.get(name, ())}
    make = _MAKERS.get(name)
    if make is not None:
        numbers |= make(price, reader, at)
    if len(reader.problems) > before:
        return None
    model = reader.made(at, lambda: charges.MODELS[name](**numbers))
    if name == "carbon" and price.unit_price is not None:  # what was refused goes by the name that was sent
        reader.problems[before:] = [replace(problem, pointer=f"{at}/unit_price") for problem in reader.problems[before:]]
    return model


def _tiered(price: PriceIn, reader: Reader, at: str) -> dict[str, Any]:
    if price.tiers is None:
        reader.told(f"{at}/tiers", "required", "This member is needed here.")
    is_percent = price.charge_model == "graduated_percentage"
    made = [_tier(tier, reader, f"{at}/tiers/{place}", is_percent=is_percent) for place, tier in enumerate(price.tiers or ())]
    return {"tiers": tuple(made), "flat_at_zero": price.flat_at_zero is not False}


def _tier(tier: TierIn, reader: Reader, at: str, *, is_percent: bool) -> charges.Tier | charges.PercentTier:
    """Return a tier; one that can't be read is never used, since the reader then holds why."""
    needed, other = ("rate_percent", "unit_price") if is_percent else ("unit_price", "rate_percent")
    if getattr(tier, other) is not None:
        reader.told(f"{at}/{other}", "member_unexpected", "A tier of this model does not take this member.")
    up_to = reader.decimal(tier.up_to, f"{at}/up_to", places=charges.QUANTITY_PLACES)
    value = reader.needed(getattr(tier, needed), f"{at}/{needed}") or Decimal(0)
    flat_price = reader.decimal(tier.flat_price, f"{at}/flat_price") or Decimal(0)
    return charges.PercentTier(up_to, value, flat_price) if is_percent else charges.Tier(up_to, value, flat_price)


def _percentage(price: PriceIn, reader: Reader, at: str) -> dict[str, Any]:
    given = {name: reader.decimal(getattr(price, name), f"{at}/{name}") for name in _BOUNDS}
    return {**{name: value for name, value in given.items() if value is not None}, "free_event_count": price.free_event_count or 0}


def _cost_plus(price: PriceIn, reader: Reader, at: str) -> dict[str, Any]:
    if (price.multiplier is None) == (price.markup_percent is None):
        reader.told(f"{at}/multiplier", "one_of", "Give a multiplier or a markup_percent.")
    markup = reader.decimal(price.markup_percent, f"{at}/markup_percent")
    multiplier = reader.decimal(price.multiplier, f"{at}/multiplier", places=charges.PERCENT_PLACES)
    if multiplier is not None:
        if multiplier < 0:
            reader.told(f"{at}/multiplier", "too_small", "Give 0 or more.")
        else:
            markup = reader.made(f"{at}/multiplier", lambda: decimals.shifted(decimals.subtract(multiplier, Decimal(1)), 2))
    by_kind = reader.by_kind(price.by_token_kind, f"{at}/by_token_kind")
    return {"markup_percent": markup, "by_token_kind": by_kind}


def _carbon(price: PriceIn, reader: Reader, at: str) -> dict[str, Any]:
    if price.price_per_kg is not None and price.unit_price is not None:
        reader.told(f"{at}/unit_price", "one_of", "Give a price_per_kg or a unit_price.")
    name = "price_per_kg" if price.unit_price is None else "unit_price"
    return {"price_per_kg": reader.needed(getattr(price, name), f"{at}/{name}"), "bound": Bound(price.bound or "mid")}


_MAKERS: Final[dict[str, Callable[[PriceIn, Reader, str], dict[str, Any]]]] = {
    "graduated": _tiered,
    "volume": _tiered,
    "graduated_percentage": _tiered,
    "percentage": _percentage,
    "cost_plus": _cost_plus,
    "carbon": _carbon,
}
