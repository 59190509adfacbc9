"""Reading the book: what is not of its form is refused with the reason, when it is loaded or when its provider is first used."""

from __future__ import annotations

import json
from typing import Any

import pytest

from carbonledger.domains.pricing import data, types
from carbonledger.domains.pricing.core import book
from carbonledger.kernel import errors
from tests.unit.domains.pricing import books

PROVIDER = {"provider": "acme", "name": "Acme"}
ROW = {"rates": {"output": "1"}}


@pytest.mark.parametrize(
    "prices, overrides",
    [
        (b"", books.NOTHING),
        (b"\xff\xfe", books.NOTHING),
        (b"not json\n", books.NOTHING),
        (books.prices({"as_of": "2026-11-21"}), books.NOTHING),  # no format
        (books.prices(books.HEAD | {"format": 2}), books.NOTHING),  # another one
        (books.prices(books.HEAD | {"as_of": "yesterday"}), books.NOTHING),
        (books.prices(books.HEAD, {"provider": "acme"}), books.NOTHING),  # no name
        (books.prices(books.HEAD, PROVIDER | {"makers": ["nobody"]}), books.NOTHING),
        (books.prices(books.HEAD), []),
        (books.prices(books.HEAD), books.NOTHING | {"format": 2}),
        (books.prices(books.HEAD), {"format": 1}),
        (books.prices(books.HEAD), books.NOTHING | {"prices": [books.override(**ROW)]}),  # a provider that is not there
        (books.prices(books.HEAD), books.NOTHING | {"models": [{"provider": "acme", "id": "m"}]}),
        (books.prices(books.HEAD, PROVIDER), books.NOTHING | {"batches": [{"provider": "acme"}]}),
        (books.prices(books.HEAD), books.NOTHING | {"providers": {"openai": 1}}),
    ],
)
def test_a_book_of_another_form_is_refused(prices: bytes, overrides: object) -> None:
    with pytest.raises(types.BookUnreadable) as refused:
        book.load(prices, json.dumps(overrides).encode())
    assert refused.value.kind is errors.Kind.INTERNAL


def test_a_discount_that_is_no_number_is_refused() -> None:
    half = {"id": "half", "provider": "acme", "times": 0.5, "kinds": [], "reason": "why", "links": []}
    with pytest.raises(types.BookUnreadable):
        books.small(batches=[half])


@pytest.mark.parametrize(
    "row",
    [
        {"prices": []},  # no id
        {"id": "m", "prices": [{}]},  # no rates
        {"id": "m", "prices": [{"from": "soon", **ROW}]},
        {"id": "m", "prices": [{"from": "2026-01-01T00:00", **ROW}]},  # no offset
        {"id": "m", "prices": [{"from": "2026-02-01", "to": "2026-01-01", **ROW}]},
        {"id": "m", "prices": [{"from": "2026-02-01", "to": "2026-02-01", **ROW}]},
        {"id": "m", "prices": [{"hours": [["25:00", "26:00"]], **ROW}]},
        {"id": "m", "prices": [{"hours": [["10:60", "11:00"]], **ROW}]},
        {"id": "m", "prices": [{"hours": [["10:00"]], **ROW}]},
        {"id": "m", "prices": [{"hours": [["10:00", "10:00"]], **ROW}]},  # all day, or never?
        {"id": "m", "prices": [{"days": [0], **ROW}]},
        {"id": "m", "prices": [{"days": [8], **ROW}]},
        {"id": "m", "prices": [ROW], "services": {"batch": [{"hours": [["10:00", "11:00"]], **ROW}]}},  # hours of a service
        {"id": "m", "prices": [ROW], "match": ["m"]},
    ],
)
def test_a_model_of_another_form_is_refused_when_its_provider_is_used(row: dict[str, Any]) -> None:
    found = books.small(row)
    with pytest.raises(types.BookUnreadable):
        found.price(books.usage())


def test_an_override_of_a_model_that_is_not_there_is_refused() -> None:
    found = books.small({"id": "m", "prices": [ROW]}, prices=[books.override(models=["n"], **ROW)])
    with pytest.raises(types.BookUnreadable, match="acme/n"):
        found.price(books.usage())


def test_a_provider_is_parsed_when_it_is_first_used() -> None:
    broken: list[dict[str, Any]] = [{"provider": "broken", "name": "Broken"}, {"prices": []}]
    found = book.load(books.prices(books.HEAD, PROVIDER, {"id": "m", "prices": [ROW]}, *broken), json.dumps(books.NOTHING).encode())
    assert found.price(books.usage(output=1)).is_covered
    with pytest.raises(types.BookUnreadable):
        found.price(books.usage("broken"))


def test_links_are_those_of_the_model_or_else_of_its_provider() -> None:
    provider = PROVIDER | {"links": ["https://example.org/acme"]}
    own = {"id": "own", "prices": [ROW], "links": ["https://example.org/own"]}
    found = book.load(books.prices(books.HEAD, provider, {"id": "m", "prices": [ROW]}, own), json.dumps(books.NOTHING).encode())
    links = [found.rate_at(provider="acme", model=model, at=books.NOON).origins[0].links for model in ("m", "own")]
    assert links == [("https://example.org/acme",), ("https://example.org/own",)]


@pytest.mark.parametrize("place", [0, 1])
def test_any_byte_of_either_file_changes_the_version(place: int) -> None:
    files = [data.prices(), data.overrides()]
    first = book.load(*files).version
    files[place] += b"\n"
    assert book.load(*files).version != first
    assert first.startswith("2026-11-21-")
    assert len(first) == len("2026-11-21-") + 12
