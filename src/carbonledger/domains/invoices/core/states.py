"""What may happen to an invoice: the rules of ``types.invoices.TRANSITIONS`` applied; pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from carbonledger.domains.invoices.types import invoices as types
from carbonledger.domains.invoices.types.invoices import Invoice, Move, Payment, State

_ENDS: Final = frozenset({State.VOID, State.UNCOLLECTIBLE})
_WHY: Final = {
    Move.DRAFT: "Only what is gathered becomes a draft.",
    Move.ISSUE: "Only a draft is finalized.",
    Move.DROP: "Only what is not issued can be dropped. Void an issued invoice.",
    Move.VOID: "Only an issued invoice that is not paid can be made void.",
    Move.GIVE_UP: "Only an issued invoice that is owed can be given up.",
    Move.PAY: "Only an issued invoice that is owed can be paid.",
    Move.FAIL: "Only the payment of an issued invoice that is owed can fail.",
}


is_allowed: Final = types.allows


def require(invoice: Invoice, move: Move) -> None:
    """Raise ``AlreadyPaid`` or ``InvoiceStateForbids`` unless the invoice may make a move as it stands."""
    if is_allowed(invoice, move):
        return
    if invoice.payment is Payment.PAID and move in (Move.PAY, Move.FAIL, Move.VOID, Move.GIVE_UP):
        raise types.AlreadyPaid("A paid invoice never changes. What is given back is a credit note.")
    raise types.InvoiceStateForbids(f"{_WHY[move]} This one is {invoice.state.value} and {invoice.payment.value}.")


def moved(invoice: Invoice, move: Move, *, now: datetime, reference: str | None = None) -> Invoice:
    """Return the invoice after a move, but for issuing (``issued``) and dropping, which leaves none. Raises as ``require`` does.

    ``reference``: by what a payment was made.
    """
    require(invoice, move)
    rule = types.TRANSITIONS[move]
    if rule.state is None and rule.payment is None:
        raise ValueError(f"{move} leaves no invoice")
    after = replace(invoice, state=rule.state or invoice.state, payment=rule.payment or invoice.payment, updated_at=now)
    if after.state in _ENDS and after.state is not invoice.state:
        after = replace(after, ended_at=now)
    if after.payment is Payment.PAID:
        after = replace(after, paid_at=now, reference=reference)
    return after


def issued(invoice: Invoice, *, by: types.Issued) -> Invoice:
    """Return a draft as it is issued; nothing to pay is paid. Raises ``InvoiceStateForbids``, ``InvoiceEmpty``."""
    require(invoice, Move.ISSUE)
    if not invoice.lines:
        raise types.InvoiceEmpty("Nothing is on it.")
    payment = payment_of(invoice.totals.total)
    return replace(
        invoice,
        state=State.ISSUED,
        payment=payment,
        issued=by,
        paid_at=by.at if payment is Payment.PAID else None,
        updated_at=by.at,
    )


def payment_of(total: Decimal) -> Payment:
    """Return how an invoice over ``total`` is paid when it is issued."""
    if total > 0:
        return Payment.UNPAID
    return Payment.CREDIT if total < 0 else Payment.PAID
