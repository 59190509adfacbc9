"""Reading the trail: one event, the organization's events, the alerts that a caller may see."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import ARRAY, Text, cast, select, tuple_

from carbonledger.infra import db, tables
from carbonledger.infra.outbox import types
from carbonledger.kernel import actor as actors
from carbonledger.kernel import instant, page

if TYPE_CHECKING:
    import asyncpg
    from sqlalchemy.sql.elements import ColumnElement

_events = tables.events
_OPERATOR_ALERTS = "SELECT * FROM operator_alerts($1, $2)"


def from_row(row: asyncpg.Record) -> types.Event:
    """Read a row of ``events`` or of ``operator_alerts``, which has no ``before``."""
    return types.Event(
        id=row["id"],
        organization_id=row["organization_id"],
        action=row["action"],
        actor_kind=row["actor_kind"],
        actor_id=row["actor_id"],
        target_type=row["target_type"],
        target_id=row["target_id"],
        before=row.get("before"),
        after=row["after"],
        severity=row["severity"],
        audience=tuple(row["audience"] or ()),
        request_id=row["request_id"],
        occurred_at=row["occurred_at"],
        recorded_at=row["recorded_at"],
    )


async def event(uow: db.UnitOfWork, *, event_id: UUID) -> types.Event:
    """Return one event. Raises ``EventMissing``."""
    row = await uow.fetch_one(select(_events).where(_events.c.organization_id == uow.organization_id, _events.c.id == event_id))
    if row is None:
        raise types.EventMissing(f"No event {event_id}.")
    return from_row(row)


async def events(uow: db.UnitOfWork, *, filters: types.Filters, request: page.PageRequest) -> page.Page[types.Event]:
    """Return the organization's events, newest first by its own time. The cursor's parts are time and id."""
    statement = select(_events).where(*_conditions(uow, filters))
    position = page.after_instant(request)
    if position is not None:
        statement = statement.where(tuple_(_events.c.occurred_at, _events.c.id) < tuple_(*position))
    statement = statement.order_by(_events.c.occurred_at.desc(), _events.c.id.desc()).limit(request.limit + 1)
    found = [from_row(row) for row in await uow.fetch(statement)]
    return page.cut(found, limit=request.limit, key=lambda last: (instant.to_api_instant(last.occurred_at), str(last.id)))


async def notifications(
    uow: db.UnitOfWork, *, role: actors.Role | None, is_house: bool, request: page.PageRequest
) -> page.Page[types.Event]:
    """Return the alerts for a caller of ``role`` (None: a key or token, which sees what any role sees), newest first by real time.

    Owners, admins and keys of the house are the operators: they also see what any organization's alerts tell operators.
    """
    before = page.before_id(request)
    roles = [role.value] if role is not None else [known.value for known in actors.Role]
    statement = select(_events).where(
        _events.c.organization_id == uow.organization_id,
        _events.c.severity.is_not(None),
        _events.c.audience.op("&&")(cast(roles, ARRAY(Text))),
    )
    if before is not None:
        statement = statement.where(_events.c.id < before)
    rows = await uow.fetch(statement.order_by(_events.c.id.desc()).limit(request.limit + 1))
    if is_house and (role is None or role in types.OPERATOR_ROLES):
        rows += await uow.conn.fetch(_OPERATOR_ALERTS, before, request.limit + 1)
    # The house's own alerts for operators come both ways.
    found = sorted({row["id"]: from_row(row) for row in reversed(rows)}.values(), key=lambda alert: alert.id, reverse=True)
    return page.cut(found, limit=request.limit, key=lambda last: (str(last.id),))


def _conditions(uow: db.UnitOfWork, filters: types.Filters) -> list[ColumnElement[bool]]:
    column = _events.c
    conditions = [column.organization_id == uow.organization_id]
    if filters.action is not None and filters.action.endswith(".*"):
        conditions.append(column.action.startswith(filters.action[:-1], autoescape=True))
    elif filters.action is not None:
        conditions.append(column.action == filters.action)
    wanted = (
        (column.actor_id, filters.actor_id),
        (column.target_type, filters.target_type),
        (column.target_id, filters.target_id),
        (column.severity, filters.severity),
    )
    conditions += [field == value for field, value in wanted if value is not None]
    if filters.since is not None:
        conditions.append(column.occurred_at >= filters.since)
    if filters.until is not None:
        conditions.append(column.occurred_at < filters.until)
    return conditions
