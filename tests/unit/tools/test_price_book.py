"""The conversion of a release of genai-prices: what becomes of its forms, and that it refuses what it does not know."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from carbonledger.domains.pricing.core import book
from tests.unit.domains.pricing import books
from tools import price_book

DATA = """
import datetime
from decimal import Decimal
from .types import *

__all__ = ('providers',)

providers: list[Provider] = [
    Provider(id='maker', name='Maker', api_pattern='', models=[]),
    Provider(
        id='acme',
        name='Acme',
        api_pattern='https://api\\\\.acme\\\\.example',
        pricing_urls=['https://acme.example/a', 'https://acme.example/b', 'https://acme.example/c', 'https://acme.example/d'],
        provider_match=ClauseContains(contains='acme'),
        fallback_model_providers=['maker'],
        extractors=[UsageExtractor(root='usage', mappings=[UsageExtractorMapping(path=['a', 'b'], dest='input_tokens', required=False)])],
        models=[
            %s
        ],
    ),
]
"""


def model(text: str) -> dict[str, Any]:
    """The line of the book that a model of the release becomes."""
    release = price_book.Release("9.9", "digest", price_book.parse(DATA % text))
    *_, row = price_book.convert(release, as_of=date(2026, 11, 21))
    return row


PLAIN = "prices=ModelPrice(input_mtok=Decimal('1'))"
TIERS = "TieredPrices(base=Decimal('1'), tiers=[Tier(start=200000, price=Decimal('2.50'))])"


@pytest.mark.parametrize(
    "text, expected",
    [
        # a name that is only itself needs no match
        (f"ModelInfo(id='M-1', match=ClauseEquals(equals='m-1'), {PLAIN})", {"id": "M-1", "prices": [{"rates": {"uncached_input": "1"}}]}),
        (
            "ModelInfo(id='m', match=ClauseOr(or_=[ClauseStartsWith(starts_with='A'), ClauseEndsWith(ends_with='b'),"
            " ClauseAnd(and_=[ClauseContains(contains='c'), ClauseRegex(regex='^D$')])]), prices=ModelPrice())",
            {"id": "m", "match": ["^a", "$b", {"all": [["*c"], ["~^D$"]]}], "prices": [{"rates": {}}]},
        ),
        # a free model by its name; another without prices has none
        (
            "ModelInfo(id='m:free', match=ClauseEquals(equals='m:free'), prices=ModelPrice())",
            {"id": "m:free", "prices": [{"rates": {"uncached_input": "0", "output": "0"}}]},
        ),
        # kinds in our order, tiers, a fee per thousand as a fee per one, tools left out, pages named
        (
            f"ModelInfo(id='m', match=ClauseEquals(equals='m'), prices=ModelPrice(output_mtok={TIERS}, input_mtok=Decimal('0.10'),"
            " requests_kcount=Decimal('12'), web_searches_kcount=Decimal('10'), input_document_kpages=Decimal('1')))",
            {
                "id": "m",
                "prices": [{"rates": {"uncached_input": "0.1", "output": ["1", [200000, "2.5"]], "request": "0.012"}}],
                "other": ["pages"],
            },
        ),
        # noise of binary floats, half up at six places per million
        (
            "ModelInfo(id='m', match=ClauseEquals(equals='m'), prices=ModelPrice(input_mtok=Decimal('0.0833333333333333'),"
            " output_mtok=Decimal('0.18000000000000002'), cache_read_mtok=Decimal('0.0000005')))",
            {"id": "m", "prices": [{"rates": {"uncached_input": "0.083333", "cached_input": "0.000001", "output": "0.18"}}]},
        ),
        # dates, hours
        (
            "ModelInfo(id='m', match=ClauseEquals(equals='m'), prices=[ConditionalPrice(prices=ModelPrice(input_mtok=Decimal('1'))),"
            " ConditionalPrice(constraint=StartDateConstraint(start_date=datetime.date(2026, 1, 2)),"
            " prices=ModelPrice(input_mtok=Decimal('2'))),"
            " ConditionalPrice(constraint=TimeOfDateConstraint(start_time=datetime.time(0, 30, tzinfo=datetime.UTC),"
            " end_time=datetime.time(16, 30, tzinfo=datetime.UTC)), prices=ModelPrice(input_mtok=Decimal('3')))])",
            {
                "id": "m",
                "prices": [
                    {"rates": {"uncached_input": "1"}},
                    {"from": "2026-01-02", "rates": {"uncached_input": "2"}},
                    {"hours": [["00:30", "16:30"]], "rates": {"uncached_input": "3"}},
                ],
            },
        ),
        # services, earliest first; what usage can't tell is left out
        (
            f"ModelInfo(id='m', match=ClauseEquals(equals='m'), {PLAIN}, price_variants=["
            "PriceVariant(when={'processing': 'batch'}, constraint=StartDateConstraint(start_date=datetime.date(2026, 2, 1)),"
            " prices=ModelPrice(input_mtok=Decimal('0.4'))),"
            "PriceVariant(when={'processing': 'batch'}, prices=ModelPrice(input_mtok=Decimal('0.5'))),"
            "PriceVariant(when={'service_tier': 'default'}, prices=ModelPrice()),"
            "PriceVariant(when={'speed': 'fast'}, prices=ModelPrice(input_mtok=Decimal('2')))])",
            {
                "id": "m",
                "prices": [{"rates": {"uncached_input": "1"}}],
                "services": {
                    "batch": [{"rates": {"uncached_input": "0.5"}}, {"from": "2026-02-01", "rates": {"uncached_input": "0.4"}}],
                    "fast": [{"rates": {"uncached_input": "2"}}],
                },
            },
        ),
        # the links that its comments cite
        (
            f"ModelInfo(id='m', match=ClauseEquals(equals='m'), price_comments='See https://a.example/x. And (https://b.example/y), twice"
            f" https://a.example/x.', {PLAIN})",
            {"id": "m", "prices": [{"rates": {"uncached_input": "1"}}], "links": ["https://a.example/x", "https://b.example/y"]},
        ),
    ],
)  # fmt: skip
def test_a_model(text: str, expected: dict[str, Any]) -> None:
    assert model(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "ModelInfo(id='m', match=ClauseSoundsLike(sound='m'), prices=ModelPrice())",  # a new way to match
        "ModelInfo(id='m', match=ClauseEquals(equals='m'), prices=ModelPrice(input_smell_mtok=Decimal('1')))",  # a new price
        f"ModelInfo(id='m', match=ClauseEquals(equals='m'), {PLAIN},"
        " price_variants=[PriceVariant(when={'moon': 'full'}, prices=ModelPrice())])",
        "ModelInfo(id='m', match=ClauseEquals(equals='m'),"
        " prices=[ConditionalPrice(constraint=WeekdayConstraint(day=1), prices=ModelPrice())])",
        "ModelInfo(id='m', match=ClauseEquals(equals='m'), prices=ModelPrice(input_mtok=Decimal(1) + Decimal(2)))",  # not a constant
        "ModelInfo(id=open('/etc/hostname').read(), match=ClauseEquals(equals='m'), prices=ModelPrice())",  # nothing is run
        # variants in an order that would mean something else here: oldest first
        f"ModelInfo(id='m', match=ClauseEquals(equals='m'), {PLAIN}, price_variants=["
        "PriceVariant(when={'processing': 'batch'}, prices=ModelPrice(input_mtok=Decimal('0.5'))),"
        "PriceVariant(when={'processing': 'batch'}, constraint=StartDateConstraint(start_date=datetime.date(2026, 2, 1)),"
        " prices=ModelPrice(input_mtok=Decimal('0.4')))])",
    ],
)
def test_what_it_does_not_know_it_refuses(text: str) -> None:
    with pytest.raises(price_book.Foreign):
        model(text)


def test_a_release_without_its_list_is_refused() -> None:
    with pytest.raises(price_book.Foreign):
        price_book.parse("prices = []")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A release as pip leaves it."""
    (tmp_path / "genai_prices").mkdir()
    one = f"ModelInfo(id='m', match=ClauseEquals(equals='m'), {PLAIN})"
    (tmp_path / "genai_prices/data.py").write_text(DATA % one)
    (tmp_path / "genai_prices-9.9.dist-info").mkdir()
    (tmp_path / "genai_prices-9.9.dist-info/METADATA").write_text("Metadata-Version: 2.4\nName: genai-prices\nVersion: 9.9\n\nText\n")
    return tmp_path


def test_the_book_that_comes_out_is_read_and_priced_from(installed: Path) -> None:
    rows = price_book.convert(price_book.read(installed), as_of=date(2026, 11, 21))
    text = price_book.text(rows)
    found = book.load(text.encode(), json.dumps(books.NOTHING).encode())
    assert found.source["version"] == "9.9"
    assert found.price(books.usage("acme", "m", uncached_input=1_000_000, output=0)).amount == 1
    assert json.loads(text.splitlines()[2]) == {
        "provider": "acme",
        "name": "Acme",
        "makers": ["maker"],
        "links": ["https://acme.example/a", "https://acme.example/b", "https://acme.example/c"],
    }


def test_a_run_writes_once_tells_what_changed_and_then_finds_nothing(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "prices.jsonl"
    monkeypatch.setattr(price_book, "TARGET", target)
    command = ["--as-of", "2026-11-21", "--installed", str(installed)]
    assert price_book.main([*command, "--check"]) == 1
    assert not target.exists()
    assert price_book.main(command) == 0
    first = target.read_bytes()
    assert "+ acme/m\n" in capsys.readouterr().out
    assert price_book.main(command) == 0
    assert price_book.main([*command, "--check"]) == 0
    assert target.read_bytes() == first
    assert capsys.readouterr().out.splitlines()[-1].startswith("genai-prices 9.9: 0 changes")


def test_changes_are_models_that_came_went_or_differ() -> None:
    old = '{"format":1}\n{"provider":"p"}\n{"id":"same"}\n{"id":"gone"}\n{"id":"other","prices":[]}\n'
    new = '{"format":1}\n{"provider":"p"}\n{"id":"came"}\n{"id":"same"}\n{"id":"other","prices":[1]}\n'
    assert price_book.changes(old, new) == [
        "+ p/came",
        "- p/gone",
        '~ p/other\n    {"id":"other","prices":[]}\n    {"id":"other","prices":[1]}',
    ]
