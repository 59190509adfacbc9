"""Picks jobs from the queue for one worker and keeps them its own: dequeue, heartbeat, wake-up, drain.

It gives each ticket to ``run`` and does nothing else with it: what becomes of the job, and of its row in the queue, is decided in the job's
own transactions. A worker that is killed stops its heartbeat; after ``heartbeat_timeout_s`` another worker's dequeue takes the row over, at
the latest half that time later, because so often it looks even when nothing wakes it.

pgqueuer's own ``QueueManager`` is not used (ADR 0004): it acknowledges outside the job's transaction, waits without bound when it stops,
and goes deaf or stands still when a connection breaks.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import structlog
from pgqueuer.domain import models
from pgqueuer.domain import types as pgq_types
from pgqueuer.ports.repository import EntrypointExecutionParameter

from carbonledger.infra import db, retry
from carbonledger.infra.queue import attempts, pgq, wire

_log = structlog.get_logger(__name__)
Run = Callable[[attempts.Ticket], Coroutine[Any, Any, None]]

_PAUSE_FIRST_S = 0.1
_PAUSE_MAX_S = 5.0
_SOON_S = 0.05  # a row that is due but was not given is in another worker's hands just now
_DEAF_S = 1.0
_BEATS = 4  # heartbeats in one timeout: three may be lost
_CANCEL_S = 5.0  # what a cancelled job has to give itself back
# Not the library's, which keeps a row fresh whoever has it: one that another worker took over must be free again when that one dies.
_BEAT = "UPDATE pgqueuer SET heartbeat = now() WHERE id = ANY ($1) AND queue_manager_id = $2"
_NEXT_DUE = "SELECT extract(epoch FROM min(execute_after) - now())::float8 FROM pgqueuer WHERE status = 'queued' AND entrypoint = ANY ($1)"


@dataclass(frozen=True, slots=True)
class Options:
    """How a worker works. A killed worker's jobs are taken over within one and a half ``heartbeat_timeout_s``."""

    concurrency: int = 8
    heartbeat_timeout_s: float = 30.0
    drain_s: float = 25.0


class Engine:
    """The picking half of a worker. ``names`` are the jobs it can run; others wait for a worker that knows them.

    ``hears``: whether somebody calls ``wake`` when a job comes. While nobody does, the queue is looked at every second.
    """

    def __init__(self, database: db.Database, names: tuple[str, ...], run: Run, options: Options, *, hears: Callable[[], bool]) -> None:
        self._database = database
        self._names = [pgq_types.QueueEntrypoint(name) for name in names]
        self._run = run
        self._options = options
        self._hears = hears
        self._manager_id = pgq_types.QueueManagerId(uuid4())
        self._running: dict[int, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()

    @property
    def running(self) -> int:
        """How many jobs run now."""
        return len(self._running)

    def wake(self) -> None:
        """Look at the queue at once: something was put into it, or may have been while nobody listened."""
        self._wake.set()

    async def serve(self, stopping: asyncio.Event) -> None:
        """Pick and run jobs until ``stopping``; then finish what runs within ``drain_s`` and give the rest back."""
        stopper = asyncio.create_task(self._wake_when(stopping))
        beating = asyncio.create_task(self._beat())
        try:
            await self._pick_until(stopping)
        finally:
            stopper.cancel()
            await self._drain()
            beating.cancel()

    async def _wake_when(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        self._wake.set()

    async def _pick_until(self, stopping: asyncio.Event) -> None:
        pause_s = _PAUSE_FIRST_S
        while not stopping.is_set():
            self._wake.clear()
            try:
                wait_s = await self._pick()
            except Exception as error:
                if not retry.is_passing(error):
                    raise
                _log.warning("queue.unreachable", error=type(error).__name__, retry_s=pause_s)
                wait_s = pause_s * random.uniform(0.5, 1.0)  # noqa: S311 - spreads workers, keeps no secret
                pause_s = min(pause_s * 2, _PAUSE_MAX_S)
            else:
                pause_s = _PAUSE_FIRST_S
            if wait_s > 0 and not stopping.is_set():
                await _either(self._wake, wait_s)

    async def _pick(self) -> float:
        """Take what there is room for, start it, and return how long to wait before looking again."""
        idle_s = self._options.heartbeat_timeout_s / 2
        if not self._hears():
            idle_s = min(idle_s, _DEAF_S)
        room = self._options.concurrency - len(self._running)
        if room <= 0:
            return idle_s  # a job that ends wakes us
        async with asyncio.timeout(self._patience_s), self._database.transaction() as uow:
            taken = await self._dequeue(uow, room)
            due_s: float | None = None if len(taken) == room else await uow.conn.fetchval(_NEXT_DUE, self._names)
        for entry in taken:
            self._start(entry)
        if due_s is None:
            return idle_s
        return min(max(due_s, _SOON_S), idle_s)

    async def _dequeue(self, uow: db.UnitOfWork, room: int) -> list[models.Job]:
        return await pgq.on(uow.conn).dequeue(
            batch_size=room,
            entrypoints=dict.fromkeys(self._names, EntrypointExecutionParameter(concurrency_limit=0)),
            queue_manager_id=self._manager_id,
            global_concurrency_limit=None,
            heartbeat_timeout=timedelta(seconds=self._options.heartbeat_timeout_s),
        )

    def _start(self, entry: models.Job) -> None:
        if entry.id in self._running:
            return  # our own heartbeat came late and we picked it again; it still runs
        try:
            ticket = read_ticket(entry)
        except wire.PayloadUnreadable as error:
            # Left as it is: a newer worker, which may know the format, takes the row over when its heartbeat is old.
            _log.error("queue.row_unreadable", row=entry.id, job=entry.entrypoint, error=str(error))
            return
        task = asyncio.create_task(self._run(ticket), name=f"job {ticket.name} {ticket.job_id}")
        self._running[entry.id] = task
        task.add_done_callback(lambda done: self._ended(entry.id, done))

    def _ended(self, entry_id: int, task: asyncio.Task[None]) -> None:
        del self._running[entry_id]
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            # The row stays picked without a heartbeat, so a worker takes the job up again after the timeout.
            _log.error("queue.job_left", task=task.get_name(), exc_info=error)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._options.heartbeat_timeout_s / _BEATS)
            if not self._running:
                continue
            try:
                await self._tell_alive()
            except Exception as error:
                # Whatever it was, the next beat tries again; a worker without a beat must not also stop its jobs.
                _log.warning("queue.heartbeat_missed", error=type(error).__name__, jobs=len(self._running))

    async def _tell_alive(self) -> None:
        async with asyncio.timeout(self._patience_s), self._database.transaction() as uow:
            await uow.conn.execute(_BEAT, list(self._running), self._manager_id)

    @property
    def _patience_s(self) -> float:
        """How long the database may take to answer: a peer that is silent must not stop us."""
        return max(self._options.heartbeat_timeout_s / 2, 1.0)

    async def _drain(self) -> None:
        if self._running:
            _log.info("queue.draining", jobs=len(self._running), within_s=self._options.drain_s)
            await asyncio.wait(list(self._running.values()), timeout=self._options.drain_s)
        left = list(self._running.values())
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=_CANCEL_S)


def read_ticket(entry: models.Job) -> attempts.Ticket:
    """Read what ``jobs`` has put into the queue. Raises ``PayloadUnreadable``."""
    payload = wire.unpack(entry.payload)
    return attempts.Ticket(
        job_id=payload.job_id,
        organization_id=payload.organization_id,
        name=entry.entrypoint,
        request_id=payload.request_id,
        traceparent=payload.traceparent,
        entry=entry,
    )


async def _either(event: asyncio.Event, timeout_s: float) -> None:
    """Wait for ``event`` at most ``timeout_s``."""
    try:
        await asyncio.wait_for(event.wait(), timeout_s)
    except TimeoutError:
        return
