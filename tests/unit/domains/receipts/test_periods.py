"""Months and what moves them: the calendar, the clock, payment, in any order."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.receipts.core import periods
from carbonledger.domains.receipts.types import periods as types
from carbonledger.domains.receipts.types.periods import Move, Payment, Period, State, Step
from carbonledger.kernel import zone
from carbonledger.kernel.period import Period as Window

ID = UUID("01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d11")
START, END = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
CLOSES = datetime(2026, 11, 3, tzinfo=UTC)  # 48 hours after its end


def october(state: State = State.OPEN, payment: Payment = Payment.AWAITED, **more: object) -> Period:
    period = Period(
        id=ID,
        month=date(2026, 10, 1),
        zone="UTC",
        starts_at=START,
        ends_at=END,
        state=state,
        payment=payment,
        created_at=START,
        updated_at=START,
    )
    return replace(period, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "state, move, after",
    [
        (State.OPEN, Move.BEGIN, State.CLOSING),
        (State.FAILED, Move.BEGIN, State.CLOSING),  # paid after all
        (State.CLOSING, Move.BEGIN, None),
        (State.OPEN, Move.FAIL, State.FAILED),
        (State.FAILED, Move.FAIL, None),
        (State.CLOSING, Move.FAIL, None),  # it was paid, or had not to be
        (State.CLOSING, Move.CLOSE, State.CLOSED),
        (State.OPEN, Move.CLOSE, None),
        (State.FAILED, Move.CLOSE, None),  # nothing is closed of what is not paid
        *((State.CLOSED, move, None) for move in Move),
    ],
)
def test_what_may_follow_what(state: State, move: Move, after: State | None) -> None:
    if after is None:
        with pytest.raises(ValueError, match="can't"):
            periods.moved(october(state), move, now=END)
    else:
        assert periods.moved(october(state), move, now=END).state is after


@pytest.mark.parametrize(
    "payment, needs, now, state, closes_at",
    [
        (Payment.AWAITED, False, END - timedelta(seconds=1), State.OPEN, None),
        (Payment.AWAITED, False, END, State.CLOSING, CLOSES),  # free: by the clock alone
        (Payment.AWAITED, True, END, State.OPEN, None),  # over, and waits for its payment
        (Payment.PAID, True, END, State.CLOSING, CLOSES),  # paid in advance
        (Payment.FAILED, True, END, State.FAILED, None),
        (Payment.AWAITED, False, CLOSES + timedelta(days=9), State.CLOSING, CLOSES + timedelta(days=9)),  # first looked at late
    ],
)
def test_what_the_clock_makes_of_a_month(payment: Payment, needs: bool, now: datetime, state: State, closes_at: datetime | None) -> None:
    after = periods.advanced(october(payment=payment), now=now, needs_payment=needs)
    assert (after.state, after.closes_at) == (state, closes_at)


def test_a_failed_month_closes_once_it_is_paid_and_not_before() -> None:
    failed = periods.payment_failed(periods.advanced(october(), now=END, needs_payment=True), now=END + timedelta(days=1))
    assert (failed.state, failed.payment) == (State.FAILED, Payment.FAILED)
    assert periods.advanced(failed, now=END + timedelta(days=30), needs_payment=True) == failed
    paid = periods.paid(failed, now=END + timedelta(days=40))
    assert (paid.state, paid.closes_at) == (State.CLOSING, END + timedelta(days=40))
    with pytest.raises(types.PaymentSettled):
        periods.payment_failed(paid, now=END + timedelta(days=41))


@pytest.mark.parametrize(
    "period, now, fault",
    [
        (october(State.CLOSING, Payment.PAID, closes_at=CLOSES), CLOSES, None),
        (october(), END - timedelta(days=1), types.PeriodNotOver),
        (october(ended_at=END), END, types.PeriodUnpaid),
        (october(State.FAILED, Payment.FAILED), END, types.PeriodUnpaid),
        (october(State.CLOSING, Payment.PAID, closes_at=CLOSES), CLOSES - timedelta(seconds=1), types.PeriodWaits),
        (october(State.CLOSED, Payment.PAID, step=Step.CLOSED, closed_at=CLOSES), CLOSES, types.PeriodClosed),
    ],
)
def test_why_closing_may_not_begin(period: Period, now: datetime, fault: type[Exception] | None) -> None:
    with contextlib.nullcontext() if fault is None else pytest.raises(fault):
        periods.require_due(period, now=now)


_EVENTS = st.sampled_from(["hours", "days", "weeks", "paid", "failed", "free", "paying", "close"])
_STEPS = {"hours": timedelta(hours=7), "days": timedelta(days=2), "weeks": timedelta(weeks=3)}


def happened(period: Period, event: str, *, now: datetime) -> Period:
    if event == "paid":
        return periods.paid(period, now=now)
    if event == "failed":
        with contextlib.suppress(types.PaymentSettled):
            return periods.payment_failed(period, now=now)
    if event == "close" and period.state is State.CLOSING and period.closes_at is not None and now >= period.closes_at:
        return replace(periods.moved(period, Move.CLOSE, now=now), step=Step.CLOSED, closed_at=now)
    return period


@given(st.lists(_EVENTS, max_size=40))
def test_any_order_of_time_payments_and_plans_closes_a_month_once_when_it_may(events: list[str]) -> None:
    """The model: since when the month was both over and settled, which payments and the plan say."""
    period, now, needs, settled_at = october(), START, True, None
    payment = "awaited"
    for event in events:
        now += _STEPS.get(event, timedelta())
        needs = event == "paying" if event in {"free", "paying"} else needs
        payment = "paid" if event == "paid" else "failed" if event == "failed" and payment == "awaited" else payment
        before, period = period, happened(period, event, now=now)
        period = periods.advanced(period, now=now, needs_payment=needs)
        if settled_at is None and now >= END and (payment == "paid" or (payment == "awaited" and not needs)):
            settled_at = now
        is_closing = period.state in {State.CLOSING, State.CLOSED}
        assert is_closing is (settled_at is not None)
        assert (period.state is State.FAILED) is (settled_at is None and payment == "failed" and now >= END)
        assert not is_closing or period.closes_at == max(CLOSES, settled_at or CLOSES)
        assert before.state is not State.CLOSED or period == before
        assert period.closed_at is None or period.closed_at >= CLOSES


@pytest.mark.parametrize(
    "at, name, month, starts_at, ends_at",
    [
        # Bounds by the IANA rules: Berlin leaves summer time on 25 October 2026, New York on 1 November after its midnight.
        ("2026-10-31T22:59:59", "Europe/Berlin", date(2026, 10, 1), "2026-09-30T22:00:00", "2026-10-31T23:00:00"),
        ("2026-10-31T23:00:00", "Europe/Berlin", date(2026, 11, 1), "2026-10-31T23:00:00", "2026-11-30T23:00:00"),
        ("2026-11-15T00:00:00", "America/New_York", date(2026, 11, 1), "2026-11-01T04:00:00", "2026-12-01T05:00:00"),
        ("2026-12-31T23:59:59", "UTC", date(2026, 12, 1), "2026-12-01T00:00:00", "2027-01-01T00:00:00"),
    ],
)
def test_a_month_is_from_local_midnight_to_local_midnight(at: str, name: str, month: date, starts_at: str, ends_at: str) -> None:
    found = periods.month_of(_utc(at), zone.named(name))
    assert found == periods.Month(month, name, _utc(starts_at), _utc(ends_at))


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_zone_change_begins_with_the_next_period_and_leaves_no_gap() -> None:
    found = list(periods.missing_after(october(), now=_utc("2026-12-05T00:00:00"), zone=zone.named("Pacific/Auckland")))
    # Auckland is UTC+13 in the southern summer.
    assert [(one.month.month, one.starts_at, one.ends_at) for one in found] == [
        (11, END, _utc("2026-11-30T11:00:00")),
        (12, _utc("2026-11-30T11:00:00"), _utc("2026-12-31T11:00:00")),
    ]


_ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Pacific/Auckland", "Pacific/Apia", "America/Sao_Paulo", "Asia/Kathmandu")


@given(
    st.datetimes(min_value=datetime(2015, 1, 1), max_value=datetime(2040, 1, 1)),  # noqa: DTZ001 - made aware below
    st.lists(st.sampled_from(_ZONES), min_size=1, max_size=6),
)
def test_months_follow_each_other_without_gap_or_overlap_whatever_zones_do(at: datetime, names: list[str]) -> None:
    last: periods.Month = periods.month_of(at.replace(tzinfo=UTC), zone.named(names[0]))
    for name in names[1:]:
        following = periods.following(last, zone.named(name))
        assert following.starts_at == last.ends_at < following.ends_at
        assert following.month == periods.next_month(last.month)
        assert periods.previous_month(following.month) == last.month
        last = following


def test_months_before_the_first_reach_back_to_an_event() -> None:
    found = list(periods.missing_before(october(), at=_utc("2026-07-31T23:59:59"), zone=zone.named("UTC")))
    assert [one.month.month for one in found] == [9, 8, 7]
    assert (found[0].ends_at, found[-1].starts_at) == (START, _utc("2026-07-01T00:00:00"))


def _twelve(year: int, first: int) -> list[str]:
    return [f"{year + (month - 1) // 12}-{(month - 1) % 12 + 1:02}" for month in range(first, first + 12)]


@pytest.mark.parametrize(
    "start, end, name, months",
    [
        # A year and a quarter by the calendar, and by a day within.
        ("2027-01-01T00:00", "2028-01-01T00:00", "UTC", _twelve(2027, 1)),
        ("2027-01-15T00:00", "2028-01-15T00:00", "UTC", _twelve(2027, 1)),
        ("2027-02-28T00:00", "2027-05-31T00:00", "UTC", ["2027-02", "2027-03", "2027-04"]),  # by the 31st, which February has not
        # A month from the 31st ends on the 28th: it is January's, and the next one, to 31 March, February's.
        ("2027-01-31T00:00", "2027-02-28T00:00", "UTC", ["2027-01"]),
        ("2027-03-01T00:00", "2027-03-08T00:00", "UTC", ["2027-03"]),  # a week
        ("2027-03-29T00:00", "2027-04-05T00:00", "UTC", ["2027-03"]),
        # Midnight in Berlin is 23:00 of the day before, in Auckland 11:00, in New York 05:00: the zone is that of the bill.
        ("2026-12-31T23:00", "2027-12-31T23:00", "Europe/Berlin", _twelve(2027, 1)),
        ("2026-12-31T11:00", "2027-12-31T11:00", "Pacific/Auckland", _twelve(2027, 1)),
        ("2027-01-01T05:00", "2028-01-01T05:00", "America/New_York", _twelve(2027, 1)),
        # Summer time: July in Berlin begins at 22:00, October at 22:00, and the quarter is three months.
        ("2027-06-30T22:00", "2027-09-30T22:00", "Europe/Berlin", ["2027-07", "2027-08", "2027-09"]),
        # The account has moved since it began: by Berlin's midnight from New York's bill, and the other way round.
        ("2026-12-31T23:00", "2027-12-31T23:00", "America/New_York", _twelve(2027, 1)),
        ("2027-01-01T05:00", "2028-01-01T05:00", "Europe/Berlin", _twelve(2027, 1)),
    ],
)
def test_a_service_is_for_the_months_from_its_first_day_on(start: str, end: str, name: str, months: list[str]) -> None:
    found = periods.months_served([Window(_utc(start), _utc(end))], zone.named(name))
    assert [f"{month:%Y-%m}" for month in found] == months
    assert all(month.day == 1 for month in found)


def test_services_of_one_bill_give_each_month_once() -> None:
    whole = Window(_utc("2027-01-01T00:00"), _utc("2027-04-01T00:00"))
    usage = Window(_utc("2026-12-01T00:00"), _utc("2027-01-01T00:00"))
    assert [month.month for month in periods.months_served([whole, usage, whole], zone.named("UTC"))] == [12, 1, 2, 3]
    assert periods.months_served([], zone.named("UTC")) == ()
