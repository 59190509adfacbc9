"""Periods in words: which instants they mean in a zone, and what they are compared with."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from carbonledger.kernel import lookback
from carbonledger.kernel import zone as zones
from carbonledger.kernel.lookback import Lookback
from carbonledger.kernel.period import CalendarUnit, Period, PeriodInvalid

BERLIN = zones.named("Europe/Berlin")
NOW = datetime(2026, 11, 25, 23, 30, tzinfo=UTC)  # the 26th, 00:30, in Berlin


@pytest.mark.parametrize(
    "word,first,last",
    [
        (Lookback.WEEK, date(2026, 11, 20), date(2026, 11, 26)),
        (Lookback.DAYS_30, date(2026, 10, 28), date(2026, 11, 26)),
        (Lookback.THIS_MONTH, date(2026, 11, 1), date(2026, 11, 26)),
        (Lookback.LAST_MONTH, date(2026, 10, 1), date(2026, 10, 31)),
        (Lookback.THIS_YEAR, date(2026, 1, 1), date(2026, 11, 26)),
        (Lookback.MONTHS_12, date(2025, 11, 27), date(2026, 11, 26)),
    ],
)
def test_words_mean_local_days(word: Lookback, first: date, last: date) -> None:
    found = lookback.period(word, now=NOW, zone=BERLIN)
    assert found.start == zones.midnight(first, BERLIN)
    assert found.end == zones.midnight(last + timedelta(days=1), BERLIN)
    assert lookback.last_day(found, BERLIN) == last


def test_a_running_period_is_compared_with_as_much_of_the_one_before() -> None:
    found = lookback.period(Lookback.WEEK, now=NOW, zone=BERLIN)
    before = lookback.before(found, now=NOW, zone=BERLIN)
    assert before.start == zones.midnight(date(2026, 11, 13), BERLIN)
    assert before.end == datetime(2026, 11, 18, 23, 30, tzinfo=UTC)


def test_a_period_that_is_over_is_compared_with_as_many_days_right_before() -> None:
    found = lookback.between(date(2026, 3, 1), date(2026, 3, 31), zone=BERLIN)
    before = lookback.before(found, now=NOW, zone=BERLIN)
    assert before == Period(zones.midnight(date(2026, 1, 29), BERLIN), zones.midnight(date(2026, 3, 1), BERLIN))


def test_days_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(PeriodInvalid):
        lookback.between(date(2026, 3, 2), date(2026, 2, 28), zone=BERLIN)


@pytest.mark.parametrize(
    "days,unit",
    [
        (1, CalendarUnit.HOUR),
        (30, CalendarUnit.DAY),
        (90, CalendarUnit.DAY),
        (365, CalendarUnit.WEEK),
        (3652, CalendarUnit.MONTH),
    ],
)
def test_a_plot_has_few_enough_stretches_to_read(days: int, unit: CalendarUnit) -> None:
    first = date(2016, 1, 1)
    assert lookback.plot_unit(lookback.between(first, first + timedelta(days=days - 1), zone=BERLIN), BERLIN) is unit
