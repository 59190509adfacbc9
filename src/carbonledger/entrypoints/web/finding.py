"""Jumping by name or id: sections, receipts, projects, connections, models, what is sold (``finding_sold``); anything by its id."""

from __future__ import annotations

import re
import urllib.parse
from datetime import timedelta
from typing import Final
from uuid import UUID

from carbonledger.domains.connections import service as connections
from carbonledger.domains.connections import types as connection_types
from carbonledger.domains.projects import service as projects
from carbonledger.domains.projects import types as project_types
from carbonledger.domains.receipts.service import listing as receipts
from carbonledger.domains.receipts.types.listing import Listed
from carbonledger.domains.telemetry import types as telemetry_types
from carbonledger.domains.telemetry.service import answering, events
from carbonledger.domains.telemetry.types.answers import Dimension, Filters
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.web import finding_sold, hits, navigation
from carbonledger.entrypoints.web.hits import SHOWN_MAX, Hit
from carbonledger.infra import db
from carbonledger.kernel import page

CHARS_MAX: Final = 300
_PAGES_MAX: Final = 10  # of 200 projects each: beyond 2,000 the words of older ones find nothing, their ids still do
_SERIAL_PART: Final = re.compile("[0-9]{2}|CL", re.IGNORECASE)  # else no serial holds the words, as good as surely
_DAYS: Final = timedelta(days=365)


async def find(call: routing.Call, uow: db.UnitOfWork, words: str) -> list[Hit]:
    """Return what has these words in its name or is called by this id; nothing for no words."""
    if not words:
        return []
    folded = words.casefold()
    sections = [Hit("Section", one.title, one.path) for one in navigation.seen_by(call.actor.scopes) if folded in one.title.casefold()]
    if (asked := _id(words)) is not None:
        found = await hits.first(call, uow, _BY_ID, asked)
        return [*sections, *([] if found is None else [found])]
    return sections + await hits.every(call, uow, _BY_NAME, words)


def _id(words: str) -> UUID | None:
    try:
        return UUID(words)
    except ValueError:
        return None


async def _project(call: routing.Call, uow: db.UnitOfWork, asked: UUID) -> Hit | None:
    try:
        found = await projects.find_project(uow, organization_id=call.caller.organization_id, project_id=asked)
    except project_types.ProjectNotFound:
        return None
    return Hit("Project", found.name, f"/projects/{found.id}", is_exact=True)


async def _connection(call: routing.Call, uow: db.UnitOfWork, asked: UUID) -> Hit | None:
    try:
        view = await connections.show(uow, organization_id=call.caller.organization_id, connection_id=asked)
    except connection_types.ConnectionNotFound:
        return None
    return Hit("Connection", view.connection.label, f"/connections/{asked}", is_exact=True)


async def _event(call: routing.Call, uow: db.UnitOfWork, asked: UUID) -> Hit | None:
    try:
        event = (await events.find_event(uow, organization_id=call.caller.organization_id, event_id=asked)).listed.event
    except telemetry_types.EventUnknown:
        return None
    return Hit("Event", event.series.model or event.series.event or "", f"/explore/events/{event.id}", is_exact=True)


async def _receipt(call: routing.Call, uow: db.UnitOfWork, asked: UUID) -> Hit | None:
    found = await receipts.with_id(uow, organization_id=call.caller.organization_id, asked=asked)
    return None if found is None else _of_receipt(found, is_exact=True)


async def _receipts(call: routing.Call, uow: db.UnitOfWork, words: str) -> list[Hit]:
    if not _SERIAL_PART.search(words):
        return []
    found = await receipts.with_serial(uow, organization_id=call.caller.organization_id, words=words)
    return [_of_receipt(one, is_exact=one.serial == words.upper()) for one in found]


def _of_receipt(found: Listed, *, is_exact: bool) -> Hit:
    return Hit("Receipt", found.serial or f"{found.month:%B %Y}, not issued yet", f"/receipts/{found.id}", is_exact=is_exact)


async def _projects(call: routing.Call, uow: db.UnitOfWork, words: str) -> list[Hit]:
    organization_id = call.caller.organization_id
    found: list[Hit] = []
    cursor: str | None = None
    for _ in range(_PAGES_MAX):
        request = call.page(limit=page.LIMIT_MAX, cursor=cursor, parts=1)
        some = await projects.list_projects(uow, actor=call.actor, now=call.now, at=call.at, organization_id=organization_id, page=request)
        named = [one for one in some.data if words.casefold() in one.name.casefold()]
        found += [Hit("Project", one.name, f"/projects/{one.id}") for one in named]
        cursor = some.next_cursor
        if cursor is None or len(found) >= SHOWN_MAX:
            break
    return found[:SHOWN_MAX]


async def _connections(call: routing.Call, uow: db.UnitOfWork, words: str) -> list[Hit]:
    request = call.page(limit=page.LIMIT_MAX, cursor=None, parts=1)
    some = await connections.list_connections(uow, organization_id=call.caller.organization_id, provider=None, page=request)
    named = [view.connection for view in some.data if words.casefold() in view.connection.label.casefold()]
    return [Hit("Connection", one.label, f"/connections/{one.id}") for one in named[:SHOWN_MAX]]


async def _models(call: routing.Call, uow: db.UnitOfWork, words: str) -> list[Hit]:
    folded = words.casefold()
    asked = answering.asked(start=call.now - _DAYS, end=call.now, now=call.now, time_zone=call.caller.time_zone)
    by = [Dimension.PROVIDER, Dimension.MODEL]
    found = await answering.breakdown(uow, organization_id=call.caller.organization_id, asked=asked, filters=Filters(), group_by=by)
    labels = [group.labels for group in found.groups if isinstance(group.labels[1], str) and folded in group.labels[1].casefold()]
    return [
        Hit("Model", f"{model} ({provider})", f"/models/one?{urllib.parse.urlencode({'provider': provider, 'model': model})}")
        for provider, model in labels[:SHOWN_MAX]
    ]


_BY_ID: Final[hits.ById] = (
    ("projects:read", _project),
    ("connections:read", _connection),
    ("receipts:read", _receipt),
    *finding_sold.BY_ID,
    ("telemetry:read", _event),
)
_BY_NAME: Final[hits.ByName] = (
    ("receipts:read", _receipts),
    *finding_sold.BY_NAME,
    ("projects:read", _projects),
    ("connections:read", _connections),
    ("telemetry:read", _models),
)
