"""The book in use: names of providers and makers, what is remembered, and what it tells about itself."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any

import pytest

from carbonledger.domains.pricing.core import book
from carbonledger.domains.pricing.types import Flag
from tests.unit.domains.pricing import books


def priced(model: str, usd: str, **more: Any) -> dict[str, Any]:
    return {"id": model, "prices": [{"rates": {"uncached_input": usd, "output": usd}}]} | more


TWO = books.prices(
    books.HEAD,
    {"provider": "maker", "name": "Maker"},
    priced("m", "1", services={"batch": [{"rates": {"uncached_input": "0.5"}}]}),
    priced("only-here", "2"),
    {"provider": "host", "name": "Host", "makers": ["maker"]},
    priced("m", "3"),
)


def two(**ours: Any) -> book.PriceBook:
    return book.load(TWO, json.dumps(books.NOTHING | ours).encode())


@pytest.mark.parametrize(
    "provider, model, rule, flags",
    [
        ("maker", "m", ("maker/m",), ()),
        ("host", "m", ("host/m",), ()),  # its own price first
        ("host", "only-here", ("maker/only-here",), (Flag.MAKER_PRICE,)),
        ("maker", "host-only", (), (Flag.MODEL_UNKNOWN,)),  # one way only
        ("host", "nowhere", (), (Flag.MODEL_UNKNOWN,)),
        ("nobody", "m", (), (Flag.PROVIDER_UNKNOWN,)),
    ],
)
def test_a_host_has_its_own_prices_and_then_its_makers(provider: str, model: str, rule: tuple[str, ...], flags: tuple[Flag, ...]) -> None:
    rate = two().rate_at(provider=provider, model=model, at=books.NOON)
    assert (rate.rules, rate.flags) == (rule, flags)


def test_a_makers_batch_price_is_for_its_own_batches() -> None:
    own = two().rate_at(provider="maker", model="m", at=books.NOON, batch=True)
    hosted = two().rate_at(provider="host", model="m", at=books.NOON, batch=True)
    assert (own.rules, own.flags) == (("maker/m", "maker/m:batch"), ())
    assert (hosted.rules, hosted.flags) == (("host/m",), (Flag.BATCH_RATE_MISSING,))


def test_other_names_are_a_closed_list() -> None:
    found = two(providers={"host": ["host.ai", "the-host"]})
    assert found.price(books.usage("host.ai", "m")).is_covered
    assert found.price(books.usage("the-host", "m")).is_covered
    assert not found.price(books.usage("host-ai", "m")).is_covered


def test_what_was_looked_up_is_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "FOUND_MAX", 10)
    found = two()
    for number in range(35):
        assert not found.price(books.usage("maker", f"made-up-{number}")).is_covered
        assert len(found._found) <= 10
    assert found.price(books.usage("maker", "m", uncached_input=1)).is_covered


def test_the_same_usage_is_priced_alike_first_and_again() -> None:
    found = two()
    usage = books.usage("maker", "m", uncached_input=7, output=3)
    assert found.price(usage) == found.price(usage) == two().price(usage)


def test_what_the_book_tells_about_itself() -> None:
    found = two()
    assert found.as_of == date(2026, 11, 21)
    assert found.source == {"name": "made up"}
    assert found.providers == ("maker", "host")
    assert found.models("maker") == ("m", "only-here")
    assert found.models("nobody") == ()
    assert [(rate.service, rate.rules) for rate in found.rates(provider="maker", model="m")] == [
        ("standard", ("maker/m",)),
        ("batch", ("maker/m", "maker/m:batch")),
    ]
    assert [rate.flags for rate in found.rates(provider="maker", model="nowhere")] == [(Flag.MODEL_UNKNOWN,)]


def test_a_cost_keeps_the_version_that_priced_it() -> None:
    found = two()
    assert found.price(books.usage("maker", "m")).version == found.version


def test_an_instant_without_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="offset"):
        two().rate_at(provider="maker", model="m", at=datetime(2026, 1, 1))  # noqa: DTZ001 - that is what is refused
