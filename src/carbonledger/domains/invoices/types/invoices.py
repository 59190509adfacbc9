"""Words of invoices: how one stands and what may happen to it, its lines, its totals, and the faults. Pure.

    gathering ── its account is billed ──> draft ── collected, and finalized ──> issued ──> void
        └────────── no line is left ──────────┴──> (gone)                          └─────> uncollectible

What is billed later than a bill run (late usage for the next invoice) is *gathered*, one invoice for each account and currency. A draft
may still change: usage is counted again until it is issued. An issued invoice has a number and never changes; only how it stands does,
and how it is paid, which is another matter than the document:

    unpaid ──> paid        failed ──> paid        (nothing to pay: paid when issued; less than nothing: credit)
       └────> failed

A paid invoice does not change at all. The database holds the same table in a trigger.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.accounts import types as accounts
from carbonledger.domains.invoices.types.totals import DocumentDiscount, TaxRounding
from carbonledger.kernel import errors
from carbonledger.kernel.currency import Currency

LINES_MAX: Final = 1000
"""Of one invoice: more is no document that a person reads, and a sign of a meter that groups by too much."""
DESCRIPTION_MAX_CHARS: Final = 500
REFERENCE_MAX_CHARS: Final = 200


class State(enum.Enum):
    """How the document stands. Stored by these words."""

    GATHERING = "gathering"
    DRAFT = "draft"
    ISSUED = "issued"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"


class Payment(enum.Enum):
    """How it is paid. Stored by these words."""

    UNPAID = "unpaid"
    FAILED = "failed"
    PAID = "paid"  # wholly; also when there was nothing to pay
    CREDIT = "credit"  # its total is less than nothing: it is the account that is owed


class Origin(enum.Enum):
    """Why there is an invoice. Stored by these words."""

    SUBSCRIPTION = "subscription"
    ONE_OFF = "one_off"
    CORRECTION = "correction"  # of late usage


class Move(enum.Enum):
    """What happens to an invoice."""

    DRAFT = "draft"
    ISSUE = "issue"
    DROP = "drop"
    VOID = "void"
    GIVE_UP = "give_up"
    PAY = "pay"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Rule:
    """From which states, of document and payment, a move leads where. None: that one stays as it is, or there is no invoice any more."""

    states: frozenset[State]
    payments: frozenset[Payment]
    state: State | None
    payment: Payment | None


OPEN: Final = frozenset({Payment.UNPAID, Payment.FAILED})
"""While it is so, what was issued is owed."""
_OWED: Final = frozenset({State.ISSUED, State.UNCOLLECTIBLE})

TRANSITIONS: Final[Mapping[Move, Rule]] = MappingProxyType(
    {
        Move.DRAFT: Rule(frozenset({State.GATHERING}), frozenset({Payment.UNPAID}), State.DRAFT, None),
        # What issuing makes of the payment follows from the total: see ``payment_of``.
        Move.ISSUE: Rule(frozenset({State.DRAFT}), frozenset({Payment.UNPAID}), State.ISSUED, None),
        Move.DROP: Rule(frozenset({State.GATHERING, State.DRAFT}), frozenset({Payment.UNPAID}), None, None),
        Move.VOID: Rule(frozenset({State.ISSUED, State.UNCOLLECTIBLE}), OPEN | {Payment.CREDIT}, State.VOID, None),
        Move.GIVE_UP: Rule(frozenset({State.ISSUED}), OPEN, State.UNCOLLECTIBLE, None),
        # What was given up may be paid after all, and then stays what it was as a document.
        Move.PAY: Rule(_OWED, OPEN, None, Payment.PAID),
        Move.FAIL: Rule(frozenset({State.ISSUED}), frozenset({Payment.UNPAID}), None, Payment.FAILED),
    }
)
"""Each move with its rule: the one table of both machines."""


def allows(invoice: Invoice, move: Move) -> bool:
    """Say whether the table lets an invoice make a move as it stands."""
    rule = TRANSITIONS[move]
    return invoice.state in rule.states and invoice.payment in rule.payments


def is_overdue(invoice: Invoice, *, today: date) -> bool:
    """Say whether an invoice is owed and was due before ``today``."""
    return invoice.state is State.ISSUED and invoice.payment in OPEN and invoice.issued is not None and invoice.issued.due_on < today


class LineKind(enum.Enum):
    """What a line is. Stored by these words."""

    CHARGE = "charge"
    CREDIT = "credit"  # gives back what the line of another cause debited
    SETUP = "setup"
    COMMITMENT = "commitment"  # up to the minimum that was agreed
    LATE = "late"  # the difference that usage makes which came after its invoice
    ITEM = "item"  # of a one-off invoice


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What a line was made of, kept with it: with these its amount can be worked out again.

    ``rated``: the charge as it stood, tiers, prorations and bounds as ``core`` wrote them (JSON, decimals as text).
    ``events`` and ``digest``: how many events were counted and the SHA-256 over their ids and amounts, which changes when any of them does.
    ``factors``: versions of the factor sets that its CO2e rests on. ``prices``: versions of the price book that
    providers' prices it rests on come from, as it was counted.
    """

    rated: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    meter_id: UUID | None = None
    meter_code: str | None = None
    events: int | None = None
    digest: str | None = None
    prices: tuple[str, ...] = ()
    factors: tuple[str, ...] = ()
    metered_at: datetime | None = None


UNEXPLAINED: Final = Explained()
"""Of a line that says all there is to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line. ``cause`` names what is billed, once for ever in its organization, so that nothing is billed twice.

    ``amount`` is rounded to the currency's minor unit, once; ``unrounded`` is what it was rounded from. ``discount`` (0 or more) and
    ``tax`` (on top) are the line's parts of the document's; ``tax_included`` is inside the amount. ``[service_start, service_end)`` is what
    is paid for, ``[part_start, part_end)`` the stretch of it that is charged. ``undoes``: the cause that a credit gives back, or late usage
    adds to.
    """

    id: UUID
    cause: str
    kind: LineKind
    description: str
    position: int
    subscription_id: UUID | None = None
    plan_version_id: UUID | None = None
    charge_code: str | None = None
    undoes: str | None = None
    service_start: datetime | None = None
    service_end: datetime | None = None
    part_start: datetime | None = None
    part_end: datetime | None = None
    quantity: Decimal
    unit_price: Decimal | None
    unrounded: Decimal
    amount: Decimal
    discount: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)
    tax_included: Decimal = Decimal(0)
    tax_codes: tuple[str, ...] = ()
    explained: Explained = UNEXPLAINED


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxTotal:
    """The tax of one rate on the whole document. ``percent`` with four places; ``base`` is what it was taken of, before tax."""

    code: str
    name: str
    percent: Decimal
    is_inclusive: bool
    base: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What an invoice comes to, in the minor unit: ``total = subtotal - discount + tax``. Tax that prices hold already is in the subtotal;
    ``taxes`` tell it too, and ``tax`` does not.
    """

    subtotal: Decimal
    discount: Decimal
    tax: Decimal
    total: Decimal
    taxes: tuple[TaxTotal, ...] = ()


NOTHING: Final = Totals(subtotal=Decimal(0), discount=Decimal(0), tax=Decimal(0), total=Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Seller or buyer as the document names them: a copy, which never changes with them."""

    name: str
    address: accounts.Address = accounts.NOWHERE
    tax_ids: tuple[accounts.TaxId, ...] = ()
    email: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """What issuing fixed: the number, when, when it is due, and the parties as they were."""

    series: str
    sequence: int
    number: str
    at: datetime
    due_on: date
    seller: Party
    buyer: Party


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """An invoice without its lines. ``billed_at``: the instant that it was due at; ``collects_until``: late usage still comes in until
    then. ``discounts``: off the whole document, in their order; those in percent are off its lines.

    ``zone`` and ``locale`` are the account's, for the dates and words of the document. ``paid_at`` and ``reference``: when and by what the
    payment was recorded. ``ended_at``: when it was made void or given up. ``corrects``: the invoice that a correction adds to.
    """

    id: UUID
    account_id: UUID
    currency: Currency
    origin: Origin
    state: State
    payment: Payment
    totals: Totals
    lines: int
    discounts: tuple[DocumentDiscount, ...] = ()
    tax_treatment: accounts.TaxTreatment
    tax_rounding: TaxRounding
    locale: accounts.Locale
    zone: str
    terms_days: int
    billed_at: datetime
    collects_until: datetime | None = None
    corrects: UUID | None = None
    memo: str | None = None
    issued: Issued | None = None
    paid_at: datetime | None = None
    reference: str | None = None
    ended_at: datetime | None = None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which invoices to list; None does not restrict.

    ``number``: a part of it, in capitals or not. ``overdue_on``: issued, still owed, and due before that day. Issued at
    ``issued_from`` or later, and before ``issued_before``: what is not issued has no such time.
    """

    account_id: UUID | None = None
    subscription_id: UUID | None = None
    state: State | None = None
    payment: Payment | None = None
    number: str | None = None
    overdue_on: date | None = None
    issued_from: datetime | None = None
    issued_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """What issued invoices of one currency are still owed: how many and how much, and how many and how much of it is overdue."""

    currency: Currency
    invoices: int
    amount: Decimal
    overdue: int
    overdue_amount: Decimal


class InvoicesFault(errors.Fault):
    """An invoice could not do this."""

    kind = errors.Kind.CONFLICT
    code = "invoices"


class InvoiceNotFound(InvoicesFault):
    """There is no such invoice."""

    kind = errors.Kind.NOT_FOUND
    code = "invoice_not_found"


class LineNotFound(InvoicesFault):
    """The invoice has no such line."""

    kind = errors.Kind.NOT_FOUND
    code = "invoice_line_not_found"


class InvoiceStateForbids(InvoicesFault):
    """The invoice can't do this as it stands."""

    code = "invoice_state_forbids"


class InvoiceEmpty(InvoicesFault):
    """An invoice without lines is not issued."""

    code = "invoice_empty"


class InvoiceUnprinted(InvoicesFault, errors.Unavailable):
    """The invoice was issued a moment ago, and its PDF is being made."""

    kind = errors.Kind.UNAVAILABLE
    code = "invoice_unprinted"


class InvoiceNotIssued(InvoicesFault):
    """The invoice is not issued yet, so there is no document of it."""

    code = "invoice_not_issued"


class CollectionUnavailable(InvoicesFault):
    """Payments are not collected by this installation."""

    code = "collection_unavailable"


class AlreadyPaid(InvoicesFault):
    """The invoice is paid already."""

    code = "invoice_already_paid"


class CauseBilled(InvoicesFault):
    """This was billed already."""

    code = "cause_billed"


class CostUnconvertible(InvoicesFault):
    """What providers charge is in another currency than the invoice."""

    kind = errors.Kind.INVALID
    code = "cost_unconvertible"


class TaxUnknown(InvoicesFault):
    """A charge names a tax rate that is not there."""

    kind = errors.Kind.INVALID
    code = "tax_unknown"


class NothingUpcoming(InvoicesFault):
    """The subscription makes no further invoice as it stands."""

    code = "nothing_upcoming"


class LinesTooMany(InvoicesFault, errors.Invalid):
    """The invoice would have more lines than one may have."""

    kind = errors.Kind.INVALID
    code = "invoice_lines_too_many"
