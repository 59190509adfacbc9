"""The judge of the billing run notices what it is there for: broken books, worked by hand."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from carbonledger.domains.subscriptions.core import commands
from tests.soak.bills import judge
from tests.unit.domains.subscriptions.lives import ACCOUNT, Life, at, flat, plan, usage

UNTIL = at("2026-06-30")


def changed() -> Life:
    """Ten for June, and from the 16th on twenty: five given back and ten charged."""
    return Life(plan("ten", flat("10")), at("2026-06-01")).do(at("2026-06-16"), commands.change_plan, plan("twenty", flat("20")))


def books(life: Life, *amounts: str) -> dict[str, Any]:
    """The lines of what is due until the end of June, with these amounts."""
    return {
        one.cause: {"cause": one.cause, "amount": Decimal(amount), "state": "issued"}
        for one, amount in zip(life.due(UNTIL), amounts, strict=True)
    }


def test_right_books_are_found_right() -> None:
    life = changed()
    lines = books(life, "10.00", "-5.00", "10.00")
    assert [*judge.missing(life.due(UNTIL), lines), *judge.misjudged(life.due(UNTIL), lines)] == []


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_line_that_is_not_there_is_missed(place: int) -> None:
    life = changed()
    lines = books(life, "10.00", "-5.00", "10.00")
    cause = life.due(UNTIL)[place].cause
    del lines[cause]
    assert list(judge.missing(life.due(UNTIL), lines)) == [f"{cause} is due and was never billed"]


def test_a_charge_and_its_whole_credit_are_nothing_together_but_not_alone() -> None:
    life = Life(plan("ten", flat("10")), at("2026-06-01")).do(at("2026-06-01"), commands.change_plan, plan("twenty", flat("20")))
    debit, credit, _ = life.due(UNTIL)
    lines = books(life, "10.00", "-10.00", "20.00")
    del lines[credit.cause]
    assert list(judge.missing(life.due(UNTIL), lines)) == [f"{debit.cause} is billed without what makes it nothing"]
    del lines[debit.cause]
    assert list(judge.missing(life.due(UNTIL), lines)) == []


@pytest.mark.parametrize("amounts", [("10.01", "-5.00", "10.00"), ("10.00", "-10.00", "10.00"), ("10.00", "-5.00", "20.00")])
def test_a_wrong_amount_is_found(amounts: tuple[str, str, str]) -> None:
    life = changed()
    assert len(list(judge.misjudged(life.due(UNTIL), books(life, *amounts)))) == 1


@pytest.mark.parametrize("exact, cents", [("1/3", "0.33"), ("1/200", "0.01"), ("-1/200", "-0.01"), ("7/1000", "0.01"), ("-14/3", "-4.67")])
def test_amounts_are_rounded_half_away_from_nothing(exact: str, cents: str) -> None:
    assert judge.rounded(Fraction(exact)) == Decimal(cents)


@pytest.mark.parametrize(
    "quantity, amount, wrongs",
    [
        # 120 pages: a hundred at 0.10 and twenty at 0.05 are 11.00.
        ("120", "11.00", 0),
        ("119", "11.00", 1),
        ("120", "12.00", 1),
    ],
)
def test_usage_is_held_against_what_was_told(quantity: str, amount: str, wrongs: int) -> None:
    life = Life(plan("pages", usage("pages")), at("2026-06-01"))
    (due,) = life.due(at("2026-07-01"))
    there = [
        (at("2026-05-31T23:59:59Z"), Decimal(7)),
        (at("2026-06-01"), Decimal(50)),
        (at("2026-06-30"), Decimal(70)),
        (at("2026-07-01"), Decimal(9)),
    ]
    row = {"cause": due.cause, "quantity": Decimal(quantity), "amount": Decimal(amount), "is_void": False}
    assert len(list(judge.miscounted([due], [row], {ACCOUNT: there}, until=at("2026-07-01")))) == wrongs
