"""How a month and a receipt stand, in words: the state, what happens next and when, and why a receipt is or is not valid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from carbonledger.domains.receipts.types import periods
from carbonledger.domains.receipts.types import receipts as types
from carbonledger.domains.receipts.types.periods import RECONCILIATION, Payment, Period, Step
from carbonledger.domains.receipts.types.receipts import Revocation

STATES: Final[Mapping[types.State, tuple[str, str]]] = {
    types.State.DEFERRED: ("waits for credits", "notice"),
    types.State.ISSUED: ("valid", "good"),
    types.State.SUPERSEDED: ("superseded", "problem"),
    types.State.REVOKED: ("revoked", "problem"),
}
"""Each state of a receipt: its word and the colour of its mark."""
REASONS: Final[Mapping[Revocation, str]] = {
    Revocation.ISSUED_IN_ERROR: "it was issued in error",
    Revocation.CREDITS_INVALID: "credits that it rested on turned out to be invalid",
    Revocation.KEY_COMPROMISED: "the key that signed it was compromised",
    Revocation.REQUESTED: "its owner asked for it",
}
_DOING: Final[Mapping[Step, str]] = {
    Step.NONE: "connections are read for the last time",
    Step.RECONCILED: "the month is frozen",
    Step.FROZEN: "its usage is summed",
    Step.SUMMED: "what came late for earlier months is booked",
    Step.ADJUSTED: "every event is sealed into one fingerprint",
    Step.PROVEN: "the month is closed",
}
_PAYMENTS: Final[Mapping[Payment, tuple[str, str]]] = {
    Payment.NOT_NEEDED: ("not needed", ""),
    Payment.AWAITED: ("awaited", "notice"),
    Payment.PAID: ("paid", "good"),
    Payment.FAILED: ("failed", "problem"),
}


@dataclass(frozen=True, slots=True)
class Standing:
    """How a month stands: the state's word, the colour of its mark, and what happens next, with its date."""

    word: str
    mark: str
    next: str


def month(first: date) -> str:
    """Return a month, by its first day, as people write it: ``October 2026``."""
    return f"{first:%B %Y}"


def month_named(name: str) -> str:
    """Return a month as people write it, of ``2026-10``."""
    return month(date(int(name[:4]), int(name[5:]), 1))


def standing(period: Period, *, now: datetime, zone: ZoneInfo, needs_payment: bool) -> Standing:
    """Return how a month stands at the organization's ``now``. ``needs_payment``: whether its plan is a paid one."""
    state = period.state
    awaits_payment = needs_payment and period.payment is not Payment.PAID
    if state is periods.State.CLOSED:
        ended = "" if period.closed_at is None else f" on {when(period.closed_at, zone)}"
        return Standing("closed", "good", f"Closed{ended}. Nothing of it changes any more.")
    if state is periods.State.FAILED:
        return Standing(
            "payment failed", "problem", "Nothing is closed and no credits are allocated until the month is paid. Then it closes."
        )
    if now < period.ends_at:
        return _running(period, zone, awaits_payment=awaits_payment)
    closes = _closes(period, zone)
    if state is periods.State.OPEN and awaits_payment:
        return Standing("waits for payment", "notice", f"It is over, and closes once it is paid, not before {closes}.")
    if state is periods.State.OPEN:
        return Standing("over", "notice", f"Closing is about to begin; it closes by itself on {closes}.")
    is_waiting = not is_due(period, now=now, needs_payment=needs_payment)
    words = f"Late usage still counts until {closes}. Then the month is frozen and closed." if is_waiting else _doing(period)
    return Standing("closing", "notice", words)


def _running(period: Period, zone: ZoneInfo, *, awaits_payment: bool) -> Standing:
    closes = when(period.ends_at + RECONCILIATION, zone)
    then = f"closes on {closes}, or when it is paid if that is later" if awaits_payment else f"closes by itself on {closes}"
    return Standing("open", "", f"Ends on {when(period.ends_at, zone)} and {then}.")


def _doing(period: Period) -> str:
    return f"It is being closed: {_DOING.get(period.step, 'the month is closed')}."


def is_due(period: Period, *, now: datetime, needs_payment: bool) -> bool:
    """Say whether a month may be closed now: it is over for 48 hours, paid or free, and not closed yet."""
    if period.state is periods.State.CLOSING:
        return period.closes_at is not None and period.closes_at <= now
    is_settled = not needs_payment or period.payment is Payment.PAID
    return period.state is periods.State.OPEN and is_settled and period.ends_at + RECONCILIATION <= now


def payment(period: Period, *, now: datetime, needs_payment: bool) -> tuple[str, str]:
    """Return the word of a month's payment and the colour of its mark."""
    if period.payment is Payment.AWAITED and not needs_payment:
        return _PAYMENTS[Payment.NOT_NEEDED]
    if period.payment is Payment.AWAITED and now < period.ends_at:
        return "not due yet", ""
    return _PAYMENTS[period.payment]


def _closes(period: Period, zone: ZoneInfo) -> str:
    return when(period.closes_at or period.ends_at + RECONCILIATION, zone)


def when(at: datetime, zone: ZoneInfo) -> str:
    """Return an instant as the organization's clock shows it; midnight is the end of the day before."""
    local = at.astimezone(zone)
    if (local.hour, local.minute) == (0, 0):
        local -= timedelta(days=1)
        return f"{local.day} {local:%b %Y}, 24:00"
    return f"{local.day} {local:%b %Y, %H:%M}"


def proof(*, issued: str, index: int, events: int, has_credits: bool) -> tuple[str, str, str]:
    """Return what proves a receipt, in three sentences for people who never heard of a hash."""
    once = ", and no part of a credit can be given to a second receipt without showing there" if has_credits else ""
    leaves = "the one event" if events == 1 else f"each of the {events:,} events"
    covered = (
        f"One fingerprint in it covers {leaves} behind its figures, so that what they add up to was settled when it was issued, and any of "
        "them can be proven to be among them."
    )
    none = "The fingerprint in it is that of no event at all, so that none can be added to the month behind its figures afterwards."
    return (
        f"It was signed on {issued} with a key whose public half is published, and if one character of it were changed, the signature "
        "would no longer fit.",
        f"It is entry {index:,} of a public log that can only grow, so that it cannot be altered or made to disappear unnoticed{once}.",
        covered if events else none,
    )


def event_count(count: int) -> str:
    """Return a number of events, more or fewer than before; none where events were only revised."""
    if not count:
        return "revised events"
    return f"{abs(count):,} event{'' if abs(count) == 1 else 's'} {'more' if count > 0 else 'fewer'}"
