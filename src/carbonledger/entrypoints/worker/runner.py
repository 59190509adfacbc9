"""Runs one job: begins an attempt, calls the handler, and ends the attempt in words and in the job's state.

    ticket ─> begin ─┬─ nothing to do (ended, or in another worker's hands)
                     ├─ its workers died too often ──────────────────> parked, alert;  another goes on later, where that is declared
                     └─ handler ─┬─ done ───────────────────────────> succeeded, with its effect in one transaction
                                 ├─ transient, unknown ─> backoff ──> queued;  after too many failures ──> parked, alert
                                 ├─ permanent ──────────────────────> parked, alert
                                 ├─ the worker stops ───────────────> released
                                 └─ superseded ─> nothing is written: another attempt, or a cancel, has the job

It does not pick jobs (``infra.queue.engine``) and holds no rule of a domain. What it can't write down, because the database is away, it
leaves: the row in the queue stays without a heartbeat and a worker takes it up again.
"""

from __future__ import annotations

import asyncio
import functools
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import structlog

from carbonledger import bootstrap
from carbonledger.domains.identity.service import organizations
from carbonledger.infra import clock, db, outbox, retry
from carbonledger.infra.observe import logs, tracing
from carbonledger.infra.queue import attempts, failures, jobs, metrics, registry, types, work
from carbonledger.kernel.actor import Role

_log = structlog.get_logger(__name__)
_SUPERSEDED = "superseded"
_PAUSES_S = (0.1, 0.3, 1.0, 3.0)  # together as long as a database takes to restart
T = TypeVar("T")

Job = work.Work[bootstrap.Services]
"""What a handler in one transaction takes beside the unit of work."""
StepsJob = work.Steps[bootstrap.Services]
"""What a handler of several steps takes."""


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs jobs for one worker. ``busy_delay_s``: when to look again at a job that another worker holds."""

    services: bootstrap.Services
    declared: registry.Registry
    worker: str
    busy_delay_s: float
    policy: retry.Policy = retry.JOB_POLICY
    rng: random.Random = field(default_factory=random.SystemRandom)

    async def run(self, ticket: attempts.Ticket) -> None:
        """Run the job of ``ticket`` once. Raises only when its end could not be written."""
        said = {"request_id": ticket.request_id, "traceparent": ticket.traceparent}
        facts = {"job_id": str(ticket.job_id), "organization_id": str(ticket.organization_id)}
        logs.begin(job=ticket.name, **facts, **{key: value for key, value in said.items() if value is not None})
        with tracing.job(ticket.name, traceparent=ticket.traceparent, attributes=facts):
            handler = self.declared.handlers[ticket.name]
            begun = await _insist(lambda: self._begin(ticket, handler))
            if begun is not None:
                await self._attempt(begun, handler)

    async def _begin(self, ticket: attempts.Ticket, handler: registry.Handler) -> Job | None:
        at = clock.now()
        async with self._transaction(ticket) as uow:
            attempt = await attempts.begin(uow, ticket=ticket, worker=self.worker, at=at, busy_delay_s=self.busy_delay_s)
            if attempt is None:
                return None
            now = await organizations.business_now(uow, organization_id=ticket.organization_id, at=at)
            job: Job = work.Work(attempt=attempt, services=self.services, at=at, now=now)
            if attempt.job.failures < self._attempts_max(handler):
                return job
            # Every attempt so far took its worker down, or failed before that: it is not given another one to kill.
            await self._park(uow, job, failures.LOST)
            await self._resume(uow, job, handler)
        _count(ticket.name, types.Outcome.PARKED.value, None)
        return None

    async def _attempt(self, job: Job, handler: registry.Handler) -> None:
        started = time.perf_counter()
        outcome = _SUPERSEDED
        try:
            outcome = await self._execute(job, handler)
        except asyncio.CancelledError:
            outcome = await _insist(lambda: self._released(job))
            raise
        finally:
            seconds = time.perf_counter() - started
            _count(handler.name, outcome, seconds)
            _log.info("job.ended", outcome=outcome, attempt=job.attempt.number, duration_s=round(seconds, 4))

    async def _execute(self, job: Job, handler: registry.Handler) -> str:
        """Run the handler and write how it ended; returns the outcome."""
        bound = asyncio.timeout(handler.timeout_s)
        try:
            async with bound:
                await self._call(job, handler)
        except attempts.Superseded:
            return _SUPERSEDED
        except Exception as error:
            timeout_s = handler.timeout_s if isinstance(error, TimeoutError) and bound.expired() else None
            failure = failures.describe(error, timeout_s=timeout_s)
            return await _insist(functools.partial(self._failed, job, handler, error, failure))
        return types.Outcome.SUCCEEDED.value

    async def _call(self, job: Job, handler: registry.Handler) -> None:
        """Call the handler; what it did and the job's success are committed together."""
        result: Any
        if handler.in_transaction:
            async with self._transaction(job.attempt.ticket) as uow:
                await attempts.fence(uow, attempt=job.attempt)
                result = await handler.run(uow, job)
                await attempts.succeed(uow, attempt=job.attempt, result=result, at=clock.now())
            return
        steps: StepsJob = work.Steps(attempt=job.attempt, services=job.services, at=job.at, now=job.now, database=self.services.database)
        result = await handler.run(steps)
        if isinstance(result, work.Ended):
            return
        async with steps.transaction() as uow:
            await attempts.succeed(uow, attempt=job.attempt, result=result, at=clock.now())

    async def _failed(self, job: Job, handler: registry.Handler, error: Exception, failure: failures.Failure) -> str:
        """Write the failure and what follows from it; returns the outcome."""
        try:
            async with self._transaction(job.attempt.ticket) as uow:
                present = await attempts.fence(uow, attempt=job.attempt)
                decision = retry.decide(
                    failure.outcome,
                    attempt=present.failures + 1,
                    rng=self.rng,
                    policy=self._policy(handler),
                    retry_after_s=failure.retry_after_s,
                )
                if decision.delay_s is None:
                    await self._park(uow, job, failure)
                else:
                    await attempts.retry(uow, attempt=job.attempt, failure=failure, delay_s=decision.delay_s, at=clock.now())
        except attempts.Superseded:
            return _SUPERSEDED  # canceled, or committed before the connection broke: what it says of itself no longer counts
        if decision.delay_s is None:
            _log.error("job.parked", classification=failure.outcome.value, exc_info=error)
            return types.Outcome.PARKED.value
        _log.warning("job.failed", classification=failure.outcome.value, retry_in_s=round(decision.delay_s, 1), exc_info=error)
        return types.Outcome.RETRIED.value

    async def _released(self, job: Job) -> str:
        try:
            async with self._transaction(job.attempt.ticket) as uow:
                await attempts.fence(uow, attempt=job.attempt)
                await attempts.release(uow, attempt=job.attempt, at=clock.now())
        except attempts.Superseded:
            return _SUPERSEDED
        return types.Outcome.RELEASED.value

    async def _park(self, uow: db.UnitOfWork, job: Job, failure: failures.Failure) -> None:
        """Set the job aside and tell those who can do something about it, in one transaction."""
        at = clock.now()
        await attempts.park(uow, attempt=job.attempt, failure=failure, at=at)
        is_known = await attempts.was_parked_lately(uow, job=job.job, at=at)
        await outbox.emit(
            uow,
            actor=job.actor,
            now=job.now,
            action="job.parked",
            target_type="job",
            target_id=job.job.id,
            after={"name": job.job.name, "attempts": job.attempt.number, "classification": failure.outcome.value, "error": failure.words},
            severity=None if is_known else "critical",
            audience=None if is_known else (outbox.OPERATORS, Role.OWNER, Role.ADMIN),
            deliver=not self.declared.delivers(job.job.name),
        )

    async def _resume(self, uow: db.UnitOfWork, job: Job, handler: registry.Handler) -> None:
        """Have another job go on later where one that was parked for its dead workers has stopped, if that is declared."""
        if handler.resumes_after_s is not None:
            lost = job.job
            await jobs.enqueue(
                uow,
                name=lost.name,
                args=lost.args,
                now=job.now,
                request_id=lost.request_id,
                dedupe_key=lost.dedupe_key,
                delay_s=handler.resumes_after_s,
            )

    def _policy(self, handler: registry.Handler) -> retry.Policy:
        attempts_max = self._attempts_max(handler)
        return replace(self.policy, attempts_max=attempts_max, unknown_attempts_max=attempts_max)

    def _attempts_max(self, handler: registry.Handler) -> int:
        return handler.attempts_max or self.services.settings.job_attempts_max

    def _transaction(self, ticket: attempts.Ticket) -> AbstractAsyncContextManager[db.UnitOfWork]:
        return self.services.database.transaction(ticket.organization_id)


async def _insist(write: Callable[[], Awaitable[T]]) -> T:
    """Write again while the database is away for a moment: what is not written now waits for the heartbeat to run out."""
    for pause_s in _PAUSES_S:
        try:
            return await write()
        except Exception as error:
            if not retry.is_passing(error):
                raise
            _log.warning("job.unwritten", error=type(error).__name__, retry_s=pause_s)
        await asyncio.sleep(pause_s)
    return await write()


def _count(name: str, outcome: str, seconds: float | None) -> None:
    metrics.JOBS.labels(name, outcome).inc()
    if seconds is not None:
        metrics.SECONDS.labels(name).observe(seconds)
