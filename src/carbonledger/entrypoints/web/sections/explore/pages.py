"""Explore: usage of a period, filtered and grouped by anything, as a plot and a table; the same as CSV. Events are beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from carbonledger.domains.telemetry.service import answering, caching
from carbonledger.domains.telemetry.types.answers import Dimension, Group, Timeseries
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.entrypoints.web import chosen as periods
from carbonledger.entrypoints.web import figures, names, plots, routes, screens, sheets
from carbonledger.entrypoints.web.sections.explore import asked as questions
from carbonledger.entrypoints.web.sections.explore import events, rows
from carbonledger.infra import db
from carbonledger.kernel import humane

router = routes.Router()
router.routes += events.router.routes
_READ: Final = access.scope("telemetry:read")
SHOWN_MAX: Final = 100


@router.page("/explore", _READ)
async def explore(call: routing.CallDep) -> exchange.Answer:
    """Explore usage."""
    fields = screens.query(call)
    chosen, asked = periods.read(call, fields), questions.read(fields)
    metric = figures.metric(fields.text("sort"))
    async with screens.reading(call) as uow:
        over_time = await _over_time(call, uow, chosen, asked, group_by=asked.dimension or Dimension.MODEL)
        shown = await _shown(call, uow, asked, chosen, over_time)
        return await screens.show(
            call,
            uow,
            "explore/explore.html",
            section="explore",
            title="Explore",
            chosen=chosen,
            asked=asked,
            dimensions=questions.WORDS,
            chips=await _chips(call, uow, chosen, asked),
            figures=figures.figures(over_time.totals),
            totals=over_time.totals,
            choices=[(one, asked.address(chosen, sort=one.key)) for one in figures.PLOTTED],
            metric=metric,
            ascending=fields.text("order") == "up",
            again=asked.address(chosen),
            heading="What came from a cache" if asked.by == questions.CACHED else f"By {questions.WORDS[asked.by].lower()}",
            is_sorted=bool(fields.text("sort")),
            **shown,
        )


async def _over_time(
    call: routing.Call, uow: db.UnitOfWork, chosen: periods.Chosen, asked: questions.Asked, *, group_by: Dimension | None
) -> Timeseries:
    return await answering.timeseries(
        uow,
        organization_id=call.caller.organization_id,
        asked=chosen.asked,
        filters=asked.filters,
        unit=chosen.unit,
        group_by=group_by,
    )


async def _shown(
    call: routing.Call, uow: db.UnitOfWork, asked: questions.Asked, chosen: periods.Chosen, found: Timeseries
) -> dict[str, Any]:
    """Return the plot, and the page of the table that is asked for."""
    metric = figures.metric(screens.query(call).text("sort"))
    if asked.dimension is not None:
        return await _by_dimension(call, uow, asked, chosen, found)
    if asked.by == questions.TIME:
        is_sorted, ascending = bool(screens.query(call).text("sort")), screens.query(call).text("order") == "up"
        table = rows.of_time(found, chosen, asked, metric=metric, ascending=ascending, is_sorted=is_sorted)
        plot = plots.plot(found, metric, name=lambda one: str(one.labels[0] or "No model"), by_model=True)
        return {"plot": plot, "table": table, "place": 1, "pages": 1, "total": len(table.rows), "other_cost": None}
    kinds = await caching.by_kind(uow, organization_id=call.caller.organization_id, asked=chosen.asked, filters=asked.filters)
    table = rows.of_kinds(kinds, chosen, asked, metric=metric)
    plot = plots.kinds(found, {kind: (questions.KIND_WORDS[kind], rows.KIND_COLOURS[kind]) for kind in questions.KIND_WORDS})
    return {"plot": plot, "table": table, "place": 1, "pages": 1, "total": len(table.rows), "other_cost": kinds.other_cost or None}


async def _by_dimension(
    call: routing.Call, uow: db.UnitOfWork, asked: questions.Asked, chosen: periods.Chosen, over_time: Timeseries
) -> dict[str, Any]:
    fields, dimension = screens.query(call), asked.dimension or Dimension.MODEL
    metric, ascending = figures.metric(fields.text("sort")), fields.text("order") == "up"
    groups = await _groups(call, uow, chosen, asked)
    ranked = sorted(groups, key=lambda group: metric.amount(group.measures) or 0, reverse=not ascending)
    cut = humane.batched(ranked, SHOWN_MAX)
    place = int(given) if (given := fields.text("page")).isdecimal() and len(given) < 6 else 1  # noqa: PLR2004 - digits
    some = cut.get(place, ())
    labels = [*(group.labels[0] for group in some), *(one.labels[0] for one in over_time.series)]
    named = await names.of(uow, organization_id=call.caller.organization_id, dimension=dimension, labels=labels)
    table = rows.of_groups(some, ranked, named, chosen, asked, metric=metric)
    plot = plots.plot(over_time, metric, name=lambda one: named[one.labels[0]], by_model=dimension is Dimension.MODEL)
    return {"plot": plot, "table": table, "place": place, "pages": len(cut), "total": len(ranked), "other_cost": None}


async def _groups(call: routing.Call, uow: db.UnitOfWork, chosen: periods.Chosen, asked: questions.Asked) -> Sequence[Group]:
    found = await answering.breakdown(
        uow,
        organization_id=call.caller.organization_id,
        asked=chosen.asked,
        filters=asked.filters,
        group_by=[] if asked.dimension is None else [asked.dimension],
    )
    return [group for group in found.groups if group.measures.events]


async def _chips(call: routing.Call, uow: db.UnitOfWork, chosen: periods.Chosen, asked: questions.Asked) -> list[tuple[str, str, str]]:
    """Return the filters in force: what, which, and the address without it."""
    chips = []
    for chip in asked.chips():
        named = await names.of(uow, organization_id=call.caller.organization_id, dimension=chip.dimension, labels=[chip.label])
        chips.append((questions.WORDS[chip.dimension.value], named[chip.label], asked.lifted(chip).address(chosen)))
    return chips


@router.page("/explore/table.csv", _READ)
async def table(call: routing.CallDep) -> exchange.Answer:
    """Give what Explore shows as CSV, with exact amounts."""
    fields = screens.query(call)
    chosen, asked = periods.read(call, fields), questions.read(fields)
    async with screens.reading(call) as uow:
        text = await _csv(call, uow, chosen, asked)
    return sheets.answer("usage.csv", text)


async def _csv(call: routing.Call, uow: db.UnitOfWork, chosen: periods.Chosen, asked: questions.Asked) -> str:
    organization_id = call.caller.organization_id
    if asked.dimension is not None:
        found = await _groups(call, uow, chosen, asked)
        labels = [group.labels[0] for group in found]
        named = await names.of(uow, organization_id=organization_id, dimension=asked.dimension, labels=labels)
        return rows.csv_of_groups(asked, found, named)
    if asked.by == questions.TIME:
        return rows.csv_of_time(await _over_time(call, uow, chosen, asked, group_by=None))
    return rows.csv_of_kinds(await caching.by_kind(uow, organization_id=organization_id, asked=chosen.asked, filters=asked.filters))
