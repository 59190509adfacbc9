"""The machine of invoices: what may follow what, on any path, and what never changes again."""

from __future__ import annotations

from datetime import timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import stateful

from carbonledger.domains.invoices.core import states
from carbonledger.domains.invoices.types import invoices as types
from carbonledger.domains.invoices.types.invoices import Move, Payment, State
from tests.unit.domains.invoices import invoice_kit as kit

# Worked by hand from the picture in the module: (document, payment) -> the moves that may follow.
_ALLOWED = {
    (State.GATHERING, Payment.UNPAID): {Move.DRAFT, Move.DROP},
    (State.DRAFT, Payment.UNPAID): {Move.ISSUE, Move.DROP},
    (State.ISSUED, Payment.UNPAID): {Move.VOID, Move.GIVE_UP, Move.PAY, Move.FAIL},
    (State.ISSUED, Payment.FAILED): {Move.VOID, Move.GIVE_UP, Move.PAY},
    (State.ISSUED, Payment.CREDIT): {Move.VOID},
    (State.UNCOLLECTIBLE, Payment.UNPAID): {Move.VOID, Move.PAY},
    (State.UNCOLLECTIBLE, Payment.FAILED): {Move.VOID, Move.PAY},
    (State.UNCOLLECTIBLE, Payment.CREDIT): {Move.VOID},  # never reached: nothing is given up that is not owed
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("payment", Payment)
def test_the_moves_are_those_of_the_picture(state: State, payment: Payment) -> None:
    invoice = kit.invoice(state=state, payment=payment)
    assert {move for move in Move if states.is_allowed(invoice, move)} == _ALLOWED.get((state, payment), set())


@pytest.mark.parametrize(
    "total, payment",
    [
        ("0.01", Payment.UNPAID),  # the least that can be owed
        ("0.00", Payment.PAID),  # nothing to pay is paid
        ("-0.01", Payment.CREDIT),  # the account is owed
    ],
)
def test_how_an_issued_invoice_is_paid_follows_from_its_total(total: str, payment: Payment) -> None:
    after = states.issued(kit.invoice(totals=kit.totals(total)), by=kit.issued())
    assert (after.state, after.payment) == (State.ISSUED, payment)
    assert (after.paid_at is not None) == (payment is Payment.PAID)


def test_an_invoice_without_lines_is_not_issued() -> None:
    with pytest.raises(types.InvoiceEmpty):
        states.issued(kit.invoice(lines=0), by=kit.issued())


def test_a_paid_invoice_says_that_it_is_paid() -> None:
    paid = kit.invoice(state=State.ISSUED, payment=Payment.PAID)
    for move in (Move.PAY, Move.FAIL, Move.VOID, Move.GIVE_UP):
        with pytest.raises(types.AlreadyPaid):
            states.require(paid, move)


class Life(stateful.RuleBasedStateMachine):
    """Any moves in any order: those that are refused change nothing, those that are not keep what must be kept."""

    def __init__(self) -> None:
        super().__init__()
        self.at = kit.NOW
        self.invoice = kit.invoice(state=State.GATHERING)
        self.number: types.Issued | None = None
        self.is_gone = False

    @stateful.initialize(total=st.sampled_from(["12.34", "0.00", "-5.00"]))
    def begin(self, total: str) -> None:
        self.invoice = kit.invoice(state=State.GATHERING, totals=kit.totals(total))

    @stateful.rule(move=st.sampled_from(Move))
    def move(self, move: Move) -> None:
        if self.is_gone:
            return
        self.at += timedelta(hours=1)
        before = self.invoice
        try:
            if move is Move.ISSUE:
                self.invoice = states.issued(before, by=kit.issued(at=self.at))
                self.number = self.invoice.issued
            elif move is Move.DROP:
                states.require(before, move)
                self.is_gone = True
            else:
                self.invoice = states.moved(before, move, now=self.at, reference="R" if move is Move.PAY else None)
        except types.InvoicesFault:
            assert not states.is_allowed(before, move)
            assert self.invoice is before
            return
        assert before.payment is not Payment.PAID, "a paid invoice never changes"
        assert before.state is not State.VOID, "a void invoice never changes"
        if before.issued is not None:
            assert self.invoice.totals == before.totals

    @stateful.invariant()
    def a_number_is_for_ever(self) -> None:
        assert self.invoice.issued == self.number
        is_document = self.invoice.state not in (State.GATHERING, State.DRAFT)
        assert is_document == (self.number is not None)

    @stateful.invariant()
    def only_what_was_issued_is_paid_and_says_when(self) -> None:
        assert (self.invoice.payment is Payment.PAID) == (self.invoice.paid_at is not None)
        if self.invoice.payment is not Payment.UNPAID:
            assert self.number is not None

    @stateful.invariant()
    def what_is_issued_is_never_dropped(self) -> None:
        assert not (self.is_gone and self.number is not None)


TestLife = Life.TestCase
