"""Watches the clock for the schedules: every worker does, and the database lets one of them fire each time."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

import structlog

from carbonledger.domains.identity.service import house
from carbonledger.infra import db, retry
from carbonledger.infra.queue import registry, schedules

_PAUSE_MIN_S = 0.1  # what is due may be in another worker's hands just now
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Scheduler:
    """Fires schedules that are due; looks at least every ``poll_s``, so a clock that was set or a row that was moved is noticed."""

    database: db.Database
    registry: registry.Registry
    poll_s: float

    async def serve(self, stopping: asyncio.Event) -> None:
        """Fire until ``stopping``. A database that is away for a while delays firings, it does not end them."""
        is_declared = False
        while not stopping.is_set():
            wait_s = self.poll_s
            try:
                if not is_declared:
                    await self._declare()
                    is_declared = True
                wait_s = min(await self.fire(), self.poll_s)
            except Exception as error:
                if not retry.is_passing(error):
                    raise
                _log.warning("schedules.unreachable", error=type(error).__name__, retry_s=wait_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), max(wait_s, _PAUSE_MIN_S))

    async def _declare(self) -> None:
        async with self.database.transaction() as uow:
            await schedules.declare(uow, schedules=self.registry.schedules.values())

    async def fire(self) -> float:
        """Make the jobs of what is due, and return the seconds until the next is. Jobs belong to the house; without one nothing is due."""
        async with self.database.transaction(read_only=True) as uow:
            house_id = await house.find(uow)
        if house_id is None:
            return self.poll_s
        async with self.database.transaction(house_id) as uow:
            fired = await schedules.fire(uow, schedules=self.registry.schedules.values())
            next_due = await schedules.next_due(uow.conn, schedules=self.registry.schedules.values())
        for name, job_id in fired:
            _log.info("schedule.fired", schedule=name, job_id=str(job_id))
        return self.poll_s if next_due is None else next_due.total_seconds()
