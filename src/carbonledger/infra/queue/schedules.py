"""Schedules: which are due, and the jobs they make, in one transaction, so that a firing happens once whatever dies.

``pgqueuer_schedules`` has one row for each schedule with the time of its next run. Any worker may fire it: the row is locked, the job is
inserted and the next run is set together, by the database's clock. Firings that were missed while nobody worked make one job, and a
firing whose last job has not ended makes none.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from pgqueuer.domain import models
from pgqueuer.domain import types as pgq_types

from carbonledger.infra import db
from carbonledger.infra.queue import jobs, pgq, registry

if TYPE_CHECKING:
    from pgqueuer.adapters.persistence.queries import Queries

FAN_OUT = "schedule.fan_out"
"""The job that makes one job for each organization; its handler is in ``entrypoints.worker``."""

_NOW = "SELECT now()"
_ORGANIZATIONS = "SELECT * FROM scheduled_organizations($1, $2)"


def dedupe_key(name: str) -> str:
    """Return the key that keeps a schedule's jobs from piling up."""
    return f"schedule:{name}"


async def declare(uow: db.UnitOfWork, *, schedules: Collection[registry.Schedule]) -> None:
    """Make a row for each schedule that has none, and drop those whose expression has changed. A new schedule waits for its time."""
    now: datetime = await uow.conn.fetchval(_NOW)
    queries = pgq.on(uow.conn)
    current = {_key(schedule): schedule for schedule in schedules}
    names = {schedule.name for schedule in schedules}
    rows = await queries.peek_schedule()
    outdated = {row.id for row in rows if row.entrypoint in names and (row.entrypoint, row.expression) not in current}
    if outdated:
        await queries.delete_schedule(outdated, set())
    await queries.insert_schedule({key: schedule.cron.next_after(now) - now for key, schedule in current.items()})


async def fire(uow: db.UnitOfWork, *, schedules: Collection[registry.Schedule]) -> tuple[tuple[str, UUID], ...]:
    """Make the jobs of what is due in this transaction of the house; return names and job ids, a job that still runs among them."""
    if not schedules:
        return ()
    now: datetime = await uow.conn.fetchval(_NOW)  # the transaction's own time, which the library's statement uses too
    current = {_key(schedule): schedule for schedule in schedules}
    queries = pgq.on(uow.conn)
    due = await queries.fetch_schedule({key: schedule.cron.next_after(now) - now for key, schedule in current.items()})
    fired = []
    for row in due:
        schedule = current[models.CronExpressionEntrypoint(row.entrypoint, row.expression)]
        fired.append((schedule.name, await _enqueue(uow, schedule, now=now)))
    await _release(queries, due)
    return tuple(fired)


async def _enqueue(uow: db.UnitOfWork, schedule: registry.Schedule, *, now: datetime) -> UUID:
    name, args = (FAN_OUT, {"schedule": schedule.name}) if schedule.each_organization else (schedule.job, dict(schedule.args))
    return await jobs.enqueue(uow, name=name, args=args, now=now, dedupe_key=dedupe_key(schedule.name))


async def _release(queries: Queries, due: list[models.Schedule]) -> None:
    if due:
        await queries.set_schedule_queued({row.id for row in due})


async def next_due(conn: db.Connection, *, schedules: Collection[registry.Schedule]) -> timedelta | None:
    """Return how long until one of the schedules is due (not positive: now), or None when there is none."""
    rows = await pgq.on(conn).peek_schedule()
    wanted = {_key(schedule) for schedule in schedules}
    runs = [row.next_run for row in rows if (row.entrypoint, row.expression) in wanted]
    if not runs:
        return None
    now: datetime = await conn.fetchval(_NOW)
    return min(runs) - now


async def organizations(uow: db.UnitOfWork, *, after: UUID | None, at_most: int) -> list[UUID]:
    """Return ids of organizations that schedules serve (no sandboxes), in their order, from behind ``after``."""
    return [row[0] for row in await uow.conn.fetch(_ORGANIZATIONS, after, at_most)]


def _key(schedule: registry.Schedule) -> models.CronExpressionEntrypoint:
    return models.CronExpressionEntrypoint(pgq_types.CronEntrypoint(schedule.name), pgq_types.CronExpression(schedule.cron.expression))
