"""A document for the eye: lines in groups with what they were made of, and sums. Amounts have all the digits of their currency.

Money on a document is never shortened: it is what somebody pays. It works out nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.accounts.types import Address
from carbonledger.domains.catalog.types.charges import Carbon, Usage
from carbonledger.domains.invoices.types import days
from carbonledger.domains.invoices.types.invoices import Invoice, Line, LineKind, Party
from carbonledger.entrypoints.web.sections.invoices import wording
from carbonledger.kernel import decimals, humane
from carbonledger.kernel import money as moneys
from carbonledger.kernel import zone as zones
from carbonledger.kernel.currency import Currency
from carbonledger.kernel.humane import Shown
from carbonledger.kernel.money import Money

UNITS: Final = {"cost_plus": "USD", "carbon": "kg CO2e"}
"""What a quantity is in, by the models whose quantity has a unit of its own."""
_BOUNDED: Final = {"minimum": "raised to the minimum of the charge", "maximum": "held at the maximum of the charge"}


@dataclass(frozen=True, slots=True)
class Tier:
    """What fell into a tier: its bounds, how much, at what price."""

    bounds: str
    quantity: str
    price: str
    flat: str
    amount: str


@dataclass(frozen=True, slots=True)
class Row:
    """A line. ``notes``: what its quantity and amount came from, in words; ``tiers``: where there is more than one price."""

    line: Line
    name: str
    kind: str
    period: str
    quantity: Shown
    price: str
    amount: str
    notes: tuple[str, ...]
    tiers: tuple[Tier, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """The lines of one subscription, or those of none."""

    subscription_id: UUID | None
    name: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Sum:
    """A line under the lines. ``is_inside``: told, and not added."""

    words: str
    amount: str
    is_total: bool = False
    is_inside: bool = False


def money(amount: Decimal, currency: Currency) -> str:
    """Return an amount with the minor unit's digits at least and its thousands grouped, without its currency."""
    return humane.grouped(moneys.to_api_amount(Money(amount, currency)))


def number(value: Decimal | str) -> str:
    """Return a number with all its digits."""
    return humane.grouped(value if isinstance(value, str) else decimals.to_api_decimal(value))


def quantity(value: Decimal, model: str) -> Shown:
    """Return how much was measured, in the unit of a charge model: all digits of what is counted, three of what is estimated."""
    unit = UNITS.get(model, "")
    digits = humane.significant(value) if model == Carbon.name else number(value)
    return Shown(digits, unit, f"{number(value)} {unit}".rstrip())


def groups(invoice: Invoice, lines: Sequence[Line], names: Mapping[UUID, str]) -> list[Group]:
    """Return lines as they stand, those of a subscription together. ``names``: of subscriptions."""
    found = []
    for subscription_id, some in groupby(lines, key=lambda line: line.subscription_id):
        name = "" if subscription_id is None else names.get(subscription_id, "Subscription")
        found.append(Group(subscription_id, name, tuple(row(invoice, line) for line in some)))
    return found


def row(invoice: Invoice, line: Line) -> Row:
    """Return a line."""
    rated = line.explained.rated
    return Row(
        line=line,
        name=line.description,
        kind="" if line.kind in (LineKind.CHARGE, LineKind.ITEM) else wording.KINDS[line.kind],
        period=_period(invoice, line),
        quantity=quantity(line.quantity, _model(rated)),
        price="" if line.unit_price is None else money(line.unit_price, invoice.currency),
        amount=money(line.amount, invoice.currency),
        notes=tuple(notes(invoice, line)),
        tiers=tuple(tiers(rated, invoice.currency)),
    )


def _model(rated: Mapping[str, Any]) -> str:
    charge = rated.get("charge")
    return "" if charge is None else str(charge["model"]["name"])


def _period(invoice: Invoice, line: Line) -> str:
    found = days.of_part(line, zones.named(invoice.zone))
    return "" if found is None else wording.between(*found)


def service(invoice: Invoice, line: Line) -> str:
    """Return the days of the whole period that a line is a part of."""
    found = days.of_service(line, zones.named(invoice.zone))
    return "" if found is None else wording.between(*found)


def notes(invoice: Invoice, line: Line) -> Iterable[str]:
    """Yield what a line's amount came from beside quantity times price."""
    kept = line.explained.rated
    part, rated = days.part(line), kept.get("rated")
    said = "" if part is None else wording.part(*part)
    if said and line.kind is LineKind.CREDIT:
        yield f"gives back {said} of what was charged"
    elif said:
        yield f"{said} of {service(invoice, line)}"
    if rated is not None and rated["billable"] != rated["quantity"] and _model(kept) != "flat":
        yield f"{number(rated['billable'])} of {number(rated['quantity'])} after what is included"
    if rated is not None and rated["bounded"]:
        yield _BOUNDED[rated["bounded"]]
    for off in kept.get("discounts", ()):
        yield _discount(off, invoice.currency)


def _discount(off: Mapping[str, Any], currency: Currency) -> str:
    how = f"{number(off['percent'])} %" if "percent" in off else f"{money(Decimal(off['amount']), currency)} {currency.code}"
    return f"less {how}" + (f" ({off['name']})" if off["name"] else "")


def tiers(rated: Mapping[str, Any], currency: Currency) -> Iterable[Tier]:
    """Yield the tiers of a line that something fell into."""
    for tier in rated.get("tiers", ()):
        above, up_to = number(tier["above"]), tier["up_to"]
        price = f"{number(tier['rate_percent'])} %" if tier["unit_price"] is None else money(Decimal(tier["unit_price"]), currency)
        yield Tier(
            bounds=f"above {above}" if up_to is None else f"up to {number(up_to)}" if above == "0" else f"{above} to {number(up_to)}",
            quantity=number(tier["quantity"]),
            price=price,
            flat="" if Decimal(tier["flat_price"]) == 0 else money(Decimal(tier["flat_price"]), currency),
            amount=money(Decimal(tier["amount"]), currency),
        )


def sums(invoice: Invoice) -> list[Sum]:
    """Return what stands under the lines, the total last but for the tax that is inside already."""
    totals, currency = invoice.totals, invoice.currency
    found = [Sum("Subtotal", money(totals.subtotal, currency))]
    if totals.discount:
        named = ", ".join(dict.fromkeys(one.name for one in invoice.discounts if one.name))
        found.append(Sum(f"Discount{f' ({named})' if named else ''}", money(decimals.subtract(Decimal(0), totals.discount), currency)))
    on_top = [one for one in totals.taxes if not one.is_inclusive]
    inside = [one for one in totals.taxes if one.is_inclusive]
    found += [Sum(f"{one.name} {number(one.percent)} % on {money(one.base, currency)}", money(one.amount, currency)) for one in on_top]
    found.append(Sum("Total", money(totals.total, currency), is_total=True))
    words = "of which {} {} % on {}"
    found += [
        Sum(words.format(one.name, number(one.percent), money(one.base, currency)), money(one.amount, currency), is_inside=True)
        for one in inside
    ]
    return found


def party(one: Party) -> list[str]:
    """Return the lines of a seller or a buyer under its name."""
    ids = [f"{each.kind.replace('_', ' ').upper()} {each.value}" for each in one.tax_ids]
    return [*address(one.address), *([one.email] if one.email else []), *ids]


def address(where: Address) -> list[str]:
    """Return the lines of an address."""
    town = " ".join(part for part in (where.postal_code, where.city) if part)
    return [part for part in (where.line1, where.line2, town, where.region, where.country) if part]


def co2e(usage: Usage) -> Shown | None:
    """Return the range of what was emitted; None where nobody asked for it."""
    return None if usage.co2e is None else humane.CO2E.show_range(usage.co2e)
