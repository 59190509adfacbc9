"""How an invoice stands, in words: its document and its payment apart, what can fail, and when things happen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from carbonledger.domains.accounts.types import Locale, TaxTreatment
from carbonledger.domains.catalog.types import plans
from carbonledger.domains.invoices.types import invoices as types
from carbonledger.domains.invoices.types.failures import Step
from carbonledger.domains.invoices.types.invoices import Invoice, LineKind, Origin, Payment, State
from carbonledger.domains.invoices.types.sellers import LateUsage
from carbonledger.domains.invoices.types.totals import TaxRounding
from carbonledger.kernel import humane, lookback
from carbonledger.kernel import zone as zones
from carbonledger.kernel.period import Period

STATES: Final[Mapping[State, tuple[str, str]]] = {
    State.GATHERING: ("gathering", ""),
    State.DRAFT: ("draft", "notice"),
    State.ISSUED: ("issued", "good"),
    State.VOID: ("void", ""),
    State.UNCOLLECTIBLE: ("uncollectible", "problem"),
}
"""Each document state's word and the colour of its mark."""
PAYMENTS: Final[Mapping[Payment, tuple[str, str]]] = {
    Payment.UNPAID: ("unpaid", "notice"),
    Payment.FAILED: ("payment failed", "problem"),
    Payment.PAID: ("paid", "good"),
    Payment.CREDIT: ("in their favour", ""),
}
_OVERDUE: Final = ("overdue", "problem")
_NOTHING: Final = ("", "")
ORIGINS: Final[Mapping[Origin, str]] = {
    Origin.SUBSCRIPTION: "for subscriptions",
    Origin.ONE_OFF: "written by hand",
    Origin.CORRECTION: "a correction of late usage",
}
KINDS: Final[Mapping[LineKind, str]] = {
    LineKind.CHARGE: "charge",
    LineKind.CREDIT: "credit",
    LineKind.SETUP: "setup fee",
    LineKind.COMMITMENT: "minimum commitment",
    LineKind.LATE: "late usage",
    LineKind.ITEM: "item",
}
STEPS: Final[Mapping[Step, str]] = {
    Step.RATE: "It could not be rated, so nothing of the account is billed.",
    Step.COLLECT: "Its usage could not be counted, so it is not issued.",
    Step.PRINT: "Its PDF could not be made.",
}
TREATMENTS: Final[Mapping[TaxTreatment, str]] = {
    TaxTreatment.STANDARD: "taxed, at the rates of what is billed",
    TaxTreatment.EXEMPT: "exempt from tax",
    TaxTreatment.REVERSE_CHARGE: "reverse charge: the recipient owes it",
}
LANGUAGES: Final[Mapping[Locale, str]] = {Locale.EN: "English", Locale.DE: "German", Locale.FR: "French"}
LATE: Final[Mapping[LateUsage, str]] = {
    LateUsage.NEXT_INVOICE: "Put it on the next invoice",
    LateUsage.CORRECTION: "Issue a correction at once",
    LateUsage.IGNORE_AND_REPORT: "Charge nothing, and report it",
}
LATE_DONE: Final[Mapping[LateUsage, str]] = {
    LateUsage.NEXT_INVOICE: "What comes late is put on the next invoice of its account.",
    LateUsage.CORRECTION: "For what comes late a correction is issued at once.",
    LateUsage.IGNORE_AND_REPORT: "For what comes late nothing is charged; it is reported here.",
}
ROUNDINGS: Final[Mapping[TaxRounding, str]] = {
    TaxRounding.DOCUMENT: "Once for the document",
    TaxRounding.LINE: "On each line",
}
MODELS: Final[Mapping[str, str]] = {
    "flat": "flat amount",
    "standard": "a price for each unit",
    "graduated": "graduated: each unit at the price of its tier",
    "volume": "volume: all units at the price of one tier",
    "package": "packages",
    "percentage": "a percentage",
    "graduated_percentage": "a graduated percentage",
    "cost_plus": "what providers charged, and a margin",
    "carbon": "for each kilogram of CO2e",
}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, or will, to an invoice. ``is_coming``: it hasn't yet."""

    at: datetime | None
    on: str
    words: str
    detail: str = ""
    is_coming: bool = False


def payment(invoice: Invoice, *, today: date) -> tuple[str, str]:
    """Return the word of an invoice's payment and the colour of its mark; no word while nothing is to be paid yet, or any more."""
    if types.is_overdue(invoice, today=today):
        return _OVERDUE if invoice.payment is Payment.UNPAID else ("payment failed, overdue", "problem")
    if invoice.issued is None or (invoice.state is State.VOID and invoice.payment is not Payment.PAID):
        return _NOTHING
    return PAYMENTS[invoice.payment]


def name(invoice: Invoice) -> str:
    """Return what an invoice is called: its number, or what it is until it has one."""
    if invoice.issued is not None:
        return invoice.issued.number
    return "Gathering" if invoice.state is State.GATHERING else "Draft"


def lead(invoice: Invoice, *, zone: ZoneInfo) -> str:
    """Return what an invoice is, and what happens with it next, in a sentence or two."""
    if invoice.state is not State.DRAFT:
        return _LEADS[invoice.state]
    if invoice.origin is Origin.ONE_OFF:
        return "A draft, written by hand. It is issued when somebody says so."
    if invoice.collects_until is None:
        return "A draft. It is issued by itself with the next run."
    return f"A draft. Late usage still counts; it is issued by itself on {when(invoice.collects_until, zone)}."


_LEADS: Final[Mapping[State, str]] = {
    State.GATHERING: "What is gathered for the next invoice of its account. Nothing of it is billed yet.",
    State.ISSUED: "Issued. Nothing on it changes any more.",
    State.VOID: "Void. It keeps its number, and nothing is owed for it.",
    State.UNCOLLECTIBLE: "Issued, and given up: what is owed is not expected any more.",
}


def history(invoice: Invoice) -> list[Event]:
    """Return what happened to an invoice and when, the first first, and what comes by itself."""
    made = {Origin.ONE_OFF: "Written by hand", Origin.CORRECTION: "Made of late usage"}.get(invoice.origin, "Drafted by a bill run")
    first = "Begun to be gathered" if invoice.state is State.GATHERING else made
    events = [Event(invoice.billed_at, "", first, f"{_count(invoice.lines, 'line')}")]
    issued = invoice.issued
    if issued is not None:
        due = f"due on {day(issued.due_on)}" if invoice.payment is not Payment.CREDIT else ""
        events.append(Event(issued.at, "", f"Issued as {issued.number}", due))
    elif invoice.collects_until is not None and invoice.state is State.DRAFT:
        events.append(Event(invoice.collects_until, "", "Issued by itself, with its usage counted once more", is_coming=True))
    if invoice.ended_at is not None:
        words = "Made void" if invoice.state is State.VOID else "Given up as uncollectible"
        events.append(Event(invoice.ended_at, "", words))
    if invoice.paid_at is not None:
        detail = f"by “{invoice.reference}”" if invoice.reference else "nothing was to be paid"
        events.append(Event(invoice.paid_at, "", "Paid wholly", detail))
    elif issued is not None and invoice.state is State.ISSUED and invoice.payment in types.OPEN:
        events.append(Event(None, day(issued.due_on), "Due", "", is_coming=True))
    return events


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def day(on: date) -> str:
    """Return a date as people write it."""
    return f"{on.day} {on:%b %Y}"


def when(at: datetime, zone: ZoneInfo) -> str:
    """Return an instant as a clock in ``zone`` shows it."""
    local = at.astimezone(zone)
    return f"{local.day} {local:%b %Y, %H:%M}"


def days(period: Period, zone: ZoneInfo) -> str:
    """Return the local days of a period, the last one inside; from when on, where it has no end."""
    first = zones.local_date(period.start, zone)
    return f"from {day(first)}" if period.end is None else between(first, lookback.last_day(period, zone))


def between(first: date, last: date) -> str:
    """Return days, the last one inside."""
    if first >= last:
        return day(first)
    return f"{first.day} {first:%b} to {day(last)}" if first.year == last.year else f"{day(first)} to {day(last)}"


def part(numerator: int, denominator: int) -> str:
    """Return which part of its period is charged: none where it is all of it, and days where there are few enough of them to be days."""
    if numerator == denominator:
        return ""
    unit = "days" if denominator <= plans.INTERVAL_MAX_DAYS else "seconds"
    return f"{humane.grouped(str(numerator))} of {humane.grouped(str(denominator))} {unit}"
