"""Plans: made with their first version, given the next one, archived, deleted while nothing uses them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from carbonledger.domains.catalog import types
from carbonledger.domains.catalog.core import naming
from carbonledger.domains.catalog.core import versions as rules
from carbonledger.domains.catalog.service import versions
from carbonledger.domains.catalog.store import plans as store
from carbonledger.domains.catalog.store import versions as version_store
from carbonledger.domains.catalog.types import Plan, PlanState, PlanVersion, documents
from carbonledger.domains.catalog.types.drafts import PlanDraft, VersionDraft
from carbonledger.infra import db, outbox
from carbonledger.kernel import ids, instant
from carbonledger.kernel import page as pages
from carbonledger.kernel.actor import Actor
from carbonledger.kernel.errors import Problem

CREATED: Final = "plan.created"
CHANGED: Final = "plan.changed"
VERSIONED: Final = "plan.version_made"
DELETED: Final = "plan.deleted"


@dataclass(frozen=True, slots=True)
class _Tools:
    """What every step of a use case takes."""

    uow: db.UnitOfWork
    actor: Actor
    now: datetime
    organization_id: UUID

    async def emit(
        self, action: str, plan_id: UUID, *, before: Mapping[str, object] | None = None, after: Mapping[str, object] | None = None
    ) -> None:
        await outbox.emit(
            self.uow,
            actor=self.actor,
            now=self.now,
            action=action,
            target_type="plan",
            target_id=plan_id,
            before=before,
            after=after,
        )


async def create_plan(uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, organization_id: UUID, draft: PlanDraft) -> Plan:
    """Make a plan with its first version. Raises ``PlanInvalid`` with all that is wrong, ``PlanCodeTaken``."""
    problems: list[Problem] = []
    naming.check_code(problems, "/code", draft.code)
    name = naming.name(problems, "/name", draft.name)
    description = naming.description(problems, "/description", draft.description)
    plan_id, version_id = ids.new_id(at), ids.new_id(at)
    version = await versions.check_version(
        uow,
        organization_id=organization_id,
        draft=draft.version,
        version=versions.first(draft.version, version_id=version_id, plan_id=plan_id, now=now),
        before=None,
        now=now,
        told=problems,
    )
    head = store.Head(plan_id, draft.code, name, description, PlanState.ACTIVE, now, now, None)
    try:
        await store.add(uow, organization_id=organization_id, head=head)
    except asyncpg.UniqueViolationError as error:
        raise types.PlanCodeTaken(f"There is a plan {draft.code} already. Change that one, or choose another code.") from error
    await versions.add(uow, organization_id=organization_id, version=version)
    tools = _Tools(uow, actor, now, organization_id)
    await tools.emit(CREATED, plan_id, after={"code": head.code, **_told(version)})
    return _plan(head, version if version.effective_at <= now else None, version.number)


def _told(version: PlanVersion) -> dict[str, object]:
    return {
        "version": version.number,
        "effective_at": instant.to_api_instant(version.effective_at),
        "migration": version.migration.value,
        "digest": documents.digest(version).hex(),
    }


def _plan(head: store.Head, version: PlanVersion | None, latest_number: int) -> Plan:
    return Plan(
        id=head.id,
        code=head.code,
        name=head.name,
        description=head.description,
        state=head.state,
        version=version,
        latest_number=latest_number,
        created_at=head.created_at,
        updated_at=head.updated_at,
        archived_at=head.archived_at,
    )


async def _whole(uow: db.UnitOfWork, *, organization_id: UUID, heads: Sequence[store.Head], now: datetime) -> tuple[Plan, ...]:
    """Return plans with the versions that are in force now, in two statements."""
    plan_ids = [head.id for head in heads]
    current = await version_store.in_force(uow, organization_id=organization_id, plan_ids=plan_ids, at=now)
    latest = await version_store.latest(uow, organization_id=organization_id, plan_ids=plan_ids)
    return tuple(_plan(head, current.get(head.id), latest[head.id].number) for head in heads)


async def find_plan(uow: db.UnitOfWork, *, organization_id: UUID, plan_id: UUID, now: datetime) -> Plan:
    """Return a plan with the version that is in force now. Raises ``PlanNotFound``."""
    head = _there(await store.find(uow, organization_id=organization_id, plan_id=plan_id), str(plan_id))
    return (await _whole(uow, organization_id=organization_id, heads=[head], now=now))[0]


async def find_plan_by_code(uow: db.UnitOfWork, *, organization_id: UUID, code: str, now: datetime) -> Plan:
    """Return the plan of this code. Raises ``PlanNotFound``."""
    head = _there(await store.with_code(uow, organization_id=organization_id, code=code), code)
    return (await _whole(uow, organization_id=organization_id, heads=[head], now=now))[0]


async def find_plans(uow: db.UnitOfWork, *, organization_id: UUID, plan_ids: Sequence[UUID], now: datetime) -> dict[UUID, Plan]:
    """Return plans by id, in few statements; an id that is none is left out."""
    heads = await store.those(uow, organization_id=organization_id, plan_ids=list(dict.fromkeys(plan_ids)))
    return {plan.id: plan for plan in await _whole(uow, organization_id=organization_id, heads=heads, now=now)}


def _there(found: store.Head | None, named: str) -> store.Head:
    if found is None:
        raise types.PlanNotFound(f"There is no plan {named}.")
    return found


async def list_plans(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    page: pages.PageRequest,
    now: datetime,
    state: PlanState | None = PlanState.ACTIVE,
    search: str | None = None,
) -> pages.Page[Plan]:
    """Return plans of a state (None: all), newest first, each with the version that is in force now."""
    before = pages.before_id(page)
    heads = await store.some(uow, organization_id=organization_id, state=state, search=search, before=before, limit=page.limit + 1)
    rows = await _whole(uow, organization_id=organization_id, heads=heads, now=now)
    return pages.cut(rows, limit=page.limit, key=lambda plan: (str(plan.id),))


async def change_plan(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    at: datetime,
    organization_id: UUID,
    plan_id: UUID,
    values: Mapping[str, object],
    draft: VersionDraft,
) -> Plan:
    """Give a plan another name, description or state (``values``), and its next version where ``draft`` wants it to cost something else.

    What changes nothing makes no version. Raises ``PlanNotFound``, and ``PlanInvalid`` with all that is wrong.
    """
    tools = _Tools(uow, actor, now, organization_id)
    head = _there(await store.find(uow, organization_id=organization_id, plan_id=plan_id, lock=True), str(plan_id))
    problems: list[Problem] = []
    named = _named(problems, values)
    before = (await version_store.latest(uow, organization_id=organization_id, plan_ids=[plan_id]))[plan_id]
    version = await versions.check_version(
        uow,
        organization_id=organization_id,
        draft=draft,
        version=versions.following(draft, before=before, version_id=ids.new_id(at), now=now),
        before=before,
        now=now,
        told=problems,
    )
    if not rules.same_terms(version, before):
        await versions.add(uow, organization_id=organization_id, version=version)
        await tools.emit(VERSIONED, plan_id, after=_told(version))
    await _write(tools, head, named)
    return await find_plan(uow, organization_id=organization_id, plan_id=plan_id, now=now)


def _named(problems: list[Problem], values: Mapping[str, object]) -> dict[str, object]:
    named = dict(values)
    if "name" in named:
        named["name"] = naming.name(problems, "/name", str(named["name"]))
    if named.get("description") is not None:
        named["description"] = naming.description(problems, "/description", str(named["description"]))
    return named


async def _write(tools: _Tools, head: store.Head, named: Mapping[str, object]) -> None:
    """Write what differs of name, description and state, and tell it."""
    changed = {name: value for name, value in named.items() if value != getattr(head, name)}
    if not changed:
        return
    columns = {name: getattr(value, "value", value) for name, value in changed.items()}
    before = {name: getattr(getattr(head, name), "value", getattr(head, name)) for name in changed}
    end = {"archived_at": tools.now if changed["state"] is PlanState.ARCHIVED else None} if "state" in changed else {}
    await store.change(
        tools.uow, organization_id=tools.organization_id, plan_id=head.id, values={**columns, **end, "updated_at": tools.now}
    )
    await tools.emit(CHANGED, head.id, before=before, after=columns)


async def delete_plan(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, plan_id: UUID) -> None:
    """Delete a plan that nothing ever used; its code is free again. Raises ``PlanNotFound``, ``PlanInUse``: archive it then."""
    head = _there(await store.find(uow, organization_id=organization_id, plan_id=plan_id, lock=True), str(plan_id))
    uses = await store.uses_of(uow, organization_id=organization_id, plan_id=plan_id)
    if uses:
        raise types.PlanInUse(
            f"Used by: {', '.join(uses)}. Archive it: those who have it keep it, and nobody else takes it.", extra={"uses": list(uses)}
        )
    await store.change(uow, organization_id=organization_id, plan_id=plan_id, values={"deleted_at": now, "updated_at": now})
    await _Tools(uow, actor, now, organization_id).emit(DELETED, plan_id, before={"code": head.code})


async def mark_plans_used(uow: db.UnitOfWork, *, organization_id: UUID, plan_ids: Sequence[UUID], kind: str, now: datetime) -> None:
    """Say that things of ``kind`` (a word for people, such as ``subscriptions``) use plans: from then on these are never deleted.

    Called by the domain whose things they are, before it begins one, in the same transaction. Raises ``PlanNotFound``.
    """
    wanted = sorted(set(plan_ids))
    there = await store.held(uow, organization_id=organization_id, plan_ids=wanted)
    for plan_id in wanted:
        if plan_id not in there:
            raise types.PlanNotFound(f"There is no plan {plan_id}.")
    await store.use(uow, organization_id=organization_id, plan_ids=wanted, kind=kind, at=now)
