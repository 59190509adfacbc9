"""Charge models as they stand on the wire: a name, and the model's own members beside it in the object that has the price.

Numbers are decimal strings. What can't be read is a problem at its pointer, told with all others; what the model itself refuses is placed
there too. Shared by whatever prices something: plans, previews.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import Field

from carbonledger.domains.catalog.types import charges as models
from carbonledger.domains.catalog.types.charges import Model
from carbonledger.entrypoints.rest import shapes
from carbonledger.kernel import decimals, errors
from carbonledger.kernel.errors import Problem

DecimalText = Annotated[str, Field(max_length=100, description="A decimal, such as 12.34.", examples=["12.34"])]
Name: TypeAlias = Literal["standard", "graduated", "volume", "package", "percentage", "graduated_percentage", "cost_plus", "carbon", "flat"]
_HUNDRED: Final = Decimal(100)


class TierIn(shapes.In):
    """A step of a price: what lies above the step before it, up to and with `up_to`."""

    up_to: DecimalText | None = Field(default=None, description="Inside the tier; null for the last, which has no end.")
    unit_price: DecimalText | None = Field(default=None, description="Of graduated and volume.")
    rate_percent: DecimalText | None = Field(default=None, description="Of graduated_percentage.")
    flat_price: DecimalText | None = Field(default=None, description="Charged once, on entering the tier.")


class ModelIn(shapes.In):
    """A charge model with its members; those of other models are left out or null."""

    charge_model: Name
    unit_price: DecimalText | None = Field(default=None, description="standard: for each unit, up to 12 places.")
    tiers: Annotated[list[TierIn], Field(max_length=1000)] | None = Field(
        default=None, description="graduated, volume, graduated_percentage: in their order, each above the one before."
    )
    flat_at_zero: bool | None = Field(default=None, description="Whether the first tier's flat price is charged without usage. True.")
    package_size: DecimalText | None = None
    package_price: DecimalText | None = None
    free_units: DecimalText | None = Field(default=None, description="Units that cost nothing.")
    rate_percent: DecimalText | None = Field(default=None, description="percentage: of the amount.")
    fixed_fee_per_event: DecimalText | None = None
    per_event_minimum: DecimalText | None = None
    per_event_maximum: DecimalText | None = None
    free_base_amount: DecimalText | None = None
    free_event_count: int | None = Field(default=None, ge=0, le=models.COUNT_MAX)
    markup_percent: DecimalText | None = Field(default=None, description="cost_plus: on what providers charged; 20 makes 1.2 times.")
    multiplier: DecimalText | None = Field(default=None, description="cost_plus: the same as a factor, such as 1.2, in its place.")
    by_token_kind: Annotated[dict[models.TokenKind, DecimalText], Field(max_length=10)] | None = Field(
        default=None, description="cost_plus: markups of their own for the cost of some tokens."
    )
    price_per_kg: DecimalText | None = Field(default=None, description="carbon: for each kilogram of CO2e.")
    bound: models.Bound | None = Field(default=None, description="carbon: which number of the estimate. mid.")
    amount: DecimalText | None = Field(default=None, description="flat: for each seat, or once.")


class TierOut(shapes.Out):
    """A step of a price."""

    up_to: str | None
    unit_price: str | None = None
    rate_percent: str | None = None
    flat_price: str


class ModelOut(shapes.Out):
    """A charge model with its members; those of other models are null."""

    charge_model: Name
    unit_price: str | None = None
    tiers: list[TierOut] | None = None
    flat_at_zero: bool | None = None
    package_size: str | None = None
    package_price: str | None = None
    free_units: str | None = None
    rate_percent: str | None = None
    fixed_fee_per_event: str | None = None
    per_event_minimum: str | None = None
    per_event_maximum: str | None = None
    free_base_amount: str | None = None
    free_event_count: int | None = Field(default=None, ge=0, le=models.COUNT_MAX)
    markup_percent: str | None = None
    by_token_kind: dict[models.TokenKind, str] | None = None
    price_per_kg: str | None = None
    bound: models.Bound | None = None
    amount: str | None = None


MEMBERS: Final = frozenset(ModelIn.model_fields) - {"charge_model"}
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "standard": ("unit_price",),
    "graduated": ("tiers",),
    "volume": ("tiers",),
    "package": ("package_size", "package_price"),
    "percentage": ("rate_percent",),
    "graduated_percentage": ("tiers",),
    "cost_plus": (),
    "carbon": ("price_per_kg",),
    "flat": ("amount",),
}
_OPTIONAL: Final[Mapping[str, tuple[str, ...]]] = {
    "graduated": ("flat_at_zero",),
    "volume": ("flat_at_zero",),
    "package": ("free_units",),
    "percentage": (
        "fixed_fee_per_event",
        "per_event_minimum",
        "per_event_maximum",
        "free_base_amount",
        "free_event_count",
    ),
    "graduated_percentage": ("flat_at_zero",),
    "cost_plus": ("markup_percent", "multiplier", "by_token_kind"),
    "carbon": ("bound",),
}
_AS_THEY_ARE: Final = frozenset({"flat_at_zero", "free_event_count", "bound"})


class Reader:
    """Reads the members of one object, and gathers what can't be read at its pointer."""

    def __init__(self, problems: list[Problem], at: str) -> None:
        self.problems = problems
        self.at = at

    def decimal(self, name: str, text: str | None) -> Decimal | None:
        """Return the number of a member, None if it is not there or can't be read."""
        if text is None:
            return None
        try:
            return decimals.from_api_decimal(text)
        except errors.Invalid as fault:
            self.problems.append(Problem(f"{self.at}/{name}", fault.code, str(fault)))
            return None

    def required(self, name: str) -> None:
        """Say that a member is missing."""
        self.problems.append(Problem(f"{self.at}/{name}", "required", f"Give {name}."))

    def refuse(self, name: str, model: str) -> None:
        """Say that a member has no place in this model."""
        self.problems.append(Problem(f"{self.at}/{name}", "not_of_this_model", f"{model} has no {name}."))


def from_api_model(problems: list[Problem], at: str, body: ModelIn, *, others: frozenset[str] = frozenset()) -> Model | None:
    """Return the model that an object at the pointer ``at`` has; None where it has problems, which are added.

    ``others``: members that the object has whatever its model is, and which are not the model's here.
    """
    name = body.charge_model
    own = (*_NEEDED[name], *_OPTIONAL.get(name, ()))
    found: list[Problem] = []
    reader = Reader(found, at)
    for member in sorted(MEMBERS - {*own} - others):
        if getattr(body, member) is not None:
            reader.refuse(member, name)
    for member in _NEEDED[name]:
        if getattr(body, member) is None:
            reader.required(member)
    values = {member: value for member in own if (value := _value(reader, body, member)) is not None}
    if name == "cost_plus":
        _markup(reader, body, values)
    made = None if found else _made(found, at, name, values)
    problems += found
    return made


def _value(reader: Reader, body: ModelIn, member: str) -> Any:  # noqa: ANN401 - what the model's field takes
    sent = getattr(body, member)
    if sent is None or member in _AS_THEY_ARE:
        return sent
    if member == "tiers":
        kind = _percent_tier if body.charge_model == "graduated_percentage" else _tier
        return tuple(kind(Reader(reader.problems, f"{reader.at}/tiers/{place}"), tier) for place, tier in enumerate(sent))
    if member == "by_token_kind":
        named = Reader(reader.problems, f"{reader.at}/by_token_kind")
        return {kind: number for kind, text in sent.items() if (number := named.decimal(kind.value, text)) is not None}
    return reader.decimal(member, sent)


def _tier(reader: Reader, tier: TierIn) -> models.Tier:
    if tier.rate_percent is not None:
        reader.refuse("rate_percent", "A tier of this model")
    if tier.unit_price is None:
        reader.required("unit_price")
    up_to, price, flat = _numbers(reader, tier, "unit_price")
    return models.Tier(up_to, price, flat)


def _percent_tier(reader: Reader, tier: TierIn) -> models.PercentTier:
    if tier.unit_price is not None:
        reader.refuse("unit_price", "A tier of this model")
    if tier.rate_percent is None:
        reader.required("rate_percent")
    up_to, rate, flat = _numbers(reader, tier, "rate_percent")
    return models.PercentTier(up_to, rate, flat)


def _numbers(reader: Reader, tier: TierIn, price: str) -> tuple[Decimal | None, Decimal, Decimal]:
    up_to = reader.decimal("up_to", tier.up_to)
    return up_to, reader.decimal(price, getattr(tier, price)) or Decimal(0), reader.decimal("flat_price", tier.flat_price) or Decimal(0)


def _markup(reader: Reader, body: ModelIn, values: dict[str, Any]) -> None:
    factor = values.pop("multiplier", None)
    if body.markup_percent is None and body.multiplier is None:
        reader.required("markup_percent")
    elif body.markup_percent is not None and body.multiplier is not None:
        reader.problems.append(Problem(f"{reader.at}/multiplier", "given_twice", "Give markup_percent or multiplier."))
    elif factor is not None and factor < 0:
        reader.problems.append(Problem(f"{reader.at}/multiplier", "too_small", "Give 0 or more."))
    elif factor is not None:
        try:
            values["markup_percent"] = decimals.multiply(decimals.subtract(factor, Decimal(1)), _HUNDRED)
        except errors.Invalid as fault:
            reader.problems.append(Problem(f"{reader.at}/multiplier", fault.code, str(fault)))


def _made(problems: list[Problem], at: str, name: str, values: Mapping[str, Any]) -> Model | None:
    make: Callable[..., Model] = models.MODELS[name]
    try:
        return make(**values)
    except models.ChargeInvalid as fault:
        problems += models.placed(fault.problems, at)
        return None


def to_api_members(model: Model) -> dict[str, Any]:
    """Return a model's name and members as they stand on the wire."""
    members: dict[str, Any] = {"charge_model": model.name}
    for name in (*_NEEDED[model.name], *_OPTIONAL.get(model.name, ()), *(("markup_percent",) if model.name == "cost_plus" else ())):
        value = getattr(model, name, None)
        if name == "tiers":
            value = [_to_api_tier(tier) for tier in value or ()]
        elif name == "by_token_kind":
            value = {kind: decimals.to_api_decimal(markup) for kind, markup in (value or {}).items()}
        elif isinstance(value, Decimal):
            value = decimals.to_api_decimal(value)
        if value is not None:
            members[name] = value
    return members


def _to_api_tier(tier: models.Tier | models.PercentTier) -> TierOut:
    write = decimals.to_api_decimal
    return TierOut(
        up_to=None if tier.up_to is None else write(tier.up_to),
        unit_price=write(tier.unit_price) if isinstance(tier, models.Tier) else None,
        rate_percent=write(tier.rate_percent) if isinstance(tier, models.PercentTier) else None,
        flat_price=write(tier.flat_price),
    )
