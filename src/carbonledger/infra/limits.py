"""Counts what may be done how often: sliding windows, in this process or in a Redis that replicas share.

A window's count is the present one's plus the share of the previous one that the sliding window still covers (the approximation that
``limits`` calls sliding window counter), so that a burst over a boundary gets no second allowance. ``limits`` counts in Redis; in memory
we count ourselves, because its memory storage walks every key at every hit. When Redis is away each process counts alone: a limit that
is too generous for a while is better than a service that is down.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

import redis.asyncio
import redis.exceptions
import structlog
from limits import RateLimitItemPerSecond
from limits.aio import storage, strategies
from redis import backoff
from redis.asyncio import retry

from carbonledger.infra import clock

KEYS_MAX = 100_000  # counts kept in memory (about 30 MB); beyond that the oldest are forgotten
RETRY_REDIS_S = 5.0  # how long a Redis that failed is left alone, so that each request does not wait for its timeout
_REDIS_TIMEOUT_S = 0.25  # a limit is not worth more of a request's time
_OUTAGES: Final = (redis.exceptions.RedisError, OSError, TimeoutError)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Policy:
    """At most ``amount`` in any ``window_s`` seconds, counted for each identity."""

    name: str
    amount: int
    window_s: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What a count says: whether this one is within the policy, what is left, and in how many seconds more is."""

    allowed: bool
    policy: Policy
    remaining: int
    reset_s: int


class Limiter(Protocol):
    """Counts hits. One for each process."""

    async def hit(self, policy: Policy, identity: str, at: datetime) -> Decision:
        """Count one hit of ``identity`` unless it is over the limit."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class MemoryLimiter:
    """Counts in this process; constant time for each hit, bounded memory."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, str], tuple[int, int, int, int]] = {}
        """-> number of the window, its count, the previous one's, and the second when none of them counts any more."""

    async def hit(self, policy: Policy, identity: str, at: datetime) -> Decision:
        """Count one hit of ``identity`` unless it is over the limit."""
        key = (policy.name, identity)
        now_s = at.timestamp()
        number, passed_s = divmod(now_s, policy.window_s)
        last, count, previous, _ = self._windows.get(key, (0, 0, 0, 0))
        if last != number:
            previous = count if last == number - 1 else 0
            count = 0
        weighted = count + math.floor(previous * (1 - passed_s / policy.window_s))
        allowed = weighted < policy.amount
        if allowed:
            count += 1
            weighted += 1
            if key not in self._windows and len(self._windows) >= KEYS_MAX:
                self._forget(now_s)
            self._windows[key] = (int(number), count, previous, (int(number) + 2) * policy.window_s)
        return Decision(allowed, policy, max(0, policy.amount - weighted), max(1, math.ceil(policy.window_s - passed_s)))

    def _forget(self, now_s: float) -> None:
        """Drop what no longer counts; if that is less than a tenth, then also those first seen longest ago, up to a tenth.

        At the worst a caller that comes back starts a new count. A tenth at once, so that not every hit walks the whole.
        """
        ended = [key for key, (_, _, _, ends_s) in self._windows.items() if ends_s <= now_s]
        for key in ended:
            del self._windows[key]
        oldest = list(itertools.islice(self._windows, max(0, KEYS_MAX // 10 - len(ended))))
        for key in oldest:
            del self._windows[key]
        if oldest:
            log.warning("rate limit counts were forgotten", forgotten=len(oldest), kept=len(self._windows), at_s=int(now_s))

    async def close(self) -> None:
        """There is nothing to let go of."""


class SharedLimiter:
    """Counts in Redis; in memory while Redis is away."""

    def __init__(self, url: str, *, on_fallback: Callable[[], None]) -> None:
        """``on_fallback`` is told of each hit that was counted in memory instead."""
        # No retries inside the client: while Redis is away, each would keep a request waiting for it.
        self._pool = redis.asyncio.ConnectionPool.from_url(
            url, socket_timeout=_REDIS_TIMEOUT_S, socket_connect_timeout=_REDIS_TIMEOUT_S, retry=retry.Retry(backoff.NoBackoff(), 0)
        )
        options: dict[str, Any] = {"connection_pool": self._pool}  # limits types its options as plain values, and takes this one too
        self._storage = storage.RedisStorage(f"async+{url}", implementation="redispy", key_prefix="carbonledger:limits", **options)
        self._strategy = strategies.SlidingWindowCounterRateLimiter(self._storage)
        self._memory = MemoryLimiter()
        self._on_fallback = on_fallback
        self._away_until = 0.0

    async def hit(self, policy: Policy, identity: str, at: datetime) -> Decision:
        """Count one hit of ``identity`` unless it is over the limit."""
        if time.monotonic() >= self._away_until:
            try:
                decision = await self._hit(policy, identity)
            except _OUTAGES as error:
                self._away_until = time.monotonic() + RETRY_REDIS_S
                log.warning("redis is away; limits are counted in each process", error=type(error).__name__)
            else:
                if self._away_until:
                    self._away_until = 0.0
                    log.info("redis is back; limits are shared again")
                return decision
        self._on_fallback()
        return await self._memory.hit(policy, identity, at)

    async def _hit(self, policy: Policy, identity: str) -> Decision:
        item = RateLimitItemPerSecond(policy.amount, policy.window_s, namespace=policy.name)
        allowed = await self._strategy.hit(item, identity)
        stats = await self._strategy.get_window_stats(item, identity)
        return Decision(allowed, policy, stats.remaining, max(1, math.ceil(stats.reset_time - clock.now().timestamp())))

    async def ping(self) -> bool:
        """Say whether Redis answers."""
        return await self._storage.check()

    async def close(self) -> None:
        """Close the connections to Redis."""
        await self._pool.disconnect()
