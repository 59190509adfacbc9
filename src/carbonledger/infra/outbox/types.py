"""Words of the outbox: an event, the filters of the trail, and its failures. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from carbonledger.kernel import actor as actors
from carbonledger.kernel import errors

OPERATORS = "operators"
"""The audience of an alert for those who run the installation: owners and admins of the house."""

OPERATOR_ROLES = frozenset({actors.Role.OWNER, actors.Role.ADMIN})
SEVERITIES = ("info", "warning", "critical")
AUDIENCES = frozenset({OPERATORS, *(role.value for role in actors.Role)})


class EventRefused(errors.Fault):
    """The event holds something that an audit trail must not keep."""

    code = "event_refused"


class EventMissing(errors.NotFound):
    """There is no such event here."""

    code = "event_not_found"


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the trail. ``occurred_at`` is the organization's time, ``recorded_at`` the real one."""

    id: UUID
    organization_id: UUID
    action: str
    actor_kind: str
    actor_id: UUID | None
    target_type: str
    target_id: str
    before: Any
    after: Any
    severity: str | None
    audience: tuple[str, ...]
    request_id: str | None
    occurred_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Filters:
    """Which events to list; None does not restrict. ``action`` may be ``prefix.*``; ``[since, until)`` is the organization's time."""

    action: str | None = None
    actor_id: UUID | None = None
    target_type: str | None = None
    target_id: str | None = None
    severity: str | None = None
    since: datetime | None = None
    until: datetime | None = None
