"""Plans: the list, one with its versions, and the editor whose prices are worked out while they are written."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import date
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.catalog import service, types
from carbonledger.domains.catalog.types.drafts import VersionDraft
from carbonledger.domains.catalog.types.plans import Migration, PlanState, Proration
from carbonledger.domains.identity.service import organizations
from carbonledger.entrypoints.rest import plan_shapes, problems, routing
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.entrypoints.web import forms, routes, screens
from carbonledger.entrypoints.web.sections.plans import calculator, editor
from carbonledger.infra import db
from carbonledger.kernel import errors, instant, page
from carbonledger.kernel import zone as zones
from carbonledger.kernel.period import CalendarUnit

router = routes.Router()
_READ: Final = access.scope("catalog:read")
_WRITE: Final = access.scope("catalog:write")
_DONE: Final = {
    "made": "The plan is made. An account takes it by a subscription.",
    "changed": "The next version is made. The ones before stay as they were.",
    "archived": "The plan is archived: those who have it keep it, and nobody else takes it.",
    "restored": "The plan is offered again.",
    "deleted": "The plan is deleted.",
}
_UNITS: Final = [(unit.value, unit.value.replace("_", " ")) for unit in CalendarUnit if unit is not CalendarUnit.HOUR]
_PRORATIONS: Final = (
    (Proration.DAY.value, "By local days"),
    (Proration.SECOND.value, "By seconds"),
    (Proration.NONE.value, "Not at all: a part costs what the whole does"),
)
_MIGRATIONS: Final = (
    (Migration.STAY.value, "Stay on their version"),
    (Migration.RENEWAL.value, "Change with their next period"),
    (Migration.NOW.value, "Change when it becomes effective"),
)


@router.page("/plans", _READ)
async def plans(call: routing.CallDep) -> exchange.Answer:
    """Show the plans."""
    fields = screens.query(call)
    archived = fields.text("archived") == "yes"
    request = call.page(limit=page.LIMIT_DEFAULT, cursor=fields.given("cursor"), parts=1)
    async with screens.reading(call) as uow:
        found = await service.list_plans(
            uow,
            organization_id=call.caller.organization_id,
            page=request,
            now=call.now,
            state=PlanState.ARCHIVED if archived else PlanState.ACTIVE,
        )
        return await screens.show(
            call,
            uow,
            "plans/list.html",
            section="plans",
            title="Plans",
            plans=[(plan, _said(plan.version)) for plan in found.data],
            next_cursor=found.next_cursor,
            archived=archived,
            done=_DONE.get(fields.text("done"), ""),
        )


def _said(version: types.PlanVersion | None) -> str:
    if version is None:
        return "not effective yet"
    unit, count = version.interval.unit.value.replace("_", " "), version.interval.count
    every = f"every {unit}" if count == 1 else f"every {count} {unit}s"
    return f"{len(version.charges)} charge{'' if len(version.charges) == 1 else 's'}, {every}, in {version.currency.code}"


@router.page("/plans/new", _WRITE)
async def new_plan(call: routing.CallDep) -> exchange.Answer:
    """Show the editor for a plan."""
    async with screens.reading(call) as uow:
        organization = await organizations.find(uow, organization_id=call.caller.organization_id)
        return await _editor(call, uow, editor.blank(organization.currency), None)


@router.act("/plans/draft", _WRITE)
async def draft(call: routing.CallDep) -> exchange.Answer:
    """Show the editor again with a charge or a tier more or less, and what the prices come to. Nothing is kept."""
    fields = screens.sent(call)
    form = editor.acted(editor.read(fields), fields.text("act"))
    async with screens.reading(call) as uow:
        return await _editor(call, uow, form, await _named(call, uow, fields))


async def _named(call: routing.Call, uow: db.UnitOfWork, fields: forms.Fields) -> types.Plan | None:
    """Return the plan that is being changed, if one is."""
    try:
        plan_id = UUID(fields.text("plan_id"))
    except ValueError:
        return None
    return await service.find_plan(uow, organization_id=call.caller.organization_id, plan_id=plan_id, now=call.now)


async def _editor(
    call: routing.Call, uow: db.UnitOfWork, form: editor.Form, plan: types.Plan | None, fault: errors.Fault | None = None
) -> exchange.Answer:
    organization_id = call.caller.organization_id
    everything = page.PageRequest(limit=page.LIMIT_MAX)
    meters = (await service.list_meters(uow, organization_id=organization_id, page=everything)).data
    rates = (await service.list_tax_rates(uow, organization_id=organization_id, page=everything)).data
    found = () if fault is None else fault.problems
    beside = editor.beside(form, found) if found else {} if fault is None else {"code": forms.words(fault)}
    return await screens.show(
        call,
        uow,
        "plans/form.html",
        section="plans",
        title=f"Change “{plan.name}”" if plan else "Make a plan",
        path=f"/plans/{plan.id}/edit" if plan else "/plans/new",
        status=200 if fault is None else problems.status_of(fault),
        plan=plan,
        form=form,
        refused=forms.Refused(form.fields(), "" if fault is None else forms.words(fault), beside),
        worked=_worked(form, plan, {rate.code: rate for rate in rates}),
        meters=[("", "choose a meter"), *((meter.code, meter.name) for meter in meters)],
        all_usage=[("", "all usage of models"), *((meter.code, meter.name) for meter in meters if meter.event is None)],
        rates=[rate.code for rate in rates],
        currencies=[(code, code) for code in calculator.codes()],
        units=_UNITS,
        prorations=_PRORATIONS,
        migrations=_MIGRATIONS,
        models=list(editor.MODELS.items()),
        members=editor.MEMBERS,
        tiered=editor.TIERED,
        tried=editor.TRIED,
        kinds=editor.KINDS,
    )


def _worked(form: editor.Form, plan: types.Plan | None, rates: dict[str, types.TaxRate]) -> calculator.Worked:
    try:
        body = editor.sent(form, plan_shapes.PlanIn, **_required(form, plan))
    except errors.Invalid as fault:
        return calculator.Worked(wanting=tuple(problem.detail for problem in fault.problems))
    return calculator.work(form, plan_shapes.from_api_plan(body).version, rates)


def _required(form: editor.Form, plan: types.Plan | None) -> dict[str, Any]:
    """Return what every plan has, as far as the form does not say it."""
    currency = plan.version.currency.code if plan and plan.version else form.values.get("currency", "")
    return {"code": form.values.get("code", "").strip() or "x", "name": form.values.get("name", ""), "currency": currency.strip()}


@router.act("/plans", _WRITE)
async def make_plan(call: routing.CallDep) -> exchange.Answer:
    """Make a plan."""
    form = editor.read(screens.sent(call))

    async def make(uow: db.UnitOfWork) -> str:
        required = {**_required(form, None), "code": forms.code(form.values)}
        wanted = plan_shapes.from_api_plan(editor.sent(form, plan_shapes.PlanIn, **required))
        made = await service.create_plan(
            uow, actor=call.actor, now=call.now, at=call.at, organization_id=call.caller.organization_id, draft=wanted
        )
        return f"/plans/{made.id}?done=made"

    async def refusal(fault: errors.Fault) -> exchange.Answer:
        async with screens.reading(call) as uow:
            return await _editor(call, uow, form, None, fault)

    return await screens.attempt(call, make, refusal)


@router.page("/plans/{plan_id}", _READ)
async def plan(call: routing.CallDep, plan_id: UUID) -> exchange.Answer:
    """Show a plan with its versions."""
    return await _detail(call, plan_id, forms.Refused())


async def _detail(call: routing.Call, plan_id: UUID, refused: forms.Refused, *, status: int = 200) -> exchange.Answer:
    fields, organization_id = screens.query(call), call.caller.organization_id
    async with screens.reading(call) as uow:
        found = await service.find_plan(uow, organization_id=organization_id, plan_id=plan_id, now=call.now)
        versions = await service.list_versions(
            uow, organization_id=organization_id, plan_id=plan_id, page=page.PageRequest(limit=page.LIMIT_MAX)
        )
        chosen = _chosen(fields, versions.data, found.version)
        return await screens.show(
            call,
            uow,
            "plans/detail.html",
            section="plans",
            title=found.name,
            path=f"/plans/{plan_id}",
            status=status,
            refused=refused,
            done=_DONE.get(fields.text("done"), ""),
            plan=found,
            version=plan_shapes.to_api_version(chosen),
            is_current=found.version is not None and chosen.id == found.version.id,
            said=_said(chosen),
            models=editor.MODELS,
            versions=versions.data,
            migrations=dict(_MIGRATIONS),
            prorations=dict(_PRORATIONS),
        )


def _chosen(fields: forms.Fields, versions: tuple[types.PlanVersion, ...], current: types.PlanVersion | None) -> types.PlanVersion:
    """Return the version that the address names, or the one in force, or the first there is."""
    named = fields.text("version")
    return next((one for one in versions if str(one.number) == named), current or versions[-1])


@router.page("/plans/{plan_id}/edit", _WRITE)
async def edit_plan(call: routing.CallDep, plan_id: UUID) -> exchange.Answer:
    """Show the editor of a plan with the version that was made last."""
    organization_id = call.caller.organization_id
    async with screens.reading(call) as uow:
        found = await service.find_plan(uow, organization_id=organization_id, plan_id=plan_id, now=call.now)
        version = await service.find_version(uow, organization_id=organization_id, plan_id=plan_id, number=found.latest_number)
        return await _editor(call, uow, editor.of_version(found, version), found)


@router.act("/plans/{plan_id}/edit", _WRITE)
async def change_plan(call: routing.CallDep, plan_id: UUID) -> exchange.Answer:
    """Change a plan: its name at once, what it costs by a version."""
    form, organization_id = editor.read(screens.sent(call)), call.caller.organization_id

    async def change(uow: db.UnitOfWork) -> str:
        begins = {"effective_at": _begins(call, form)}
        body = editor.sent(form, plan_shapes.PlanChangeIn, migration=form.values.get("migration") or "stay", **begins)
        named, wanted = plan_shapes.from_api_change(body)
        await _changed(call, uow, plan_id, named, wanted)
        return f"/plans/{plan_id}?done=changed"

    async def refusal(fault: errors.Fault) -> exchange.Answer:
        async with screens.reading(call) as uow:
            found = await service.find_plan(uow, organization_id=organization_id, plan_id=plan_id, now=call.now)
            return await _editor(call, uow, form, found, fault)

    return await screens.attempt(call, change, refusal)


async def _changed(call: routing.Call, uow: db.UnitOfWork, plan_id: UUID, values: Mapping[str, object], draft: VersionDraft) -> None:
    await service.change_plan(
        uow,
        actor=call.actor,
        now=call.now,
        at=call.at,
        organization_id=call.caller.organization_id,
        plan_id=plan_id,
        values=values,
        draft=draft,
    )


def _begins(call: routing.Call, form: editor.Form) -> str | None:
    """Return the local midnight from which the version holds; None for now."""
    text = form.values.get("effective_on", "").strip()
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise errors.invalid("/effective_at", "date_unreadable", "Write the day like 2026-12-01.") from None
    return instant.to_api_instant(zones.midnight(day, zones.named(call.caller.time_zone)))


@router.act("/plans/{plan_id}/state", _WRITE)
async def set_state(call: routing.CallDep, plan_id: UUID) -> exchange.Answer:
    """Archive a plan, or offer it again."""
    archived = screens.sent(call).text("state") == PlanState.ARCHIVED.value

    async def change(uow: db.UnitOfWork) -> str:
        await _changed(call, uow, plan_id, {"state": PlanState.ARCHIVED if archived else PlanState.ACTIVE}, VersionDraft())
        return f"/plans/{plan_id}?done={'archived' if archived else 'restored'}"

    return await screens.attempt(call, change, functools.partial(_refusal, call, plan_id))


@router.act("/plans/{plan_id}/delete", _WRITE)
async def delete_plan(call: routing.CallDep, plan_id: UUID) -> exchange.Answer:
    """Delete a plan that nothing ever used."""

    async def delete(uow: db.UnitOfWork) -> str:
        await service.delete_plan(uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, plan_id=plan_id)
        return "/plans?done=deleted"

    return await screens.attempt(call, delete, functools.partial(_refusal, call, plan_id))


async def _refusal(call: routing.Call, plan_id: UUID, fault: errors.Fault) -> exchange.Answer:
    return await _detail(call, plan_id, forms.refused(fault, forms.Fields()), status=problems.status_of(fault))
