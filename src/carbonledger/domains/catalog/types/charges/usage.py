"""What is priced, and what a model needs to know of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from carbonledger.domains.catalog.types.charges import numbers
from carbonledger.domains.catalog.types.charges.models import Carbon, CostPlus, Flat, Model, Percentage, Terms, TokenKind
from carbonledger.kernel import decimals, errors
from carbonledger.kernel.currency import Currency
from carbonledger.kernel.errors import Problem
from carbonledger.kernel.quantity import Co2eG

_ZERO: Final = Decimal(0)


class UsageInvalid(errors.Invalid):
    """The usage can't be priced."""

    code = "charge_usage_invalid"


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
        numbers.refuse(UsageInvalid, tuple(_usage_field_problems(self)))


def _usage_field_problems(usage: Usage) -> Iterator[Problem]:
    yield from numbers.number_problems(usage.quantity, numbers.QUANTITY, "/quantity")
    if usage.event_count is not None:
        yield from numbers.count_problems(usage.event_count, "/event_count")
    amounts = usage.event_amounts or ()
    if len(amounts) > numbers.EVENTS_MAX:
        yield Problem("/event_amounts", "too_many", f"Give at most {numbers.EVENTS_MAX} amounts.")
        return
    for place, amount in enumerate(amounts):
        yield from numbers.number_problems(amount, numbers.PRICE, f"/event_amounts/{place}")
    if usage.metered_cost is not None:
        yield from numbers.number_problems(usage.metered_cost, numbers.COST, "/metered_cost")
    yield from numbers.by_kind_problems(usage.cost_by_kind, "cost_by_kind", numbers.COST)


def amount_problems(model: Model | None, terms: Terms | None, currency: Currency, *, at: str = "") -> Iterator[Problem]:
    """Yield what of a charge's amounts is no whole number of the currency's minor unit; unit prices may be finer and are not asked.

    ``at`` is the pointer of the object that holds them.
    """
    amounts = {"amount": model.amount} if isinstance(model, Flat) else {}
    if terms is not None:
        amounts |= {name: bound for name in ("minimum", "maximum") if (bound := getattr(terms, name)) is not None}
    for name, amount in amounts.items():
        yield from numbers.minor_unit_problems(amount, currency, at=f"{at}/{name}")


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
