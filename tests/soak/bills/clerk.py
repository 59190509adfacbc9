"""The process that bills: every night it does what the worker's jobs do, and is killed by the kernel at the step that it is told.

It is forked from a server that has everything loaded, so that a new one after a kill costs nothing to speak of. Steps are counted, not
timed, and there is one lane: the same seed kills at the same step of the same night.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.invoices.service import billing, collecting, late, running
from carbonledger.domains.invoices.store import numbers, writing
from carbonledger.domains.subscriptions.service import advancing
from carbonledger.domains.subscriptions.service import billing as due_charges
from carbonledger.entrypoints.shared import bill_runs, collector
from carbonledger.entrypoints.worker import registry
from carbonledger.infra import clock, db
from carbonledger.kernel import actor as actors
from tests import steps

BATCH: Final = 25
"""Accounts of one transaction: fewer than the product takes, so that a night has several to be killed between."""
FAULTS: Final = ((writing, "add"), (writing, "add_lines"), (due_charges, "billed"), (numbers, "take"), (writing, "put"))
"""What a step of a bill run may fail after, with its transaction."""


class Failed(Exception):
    """The step failed: its transaction is gone, the process is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """What is to be done: until when, whether what came late is settled too, and what goes wrong."""

    now: datetime
    is_late_settled: bool
    die_at: int = 0
    fault: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a night went: ``failed`` accounts could not be rated; ``has_failed`` is what ``Night.fault`` wanted.

    ``core_s`` is what the process has spent of a core on it.
    """

    steps: int
    core_s: float
    lines: int = 0
    failed: int = 0
    has_failed: bool = False


class Clerk:
    """The process, from outside."""

    def __init__(self, address: str, role: str | None, organization_id: UUID) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__])
        self._names = (address, role, organization_id)
        self._process: ForkServerProcess | None = None
        self._wire: Connection | None = None

    async def work(self, night: Night) -> Done | None:
        """Have a night's work done; None if the process was killed over it. Any other end of the process is an error."""
        if self._process is None or self._wire is None:
            self._wire, theirs = self._context.Pipe()
            self._process = self._context.Process(target=_serve, args=(theirs, *self._names), daemon=True)
            self._process.start()
            theirs.close()
        self._wire.send(night)
        try:
            done: Done = await asyncio.to_thread(self._wire.recv)
        except EOFError:
            process, self._process = self._process, None
            await asyncio.to_thread(process.join)
            if process.exitcode != -signal.SIGKILL:
                raise RuntimeError(f"the clerk ended by itself, with {process.exitcode}") from None
            return None
        return done

    async def leave(self) -> None:
        """End the process."""
        if self._wire is not None:
            self._wire.close()
        if self._process is not None:
            await asyncio.to_thread(self._process.join)


def _serve(wire: Connection, address: str, role: str | None, organization_id: UUID) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's; it closes the wire
    asyncio.run(_serving(wire, address, role, organization_id))


async def _serving(wire: Connection, address: str, role: str | None, organization_id: UUID) -> None:
    billing.BATCH, bill_runs.LANES = BATCH, 1  # type: ignore[misc]
    registry.load()
    counted = steps.Steps(lambda: True)
    steps.watch(counted)
    database = await db.connect(address, size=2, application="clerk", role=role)
    collector.calm()  # as a worker does
    try:
        while True:
            night: Night = await asyncio.to_thread(wire.recv)
            counted.passed, counted.die_at = 0, night.die_at
            wire.send(await _night(database, night, organization_id, counted))
    except EOFError:
        pass  # the parent is done
    finally:
        await database.close()


async def _night(database: db.Database, night: Night, organization_id: UUID, counted: steps.Steps) -> Done:
    ran, began = None, time.process_time()
    try:
        async with _failing(night.fault):
            ran = await _work(database, night, organization_id)
    except* Failed:
        pass  # as the night wanted, which the answer says
    if ran is None:
        return Done(steps=counted.passed, core_s=time.process_time() - began, has_failed=True)
    return Done(steps=counted.passed, core_s=time.process_time() - began, lines=ran.lines, failed=ran.failed)


@asynccontextmanager
async def _failing(fault: int | None) -> AsyncIterator[None]:
    """Have what a step calls fail after it is done, meanwhile."""
    if fault is None:
        yield
        return
    module, name = FAULTS[fault]
    rightly = getattr(module, name)

    async def wrongly(*args: Any, **named: Any) -> None:
        await rightly(*args, **named)
        raise Failed

    setattr(module, name, wrongly)
    try:
        yield
    finally:
        setattr(module, name, rightly)


async def _work(database: db.Database, night: Night, organization_id: UUID) -> billing.Ran:
    """Advance, issue what has waited, bill what is due, and settle what came late: as the jobs do, each batch a transaction."""
    named: dict[str, Any] = {"actor": actors.system(organization_id), "now": night.now, "organization_id": organization_id}
    is_more = True
    while is_more:
        async with database.transaction(organization_id) as uow:
            is_more = await advancing.advance(uow, **named) == advancing.BATCH
    is_more = True
    while is_more:
        async with database.transaction(organization_id) as uow:
            is_more = bool((await collecting.run(uow, at=clock.now(), limit=BATCH, **named)).issued)
    ran = await bill_runs.run(database, at=clock.now(), **named)
    after: UUID | None = late.BEGINNING if night.is_late_settled else None
    while after is not None:
        async with database.transaction(organization_id) as uow:
            after = await late.settle(uow, at=clock.now(), after=after, limit=running.LINES, **named)
    return ran
