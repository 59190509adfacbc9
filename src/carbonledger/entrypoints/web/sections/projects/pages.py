"""Projects: the list with what each used, and each by itself with its models, its workloads, its name and its end."""

from __future__ import annotations

import urllib.parse
from collections.abc import Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID

from carbonledger.domains.projects import service, types
from carbonledger.domains.telemetry.service import answering
from carbonledger.domains.telemetry.types.answers import Dimension, Filters, Group, Measures
from carbonledger.entrypoints.rest import problems, routing
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.entrypoints.web import chosen as periods
from carbonledger.entrypoints.web import colours, figures, forms, plots, routes, screens
from carbonledger.infra import db
from carbonledger.kernel import errors, humane, page

router = routes.Router()
_READ: Final = access.scope("projects:read")
_WRITE: Final = access.scope("projects:write")
_COLUMNS: Final = (figures.COST, figures.CO2E, figures.TOKENS, figures.REQUESTS)
_DONE: Final = {"renamed": "Renamed.", "archived": "The project is archived. Its history stays, and its name is free again."}


@router.page("/projects", _READ)
async def projects(call: routing.CallDep) -> exchange.Answer:
    """Show the projects."""
    return await _list(call, forms.Refused())


@router.act("/projects", _WRITE)
async def make_project(call: routing.CallDep) -> exchange.Answer:
    """Make a project."""
    fields = screens.sent(call)

    async def make(uow: db.UnitOfWork) -> str:
        made = await service.create_project(
            uow, actor=call.actor, now=call.now, at=call.at, organization_id=call.caller.organization_id, name=fields.text("name")
        )
        return f"/projects/{made.id}"

    async def refusal(fault: errors.Fault) -> exchange.Answer:
        return await _list(call, forms.refused(fault, fields, only="name"), status=problems.status_of(fault))

    return await screens.attempt(call, make, refusal)


async def _list(call: routing.Call, refused: forms.Refused, *, status: int = 200) -> exchange.Answer:
    fields = screens.query(call)
    chosen = periods.read(call, fields)
    organization_id, archived = call.caller.organization_id, fields.text("archived") == "yes"
    request = call.page(limit=page.LIMIT_DEFAULT, cursor=fields.given("cursor"), parts=1)
    # Not a transaction of reading: the default project is made at the first look.
    async with screens.writing(call) as uow:
        found = await service.list_projects(
            uow, actor=call.actor, now=call.now, at=call.at, organization_id=organization_id, page=request, archived=archived
        )
        used = await answering.breakdown(
            uow, organization_id=organization_id, asked=chosen.asked, filters=Filters(), group_by=[Dimension.PROJECT]
        )
        return await screens.show(
            call,
            uow,
            "projects/list.html",
            section="projects",
            title="Projects",
            status=status,
            chosen=chosen,
            refused=refused,
            done=_DONE.get(fields.text("done"), ""),
            rows=_rows(found.data, used.groups, chosen),
            columns=figures.columns([group.measures for group in used.groups], _COLUMNS),
            archived=archived,
            next_cursor=found.next_cursor,
        )


def _rows(found: Sequence[types.Project], groups: Sequence[Group], chosen: periods.Chosen) -> list[figures.Line]:
    used = {group.labels[0]: group.measures for group in groups}
    shown = figures.columns(used.values(), _COLUMNS)
    most = humane.most(measures.cost for measures in used.values())
    return [
        figures.Line(
            name=one.name,
            detail="default" if one.is_default else "",
            href=f"/projects/{one.id}?{chosen.query}",
            cells=_cells(used.get(one.id), shown),
            share=humane.share(_cost(used.get(one.id)), most),
            colour="s-rest-1",
        )
        for one in found
    ]


def _cells(found: Measures | None, shown: Sequence[tuple[figures.Metric, humane.Step]]) -> tuple[humane.Shown | None, ...]:
    if found is None or not found.events:
        return tuple(of.scale.show(0, step=step) for of, step in shown)
    return figures.cells(found, shown)


def _cost(found: Measures | None) -> Decimal | int:
    return 0 if found is None else found.cost or 0


@router.page("/projects/{project_id}", _READ)
async def project(call: routing.CallDep, project_id: UUID) -> exchange.Answer:
    """Show a project."""
    return await _detail(call, project_id, forms.Refused())


@router.act("/projects/{project_id}", _WRITE)
async def rename(call: routing.CallDep, project_id: UUID) -> exchange.Answer:
    """Give a project another name."""
    fields = screens.sent(call)

    async def named(uow: db.UnitOfWork) -> str:
        await service.rename_project(
            uow,
            actor=call.actor,
            now=call.now,
            organization_id=call.caller.organization_id,
            project_id=project_id,
            name=fields.text("name"),
        )
        return f"/projects/{project_id}?done=renamed"

    async def refusal(fault: errors.Fault) -> exchange.Answer:
        return await _detail(call, project_id, forms.refused(fault, fields, only="name"), status=problems.status_of(fault))

    return await screens.attempt(call, named, refusal)


@router.act("/projects/{project_id}/archive", _WRITE)
async def archive(call: routing.CallDep, project_id: UUID) -> exchange.Answer:
    """Archive a project."""

    async def archived(uow: db.UnitOfWork) -> str:
        await service.archive_project(
            uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, project_id=project_id
        )
        return "/projects?done=archived"

    async def refusal(fault: errors.Fault) -> exchange.Answer:
        return await _detail(call, project_id, forms.refused(fault, forms.Fields()), status=problems.status_of(fault))

    return await screens.attempt(call, archived, refusal)


async def _detail(call: routing.Call, project_id: UUID, refused: forms.Refused, *, status: int = 200) -> exchange.Answer:
    fields = screens.query(call)
    chosen = periods.read(call, fields)
    organization_id, filters = call.caller.organization_id, Filters(project_id=project_id)
    metric = next((one for one in figures.PLOTTED if one.key == fields.text("metric")), figures.COST)
    async with screens.reading(call) as uow:
        found = await service.find_project(uow, organization_id=organization_id, project_id=project_id)
        over_time = await answering.timeseries(
            uow, organization_id=organization_id, asked=chosen.asked, filters=filters, unit=chosen.unit, group_by=Dimension.MODEL
        )
        past = await answering.breakdown(
            uow, organization_id=organization_id, asked=chosen.before, filters=filters, group_by=[Dimension.PROVIDER]
        )
        by_model = await answering.breakdown(
            uow, organization_id=organization_id, asked=chosen.asked, filters=filters, group_by=[Dimension.PROVIDER, Dimension.MODEL]
        )
        workloads = await service.list_workloads(
            uow, organization_id=organization_id, project_id=project_id, page=page.PageRequest(limit=page.LIMIT_MAX)
        )
        return await screens.show(
            call,
            uow,
            "projects/detail.html",
            section="projects",
            title=found.name,
            path=f"/projects/{project_id}",
            status=status,
            chosen=chosen,
            refused=refused,
            done=_DONE.get(fields.text("done"), ""),
            project=found,
            figures=figures.figures(over_time.totals, past.totals),
            plot=plots.plot(over_time, metric, name=lambda one: str(one.labels[0] or "No model"), by_model=True),
            choices=[(one, f"/projects/{project_id}?{chosen.query}&metric={one.key}") for one in figures.PLOTTED],
            metric=metric,
            totals=over_time.totals,
            models=_models(by_model.groups, chosen, project_id),
            columns=figures.columns([group.measures for group in by_model.groups], _COLUMNS),
            workloads=workloads.data,
        )


def _models(groups: Sequence[Group], chosen: periods.Chosen, project_id: UUID) -> list[figures.Line]:
    shown = figures.columns([group.measures for group in groups], _COLUMNS)
    hues = colours.of_models([str(group.labels[1]) for group in groups])
    most = humane.most(group.measures.cost for group in groups)
    ranked = sorted(groups, key=lambda group: group.measures.cost or 0, reverse=True)
    return [
        figures.Line(
            name=str(group.labels[1] or "No model"),
            detail=str(group.labels[0] or ""),
            href=f"/explore?{chosen.query}&{_explore(project_id, group)}",
            cells=figures.cells(group.measures, shown),
            share=humane.share(group.measures.cost or 0, most),
            colour=hues[str(group.labels[1])],
        )
        for group in ranked
    ]


def _explore(project_id: UUID, group: Group) -> str:
    asked = {"project": project_id, "provider": group.labels[0] or "", "model": group.labels[1] or "", "by": "workload"}
    return urllib.parse.urlencode(asked)
