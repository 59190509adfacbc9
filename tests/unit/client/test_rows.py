"""Single values: strict counts, blanks that stay unknown, and an inclusive input taken apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.kernel import usage
from carbonledger_client import items, rows


@pytest.mark.parametrize(
    "value, count",
    [("0", 0), ("374", 374), (" 374 ", 374), ("374.0", 374), ("007", 7), (374, 374), (3.0, 3), ("", None), ("  ", None), (None, None),
     ("9007199254740991", 2**53 - 1)],
    ids=repr,
)  # fmt: skip
def test_a_count_is_a_whole_number_or_unknown(value: object, count: int | None) -> None:
    assert rows.count(value, "tokens") == count


@pytest.mark.parametrize(
    "value",
    ["-1", -1, "1,000", "1.000,5", "1 000", "1_000", "1e3", "3.5", 3.5, "0x10", "NaN", float("nan"), float("inf"), True, "²", "٣",
     "9007199254740992", "9" * 5000, 2**53, [], {}, "10 tokens", "+5"],
    ids=lambda value: repr(value)[:20],
)  # fmt: skip
def test_what_is_no_plain_count_is_refused_not_guessed_at(value: object) -> None:
    with pytest.raises(rows.Rejected) as refused:
        rows.count(value, "tokens")
    assert refused.value.code == "count_invalid"
    assert len(refused.value.detail) < 250


@given(st.integers(0, 10**12), st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_the_parts_of_an_inclusive_input_add_up_to_it_or_it_is_refused(total: int, cached: int, short: int, lasting: int) -> None:
    tokens: dict[str, int | None] = {"cached_input": cached, "cache_creation_5m": short, "cache_creation_1h": lasting}
    if cached + short + lasting > total:
        with pytest.raises(rows.Rejected, match="more than its whole input"):
            rows.within_input(total, tokens)
        return
    rows.within_input(total, tokens)

    made = usage.TokenBuckets(**tokens)
    assert made.total_input == total


def test_an_unknown_input_stays_unknown() -> None:
    tokens: dict[str, int | None] = {"cached_input": 5}
    rows.within_input(None, tokens)
    assert tokens["uncached_input"] is None


def test_buckets_and_parts_are_the_ledgers_own() -> None:
    assert items.BUCKETS == usage.BUCKETS
    assert {*usage.BUCKETS, *usage.PARTS} == items.COUNTS


def test_a_key_made_of_parts_tells_apart_what_only_looks_alike() -> None:
    keys = {rows.identity("x", *parts) for parts in (("a", "b"), ("ab", ""), ("a", "b", None), ("a", None, "b"), (1, "b"), ("1", "b"))}
    assert len(keys) == 6


@pytest.mark.parametrize(
    "value, text",
    [
        ("0.00012", "0.00012"),
        (1.5e-7, "0.00000015"),
        ("0.1234567890125", "0.123456789013"),
        (12, "12"),
        (-1, None),
        ("1e400", None),
        ("free", None),
        (None, None),
        (True, None),
        ("NaN", None),
    ],
)
def test_a_reported_cost_is_kept_as_a_plain_decimal(value: object, text: str | None) -> None:
    assert rows.amount(value) == text
