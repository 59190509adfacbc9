"""How failures slow down the next attempt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.identity.core import lockout
from carbonledger.domains.identity.core.lockout import Rule, Tally

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
RULE = Rule(free=3, first=timedelta(seconds=2), longest=timedelta(seconds=60), forgiven_after=timedelta(hours=1))


def s(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "count, since, wait",
    [
        (0, s(0), s(0)),
        (2, s(0), s(0)),  # the last free one
        (3, s(0), s(2)),
        (3, s(0.5), s(1.5)),  # what is left of it
        (3, s(2), s(0)),  # at its end it is over
        (4, s(0), s(4)),  # each one doubles
        (7, s(0), s(32)),
        (8, s(0), s(60)),  # 64 s is past the bound
        (1_000, s(0), s(60)),
        (2_000_000_000, s(0), s(60)),  # no number is too large to double
        (1_000, s(3600), s(0)),  # silence forgives
        (1_000, s(-30), s(90)),  # a clock that stepped back does not let anybody in early
    ],
)
def test_how_long_the_next_attempt_waits(count: int, since: timedelta, wait: timedelta) -> None:
    assert lockout.wait(RULE, Tally(count=count, last_at=AT - since), at=AT) == wait


def test_the_first_attempt_does_not_wait() -> None:
    assert lockout.wait(RULE, None, at=AT) == s(0)


@pytest.mark.parametrize(
    "before, after",
    [
        (None, 1),
        (Tally(0, AT), 1),
        (Tally(5, AT - s(3599)), 6),
        (Tally(5, AT - s(3600)), 1),  # forgiven, so it begins anew
    ],
)
def test_a_failure_counts(before: Tally | None, after: int) -> None:
    assert lockout.counted(RULE, before, at=AT) == Tally(count=after, last_at=AT)


def guesses(rule: Rule, *, within: timedelta) -> int:
    """How many attempts somebody makes who tries again the moment they may."""
    at, failures, count = AT, None, 0
    while at < AT + within:
        failures = lockout.counted(rule, failures, at=at)
        count += 1
        at += max(lockout.wait(rule, failures, at=at), timedelta(milliseconds=1))
    return count


def test_a_day_of_guessing_at_one_person_is_about_a_hundred_guesses() -> None:
    # 5 free, then 2, 4, … 512 s (9 doublings: 1,022 s), then one per 900 s: 5 + 9 + (86,400 - 1,022) / 900 = 108.9
    assert 105 <= guesses(lockout.PERSON, within=timedelta(days=1)) <= 112


def test_an_hour_of_guessing_from_one_address_is_under_a_hundred_guesses() -> None:
    assert guesses(lockout.ADDRESS, within=timedelta(hours=1)) < 100


@given(counts=st.lists(st.integers(1, 40), min_size=2, max_size=2).map(sorted))
def test_more_failures_never_wait_less(counts: list[int]) -> None:
    few, many = (lockout.wait(RULE, Tally(count, AT), at=AT) for count in counts)
    assert few <= many <= RULE.longest


@pytest.mark.parametrize(
    "one, other, same",
    [
        ("203.0.113.7", "203.0.113.7", True),
        ("203.0.113.7", "203.0.113.8", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),  # one customer has a /64
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:203.0.113.7", "203.0.113.7", True),  # the same host through a dual-stack socket
        ("fe80::1%eth0", "fe80::1%eth1", True),
        ("unix", "unix", True),  # a peer without an address
        ("", "unix", False),
    ],
)
def test_what_counts_as_one_address(one: str, other: str, same: bool) -> None:
    assert (lockout.address_key(one) == lockout.address_key(other)) is same


def test_a_person_and_an_address_never_share_a_count() -> None:
    assert lockout.person_key("203.0.113.7") != lockout.address_key("203.0.113.7")
