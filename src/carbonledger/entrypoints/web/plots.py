"""A plot as the table it is drawn from: a column for each of the largest groups, one for all others, a row for each stretch of time.

The script draws from that table, so the picture and the accessible form can't differ. Amounts are exact in the cells' data, rounded in
their text; all of a plot share one unit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from carbonledger.domains.telemetry.service import answering
from carbonledger.domains.telemetry.types.answers import Measures, Series, Slot, Timeseries
from carbonledger.entrypoints.web import colours
from carbonledger.entrypoints.web.figures import TOKENS, Metric
from carbonledger.kernel import humane
from carbonledger.kernel import zone as zones
from carbonledger.kernel.humane import Shown
from carbonledger.kernel.period import CalendarUnit

COLUMNS_MAX: Final = 7  # more can't be told apart by colour
_EACH: Final = {
    CalendarUnit.HOUR: "each hour",
    CalendarUnit.DAY: "each day",
    CalendarUnit.WEEK: "each week",
    CalendarUnit.MONTH: "each month",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A series: its name, its colour, and its sum."""

    name: str
    colour: str
    total: Shown


@dataclass(frozen=True, slots=True)
class Cell:
    """An amount in the plot's unit, exact for the script and rounded for the eye."""

    value: Decimal
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """A stretch of time. ``label`` is short, for the axis; ``low`` and ``high`` bound the whole where it is a range."""

    label: str
    words: str
    cells: tuple[Cell, ...]
    total: Cell
    low: Decimal | None
    high: Decimal | None
    provisional: Decimal


@dataclass(frozen=True, slots=True)
class Plot:
    """A stacked plot over time."""

    metric: Metric
    unit: str
    each: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def is_ranged(self) -> bool:
        """Whether the whole of any row has bounds."""
        return any(row.high is not None for row in self.rows)

    @property
    def is_provisional(self) -> bool:
        """Whether a part of any row may still change."""
        return any(row.provisional for row in self.rows)


def plot(found: Timeseries, of: Metric, *, name: Callable[[Series], str], by_model: bool) -> Plot:
    """Return the plot of a time series: the groups with most of the metric, then all others."""
    step = of.scale.of(of.amount(slot.measures) for slot in found.slots)
    ranked = sorted((one for one in found.series if not one.is_other), key=lambda one: of.amount(one.totals) or 0, reverse=True)
    named, rest = ranked[:COLUMNS_MAX], [*ranked[COLUMNS_MAX:], *(one for one in found.series if one.is_other)]
    names = [name(one) for one in named]
    chosen = colours.of_models(names) if by_model else colours.in_order(sorted(names))
    columns = [Column(label, chosen[label], _sum(of, [one], step)) for label, one in zip(names, named, strict=True)]
    if rest:
        columns.append(Column("Others", colours.REST, _sum(of, rest, step)))
    stacks: list[list[Series]] = [[one] for one in named] + ([rest] if rest else [])
    zone = zones.named(found.asked.time_zone)
    rows = tuple(_row(of, step, place, slot, stacks, when=when(slot, found.unit, zone)) for place, slot in enumerate(found.slots))
    return Plot(of, step.unit, _EACH[found.unit], tuple(columns), rows)


def kinds(found: Timeseries, told: Mapping[str, tuple[str, str]]) -> Plot:
    """Return the plot of tokens by kind. ``told``: words and colour by kind; what no slot has is left out."""
    used = [kind for kind in told if any(getattr(slot.measures, kind) for slot in found.slots)]
    step = TOKENS.scale.of(slot.measures.tokens for slot in found.slots)
    zone = zones.named(found.asked.time_zone)
    columns = []
    for kind in used:
        whole = humane.together(getattr(slot.measures, kind) for slot in found.slots)
        columns.append(Column(told[kind][0], told[kind][1], TOKENS.scale.show(whole, step=step)))
    rows = []
    for slot in found.slots:
        label, words = when(slot, found.unit, zone)
        cells = tuple(_amount(TOKENS, step, getattr(slot.measures, kind)) for kind in used)
        share = answering.cost_coverage(slot.measures).provisional
        rows.append(Row(label, words, cells, _amount(TOKENS, step, slot.measures.tokens), None, None, share))
    return Plot(TOKENS, step.unit, _EACH[found.unit], tuple(columns), tuple(rows))


def _sum(of: Metric, several: Sequence[Series], step: humane.Step) -> Shown:
    return of.scale.show(humane.together(of.amount(one.totals) for one in several), step=step)


def _row(of: Metric, step: humane.Step, place: int, slot: Slot, stacks: Sequence[Sequence[Series]], *, when: tuple[str, str]) -> Row:
    cells = tuple(_cell(of, step, [one.slots[place].measures for one in stack]) for stack in stacks)
    spread = of.spread(slot.measures)
    return Row(
        label=when[0],
        words=when[1],
        cells=cells,
        total=_cell(of, step, [slot.measures]),
        low=None if spread is None else of.scale.in_unit(spread.low, step),
        high=None if spread is None else of.scale.in_unit(spread.high, step),
        provisional=answering.cost_coverage(slot.measures).provisional,
    )


def _cell(of: Metric, step: humane.Step, several: Sequence[Measures]) -> Cell:
    return _amount(of, step, humane.together(of.amount(one) for one in several))


def _amount(of: Metric, step: humane.Step, amount: Decimal | int) -> Cell:
    return Cell(of.scale.in_unit(amount, step), of.scale.show(amount, step=step).number)


def when(slot: Slot, unit: CalendarUnit, zone: ZoneInfo) -> tuple[str, str]:
    """Return a stretch of time in words: short, for an axis, and whole."""
    day = slot.local
    if unit is CalendarUnit.HOUR:
        hour = f"{slot.period.start.astimezone(zone):%H:%M}"
        return hour, f"{day.day} {day:%b}, {hour}"
    if unit is CalendarUnit.MONTH:
        return f"{day:%b %y}", f"{day:%B %Y}"
    if unit is CalendarUnit.WEEK:
        return f"{day.day} {day:%b}", f"Week from {day.day} {day:%b %Y}"
    return f"{day.day} {day:%b}", f"{day:%a} {day.day} {day:%b %Y}"
