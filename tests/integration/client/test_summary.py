"""The summary as a table and as the server's own JSON: what is unknown shows as unknown, what is covered is said in words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.client import peer as peers
from tests.integration.client.conftest import Ledger

MEASURES = {
    "requests": 1200,
    "tokens": {"uncached_input": 1_000_000, "cached_input": 200, "cache_creation_5m": 3, "cache_creation_1h": None, "output": 40},
    "cost": {"amount": "12.340000000001", "currency": "USD"},
    "energy_wh": {"low": "900", "mid": "1500.5", "high": "3000"},
    "co2e_g": {"low": "400", "mid": "600.25", "high": "1200"},
}
BARE: dict[str, Any] = {"requests": None, "tokens": {"uncached_input": None, "output": 7}, "cost": None, "energy_wh": None, "co2e_g": None}
DOCUMENT = {
    "period": {"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"},
    "totals": MEASURES,
    "by_model": [{"provider": "openai", "model": "gpt-4o", **MEASURES}, {"provider": "acme", "model": "unheard-of", **BARE}],
    "daily": [],
    "coverage": {"covered": "0.99999", "not_covered": "0.00001", "estimated": "0.25", "provisional": "0"},
}


@pytest.fixture(autouse=True)
def told(peer: peers.Peer) -> None:
    peer.summary = DOCUMENT


def test_the_table_has_a_row_for_each_model_and_one_for_all(ledger: Ledger) -> None:
    lines = [" ".join(line.split()) for line in ledger("summary").out.splitlines()]

    assert lines[1] == "openai gpt-4o 1,200 1,000,000 200 3 40 12.34 USD 1.5 kWh 400 / 600.25 / 1,200 g"
    assert lines[2] == "acme unheard-of ? ? ? ? 7 ? ? ?"
    assert lines[3].startswith("all 1,200 1,000,000")


def test_coverage_is_said_in_words_and_never_rounded_to_all_or_nothing(ledger: Ledger) -> None:
    out = ledger("summary").out

    assert "more than 99.9 % of the tokens are covered" in out
    assert "less than 0.1 % of the tokens are not covered" in out
    assert "25 % of the tokens are estimated." in out
    assert "provisional" not in out


def test_events_that_are_not_covered_are_said_in_words_where_there_are_any(ledger: Ledger, peer: peers.Peer) -> None:
    assert "no sum of it" not in ledger("summary").out, "an older server doesn't tell them"
    peer.summary = {**DOCUMENT, "not_covered_events": 1200, "cost_not_covered_events": 1}
    out = ledger("summary").out
    assert "1 event has no cost, and counts in no sum of it.\n1,200 events have no estimate of emissions, and count in no sum of it." in out
    peer.summary = {**DOCUMENT, "not_covered_events": 0, "cost_not_covered_events": 0}
    assert "no sum of it" not in ledger("summary").out


def test_json_is_what_the_server_said(ledger: Ledger) -> None:
    assert json.loads(ledger("summary", "--json").out) == DOCUMENT


def test_filters_reach_the_server_as_instants(ledger: Ledger, peer: peers.Peer) -> None:
    ledger("summary", "--from", "2026-01-01", "--to", "2026-02-01T00:00:00+01:00", "--provider", "openai", "--project", "p")

    assert peer.queries == ["/v1/telemetry/summary?from=2026-01-01T00%3A00%3A00Z&to=2026-01-31T23%3A00%3A00Z&project_id=p&provider=openai"]


def test_a_document_that_is_no_summary_is_refused(ledger: Ledger, peer: peers.Peer) -> None:
    peer.summary = {"hello": "world"}

    ended = ledger("summary")

    assert (ended.code, ended.err) == (2, "error: The summary has no list by_model.\n")
