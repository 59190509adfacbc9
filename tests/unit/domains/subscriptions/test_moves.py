"""Moves to another time zone: each local day is charged once, whatever comes after the move in the same period. Worked by hand.

The first month is July 2026, at 31.00 and charged ahead, so that a day of it is 1.00; the customer moves on the 10th.
"""

from __future__ import annotations

import pytest

from carbonledger.domains.catalog.types import AnchorKind, PlanVersion, Proration
from carbonledger.domains.subscriptions.core import commands, cycles
from carbonledger.domains.subscriptions.types import When
from carbonledger.kernel.period import CalendarUnit, Interval
from tests.unit.domains.subscriptions.lives import Life, at, flat, local, plan, usage

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"  # 2 hours before and 4 hours after UTC in July
PAGO_PAGO, KIRITIMATI = "Pacific/Pago_Pago", "Pacific/Kiritimati"  # 11 hours after and 14 before: 25 apart
MONTH = plan("month", flat("31"), usage())
YEAR = plan("year", flat("365"), usage(), interval=Interval(CalendarUnit.YEAR))
WEEK = plan("week", flat("7"), usage(), interval=Interval(CalendarUnit.WEEK))
QUARTER = plan("quarter", flat("92"), usage(), interval=Interval(CalendarUnit.QUARTER), anchor=AnchorKind.CALENDAR)
LATER = plan("later", flat("92"), usage(), interval=Interval(CalendarUnit.QUARTER))


def moved(here: str, there: str) -> Life:
    """July by the days of ``here``, and a move to ``there`` on its 10th."""
    life = Life(MONTH, local("2026-07-01T00:00:00", here), name=here)
    return life.do(local("2026-07-10T01:00:00", here), commands.change_zone, there)


def amounts(life: Life, until: str) -> list[str]:
    return [amount for _, code, _, amount in life.bill(at(until)) if code == "base"]


def firsts(life: Life, limit: int) -> list[str]:
    return [f"{cycle.first}" for cycle in cycles.cycles(life.facts, life.versions, limit=limit)]


@pytest.mark.parametrize(
    "here, there",
    [
        (BERLIN, NEW_YORK),  # the 11th begins in Berlin when it is 18:00 of the 10th in New York
        (NEW_YORK, BERLIN),
        (BERLIN, BERLIN),
        (KIRITIMATI, PAGO_PAGO),  # the 11th of Kiritimati begins at 23:00 of the 9th in Pago Pago
        (PAGO_PAGO, KIRITIMATI),  # the 11th of Pago Pago begins at 01:00 of the 12th in Kiritimati
    ],
)
@pytest.mark.parametrize(
    "other, charged, dates",
    [
        # The 1st to the 10th are the month's, 21 days are given back; what is new begins on the 11th, with all of its own days.
        (YEAR, "365.00", ["2026-07-11", "2027-07-11", "2028-07-11"]),
        (WEEK, "7.00", ["2026-07-11", "2026-07-18", "2026-07-25"]),
        # By the calendar, the 11th of July to the end of September are 82 of 92 days.
        (QUARTER, "82.00", ["2026-07-01", "2026-10-01", "2027-01-01"]),
    ],
)
def test_another_interval_after_a_move_begins_on_the_day_after_the_last_that_was_charged(
    here: str, there: str, other: PlanVersion, charged: str, dates: list[str]
) -> None:
    life = moved(here, there)
    life.do(local("2026-07-11T04:00:00", here), commands.change_plan, other, when=When.NOW)
    assert amounts(life, "2026-07-14") == ["31.00", "-21.00", charged]
    assert firsts(life, 4) == ["2026-07-01", *dates]


def test_by_the_second_no_day_is_counted() -> None:
    # Changed at 02:00Z on the 11th: of July 20 days and 20 hours are left in Berlin, of the quarter in New York 82 days and 2 hours.
    life = moved(BERLIN, NEW_YORK)
    life.do(at("2026-07-11T02:00:00Z"), commands.change_plan, QUARTER, when=When.NOW, proration=Proration.SECOND)
    assert amounts(life, "2026-07-14") == ["31.00", "-20.83", "82.08"]


@pytest.mark.parametrize("here, there", [(BERLIN, NEW_YORK), (NEW_YORK, BERLIN), (KIRITIMATI, PAGO_PAGO), (PAGO_PAGO, KIRITIMATI)])
@pytest.mark.parametrize("other", [QUARTER, LATER])
def test_another_interval_at_the_renewal_after_a_move_keeps_the_anchor(here: str, there: str, other: PlanVersion) -> None:
    # All of July is the month's. What follows begins on 1 August: three months from there, or 61 of the 92 days until October.
    life = moved(here, there)
    life.do(at("2026-07-15"), commands.change_plan, other, when=When.RENEWAL)
    is_calendar = other is QUARTER
    assert amounts(life, "2026-08-03") == ["31.00", "61.00" if is_calendar else "92.00"]
    assert firsts(life, 3) == ["2026-07-01", *(["2026-07-01", "2026-10-01"] if is_calendar else ["2026-08-01", "2026-11-01"])]


@pytest.mark.parametrize(
    "here, there, canceled, back, days",
    [
        # Canceled at 22:30 on the 10th in Berlin, back at 17:00 on the 10th in New York: a month from the 10th, which is charged already.
        (BERLIN, NEW_YORK, "2026-07-10T20:30:00Z", "2026-07-10T21:00:00Z", 30),
        # At 22:30 on the 10th in New York it is the 11th in Berlin: a month from there.
        (NEW_YORK, BERLIN, "2026-07-11T02:30:00Z", "2026-07-11T03:00:00Z", 31),
        # Back in Pago Pago at 09:30 on the 9th: a month from there, of which two days are charged already.
        (KIRITIMATI, PAGO_PAGO, "2026-07-09T20:00:00Z", "2026-07-09T20:30:00Z", 29),
        # The 10th of Pago Pago ends at 01:00 on the 12th in Kiritimati; back there at 18:30 on the 11th: a month from there.
        (PAGO_PAGO, KIRITIMATI, "2026-07-11T04:00:00Z", "2026-07-11T04:30:00Z", 31),
    ],
)
def test_a_day_that_was_canceled_and_reactivated_elsewhere_is_charged_once(
    here: str, there: str, canceled: str, back: str, days: int
) -> None:
    life = Life(MONTH, local("2026-07-01T00:00:00", here), name=here)
    life.do(at(canceled), commands.cancel, credit=True).do(at(back), commands.reactivate, zone=there)
    assert amounts(life, "2026-07-20") == ["31.00", "-21.00", f"{days}.00"]


def test_usage_of_the_hours_between_two_midnights_is_counted() -> None:
    # The 11th begins at 22:00Z of the 10th for the month, and six hours later in New York: what is used between is the new plan's.
    life = moved(BERLIN, NEW_YORK).do(at("2026-07-11T02:00:00Z"), commands.change_plan, WEEK, when=When.NOW)
    found = [one for due in life.due(at("2026-07-25T05:00:00Z")) if due.charge and due.charge.code == "calls" for one in due.stretches]
    assert [(f"{one.start:%dT%H}", f"{one.end:%dT%H}") for one in found] == [("30T22", "10T22"), ("10T22", "18T04"), ("18T04", "25T04")]


def test_the_first_day_after_a_move_counts_though_it_is_over_before_its_midnight() -> None:
    # August began at 22:00Z, at 18:00 on 31 July in New York. Canceled an hour later: 1 August counts, 30 days are given back.
    life = moved(BERLIN, NEW_YORK).do(at("2026-07-31T23:00:00Z"), commands.cancel, credit=True)
    assert amounts(life, "2026-08-02") == ["31.00", "31.00", "-30.00"]


def test_a_charge_says_its_days_as_they_are_counted() -> None:
    # By New York's clocks July would begin on 30 June and end on the 31st at 18:00, and August would begin on 31 July.
    life = moved(BERLIN, NEW_YORK).do(at("2026-07-11T02:00:00Z"), commands.change_plan, plan("other", flat("62")), when=When.NOW)
    found = [due for due in life.due(at("2026-08-01T05:00:00Z")) if due.charge and due.charge.code == "base"]
    assert [tuple(f"{day:%m-%d}" for day in due.days or ()) for due in found] == [
        ("07-01", "07-31"),
        ("07-11", "07-31"),
        ("07-11", "07-31"),
        ("08-01", "08-31"),
    ]
    assert {tuple(f"{day:%m-%d}" for day in due.service_days or ()) for due in found} == {("07-01", "07-31"), ("08-01", "08-31")}


def test_a_part_of_a_day_is_of_that_day() -> None:
    second = plan("second", flat("31"), proration=Proration.SECOND)
    life = Life(second, at("2026-07-01")).do(at("2026-07-11T02:00:00Z"), commands.cancel, credit=True)
    (_, credit) = life.due(at("2026-07-12"))
    assert [f"{day:%m-%d}" for day in credit.days or ()] == ["07-11", "07-31"]
