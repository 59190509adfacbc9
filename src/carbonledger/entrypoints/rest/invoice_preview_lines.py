"""Lines that somebody wants worked out, as they are sent, and reading them: all that is wrong with any is told at once.

A line names its charge model, has the model's own members beside it (``price_models``), and what is priced. What a model does not take is
refused, because a member that is ignored does something other than what was asked; null is the same as nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import Field

from carbonledger.domains.accounts.types import TaxTreatment
from carbonledger.domains.catalog.types import charges
from carbonledger.domains.catalog.types.charges import Model, Terms, TokenKind, Usage
from carbonledger.domains.catalog.types.plans import Discount
from carbonledger.domains.invoices.service import previewing
from carbonledger.domains.invoices.types import previews
from carbonledger.domains.invoices.types.rating import WHOLE, Part
from carbonledger.domains.invoices.types.totals import Tax, TaxRounding
from carbonledger.entrypoints.rest import plan_shapes, price_models, shapes
from carbonledger.entrypoints.rest.price_models import DecimalText, Reader
from carbonledger.kernel import currency, decimals, errors
from carbonledger.kernel.errors import Problem
from carbonledger.kernel.quantity import Co2eG

T = TypeVar("T")
_PART_MAX: Final = 10**9  # seconds of thirty years
_EVENT_AMOUNTS_MAX: Final = 1000


class PartIn(shapes.In):
    """So many of a period's days, or seconds."""

    numerator: int = Field(ge=0, le=_PART_MAX)
    denominator: int = Field(ge=1, le=_PART_MAX)


class Co2eIn(shapes.In):
    """Grams of CO2e, estimated."""

    low: DecimalText
    mid: DecimalText
    high: DecimalText


class LineIn(price_models.ModelIn):
    """One line: a price, what is priced, and what is around it."""

    quantity: DecimalText | None = Field(
        default=None,
        description="Units, or the amount of which a percentage is charged; of flat, 1 if left out; of carbon, kilograms in place of "
        "co2e_g. Not read where event_amounts or metered_cost say it.",
    )
    event_count: int | None = Field(default=None, ge=0, le=charges.COUNT_MAX, description="percentage: how many events there were.")
    event_amounts: Annotated[list[DecimalText], Field(max_length=_EVENT_AMOUNTS_MAX)] | None = Field(
        default=None,
        description="percentage: the amount of each event, in the order in which they happened; their sum is what is charged.",
    )
    metered_cost: DecimalText | None = Field(default=None, description="cost_plus: what the providers charged.")
    cost_by_kind: Annotated[dict[TokenKind, DecimalText], Field(max_length=10)] | None = Field(
        default=None, description="cost_plus: how much of it was for which tokens."
    )
    co2e_g: Co2eIn | None = Field(default=None, description="carbon: what was emitted.")
    included: DecimalText | None = Field(
        default=None, description="The allowance: units that cost nothing, for a part of a period that part of them."
    )
    minimum: DecimalText | None = Field(default=None, description="What the line comes to at the least.")
    maximum: DecimalText | None = Field(default=None, description="What the line comes to at the most.")
    part: PartIn | None = Field(
        default=None, description="The part of a service period: a flat amount, the allowance, minimum and maximum are that part."
    )
    discounts: Annotated[list[plan_shapes.DiscountIn], Field(max_length=previewing.DISCOUNTS_MAX)] = Field(
        default_factory=list, description="Off this line, in this order, before it is rounded."
    )
    tax_rate_percent: DecimalText | None = Field(default=None, description="0 to 100, with at most 4 places.")
    tax_inclusive: bool = Field(default=False, description="Whether the price holds the tax already.")


class PreviewIn(shapes.In):
    """Lines to rate, and what is taken off the whole."""

    currency: str = Field(max_length=3, description="ISO 4217; every amount is in it.")
    lines: list[LineIn] = Field(min_length=1, max_length=previewing.LINES_MAX)
    discounts: Annotated[list[plan_shapes.DiscountIn], Field(max_length=previewing.DISCOUNTS_MAX)] = Field(
        default_factory=list, description="Off the sum of the lines, in this order."
    )
    tax_rounding: Literal["document", "line"] = Field(
        default="document", description="Where tax is rounded: once, its parts given to the lines by largest remainder, or on each line."
    )
    tax_treatment: Literal["standard", "exempt", "reverse_charge"] = Field(
        default="standard", description="Of who is billed: anything but standard means no tax."
    )


def from_api_preview(body: PreviewIn) -> previews.Draft:
    """Return the document to work out. Raises ``PreviewInvalid`` with all that is wrong with any of its lines."""
    found: list[Problem] = []
    unit = _made(found, "/currency", lambda: currency.from_api_currency(body.currency))
    lines = {place: _line(found, f"/lines/{place}", line) for place, line in enumerate(body.lines)}
    discounts = _discounts(found, "/discounts", body.discounts)
    read = {place: line for place, line in lines.items() if line is not None}
    if unit is not None:
        found += previewing.problems(read, unit)
        found += previewing.discount_problems(discounts, unit, at="/discounts")
    if found or unit is None:
        raise previews.PreviewInvalid(found)
    return previews.Draft(
        currency=unit,
        lines=tuple(read.values()),
        discounts=discounts,
        treatment=TaxTreatment(body.tax_treatment),
        rounding=TaxRounding(body.tax_rounding),
    )


def _made(problems: list[Problem], at: str, make: Callable[[], T]) -> T | None:
    """Return what ``make`` makes; None, and its problems at their places, if it refuses."""
    try:
        return make()
    except errors.Invalid as fault:
        problems += charges.placed(fault.problems or (Problem("", fault.code, str(fault)),), at)
        return None


def _line(problems: list[Problem], at: str, line: LineIn) -> previews.DraftLine | None:
    """Return a line; None where a part of it can't be read, and problems are added."""
    found: list[Problem] = []
    model = _model(found, at, line)
    usage = _usage(found, at, line)
    terms = _terms(found, at, line)
    part = WHOLE if line.part is None else _part(found, f"{at}/part", line.part)
    discounts = _discounts(found, f"{at}/discounts", line.discounts)
    tax = _tax(found, at, line)
    problems += found
    if found or model is None or usage is None or terms is None or part is None:
        return None
    return previews.DraftLine(model=model, usage=usage, terms=terms, part=part, discounts=discounts, taxes=() if tax is None else (tax,))


def _model(problems: list[Problem], at: str, line: LineIn) -> Model | None:
    """Return the price. The one of carbon goes by ``unit_price`` too, the name that every price of a unit has."""
    found: list[Problem] = []
    named = line.charge_model == "carbon" and line.unit_price is not None and line.price_per_kg is None
    sent = line.model_copy(update={"price_per_kg": line.unit_price, "unit_price": None}) if named else line
    model = price_models.from_api_model(found, at, sent, others=_FREE_UNITS)
    problems += (replace(problem, pointer=f"{at}/unit_price") for problem in found) if named else found
    return model


def _discounts(problems: list[Problem], at: str, given: Sequence[plan_shapes.DiscountIn]) -> tuple[Discount, ...]:
    found = [plan_shapes.from_api_discount(problems, f"{at}/{place}", one) for place, one in enumerate(given)]
    return tuple(one for one in found if one is not None)


def _part(problems: list[Problem], at: str, part: PartIn) -> Part | None:
    return _made(problems, at, lambda: Part(part.numerator, part.denominator))


_FREE_UNITS: Final = frozenset({"free_units"})  # every line may have them; those of a package are its model's


def _terms(problems: list[Problem], at: str, line: LineIn) -> Terms | None:
    found: list[Problem] = []
    reader = Reader(found, at)
    names = ("included", "minimum", "maximum", *(() if line.charge_model == "package" else _FREE_UNITS))
    given = {name: value for name in names if (value := reader.decimal(name, getattr(line, name))) is not None}
    problems += found
    return None if found else _made(problems, at, lambda: Terms(**given))


def _tax(problems: list[Problem], at: str, line: LineIn) -> Tax | None:
    percent = Reader(problems, at).decimal("tax_rate_percent", line.tax_rate_percent)
    if percent is None:
        return None
    problems += previewing.tax_problems(percent, at=f"{at}/tax_rate_percent")
    return Tax(decimals.to_api_decimal(percent), percent, line.tax_inclusive)


# What is priced, by model. Others are refused, but for a quantity, which every line may state.
_PRICED: Final = ("event_count", "event_amounts", "metered_cost", "cost_by_kind", "co2e_g")
_PRICED_BY: Final = {"percentage": _PRICED[:2], "cost_plus": _PRICED[2:4], "carbon": _PRICED[4:]}


def _usage(problems: list[Problem], at: str, line: LineIn) -> Usage | None:
    found: list[Problem] = []
    reader = Reader(found, at)
    for member in _PRICED:
        if member not in _PRICED_BY.get(line.charge_model, ()) and getattr(line, member) is not None:
            reader.refuse(member, line.charge_model)
    by_kind = Reader(found, f"{at}/cost_by_kind")
    given: dict[str, Any] = {
        "quantity": _quantity(reader, line),
        "event_count": line.event_count,
        "event_amounts": _amounts(Reader(found, f"{at}/event_amounts"), line),
        "metered_cost": reader.decimal("metered_cost", line.metered_cost),
        "cost_by_kind": {kind: by_kind.decimal(kind.value, text) for kind, text in (line.cost_by_kind or {}).items()},
        "co2e": _co2e(found, at, line),
    }
    problems += found
    if found:
        return None
    return _made(problems, at, lambda: Usage(**{member: value for member, value in given.items() if value is not None}))


def _quantity(reader: Reader, line: LineIn) -> Decimal | None:
    if line.quantity is None and line.charge_model == "flat":
        return Decimal(1)
    is_told_otherwise = line.event_amounts is not None or line.charge_model == "cost_plus" or line.co2e_g is not None
    if line.quantity is None and not is_told_otherwise:
        reader.required("quantity")
    return reader.decimal("quantity", line.quantity)


def _amounts(reader: Reader, line: LineIn) -> tuple[Decimal, ...] | None:
    if line.event_amounts is None:
        return None
    found = [reader.decimal(str(place), text) for place, text in enumerate(line.event_amounts)]
    return tuple(amount for amount in found if amount is not None)


def _co2e(problems: list[Problem], at: str, line: LineIn) -> Co2eG | None:
    """Return what was emitted: a range of grams, or a quantity in kilograms, which is known exactly."""
    if line.charge_model != "carbon":
        return None
    if line.co2e_g is None:
        kilograms = Reader([], at).decimal("quantity", line.quantity)  # what is wrong with it is told as the quantity's
        return None if kilograms is None else _made(problems, f"{at}/quantity", lambda: Co2eG.point(decimals.shifted(kilograms, 3)))
    sent, reader = line.co2e_g, Reader(problems, f"{at}/co2e_g")
    low, mid, high = (reader.decimal(name, getattr(sent, name)) for name in ("low", "mid", "high"))
    if low is None or mid is None or high is None:
        return None
    return _made(problems, f"{at}/co2e_g", lambda: Co2eG(low, mid, high))
