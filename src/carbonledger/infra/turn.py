"""The turn to prepare a migrated database: its roles, the vault's keys, the house. One at a time, as migrations themselves take turns.

Owns: the advisory lock. Two first starts at once would each find a role missing, and the second one to make it would fail.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import asyncpg

from carbonledger.kernel import errors

LOCK = 0x0CA8_B0D1_ED6E_0003  # any constant of our own; migrations use …0001, the house …0002
PATIENCE_S = 60.0  # what is done in a turn takes seconds


class PreparedElsewhere(errors.Unavailable):
    """Another process prepares the database."""

    code = "prepared_elsewhere"


async def came(conn: asyncpg.Connection[asyncpg.Record], lock: int, *, patience_s: float) -> bool:
    """Wait for an advisory lock, which ``conn``'s session then holds; False if it did not come in time."""
    await conn.execute(f"SET lock_timeout = {round(patience_s * 1000)}")
    try:
        await conn.execute("SELECT pg_advisory_lock($1)", lock)
    except asyncpg.LockNotAvailableError:
        return False
    return True


@contextlib.asynccontextmanager
async def taken(conn: asyncpg.Connection[asyncpg.Record], *, patience_s: float = PATIENCE_S) -> AsyncIterator[None]:
    """Have the turn while the block runs; it ends with ``conn``'s session at the latest. Raises ``PreparedElsewhere``."""
    if not await came(conn, LOCK, patience_s=patience_s):
        raise PreparedElsewhere(f"Another process has been preparing the database for {patience_s:g} s; wait for its end and try again.")
    yield
    await conn.execute("SELECT pg_advisory_unlock($1)", LOCK)
