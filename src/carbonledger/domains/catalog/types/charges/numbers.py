"""The numbers of prices: their bounds, and what is wrong with one. Pure.

It knows members by their names (a ``unit_price`` is a price wherever it stands), and no model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from types import MappingProxyType
from typing import Final, TypeGuard

from carbonledger.kernel import decimals, errors
from carbonledger.kernel.currency import Currency
from carbonledger.kernel.errors import Problem

PRICE_PLACES: Final = 12
QUANTITY_PLACES: Final = 12  # as many as a metered event has
PERCENT_PLACES: Final = 12
TIERS_MAX: Final = 100  # what a person can still check; a table of prices is not a price
EVENTS_MAX: Final = 1_000_000  # of a percentage charge, each priced by itself
COUNT_MAX: Final = 2**53 - 1
MARKUP_MIN_PERCENT: Final = Decimal(-100)
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Rule:
    """Bounds of one number: its places, the least that it may be, and whether it may be the least itself."""

    places: int = PRICE_PLACES
    least: Decimal = _ZERO
    may_be_least: bool = True


PRICE: Final = Rule()
QUANTITY: Final = Rule(places=QUANTITY_PLACES)
_POSITIVE: Final = Rule(places=QUANTITY_PLACES, may_be_least=False)
_RATE: Final = Rule(places=PERCENT_PLACES)
_MARKUP: Final = Rule(places=PERCENT_PLACES, least=MARKUP_MIN_PERCENT)
COST: Final = Rule(places=decimals.DIGITS_MAX)
_RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        **dict.fromkeys(("unit_price", "flat_price", "package_price", "fixed_fee_per_event", "price_per_kg", "amount"), PRICE),
        **dict.fromkeys(("per_event_minimum", "per_event_maximum", "free_base_amount", "minimum", "maximum"), PRICE),
        **dict.fromkeys(("free_units", "included", "quantity"), QUANTITY),
        **dict.fromkeys(("package_size", "up_to"), _POSITIVE),
        "metered_cost": COST,
        "rate_percent": _RATE,
        "markup_percent": _MARKUP,
    }
)


def placed(problems: Iterable[Problem], at: str) -> Iterator[Problem]:
    """Yield problems of a value as those of the document that holds it at the pointer ``at``."""
    for problem in problems:
        yield Problem(at + problem.pointer, problem.code, problem.detail)


def minor_unit_problems(amount: Decimal, currency: Currency, *, at: str) -> Iterator[Problem]:
    """Yield a problem if ``amount`` is no whole number of the currency's minor unit."""
    if decimals.rounded(amount, places=currency.minor_digits, mode=decimals.Rounding.DOWN) != amount:
        digits = currency.minor_digits
        yield Problem(at, "minor_unit_fraction", f"An amount in {currency.code} has at most {digits} digits after the point.")


def refuse(fault: type[errors.Invalid], found: Sequence[Problem]) -> None:
    if found:
        raise fault(" ".join(dict.fromkeys(problem.detail for problem in found)), problems=tuple(found))


def field_problems(value: object) -> Iterator[Problem]:
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
        yield from by_kind_problems(value, name, _MARKUP)
    elif name == "free_event_count":
        yield from count_problems(value, f"/{name}")
    elif value is not None and name in _RULES:
        yield from number_problems(value, _RULES[name], f"/{name}")


def _tier_problems(tiers: object) -> Iterator[Problem]:
    if not isinstance(tiers, tuple) or not 1 <= len(tiers) <= TIERS_MAX:
        yield Problem("/tiers", "tiers_count", f"Give 1 to {TIERS_MAX} tiers.")
        return
    bound = _ZERO
    for place, tier in enumerate(tiers):
        at, is_last = f"/tiers/{place}", place == len(tiers) - 1
        for name in ("rate_percent", "unit_price"):  # a tier has one of them
            if hasattr(tier, name):
                yield from number_problems(getattr(tier, name), _RULES[name], f"{at}/{name}")
        yield from number_problems(tier.flat_price, PRICE, f"{at}/flat_price")
        yield from _bound_problems(tier.up_to, bound, f"{at}/up_to", is_last=is_last)
        if _is_number(tier.up_to):
            bound = max(bound, tier.up_to)


def _bound_problems(up_to: object, before: Decimal, at: str, *, is_last: bool) -> Iterator[Problem]:
    if up_to is None:
        if not is_last:
            yield Problem(at, "tier_unbounded", "Only the last tier goes without a bound; those after it would overlap it.")
        return
    found = tuple(number_problems(up_to, _POSITIVE, at))
    yield from found
    if not found and isinstance(up_to, Decimal) and up_to <= before:
        yield Problem(at, "tier_not_above", f"A tier ends above the one before it, here above {decimals.to_api_decimal(before)}.")
    if is_last:
        yield Problem(at, "tier_bounded", "The last tier has no bound (null), or what is above it would have no price.")


def by_kind_problems(value: object, name: str, rule: Rule) -> Iterator[Problem]:
    for kind, number in value.items() if isinstance(value, Mapping) else ():
        yield from number_problems(number, rule, f"/{name}/{kind.value}")


def number_problems(value: object, rule: Rule, at: str) -> Iterator[Problem]:
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


def count_problems(value: object, at: str) -> Iterator[Problem]:
    if type(value) is not int or not 0 <= value <= COUNT_MAX:
        yield Problem(at, "count_invalid", f"Give a whole number from 0 to {COUNT_MAX}.")


def _is_number(value: object) -> TypeGuard[Decimal]:
    return type(value) is Decimal and value.is_finite()
