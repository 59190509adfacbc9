"""Our book beside another one: which prices differ, which only one has, and which models only the other has."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from carbonledger.domains.pricing import types
from carbonledger.domains.pricing.core import comparison
from tests.unit.domains.pricing import books

OURS = {
    "id": "m",
    "prices": [{"rates": {"uncached_input": ["2", [200000, "4"]], "cached_input": "0.2", "output": "10"}}],
    "services": {"batch": [{"rates": {"uncached_input": ["1", [200000, "2"]], "output": "5"}}]},
}


def other(**fields: Any) -> bytes:
    return json.dumps({"m": {"litellm_provider": "acme"} | fields}).encode()


def rows(text: bytes) -> list[tuple[Any, ...]]:
    found = comparison.compare(books.small(OURS), comparison.read_litellm(text), at=books.NOON)
    return [(row.service, row.above_tokens, row.kind.value, row.ours, row.theirs) for row in found.rows]


SAME = {
    "input_cost_per_token": 2e-06,
    "input_cost_per_token_above_200k_tokens": 4e-06,
    "cache_read_input_token_cost": 2e-07,
    "output_cost_per_token": 1e-05,
}


@pytest.mark.parametrize(
    "changed, expected",
    [
        ({}, []),
        ({"input_cost_per_token": 3e-06}, [("standard", 0, "uncached_input", Decimal(2), Decimal(3))]),
        ({"input_cost_per_token_above_200k_tokens": 6e-06}, [("standard", 200000, "uncached_input", Decimal(4), Decimal(6))]),
        # a step of theirs at a size where we have none: both tiers are compared
        ({"output_cost_per_token_above_128k_tokens": 2e-05}, [
            ("standard", 128000, "output", Decimal(10), Decimal(20)),
            ("standard", 200000, "output", Decimal(10), Decimal(20)),
        ]),
        ({"cache_creation_input_token_cost": 2.5e-06}, [  # one that we do not have
            ("standard", 0, "cache_creation_5m", None, Decimal("2.5")),
            ("standard", 200000, "cache_creation_5m", None, Decimal("2.5")),
        ]),
        ({"cache_creation_input_token_cost": 0.0}, []),  # nothing, and no price, are alike
        ({"input_cost_per_token_batches": 1e-06, "input_cost_per_token_above_200k_tokens_batches": 2e-06,
          "cache_read_input_token_cost_batches": 2e-07, "output_cost_per_token_batches": 6e-06}, [
            ("batch", 0, "output", Decimal(5), Decimal(6)),
            ("batch", 200000, "output", Decimal(5), Decimal(6)),
        ]),
        ({"input_cost_per_token_flex": 1e-06}, [("flex", 0, "uncached_input", None, Decimal(1))]),  # a service that we do not have
        ({"input_cost_per_token": 2.0000000000001e-06}, []),  # noise beyond twelve places
        ({"input_cost_per_token": "2e-06"}, [("standard", 0, "uncached_input", Decimal(2), None)]),  # no number
        ({"input_cost_per_token": -1}, [("standard", 0, "uncached_input", Decimal(2), None)]),
        ({"input_cost_per_pixel": 1, "max_tokens": 4096, "mode": "chat"}, []),  # nothing of ours
    ],
)  # fmt: skip
def test_rows(changed: dict[str, Any], expected: list[tuple[Any, ...]]) -> None:
    assert rows(other(**(SAME | changed))) == expected


def test_what_could_be_compared_is_counted() -> None:
    book = json.dumps(
        {
            "sample_spec": {"litellm_provider": "acme", "input_cost_per_token": 1},
            "acme/m": {"litellm_provider": "acme"} | SAME,
            "n": {"litellm_provider": "acme"} | SAME,
            "m": {"litellm_provider": "nobody"} | SAME,
            "image": {"litellm_provider": "acme", "input_cost_per_pixel": 1e-08},
            "broken": "not an object",
        }
    ).encode()
    found = comparison.compare(books.small(OURS), comparison.read_litellm(book), at=books.NOON)
    assert (found.rows, found.agreed, found.only_theirs) == ((), 6, ("m", "n"))


def test_a_row_names_the_model_here_and_there_and_the_entry_that_decides() -> None:
    text = json.dumps({"acme/m": {"litellm_provider": "acme-text-models"} | SAME | {"output_cost_per_token": 1}}).encode()
    renamed = text.replace(b"acme/m", b"m")
    (row, _) = comparison.compare(books.small(OURS), comparison.read_litellm(renamed), at=books.NOON).rows
    assert (row.provider, row.model, row.key, row.rules) == ("acme", "m", "m", ("acme/m",))


@pytest.mark.parametrize("text", [b"", b"[]", b'"x"', b"{", b"\xff"])
def test_what_is_no_book_is_refused(text: bytes) -> None:
    with pytest.raises(types.OtherBookUnreadable):
        comparison.read_litellm(text)


def test_a_book_larger_than_any_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "MODELS_MAX", 1)
    with pytest.raises(types.OtherBookUnreadable, match="at most 1"):
        comparison.read_litellm(b'{"a": {}, "b": {}}')
