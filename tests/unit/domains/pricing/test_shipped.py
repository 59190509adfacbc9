"""The files that are shipped: readable to the last entry, as the conversion writes them, each of our corrections in force and reasoned."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from carbonledger.domains.pricing import data
from carbonledger.domains.pricing.core import matching
from tests.unit.domains.pricing import books
from tools import price_book

LINES = data.prices().decode().splitlines()
OURS: dict[str, Any] = json.loads(data.overrides())
ENTRIES = [*OURS["prices"], *OURS["batches"], *OURS["regions"]]


def test_every_entry_is_readable() -> None:
    assert books.shipped().check() > 2 * len(LINES)  # each model at least for standard and batch


def test_it_is_the_release_that_the_tool_names() -> None:
    assert books.shipped().source["version"] == price_book.RELEASE
    assert "MIT" in books.shipped().source["licence"]
    assert "Permission is hereby granted" in data._read("LICENSE-genai-prices").decode()


def test_it_was_not_edited_by_hand() -> None:
    assert [price_book.text(iter([json.loads(line)])) for line in LINES] == [line + "\n" for line in LINES]


def test_the_providers_we_connect_to_are_there() -> None:
    assert {"openai", "anthropic", "openrouter"} <= set(books.shipped().providers)
    assert len(books.shipped().providers) == 47


def test_no_provider_has_a_model_twice() -> None:
    for provider in books.shipped().providers:
        models = books.shipped().models(provider)
        assert len(set(models)) == len(models), provider


def test_another_name_of_a_provider_is_no_providers_id_and_given_once() -> None:
    given = [other for others in OURS["providers"].values() for other in others]
    assert not set(given) & set(books.shipped().providers)
    assert len(set(given)) == len(given)
    assert set(OURS["providers"]) <= set(books.shipped().providers)


def test_our_entries_have_names_of_their_own() -> None:
    names = [entry["id"] for entry in ENTRIES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("entry", [pytest.param(entry, id=entry["id"]) for entry in ENTRIES])
def test_each_of_our_entries_has_a_reason_a_source_and_the_day_it_was_decided(entry: dict[str, Any]) -> None:
    assert entry["reason"].endswith(".")
    assert entry["links"]
    assert all(link.startswith("https://") for link in entry["links"])
    assert date.fromisoformat(entry["date"]) <= books.shipped().as_of


@pytest.mark.parametrize(
    "provider, model, entry",
    [pytest.param(row["provider"], model, row["id"], id=f"{row['id']} {model}") for row in OURS["prices"] for model in row["models"]],
)
def test_each_of_our_prices_decides_something(provider: str, model: str, entry: str) -> None:
    """An entry that is overlaid at all times is a mistake: nobody would read it."""
    match = next((json.loads(line).get("match") for line in LINES if line.startswith(f'{{"id":"{model}"')), None)
    name = model if match is None or matching.Names([match]).find(model) == 0 else match[0][1:]
    rates = books.shipped().rates(provider=provider, model=name)
    assert any(f"override:{entry}" in rate.rules for rate in rates)
