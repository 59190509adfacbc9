"""Writing an event: the row, and one job for each subscriber, in the transaction of the fact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import bindparam, insert

from carbonledger.infra import clock, db, queue, statements, tables
from carbonledger.infra.outbox import contents, types
from carbonledger.infra.queue import registry
from carbonledger.kernel import actor as actors
from carbonledger.kernel import ids

_INSERT = insert(tables.events).values({column.name: bindparam(column.name) for column in tables.events.c})
_ONE = statements.Prepared(_INSERT)


async def emit(
    uow: db.UnitOfWork,
    *,
    actor: actors.Actor,
    now: datetime,
    action: str,
    target_type: str,
    target_id: UUID | str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    severity: str | None = None,
    audience: tuple[actors.Role | str, ...] | None = None,
    deliver: bool = True,
) -> UUID:
    """Write an event in this transaction, with one job for each subscriber that wants it; return the event's id.

    ``severity`` (info, warning, critical) and ``audience`` (roles, ``OPERATORS``) together make it an alert. ``deliver=False`` records
    without jobs: for the failure of a delivery itself. Raises ``EventRefused``.
    """
    if uow.organization_id is None:
        raise types.EventRefused(f"{action} happened outside an organization's transaction.")
    if not registry.NAME.match(action):
        raise types.EventRefused(f"{action!r} is not an action: thing.what_happened, in lower case.")
    at = clock.now()
    event_id = ids.new_id(at)
    row = {
        "organization_id": uow.organization_id,
        "id": event_id,
        "action": action,
        "actor_kind": actor.kind.value,
        "actor_id": actor.id,
        "target_type": target_type,
        "target_id": str(target_id),
        "before": contents.plain("before", before, target_type=target_type),
        "after": contents.plain("after", after, target_type=target_type),
        "severity": severity,
        "audience": _audience(severity, audience),
        "request_id": actor.request_id or structlog.contextvars.get_contextvars().get("request_id"),
        "occurred_at": now,
        "recorded_at": at,
    }
    jobs = registry.declared.jobs_for(action, is_alert=severity is not None)
    await uow.execute(_ONE(**row))
    if deliver:
        for name in jobs:
            await queue.enqueue(uow, name=name, args={"event_id": str(event_id)}, now=now, actor=actor)
    return event_id


async def emit_many(
    uow: db.UnitOfWork,
    *,
    actor: actors.Actor,
    now: datetime,
    action: str,
    target_type: str,
    changes: Sequence[tuple[UUID | str, Mapping[str, Any]]],
) -> None:
    """Write an event of the same action for each target with its ``after``, in one statement, and the jobs of their subscribers.

    For what happens to hundreds of things at once, such as the invoices of a bill run; never an alert. Raises ``EventRefused``.
    """
    if not changes:
        return
    if uow.organization_id is None:
        raise types.EventRefused(f"{action} happened outside an organization's transaction.")
    if not registry.NAME.match(action):
        raise types.EventRefused(f"{action!r} is not an action: thing.what_happened, in lower case.")
    at = clock.now()
    common = {
        "organization_id": uow.organization_id,
        "action": action,
        "actor_kind": actor.kind.value,
        "actor_id": actor.id,
        "target_type": target_type,
        "before": None,
        "severity": None,
        "audience": None,
        "request_id": actor.request_id or structlog.contextvars.get_contextvars().get("request_id"),
        "occurred_at": now,
        "recorded_at": at,
    }
    rows = [
        {**common, "id": ids.new_id(at), "target_id": str(target), "after": contents.plain("after", after, target_type=target_type)}
        for target, after in changes
    ]
    jobs = registry.declared.jobs_for(action, is_alert=False)
    await uow.execute_many(_INSERT, rows)
    for name in jobs:
        for row in rows:
            await queue.enqueue(uow, name=name, args={"event_id": str(row["id"])}, now=now, actor=actor)


def _audience(severity: str | None, audience: tuple[actors.Role | str, ...] | None) -> list[str] | None:
    if (severity is None) != (not audience):
        raise types.EventRefused("An alert has both a severity and an audience, any other event neither.")
    if severity is None or audience is None:
        return None
    words = sorted({who.value if isinstance(who, actors.Role) else who for who in audience})
    strange = [word for word in words if word not in types.AUDIENCES]
    if severity not in types.SEVERITIES or strange:
        raise types.EventRefused(f"Severity {severity!r} or audience {strange} is not known.")
    return words
