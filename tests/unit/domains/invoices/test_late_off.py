"""Usage that comes late for a plan with an amount off: in the end the customer has paid what they would have, had it come in time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.accounts.types import TaxTreatment
from carbonledger.domains.catalog.types import AmountDiscount
from carbonledger.domains.invoices.core import amounts_off, drafting
from carbonledger.domains.invoices.core.pieces import Piece
from carbonledger.domains.invoices.types.invoices import Explained, Line, LineKind
from carbonledger.domains.invoices.types.totals import TaxRounding
from carbonledger.kernel import currency, ids
from tests.unit.domains.invoices import test_drafting as base

EUR = currency.by_code("EUR")
SERVICE = (base.SUBSCRIPTION, base.VERSION, base.MARCH)
TEN = AmountDiscount(Decimal(10), "Welcome")
SEVEN, THREE = AmountDiscount(Decimal(7), "Welcome"), AmountDiscount(Decimal(3), "Friend")


def piece(cause: str, amount: str, kind: LineKind = LineKind.LATE) -> Piece:
    kept = {"gross": amount} if kind is LineKind.LATE else {"gross": amount, "charge": None, "part": [1, 1]}
    return Piece(
        cause=cause,
        kind=kind,
        description="Pages",
        subscription_id=base.SUBSCRIPTION,
        plan_version_id=base.VERSION,
        charge_code=cause,
        service=base.MARCH,
        quantity=Decimal(1),
        unit_price=None,
        gross=Fraction(amount),
        explained=Explained(rated=kept),
    )


class Bills:
    """The documents of one period, one after the other."""

    def __init__(self, *discounts: AmountDiscount) -> None:
        self.discounts = discounts
        self.lines: list[Line] = []

    def bill(self, made: Sequence[Piece]) -> tuple[str, str]:
        """Write a document: what is off it, and what it comes to."""
        off = amounts_off.discounts_of(
            made, earlier={SERVICE: self.lines}, versions={base.VERSION: base.version(*self.discounts)}, currency=EUR
        )
        totals, lines = drafting.summed(
            made,
            currency=EUR,
            discounts=off,
            treatment=TaxTreatment.EXEMPT,
            rounding=TaxRounding.DOCUMENT,
            rates={},
            ids=iter([ids.new_id(base.MARCH.start) for _ in made]),
        )
        self.lines += lines
        return str(totals.discount), str(totals.total)

    def late(self, *differences: tuple[str, str]) -> tuple[str, str]:
        """Bill differences, as they are found: (which, how much)."""
        made = [piece(f"{which}:{len(self.lines)}", amount) for which, amount in differences]
        kept = amounts_off.not_given_back(made, earlier=self.lines, currency=EUR)
        return self.bill([amounts_off.keeping(one, kept[one.cause]) if one.cause in kept else one for one in made])


def billed(flat: str, used: str, *discounts: AmountDiscount) -> Bills:
    """A period whose flat price was billed ahead, and its usage when it was over."""
    bills = Bills(*discounts)
    bills.bill([piece("base", flat, LineKind.CHARGE)])
    bills.bill([piece("pages", used, LineKind.CHARGE)])
    return bills


@pytest.mark.parametrize(
    "flat, used, late, documents",
    [
        # 3.00 of the 10.00 are left: off what comes next, until they are used up.
        ("4.00", "3.00", ["2.00", "5.00"], [("2.00", "0.00"), ("1.00", "4.00")]),
        # Nothing is left: it is charged as what it is more.
        ("4.00", "8.00", ["2.50"], [("0.00", "2.50")]),
        # 2.00 were paid of 12.00. 1.00 less gives 1.00 back; 5.00 less gives the other 1.00 back, and no more.
        ("4.00", "8.00", ["-1.00", "-4.00"], [("0.00", "-1.00"), ("0.00", "-1.00")]),
        # Nothing was paid, and nothing is given back; what was off it is left again.
        ("4.00", "3.00", ["-3.00", "9.00"], [("0.00", "0.00"), ("6.00", "3.00")]),
        # 20.00, down to nothing, and up again to 12.00.
        ("0.00", "20.00", ["-20.00", "12.00"], [("0.00", "-10.00"), ("10.00", "2.00")]),
    ],
)
def test_an_amount_off_is_had_once_by_all_usage_of_a_period(
    flat: str, used: str, late: list[str], documents: list[tuple[str, str]]
) -> None:
    bills = billed(flat, used, TEN)
    assert [bills.late(("pages", amount)) for amount in late] == documents


def test_less_of_one_and_more_of_another_are_seen_together() -> None:
    # 4.00 and 2.00 were free, 4.00 of the 10.00 are left. The pages fall away and 5.00 of words come: 9.00 in all, free.
    assert billed("4.00", "2.00", TEN).late(("pages", "-2.00"), ("words", "5.00")) == ("3.00", "0.00")
    # 10.00 and 10.00 with 10.00 off, of which the pages fall away: the flat price is free now.
    assert billed("10.00", "10.00", TEN).late(("pages", "-10.00")) == ("0.00", "-10.00")


def test_several_amounts_off_are_told_apart() -> None:
    bills = billed("4.00", "2.00", SEVEN, THREE)
    made = [piece("late", "5.00")]
    found = amounts_off.discounts_of(
        made, earlier={SERVICE: bills.lines}, versions={base.VERSION: base.version(SEVEN, THREE)}, currency=EUR
    )
    assert [(one.name, str(one.amount)) for one in found] == [("Welcome", "1.00"), ("Friend", "3.00")]


def test_what_was_gathered_goes_to_the_next_document_with_its_amount_off() -> None:
    # What is gathered is a line already, with 4.00 off; on the invoice that takes it it is not off a second time, nor lost.
    bills = billed("4.00", "2.00", TEN)
    gathered = piece("late", "9.00")
    assert bills.bill([gathered]) == ("4.00", "5.00")
    again = amounts_off.discounts_of([gathered], earlier={SERVICE: bills.lines}, versions={base.VERSION: base.version(TEN)}, currency=EUR)
    assert [str(one.amount) for one in again] == ["4.00"]


CENTS = st.integers(0, 3000)


@given(flat=CENTS, off=st.integers(1, 2000), counts=st.lists(st.tuples(CENTS, CENTS), min_size=1, max_size=6))
def test_whatever_comes_late_in_the_end_the_period_costs_what_it_would_have(flat: int, off: int, counts: list[tuple[int, int]]) -> None:
    bills = Bills(AmountDiscount(Decimal(off) / 100))
    bills.bill([piece("base", str(Decimal(flat) / 100), LineKind.CHARGE)])
    bills.bill([piece(name, str(Decimal(cents) / 100), LineKind.CHARGE) for name, cents in zip(("a", "b"), counts[0], strict=True)])
    for before, now in itertools.pairwise(counts):
        changed = zip(("a", "b"), before, now, strict=True)
        bills.late(*((name, str(Decimal(new - old) / 100)) for name, old, new in changed if new != old))
        paid = sum(line.amount - line.discount for line in bills.lines)
        assert paid == Decimal(max(flat + sum(now) - off, 0)) / 100
