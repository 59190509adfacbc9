"""A worker of the product that the kernel kills at a step of its bill run: started as a program, with ``BILLS_DIE_AT`` naming the step.

Steps are counted while a bill run, or its part in one, runs, in whatever task: each transaction's beginning, each statement, its commit,
and right after. Every account is a batch of its own, so that there are many.
"""

from __future__ import annotations

import contextvars
import os
import signal
import sys
from types import TracebackType
from typing import Any, cast

from carbonledger.domains.invoices.service import billing
from carbonledger.entrypoints.worker import invoices as jobs
from carbonledger.entrypoints.worker import main, registry, runner
from carbonledger.infra import db, queue

DIE_AT = "BILLS_DIE_AT"
STATEMENTS = frozenset({"execute", "executemany", "fetch", "fetchrow", "fetchval", "copy_to_table", "copy_records_to_table"})
_in_run: contextvars.ContextVar[bool] = contextvars.ContextVar("in_run", default=False)
_passed = 0


def _step() -> None:
    """Count a step, and be killed at the one that was named."""
    global _passed  # noqa: PLW0603 - one count for the process
    if _in_run.get():
        _passed += 1
        if _passed == int(os.environ.get(DIE_AT, "0")):
            os.kill(os.getpid(), signal.SIGKILL)


class _Counted:
    """A connection that counts its statements."""

    def __init__(self, conn: db.Connection) -> None:
        self.conn = conn

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever asyncpg has there
        found = getattr(self.conn, name)
        if name in STATEMENTS:
            _step()
        return found


def _watch() -> None:
    enter, leave = db.Transaction.__aenter__, db.Transaction.__aexit__

    async def entering(self: db.Transaction) -> db.UnitOfWork:
        _step()
        uow = await enter(self)
        uow.conn = cast("db.Connection", _Counted(uow.conn))
        return uow

    async def leaving(
        self: db.Transaction, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._uow.conn = cast("_Counted", self._uow.conn).conn
        _step()
        await leave(self, kind, error, trace)
        _step()

    db.Transaction.__aenter__ = entering  # type: ignore[method-assign]
    db.Transaction.__aexit__ = leaving  # type: ignore[method-assign]


def _declare() -> None:
    registry.load()
    declared = queue.registry.declared.handlers
    for name in (jobs.BILL_JOB, jobs.BESIDE_JOB):
        handler = declared[name]

        async def run(work: runner.StepsJob, rightly: queue.registry.Run = handler.run) -> object:
            _in_run.set(True)
            return await rightly(work)

        declared[name] = queue.registry.Handler(name, run, handler.in_transaction, handler.timeout_s, 100_000)


if __name__ == "__main__":
    billing.BATCH = 1  # type: ignore[misc]
    _watch()
    _declare()
    sys.exit(main.main())
