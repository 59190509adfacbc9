"""Waiting in tests: for a condition, with a deadline, looking again often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

DEADLINE_S = 120.0  # for a condition that holds within a second on an idle machine; only a failure takes so long
_LOOK_S = 0.01


async def holds(condition: Callable[[], bool], *, deadline_s: float = DEADLINE_S) -> None:
    """Return as soon as ``condition`` holds; fail after the deadline."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"not within {deadline_s} s"
        await asyncio.sleep(_LOOK_S)  # house: allow sleep-in-test - this is the wait for the condition


async def comes(condition: Callable[[], Awaitable[bool]], *, deadline_s: float = DEADLINE_S) -> None:
    """The same for a condition that is asked elsewhere, such as of a database."""
    end = time.monotonic() + deadline_s
    while not await condition():
        assert time.monotonic() < end, f"not within {deadline_s} s"
        await asyncio.sleep(_LOOK_S)  # house: allow sleep-in-test - this is the wait for the condition


def holds_now(condition: Callable[[], bool], *, deadline_s: float = DEADLINE_S, told: Callable[[], object] = str) -> None:
    """The same without an event loop; ``told`` gives what a failure shows, such as the log of what was waited for."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"not within {deadline_s} s\n{told()}"
        time.sleep(_LOOK_S)  # house: allow sleep-in-test - this is the wait for the condition
