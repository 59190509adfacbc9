"""What the lines of a subscription that might be come to: the figures that a bill would have, and none where there is no usage to price."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from carbonledger.domains.catalog.types import AmountDiscount, AnchorKind, Charge
from carbonledger.domains.catalog.types.charges import Bound, Carbon, CostPlus, Flat, Percentage, Standard
from carbonledger.domains.invoices.service import foreseeing
from carbonledger.domains.invoices.service.foreseeing import Expected
from carbonledger.domains.subscriptions.core import commands
from carbonledger.kernel import errors
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


CALLS = replace(usage(), model=Standard(Decimal("0.01")))


def foreseen(life: Life, until: str, *expected: Expected) -> list[tuple[str, str | None]]:
    """Each due charge by its code or kind, and its amount."""
    due = life.due(at(until))
    amounts = foreseeing.amounts(due, life.versions, usage=foreseeing.usage_of(due, expected))
    named = [(one.kind.value if one.charge is None else one.charge.code, amounts.get(one.cause)) for one in due]
    return [(name, None if amount is None else str(amount)) for name, amount in named]


def test_usage_that_is_expected_is_rated_and_counts_for_a_commitment() -> None:
    # 1,500 calls at 0.01 are 15.00; 10.00 of the 25.00 that are agreed are missing.
    life = Life(plan("m", CALLS, commitment="25"), at("2026-06-01"))
    said = Expected(meter="calls", quantity=Decimal(1500))
    assert foreseen(life, "2026-07-01", said) == [("calls", "15.00"), ("commitment_true_up", "10.00")]


def test_a_part_of_a_period_has_its_part_of_what_is_expected() -> None:
    # From 16 June to the calendar's end of it 15 of 30 days: 750 of 1,500. All of July.
    life = Life(plan("m", CALLS, anchor=AnchorKind.CALENDAR), at("2026-06-16"))
    assert foreseen(life, "2026-08-01", Expected(meter="calls", quantity=Decimal(1500))) == [("calls", "7.50"), ("calls", "15.00")]


def test_what_nothing_is_said_of_has_no_amount() -> None:
    life = Life(plan("m", CALLS, replace(CALLS, code="more", meter_code="more"), commitment="25"), at("2026-06-01"))
    found = foreseen(life, "2026-07-01", Expected(meter="calls", quantity=Decimal(1500)))
    assert found == [("calls", "15.00"), ("more", None), ("commitment_true_up", None)]


def test_what_is_said_of_a_charge_is_in_its_unit_and_counts_before_its_meter() -> None:
    # 10.00 USD and 20 %; 5 kg at 0.20; 100 calls at 0.01 in place of 1,500.
    cost = Charge(code="ai", name="AI", model=CostPlus(markup_percent=Decimal(20)))
    carbon = Charge(code="carbon", name="Carbon", model=Carbon(price_per_kg=Decimal("0.20"), bound=Bound.HIGH))
    life = Life(plan("m", CALLS, cost, carbon), at("2026-06-01"))
    said = [
        Expected(meter="calls", quantity=Decimal(1500)),
        Expected(charge="calls", quantity=Decimal(100)),
        Expected(charge="ai", quantity=Decimal(10)),
        Expected(charge="carbon", quantity=Decimal(5)),
    ]
    assert foreseen(life, "2026-07-01", *said) == [("calls", "1.00"), ("ai", "12.00"), ("carbon", "1.00")]


@pytest.mark.parametrize(
    "said, problem",
    [
        ([Expected(quantity=Decimal(1))], ("/usage/0", "usage_of_nothing")),
        ([Expected(meter="calls", charge="calls", quantity=Decimal(1))], ("/usage/0", "usage_of_nothing")),
        ([Expected(meter="other", quantity=Decimal(1))], ("/usage/0", "not_of_the_plan")),
        ([Expected(charge="base", quantity=Decimal(1))], ("/usage/0", "not_of_the_plan")),  # flat
        ([Expected(meter="calls", quantity=Decimal(1))] * 2, ("/usage/1", "twice")),
        ([Expected(meter="calls", quantity=Decimal(-1))], ("/usage/0/quantity", "too_small")),
        ([Expected(meter="fees", quantity=Decimal(1))], ("/usage/0/event_count", "required")),
    ],
)
def test_what_is_said_of_nothing_is_refused(said: list[Expected], problem: tuple[str, str]) -> None:
    fees = Charge(code="fees", name="Fees", model=Percentage(Decimal(1), fixed_fee_per_event=Decimal("0.10")), meter_code="fees")
    due = Life(plan("m", CALLS, fees, flat("10")), at("2026-06-01")).due(at("2026-08-01"))
    with pytest.raises(errors.Invalid) as refused:
        foreseeing.usage_of(due, said)
    assert [(one.pointer, one.code) for one in refused.value.problems] == [problem]


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
