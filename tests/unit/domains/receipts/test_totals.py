"""What lines come to, and that rounded parts are exactly the rounded whole."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.receipts.core import totals
from carbonledger.domains.receipts.types.totals import Rate, Whole
from carbonledger.domains.telemetry.types import Fact
from carbonledger.domains.telemetry.types.closing import Line, LineKey, LineSums

ONE, TWO = UUID(int=1), UUID(int=2)
# A token of each phase takes 1, 2 and 3 uWh at low, ten times that at mid, a hundred times at high, and emits as many ug.
PER_TOKEN = (1, 2, 3, 10, 20, 30, 100, 200, 300)
UWH = tuple(number * 10**12 for number in PER_TOKEN)
RATES = {
    7: Rate(version="1.0", energy=UWH, co2e_location=UWH, co2e_market=None),  # type: ignore[arg-type]
    8: Rate(version="1.0", energy=UWH, co2e_location=UWH, co2e_market=UWH),  # type: ignore[arg-type]
}


def line(*, project: UUID = ONE, rate: int | None = 7, facts: int = 0, events: int = 1, uncached: int = 0, **more: object) -> Line:
    if rate is None:
        facts |= Fact.EMISSIONS_NOT_COVERED
    counts = {"cached_input": 0, "output": 0, "requests": 0, "cost_amount": Decimal(0), **more}
    sums = LineSums(
        events=events,
        uncached_input=uncached,
        cache_creation_5m=0,
        cache_creation_1h=0,
        reasoning=0,
        quantity=Decimal(0),
        **counts,  # type: ignore[arg-type]
    )
    return Line(LineKey(project, "openai", "gpt-4o", None, 1, rate, facts), sums)


def test_lines_add_up_by_phase() -> None:
    # 100 tokens read, 10 from the cache, 1 written: 100 + 20 + 3 = 123 at low.
    made = totals.totals([line(uncached=100, cached_input=10, output=1, cost_amount=Decimal("0.1"))], RATES)
    assert totals.rounded(made.energy, totals.QUANTA_PER_UWH) == Whole(123, 1230, 12300)
    assert totals.rounded(made.co2e_location, totals.QUANTA_PER_MG) == Whole(0, 1, 12)  # 123, 1,230 and 12,300 ug
    assert (made.events, made.cost_usd, made.covered[:5]) == (1, Decimal("0.1"), (100, 10, 0, 0, 1))


def test_duplicates_metered_events_and_what_is_not_covered_are_told_apart() -> None:
    made = totals.totals(
        [
            line(uncached=1),
            line(uncached=50, rate=None, facts=int(Fact.COST_NOT_COVERED | Fact.OUTPUT_UNKNOWN), events=3),
            line(uncached=70, facts=int(Fact.DUPLICATE), events=5, cost_amount=Decimal(9)),
            line(rate=None, facts=int(Fact.METERED), events=7),
        ],
        RATES,
    )
    assert (made.events, made.duplicates, made.metered, made.cost_not_covered) == (4, 5, 7, 3)
    assert (made.covered.uncached_input, made.not_covered.uncached_input) == (1, 50)
    assert made.not_covered.unknown == (0, 0, 0, 0, 3)
    assert made.cost_usd == 0


@pytest.mark.parametrize(
    "rates, is_energy_known, is_market_known",
    [
        ((), True, True),  # nothing was used: that is zero
        ((8,), True, True),
        ((7, 8), True, False),  # of a part nobody knows it on the market basis
        ((None,), False, False),
        ((None, 8), True, True),
    ],
)
def test_unknown_is_not_zero(rates: tuple[int | None, ...], is_energy_known: bool, is_market_known: bool) -> None:
    made = totals.totals([line(uncached=1, rate=rate) for rate in rates], RATES)
    assert (made.energy is not None, made.co2e_market is not None) == (is_energy_known, is_market_known)


@pytest.mark.parametrize(
    "quanta, whole",
    [(0, 0), (5, 0), (15, 2), (25, 2), (14, 1), (16, 2), (-5, 0), (-15, -2), (-14, -1)],  # tens; halves go to the even one
)
def test_bounds_are_rounded_half_to_even(quanta: int, whole: int) -> None:
    assert totals.rounded((quanta, quanta, quanta), 10) == Whole(whole, whole, whole)


_QUANTA = st.tuples(*(st.integers(-(10**6), 10**6) for _ in range(3)))


@given(st.lists(_QUANTA, max_size=12))
def test_rounded_parts_are_the_rounded_whole(parts: list[tuple[int, int, int]]) -> None:
    whole = tuple(sum(part[bound] for part in parts) for bound in range(3))
    shared = totals.shared(parts, whole, 1000)  # type: ignore[arg-type]
    expected = totals.rounded(whole, 1000)  # type: ignore[arg-type]
    assert expected == tuple(sum(part[bound] for part in shared if part) for bound in range(3))
    for part, share in zip(parts, shared, strict=True):
        assert share is not None
        assert all(abs(1000 * got - exact) < 1000 for got, exact in zip(share, part, strict=True))


def test_lines_that_cancel_out_are_gone() -> None:
    some = [line(uncached=3, cost_amount=Decimal("0.3")), line(uncached=4, cost_amount=Decimal("0.4"))]
    assert totals.difference(some, [line(uncached=7, events=2, cost_amount=Decimal("0.7"))]) == ()
    assert totals.difference(some, [line(uncached=6, events=2, cost_amount=Decimal("0.7"))])[0].sums.uncached_input == 1


def test_projects_are_parts_of_the_whole() -> None:
    lines = [line(uncached=1, output=166), line(project=TWO, uncached=2, output=166)]  # 499 + 500 ug at low
    whole = totals.totals(lines, RATES)
    made = totals.parts(lines, whole, RATES, by=totals.of_project)
    lows = {part.key: part.co2e_location_mg.low for part in made if part.co2e_location_mg}
    assert lows == {ONE: 0, TWO: 1}  # together 999 ug, which is 1 mg
