"""Whether this process can do its work: the parts it needs, each asked with a bound on the wait.

An answer names the part and what is wrong with it in words for an operator; addresses, queries and error texts stay in the log.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from carbonledger.infra import db, limits, migrations, queue

CHECK_TIMEOUT_S = 2.0  # of one part; a load balancer asks again soon
_REVISION = "SELECT version_num FROM alembic_version"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Check:
    """What one part says: well or not, a code and words when not, and numbers worth seeing."""

    part: str
    is_well: bool
    code: str = "ok"
    detail: str = ""
    numbers: dict[str, float] = field(default_factory=dict)


async def database(of: db.Database) -> Check:
    """Ask whether the database answers."""
    await of.ping()
    return Check("database", is_well=True)


async def schema(of: db.Database) -> Check:
    """Ask whether the database is at the revision of this version."""
    async with of.transaction(None, read_only=True) as uow:
        at = await uow.conn.fetchval(_REVISION)
    if at != _head():
        return Check("schema", is_well=False, code="schema_other_version", detail="The database is at another version than this process.")
    return Check("schema", is_well=True)


@functools.cache
def _head() -> str:
    """Return the revision of this version; reading the migrations takes longer than a load balancer waits."""
    return migrations.head()


async def jobs(of: db.Database) -> Check:
    """Tell how many jobs wait to be run, and for how long the oldest has."""
    async with of.transaction(None, read_only=True) as uow:
        waiting, oldest_s = await queue.depth(uow.conn)
    return Check("queue", is_well=True, numbers={"waiting": waiting, "oldest_s": round(oldest_s, 3)})


async def shared_limits(of: limits.SharedLimiter) -> Check:
    """Ask whether Redis answers. Without it the service works, and limits are looser: not well, but no reason to take it out."""
    if await of.ping():
        return Check("redis", is_well=True)
    return Check("redis", is_well=True, code="redis_away", detail="Limits are counted in each process.")


async def checked(part: str, ask: Callable[[], Awaitable[Check]], *, within_s: float | None = None) -> Check:
    """Return what ``ask`` finds, or that the part is unwell when it fails or takes longer than ``within_s`` (a load balancer waits)."""
    patience_s = CHECK_TIMEOUT_S if within_s is None else within_s
    try:
        async with asyncio.timeout(patience_s):
            return await ask()
    except TimeoutError:
        return Check(part, is_well=False, code=f"{part}_slow", detail=f"It did not answer within {patience_s:.0f} seconds.")
    except Exception as error:
        log.warning("part is unwell", part=part, error=type(error).__name__)
        return Check(part, is_well=False, code=f"{part}_unwell", detail="It does not work now; see the log.")
