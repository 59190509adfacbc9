"""Sums of roll-ups: what goes in and out again leaves nothing, and parts add up to the whole, to the last digit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.telemetry.core import rollup
from carbonledger.domains.telemetry.core.rollup import SlotKey, Sums

HOUR = datetime(2026, 11, 1, 9, tzinfo=UTC)
counts = st.integers(0, 2**53 - 1)
amounts = st.decimals(0, 10**20, places=12, allow_nan=False, allow_infinity=False)
sums = st.builds(Sums, *([counts] * 8), *([amounts] * 3))
keys = st.builds(
    SlotKey,
    st.integers(0, 50).map(lambda hours: HOUR + timedelta(hours=hours)),
    st.integers(1, 3),
    st.sampled_from([0, 512]),
    st.integers(0, 2),
)


@given(st.lists(st.tuples(keys, sums)))
def test_what_is_taken_back_leaves_nothing(parts: list[tuple[SlotKey, Sums]]) -> None:
    back = [(key, rollup.minus(one)) for key, one in parts]
    merged = rollup.merged([*parts, *back])
    assert not any(any(one) for one in merged.values())
    assert merged.keys() == {key for key, _ in parts}, "that something changed is told"


@given(st.lists(st.tuples(keys, sums)), st.randoms(use_true_random=False))
def test_order_does_not_matter_and_rows_are_locked_in_one_order(parts: list[tuple[SlotKey, Sums]], shuffle: object) -> None:
    mixed = parts[:]
    shuffle.shuffle(mixed)  # type: ignore[attr-defined]  # a random.Random
    merged = rollup.merged(parts)
    assert rollup.merged(mixed) == merged
    assert list(merged) == sorted(merged)


def test_amounts_are_exact_beyond_what_decimals_keep_by_themselves() -> None:
    large = Decimal("99999999999999999999999999.000000000001")  # 38 digits; Python's own context keeps 28
    one = Sums(1, 0, 0, 0, 0, 0, 0, 0, Decimal(0), large, Decimal(0))
    assert rollup.plus(one, rollup.minus(one)).cost_amount == 0
    assert rollup.minus(rollup.minus(one)).cost_amount == large


def test_a_quarter_begins_with_its_first_minute() -> None:
    assert rollup.quarter_of(datetime(2026, 11, 1, 9, 14, 59, 999999, tzinfo=UTC)) == HOUR
    assert rollup.quarter_of(HOUR) == HOUR
    assert rollup.quarter_of(HOUR + timedelta(minutes=59)) == HOUR + timedelta(minutes=45)
