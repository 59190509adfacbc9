"""A plot of steps: each value holds until the next, what is none leaves a gap, the largest is the top of the box."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from carbonledger.entrypoints.web import steps

UNTIL = datetime(2026, 11, 1, tzinfo=UTC)


def back(days: int) -> datetime:
    return UNTIL - timedelta(days=days)


def path(*points: tuple[datetime | None, int | None]) -> str:
    made = steps.drawn([steps.Series("Output", "c-output", points)], until=UNTIL)
    assert made is not None
    return made.lines[0].path


def test_a_value_holds_until_the_next_and_an_eighth_of_the_time_lies_before_the_first_change() -> None:
    """70 days after the change are seven eighths of 80: it lies at 125 of 1,000; 25 is a quarter of 100, so 150 of 200 from the top."""
    assert path((None, 100), (back(70), 25)) == "M0 0H125V150H1000"


def test_no_price_is_a_gap_and_not_zero() -> None:
    assert path((None, None), (back(70), 100), (back(35), None), (back(7), 50)) == "M125 0H562.5M912.5 100H1000"


def test_what_never_changes_or_costs_nothing_is_not_drawn() -> None:
    assert steps.drawn([steps.Series("Output", "c-output", [(None, 5)])], until=UNTIL) is None
    assert steps.drawn([steps.Series("Output", "c-output", [(None, 0), (back(1), 0)])], until=UNTIL) is None
    assert steps.drawn([], until=UNTIL) is None
