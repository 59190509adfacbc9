"""What is charged for a part of a period: published examples of other products, and cases worked by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import pytest

from carbonledger.domains.catalog.types import AnchorKind, Charge, Proration
from carbonledger.domains.catalog.types.charges import CostPlus, Timing
from carbonledger.domains.subscriptions.core import charging, commands, owed
from carbonledger.domains.subscriptions.types import DueKind, When
from carbonledger.kernel.period import CalendarUnit, Interval
from tests.unit.domains.subscriptions import lives
from tests.unit.domains.subscriptions.lives import Life, at, flat, local, plan, usage

TEN, TWENTY = plan("ten", flat("10")), plan("twenty", flat("20"))
CALENDAR = AnchorKind.CALENDAR


def test_half_a_period_of_an_upgrade_as_stripe_documents_it() -> None:
    # docs.stripe.com/billing/subscriptions/prorations: from 10 USD to 20 USD halfway through is -5 and +10. June has 30 days.
    life = Life(TEN, at("2026-06-01")).do(at("2026-06-16"), commands.change_plan, TWENTY)
    assert life.bill(at("2026-06-30")) == [
        ("06-01", "base", "06-01..07-01", "10.00"),
        ("06-16", "base", "06-16..07-01", "-5.00"),
        ("06-16", "base", "06-16..07-01", "10.00"),
    ]


def test_an_upgrade_in_arrears_as_lago_documents_it() -> None:
    # getlago.com/docs/guide/subscriptions/upgrades-downgrades: 100 a month in arrears by the calendar, to 200 on 15 January: 14/31 of
    # 100 is 45.16 and 17/31 of 200 is 109.68. Lago writes the first part on the 15th; here both come when the period is over.
    arrears = Timing.ARREARS
    old, new = plan("a", flat("100", timing=arrears), anchor=CALENDAR), plan("b", flat("200", timing=arrears), anchor=CALENDAR)
    life = Life(old, at("2026-01-01")).do(at("2026-01-15T09:00:00Z"), commands.change_plan, new)
    assert life.bill(at("2026-02-01")) == [
        ("02-01", "base", "01-01..01-15", "45.16"),
        ("02-01", "base", "01-15..02-01", "109.68"),
    ]


def test_a_first_part_up_to_a_named_day_as_kill_bill_describes_it() -> None:
    # killbill.io/subscription-billing: billed on the 15th, bought on 1 January: 1 to 15 January, then every 15th. 14 of the 31 days from
    # 15 December, of 31 a month.
    life = Life(plan("kb", flat("31")), at("2026-01-01"), anchor=date(2026, 1, 15))
    assert life.bill(at("2026-02-20")) == [
        ("01-01", "base", "01-01..01-15", "14.00"),
        ("01-15", "base", "01-15..02-15", "31.00"),
        ("02-15", "base", "02-15..03-15", "31.00"),
    ]


def test_a_named_day_as_stripe_documents_it() -> None:
    # stripe.com/docs/payments/checkout/billing-cycle: created on 15 May, anchor 1 June: billed on 15 May, then on the 1st. 17 of 31 days.
    life = Life(plan("s", flat("31")), at("2026-05-15"), anchor=date(2026, 6, 1))
    assert life.bill(at("2026-07-01")) == [
        ("05-15", "base", "05-15..06-01", "17.00"),
        ("06-01", "base", "06-01..07-01", "31.00"),
        ("07-01", "base", "07-01..08-01", "31.00"),
    ]


def test_a_last_part_as_oracle_documents_it() -> None:
    # docs.oracle.com, Subscription Management, "Bill Partial Periods": 15 January to 10 April 2019 (inside) is two periods and 27/31.
    life = Life(plan("o", flat("100", timing=Timing.ARREARS)), at("2019-01-15"))
    life.do(at("2019-04-10T16:00:00Z"), commands.cancel)
    assert [(due.numerator, due.denominator) for due in life.due(lives.FAR)] == [(31, 31), (28, 28), (27, 31)]
    assert life.bill(lives.FAR)[-1] == ("04-10", "base", "03-15..04-11", "87.10")  # 100 x 27/31 = 87.0967…


def test_a_week_by_the_calendar_as_lago_documents_it() -> None:
    # getlago.com/changelog/weekly-plan-interval: Monday to Sunday, the first week pro rata. 2026-06-04 is a Thursday: 4 of 7 days.
    life = Life(plan("w", flat("7"), interval=Interval(CalendarUnit.WEEK), anchor=CALENDAR), at("2026-06-04"))
    assert life.bill(at("2026-06-08")) == [("06-04", "base", "06-04..06-08", "4.00"), ("06-08", "base", "06-08..06-15", "7.00")]


def test_a_second_is_a_part_too() -> None:
    # 30 days of June are 2,592,000 s; from 16 June 12:00 on, 1,252,800 s are left: 10 x 0.48333… and 20 x 0.48333….
    old, new = plan("x", flat("10"), proration=Proration.SECOND), plan("y", flat("20"), proration=Proration.SECOND)
    life = Life(old, at("2026-06-01")).do(at("2026-06-16T12:00:00.999Z"), commands.change_plan, new)
    credit, charge = life.due(at("2026-06-30"))[1:]
    assert (credit.numerator, credit.denominator, credit.debited) == (1_252_800, 2_592_000, 2_592_000)
    assert (charge.numerator, charge.denominator) == (1_252_800, 2_592_000)
    assert [item[3] for item in life.bill(at("2026-06-30"))] == ["10.00", "-4.83", "9.67"]


def test_without_proration_the_new_price_comes_with_the_next_period() -> None:
    # docs.stripe.com, proration_behavior "none": the customer is billed at the new price when the next invoice is made.
    life = Life(TEN, at("2026-06-01")).do(at("2026-06-16"), commands.change_plan, TWENTY, proration=Proration.NONE)
    assert life.bill(at("2026-07-01")) == [("06-01", "base", "06-01..07-01", "10.00"), ("07-01", "base", "07-01..08-01", "20.00")]
    assert life.stands(at("2026-06-16")).plan_version_id == TWENTY.id


def test_a_credit_gives_back_what_was_debited_though_prices_changed_twice() -> None:
    # 30 days: 10, then on the 11th (20 days left) 20 x 20/30 = 13.33, then on the 21st (10 days left) back to 10.
    # The second credit is half of the 13.33 that were debited, 6.67, and not 10/30 of anything that is charged now.
    life = Life(TEN, at("2026-06-01"))
    life.do(at("2026-06-11"), commands.change_plan, TWENTY).do(at("2026-06-21"), commands.change_plan, TEN)
    assert [item[3] for item in life.bill(at("2026-06-30"))] == ["10.00", "-6.67", "13.33", "-6.67", "3.33"]


def test_seats_that_come_and_go() -> None:
    # 5 seats at 30 for 30 days; on the 16th 8 seats: -75 for five, +120 for eight; on the 26th (5 days left) 2 seats: -40, +10.
    life = Life(plan("seats", flat("30", per_seat=True)), at("2026-06-01"), quantity=5)
    life.do(at("2026-06-16"), commands.change_quantity, 8).do(at("2026-06-26"), commands.change_quantity, 2)
    assert [item[3] for item in life.bill(at("2026-06-30"))] == ["150.00", "-75.00", "120.00", "-40.00", "10.00"]


def test_what_is_not_prorated_is_due_once_in_full_and_more_seats_are_added() -> None:
    life = Life(plan("whole", flat("30", per_seat=True, prorated=False)), at("2026-06-01"), quantity=2)
    life.do(at("2026-06-16"), commands.change_quantity, 5).do(at("2026-06-20"), commands.change_quantity, 1)
    assert [item[3] for item in life.bill(at("2026-06-30"))] == ["60.00", "90.00"]
    assert life.bill(at("2026-07-01"))[-1] == ("07-01", "base", "07-01..08-01", "30.00")


def test_a_pause_is_not_charged_but_its_first_and_last_day_are() -> None:
    # Paused on the 10th, resumed on the 20th: the 11th to the 19th are nine days of 30; 16 to 30 are charged anew, as 11 days.
    life = Life(plan("p", flat("30")), at("2026-06-01"))
    life.do(at("2026-06-10T15:00:00Z"), commands.pause).do(at("2026-06-20T08:00:00Z"), commands.resume)
    assert life.bill(at("2026-06-30")) == [
        ("06-01", "base", "06-01..07-01", "30.00"),
        ("06-10", "base", "06-11..07-01", "-20.00"),
        ("06-20", "base", "06-20..07-01", "11.00"),
    ]


def test_a_pause_within_one_day_costs_nothing_and_gives_nothing() -> None:
    life = Life(plan("p", flat("30")), at("2026-06-01"))
    life.do(at("2026-06-10T15:00:00Z"), commands.pause).do(at("2026-06-10T18:00:00Z"), commands.resume)
    assert sum(float(item[3]) for item in life.bill(at("2026-06-30"))) == 30


def test_another_interval_on_the_day_of_a_pause_leaves_that_day_to_the_old_plan() -> None:
    # Paused on the 10th at 15:00, which still counts: 20 of 30 days are given back. On to two weeks at 18:00, resumed on the 20th: the
    # two weeks from the 10th are half over, those to the 24th have four of 14 days left. Usage is the old plan's until 15:00.
    weeks = plan("weeks", flat("14"), usage(), interval=Interval(CalendarUnit.WEEK, 2))
    life = Life(plan("p", flat("30"), usage()), at("2026-06-01")).do(at("2026-06-10T15:00:00Z"), commands.pause)
    life.do(at("2026-06-10T18:00:00Z"), commands.change_plan, weeks, when=When.NOW).do(at("2026-06-20T08:00:00Z"), commands.resume)
    found = life.due(at("2026-06-24"))
    assert [
        lives.line(due, found)[:1] + lives.line(due, found)[2:] for due in found if due.charge is not None and due.charge.code == "base"
    ] == [
        ("06-01", "06-01..07-01", "30.00"),
        ("06-10", "06-11..07-01", "-20.00"),
        ("06-20", "06-20..06-24", "4.00"),
        ("06-24", "06-24..07-08", "14.00"),
    ]
    assert [(one.start, one.end) for due in found if due.charge is not None and due.charge.code == "calls" for one in due.stretches] == [
        (at("2026-06-01"), at("2026-06-10T15:00:00Z")),
        (at("2026-06-20T08:00:00Z"), at("2026-06-24")),
    ]


def test_a_change_that_a_move_took_off_its_renewal_counts_from_its_day_though_nothing_is_cut() -> None:
    # Planned for 1 July 00:00Z, when it is 10:30 on Lord Howe already: the month of July began there at 13:30Z of the day before. It is
    # charged then, given back whole when the year takes over, and the year begins on the same 1 July.
    year = plan("year", flat("365"), usage(), interval=Interval(CalendarUnit.YEAR), proration=Proration.NONE)
    life = Life(plan("m", flat("30"), usage(), proration=Proration.NONE), at("2026-05-01"))
    life.do(at("2026-05-10"), commands.change_zone, "Australia/Lord_Howe")
    july = at("2026-06-30T13:30:00Z")
    desk = commands.Desk(facts=life.facts, versions=life.versions, actor=lives.ACTOR, at=at("2026-05-11"))
    (planned,) = commands.change_plan(desk, year)
    life.versions[year.id] = year
    life.facts += (replace(planned, effective_at=at("2026-07-01")),)
    found = life.due(at("2026-07-01"))
    assert [(due.part.start, due.numerator, due.denominator) for due in found if due.kind is DueKind.CREDIT] == [(july, 31, 31)]
    assert [due.part.start for due in found if due.plan_version_id == year.id] == [july]
    assert [one.end for due in found if due.charge is not None and due.charge.code == "calls" for one in due.stretches][-1] == july


def test_usage_of_a_pause_is_left_out_to_the_instant_and_a_plan_that_comes_back_is_one_line() -> None:
    metered, other = plan("m", usage()), plan("n", usage())
    life = Life(metered, at("2026-06-01"))
    life.do(at("2026-06-05T10:00:00Z"), commands.pause).do(at("2026-06-06T11:00:00Z"), commands.resume)
    life.do(at("2026-06-10T12:00:00Z"), commands.change_plan, other).do(at("2026-06-12T12:00:00Z"), commands.change_plan, metered)
    found = {
        due.plan_version_id: [(f"{one.start:%dT%H}", f"{one.end:%dT%H}") for one in due.stretches] for due in life.due(at("2026-07-01"))
    }
    assert found == {
        metered.id: [("01T00", "05T10"), ("06T11", "10T00"), ("12T00", "01T00")],
        other.id: [("10T00", "12T00")],  # the day of a change belongs to the new plan
    }


def test_usage_without_a_meter_of_its_own_is_in_arrears_as_all_usage_is() -> None:
    # What providers charged for all of a customer's usage, and a margin: no meter, and not flat.
    whole = Charge(code="ai", name="AI", model=CostPlus(Decimal(20)))
    assert [due.billable_at for due in Life(plan("m", whole), at("2026-06-01")).due(at("2026-07-15"))] == [at("2026-07-01")]


@pytest.mark.parametrize("credit, amounts", [(True, ["30.00", "-15.00"]), (False, ["30.00"])])
def test_a_cancellation_gives_back_what_it_is_told_to(credit: bool, amounts: list[str]) -> None:
    # Canceled on the 15th, which still counts: 16 to 30 June are 15 of 30 days.
    life = Life(plan("c", flat("30")), at("2026-06-01")).do(at("2026-06-15T12:00:00Z"), commands.cancel, credit=credit)
    assert [item[3] for item in life.bill(lives.FAR)] == amounts


def test_a_cancellation_at_the_end_charges_nothing_more() -> None:
    life = Life(plan("c", flat("30")), at("2026-06-01")).do(at("2026-06-15"), commands.cancel, when=When.RENEWAL)
    assert life.bill(lives.FAR) == [("06-01", "base", "06-01..07-01", "30.00")]


def test_a_canceled_one_that_comes_back_begins_a_period_of_its_own() -> None:
    life = Life(plan("c", flat("30")), at("2026-06-01")).do(at("2026-06-15T12:00:00Z"), commands.cancel, credit=True)
    life.do(at("2026-06-20T12:00:00Z"), commands.reactivate, zone="UTC")
    assert life.bill(at("2026-07-20"))[2:] == [("06-20", "base", "06-20..07-20", "30.00"), ("07-20", "base", "07-20..08-20", "30.00")]


def test_a_day_that_was_canceled_and_reactivated_is_charged_once() -> None:
    # The 15th stays with the first period; what begins anew goes from the 16th: 29 of 30 days.
    life = Life(plan("c", flat("30")), at("2026-06-01")).do(at("2026-06-15T12:00:00Z"), commands.cancel, credit=True)
    life.do(at("2026-06-15T13:00:00Z"), commands.reactivate, zone="UTC")
    assert [item[3] for item in life.bill(at("2026-06-30"))] == ["30.00", "-15.00", "29.00"]


def paid_until_july(*charges: Charge) -> Life:
    """June paid for at 30 a month, canceled without giving anything back, back on the 8th and on to two weeks at 14 on the 10th."""
    life = Life(plan("m", flat("30"), *charges), at("2026-06-01")).do(at("2026-06-05T12:00:00Z"), commands.cancel, proration=Proration.NONE)
    weeks = plan("weeks", flat("14"), *charges, interval=Interval(CalendarUnit.WEEK, 2))
    life.do(at("2026-06-08T12:00:00Z"), commands.reactivate, zone="UTC")
    return life.do(at("2026-06-10T12:00:00Z"), commands.change_plan, weeks)


def test_what_was_paid_for_longer_is_not_charged_again_by_what_begins_in_it() -> None:
    # Two weeks from the 10th are paid for; of those from 24 June to 7 July the seven days of July are not: 7 of 14 days.
    assert paid_until_july().bill(at("2026-07-08")) == [
        ("06-01", "base", "06-01..07-01", "30.00"),
        ("06-24", "base", "07-01..07-08", "7.00"),
        ("07-08", "base", "07-08..07-22", "14.00"),
    ]


def test_usage_counts_while_flat_prices_are_paid_for_longer() -> None:
    found = [due for due in paid_until_july(usage()).due(at("2026-07-08")) if due.charge is not None and due.charge.code == "calls"]
    assert [(f"{due.part.start:%m-%d}", f"{due.part.end:%m-%d}", f"{due.billable_at:%m-%d}") for due in found] == [
        ("06-01", "06-05", "06-05"),
        ("06-08", "06-10", "06-10"),
        ("06-10", "06-24", "06-24"),
        ("06-24", "07-08", "07-08"),
    ]


@pytest.mark.parametrize("day", ["2026-06-12", "2026-06-24", "2026-06-30"])
def test_a_pause_while_flat_prices_are_paid_for_longer_gives_back_what_was_debited_by_then(day: str) -> None:
    # Before the 24th nothing of July was debited, so nothing is given back and nothing is due later; from then on the 7.00 are.
    life = paid_until_july().do(at(f"{day}T12:00:00Z"), commands.pause)
    billed = {due.cause for due in life.due(at(f"{day}T12:00:00Z"))}
    assert {due.cause for due in life.due(at("2026-07-08"))} == billed
    assert life.bill(at("2026-07-08")) == [("06-01", "base", "06-01..07-01", "30.00")]


def test_a_trial_that_is_canceled_for_its_end_costs_nothing_and_the_setup_fee_waits() -> None:
    life = Life(plan("f", flat("30"), setup_fee="99", trial_days=14), at("2026-06-01"))
    life.do(at("2026-06-05"), commands.cancel, when=When.RENEWAL)
    assert life.bill(lives.FAR) == []
    life.do(at("2026-08-01"), commands.reactivate, zone="UTC")
    assert life.bill(at("2026-08-01")) == [("08-01", "setup", "08-01..09-01", "99.00"), ("08-01", "base", "08-01..09-01", "30.00")]


@pytest.mark.parametrize("changed, canceled", [("2026-06-10", "2026-06-11"), ("2026-06-11", "2026-06-10")])
def test_another_interval_and_the_end_at_one_renewal_charge_nothing_more(changed: str, canceled: str) -> None:
    year = plan("year", flat("365"), usage(), interval=Interval(CalendarUnit.YEAR))
    life = Life(plan("m", flat("30")), at("2026-06-01"))
    for day in ("2026-06-10", "2026-06-11"):
        if day == changed:
            life.do(at(day), commands.change_plan, year, when=When.RENEWAL)
        if day == canceled:
            life.do(at(day), commands.cancel, when=When.RENEWAL)
    assert life.bill(lives.FAR) == [("06-01", "base", "06-01..07-01", "30.00")]


def test_a_change_on_the_anchor_instant_replaces_the_whole_charge() -> None:
    # Decided before: the period begins with it. Decided at the very instant, when it may be billed already: all of it is credited.
    before = Life(TEN, at("2026-06-01")).do(at("2026-06-30"), commands.change_plan, TWENTY, when=When.RENEWAL)
    assert before.bill(at("2026-07-01"))[1:] == [("07-01", "base", "07-01..08-01", "20.00")]
    on = Life(TEN, at("2026-06-01")).do(at("2026-07-01"), commands.change_plan, TWENTY)
    assert on.bill(at("2026-07-01"))[1:] == [("07-01", "base", "07-01..08-01", "20.00")]
    assert [lives.amount(due, on.due(at("2026-07-01"))) for due in on.due(at("2026-07-01"))[1:]] == [10, -10, 20]


def test_three_changes_in_one_second_leave_the_last() -> None:
    life, thirty = Life(TEN, at("2026-06-01")), plan("thirty", flat("30"))
    for second, version in (("10:00:00.1", TWENTY), ("10:00:00.2", TEN), ("10:00:00.3", thirty)):
        life.do(at(f"2026-06-16T{second}Z"), commands.change_plan, version)
    assert len({due.cause for due in life.due(at("2026-06-30"))}) == 7
    assert [item[3] for item in life.bill(at("2026-06-30"))] == ["10.00", "-5.00", "15.00"]


def test_a_longer_interval_begins_at_once_with_a_date_of_its_own() -> None:
    # 15 of 30 days of a month of 30 are given back, and a year of 365 begins on the 16th.
    year = plan("year", flat("365"), interval=Interval(CalendarUnit.YEAR))
    life = Life(plan("c", flat("30")), at("2026-06-01")).do(at("2026-06-16T12:00:00Z"), commands.change_plan, year)
    assert life.bill(at("2027-06-16")) == [
        ("06-01", "base", "06-01..07-01", "30.00"),
        ("06-16", "base", "06-16..07-01", "-15.00"),
        ("06-16", "base", "06-16..06-16", "365.00"),
        ("06-16", "base", "06-16..06-16", "365.00"),
    ]


def test_a_setup_fee_is_due_once_with_the_first_charge_after_the_trial() -> None:
    life = Life(plan("f", flat("30"), setup_fee="99", trial_days=14), at("2026-06-01"))
    life.do(at("2026-07-01"), commands.cancel).do(at("2026-08-01"), commands.reactivate, zone="UTC")
    assert life.bill(at("2026-08-01")) == [
        ("06-15", "setup", "06-15..07-15", "99.00"),
        ("06-15", "base", "06-15..07-15", "30.00"),
        ("08-01", "base", "08-01..09-01", "30.00"),
    ]


def test_a_commitment_is_looked_at_when_the_period_is_over_and_prorated_with_it() -> None:
    # The calendar's June from the 16th: 15 of 30 days; then canceled on 10 July, inside: 10 of 31.
    life = Life(plan("m", usage(), commitment="310", anchor=CALENDAR), at("2026-06-16")).do(at("2026-07-10T12:00:00Z"), commands.cancel)
    found = [due for due in life.due(lives.FAR) if due.kind is DueKind.COMMITMENT_TRUE_UP]
    assert [(due.numerator, due.denominator, lives.amount(due, ())) for due in found] == [(15, 30, Decimal(155)), (10, 31, Decimal(100))]
    assert [f"{due.billable_at:%m-%d}" for due in found] == ["07-01", "07-10"]


def test_a_fixed_term_ends_by_itself() -> None:
    life = Life(plan("t", flat("30")), at("2026-06-01"), ends_at=at("2026-08-01"))
    assert [item[0] for item in life.bill(lives.FAR)] == ["06-01", "07-01"]


def test_a_start_in_the_past_is_charged_as_it_would_have_been() -> None:
    told = plan("t", flat("30"), trial_days=14)
    late = Life(told, at("2026-03-01"), recorded_at=at("2026-06-15"), ends_at=at("2026-05-15"))
    assert late.bill(at("2026-06-15")) == Life(told, at("2026-03-01"), ends_at=at("2026-05-15")).bill(at("2026-06-15"))


def test_only_what_is_asked_for_is_returned() -> None:
    life = Life(TEN, at("2020-01-31"))
    some = life.due(at("2026-07-31"), since=at("2026-05-31"))
    assert [f"{due.billable_at:%m-%d}" for due in some] == ["05-31", "06-30", "07-31"]
    assert some == tuple(due for due in life.due(at("2026-07-31")) if due.billable_at >= at("2026-05-31"))


@pytest.mark.parametrize("since", [None, at("2026-06-11T22:15:00Z")])
def test_what_was_over_when_it_was_decided_is_found_by_who_billed_since(since: datetime | None) -> None:
    # By the day from the 11th on, decided at 22:30Z, in the last half hour of London's 11th. Berlin's was over at 22:00Z: that day
    # of the new plan was over before the change, and before the bills of 22:15Z, and is due with it.
    daily = plan("daily", usage(), interval=Interval(CalendarUnit.DAY))
    life = Life(plan("m", flat("30")), local("2026-06-01T00:00:00", "Europe/London"), name="Europe/London")
    life.do(at("2026-06-10T20:00:00Z"), commands.change_zone, "Europe/Berlin")
    life.do(at("2026-06-11T22:30:00Z"), commands.change_plan, daily, when=When.NOW)
    found = [due for due in life.due(at("2026-06-11T22:45:00Z"), since=since) if due.charge is not None and due.charge.code == "calls"]
    assert [(due.part.start, due.part.end, due.billable_at) for due in found] == [
        (at("2026-06-10T23:00:00Z"), at("2026-06-11T22:00:00Z"), at("2026-06-11T22:30:00Z"))
    ]


def test_netting_leaves_what_is_credited_in_part() -> None:
    life = Life(TEN, at("2026-06-01")).do(at("2026-06-16"), commands.change_plan, TWENTY)
    every = life.due(at("2026-06-30"))
    assert charging.netted(every) == every


FEE = flat("30")


def test_one_that_was_never_paid_is_charged_nothing_more_when_it_expires() -> None:
    """Of its first day no usage, no arrears and no part of a commitment; what was charged in advance is on the invoice that is void."""
    told = plan("p", FEE, flat("9", code="support", timing=Timing.ARREARS), usage(), commitment="100")
    life = Life(told, at("2026-06-01T10:00:00Z"), payment_first=True)
    assert life.bill(lives.FAR) == [("06-01", "base", "06-01..07-01", "30.00")]
    assert [due.alone for due in life.due(lives.FAR)] == [True]
    life.do(at("2026-06-05"), commands.reactivate, zone="UTC")
    assert life.bill(at("2026-06-30"))[1:] == [("06-05", "base", "06-05..07-05", "30.00")]
    assert [due.alone for due in life.due(at("2026-06-30"))] == [True, False]


def test_one_that_is_paid_in_time_goes_on_as_any_other() -> None:
    life = Life(plan("p", FEE), at("2026-06-01"), payment_first=True).do(at("2026-06-01T22:59:59Z"), commands.payment, failed=False)
    assert life.bill(at("2026-07-01")) == [("06-01", "base", "06-01..07-01", "30.00"), ("07-01", "base", "07-01..08-01", "30.00")]
    assert [due.alone for due in life.due(at("2026-07-01"))] == [True, False]


def test_what_expired_before_it_was_billed_is_not_billed() -> None:
    life = Life(plan("p", FEE), at("2026-06-01"), payment_first=True)
    assert owed.forgone(life.due(at("2026-06-02")), life.facts, until=at("2026-06-01T22:59:59Z")) == life.due(at("2026-06-02"))
    assert owed.forgone(life.due(at("2026-06-02")), life.facts, until=at("2026-06-01T23:00:00Z")) == ()


def parts(life: Life) -> dict[str, list[tuple[int, int]]]:
    """The part of the price of each due charge, by its code."""
    found: dict[str, list[tuple[int, int]]] = {}
    for due in life.due(lives.FAR):
        if due.kind is DueKind.CHARGE and due.charge is not None:
            found.setdefault(due.charge.code, []).append((due.numerator, due.denominator))
    return found


def test_usage_that_is_not_prorated_has_its_whole_allowance_in_a_part() -> None:
    """Canceled on the 15th, which still counts: what is prorated has 15 days of its allowance, minimum and maximum; what is not, all."""
    whole = replace(usage("whole"), prorated=False)
    life = Life(plan("p", usage("half"), whole), at("2026-06-01")).do(at("2026-06-15T12:00:00Z"), commands.cancel)
    assert parts(life) == {"half": [(15, 30)], "whole": [(1, 1)]}


ARREARS = flat("30", timing=Timing.ARREARS)


@pytest.mark.parametrize(
    "proration, part",
    [
        (Proration.DAY, (15, 30)),
        (Proration.SECOND, (1_252_800, 2_592_000)),  # 14 days and a half
    ],
)
def test_an_allowance_counts_the_day_of_a_cancellation_as_the_flat_price_does(proration: Proration, part: tuple[int, int]) -> None:
    told = plan("p", usage(), ARREARS, proration=proration)
    life = Life(told, at("2026-06-01")).do(at("2026-06-15T12:00:00Z"), commands.cancel)
    assert parts(life) == {"calls": [part], "base": [part]}
    metered = next(due for due in life.due(lives.FAR) if due.charge is not None and due.charge.code == "calls")
    assert metered.part.end == at("2026-06-15T12:00:00Z")  # what is counted ends with the subscription all the same


def test_an_allowance_counts_the_days_of_a_pause_as_the_flat_price_does() -> None:
    # Paused on the 5th at 10 and resumed on the 8th at 11: the 6th and the 7th are not charged.
    life = Life(plan("p", usage(), ARREARS), at("2026-06-01"))
    life.do(at("2026-06-05T10:00:00Z"), commands.pause).do(at("2026-06-08T11:00:00Z"), commands.resume)
    life.do(at("2026-06-30T11:00:00Z"), commands.cancel, when=When.RENEWAL)
    assert parts(life) == {"calls": [(28, 30)], "base": [(28, 30)]}


def test_a_day_that_was_canceled_and_reactivated_has_its_allowance_once() -> None:
    # The 15th stays with the first period; the usage of its afternoon is the second's, which has 29 of 30 days from the 16th on.
    life = Life(plan("p", usage(), ARREARS), at("2026-06-01")).do(at("2026-06-15T12:00:00Z"), commands.cancel)
    life.do(at("2026-06-15T13:00:00Z"), commands.reactivate, zone="UTC")
    life.do(at("2026-07-10T12:00:00Z"), commands.cancel, when=When.RENEWAL)
    assert parts(life) == {"calls": [(15, 30), (29, 30)], "base": [(15, 30), (29, 30)]}


def test_an_allowance_of_less_than_a_day_is_none_where_the_flat_price_is_none() -> None:
    # Canceled, back and canceled again on one day: the day is charged once, by the period that it belongs to.
    life = Life(plan("p", usage(), ARREARS), at("2026-06-01")).do(at("2026-06-15T12:00:00Z"), commands.cancel)
    life.do(at("2026-06-15T13:00:00Z"), commands.reactivate, zone="UTC").do(at("2026-06-15T18:00:00Z"), commands.cancel)
    assert parts(life) == {"calls": [(15, 30), (0, 30)], "base": [(15, 30)]}
