"""What is measured, as figures for the eye: an amount, its range, how it compares, and what of it can't be relied on.

Owns the words and the choice of unit; sums and shares come from the ledger, rounding from the kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from carbonledger.domains.telemetry.service import answering
from carbonledger.domains.telemetry.types.answers import Coverage, Measures
from carbonledger.domains.telemetry.types.caching import CacheSaving
from carbonledger.kernel import humane
from carbonledger.kernel.humane import Scale, Shown
from carbonledger.kernel.quantity import Range

NOT_COVERED: Final = "not covered"


@dataclass(frozen=True, slots=True)
class Metric:
    """One thing that is measured: its name, the question its plot answers, its units, and how it is read from measures.

    ``not_covered`` counts events: ``coverage`` has shares of tokens, and an event without any token is in none of them.
    """

    key: str
    title: str
    question: str
    scale: Scale
    amount: Callable[[Measures], Decimal | int | None]
    spread: Callable[[Measures], Range | None] = lambda _: None
    coverage: Callable[[Measures], Coverage] | None = None
    not_covered: Callable[[Measures], int] = lambda _: 0

    @property
    def missing(self) -> str:
        """What stands where there is no amount: nothing is covered, or nobody told it."""
        return "unknown" if self.coverage is None else NOT_COVERED


def _mid(found: Range | None) -> Decimal | None:
    return None if found is None else found.mid


COST: Final = Metric(
    "cost",
    "Cost",
    "What did it cost?",
    humane.USD,
    lambda m: m.cost,
    coverage=answering.cost_coverage,
    not_covered=lambda m: m.cost_not_covered_events,
)
CO2E: Final = Metric(
    "co2e",
    "CO2e",
    "What did it emit?",
    humane.CO2E,
    lambda m: _mid(m.co2e_g),
    lambda m: m.co2e_g,
    answering.emissions_coverage,
    lambda m: m.not_covered_events,
)
ENERGY: Final = Metric(
    "energy",
    "Energy",
    "How much energy did it take?",
    humane.ENERGY,
    lambda m: _mid(m.energy_wh),
    lambda m: m.energy_wh,
    answering.emissions_coverage,
    lambda m: m.not_covered_events,
)
TOKENS: Final = Metric("tokens", "Tokens", "How many tokens were used?", humane.COUNT, lambda m: m.known_tokens)
REQUESTS: Final = Metric("requests", "Requests", "How many requests were made?", humane.COUNT, lambda m: m.known("requests"))
EVERY: Final = (COST, CO2E, ENERGY, TOKENS, REQUESTS)
PLOTTED: Final = (COST, CO2E, TOKENS)


def metric(key: str) -> Metric:
    """Return the metric of this name; cost where there is none."""
    return next((one for one in EVERY if one.key == key), COST)


@dataclass(frozen=True, slots=True)
class Mark:
    """A word of caution beside a figure: which of the methodology's words, and how much of the tokens it is about."""

    kind: str
    words: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric over a period. ``value`` None: nothing of it is covered or known, which is not zero."""

    metric: Metric
    value: Shown | None
    spread: Shown | None
    change: str
    missing: str
    marks: tuple[Mark, ...]


def figure(of: Metric, now: Measures, before: Measures | None = None) -> Figure:
    """Return a figure of one metric, compared with the period before where that is given."""
    amount, spread = of.amount(now), of.spread(now)
    past = None if before is None else of.amount(before)
    change = "" if amount is None or past is None else humane.change(amount, past)
    return Figure(
        metric=of,
        value=None if amount is None else of.scale.show(amount),
        spread=None if spread is None else of.scale.show_range(spread),
        change=change,
        missing=of.missing,
        marks=marks(of, now),
    )


def figures(now: Measures, before: Measures | None = None) -> list[Figure]:
    """Return every figure of a period."""
    return [figure(of, now, before) for of in EVERY]


def marks(of: Metric, found: Measures) -> tuple[Mark, ...]:
    """Return what has to be said beside a figure."""
    if of.coverage is None:
        return ()
    return (*_missing(of.not_covered(found)), *marked(of.coverage(found)))


def marked(coverage: Coverage) -> tuple[Mark, ...]:
    """Return what has to be said of a sum of tokens with this coverage."""
    return _marks(coverage, "of the tokens")


def _missing(events: int) -> tuple[Mark, ...]:
    if not events:
        return ()
    words = f"{events:,} event{'' if events == 1 else 's'} {NOT_COVERED}"
    return (Mark("not-covered", words, f"{words}: a price, a factor or a count is unknown. They count nowhere, with or without tokens."),)


def _marks(coverage: Coverage, what: str) -> tuple[Mark, ...]:
    said = (
        (
            "not-covered",
            NOT_COVERED,
            coverage.not_covered,
            f"{what} have no such figure: a price or a factor is unknown. They count nowhere.",
        ),
        ("estimated", "estimated", coverage.estimated, f"{what} rest on a count that is ours or partial, or on a stated assumption."),
        ("provisional", "provisional", coverage.provisional, f"{what} may still be revised by the provider."),
    )
    return tuple(
        Mark(kind, f"{humane.percent(part)} {words}", f"{humane.percent(part)} {rest}") for kind, words, part, rest in said if part
    )


_SAVED: Final = (
    ("cost", "Cost saved", humane.USD),
    ("co2e", "CO2e saved", humane.CO2E),
    ("energy", "Energy saved", humane.ENERGY),
)
_LOST: Final = "Cost added"


def saved(found: CacheSaving) -> list[Figure]:
    """Return what caching saved as figures; empty where nothing was read from a cache or written to one."""
    if not found.tokens and not found.cost:
        return []
    amounts = (found.cost, _mid(found.co2e_g), _mid(found.energy_wh))
    spreads = (None, found.co2e_g, found.energy_wh)
    coverages = (found.cost_coverage, found.coverage, found.coverage)
    return [
        Figure(
            metric=Metric(key, _LOST if key == "cost" and amount is not None and amount < 0 else title, "", scale, lambda _: None),
            value=None if amount is None else scale.show(abs(amount)),
            spread=None if spread is None else scale.show_range(spread),
            change="writing to the cache cost more than reading from it saved" if amount is not None and amount < 0 else "",
            missing=NOT_COVERED,
            marks=_marks(coverage, "of the tokens of a cache"),
        )
        for (key, title, scale), amount, spread, coverage in zip(_SAVED, amounts, spreads, coverages, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a whole, for a bar: where it begins and how wide it is."""

    key: str
    title: str
    tokens: Shown
    share: Decimal
    start: Decimal


_PARTS: Final = (
    ("uncached", "Uncached input", ("uncached_input",)),
    ("cached", "Cached input", ("cached_input",)),
    ("written", "Written to cache", ("cache_creation_5m", "cache_creation_1h")),
    ("output", "Output", ("output",)),
)


def split(found: Measures) -> list[Part]:
    """Return how the tokens divide into cached and uncached input and output; empty where there are none."""
    if not found.tokens:
        return []
    counts = [humane.together(getattr(found, name) for name in names) for _, _, names in _PARTS]
    shares = [humane.share(count, found.tokens) for count in counts]
    starts = humane.cumulative(shares)
    rows = zip(_PARTS, counts, shares, starts, strict=True)
    return [Part(key, title, humane.COUNT.show(count), share, start) for (key, title, _), count, share, start in rows]


@dataclass(frozen=True, slots=True)
class Cell:
    """One amount of a table, in the unit of its column. ``spread``: the range of an estimate in that unit, else empty."""

    number: str
    unit: str
    exact: str
    spread: str = ""


def cell(of: Metric, step: humane.Step, amount: Decimal | int | None, spread: Range | None) -> Cell | None:
    """Return a cell of a column; None: not covered."""
    if amount is None:
        return None
    shown = of.scale.show(amount, step=step)
    return Cell(shown.number, shown.unit, shown.exact, "" if spread is None else of.scale.show_range(spread, step=step).number)


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table of groups: its name, where it leads, its measures as shown, and its share of the largest."""

    name: str
    href: str | None
    cells: tuple[Cell | None, ...]
    share: Decimal
    colour: str
    detail: str = ""
    marks: tuple[Mark, ...] = ()


def columns(groups: Iterable[Measures], metrics: Iterable[Metric]) -> list[tuple[Metric, humane.Step]]:
    """Return the metrics of a table, each with the one unit of its column."""
    rows = list(groups)
    return [(of, of.scale.of(of.amount(row) for row in rows)) for of in metrics]


def cells(found: Measures, shown: Iterable[tuple[Metric, humane.Step]]) -> tuple[Cell | None, ...]:
    """Return the cells of a row; None: not covered."""
    return tuple(cell(of, step, of.amount(found), of.spread(found)) for of, step in shown)
