"""The one function that prices usage, and the models that need no file of their own. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Final

from carbonledger.domains.catalog.types import charges
from carbonledger.domains.catalog.types.charges import NO_TERMS, Bound, Carbon, CostPlus, Flat, Model, Terms, Usage
from carbonledger.domains.invoices.core import exact
from carbonledger.domains.invoices.core.rating import percentages, tiers
from carbonledger.domains.invoices.types.rating import WHOLE, AmountTooLarge, Bounded, Part, Rated, TierPart
from carbonledger.kernel import decimals
from carbonledger.kernel.decimals import Rounding

_ZERO: Final = Decimal(0)
_HUNDRED: Final = Decimal(100)


def rate(model: Model, usage: Usage, terms: Terms = NO_TERMS, part: Part = WHOLE) -> Rated:
    """Return what ``usage`` comes to by ``model``, unrounded.

    For a part of a service period a flat amount, the allowance, the minimum and the maximum are that part of what they are for the whole;
    usage is what was used in the part, and its prices and free units are never divided. An allowance is rounded half up to 12 places.
    Raises ``UsageInvalid`` for what the model needs and the usage lacks, ``AmountTooLarge`` beyond 38 digits.
    """
    problems = tuple(charges.usage_problems(model, usage))
    if problems:
        raise charges.UsageInvalid(" ".join(problem.detail for problem in problems), problems=problems)
    try:
        return _rated(model, usage, terms, part)
    except decimals.NumberOutOfRange as fault:
        raise AmountTooLarge(f"The line has no exact amount. {fault}") from fault


def _rated(model: Model, usage: Usage, terms: Terms, part: Part) -> Rated:
    quantity = measured(model, usage)
    free = decimals.add(terms.free_units, _allowance(terms.included, part))
    billable = max(decimals.subtract(quantity, free), _ZERO)
    priced, parts = _priced(model, usage, quantity=quantity, billable=billable, free=free)
    if isinstance(model, Flat) and part.numerator != part.denominator:
        priced *= part.share
    amount, bounded = _bounded(priced, terms, part)
    return Rated(quantity=quantity, billable=billable, priced=priced, bounded=bounded, amount=amount, tiers=parts)


def _allowance(included: Decimal, part: Part) -> Decimal:
    if part == WHOLE or not included:
        return included
    return decimals.quotient(
        included, Decimal(part.numerator), Decimal(part.denominator), places=charges.QUANTITY_PLACES, mode=Rounding.HALF_UP
    )


def _bounded(priced: Fraction, terms: Terms, part: Part) -> tuple[Fraction, Bounded | None]:
    if terms.minimum is not None:
        minimum = Fraction(terms.minimum) * part.share
        if priced < minimum:
            return minimum, Bounded.MINIMUM
    if terms.maximum is not None:
        maximum = Fraction(terms.maximum) * part.share
        if priced > maximum:
            return maximum, Bounded.MAXIMUM
    return priced, None


def measured(model: Model, usage: Usage) -> Decimal:
    """Return the quantity that the model prices: what was used, what it cost, or the kilograms that it emitted."""
    match model:
        case CostPlus():
            return usage.metered_cost or _ZERO
        case Carbon():
            return _kilograms(model.bound, usage)
        case charges.Percentage() if usage.event_amounts is not None:
            return _sum(usage.event_amounts)
        case _:
            return usage.quantity


def _kilograms(bound: Bound, usage: Usage) -> Decimal:
    if usage.co2e is None:
        return _ZERO
    grams = {Bound.LOW: usage.co2e.low, Bound.MID: usage.co2e.mid, Bound.HIGH: usage.co2e.high}[bound]
    return decimals.shifted(grams, -3)


def _priced(model: Model, usage: Usage, *, quantity: Decimal, billable: Decimal, free: Decimal) -> tuple[Fraction, tuple[TierPart, ...]]:
    match model:
        case charges.Graduated() | charges.GraduatedPercentage():
            return _of_tiers(tiers.graduated(model, billable))
        case charges.Volume():
            return _of_tiers(tiers.volume(model, billable))
        case CostPlus():
            return _marked_up(model, usage, quantity=quantity, billable=billable), ()
        case charges.Percentage():
            unrated = free if model.free_base_amount is None else decimals.add(free, model.free_base_amount)
            return exact.of(percentages.percentage(model, usage, base=quantity, free=unrated)), ()
        case charges.Package():
            return exact.of(_packages(model, billable)), ()
        case charges.Standard() | Carbon() | Flat():
            return exact.of(decimals.multiply(billable, _unit_price(model))), ()


def _unit_price(model: charges.Standard | Carbon | Flat) -> Decimal:
    match model:
        case charges.Standard():
            return model.unit_price
        case Carbon():
            return model.price_per_kg
        case Flat():
            return model.amount


def _of_tiers(parts: tuple[TierPart, ...]) -> tuple[Fraction, tuple[TierPart, ...]]:
    return exact.of(_sum(part.amount for part in parts)), parts


def _packages(model: charges.Package, quantity: Decimal) -> Decimal:
    """Return the price of the packages begun, after the model's own free units."""
    left = max(decimals.subtract(quantity, model.free_units), _ZERO)
    begun = math.ceil(Fraction(left) / Fraction(model.package_size))
    return decimals.multiply(model.package_price, decimals.of(begun))


def _marked_up(model: CostPlus, usage: Usage, *, quantity: Decimal, billable: Decimal) -> Fraction:
    """Return the cost with its margins. What is not told by kind has the general one; an allowance takes the same share of every kind."""
    if not quantity:
        return Fraction(0)
    rest, amount = quantity, _ZERO
    for kind, cost in usage.cost_by_kind.items():
        rest = decimals.subtract(rest, cost)
        amount = decimals.add(amount, _times(cost, model.by_token_kind.get(kind, model.markup_percent)))
    amount = decimals.add(amount, _times(rest, model.markup_percent))
    return Fraction(amount) * Fraction(billable) / Fraction(quantity)


def _times(cost: Decimal, markup_percent: Decimal) -> Decimal:
    return tiers.percent_of(cost, decimals.add(_HUNDRED, markup_percent))


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    total = _ZERO
    for amount in amounts:
        total = decimals.add(total, amount)
    return total
