"""Which of a model's entries is in force: dates, hours, weekdays, services, discounts, and who has the last word."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from carbonledger.domains.pricing import types
from carbonledger.domains.pricing.types import Flag
from tests.unit.domains.pricing import books

PER_MILLION = 1_000_000


def model(*entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "m", "prices": list(entries)} | more


def price(usd: str, **when: Any) -> dict[str, Any]:
    return when | {"rates": {"uncached_input": usd, "output": usd}}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


DATED = model(price("1"), price("2", **{"from": "2026-01-01"}), price("3", **{"from": "2026-02-01"}))
OPEN_ENDED = model(price("1"), price("2", **{"from": "2026-01-01", "to": "2026-02-01"}))
NIGHT = model(price("1"), price("2", hours=[["22:30", "06:00"]]))
WEEKEND = model(price("1"), price("2", days=[6, 7]))
WEEKDAY_HOURS = model(price("1"), price("2", days=[1, 2, 3, 4, 5], hours=[["01:00", "04:00"], ["06:00", "10:00"]]))
HOURS_FROM = model(price("1"), price("2", hours=[["00:00", "12:00"]], **{"from": "2026-01-01"}))
SHADOWED = model(price("1"), price("2", hours=[["00:00", "12:00"]]), price("3", **{"from": "2026-01-01"}))
TWO_HOURS = model(price("1"), price("2", hours=[["00:00", "12:00"]]), price("3", hours=[["10:00", "14:00"]]))


@pytest.mark.parametrize(
    "row, when, usd",
    [
        (DATED, "2025-12-31T23:59:59.999999", "1"),  # the microsecond before
        (DATED, "2026-01-01T00:00:00", "2"),  # the start is inside
        (DATED, "2026-01-31T23:59:59", "2"),
        (DATED, "2026-02-01T00:00:00", "3"),
        (DATED, "9999-12-31T23:59:59", "3"),  # the last one has no end
        (DATED, "0001-01-01T00:00:00", "1"),  # nor the first a start
        (OPEN_ENDED, "2026-01-31T23:59:59.999999", "2"),
        (OPEN_ENDED, "2026-02-01T00:00:00", "1"),  # the end is outside; what was before holds again
        (NIGHT, "2026-01-01T22:29:59", "1"),
        (NIGHT, "2026-01-01T22:30:00", "2"),  # hours over midnight
        (NIGHT, "2026-01-02T00:00:00", "2"),
        (NIGHT, "2026-01-02T06:00:00", "1"),
        (WEEKEND, "2026-11-20T23:59:59", "1"),  # Friday
        (WEEKEND, "2026-11-21T00:00:00", "2"),  # Saturday
        (WEEKEND, "2026-11-22T23:59:59", "2"),  # Sunday
        (WEEKEND, "2026-11-23T00:00:00", "1"),
        (WEEKDAY_HOURS, "2026-11-20T01:00:00", "2"),  # both have to be right
        (WEEKDAY_HOURS, "2026-11-21T01:00:00", "1"),
        (WEEKDAY_HOURS, "2026-11-20T05:00:00", "1"),
        (WEEKDAY_HOURS, "2026-11-20T09:59:59", "2"),
        (HOURS_FROM, "2025-12-31T06:00:00", "1"),  # hours that begin on a date
        (HOURS_FROM, "2026-01-01T06:00:00", "2"),
        (HOURS_FROM, "2026-01-01T12:00:00", "1"),
        (SHADOWED, "2025-12-31T06:00:00", "2"),
        (SHADOWED, "2026-01-01T06:00:00", "3"),  # a later entry without hours has the last word over hours before it
        (TWO_HOURS, "2026-01-01T09:59:59", "2"),
        (TWO_HOURS, "2026-01-01T10:00:00", "3"),  # of two that overlap the last
        (TWO_HOURS, "2026-01-01T14:00:00", "1"),
    ],
)
def test_the_last_entry_in_force_is_the_price(row: dict[str, Any], when: str, usd: str) -> None:
    cost = books.small(row).price(books.usage(at=at(when), uncached_input=PER_MILLION))
    assert cost.amount == Decimal(usd)


def test_hours_are_of_utc_whatever_the_offset_of_the_instant() -> None:
    book = books.small(NIGHT)
    tokyo = datetime.fromisoformat("2026-01-02T08:00:00+09:00")  # 23:00 in UTC
    assert book.price(books.usage(at=tokyo, uncached_input=PER_MILLION)).amount == 2
    assert book.rate_at(provider="acme", model="m", at=tokyo).is_daily


OURS = books.override(**price("9", **{"from": "2026-01-15", "to": "2026-01-20"}))


@pytest.mark.parametrize(
    "when, usd, rule",
    [
        ("2026-01-14T23:59:59", "2", "acme/m@2026-01-01"),
        ("2026-01-15T00:00:00", "9", "override:ours"),
        ("2026-01-19T23:59:59", "9", "override:ours"),
        ("2026-01-20T00:00:00", "2", "acme/m@2026-01-01"),
    ],
)
def test_our_entry_stands_over_the_release_for_as_long_as_it_says(when: str, usd: str, rule: str) -> None:
    cost = books.small(DATED, prices=[OURS]).price(books.usage(at=at(when), uncached_input=PER_MILLION))
    assert (cost.amount, cost.rate.rules) == (Decimal(usd), (rule,))


def test_our_model_comes_before_those_of_the_release() -> None:
    taken = model(price("1"), match=["=m", "=new"])
    ours = books.override(models=["new"], **price("5"))
    book = books.small(taken, models=[{"provider": "acme", "id": "new", "match": ["=new"]}], prices=[ours])
    assert book.price(books.usage(model="new", uncached_input=PER_MILLION)).amount == 5
    assert book.price(books.usage(model="m", uncached_input=PER_MILLION)).amount == 1


def test_a_model_of_ours_without_a_price_at_that_time_is_not_covered() -> None:
    ours = books.override(models=["new"], **price("5", **{"from": "2026-01-01"}))
    book = books.small(models=[{"provider": "acme", "id": "new"}], prices=[ours])
    cost = book.price(books.usage(model="new", at=at("2025-12-31T23:59:59"), uncached_input=1))
    assert (cost.amount, cost.flags) == (None, (Flag.PRICE_UNKNOWN,))


PARTLY = {"rates": {"output": "1"}}
WITH_BATCH = model(price("2"), services={"batch": [{"from": "2026-01-01", **PARTLY}], "flex": [{"rates": {}}]})
HALF = {"id": "half", "provider": "acme", "times": "0.5", "kinds": ["uncached_input"], "reason": "why", "links": []}


@pytest.mark.parametrize(
    "discounts, when, how, usd, flags",
    [
        ([], "2026-01-01T00:00:00", {"batch": True}, "3", []),  # its own output price over the standard input price
        ([HALF], "2026-01-01T00:00:00", {"batch": True}, "3", []),  # a published price beats the general discount
        ([HALF], "2025-12-31T23:59:59", {"batch": True}, "3", [Flag.BATCH_RATE_ASSUMED]),  # half of 2, and 2: output is not named
        ([], "2025-12-31T23:59:59", {"batch": True}, "4", [Flag.BATCH_RATE_MISSING]),
        ([HALF | {"to": "2025-12-01"}], "2025-12-31T23:59:59", {"batch": True}, "4", [Flag.BATCH_RATE_MISSING]),  # ended
        ([HALF | {"from": "2025-12-01"}], "2025-12-31T23:59:59", {"batch": True}, "3", [Flag.BATCH_RATE_ASSUMED]),
        ([HALF], "2025-12-31T23:59:59", {"service_tier": "flex"}, "4", []),  # known to cost the same
        ([HALF], "2025-12-31T23:59:59", {"service_tier": "priority"}, "4", [Flag.SERVICE_TIER_RATE_MISSING]),  # no discount for that
        ([HALF], "2025-12-31T23:59:59", {"service_tier": "standard"}, "4", []),
    ],
)
def test_services(discounts: list[dict[str, Any]], when: str, how: dict[str, Any], usd: str, flags: list[Flag]) -> None:
    book = books.small(WITH_BATCH, batches=discounts)
    cost = book.price(books.usage(at=at(when), uncached_input=PER_MILLION, output=PER_MILLION, **how))
    assert (cost.amount, list(cost.flags)) == (Decimal(usd), flags)


def test_a_general_discount_is_rounded_half_up_to_twelve_places_of_a_unit_price() -> None:
    book = books.small(model(price("0.000003")), batches=[HALF])
    cost = book.price(books.usage(batch=True, uncached_input=1))
    assert cost.amount == Decimal("0.000000000002")  # half of 3 x 10^-12


def test_tiers_of_some_prices_lie_over_those_without() -> None:
    rates = {"uncached_input": ["1", [10, "2"]], "cached_input": "0.5", "output": ["3", [10, "4"], [20, "5"]]}
    tiers = books.small({"id": "m", "prices": [{"rates": rates}]}).rate_at(provider="acme", model="m", at=books.NOON).tiers
    assert [tier.above_tokens for tier in tiers] == [0, 10, 20]
    assert [tier.charged for tier in tiers] == [
        (1_000_000, 500_000, 1_000_000, 1_000_000, 3_000_000),
        (2_000_000, 500_000, 2_000_000, 2_000_000, 4_000_000),
        (2_000_000, 500_000, 2_000_000, 2_000_000, 5_000_000),
    ]


@pytest.mark.parametrize(
    "rates",
    [
        {"uncached_input": 1},  # a number where a text belongs
        {"uncached_input": "1e3"},
        {"uncached_input": "-1"},
        {"uncached_input": "0.0000001"},  # thirteen places per token
        {"uncached_input": "NaN"},
        {"uncached_input": []},
        {"uncached_input": ["1", [10]]},
        {"uncached_input": ["1", ["10", "2"]]},
        {"uncached_input": ["1", [20, "2"], [10, "3"]]},  # falling
        {"uncached_input": ["1", [0, "2"]]},
        {"uncached_input": ["1", [True, "2"]]},
        {"input": "1"},
        {"output": "1", "reasoning": "2", "audio_output": "3"},  # which tokens are both is never told
    ],
)
def test_a_price_that_is_none_makes_the_book_unreadable(rates: dict[str, Any]) -> None:
    book = books.small({"id": "m", "prices": [{"rates": rates}]})
    with pytest.raises(types.BookUnreadable):
        book.check()


def test_the_stretches_of_a_model_touch_and_cover_all_time() -> None:
    rates = [rate for rate in books.small(DATED, prices=[OURS]).rates(provider="acme", model="m") if not rate.is_daily]
    assert rates[0].starts_at is None
    assert rates[-1].ends_at is None
    assert [rate.starts_at for rate in rates[1:]] == [rate.ends_at for rate in rates[:-1]]
    for rate in rates[1:]:
        assert rate.starts_at is not None
        assert books.small(DATED, prices=[OURS]).rate_at(provider="acme", model="m", at=rate.starts_at) == rate
        before = books.small(DATED, prices=[OURS]).rate_at(provider="acme", model="m", at=rate.starts_at - timedelta(microseconds=1))
        assert before != rate


SURCHARGE = {"id": "eu", "provider": "acme", "region": "eu", "times": "1.1", "kinds": ["uncached_input"], "reason": "why", "links": []}


@pytest.mark.parametrize(
    "when, how, usd, rules, region",
    [
        ("2026-01-01T00:00:00", {}, "4", ["acme/m"], None),
        ("2026-01-01T00:00:00", {"region": "us"}, "4", ["acme/m"], None),  # not dearer there
        ("2026-01-01T00:00:00", {"region": "eu"}, "4.2", ["acme/m", "override:eu"], "eu"),  # 2 x 1.1, and 2: output is not named
        ("2026-01-01T00:00:00", {"region": "EU"}, "4.2", ["acme/m", "override:eu"], "eu"),
        ("2026-01-01T00:00:00", {"region": "eu", "batch": True}, "3.2", ["acme/m", "acme/m:batch@2026-01-01", "override:eu"], "eu"),
        ("2025-12-31T00:00:00", {"region": "eu", "batch": True}, "3.1", ["acme/m", "override:half", "override:eu"], "eu"),  # 2 / 2 x 1.1
    ],
)
def test_a_surcharge_of_a_region_lies_over_any_price(
    when: str, how: dict[str, Any], usd: str, rules: list[str], region: str | None
) -> None:
    book = books.small(WITH_BATCH, batches=[HALF], regions=[SURCHARGE])
    cost = book.price(books.usage(at=at(when), uncached_input=PER_MILLION, output=PER_MILLION, **how))
    assert (cost.amount, list(cost.rate.rules), cost.rate.region) == (Decimal(usd), rules, region)


@pytest.mark.parametrize(
    "row, first, last, usd",
    [
        (DATED, "2025-01-01T00:00:00", "2025-12-31T23:59:59.999999", "1"),
        (DATED, "2025-01-01T00:00:00", "2026-01-01T00:00:00", None),  # the start is inside
        (DATED, "2026-01-01T00:00:00", "2026-01-31T23:59:59.999999", "2"),
        (DATED, "2025-12-31T00:00:00", "2026-02-01T00:00:00", None),
        (NIGHT, "2026-01-01T12:00:00", "2026-01-01T13:00:00", None),  # it changes by the hour
    ],
)
def test_a_rate_is_in_force_throughout_a_time_or_there_are_more(row: dict[str, Any], first: str, last: str, usd: str | None) -> None:
    found = books.small(row).timeline(books.usage(at=at(first), uncached_input=1)).throughout(at(first), at(last))
    assert (None if found is None else Decimal(found.tiers[0].charged[0]) / PER_MILLION) == (None if usd is None else Decimal(usd))
