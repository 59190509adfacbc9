"""What a handler is given. ``Work`` for a job that is one transaction; ``Steps`` for one of several, each fenced and remembered.

A job of several steps may be killed between any two and is then run again from the top. ``step`` skips what has been done: its effect and
its memory are one transaction. ``outside`` is for a call to another system, which can't be: it is repeated if the process dies between the
call and the memory, so the call carries a key by which the other side recognizes it (``work.key``).
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import insert, select, update

from carbonledger.infra import clock, db, tables
from carbonledger.infra.queue import attempts, types
from carbonledger.kernel import actor as actors

S = TypeVar("S")
_jobs, _steps = tables.jobs, tables.job_steps
_WORDS_MAX = 500


@dataclass(frozen=True, slots=True)
class Work(Generic[S]):
    """A job being run. ``at`` is the real time when this attempt began, ``now`` the organization's time then."""

    attempt: attempts.Attempt
    services: S
    at: datetime
    now: datetime

    @property
    def job(self) -> types.Job:
        """The job as it was when the attempt began."""
        return self.attempt.job

    @property
    def args(self) -> types.JobArgs:
        """What the job was told."""
        return self.attempt.job.args

    @property
    def organization_id(self) -> UUID:
        """Whose job it is."""
        return self.attempt.job.organization_id

    @property
    def actor(self) -> actors.Actor:
        """Who acts: the system, for the request that asked for the job."""
        return actors.system(self.organization_id, request_id=self.attempt.job.request_id)

    def key(self, part: str) -> str:
        """Return an idempotency key for ``part`` of this job: the same in every attempt, of no other job."""
        return f"{self.attempt.job.id}:{part}"


@dataclass(frozen=True, slots=True)
class Ended:
    """What a handler returns whose job has ended already, by ``Steps.end``."""


@dataclass(frozen=True, slots=True)
class Steps(Work[S]):
    """A job of several steps being run."""

    database: db.Database

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[db.UnitOfWork]:
        """Open a transaction of the organization that commits only while the job is still this attempt's. Raises ``Superseded``."""
        async with self.database.transaction(self.organization_id) as uow:
            await attempts.fence(uow, attempt=self.attempt)
            yield uow

    async def progress(self, done: int, total: int | None = None, words: str | None = None) -> None:
        """Say how far the job is. Raises ``Superseded``, so a canceled job notices."""
        async with self.transaction() as uow:
            where = (_jobs.c.organization_id == self.organization_id, _jobs.c.id == self.job.id)
            said = None if words is None else words[:_WORDS_MAX]
            await uow.execute(update(_jobs).where(*where).values(progress_done=done, progress_total=total, progress_words=said))

    async def step(self, key: str, run: Callable[[db.UnitOfWork], Awaitable[Any]]) -> Any:  # noqa: ANN401 - JSON
        """Run a step in one transaction and remember what it returned (JSON); if it has been done, return that and do nothing."""
        async with self.transaction() as uow:
            found = await self._remembered(uow, key)
            if found is not None:
                return found[0]
            result = await run(uow)
            await self._remember(uow, key, result)
            return result

    async def outside(self, key: str, call: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401 - JSON
        """Call another system outside any transaction and remember what it returned (JSON); if it has been done, return that."""
        async with self.transaction() as uow:
            found = await self._remembered(uow, key)
        if found is not None:
            return found[0]
        result = await call()
        async with self.transaction() as uow:
            await self._remember(uow, key, result)
        return result

    async def end(self, run: Callable[[db.UnitOfWork], Awaitable[Any]]) -> Ended:
        """Run the last step and end the job well with what it returns (JSON), in one transaction. Raises ``Superseded``.

        For work that others ask for by the job's dedupe key: who asks before is seen by the last step, who asks after gets another job.
        What this returns, the handler returns; if ``run`` raises, the job goes on.
        """
        async with self.transaction() as uow:
            result = await run(uow)
            await attempts.succeed(uow, attempt=self.attempt, result=result, at=clock.now())
        return Ended()

    async def _remembered(self, uow: db.UnitOfWork, key: str) -> tuple[Any] | None:
        mine = (_steps.c.organization_id == self.organization_id, _steps.c.job_id == self.job.id, _steps.c.key == key)
        row = await uow.fetch_one(select(_steps.c.result).where(*mine))
        return None if row is None else (row["result"],)

    async def _remember(self, uow: db.UnitOfWork, key: str, result: Any) -> None:  # noqa: ANN401 - JSON
        row = {"organization_id": self.organization_id, "job_id": self.job.id, "key": key, "result": result, "finished_at": clock.now()}
        await uow.execute(insert(_steps).values(row))
