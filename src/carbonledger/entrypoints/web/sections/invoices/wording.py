"""How an invoice and its lines read on a screen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from carbonledger.domains.invoices.types.invoices import Invoice, Line, LineKind, Payment, State
from carbonledger.kernel import decimals, humane
from carbonledger.kernel import money as moneys
from carbonledger.kernel.money import Money

_STATES: Final[Mapping[State, tuple[str, str]]] = {
    State.GATHERING: ("gathering", "provisional"),
    State.DRAFT: ("draft", "provisional"),
    State.ISSUED: ("issued", ""),
    State.VOID: ("void", "failed"),
    State.UNCOLLECTIBLE: ("given up", "failed"),
}
_PAYMENTS: Final[Mapping[Payment, tuple[str, str]]] = {
    Payment.UNPAID: ("unpaid", "provisional"),
    Payment.FAILED: ("payment failed", "failed"),
    Payment.PAID: ("paid", "good"),
    Payment.CREDIT: ("credit", ""),
}
KINDS: Final[Mapping[LineKind, str]] = {
    LineKind.CHARGE: "",
    LineKind.CREDIT: "credit",
    LineKind.SETUP: "once",
    LineKind.COMMITMENT: "commitment",
    LineKind.LATE: "late usage",
    LineKind.ITEM: "",
}
_ONLY_DOCUMENT: Final = frozenset({State.GATHERING, State.DRAFT, State.VOID})


@dataclass(frozen=True, slots=True)
class Mark:
    """A word with its look."""

    word: str
    kind: str


def marks(invoice: Invoice) -> list[Mark]:
    """Return how an invoice stands: as a document, and how it is paid where that matters."""
    found = [Mark(*_STATES[invoice.state])] if invoice.state is not State.ISSUED else []
    if invoice.state not in _ONLY_DOCUMENT:
        found.append(Mark(*_PAYMENTS[invoice.payment]))
    return found


def name(invoice: Invoice) -> str:
    """Return what an invoice is called: by its number, once it has one."""
    if invoice.issued is not None:
        return invoice.issued.number
    return "What is gathered" if invoice.state is State.GATHERING else "Draft"


def money(amount: Decimal, invoice: Invoice) -> str:
    """Return an amount with its currency."""
    return f"{plain(amount, invoice)} {invoice.currency.code}"


def plain(amount: Decimal, invoice: Invoice) -> str:
    """Return an amount without its currency, with all its digits."""
    return humane.grouped(moneys.to_api_amount(Money(amount, invoice.currency)))


def day(value: date) -> str:
    """Return a day as tables write it."""
    return f"{value.day} {value:%b %Y}"


def number(value: Decimal) -> str:
    """Return a quantity with all its digits."""
    return humane.grouped(decimals.to_api_decimal(value))


@dataclass(frozen=True, slots=True)
class Step:
    """One step of how a line came to its amount: what was done, and what it made."""

    words: str
    value: str


def steps(line: Line, invoice: Invoice) -> list[Step]:
    """Return how a line came to its amount, from what was counted to what is charged, with the numbers as they are kept."""
    kept = line.explained.rated
    rated = kept.get("rated")
    found: list[Step] = []
    if rated is not None:
        found.append(Step("Quantity", humane.grouped(rated["quantity"])))
        if rated["billable"] != rated["quantity"]:
            found.append(Step("After free units and what is included", humane.grouped(rated["billable"])))
        found += [Step(_tier(tier), humane.grouped(tier["amount"])) for tier in kept.get("tiers", ())]
        found.append(Step("By its price", humane.grouped(rated["priced"])))
        if rated["bounded"] is not None:
            found.append(Step(f"Held by the {rated['bounded']}", humane.grouped(rated["amount"])))
    elif line.unit_price is not None:
        found.append(Step(f"{number(line.quantity)} at {plain(line.unit_price, invoice)}", ""))
    if kept.get("part") and kept["part"][0] != kept["part"][1]:
        found.append(Step("Part of the period", f"{kept['part'][0]:,} of {kept['part'][1]:,}"))
    found += [Step(_discount(one), "") for one in kept.get("discounts", ())]
    found.append(Step("Before rounding", number(line.unrounded)))
    found.append(Step("On the invoice, rounded half up", plain(line.amount, invoice)))
    return found


def _tier(tier: Mapping[str, str | None]) -> str:
    price = f"at {tier['unit_price']}" if tier["unit_price"] is not None else f"at {tier['rate_percent']} %"
    flat = f", and {tier['flat_price']} for entering" if tier["flat_price"] not in (None, "0") else ""
    bound = f"up to {tier['up_to']}" if tier["up_to"] is not None else "all above"
    return f"{tier['quantity']} {price} ({bound}){flat}"


def _discount(one: Mapping[str, str | None]) -> str:
    off = f"{one['percent']} %" if one.get("percent") is not None else f"{one['amount']}"
    return f"Less {off}" + (f", {one['name']}" if one.get("name") else "")
