"""Keeps the embedded database running while a process uses it.

Owns: the look, once a second, whether its supervisor lives. A killed postmaster is the supervisor's own business; this is for the day
when the supervisor was killed too.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from carbonledger.entrypoints.cli import console
from carbonledger.infra import postgres

_LOOK_S = 1.0
_TIMEOUT_S = 30.0


async def heal(lease: postgres.Lease, *, on_moved: Callable[[], None]) -> None:
    """Start the server again whenever nobody keeps it, until cancelled; ``on_moved`` is called when its address is another then."""
    address = lease.dsn("app")
    while True:
        await asyncio.sleep(_LOOK_S)
        try:
            await asyncio.to_thread(lease.ensure, timeout_s=_TIMEOUT_S)
            if (now := lease.dsn("app")) != address:
                address = now
                on_moved()  # its port was the system's choice
        except postgres.PostgresFault as fault:
            _warn(fault.detail or str(fault))
        except Exception as error:  # whatever it is, the next look may do better, and nobody else looks
            _warn(f"Looking after the embedded database failed ({type(error).__name__}: {error}). Trying again.")


def _warn(text: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads it; looking goes on
        console.warn(text)
