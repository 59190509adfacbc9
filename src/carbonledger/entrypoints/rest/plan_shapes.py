"""Plans and their versions on the wire, and what becomes of them in the catalog's words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import Field

from carbonledger.domains.catalog import types
from carbonledger.domains.catalog.types import charges as models
from carbonledger.domains.catalog.types import documents, drafts, plans
from carbonledger.domains.catalog.types.charges import Model, Timing
from carbonledger.entrypoints.rest import price_models, shapes
from carbonledger.entrypoints.rest.price_models import DecimalText
from carbonledger.kernel import currency, decimals, errors
from carbonledger.kernel.errors import Problem
from carbonledger.kernel.period import CalendarUnit, Interval

_Code = Annotated[str, Field(max_length=1000, description="1 to 64 letters A to Z, digits, hyphens, dots and underscores.")]
_Name = Annotated[str, Field(max_length=1000, description="1 to 200 printable characters.")]
_Text = Annotated[str, Field(max_length=10_000)]


class DiscountIn(shapes.In):
    """A percentage or an amount off: one of the two."""

    percent: DecimalText | None = Field(default=None, description="Above 0, at most 100.")
    amount: DecimalText | None = Field(default=None, description="In the plan's currency, never more than there is.")
    name: _Name | None = None


class ChargeIn(price_models.ModelIn):
    """One thing that is charged, with the members of its charge model."""

    code: _Code = Field(description="Names the charge in all versions of the plan, and in its bills.")
    name: _Name
    timing: Timing | None = Field(default=None, description="advance or arrears; usage is always in arrears. Not given: arrears.")
    meter_code: _Code | None = Field(
        default=None, description="The meter whose quantity is priced. Not for flat; cost_plus and carbon without one are about all usage."
    )
    per_seat: bool = Field(default=False, description="Whether a flat amount, and an allowance, is for each seat.")
    prorated: bool = Field(
        default=True, description="Whether a part of a period has that part of the amount, the allowance and the bounds."
    )
    included: DecimalText | None = Field(default=None, description="The allowance, taken off usage before it is priced.")
    minimum: DecimalText | None = None
    maximum: DecimalText | None = None
    tax_rate_codes: Annotated[list[_Code], Field(max_length=100)] = Field(default_factory=list)
    discount: DiscountIn | None = None


class IntervalIn(shapes.In):
    """How long a billing period is."""

    unit: CalendarUnit = Field(description="day, week, month, quarter, half_year or year.")
    count: int = Field(default=1, ge=-1000, le=1000)


class VersionIn(shapes.In):
    """What a version costs; what is left out is as the version before it, or as the first is unless told."""

    interval: IntervalIn | None = Field(default=None, description="Not given: one month.")
    anchor: types.AnchorKind | None = Field(
        default=None, description="anniversary of the subscription's start (so unless given), or calendar."
    )
    charges: Annotated[list[ChargeIn], Field(max_length=1000)] | None = None
    setup_fee: DecimalText | None = None
    trial_days: int | None = Field(default=None, ge=-100_000, le=100_000)
    minimum_commitment: DecimalText | None = Field(
        default=None, description="What the charges of a period come to at the least; the rest is charged at its end."
    )
    discounts: Annotated[list[DiscountIn], Field(max_length=1000)] | None = None
    upgrade: types.ChangePolicy | None = Field(default=None, description="When a change to a dearer plan takes effect. now")
    downgrade: types.ChangePolicy | None = Field(default=None, description="When a change to a cheaper plan takes effect. renewal")
    proration: types.Proration | None = Field(default=None, description="day (so unless given), second or none.")
    effective_at: dt.datetime | None = Field(default=None, description="From when on the version is the plan's. Not given: now.")


class PlanIn(VersionIn):
    """A plan to make, with its first version."""

    code: _Code = Field(description="Your own name for it, unique and for ever.")
    name: _Name
    description: _Text | None = None
    currency: Annotated[str, Field(max_length=10, description="ISO 4217. All amounts of the plan are in it.")]


class PlanChangeIn(VersionIn):
    """What to change. What has to do with prices makes the next version; null takes a fee, a commitment or a description away."""

    name: _Name | None = None
    description: _Text | None = None
    state: types.PlanState | None = Field(default=None, description="archived: those who have it keep it, and nobody else takes it.")
    migration: types.Migration | None = Field(
        default=None, description="What the new version means for subscriptions on older ones: stay (so unless given), now or renewal."
    )


class DiscountOut(shapes.Out):
    """A percentage or an amount off."""

    percent: str | None
    amount: str | None
    name: str | None


class ChargeOut(price_models.ModelOut):
    """One thing that is charged."""

    code: str
    name: str
    timing: Timing
    meter_code: str | None
    per_seat: bool
    prorated: bool
    included: str
    minimum: str | None
    maximum: str | None
    tax_rate_codes: list[str]
    discount: DiscountOut | None


class IntervalOut(shapes.Out):
    """How long a billing period is."""

    unit: CalendarUnit
    count: int


class VersionOut(shapes.Out):
    """A version of a plan, which never changes."""

    id: UUID
    plan_id: UUID
    number: int
    effective_at: dt.datetime
    currency: str
    interval: IntervalOut
    anchor: types.AnchorKind
    charges: list[ChargeOut]
    setup_fee: str | None
    trial_days: int
    minimum_commitment: str | None
    discounts: list[DiscountOut]
    upgrade: types.ChangePolicy
    downgrade: types.ChangePolicy
    proration: types.Proration
    migration: types.Migration
    sha256: str = Field(description="SHA-256 of the version as it is kept, in hex: the name of exactly these prices.")
    created_at: dt.datetime


class PlanOut(shapes.Out):
    """A plan with the version that is in force now."""

    id: UUID
    code: str
    name: str
    description: str | None
    state: types.PlanState
    version: VersionOut | None = Field(description="Null while its first version is not effective yet.")
    latest_version: int = Field(description="The number of the version that was made last, which may not be effective yet.")
    created_at: dt.datetime
    updated_at: dt.datetime
    archived_at: dt.datetime | None


# --- from the wire

_OF_CHARGES: Final = frozenset({"free_units"})


def from_api_plan(body: PlanIn) -> drafts.PlanDraft:
    """Return the plan that is to be made, with all that could not be read of it."""
    version = _version(body, {})
    try:
        values = {**version.values, "currency": currency.by_code(body.currency)}
        problems = version.problems
    except errors.Invalid as fault:
        values, problems = dict(version.values), (*version.problems, Problem("/currency", fault.code, str(fault)))
    whole = replace(version, values=values, charges=version.charges or (), problems=problems)
    return drafts.PlanDraft(code=body.code, name=body.name, description=body.description, version=whole)


def from_api_change(body: PlanChangeIn) -> tuple[dict[str, object], drafts.VersionDraft]:
    """Return what is to change of the plan itself, and of what it costs, with all that could not be read."""
    named: dict[str, object] = {
        name: getattr(body, name)
        for name in ("name", "description", "state")
        if name in body.model_fields_set and (name == "description" or getattr(body, name) is not None)
    }
    # A migration belongs to one version: it isn't taken over from the one before.
    return named, _version(body, {"migration": body.migration or types.Migration.STAY})


def _version(body: VersionIn, values: dict[str, Any]) -> drafts.VersionDraft:
    problems: list[Problem] = []
    reader = price_models.Reader(problems, "")
    for name in ("anchor", "trial_days", "upgrade", "downgrade", "proration"):
        if getattr(body, name) is not None:
            values[name] = getattr(body, name)
    for name in ("setup_fee", "minimum_commitment"):
        if name in body.model_fields_set:
            values[name] = reader.decimal(name, getattr(body, name))
    if body.interval is not None and (interval := _interval(problems, body.interval)) is not None:
        values["interval"] = interval
    if body.discounts is not None:
        found = [from_api_discount(problems, f"/discounts/{place}", one) for place, one in enumerate(body.discounts)]
        values["discounts"] = tuple(one for one in found if one is not None)
    charges, unread = _charges(problems, body.charges)
    return drafts.VersionDraft(values=values, charges=charges, unread=unread, effective_at=body.effective_at, problems=tuple(problems))


def _charges(problems: list[Problem], body: list[ChargeIn] | None) -> tuple[tuple[types.Charge, ...] | None, frozenset[int]]:
    """Return the charges, and the places of those that could not be read whole."""
    if body is None:
        return None, frozenset()
    made: list[types.Charge] = []
    unread: set[int] = set()
    for place, charge in enumerate(body):
        found: list[Problem] = []
        made.append(_charge(found, f"/charges/{place}", charge))
        if found:
            unread.add(place)
        problems += found
    return tuple(made), frozenset(unread)


def _interval(problems: list[Problem], body: IntervalIn) -> Interval | None:
    try:
        return Interval(body.unit, body.count)
    except errors.Invalid as fault:
        problems.append(Problem("/interval", fault.code, str(fault)))
        return None


def from_api_discount(problems: list[Problem], at: str, body: DiscountIn) -> plans.Discount | None:
    """Return the discount of an object at the pointer ``at``; None where it can't be read, and problems are added."""
    reader = price_models.Reader(problems, at)
    percent, amount = reader.decimal("percent", body.percent), reader.decimal("amount", body.amount)
    if (body.percent is None) is (body.amount is None):
        problems.append(Problem(at, "one_of_two", "Give percent or amount."))
        return None
    if percent is not None:
        return plans.PercentDiscount(percent, body.name)
    return None if amount is None else plans.AmountDiscount(amount, body.name)


# In place of a price that can't be read, so that what is around it is checked all the same. No such charge is ever kept.
_STANDING_IN: Final[dict[str, Model]] = {
    "flat": models.Flat(Decimal(0)),
    "cost_plus": models.CostPlus(Decimal(0)),
    "carbon": models.Carbon(Decimal(0)),
}
_ANY_USAGE: Final = models.Standard(Decimal(0))


def _charge(problems: list[Problem], at: str, body: ChargeIn) -> types.Charge:
    """Return the charge; what of it could not be read is told, and has something in its place."""
    is_package = body.charge_model == "package"
    model = price_models.from_api_model(problems, at, body, others=frozenset() if is_package else _OF_CHARGES)
    reader = price_models.Reader(problems, at)
    numbers = {name: reader.decimal(name, getattr(body, name)) for name in ("included", "minimum", "maximum")}
    free = None if is_package else reader.decimal("free_units", body.free_units)
    discount = None if body.discount is None else from_api_discount(problems, f"{at}/discount", body.discount)
    return types.Charge(
        code=body.code,
        name=body.name,
        timing=body.timing or Timing.ARREARS,
        model=model or _STANDING_IN.get(body.charge_model, _ANY_USAGE),
        meter_code=body.meter_code,
        per_seat=body.per_seat,
        prorated=body.prorated,
        included=numbers["included"] or Decimal(0),
        free_units=free or Decimal(0),
        minimum=numbers["minimum"],
        maximum=numbers["maximum"],
        tax_rate_codes=tuple(body.tax_rate_codes),
        discount=discount,
    )


# --- to the wire


def _text(number: Decimal | None) -> str | None:
    return None if number is None else decimals.to_api_decimal(number)


def _to_api_discount(discount: plans.Discount) -> DiscountOut:
    if isinstance(discount, plans.PercentDiscount):
        return DiscountOut(percent=_text(discount.percent), amount=None, name=discount.name)
    return DiscountOut(percent=None, amount=_text(discount.amount), name=discount.name)


def to_api_charge(charge: types.Charge) -> ChargeOut:
    """Return a charge as callers see it."""
    members = price_models.to_api_members(charge.model)
    members.setdefault("free_units", decimals.to_api_decimal(charge.free_units))
    return ChargeOut(
        code=charge.code,
        name=charge.name,
        timing=charge.timing,
        meter_code=charge.meter_code,
        per_seat=charge.per_seat,
        prorated=charge.prorated,
        included=decimals.to_api_decimal(charge.included),
        minimum=_text(charge.minimum),
        maximum=_text(charge.maximum),
        tax_rate_codes=list(charge.tax_rate_codes),
        discount=None if charge.discount is None else _to_api_discount(charge.discount),
        **members,
    )


def to_api_version(version: types.PlanVersion) -> VersionOut:
    """Return a version as callers see it."""
    return VersionOut(
        id=version.id,
        plan_id=version.plan_id,
        number=version.number,
        effective_at=version.effective_at,
        currency=version.currency.code,
        interval=IntervalOut(unit=version.interval.unit, count=version.interval.count),
        anchor=version.anchor,
        charges=[to_api_charge(charge) for charge in version.charges],
        setup_fee=_text(version.setup_fee),
        trial_days=version.trial_days,
        minimum_commitment=_text(version.minimum_commitment),
        discounts=[_to_api_discount(one) for one in version.discounts],
        upgrade=version.upgrade,
        downgrade=version.downgrade,
        proration=version.proration,
        migration=version.migration,
        sha256=documents.digest(version).hex(),
        created_at=version.created_at,
    )


def to_api_plan(plan: types.Plan) -> PlanOut:
    """Return a plan as callers see it."""
    return PlanOut(
        id=plan.id,
        code=plan.code,
        name=plan.name,
        description=plan.description,
        state=plan.state,
        version=None if plan.version is None else to_api_version(plan.version),
        latest_version=plan.latest_number,
        created_at=plan.created_at,
        updated_at=plan.updated_at,
        archived_at=plan.archived_at,
    )


def to_api_plans(found: Iterable[types.Plan]) -> list[PlanOut]:
    """Return plans as callers see them."""
    return [to_api_plan(plan) for plan in found]
