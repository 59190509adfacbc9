"""Models: those used in the period with price and energy, and each by itself."""

from __future__ import annotations

import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from carbonledger.domains.telemetry.service import answering
from carbonledger.domains.telemetry.types.answers import Dimension, Filters, SeenModel
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.entrypoints.web import chosen as periods
from carbonledger.entrypoints.web import colours, figures, plots, rates, routes, screens
from carbonledger.entrypoints.web.sections.models import estimate
from carbonledger.kernel import humane
from carbonledger.kernel.humane import Shown
from carbonledger.kernel.usage import LABEL_CHARS_MAX, MODEL_CHARS_MAX

router = routes.Router()
router.routes += estimate.router.routes
_READ: Final = access.scope("telemetry:read")
_COLUMNS: Final = (figures.COST, figures.CO2E, figures.TOKENS)
SHOWN_MAX: Final = 100  # on a page, each with its price and energy


@dataclass(frozen=True, slots=True)
class Row:
    """A model in the table."""

    model: SeenModel
    href: str
    colour: str
    cells: tuple[figures.Cell | None, ...]
    price: tuple[str, str] | None
    energy: tuple[tuple[Shown, Shown], ...] | None


@router.page("/models", _READ)
async def models(call: routing.CallDep) -> exchange.Answer:
    """Show the models used."""
    fields = screens.query(call)
    chosen = periods.read(call, fields)
    metric = figures.metric(fields.text("sort"))
    place = int(given) if (given := fields.text("page")).isdecimal() and len(given) < 6 else 1  # noqa: PLR2004 - digits
    async with screens.reading(call) as uow:
        found = await answering.models(uow, organization_id=call.caller.organization_id, asked=chosen.asked, filters=Filters())
        ranked = sorted(found.models, key=lambda one: metric.amount(one.measures) or 0, reverse=fields.text("order") != "up")
        pages = humane.batched(ranked, SHOWN_MAX)
        shown = figures.columns([one.measures for one in ranked], _COLUMNS)
        return await screens.show(
            call,
            uow,
            "models/list.html",
            section="models",
            title="Models",
            chosen=chosen,
            rows=_rows(pages.get(place, ()), shown, chosen, call),
            columns=shown,
            metric=metric,
            ascending=fields.text("order") == "up",
            place=place,
            pages=len(pages),
            total=len(ranked),
        )


def _rows(
    some: Sequence[SeenModel], shown: Sequence[tuple[figures.Metric, humane.Step]], chosen: periods.Chosen, call: routing.Call
) -> list[Row]:
    hues = colours.of_models([one.model for one in some])
    return [
        Row(
            model=one,
            href=f"/models/one?{chosen.query}&{urllib.parse.urlencode({'provider': one.provider, 'model': one.model})}",
            colour=hues[one.model],
            cells=figures.cells(one.measures, shown),
            price=rates.in_and_out(one.provider, one.model, at=call.now),
            energy=rates.energy(one.provider, one.model, at=call.now),
        )
        for one in some
    ]


@router.page("/models/one", _READ)
async def model(call: routing.CallDep) -> exchange.Answer:
    """Show a model."""
    fields = screens.query(call)
    chosen = periods.read(call, fields)
    provider, name = fields.text("provider")[:LABEL_CHARS_MAX], fields.text("model")[:MODEL_CHARS_MAX]
    metric = next((one for one in figures.PLOTTED if one.key == fields.text("metric")), figures.COST)
    filters = Filters(provider=provider, model=name)
    organization_id = call.caller.organization_id
    this = urllib.parse.urlencode({"provider": provider, "model": name})
    async with screens.reading(call) as uow:
        over_time = await answering.timeseries(
            uow,
            organization_id=organization_id,
            asked=chosen.asked,
            filters=filters,
            unit=chosen.unit,
            group_by=Dimension.MODEL,
        )
        past = await answering.breakdown(
            uow, organization_id=organization_id, asked=chosen.before, filters=filters, group_by=[Dimension.MODEL]
        )
        return await screens.show(
            call,
            uow,
            "models/one.html",
            section="models",
            title=name or "A model",
            chosen=chosen,
            provider=provider,
            model=name,
            this=this,
            figures=figures.figures(over_time.totals, past.totals),
            plot=plots.plot(over_time, metric, name=lambda one: str(one.labels[0]), by_model=True),
            choices=[(one, f"/models/one?{chosen.query}&{this}&metric={one.key}") for one in figures.PLOTTED],
            metric=metric,
            totals=over_time.totals,
            split=figures.split(over_time.totals),
            prices=rates.prices(provider, name, at=call.now),
            history=rates.history(provider, name, at=call.now),
            drawn=rates.drawn(provider, name, at=call.now),
            taken=rates.taken(provider, name, at=call.now),
            rates=rates,
        )
