"""Cron expressions: what they match, when they come due next, what is refused. Expected times worked out by hand with a calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from carbonledger.infra.queue import cron

NEXT = [
    # expression, after, next
    ("* * * * *", "2026-03-01T10:00:00", "2026-03-01T10:01:00"),  # a minute that has begun is over
    ("* * * * *", "2026-03-01T10:00:59.999999", "2026-03-01T10:01:00"),
    ("*/15 * * * *", "2026-03-01T10:00:00", "2026-03-01T10:15:00"),
    ("*/15 * * * *", "2026-03-01T10:45:01", "2026-03-01T11:00:00"),
    ("*/25 * * * *", "2026-03-01T10:50:00", "2026-03-01T11:00:00"),  # a step starts anew each hour: 0, 25, 50
    ("5/20 * * * *", "2026-03-01T10:06:00", "2026-03-01T10:25:00"),  # from 5 to the end
    ("10-20/5 * * * *", "2026-03-01T10:16:00", "2026-03-01T10:20:00"),
    ("10-20/5 * * * *", "2026-03-01T10:20:00", "2026-03-01T11:10:00"),
    ("7,3 * * * *", "2026-03-01T10:03:00", "2026-03-01T10:07:00"),  # a list in any order
    ("0 3 * * *", "2026-03-01T03:00:00", "2026-03-02T03:00:00"),
    ("0 3 * * *", "2026-02-28T03:00:00", "2026-03-01T03:00:00"),  # over the end of February
    ("0 0 1 1 *", "2026-03-01T00:00:00", "2027-01-01T00:00:00"),
    ("0 0 31 * *", "2026-03-31T00:00:00", "2026-05-31T00:00:00"),  # April has no 31st
    ("0 0 29 2 *", "2026-03-01T00:00:00", "2028-02-29T00:00:00"),  # the next leap year
    ("0 0 29 2 *", "2096-03-01T00:00:00", "2104-02-29T00:00:00"),  # 2100 is none
    ("0 12 * * 1", "2026-03-01T00:00:00", "2026-03-02T12:00:00"),  # 1 March 2026 is a Sunday
    ("0 12 * * 0", "2026-02-28T00:00:00", "2026-03-01T12:00:00"),
    ("0 12 * * 7", "2026-02-28T00:00:00", "2026-03-01T12:00:00"),  # 7 is Sunday too
    ("0 12 * * 5-7", "2026-02-28T13:00:00", "2026-03-01T12:00:00"),  # Friday to Sunday
    ("0 0 13 * 5", "2026-03-01T00:00:00", "2026-03-06T00:00:00"),  # both days given: the 13th or a Friday
    ("0 0 13 * *", "2026-03-01T00:00:00", "2026-03-13T00:00:00"),
    (
        "0 0 */10 * 5",
        "2026-03-01T00:00:00",
        "2026-05-01T00:00:00",
    ),  # a field that starts with * restricts with the other: 1st, 11th, 21st, 31st
    ("59 23 31 12 *", "2026-12-31T23:58:30", "2026-12-31T23:59:00"),
]


@pytest.mark.parametrize("expression,after,expected", NEXT)
def test_the_next_time_is_the_first_minute_after(expression: str, after: str, expected: str) -> None:
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert cron.parse(expression).next_after(moment) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_another_zone_changes_nothing() -> None:
    tokyo = timezone(timedelta(hours=9))
    after = datetime(2026, 3, 1, 11, 59, tzinfo=tokyo)  # 02:59 UTC
    assert cron.parse("0 3 * * *").next_after(after) == datetime(2026, 3, 1, 3, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "* * * *",
        "* * * * * *",  # no seconds
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "*/0 * * * *",
        "20-10 * * * *",
        "* * * JAN *",
        "@daily",
        "1,,2 * * * *",
        "-1 * * * *",
        "1.5 * * * *",
        "0 0 30 2 *",  # never
        "0 0 31 4,6,9,11 *",  # never
        "٣ * * * *",  # a digit, but not ours
    ],
)
def test_what_is_no_expression_or_never_comes_due_is_refused(expression: str) -> None:
    with pytest.raises(cron.CronInvalid):
        cron.parse(expression)
