"""Pauses of the run, and waiting with a deadline. A pause spreads load and kills over time; whoever waits for a condition names it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

_LOOK_S = 0.1


async def pause(seconds: float) -> None:
    """Do nothing for a while."""
    await asyncio.sleep(seconds)  # house: allow sleep-in-test - load and kills are spread over time on purpose


async def pause_until(stop: asyncio.Event, seconds: float) -> bool:
    """Do nothing for a while, or until ``stop``; say whether it was set."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    return stop.is_set()


async def holds(condition: Callable[[], Awaitable[bool]], *, deadline_s: float) -> bool:
    """Look again and again; say whether the condition came to hold before the deadline."""
    end = time.monotonic() + deadline_s
    while not await condition():
        if time.monotonic() > end:
            return False
        await pause(_LOOK_S)
    return True
