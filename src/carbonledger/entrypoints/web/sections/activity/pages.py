"""The audit trail: who did what to which thing, what it was before and after; filtered, newest first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.identity.service import members
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import access, exchange, places
from carbonledger.entrypoints.web import chosen as periods
from carbonledger.entrypoints.web import forms, routes, screens
from carbonledger.infra import db, outbox
from carbonledger.kernel import errors, page

router = routes.Router()
AREAS: Final = {
    "": "Everything",
    "api_key.*": "API keys",
    "member.*": "Members",
    "invitation.*": "Invitations",
    "session.*": "Sessions",
    "user.*": "People",
    "organization.*": "Organization",
    "project.*": "Projects",
    "workload.*": "Workloads",
    "agent.*": "Agents",
    "telemetry.*": "Usage",
    "account.*": "Accounts",
    "subscription.*": "Subscriptions",
    "invoices.*": "Invoices",
    "seller.*": "How you sell",
    "receipts.*": "Months and receipts",
    "credits.*": "Credits",
    "llm_key.*": "Provider keys",
    "job.*": "Jobs",
}
_WORDS: Final = {"member": "Member", "api_key": "API key", "token": "Token", "system": "The system", "operator": "The operator"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as it is read: who, what, to which, and what changed."""

    event: outbox.Event
    who: str
    what: str
    target: str
    href: str | None
    changes: tuple[tuple[str, str, str], ...]


@router.page("/activity", access.scope("events:read"))
async def activity(call: routing.CallDep) -> exchange.Answer:
    """Show the audit trail."""
    fields = screens.query(call)
    chosen = periods.read(call, fields)
    is_all = not any(fields.given(name) for name in periods.NAMES)
    filters = outbox.Filters(
        action=fields.text("area") if fields.text("area") in AREAS and fields.text("area") else None,
        actor_id=_id(fields.given("actor")),
        since=None if is_all else chosen.asked.period.start,
        until=None if is_all else chosen.asked.end,
    )
    async with screens.reading(call) as uow:
        found = await outbox.events(uow, filters=filters, request=call.page(limit=50, cursor=fields.given("cursor"), parts=2))
        people = await _people(call, uow)
        return await screens.show(
            call,
            uow,
            "activity/activity.html",
            section="activity",
            title="Activity",
            chosen=chosen,
            is_all=is_all,
            entries=[_entry(event, people) for event in found.data],
            next_cursor=found.next_cursor,
            areas=AREAS,
            area=fields.text("area"),
            people=people,
            actor=fields.text("actor"),
            again=_again(fields),
        )


def _again(fields: forms.Fields) -> str:
    kept = fields.named((*periods.NAMES, "area", "actor")).query
    return f"/activity?{kept}&" if kept else "/activity?"


async def _people(call: routing.Call, uow: db.UnitOfWork) -> dict[UUID, str]:
    found = await members.page(uow, organization_id=call.caller.organization_id, request=page.PageRequest(limit=page.LIMIT_MAX))
    return {one.user_id: one.name or one.email or str(one.user_id) for one in found.data}


def _id(given: str | None) -> UUID | None:
    try:
        return None if given is None else UUID(given)
    except ValueError:
        raise errors.invalid("/actor", "actor_unknown", "Choose one of the members.") from None


def _entry(event: outbox.Event, people: Mapping[UUID, str]) -> Entry:
    kind = _WORDS.get(event.actor_kind, event.actor_kind)
    who = people.get(event.actor_id, kind) if event.actor_id is not None else kind
    area, _, verb = event.action.rpartition(".")
    what = f"{area.replace('_', ' ')} {verb.replace('_', ' ')}".strip()
    return Entry(event, who, what, _target(event, people), _page(event), _changes(event))


def _target(event: outbox.Event, people: Mapping[UUID, str]) -> str:
    try:
        return people.get(UUID(event.target_id), event.target_id)
    except ValueError:
        return event.target_id


def _page(event: outbox.Event) -> str | None:
    return places.page_of(action=event.action, target_type=event.target_type, target_id=event.target_id)


def _changes(event: outbox.Event) -> tuple[tuple[str, str, str], ...]:
    before = event.before if isinstance(event.before, dict) else {}
    after = event.after if isinstance(event.after, dict) else {}
    return tuple((name, _said(before.get(name)), _said(after.get(name))) for name in dict.fromkeys((*before, *after)))


def _said(value: Any) -> str:  # noqa: ANN401 - what an event holds is any JSON
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
