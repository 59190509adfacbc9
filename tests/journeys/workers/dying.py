"""A worker of the product that the kernel kills at a step of its bill run: started as a program, with ``BILLS_DIE_AT`` naming the step.

Steps are counted while a bill run, or its part in one, runs, in whatever task. Every account is a batch of its own, so that there are many.
"""

from __future__ import annotations

import contextvars
import os
import sys

from carbonledger.domains.invoices.service import billing
from carbonledger.entrypoints.worker import invoices as jobs
from carbonledger.entrypoints.worker import main, registry, runner
from carbonledger.infra import queue
from tests import steps

DIE_AT = "BILLS_DIE_AT"
_in_run: contextvars.ContextVar[bool] = contextvars.ContextVar("in_run", default=False)


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
    steps.watch(steps.Steps(_in_run.get, die_at=int(os.environ.get(DIE_AT, "0"))))
    _declare()
    sys.exit(main.main())
