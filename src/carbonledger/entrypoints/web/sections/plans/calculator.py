"""The price calculator: what a plan that is being written would charge for so much usage, by the functions that bill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from carbonledger.domains.catalog import types
from carbonledger.domains.catalog.types import charges as models
from carbonledger.domains.catalog.types import drafts
from carbonledger.domains.catalog.types.charges import Terms, Usage
from carbonledger.domains.invoices.service import previewing
from carbonledger.domains.invoices.types import previews
from carbonledger.domains.invoices.types.rating import TierPart
from carbonledger.domains.invoices.types.totals import Tax
from carbonledger.entrypoints.web.sections.plans import editor
from carbonledger.kernel import currency, decimals, errors, humane, money
from carbonledger.kernel.currency import Currency
from carbonledger.kernel.money import Money
from carbonledger.kernel.quantity import Co2eG

_GRAMS: Final = Decimal(1000)
_ONE: Final = Decimal(1)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the preview as it is shown."""

    name: str
    quantity: str
    amount: str
    unrounded: str
    bounded: str
    tiers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Worked:
    """What the plan would charge, or why that can't be said yet."""

    currency: str = ""
    lines: tuple[Line, ...] = ()
    subtotal: str = ""
    discount: str = ""
    tax: str = ""
    total: str = ""
    wanting: tuple[str, ...] = ()


def work(form: editor.Form, draft: drafts.VersionDraft, rates: Mapping[str, types.TaxRate]) -> Worked:
    """Return what the draft's charges come to for what the form tries."""
    unit = draft.values.get("currency")
    if not isinstance(unit, Currency):
        return Worked(wanting=("Give the currency of the plan.",))
    tried = [charge for charge in form.charges if not charge.is_blank]
    wanting: list[str] = [problem.detail for problem in draft.problems]
    lines, names = [], []
    for place, (charge, fields) in enumerate(zip(draft.charges or (), tried, strict=False)):
        if place in draft.unread:
            continue
        try:
            lines.append(_line(charge, fields.values.get("tried", ""), rates))
            names.append(charge.name or charge.code)
        except errors.Invalid as fault:
            wanting.append(f"{charge.name or charge.code}: {fault}")
    if not lines:
        return Worked(currency=unit.code, wanting=tuple(dict.fromkeys(wanting)) or ("Write a charge to see what it comes to.",))
    try:
        preview = previewing.preview(previews.Draft(currency=unit, lines=tuple(lines), discounts=tuple(draft.values.get("discounts", ()))))
    except errors.Invalid as fault:
        details = [problem.detail for problem in fault.problems] or [str(fault)]
        return Worked(currency=unit.code, wanting=tuple(dict.fromkeys([*wanting, *details])))
    return _shown(preview, names, unit, wanting)


def _line(charge: types.Charge, tried: str, rates: Mapping[str, types.TaxRate]) -> previews.DraftLine:
    quantity = decimals.from_api_decimal(tried.strip(), places=models.QUANTITY_PLACES) if tried.strip() else None
    return previews.DraftLine(
        model=charge.model,
        usage=_usage(charge, quantity),
        terms=Terms(free_units=charge.free_units, included=charge.included, minimum=charge.minimum, maximum=charge.maximum),
        discounts=() if charge.discount is None else (charge.discount,),
        taxes=tuple(Tax(code, rates[code].percent, rates[code].inclusive) for code in charge.tax_rate_codes if code in rates),
    )


def _usage(charge: types.Charge, quantity: Decimal | None) -> Usage:
    given = quantity if quantity is not None else Decimal(0)
    match charge.model:
        case models.Flat():
            return Usage(quantity=_ONE if quantity is None else quantity)
        case models.CostPlus():
            # Which tokens it was for is not tried: all of it has the margin of the rest.
            kinds = {next(iter(charge.model.by_token_kind)): Decimal(0)} if charge.model.by_token_kind else {}
            return Usage(metered_cost=given, cost_by_kind=kinds)
        case models.Carbon():
            return Usage(co2e=Co2eG.point(decimals.multiply(given, _GRAMS)))
        case models.Percentage():
            return Usage(quantity=given, event_count=1, event_amounts=(given,))
        case _:
            return Usage(quantity=given)


def _shown(preview: previews.Preview, names: list[str], unit: Currency, wanting: list[str]) -> Worked:
    totals = preview.totals

    def text(amount: Decimal) -> str:
        return humane.grouped(money.to_api_amount(Money(amount, unit)))

    lines = tuple(
        Line(
            name=name,
            quantity=humane.grouped(decimals.to_api_decimal(rated.quantity)),
            amount=text(line.amount),
            unrounded=decimals.to_api_decimal(previewing.shown(line.unrounded)),
            bounded="" if rated.bounded is None else rated.bounded.value,
            tiers=tuple(_tier(part) for part in rated.tiers),
        )
        for name, rated, line in zip(names, preview.rated, totals.lines, strict=True)
    )
    return Worked(
        currency=unit.code,
        lines=lines,
        subtotal=text(totals.subtotal),
        discount=text(totals.discount) if totals.discount else "",
        tax=text(totals.tax) if totals.tax else "",
        total=text(totals.total),
        wanting=tuple(dict.fromkeys(wanting)),
    )


def _tier(part: TierPart) -> str:
    quantity, above, amount = (humane.grouped(decimals.to_api_decimal(number)) for number in (part.quantity, part.above, part.amount))
    return f"{quantity} above {above}: {amount}"


def codes() -> tuple[str, ...]:
    """Return the currencies that a plan can be in."""
    return tuple(sorted(currency.codes()))
