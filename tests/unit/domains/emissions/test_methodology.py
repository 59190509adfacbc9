"""The methodology page shows every number of the shipped factor set, with its sources, and no number that the set does not have."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import pytest

from carbonledger.domains.emissions import types
from carbonledger.kernel import decimals
from carbonledger.kernel.quantity import Range

PAGE = Path(__file__).parents[4] / "docs" / "methodology" / "emissions.md"


def number(value: Decimal) -> str:
    return decimals.to_api_decimal(value)


def bounds(value: Range) -> str:
    return f"{number(value.low)} / {number(value.mid)} / {number(value.high)}"


def refs(sources: Iterable[str]) -> str:
    return ", ".join(sources)


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def tier_row(tier: types.Tier) -> str:
    energies = ["not modelled", "", ""] if tier.wh_per_1k is None else [bounds(tier.wh_per_1k[phase]) for phase in types.Phase]
    return row(f"`{tier.name}`", *energies, tier.representative, refs(tier.sources))


def host_row(host: types.Host) -> str:
    pue, water = host.pue, host.water
    place = f"`{host.grid}`"
    return row(f"`{host.name}`", host.hosting, bounds(pue.value), refs(pue.sources), bounds(water.value), refs(water.sources), place)


def grid_row(grid: types.Grid) -> str:
    water = "unknown" if grid.water is None else number(grid.water)
    intensity = grid.intensity
    return row(*(f"`{grid.name}`", grid.basis.value, bounds(intensity.value)), water, str(grid.year), grid.bounds, refs(intensity.sources))


def source_row(source: types.Source) -> str:
    return row(f"`{source.id}`", f"[{source.title}]({source.url})" if source.url else source.title, source.used)


def step_row(step: types.ContextStep, sources: Iterable[str]) -> str:
    return row(str(step.input_tokens_min), number(step.prefill), number(step.decode), refs(sources))


def tables(factors: types.FactorSet) -> dict[str, list[str]]:
    """The rows of each table, by the words of its heading."""
    return {
        "| model tier |": [tier_row(tier) for tier in factors.tiers.values()],
        "| average input from |": [step_row(step, factors.context_sources) for step in factors.context_steps],
        "| provider |": [host_row(host) for host in factors.hosts.values()],
        "| grid |": [grid_row(grid) for grid in factors.grids.values()],
        "| embodied share |": [row(bounds(factors.embodied.value), factors.embodied_derivation, refs(factors.embodied.sources))],
        "| source |": [source_row(source) for source in factors.sources.values()],
    }


def table(heading: str) -> list[str]:
    """The rows of the page's table that begins with ``heading``."""
    lines = PAGE.read_text().splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith(heading))
    end = next(place for place in range(start, len(lines) + 1) if place == len(lines) or not lines[place].startswith("|"))
    return lines[start + 2 : end]


@pytest.mark.parametrize(
    "heading", ["| model tier |", "| average input from |", "| provider |", "| grid |", "| embodied share |", "| source |"]
)
def test_a_table_of_the_page_is_the_factor_set(factors: types.FactorSet, heading: str) -> None:
    assert table(heading) == tables(factors)[heading]


def test_the_page_names_the_set_every_flag_and_every_formula(factors: types.FactorSet) -> None:
    page = PAGE.read_text()
    assert factors.digest in page
    assert f"factor set {factors.version}" in page
    for flag in types.Flag:
        assert f"`{flag.value}`" in page
    for note in factors.notes.values():
        assert note in page


@pytest.mark.parametrize(
    "words",
    [
        "Cached input is an assumption",
        "compensation claim",
        "not training",  # a boundary
        "never lower the gross figure",
    ],
)
def test_the_page_says_plainly(words: str) -> None:
    assert words in PAGE.read_text()
