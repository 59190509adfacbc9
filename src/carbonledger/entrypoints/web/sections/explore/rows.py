"""The table of Explore: rows by a dimension, by time, or by kind of token, and the same as CSV with exact amounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

from carbonledger.domains.telemetry.types.answers import Group, Measures, Timeseries
from carbonledger.domains.telemetry.types.caching import ByKind, KindSum
from carbonledger.entrypoints.web import chosen as periods
from carbonledger.entrypoints.web import colours, figures, names, plots, sheets
from carbonledger.entrypoints.web.sections.explore import asked as questions
from carbonledger.kernel import decimals, humane, spreadsheet
from carbonledger.kernel import zone as zones
from carbonledger.kernel.period import CalendarUnit, Period
from carbonledger.kernel.quantity import Range

_HEAD: Final = ("id", "requests", "tokens", "cost_usd", "energy_wh_mid", "co2e_g_low", "co2e_g_mid", "co2e_g_high")
KIND_COLUMNS: Final = (figures.COST, figures.CO2E, figures.ENERGY, figures.TOKENS)
KIND_COLOURS: Final = {
    "uncached_input": "c-uncached",
    "cached_input": "c-cached",
    "cache_creation_5m": "c-written",
    "cache_creation_1h": "c-written-long",
    "output": "c-output",
}


@dataclass(frozen=True, slots=True)
class Table:
    """Columns with the unit of each, and rows."""

    columns: list[tuple[figures.Metric, humane.Step]]
    rows: list[figures.Line]


def of_groups(
    some: Sequence[Group],
    every: Sequence[Group],
    named: Mapping[names.Label, str],
    chosen: periods.Chosen,
    asked: questions.Asked,
    *,
    metric: figures.Metric,
) -> Table:
    """Return rows by a dimension; ``some`` of ``every``, in whose units they are written."""
    shown = figures.columns([group.measures for group in every], figures.EVERY)
    most = humane.most(metric.amount(group.measures) for group in every)
    words = [named[group.labels[0]] for group in some]
    hues = colours.of_models(words) if asked.by == "model" else colours.in_order(sorted(words))
    dimension = asked.dimension
    drawn = _Drawn(shown, metric, most)
    rows = [
        drawn.line(name, dimension and asked.only(chosen, dimension, label=group.labels[0]), group.measures, colour=hues[name])
        for name, group in zip(words, some, strict=True)
    ]
    return Table(shown, rows)


def of_time(
    found: Timeseries, chosen: periods.Chosen, asked: questions.Asked, *, metric: figures.Metric, ascending: bool, is_sorted: bool
) -> Table:
    """Return a row for each stretch of time that has usage: the latest first, or by a metric."""
    shown = figures.columns([slot.measures for slot in found.slots], figures.EVERY)
    most = humane.most(metric.amount(slot.measures) for slot in found.slots)
    zone = zones.named(found.asked.time_zone)
    used = [slot for slot in reversed(found.slots) if slot.measures.events]
    if is_sorted:
        used.sort(key=lambda slot: metric.amount(slot.measures) or 0, reverse=not ascending)
    drawn = _Drawn(shown, metric, most)
    rows = [
        drawn.line(
            plots.when(slot, found.unit, zone)[1],
            asked.address(chosen, query=_days(slot.period, found.unit, chosen), by=asked.next),
            slot.measures,
        )
        for slot in used
    ]
    return Table(shown, rows)


def _days(period: Period, unit: CalendarUnit, chosen: periods.Chosen) -> str:
    """Return the part of an address that asks for the local days of a stretch; for an hour, the day that it is in."""
    first = zones.local_date(period.start, chosen.zone)
    last = first if period.end is None or unit is CalendarUnit.HOUR else zones.local_date(period.end - timedelta(seconds=1), chosen.zone)
    return f"from={first.isoformat()}&to={last.isoformat()}"


@dataclass(frozen=True, slots=True)
class _Drawn:
    """How the rows of a table are written: in which columns, and in bars of which metric."""

    columns: list[tuple[figures.Metric, humane.Step]]
    metric: figures.Metric
    most: Decimal

    def line(self, name: str, href: str | None, measures: Measures, *, colour: str = "s-rest-1") -> figures.Line:
        return figures.Line(
            name=name,
            href=href,
            cells=figures.cells(measures, self.columns),
            share=humane.share(self.metric.amount(measures) or 0, self.most),
            colour=colour,
            marks=tuple(one for one in figures.marks(figures.COST, measures) if one.kind == "provisional"),
        )


def of_kinds(found: ByKind, chosen: periods.Chosen, asked: questions.Asked, *, metric: figures.Metric) -> Table:
    """Return a row for each kind of token that there is; it leads to the events that have such tokens."""
    used = [kind for kind in found.kinds if kind.tokens]
    amounts = {kind.kind: _amounts(kind) for kind in used}
    shown = [(of, of.scale.of(amounts[kind.kind][of.key] for kind in used)) for of in KIND_COLUMNS]
    key = metric.key if metric in KIND_COLUMNS else figures.COST.key
    most = humane.most(amounts[kind.kind][key] for kind in used)
    rows = [
        figures.Line(
            name=questions.KIND_WORDS[kind.kind],
            href=asked.address(chosen, "/explore/events", tokens=kind.kind, by=None),
            cells=tuple(figures.cell(of, step, amounts[kind.kind][of.key], _spread(kind, of)) for of, step in shown),
            share=humane.share(amounts[kind.kind][key] or 0, most),
            colour=KIND_COLOURS[kind.kind],
            marks=figures.marked(kind.cost_coverage),
        )
        for kind in used
    ]
    return Table(shown, rows)


def _amounts(kind: KindSum) -> dict[str, Decimal | int | None]:
    return {
        figures.COST.key: kind.cost,
        figures.CO2E.key: None if kind.co2e_g is None else kind.co2e_g.mid,
        figures.ENERGY.key: None if kind.energy_wh is None else kind.energy_wh.mid,
        figures.TOKENS.key: kind.tokens,
    }


def _spread(kind: KindSum, of: figures.Metric) -> Range | None:
    return kind.co2e_g if of is figures.CO2E else kind.energy_wh if of is figures.ENERGY else None


def csv_of_groups(asked: questions.Asked, found: Sequence[Group], named: Mapping[names.Label, str]) -> str:
    """Return groups as CSV."""
    rows = [(named[group.labels[0]], group.labels[0] or "", *_numbers(group.measures)) for group in found]
    return _csv(asked.by, rows)


def csv_of_time(found: Timeseries) -> str:
    """Return stretches of time as CSV, in order; the id is the local day that each begins on, with its hour where it is one."""
    rows = []
    zone = zones.named(found.asked.time_zone)
    for slot in found.slots:
        begins = slot.period.start.astimezone(zone)
        label = begins.isoformat() if found.unit is CalendarUnit.HOUR else slot.local.isoformat()
        rows.append((plots.when(slot, found.unit, zone)[1], label, *_numbers(slot.measures)))
    return _csv(questions.TIME, rows)


def csv_of_kinds(found: ByKind) -> str:
    """Return kinds of tokens as CSV; last, the cost that no kind has by itself."""
    rows = [
        (
            questions.KIND_WORDS[kind.kind],
            kind.kind,
            None,
            kind.tokens,
            kind.cost,
            None if kind.energy_wh is None else kind.energy_wh.mid,
            *_bounds(kind.co2e_g),
        )
        for kind in found.kinds
    ]
    return _csv(questions.CACHED, [*rows, ("Of no kind by itself", "other", None, None, found.other_cost, None, None, None, None)])


def _numbers(measures: Measures) -> list[Decimal | int | None]:
    amounts = (figures.REQUESTS, figures.TOKENS, figures.COST, figures.ENERGY)
    return [*(one.amount(measures) for one in amounts), *_bounds(measures.co2e_g)]


def _bounds(found: Range | None) -> tuple[Decimal | None, ...]:
    return (None, None, None) if found is None else (found.low, found.mid, found.high)


def _csv(first: str, rows: Sequence[Sequence[object]]) -> str:
    cells = [
        (spreadsheet.inert(str(name)), spreadsheet.inert(str(label)), *("" if one is None else _plain(one) for one in numbers))
        for name, label, *numbers in rows
    ]
    return sheets.written([first, *_HEAD], cells)


def _plain(number: object) -> str:
    return decimals.to_api_decimal(decimals.of(number)) if isinstance(number, Decimal | int) else str(number)
