"""The front door of pricing: the settled disagreements, lists of prices, and our own entries in words."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from carbonledger.domains.pricing import data, service, types
from carbonledger.domains.pricing.core import settling
from carbonledger.kernel.usage import TokenBuckets, Usage

AT = datetime(2026, 11, 25, tzinfo=UTC)
MILLION = 1_000_000


def cost(provider: str, model: str, *, batch: bool = False, requests: int = 1000, **tokens: int) -> types.Cost:
    counts = dict.fromkeys(("uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h", "output"), 0) | tokens
    usage = Usage(provider=provider, model=model, occurred_at=AT, tokens=TokenBuckets(**counts), requests=requests, batch=batch)
    return service.price(usage)


@pytest.mark.parametrize(
    "provider, model, batch, kind, expected",
    [
        ("deepseek", "deepseek-chat", False, "uncached_input", "0.28"),
        ("deepseek", "deepseek-chat", False, "cached_input", "0.028"),
        ("deepseek", "deepseek-chat", False, "output", "0.42"),
        ("openai", "text-embedding-3-small", False, "uncached_input", "0.02"),
        ("openai", "text-embedding-3-small", True, "uncached_input", "0.01"),  # half
        ("anthropic", "claude-sonnet-4-5", False, "uncached_input", "3"),
        ("anthropic", "claude-sonnet-4-5", False, "output", "15"),
    ],
)
def test_disagreements_between_public_books_are_settled(provider: str, model: str, batch: bool, kind: str, expected: str) -> None:
    assert cost(provider, model, batch=batch, **{kind: MILLION}).amount == Decimal(expected)


def test_a_long_request_of_claude_sonnet_4_5_costs_the_flat_price_and_is_flagged_disputed() -> None:
    found = cost("anthropic", "claude-sonnet-4-5", requests=1, uncached_input=300_000, output=1000)
    assert found.amount == Decimal("0.915")  # 0.3 x 3 + 0.001 x 15
    assert types.Flag.DISPUTED in found.flags
    assert types.Flag.DISPUTED not in cost("anthropic", "claude-sonnet-4-5", requests=1, uncached_input=1000).flags


def test_a_cost_is_explained_with_its_links() -> None:
    steps = service.explain(cost("openai", "gpt-4o", uncached_input=1000, output=500))
    assert "In sum 0.0075 USD, unrounded." in [step.text for step in steps]
    assert any(step.links for step in steps)


def listed(*, provider: str | None = None, model: str | None = None) -> list[tuple[str, str, str]]:
    return [one.key for one in service.prices(provider=provider, model=model, at=AT)]


def test_a_list_is_of_what_is_in_force_found_by_any_name() -> None:
    assert listed(provider="openai", model="gpt-4o") == [
        ("openai", "gpt-4o", service) for service in ("batch", "fast", "priority", "standard")
    ]
    assert listed(provider="gcp.vertex_ai", model="gemini-2.5-pro") == listed(provider="google", model="gemini-2.5-pro") != []
    assert listed(provider="nobody") == listed(provider="openai", model="no-such-model") == []


def test_a_model_without_a_provider_is_listed_for_each_that_serves_it() -> None:
    providers = {provider for provider, _, _ in listed(model="gpt-4o")}
    assert {"openai", "azure"} <= providers


def test_the_whole_book_is_listed_in_order_each_price_once_and_goes_on_after_any() -> None:
    whole = listed()
    assert whole == sorted(set(whole))
    assert len({provider for provider, _, _ in whole}) > 40
    for place in (0, 7, len(whole) // 2, len(whole) - 2):
        rest = service.prices(provider=None, model=None, at=AT, after=whole[place])
        assert next(rest).key == whole[place + 1]
    assert list(service.prices(provider=None, model=None, at=AT, after=whole[-1])) == []


def test_a_price_that_has_ended_is_not_in_force() -> None:
    (then,) = (
        one
        for one in service.prices(provider="deepseek", model="deepseek-chat", at=datetime(2025, 9, 20, tzinfo=UTC))
        if one.key[2] == "standard"
    )
    assert then.rate.tiers[0].price(types.PriceKind.OUTPUT) == 1_680_000  # 1.68 per million
    assert then.rate.ends_at == datetime(2025, 9, 29, tzinfo=UTC)


def test_our_entries_say_whom_they_are_of_and_why() -> None:
    found = {one.rule: one for one in service.settled()}
    deepseek = found["override:deepseek-v3.2"]
    assert (deepseek.starts_on, deepseek.prices["cached_input"], deepseek.is_disputed) == ("2025-09-29", "0.028", False)
    assert found["override:claude-sonnet-4-5-flat"].is_disputed
    assert (found["override:openai-batch"].service, found["override:openai-batch"].times, found["override:openai-batch"].models) == (
        "batch",
        "0.5",
        (),
    )
    assert found["override:anthropic-us"].service == "region us"
    peak = found["override:deepseek-v4-flash-peak-weekdays"]
    assert (peak.hours, peak.days) == ((("01:00", "04:00"), ("06:00", "10:00")), (1, 2, 3, 4, 5))
    assert all(one.reason and one.links for one in found.values())


def test_a_price_with_tiers_is_told_with_them() -> None:
    rates = '"rates": {"output": ["3", [200000, "6"]]}'
    entry = f'{{"id": "a", "provider": "p", "models": [], {rates}, "reason": "r.", "links": [], "date": "2026-01-01"}}'
    (found,) = settling.settled(f'{{"prices": [{entry}], "batches": [], "regions": []}}'.encode())
    assert found.prices == {"output": "3, above 200000: 6"}


@pytest.mark.parametrize("wrong", [b"[]", b"{}", b"nothing", data.overrides().replace(b'"reason"', b'"why"')])
def test_entries_of_another_form_are_refused(wrong: bytes) -> None:
    with pytest.raises(types.BookUnreadable):
        settling.settled(wrong)


@pytest.mark.parametrize("flag", list(types.Flag))
def test_every_flag_has_words(flag: types.Flag) -> None:
    assert service.said(flag).endswith(".")
