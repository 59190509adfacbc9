"""The methodology's page: every source, every tier and every flag is on it, its links lead somewhere, and what is assumed is marked."""

from __future__ import annotations

import re

import pytest

from carbonledger.domains.emissions import types as emission_types
from carbonledger.domains.pricing import types as price_types
from carbonledger.entrypoints.rest import methodology as rest
from carbonledger.entrypoints.web import methodology

PAGE = methodology.content().text
KNOWN = rest.to_api_methodology()


def rows(first: str) -> list[str]:
    """The rows of tables whose first cell says this."""
    return [row for row in re.findall(r"<tr>(.*?)</tr>", PAGE) if re.match(rf'<th scope="row">(<[^>]+>)*{re.escape(first)}[ <]', row)]


def test_links_inside_the_page_lead_to_a_place_that_is_there_once() -> None:
    ids = re.findall(r'\bid="([^"]+)"', PAGE)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', PAGE)) <= set(ids)


def test_other_links_are_ours_or_https() -> None:
    for link in re.findall(r'href="([^"#][^"]*)"', PAGE):
        assert link.startswith(("/", "https://")), link


def test_nothing_runs_and_nothing_is_styled_inline() -> None:
    assert re.search(r"<script|<style| style=| on[a-z]+=", PAGE) is None


@pytest.mark.parametrize("tier", [tier for tier in KNOWN.emissions.tiers if tier.wh_per_1k_tokens], ids=lambda tier: tier.tier)
def test_a_tier_is_there_with_its_numbers_and_its_cached_input_marked(tier: rest.TierOut) -> None:
    row = next(row for row in rows(tier.tier) if 'href="#source-' in row)
    energies = tier.wh_per_1k_tokens or {}
    for energy in energies.values():
        assert f"{energy.low} / {energy.mid} / {energy.high}" in row
    cached = energies["cached"]
    assert f'{cached.low} / {cached.mid} / {cached.high}</span> <span class="assumed">' in row


FLAGS = [flag.value for flag in (*emission_types.Flag, *price_types.Flag)]


@pytest.mark.parametrize("flag", sorted(set(FLAGS)))
def test_a_flag_is_explained_for_emissions_and_for_cost(flag: str) -> None:
    assert len(rows(flag)) == FLAGS.count(flag)


def test_every_assumption_source_grid_host_and_entry_of_ours_is_there() -> None:
    assert PAGE.count('<li><span class="assumed">') == len(KNOWN.assumptions)
    for name in (*(one.id for one in KNOWN.emissions.sources), *(one.grid for one in KNOWN.emissions.grids)):
        assert rows(name), name
    for host in KNOWN.emissions.hosts:
        assert rows(host.provider), host.provider
    assert PAGE.count("<strong>Disputed. </strong>") == sum(one.disputed for one in KNOWN.cost.settled) == 3
