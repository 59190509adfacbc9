"""Jumping by name or id: sections, receipts, invoices, projects, connections, models whose name holds the words; anything by its id."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from carbonledger.domains.connections import service as connections
from carbonledger.domains.connections import types as connection_types
from carbonledger.domains.invoices.service import standing as invoices
from carbonledger.domains.invoices.types import invoices as invoice_types
from carbonledger.domains.projects import service as projects
from carbonledger.domains.projects import types as project_types
from carbonledger.domains.receipts.service import listing as receipts
from carbonledger.domains.receipts.types.listing import Listed
from carbonledger.domains.subscriptions import service as subscriptions
from carbonledger.domains.subscriptions import types as subscription_types
from carbonledger.domains.telemetry import types as telemetry_types
from carbonledger.domains.telemetry.service import answering, events
from carbonledger.domains.telemetry.types.answers import Dimension, Filters
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.web import navigation
from carbonledger.infra import db
from carbonledger.kernel import page

CHARS_MAX: Final = 300
SHOWN_MAX: Final = 20  # of each kind
_PAGES_MAX: Final = 10  # of 200 projects each: beyond 2,000 the words of older ones find nothing, their ids still do
_SERIAL_PART: Final = re.compile("[0-9]{2}|CL", re.IGNORECASE)  # else no serial holds the words, as good as surely
_NUMBER_PART: Final = re.compile("[0-9]{2}")  # else no number of an invoice holds the words, or nearly all do
_DAYS: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that was found. ``is_exact``: it was named whole."""

    kind: str
    name: str
    href: str
    is_exact: bool = False


async def find(call: routing.Call, uow: db.UnitOfWork, words: str) -> list[Hit]:
    """Return what has these words in its name or is called by this id; nothing for no words."""
    if not words:
        return []
    folded = words.casefold()
    hits = [Hit("Section", one.title, one.path) for one in navigation.seen_by(call.actor.scopes) if folded in one.title.casefold()]
    if (asked := _id(words)) is not None:
        return [*hits, *await _by_id(call, uow, asked)]
    if "receipts:read" in call.actor.scopes and _SERIAL_PART.search(words):
        found = await receipts.with_serial(uow, organization_id=call.caller.organization_id, words=words)
        hits += [_receipt(one, is_exact=one.serial == words.upper()) for one in found]
    if "invoices:read" in call.actor.scopes and _NUMBER_PART.search(words):
        hits += await _invoices(call, uow, words)
    if "projects:read" in call.actor.scopes:
        hits += await _projects(call, uow, words)
    if "connections:read" in call.actor.scopes:
        hits += await _connections(call, uow, folded)
    if "telemetry:read" in call.actor.scopes:
        hits += await _models(call, uow, folded)
    return hits


def _id(words: str) -> UUID | None:
    try:
        return UUID(words)
    except ValueError:
        return None


async def _by_id(call: routing.Call, uow: db.UnitOfWork, asked: UUID) -> list[Hit]:
    organization_id = call.caller.organization_id
    hits: list[Hit] = []
    if "projects:read" in call.actor.scopes:
        try:
            found = await projects.find_project(uow, organization_id=organization_id, project_id=asked)
            hits.append(Hit("Project", found.name, f"/projects/{found.id}", is_exact=True))
        except project_types.ProjectNotFound:
            hits = []
    if "connections:read" in call.actor.scopes and not hits:
        try:
            view = await connections.show(uow, organization_id=organization_id, connection_id=asked)
            hits.append(Hit("Connection", view.connection.label, f"/connections/{asked}", is_exact=True))
        except connection_types.ConnectionNotFound:
            hits = []
    if "receipts:read" in call.actor.scopes and not hits:
        named = await receipts.with_id(uow, organization_id=organization_id, asked=asked)
        hits = [] if named is None else [_receipt(named, is_exact=True)]
    if not hits:
        hits = await _sold_by_id(call, uow, asked)
    if "telemetry:read" in call.actor.scopes and not hits:
        try:
            event = (await events.find_event(uow, organization_id=organization_id, event_id=asked)).listed.event
            hits.append(Hit("Event", event.series.model or event.series.event or "", f"/explore/events/{event.id}", is_exact=True))
        except telemetry_types.EventUnknown:
            hits = []
    return hits


async def _sold_by_id(call: routing.Call, uow: db.UnitOfWork, asked: UUID) -> list[Hit]:
    organization_id = call.caller.organization_id
    hits: list[Hit] = []
    if "invoices:read" in call.actor.scopes:
        try:
            found = await invoices.find(uow, organization_id=organization_id, invoice_id=asked)
            hits.append(_invoice(found, is_exact=True))
        except invoice_types.InvoiceNotFound:
            hits = []
    if "subscriptions:read" in call.actor.scopes and not hits:
        try:
            view = await subscriptions.find(uow, organization_id=organization_id, now=call.now, subscription_id=asked)
            name = view.subscription.name or view.subscription.external_id or str(asked)
            hits.append(Hit("Subscription", name, f"/subscriptions/{asked}", is_exact=True))
        except subscription_types.SubscriptionNotFound:
            hits = []
    return hits


async def _invoices(call: routing.Call, uow: db.UnitOfWork, words: str) -> list[Hit]:
    filters = invoice_types.Filters(number=words)
    found = await invoices.listed(uow, organization_id=call.caller.organization_id, filters=filters, page=page.PageRequest(limit=SHOWN_MAX))
    return [_invoice(one, is_exact=one.issued is not None and one.issued.number == words.upper()) for one in found.data]


def _invoice(found: invoice_types.Invoice, *, is_exact: bool) -> Hit:
    name = f"{found.state.value}, not issued yet" if found.issued is None else found.issued.number
    return Hit("Invoice", name, f"/invoices/{found.id}", is_exact=is_exact)


def _receipt(found: Listed, *, is_exact: bool) -> Hit:
    return Hit("Receipt", found.serial or f"{found.month:%B %Y}, not issued yet", f"/receipts/{found.id}", is_exact=is_exact)


async def _projects(call: routing.Call, uow: db.UnitOfWork, words: str) -> list[Hit]:
    organization_id = call.caller.organization_id
    hits: list[Hit] = []
    cursor: str | None = None
    for _ in range(_PAGES_MAX):
        request = call.page(limit=page.LIMIT_MAX, cursor=cursor, parts=1)
        some = await projects.list_projects(uow, actor=call.actor, now=call.now, at=call.at, organization_id=organization_id, page=request)
        named = [one for one in some.data if words.casefold() in one.name.casefold()]
        hits += [Hit("Project", one.name, f"/projects/{one.id}") for one in named]
        cursor = some.next_cursor
        if cursor is None or len(hits) >= SHOWN_MAX:
            break
    return hits[:SHOWN_MAX]


async def _connections(call: routing.Call, uow: db.UnitOfWork, folded: str) -> list[Hit]:
    request = call.page(limit=page.LIMIT_MAX, cursor=None, parts=1)
    some = await connections.list_connections(uow, organization_id=call.caller.organization_id, provider=None, page=request)
    named = [view.connection for view in some.data if folded in view.connection.label.casefold()]
    return [Hit("Connection", one.label, f"/connections/{one.id}") for one in named[:SHOWN_MAX]]


async def _models(call: routing.Call, uow: db.UnitOfWork, folded: str) -> list[Hit]:
    asked = answering.asked(start=call.now - _DAYS, end=call.now, now=call.now, time_zone=call.caller.time_zone)
    by = [Dimension.PROVIDER, Dimension.MODEL]
    found = await answering.breakdown(uow, organization_id=call.caller.organization_id, asked=asked, filters=Filters(), group_by=by)
    labels = [group.labels for group in found.groups if isinstance(group.labels[1], str) and folded in group.labels[1].casefold()]
    return [
        Hit("Model", f"{model} ({provider})", f"/models/one?{urllib.parse.urlencode({'provider': provider, 'model': model})}")
        for provider, model in labels[:SHOWN_MAX]
    ]
