"""What a plan version may be, judged as a whole: its charges with the meters and taxes that they name, its amounts in its currency.

What a charge model may be its own value says (``types.charges``). Here is what depends on more than one thing of the document. Every
problem has a pointer into the document as it was sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from carbonledger.domains.catalog.core import naming
from carbonledger.domains.catalog.types import charges as models
from carbonledger.domains.catalog.types import faults, plans
from carbonledger.domains.catalog.types.charges import Terms
from carbonledger.domains.catalog.types.meters import Field, Meter
from carbonledger.domains.catalog.types.plans import AmountDiscount, AnchorKind, Charge, Discount, PlanVersion
from carbonledger.kernel import decimals, instant
from carbonledger.kernel.currency import Currency
from carbonledger.kernel.errors import Problem

COST_CURRENCY: Final = "USD"
_HUNDRED: Final = Decimal(100)
_USAGE_OF_MODELS: Final = (models.CostPlus, models.Carbon)


@dataclass(frozen=True, slots=True)
class Known:
    """The meters and tax rates that charges name, as far as they are there, by code."""

    meters: Mapping[str, Meter]
    tax_rates: frozenset[str]


def checked(version: PlanVersion, *, known: Known, told: Sequence[Problem] = ()) -> PlanVersion:
    """Return the version with its texts in their one form. ``told``: what is wrong already. Raises ``PlanInvalid`` with all problems."""
    problems = list(told)
    kept: list[Charge] = []
    for place, charge in enumerate(version.charges):
        kept.append(_charge(problems, f"/charges/{place}", charge, version.currency, known))
        if any(charge.code == other.code for other in kept[:-1]):
            problems.append(Problem(f"/charges/{place}/code", "duplicate", "Another charge of this plan has this code."))
    if len(version.charges) > plans.CHARGES_MAX:
        problems.append(Problem("/charges", "too_many", f"Give at most {plans.CHARGES_MAX} charges."))
    problems += _document(version)
    refuse(problems)
    return replace(version, charges=tuple(kept))


def refuse(problems: Sequence[Problem]) -> None:
    """Raise ``PlanInvalid`` with all problems, if there are any."""
    if problems:
        raise faults.PlanInvalid(" ".join(dict.fromkeys(one.detail for one in problems)), problems=tuple(problems))


def _charge(problems: list[Problem], at: str, charge: Charge, currency: Currency, known: Known) -> Charge:
    naming.check_code(problems, f"{at}/code", charge.code)
    name = naming.name(problems, f"{at}/name", charge.name)
    problems += _terms(charge, currency, at)
    problems += _meter(charge, currency, known, at)
    problems += _taxes(charge, known, at)
    if charge.discount is not None:
        problems += _discount(charge.discount, currency, f"{at}/discount")
    return replace(charge, name=name)


def _terms(charge: Charge, currency: Currency, at: str) -> Iterator[Problem]:
    try:
        terms = Terms(free_units=charge.free_units, included=charge.included, minimum=charge.minimum, maximum=charge.maximum)
    except models.ChargeInvalid as fault:
        yield from models.placed(fault.problems, at)
        terms = None
    yield from models.amount_problems(charge.model, terms, currency, at=at)


def _meter(charge: Charge, currency: Currency, known: Known, at: str) -> Iterator[Problem]:
    is_flat = isinstance(charge.model, models.Flat)
    if is_flat:
        if charge.meter_code is not None:
            yield Problem(f"{at}/meter_code", "not_of_this_model", "A flat charge has no meter.")
        return
    if charge.timing is models.Timing.ADVANCE:
        yield Problem(f"{at}/timing", "usage_in_arrears", "Usage is known, and charged, when its period is over.")
    if isinstance(charge.model, models.CostPlus) and currency.code != COST_CURRENCY:
        yield Problem(f"{at}/charge_model", "currency_of_costs", f"What providers charge is in {COST_CURRENCY}; so has to be this plan.")
    if charge.meter_code is None:
        if not isinstance(charge.model, _USAGE_OF_MODELS):
            yield Problem(f"{at}/meter_code", "required", "Name the meter that says how much was used.")
        return
    meter = known.meters.get(charge.meter_code)
    if meter is None:
        yield Problem(f"{at}/meter_code", "meter_unknown", "There is no meter of this code.")
    elif isinstance(charge.model, models.CostPlus) and charge.model.by_token_kind and _looks_at_properties(meter):
        said = "Costs by kind of token are known for whole models only; this meter looks at properties."
        yield Problem(f"{at}/by_token_kind", "meter_by_properties", said)
    elif meter.event is not None and isinstance(charge.model, _USAGE_OF_MODELS):
        yield Problem(
            f"{at}/meter_code", "meter_without_cost", "A meter of events that are no calls of models knows neither cost nor CO2e."
        )


def _looks_at_properties(meter: Meter) -> bool:
    return any(one.dimension.field is Field.PROPERTY for one in meter.filters)


def _taxes(charge: Charge, known: Known, at: str) -> Iterator[Problem]:
    if len(charge.tax_rate_codes) > plans.TAX_RATES_MAX:
        yield Problem(f"{at}/tax_rate_codes", "too_many", f"Give at most {plans.TAX_RATES_MAX} tax rates.")
        return
    for place, code in enumerate(charge.tax_rate_codes):
        if code not in known.tax_rates:
            yield Problem(f"{at}/tax_rate_codes/{place}", "tax_rate_unknown", "There is no tax rate of this code.")
        if code in charge.tax_rate_codes[:place]:
            yield Problem(f"{at}/tax_rate_codes/{place}", "duplicate", "This tax rate is in the list already.")


def _discount(discount: Discount, currency: Currency, at: str) -> Iterator[Problem]:
    problems: list[Problem] = []
    if discount.name is not None:
        naming.name(problems, f"{at}/name", discount.name)
    yield from problems
    if isinstance(discount, AmountDiscount):
        yield from _amount(discount.amount, currency, f"{at}/amount", may_be_zero=False)
        return
    if not 0 < discount.percent <= _HUNDRED:
        yield Problem(f"{at}/percent", "out_of_range", "Give more than 0 and at most 100.")
    yield from _places(discount.percent, models.PERCENT_PLACES, f"{at}/percent")


def _amount(amount: Decimal, currency: Currency, at: str, *, may_be_zero: bool = True) -> Iterator[Problem]:
    if amount < 0 or (not may_be_zero and not amount):
        yield Problem(at, "too_small", "Give 0 or more." if may_be_zero else "Give more than 0.")
    yield from models.minor_unit_problems(amount, currency, at=at)


def _places(number: Decimal, places: int, at: str) -> Iterator[Problem]:
    if decimals.rounded(number, places=places, mode=decimals.Rounding.DOWN) != number:
        yield Problem(at, "too_many_places", f"Give at most {places} digits after the point.")


def _document(version: PlanVersion) -> Iterator[Problem]:
    if version.setup_fee is not None:
        yield from _amount(version.setup_fee, version.currency, "/setup_fee")
    if version.minimum_commitment is not None:
        yield from _amount(version.minimum_commitment, version.currency, "/minimum_commitment", may_be_zero=False)
    if not 0 <= version.trial_days <= plans.TRIAL_MAX_DAYS:
        yield Problem("/trial_days", "out_of_range", f"Give whole days from 0 to {plans.TRIAL_MAX_DAYS}.")
    if version.interval.count > plans.INTERVAL_COUNT_MAX:
        yield Problem("/interval/count", "out_of_range", f"Give 1 to {plans.INTERVAL_COUNT_MAX}.")
    if version.anchor is AnchorKind.CALENDAR and version.interval.count != 1:
        yield Problem(
            "/anchor", "calendar_counts_one", "The calendar has no periods of several units; count from the anniversary, or count 1."
        )
    if len(version.discounts) > plans.DISCOUNTS_MAX:
        yield Problem("/discounts", "too_many", f"Give at most {plans.DISCOUNTS_MAX} discounts.")
        return
    for place, discount in enumerate(version.discounts):
        yield from _discount(discount, version.currency, f"/discounts/{place}")


def effective_problems(effective_at: datetime, *, now: datetime, before: PlanVersion | None) -> Iterator[Problem]:
    """Yield why a version can't be effective from then on.

    The first may have been for long, so that what began before it was written down can be on it. A later one neither changes what was
    agreed already nor comes before the one before it.
    """
    if before is None:
        return
    if effective_at < now:
        yield Problem("/effective_at", "in_the_past", "What was agreed stays: give a time that is not past, or none for now.")
    if effective_at < before.effective_at:
        at = instant.to_api_instant(before.effective_at)
        yield Problem("/effective_at", "before_the_last", f"Version {before.number} is effective from {at}; give no earlier time.")


def in_force(versions: Sequence[PlanVersion], at: datetime) -> PlanVersion | None:
    """Return the version that is effective at an instant: of those that began, the one that began last, and of these the newest."""
    begun = [version for version in versions if version.effective_at <= at]
    return max(begun, key=lambda version: (version.effective_at, version.number), default=None)


def same_terms(left: PlanVersion, right: PlanVersion) -> bool:
    """Say whether two versions cost the same, whenever and under whatever number."""
    return (
        replace(
            left, id=right.id, number=right.number, effective_at=right.effective_at, created_at=right.created_at, migration=right.migration
        )
        == right
    )


def needs(version: PlanVersion) -> tuple[frozenset[str], frozenset[str]]:
    """Return the codes of the meters and of the tax rates that a version names."""
    meters = frozenset(charge.meter_code for charge in version.charges if charge.meter_code is not None)
    return meters, frozenset(code for charge in version.charges for code in charge.tax_rate_codes)
