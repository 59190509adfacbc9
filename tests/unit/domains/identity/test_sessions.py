"""How long a sign-in lasts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from carbonledger.domains.identity.core import sessions

MADE = datetime(2026, 11, 21, 12, tzinfo=UTC)
END = sessions.expires_at(MADE)
US = timedelta(microseconds=1)


@pytest.mark.parametrize(
    "seen_at, at, alive",
    [
        (MADE, MADE, True),
        (MADE, MADE + timedelta(hours=12) - US, True),
        (MADE, MADE + timedelta(hours=12), False),  # not used for twelve hours
        (MADE + timedelta(hours=11), MADE + timedelta(hours=13), True),  # each use begins them anew
        (END - timedelta(hours=1), END - US, True),
        (END - US, END, False),  # however much it is used, after a week it is over
        (MADE, MADE - timedelta(hours=1), True),  # a clock that stepped back ends nobody's session
    ],
)
def test_a_session_lives(seen_at: datetime, at: datetime, alive: bool) -> None:
    assert sessions.is_alive(seen_at=seen_at, expires_at=END, at=at) is alive


def test_a_session_ends_a_week_after_it_began() -> None:
    assert timedelta(days=7) == END - MADE


@pytest.mark.parametrize(
    "since, worth",
    [(None, True), (timedelta(seconds=59), False), (timedelta(seconds=60), True), (timedelta(seconds=-5), False)],
)
def test_a_use_is_worth_writing_down_once_a_minute(since: timedelta | None, worth: bool) -> None:
    seen_at = None if since is None else MADE - since
    assert sessions.is_worth_touching(seen_at, at=MADE) is worth
