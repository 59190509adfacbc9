"""A worker process whose handlers the tests can watch: started as a program, it is the product's own worker with these added.

Each handler leaves marks in the name of its organization, so that every effect is counted in the database and not in the process.
"""

from __future__ import annotations

import asyncio
import sys

from carbonledger import bootstrap
from carbonledger.entrypoints.worker import main
from carbonledger.infra import db, queue
from carbonledger.infra.queue import work as works

QUICK, STUCK, STUCK_STEPS, DEAF = "tests.quick", "tests.stuck", "tests.stuck_steps", "tests.deaf"
Work = works.Work[bootstrap.Services]
Steps = works.Steps[bootstrap.Services]


async def mark(uow: db.UnitOfWork, word: str) -> None:
    """Leave a mark."""
    await uow.conn.execute("UPDATE organizations SET external_id = coalesce(external_id, '') || $1", word)


@queue.handler(QUICK)
async def quick(uow: db.UnitOfWork, job: Work) -> None:
    """Mark, and give others time to interfere."""
    await mark(uow, "x")
    await uow.conn.execute("SELECT pg_sleep(0.01)")


@queue.handler(STUCK)
async def stuck(uow: db.UnitOfWork, job: Work) -> None:
    """Mark; the first attempt then stands still inside its transaction."""
    await mark(uow, "x")
    if job.attempt.number == 1:
        await asyncio.Event().wait()


@queue.steps(STUCK_STEPS)
async def stuck_steps(job: Steps) -> None:
    """Mark twice; the first attempt stands still in between."""
    await job.step("first", lambda uow: mark(uow, "1"))
    await job.progress(1, 2, "first step done")
    if job.attempt.number == 1:
        await asyncio.Event().wait()
    await job.step("second", lambda uow: mark(uow, "2"))


@queue.steps(DEAF)
async def slow(job: Steps) -> None:
    """Say that it runs, wait until somebody has left a mark, then leave one."""
    await job.progress(1, 2, "waiting")
    while True:
        async with job.transaction() as uow:
            if await uow.conn.fetchval("SELECT external_id FROM organizations"):
                await mark(uow, "!")
                return
        await asyncio.sleep(0.02)  # house: allow sleep-in-test - this is the wait for the condition


if __name__ == "__main__":
    sys.exit(main.main())
