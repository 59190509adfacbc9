"""What a wish does: where it leads, what it replaces, what refuses it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from carbonledger.domains.catalog.types import AnchorKind, ChangePolicy, Migration, Proration
from carbonledger.domains.subscriptions import types
from carbonledger.domains.subscriptions.core import changes, commands
from carbonledger.domains.subscriptions.types import Direction, Fact, FactKind, Status, When
from carbonledger.kernel import errors
from carbonledger.kernel.period import CalendarUnit, Interval
from tests.unit.domains.subscriptions.lives import Life, at, flat, plan

TEN, TWENTY = plan("ten", flat("10")), plan("twenty", flat("20"))
YEAR = plan("year", flat("100"), interval=Interval(CalendarUnit.YEAR))


def begun(**terms: object) -> Life:
    return Life(TEN, at("2026-06-01"), **terms)  # type: ignore[arg-type]


def test_a_life() -> None:
    life = Life(plan("t", trial_days=14), at("2026-06-01"), recorded_at=at("2026-05-20"))
    life.do(at("2026-06-20"), commands.pause, until=at("2026-06-25")).do(at("2026-07-01"), commands.payment, failed=True)
    life.do(at("2026-07-03"), commands.payment, failed=False).do(at("2026-07-05"), commands.cancel, when=When.RENEWAL)
    days = {
        "2026-05-20": Status.SCHEDULED,
        "2026-06-01": Status.TRIALING,
        "2026-06-15": Status.ACTIVE,
        "2026-06-20": Status.PAUSED,
        "2026-06-25": Status.ACTIVE,
        "2026-07-01": Status.PAST_DUE,
        "2026-07-03": Status.ACTIVE,
        "2026-07-14": Status.ACTIVE,
        "2026-07-15": Status.CANCELED,
    }
    assert {day: life.stands(at(day)).status for day in days} == days


def test_payment_first_is_incomplete_until_it_is_paid() -> None:
    life = begun(payment_first=True)
    assert life.stands(at("2026-06-01")).status is Status.INCOMPLETE
    assert life.do(at("2026-06-01"), commands.payment, failed=False).stands(at("2026-06-01")).status is Status.ACTIVE
    expired = begun(payment_first=True).do(at("2026-06-02"), commands.end, reason="not paid")
    assert expired.stands(at("2026-06-02")).status is Status.ENDED


def test_a_payment_that_fails_in_a_pause_shows_after_it() -> None:
    life = begun().do(at("2026-06-10"), commands.pause).do(at("2026-06-11"), commands.payment, failed=True)
    assert life.stands(at("2026-06-11")).status is Status.PAUSED
    assert life.do(at("2026-06-12"), commands.resume).stands(at("2026-06-12")).status is Status.PAST_DUE


@pytest.mark.parametrize(
    "prepared, command, fault",
    [
        ([commands.cancel], commands.cancel, types.SubscriptionOver),
        ([commands.cancel], commands.pause, types.SubscriptionOver),
        ([commands.cancel], lambda desk: commands.change_quantity(desk, 2), types.SubscriptionOver),
        ([commands.pause], commands.pause, types.SubscriptionPaused),
        ([], commands.resume, types.SubscriptionNotPaused),
        ([], lambda desk: commands.reactivate(desk, zone="UTC"), types.SubscriptionNotCanceled),
        ([lambda desk: commands.payment(desk, failed=True)], commands.pause, types.SubscriptionStateRefuses),
        ([], lambda desk: commands.change_quantity(desk, -1), errors.Invalid),
        ([], lambda desk: commands.pause(desk, until=at("2026-06-10")), errors.Invalid),
    ],
)
def test_what_does_not_fit_is_refused(
    prepared: list[Callable[..., tuple[Fact, ...]]], command: Callable[..., tuple[Fact, ...]], fault: type[errors.Fault]
) -> None:
    life = begun()
    for step in prepared:
        life.do(at("2026-06-10"), step)
    with pytest.raises(fault):
        life.do(at("2026-06-10"), command)


def test_a_scheduled_one_can_be_canceled_and_nothing_else_stops_it() -> None:
    life = Life(TEN, at("2026-07-01"), recorded_at=at("2026-06-01"))
    with pytest.raises(types.SubscriptionStateRefuses):
        life.do(at("2026-06-02"), commands.pause)
    life.do(at("2026-06-02"), commands.cancel)
    assert life.stands(at("2026-08-01")).status is Status.CANCELED
    assert life.bill(at("2026-08-01")) == []


def test_asking_twice_to_cancel_at_the_end_is_asking_once_and_now_comes_before() -> None:
    life = begun().do(at("2026-06-10"), commands.cancel, when=When.RENEWAL)
    assert len(life.do(at("2026-06-11"), commands.cancel, when=When.RENEWAL).facts) == 2
    life.do(at("2026-06-12"), commands.cancel)
    assert life.stands(at("2026-06-12")).over_at == at("2026-06-12")


def test_a_planned_cancellation_is_taken_back() -> None:
    life = begun().do(at("2026-06-10"), commands.cancel, when=When.RENEWAL)
    assert life.stands(at("2026-06-10")).cancels_at == at("2026-07-01")
    life.do(at("2026-06-11"), commands.reactivate, zone="UTC")
    assert life.stands(at("2026-07-02")).status is Status.ACTIVE
    assert life.facts[-1].kind is FactKind.WITHDRAWN


def test_what_was_planned_before_the_end_does_not_come_back_with_a_reactivation() -> None:
    life = begun().do(at("2026-06-10"), commands.pause, until=at("2026-08-01")).do(at("2026-06-12"), commands.cancel)
    life.do(at("2026-06-20"), commands.reactivate, zone="UTC").do(at("2026-07-15"), commands.pause)
    assert life.stands(at("2026-09-01")).status is Status.PAUSED


def test_a_new_wish_replaces_the_one_that_is_planned() -> None:
    life = begun().do(at("2026-06-10"), commands.change_plan, TWENTY, when=When.RENEWAL)
    life.do(at("2026-06-11"), commands.change_plan, plan("thirty", flat("30")), when=When.RENEWAL)
    assert [fact.plan_version_id for fact in life.stands(at("2026-06-11")).pending] == [plan("thirty").id]
    life.do(at("2026-06-12"), commands.change_plan, TEN)  # what it has: so nothing is planned any more
    assert life.stands(at("2026-06-12")).pending == ()


def test_a_pause_from_the_end_of_the_period_can_be_taken_back() -> None:
    life = begun().do(at("2026-06-10"), commands.pause, when=When.RENEWAL)
    assert life.stands(at("2026-06-10")).pauses_at == at("2026-07-01")
    assert life.do(at("2026-06-11"), commands.resume).stands(at("2026-07-02")).status is Status.ACTIVE


@pytest.mark.parametrize("until", [None, at("2026-06-20T09:00:00Z")])
def test_a_paused_trial_has_the_days_left_that_it_had(until: datetime | None) -> None:
    # Fourteen days from 1 June end on the 15th; paused on the 5th ten are left; resumed on the 20th it ends on the 30th.
    life = Life(plan("t", flat("10"), trial_days=14), at("2026-06-01")).do(at("2026-06-05T12:00:00Z"), commands.pause, until=until)
    assert life.stands(at("2026-06-16")).status is Status.PAUSED
    if until is None:
        life.do(at("2026-06-20T09:00:00Z"), commands.resume)
    assert life.stands(at("2026-06-20T09:00:00Z")).status is Status.TRIALING
    assert life.stands(at("2026-06-21")).trial_ends_at == at("2026-06-30")
    assert life.bill(at("2026-06-30"))[0] == ("06-30", "base", "06-30..07-30", "10.00")


def test_a_paused_trial_that_is_resumed_early_counts_from_then() -> None:
    life = Life(plan("t", trial_days=14), at("2026-06-01")).do(at("2026-06-05"), commands.pause, until=at("2026-06-20"))
    assert life.do(at("2026-06-08"), commands.resume).stands(at("2026-06-08")).trial_ends_at == at("2026-06-18")


def test_a_clock_that_goes_back_does_not_take_facts_back() -> None:
    life = begun().do(at("2026-06-10T12:00:00Z"), commands.change_quantity, 5).do(at("2026-06-10T11:59:59Z"), commands.change_quantity, 7)
    assert [fact.effective_at for fact in life.facts[1:]] == [at("2026-06-10T12:00:00Z")] * 2
    assert life.stands(at("2026-06-10T12:00:00Z")).quantity == 7


def test_without_proration_another_interval_waits_for_the_renewal() -> None:
    life = begun().do(at("2026-06-10"), commands.change_plan, YEAR, when=When.NOW, proration=Proration.NONE)
    assert life.facts[-1].effective_at == at("2026-07-01")


@pytest.mark.parametrize("cut, day", [(Proration.DAY, "2026-06-10"), (Proration.NONE, "2026-07-01")])
def test_a_new_version_of_another_interval_is_followed_at_the_renewal_where_nothing_is_cut(cut: Proration, day: str) -> None:
    version = replace(YEAR, plan_id=TEN.plan_id, number=2, effective_at=at("2026-06-10"), migration=Migration.NOW, proration=cut)
    life = begun().do(at("2026-06-05"), commands.follow, version)
    assert (life.facts[-1].kind, life.facts[-1].effective_at) == (FactKind.PLAN_CHANGED, at(day))


@pytest.mark.parametrize(
    "old, new, seats, expected",
    [
        (TEN, TWENTY, (1, 1), Direction.UPGRADE),
        (TWENTY, TEN, (1, 1), Direction.DOWNGRADE),
        (TEN, plan("other", flat("10")), (1, 1), Direction.SAME),
        # A year at 100 is dearer a day than nothing, cheaper a day than a month at 10: longer is what counts, both ways.
        (TEN, YEAR, (1, 1), Direction.UPGRADE),
        (YEAR, TEN, (1, 1), Direction.DOWNGRADE),
        (YEAR, plan("dear", flat("1000")), (1, 1), Direction.DOWNGRADE),
        # 12 months and a year are one length
        (plan("twelve", flat("90"), interval=Interval(CalendarUnit.MONTH, 12)), YEAR, (1, 1), Direction.UPGRADE),
        (plan("a", flat("10", per_seat=True)), plan("b", flat("9", per_seat=True)), (1, 2), Direction.UPGRADE),
    ],
)
def test_which_way_a_change_goes(old: object, new: object, seats: tuple[int, int], expected: Direction) -> None:
    assert changes.direction(old, new, quantity=seats[0], new_quantity=seats[1]) is expected  # type: ignore[arg-type]


def test_the_policy_of_the_present_plan_says_when() -> None:
    careful = plan("careful", flat("10"), upgrade=ChangePolicy.RENEWAL, downgrade=ChangePolicy.NOW)
    assert Life(careful, at("2026-06-01")).do(at("2026-06-10"), commands.change_plan, TWENTY).facts[-1].effective_at == at("2026-07-01")
    cheaper = plan("cheaper", flat("5"))
    assert Life(careful, at("2026-06-01")).do(at("2026-06-10"), commands.change_plan, cheaper).facts[-1].effective_at == at("2026-06-10")
    seats = Life(careful, at("2026-06-01"), quantity=3).do(at("2026-06-10"), commands.change_quantity, 2)
    assert seats.facts[-1].effective_at == at("2026-06-10")


def test_a_start_is_refused_with_all_its_problems() -> None:
    with pytest.raises(errors.Invalid) as caught:
        Life(TEN, at("2026-06-01"), quantity=-1, ends_at=at("2026-05-01"))
    assert [problem.pointer for problem in caught.value.problems] == ["/quantity", "/ends_at"]


def test_a_rhythm_of_another_anchor_is_another_rhythm() -> None:
    calendar = plan("cal", flat("30"), anchor=AnchorKind.CALENDAR)
    life = Life(plan("c", flat("30")), at("2026-06-10")).do(at("2026-06-21"), commands.change_plan, calendar)
    # 21 June: 19 of 30 days (to 10 July) are given back; the calendar's June from the 21st is 10 of 30.
    assert [item[3] for item in life.bill(at("2026-07-01"))] == ["30.00", "-19.00", "10.00", "30.00"]
