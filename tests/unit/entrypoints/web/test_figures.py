"""What stands beside a figure: which part of the tokens is not covered, and how many events, with tokens or without."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from carbonledger.domains.telemetry.core import measuring
from carbonledger.entrypoints.web import figures

NOTHING = measuring.ZERO


def words(of: figures.Metric, **measures: Any) -> list[str]:
    return [mark.words for mark in figures.marks(of, NOTHING._replace(**measures))]


def test_events_that_are_not_covered_are_counted_though_every_token_is_covered() -> None:
    found = {"events": 2, "uncached_input": 1500, "not_covered_events": 1, "cost_not_covered_events": 1}
    for of in (figures.COST, figures.CO2E, figures.ENERGY):
        assert words(of, **found) == ["1 event not covered"], of.title
    assert words(figures.TOKENS, **found) == []


def test_each_figure_counts_its_own() -> None:
    found = {"events": 9000, "uncached_input": 4, "not_covered_tokens": 1, "not_covered_events": 1200}
    assert words(figures.CO2E, **found) == ["1,200 events not covered", "25 % not covered"]
    assert words(figures.COST, **found) == []


def test_a_total_without_a_token_says_it_too() -> None:
    assert words(figures.COST, events=3, cost_not_covered_events=3) == ["3 events not covered"]
    assert words(figures.ENERGY, events=3, cost_not_covered_events=3) == []


def test_where_all_is_covered_nothing_is_said() -> None:
    covered = NOTHING._replace(events=2, uncached_input=10, cost_amount=Decimal(1))
    assert [figures.marks(of, covered) for of in figures.EVERY] == [()] * len(figures.EVERY)
