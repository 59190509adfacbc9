"""Explore: usage of a period, filtered and grouped by anything, as a plot and a table; the same as CSV. Events are beside it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from carbonledger.domains.telemetry.service import answering
from carbonledger.domains.telemetry.types.answers import Dimension, Group, Series
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.entrypoints.web import chosen as periods
from carbonledger.entrypoints.web import colours, figures, names, plots, routes, screens
from carbonledger.entrypoints.web.sections.explore import asked as questions
from carbonledger.entrypoints.web.sections.explore import events
from carbonledger.infra import db
from carbonledger.kernel import decimals, humane

router = routes.Router()
router.routes += events.router.routes
_READ: Final = access.scope("telemetry:read")
SHOWN_MAX: Final = 100
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@router.page("/explore", _READ)
async def explore(call: routing.CallDep) -> exchange.Answer:
    """Explore usage."""
    fields = screens.query(call)
    chosen, asked = periods.read(call, fields), questions.read(fields)
    metric = figures.metric(fields.text("sort"))
    ascending = fields.text("order") == "up"
    async with screens.reading(call) as uow:
        found = await _groups(call, uow, chosen, asked)
        over_time = await answering.timeseries(
            uow,
            organization_id=call.caller.organization_id,
            asked=chosen.asked,
            filters=asked.filters,
            unit=chosen.unit,
            group_by=asked.by,
        )
        ranked = sorted(found, key=lambda group: metric.amount(group.measures) or 0, reverse=not ascending)
        pages = humane.batched(ranked, SHOWN_MAX)
        place = int(given) if (given := fields.text("page")).isdecimal() and len(given) < 6 else 1  # noqa: PLR2004 - digits
        some = pages.get(place, ())
        labels = [*(group.labels[0] for group in some), *(one.labels[0] for one in over_time.series)]
        named = await names.of(uow, organization_id=call.caller.organization_id, dimension=asked.by, labels=labels)
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
            plot=plots.plot(over_time, metric, name=lambda one: _name(one, named), by_model=asked.by is Dimension.MODEL),
            choices=[(one, asked.address(chosen, sort=one.key)) for one in figures.PLOTTED],
            metric=metric,
            ascending=ascending,
            columns=figures.columns([group.measures for group in ranked], figures.EVERY),
            rows=_rows(some, ranked, named, chosen, asked, metric=metric),
            again=asked.address(chosen),
            place=place,
            pages=len(pages),
            total=len(ranked),
        )


def _name(series: Series, named: Mapping[names.Label, str]) -> str:
    return named[series.labels[0]]


async def _groups(call: routing.Call, uow: db.UnitOfWork, chosen: periods.Chosen, asked: questions.Asked) -> Sequence[Group]:
    found = await answering.breakdown(
        uow, organization_id=call.caller.organization_id, asked=chosen.asked, filters=asked.filters, group_by=[asked.by]
    )
    return [group for group in found.groups if group.measures.events]


async def _chips(call: routing.Call, uow: db.UnitOfWork, chosen: periods.Chosen, asked: questions.Asked) -> list[tuple[str, str, str]]:
    """Return the filters in force: what, which, and the address without it."""
    chips = []
    for name, value in asked.fields.named(questions.FILTERS).pairs:
        dimension = Dimension(name)
        label: names.Label = getattr(asked.filters, f"{name}_id") if hasattr(asked.filters, f"{name}_id") else value
        named = await names.of(uow, organization_id=call.caller.organization_id, dimension=dimension, labels=[label])
        chips.append((questions.WORDS[dimension], named[label], asked.without(chosen, name)))
    return chips


def _rows(
    some: Sequence[Group],
    every: Sequence[Group],
    named: Mapping[names.Label, str],
    chosen: periods.Chosen,
    asked: questions.Asked,
    *,
    metric: figures.Metric,
) -> list[figures.Line]:
    shown = figures.columns([group.measures for group in every], figures.EVERY)
    most = humane.most(metric.amount(group.measures) for group in every)
    words = [named[group.labels[0]] for group in some]
    hues = colours.of_models(words) if asked.by is Dimension.MODEL else colours.in_order(sorted(words))
    return [
        figures.Line(
            name=name,
            href=_deeper(group, chosen, asked),
            cells=figures.cells(group.measures, shown),
            share=humane.share(metric.amount(group.measures) or 0, most),
            colour=hues[name],
            marks=tuple(one for one in figures.marks(figures.COST, group.measures) if one.kind == "provisional"),
        )
        for name, group in zip(words, some, strict=True)
    ]


def _deeper(group: Group, chosen: periods.Chosen, asked: questions.Asked) -> str | None:
    """Return the address of one group by itself; None where no filter can name it."""
    label = group.labels[0]
    if label is None or asked.by.value not in questions.FILTERS:
        return None
    value = ("yes" if label else "no") if isinstance(label, bool) else str(label)
    return asked.address(chosen, **{asked.by.value: value, "by": asked.next.value})


@router.page("/explore/table.csv", _READ)
async def table(call: routing.CallDep) -> exchange.Answer:
    """Give what Explore shows as CSV, with exact amounts."""
    fields = screens.query(call)
    chosen, asked = periods.read(call, fields), questions.read(fields)
    async with screens.reading(call) as uow:
        found = await _groups(call, uow, chosen, asked)
        labels = [group.labels[0] for group in found]
        named = await names.of(uow, organization_id=call.caller.organization_id, dimension=asked.by, labels=labels)
    headers: list[exchange.Header] = [(b"content-disposition", b'attachment; filename="usage.csv"')]
    return exchange.Answer(200, body=_csv(asked, found, named).encode(), media_type=b"text/csv; charset=utf-8", headers=headers)


def _csv(asked: questions.Asked, found: Sequence[Group], named: Mapping[names.Label, str]) -> str:
    written = io.StringIO()
    rows = csv.writer(written)
    rows.writerow([asked.by.value, "id", "requests", "tokens", "cost_usd", "energy_wh_mid", "co2e_g_low", "co2e_g_mid", "co2e_g_high"])
    for group in found:
        measures = group.measures
        spread = measures.co2e_g
        bounds = (None, None, None) if spread is None else (spread.low, spread.mid, spread.high)
        amounts = (figures.REQUESTS, figures.TOKENS, figures.COST, figures.ENERGY)
        numbers = [*(one.amount(measures) for one in amounts), *bounds]
        name = named[group.labels[0]]
        rows.writerow([_inert(name), group.labels[0] or "", *("" if one is None else _plain(one) for one in numbers)])
    return written.getvalue()


def _plain(number: Decimal | int) -> str:
    return decimals.to_api_decimal(decimals.of(number))


def _inert(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
