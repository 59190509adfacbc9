"""What happened and what goes on: the audit trail, alerts, and the state of queued work."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, Field

from carbonledger.entrypoints.rest import routing, shapes
from carbonledger.entrypoints.shared import access
from carbonledger.infra import outbox, queue
from carbonledger.kernel import page

router = routing.Router(prefix="/v1", tag="Activity")

_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2200, 1, 1, tzinfo=UTC)
_ACTION: Final = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*(\.\*)?$"
_TARGET: Final = r"^[A-Za-z0-9._:/-]{1,128}$"
_SEVERITY: Final = "^(info|warning|critical)$"

_EVENT: Final[dict[str, Any]] = {
    "id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d11",
    "action": "api_key.created",
    "actor": {"kind": "member", "id": "01932d3c-1111-7c3e-9b4d-2f1a6e8c0d11"},
    "target": {"type": "api_key", "id": "01932d3c-2222-7c3e-9b4d-2f1a6e8c0d11"},
    "before": None,
    "after": {"label": "production"},
    "severity": None,
    "audience": [],
    "request_id": "0b6e7c1d9f1e4c0c8a0d4e5f60718293",
    "occurred_at": "2026-11-01T09:00:00Z",
    "recorded_at": "2026-11-01T09:00:00.000412Z",
}
_NOTIFICATION: Final[dict[str, Any]] = {
    "id": "01932d3c-7777-7c3e-9b4d-2f1a6e8c0d11",
    "organization_id": "01932d3c-3333-7c3e-9b4d-2f1a6e8c0d11",
    "action": "job.parked",
    "severity": "critical",
    "target": {"type": "job", "id": "01932d3c-4444-7c3e-9b4d-2f1a6e8c0d11"},
    "details": {"name": "vault.reseal", "attempts": 8, "error": "An unexpected failure (KeyError)."},
    "occurred_at": "2026-11-01T09:00:00Z",
}
_JOB: Final[dict[str, Any]] = {
    "id": "01932d3c-4444-7c3e-9b4d-2f1a6e8c0d11",
    "name": "test_clock.advance",
    "state": "running",
    "attempts": 1,
    "progress": {"done": 40, "total": 100, "words": "40 of 100 periods closed"},
    "result": None,
    "error": None,
    "request_id": "0b6e7c1d9f1e4c0c8a0d4e5f60718293",
    "created_at": "2026-11-01T09:00:00Z",
    "started_at": "2026-11-01T09:00:00.050000Z",
    "finished_at": None,
}


class ActorOut(shapes.Out):
    """Who did it."""

    kind: str = Field(description="member, api_key, token, system, operator or anonymous.")
    id: UUID | None


class TargetOut(shapes.Out):
    """What it was done to."""

    type: str
    id: str


class EventOut(shapes.Out):
    """An entry of the audit trail. People appear by id only."""

    id: UUID
    action: str
    actor: ActorOut
    target: TargetOut
    before: Any = Field(description="What changed, as it was; null where nothing was.")
    after: Any = Field(description="What changed, as it is now.")
    severity: str | None = Field(description="Of an alert: info, warning or critical.")
    audience: list[str] = Field(description="Of an alert: the roles it is for.")
    request_id: str | None
    occurred_at: datetime = Field(description="The organization's time.")
    recorded_at: datetime = Field(description="Real time.")


class NotificationOut(shapes.Out):
    """An alert that the caller should see."""

    id: UUID
    organization_id: UUID = Field(description="Whose alert it is; operators of the installation see those of others.")
    action: str
    severity: str
    target: TargetOut
    details: Any
    occurred_at: datetime


class ProgressOut(shapes.Out):
    """How far it is."""

    done: int
    total: int | None = Field(description="Null while nobody knows.")
    words: str | None


class JobOut(shapes.Out):
    """Queued work."""

    id: UUID
    name: str
    state: str = Field(description="queued, running, succeeded, parked (failed, waits for an operator) or canceled.")
    attempts: int
    progress: ProgressOut
    result: Any = Field(description="What it brought; null until it has succeeded.")
    error: str | None = Field(description="Why the last attempt failed.")
    request_id: str | None = Field(description="The request that asked for it.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


def to_api_event(event: outbox.Event) -> EventOut:
    """Return an event as callers see it."""
    return EventOut(
        id=event.id,
        action=event.action,
        actor=ActorOut(kind=event.actor_kind, id=event.actor_id),
        target=TargetOut(type=event.target_type, id=event.target_id),
        before=event.before,
        after=event.after,
        severity=event.severity,
        audience=list(event.audience),
        request_id=event.request_id,
        occurred_at=event.occurred_at,
        recorded_at=event.recorded_at,
    )


def to_api_notification(alert: outbox.Event) -> NotificationOut:
    """Return an alert as callers see it."""
    return NotificationOut(
        id=alert.id,
        organization_id=alert.organization_id,
        action=alert.action,
        severity=alert.severity or "",
        target=TargetOut(type=alert.target_type, id=alert.target_id),
        details=alert.after,
        occurred_at=alert.occurred_at,
    )


def to_api_job(job: queue.Job) -> JobOut:
    """Return a job as callers see it."""
    return JobOut(
        id=job.id,
        name=job.name,
        state=job.state.value,
        attempts=job.attempts,
        progress=ProgressOut(done=job.progress.done, total=job.progress.total, words=job.progress.words),
        result=job.result,
        error=job.error,
        request_id=job.request_id,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
    )


@router.get(
    "/events",
    access=access.scope("events:read"),
    summary="List events",
    operation_id="listEvents",
    examples={"response": {"data": [_EVENT], "next_cursor": None}},
    errors=(page.CursorUnreadable,),
)
async def list_events(
    call: routing.CallDep,
    *,
    action: Annotated[str | None, Query(max_length=100, pattern=_ACTION, description="An action, or a prefix: `api_key.*`.")] = None,
    actor_id: Annotated[UUID | None, Query(description="The member or key that acted.")] = None,
    target_type: Annotated[str | None, Query(min_length=1, max_length=64, pattern=_TARGET)] = None,
    target_id: Annotated[str | None, Query(max_length=128, pattern=_TARGET)] = None,
    severity: Annotated[str | None, Query(pattern=_SEVERITY, description="Only alerts of this severity.")] = None,
    since: Annotated[AwareDatetime | None, Query(ge=_FIRST, le=_LAST, description="From this instant of the organization's time.")] = None,
    until: Annotated[AwareDatetime | None, Query(ge=_FIRST, le=_LAST, description="Up to, not including, this instant.")] = None,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=page.CURSOR_MAX_CHARS)] = None,
) -> shapes.ListOut[EventOut]:
    """List the organization's audit trail, newest first. It is never changed and never shortened."""
    found = await outbox.events(
        call.uow,
        filters=outbox.Filters(
            action=action,
            actor_id=actor_id,
            target_type=target_type,
            target_id=target_id,
            severity=severity,
            since=since,
            until=until,
        ),
        request=call.page(limit=limit, cursor=cursor, parts=2),
    )
    return shapes.ListOut[EventOut](data=[to_api_event(event) for event in found.data], next_cursor=found.next_cursor)


@router.get(
    "/notifications",
    access=access.scope("notifications:read"),
    summary="List notifications",
    operation_id="listNotifications",
    examples={"response": {"data": [_NOTIFICATION], "next_cursor": None}},
    errors=(page.CursorUnreadable,),
)
async def list_notifications(
    call: routing.CallDep,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=page.CURSOR_MAX_CHARS)] = None,
) -> shapes.ListOut[NotificationOut]:
    """List the alerts for the caller's role, newest first; a key sees those for any role. Operators also see what is addressed to them."""
    found = await outbox.notifications(
        call.uow,
        role=call.actor.role,
        is_house=call.caller.is_house,
        request=call.page(limit=limit, cursor=cursor, parts=1),
    )
    return shapes.ListOut[NotificationOut](data=[to_api_notification(alert) for alert in found.data], next_cursor=found.next_cursor)


@router.get(
    "/jobs/{job_id}",
    access=access.scope("jobs:read"),
    summary="Show queued work",
    operation_id="getJob",
    examples={"response": _JOB},
    errors=(queue.JobMissing,),
)
async def get_job(call: routing.CallDep, job_id: UUID) -> JobOut:
    """Return the state and progress of work that was queued with 202. It is kept for 30 days after its end."""
    return to_api_job(await queue.job(call.uow, job_id=job_id))
