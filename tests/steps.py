"""Steps of database work, counted, so that a process can be killed by the kernel at the one that a test or a seed names.

A step is a transaction's beginning, each of its statements, its commit, and the instant right after.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, cast

from carbonledger.infra import db

STATEMENTS = frozenset({"execute", "executemany", "fetch", "fetchrow", "fetchval", "copy_to_table", "copy_records_to_table"})


@dataclass(slots=True)
class Steps:
    """How many were passed while ``is_counted`` said so, and at which this process dies (0: none)."""

    is_counted: Callable[[], bool]
    die_at: int = 0
    passed: int = 0

    def step(self) -> None:
        """Count one, and be killed at the one that was named."""
        if self.is_counted():
            self.passed += 1
            if self.passed == self.die_at:
                os.kill(os.getpid(), signal.SIGKILL)


class _Counted:
    """A connection that counts its statements."""

    def __init__(self, conn: db.Connection, steps: Steps) -> None:
        self.conn, self._steps = conn, steps

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever asyncpg has there
        found = getattr(self.conn, name)
        if name in STATEMENTS:
            self._steps.step()
        return found


def watch(steps: Steps) -> None:
    """Have every transaction of this process counted from now on."""
    enter, leave = db.Transaction.__aenter__, db.Transaction.__aexit__

    async def entering(self: db.Transaction) -> db.UnitOfWork:
        steps.step()
        uow = await enter(self)
        uow.conn = cast("db.Connection", _Counted(uow.conn, steps))
        return uow

    async def leaving(
        self: db.Transaction, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._uow.conn = cast("_Counted", self._uow.conn).conn
        steps.step()
        await leave(self, kind, error, trace)
        steps.step()

    db.Transaction.__aenter__ = entering  # type: ignore[method-assign]
    db.Transaction.__aexit__ = leaving  # type: ignore[method-assign]
