"""What the lines of a subscription that might be come to: the figures that a bill would have, and none where there is no usage to price."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from carbonledger.domains.catalog.types import AmountDiscount
from carbonledger.domains.catalog.types.charges import Flat
from carbonledger.domains.invoices.service import foreseeing
from carbonledger.domains.subscriptions.core import commands
from tests.unit.domains.subscriptions.lives import Life, at, flat, plan, usage


def test_flat_lines_credits_and_fees_have_their_amounts() -> None:
    # docs.stripe.com/billing/subscriptions/prorations: from 10 USD to 20 USD halfway through is -5 and +10; and a fee of 3.
    life = Life(plan("ten", flat("10"), usage(), setup_fee="3"), at("2026-06-01"))
    life.do(at("2026-06-16"), commands.change_plan, plan("twenty", flat("20")))
    due = life.due(at("2026-06-30"))
    amounts = foreseeing.amounts(due, life.versions)
    assert [str(amounts[one.cause]) for one in due] == ["3.00", "10.00", "-5.00", "10.00"]


def test_what_rests_on_usage_has_none() -> None:
    life = Life(plan("m", usage(), flat("10"), commitment="50"), at("2026-06-01"))
    due = life.due(at("2026-07-01"))
    amounts = foreseeing.amounts(due, life.versions)
    named = [(one.kind.value, None if one.charge is None else one.charge.code, amounts.get(one.cause)) for one in due]
    assert [(kind, code, None if amount is None else str(amount)) for kind, code, amount in named] == [
        ("charge", "base", "10.00"),
        ("charge", "calls", None),
        ("commitment_true_up", None, None),
        ("charge", "base", "10.00"),
    ]


def test_a_commitment_of_flat_prices_is_what_they_lack() -> None:
    life = Life(plan("c", flat("30"), commitment="50"), at("2026-06-01"))
    due = life.due(at("2026-07-01"))
    amounts = foreseeing.amounts(due, life.versions)
    assert {one.kind.value: str(amounts[one.cause]) for one in due} == {"charge": "30.00", "commitment_true_up": "20.00"}
    assert foreseeing.amounts((), {}) == {}


def test_a_part_of_a_period_is_foreseen_with_its_part_of_an_amount_off() -> None:
    # 30 less 5 a month; from the 16th of 30 days, half of it back and half of another plan's 55.
    fee = replace(flat("30"), discount=AmountDiscount(Decimal("5.00")))
    life = Life(plan("a", fee), at("2026-06-01"))
    life.do(at("2026-06-16"), commands.change_plan, plan("b", replace(fee, model=Flat(Decimal("60.00")))))
    due = life.due(at("2026-06-30"))
    amounts = foreseeing.amounts(due, life.versions)
    assert [str(amounts[one.cause]) for one in due] == ["25.00", "-12.50", "27.50"]
