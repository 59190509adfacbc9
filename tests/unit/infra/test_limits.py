"""Sliding windows in memory: exact within a window, weighted over a boundary, bounded in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from carbonledger.infra import limits

START = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)  # a whole minute, so the beginning of a window
TEN_A_MINUTE = limits.Policy("ten", 10, 60)


async def hits(limiter: limits.MemoryLimiter, count: int, at: datetime, identity: str = "one") -> list[bool]:
    return [(await limiter.hit(TEN_A_MINUTE, identity, at)).allowed for _ in range(count)]


async def test_as_many_as_the_policy_says_are_allowed_and_not_one_more() -> None:
    assert await hits(limits.MemoryLimiter(), 12, START) == [True] * 10 + [False] * 2


async def test_identities_and_policies_are_counted_apart() -> None:
    limiter = limits.MemoryLimiter()
    await hits(limiter, 10, START)
    assert await hits(limiter, 1, START, "another") == [True]
    assert (await limiter.hit(limits.Policy("other", 10, 60), "one", START)).allowed


# After a window with 10 hits, at most floor(10 * share of it that a sliding minute still covers) of them count.
@pytest.mark.parametrize(
    "seconds, allowed",
    [
        (60, 0),  # the whole of the former minute is still covered: a burst over the boundary gets no second allowance
        (66, 1),  # 54/60 of it: 9 count
        (90, 5),  # half
        (119, 10),  # 1/60 of it: floor(0.17) = 0 count
        (120, 10),  # nothing is left
        (600, 10),
    ],
)
async def test_the_former_window_counts_by_the_share_still_covered(seconds: int, allowed: int) -> None:
    limiter = limits.MemoryLimiter()
    await hits(limiter, 10, START)
    assert sum(await hits(limiter, 20, START + timedelta(seconds=seconds))) == allowed


async def test_a_decision_says_what_is_left_and_when_there_is_more() -> None:
    limiter = limits.MemoryLimiter()
    first = await limiter.hit(TEN_A_MINUTE, "one", START + timedelta(seconds=10))
    assert (first.allowed, first.remaining, first.reset_s) == (True, 9, 50)
    await hits(limiter, 9, START + timedelta(seconds=10))
    refused = await limiter.hit(TEN_A_MINUTE, "one", START + timedelta(seconds=59, milliseconds=900))
    assert (refused.allowed, refused.remaining, refused.reset_s) == (False, 0, 1)


async def test_what_is_refused_does_not_count() -> None:
    limiter = limits.MemoryLimiter()
    await hits(limiter, 1000, START)
    assert sum(await hits(limiter, 20, START + timedelta(seconds=90))) == 5


async def test_a_clock_that_steps_back_does_not_lock_anybody_out() -> None:
    limiter = limits.MemoryLimiter()
    await hits(limiter, 10, START)
    assert await hits(limiter, 1, START - timedelta(hours=1)) == [True]


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "KEYS_MAX", 100)
    limiter = limits.MemoryLimiter()
    for number in range(1_000):
        await limiter.hit(TEN_A_MINUTE, f"address {number}", START)
    assert len(limiter._windows) <= 100
    assert await hits(limiter, 10, START, "address 999") == [True] * 9 + [False], "the newest are kept"


async def test_what_no_longer_counts_is_forgotten_before_what_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "KEYS_MAX", 100)
    limiter = limits.MemoryLimiter()
    await hits(limiter, 10, START, "busy")  # the first that was seen
    for number in range(99):
        await limiter.hit(limits.Policy("short", 10, 1), f"passing {number}", START)
    # A count of one second is of no use after two; that of the minute still is.
    await limiter.hit(TEN_A_MINUTE, "new", START + timedelta(seconds=2))
    assert len(limiter._windows) == 2
    assert await hits(limiter, 1, START + timedelta(seconds=2), "busy") == [False]
