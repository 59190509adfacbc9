"""The first page: figures of a period beside those before, a plot by model, what was cached, the largest models and projects."""

from __future__ import annotations

import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from carbonledger.domains.connections import service as connections
from carbonledger.domains.connections import types as connection_types
from carbonledger.domains.identity import types as identity_types
from carbonledger.domains.identity.service import entitlements
from carbonledger.domains.receipts.types.receipts import RECEIPTS
from carbonledger.domains.telemetry.service import answering, caching
from carbonledger.domains.telemetry.types.answers import Breakdown, Dimension, Filters, Group, Measures, Timeseries
from carbonledger.domains.telemetry.types.caching import CacheSaving
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.entrypoints.web import chosen as periods
from carbonledger.entrypoints.web import colours, figures, names, plots, routes, screens
from carbonledger.entrypoints.web.sections.overview import closed
from carbonledger.infra import db
from carbonledger.kernel import humane
from carbonledger.kernel.period import Period

TOP: Final = 5
_EVERYTHING: Final = Filters()

router = routes.Router()


@dataclass(frozen=True, slots=True)
class _Found:
    over_time: Timeseries
    before: Measures
    by_model: Breakdown
    by_project: Breakdown
    project_names: dict[names.Label, str]
    saving: CacheSaving
    is_new: bool


@router.page("/", access.scope("telemetry:read"))
async def overview(call: routing.CallDep) -> exchange.Answer:
    """Show the overview."""
    fields = screens.query(call)
    chosen = periods.read(call, fields)
    metric = next((one for one in figures.PLOTTED if one.key == fields.text("metric")), figures.COST)
    async with screens.reading(call) as uow:
        found = await _find(uow, call.caller.organization_id, chosen, call.now)
        totals = found.over_time.totals
        shown = (figures.COST, figures.CO2E, figures.TOKENS)
        return await screens.show(
            call,
            uow,
            "overview/overview.html",
            section="overview",
            title="Overview",
            chosen=chosen,
            figures=figures.figures(totals, found.before),
            before=_before(chosen),
            plot=plots.plot(found.over_time, metric, name=lambda one: str(one.labels[0] or "No model"), by_model=True),
            choices=[(one, f"/?{chosen.query}&metric={one.key}") for one in figures.PLOTTED],
            metric=metric,
            split=figures.split(totals),
            saved=figures.saved(found.saving),
            totals=totals,
            models=_models(found.by_model.groups, chosen, metric),
            model_columns=figures.columns([group.measures for group in found.by_model.groups], shown),
            projects=_projects(found, chosen, metric),
            project_columns=figures.columns([group.measures for group in found.by_project.groups], shown),
            offset=await _offset(call, uow, totals),
            is_new=found.is_new,
            health=await _health(call, uow),
            closed=await closed.last(call, uow),
            today=call.now.date(),
            address=call.services.settings.address,
        )


async def _offset(call: routing.Call, uow: db.UnitOfWork, totals: Measures) -> figures.Figure | None:
    """Return what could be compensated, to an organization on the free tier whose plan has no receipts; None to any other."""
    organization_id = call.caller.organization_id
    found = figures.figure(figures.CO2E, totals)
    if call.caller.tier is not identity_types.Tier.FREE or found.value is None or not totals.co2e_high:
        return None
    return None if await entitlements.has(uow, organization_id=organization_id, key=RECEIPTS) else found


async def _health(call: routing.Call, uow: db.UnitOfWork) -> connection_types.Health | None:
    """Return how the connections are, to who may see them; None where there is none."""
    if "connections:read" not in call.actor.scopes:
        return None
    found = await connections.health(uow, organization_id=call.caller.organization_id)
    return found if found.counts else None


async def _find(uow: db.UnitOfWork, organization_id: UUID, chosen: periods.Chosen, now: datetime) -> _Found:
    asked, before = chosen.asked, chosen.before
    over_time = await answering.timeseries(
        uow, organization_id=organization_id, asked=asked, filters=_EVERYTHING, unit=chosen.unit, group_by=Dimension.MODEL
    )
    past = await answering.breakdown(uow, organization_id=organization_id, asked=before, filters=_EVERYTHING, group_by=[Dimension.PROVIDER])
    by_model = await answering.breakdown(
        uow, organization_id=organization_id, asked=asked, filters=_EVERYTHING, group_by=[Dimension.PROVIDER, Dimension.MODEL]
    )
    by_project = await answering.breakdown(
        uow, organization_id=organization_id, asked=asked, filters=_EVERYTHING, group_by=[Dimension.PROJECT]
    )
    saving = await caching.saving(uow, organization_id=organization_id, asked=asked, filters=_EVERYTHING)
    labels = [group.labels[0] for group in by_project.groups]
    named = await names.of(uow, organization_id=organization_id, dimension=Dimension.PROJECT, labels=labels[: TOP * 4])
    is_empty = not any((over_time.totals.events, over_time.totals.metered_events, past.totals.events))
    return _Found(
        over_time, past.totals, by_model, by_project, named, saving, is_empty and await _is_new(uow, organization_id, chosen, now)
    )


async def _is_new(uow: db.UnitOfWork, organization_id: UUID, chosen: periods.Chosen, now: datetime) -> bool:
    """Return whether nothing was ever used, as far as ten years go back."""
    end = max(chosen.asked.end, now)
    ever = replace(chosen.asked, period=Period(end - (answering.PERIOD_MAX - timedelta(days=1)), end))
    found = await answering.breakdown(uow, organization_id=organization_id, asked=ever, filters=_EVERYTHING, group_by=[Dimension.PROVIDER])
    return not found.groups


def _before(chosen: periods.Chosen) -> str:
    period = chosen.before.period
    first, last = period.start.astimezone(chosen.zone), ((period.end or period.start) - timedelta(seconds=1)).astimezone(chosen.zone)
    begins = f"{first.day} {first:%b}" if first.year == last.year else f"{first.day} {first:%b %Y}"
    return f"{begins} to {last.day} {last:%b %Y}"


def _largest(groups: Sequence[Group], of: figures.Metric) -> list[Group]:
    return sorted(groups, key=lambda group: of.amount(group.measures) or 0, reverse=True)[:TOP]


def _models(groups: Sequence[Group], chosen: periods.Chosen, metric: figures.Metric) -> list[figures.Line]:
    shown = figures.columns([group.measures for group in groups], (figures.COST, figures.CO2E, figures.TOKENS))
    of_models = [group for group in groups if isinstance(group.labels[1], str)]
    hues = colours.of_models([str(group.labels[1]) for group in of_models])
    largest = _largest(of_models, metric)
    most = humane.most(metric.amount(group.measures) for group in largest)
    return [
        figures.Line(
            name=str(group.labels[1]),
            detail=str(group.labels[0]),
            href=f"/explore?{chosen.query}&{urllib.parse.urlencode({'provider': group.labels[0], 'model': group.labels[1]})}&by=project",
            cells=figures.cells(group.measures, shown),
            share=humane.share(metric.amount(group.measures) or 0, most),
            colour=hues[str(group.labels[1])],
        )
        for group in largest
    ]


def _projects(found: _Found, chosen: periods.Chosen, metric: figures.Metric) -> list[figures.Line]:
    groups = found.by_project.groups
    shown = figures.columns([group.measures for group in groups], (figures.COST, figures.CO2E, figures.TOKENS))
    largest = _largest([group for group in groups if group.measures.events], metric)
    most = humane.most(metric.amount(group.measures) for group in largest)
    return [
        figures.Line(
            name=found.project_names.get(group.labels[0], str(group.labels[0])),
            href=None if group.labels[0] is None else f"/projects/{group.labels[0]}?{chosen.query}",
            cells=figures.cells(group.measures, shown),
            share=humane.share(metric.amount(group.measures) or 0, most),
            colour="s-rest-1",
        )
        for group in largest
    ]
