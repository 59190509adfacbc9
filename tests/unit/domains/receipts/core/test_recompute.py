"""The program in an audit pack, part by part: against published vectors, against sums by hand, and against the service's own arithmetic."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbonledger.domains.emissions import data as factor_data
from carbonledger.domains.emissions import service as emissions
from carbonledger.domains.receipts.core import totals, tracing
from carbonledger.domains.receipts.data import recompute
from carbonledger.domains.receipts.types.periods import Payment, Period, State, Step
from carbonledger.domains.receipts.types.totals import Adjustment, ClosedPeriod, Rate
from carbonledger.domains.telemetry.types import UNKNOWN, Fact
from carbonledger.domains.telemetry.types.closing import Line, LineKey, LineSums
from carbonledger_proof import event as proof_event
from carbonledger_proof import merkle
from tests.unit.proof import vectors, worlds

WYCHEPROOF = vectors.load("wycheproof_ed25519.json")
CASES = [(group["publicKey"]["pk"], case) for group in WYCHEPROOF["testGroups"] for case in group["tests"]]
OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)


def is_signed(key: str, message: str, made: str) -> bool:
    try:
        return recompute.is_signed(bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(made))
    except recompute.Wrong:
        return False


@pytest.mark.parametrize("case", vectors.load("rfc8032.json"), ids=lambda case: case["name"])
def test_its_ed25519_passes_rfc_8032(case: dict[str, str]) -> None:
    assert is_signed(case["public"], case["message"], case["signature"])
    assert not is_signed(case["public"], case["message"] + "00", case["signature"])


@pytest.mark.parametrize("key,case", CASES[::3], ids=[str(case["tcId"]) for _, case in CASES[::3]])
def test_its_ed25519_accepts_and_refuses_what_wycheproof_says(key: str, case: dict[str, Any]) -> None:
    if case["result"] != "acceptable":  # keys with a part of small order, which are left to each library
        assert is_signed(key, case["msg"], case["sig"]) is (case["result"] == "valid")


def test_its_leaf_is_the_leaf_that_was_hashed() -> None:
    awkward = worlds.series(model='é "quoted", \\ \u2027', price_book=None, emission_rate=None)
    for event in (*worlds.events(), *(dataclasses.replace(one, series=awkward) for one in worlds.events(1))):
        salt = proof_event.salt_of(worlds.SECRET, event.id.bytes, event.revision)
        series = event.series
        row = {
            "id": str(event.id),
            "revision": str(event.revision),
            "occurred_at": event.occurred_at.isoformat(timespec="microseconds")[:26] + "Z",
            "duration_s": str(event.duration_s),
            "project": str(series.project),
            "provider": series.provider or "",
            "model": series.model or "",
            "event": series.event or "",
            "requests": str(event.requests),
            **{name: "" if count is None else str(count) for name, count in zip(proof_event.BUCKETS, event.tokens, strict=True)},
            "quantity": "",
            "cost_pico_usd": str(event.cost_amount),
            "price_book": series.price_book or "",
            "emission_rate": series.emission_rate or "",
            "standing": series.standing.value,
            "salt": salt.hex(),
        }
        assert recompute.leaf(row) == event.content(salt)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 8, 9, 100])
def test_its_tree_is_that_of_rfc_6962(size: int) -> None:
    """``merkle`` passes the vectors of transparency-dev."""
    tree = recompute.Tree()
    contents = [bytes([number]) * number for number in range(size)]
    for content in contents:
        tree.add(content)
    assert tree.root() == merkle.tree_root(map(merkle.leaf_hash, contents)).hex()


def test_its_digest_of_a_factor_set_is_the_published_one() -> None:
    for version in factor_data.VERSIONS:
        document = json.loads(factor_data.factor_set(version), parse_float=recompute.Number, parse_int=recompute.Number)
        assert hashlib.sha256(recompute.jcs(document).encode()).hexdigest() == emissions.current().digest


@pytest.mark.parametrize(
    "digits, written", [("0", "0"), ("0.0", "0"), ("1.50", "1.5"), ("0.000001", "0.000001"), ("1e3", "1000"), ("-2.0", "-2")]
)
def test_a_number_is_written_as_ecmascript_writes_it(digits: str, written: str) -> None:
    assert recompute.jcs(recompute.Number(digits)) == written


def test_lines_times_rates_by_hand() -> None:
    # 100 tokens read, 20 written to a cache, 10 from the cache, 1 written: (100 + 20) x 1 + 10 x 2 + 1 x 3 = 143 quanta at low.
    line = {"uncached_input": "100", "cache_creation_5m": "15", "cache_creation_1h": "5", "cached_input": "10", "output": "1"}
    assert recompute.amounts(line, [1, 2, 3, 10, 20, 30, 100, 200, 300]) == [143, 1430, 14300]


@pytest.mark.parametrize("number, units", [(0, 0), (5, 0), (15, 2), (25, 2), (14, 1), (16, 2), (-5, 0), (-15, -2), (-14, -1)])
def test_it_rounds_half_to_even(number: int, units: int) -> None:
    assert recompute.half_even(number, 10) == units


# --- any lines: the program and the service come to the same

NUMBER = st.integers(-(10**9), 10**9)
RATE_NUMBERS = st.tuples(*(st.integers(0, 10**16) for _ in range(9)))
RATE = st.tuples(RATE_NUMBERS, RATE_NUMBERS, st.none() | RATE_NUMBERS)
FACTS = st.sets(st.sampled_from([Fact.DUPLICATE, Fact.METERED, Fact.COST_NOT_COVERED, Fact.PROVISIONAL, *UNKNOWN]))
LINE = st.tuples(
    st.sampled_from([OCTOBER, NOVEMBER]),
    st.integers(1, 3),
    st.sampled_from([None, 0, 1, 2]),
    FACTS,
    st.lists(NUMBER, min_size=8, max_size=8),
    st.integers(-(10**20), 10**20),
)


def a_line(drawn: tuple[Any, ...]) -> tuple[date, Line]:
    month, project, rate, facts, counts, cost = drawn
    bits = sum(int(fact) for fact in facts) | (int(Fact.EMISSIONS_NOT_COVERED) if rate is None else 0)
    is_metered = Fact.METERED in facts
    names = (None, None, "pages") if is_metered else ("openai", "gpt-4o", None)
    sums = LineSums._make([*counts, Decimal(counts[0]) / 8, Decimal(cost).scaleb(-12)])
    return month, Line(LineKey._make([UUID(int=project), *names, 1, rate, bits]), sums)


def period(month: date) -> Period:
    start = datetime(month.year, month.month, 1, tzinfo=UTC)
    end = datetime(month.year, month.month + 1, 1, tzinfo=UTC)
    return Period(
        id=UUID(int=month.month),
        month=month,
        zone="UTC",
        starts_at=start,
        ends_at=end,
        state=State.CLOSED,
        payment=Payment.NOT_NEEDED,
        step=Step.CLOSED,
        created_at=end,
        updated_at=end,
    )


def closed(lines: list[tuple[date, Line]], rates: dict[int, Rate]) -> ClosedPeriod:
    """What the service makes of lines of November, and of October's that were adjusted."""
    every = [line for _, line in lines]
    whole = totals.totals(every, rates)
    late = totals.totals([line for month, line in lines if month == OCTOBER], rates)
    adjustment = Adjustment(
        period_id=UUID(int=10),
        month=OCTOBER,
        booked_in=UUID(int=11),
        events=late.events,
        totals=late,
        energy_uwh=totals.rounded(late.energy, totals.QUANTA_PER_UWH),
        co2e_location_mg=totals.rounded(late.co2e_location, totals.QUANTA_PER_MG),
        co2e_market_mg=totals.rounded(late.co2e_market, totals.QUANTA_PER_MG),
    )
    return ClosedPeriod(
        period=period(NOVEMBER),
        totals=whole,
        energy_uwh=totals.rounded(whole.energy, totals.QUANTA_PER_UWH),
        co2e_location_mg=totals.rounded(whole.co2e_location, totals.QUANTA_PER_MG),
        co2e_market_mg=totals.rounded(whole.co2e_market, totals.QUANTA_PER_MG),
        cost_pico_usd=int(whole.cost_usd.scaleb(12)),
        projects=totals.parts(every, whole, rates, by=totals.of_project),
        models=(),
        adjustments=(adjustment,) if any(month == OCTOBER for month, _ in lines) else (),
        factor_sets=(),
        price_books=(),
        root=b"r" * 32,
        leaves=0,
    )


@settings(max_examples=200, deadline=None)
@given(st.lists(LINE, max_size=8), st.tuples(RATE, RATE, RATE))
def test_whatever_the_lines_are_it_comes_to_what_the_service_says(drawn: list[tuple[Any, ...]], given_rates: tuple[Any, ...]) -> None:
    lines = [a_line(one) for one in drawn]
    rates = {
        number: Rate(version="1.0", energy=energy, co2e_location=location, co2e_market=market)
        for number, (energy, location, market) in enumerate(given_rates)
    }
    names = tracing.Named({1: "book"}, {number: str(number) * 64 for number in rates})
    written = tracing.lines(lines, names, rates).decode()
    traced = json.loads(tracing.trace(closed(lines, rates), every=[period(OCTOBER), period(NOVEMBER)]))
    rows = list(csv.DictReader(io.StringIO(written)))
    numbers = {
        str(number) * 64: {"energy": rate.energy, "co2e_location": rate.co2e_location, "co2e_market": rate.co2e_market}
        for number, rate in rates.items()
    }
    recompute.check_trace(rows, numbers)
    assert recompute.in_digits(recompute.computed(traced, rows, numbers)) == traced["totals"]


def test_a_folder_without_a_pack_is_wrong_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["recompute.py", str(tmp_path)])
    assert recompute.main() == 1
    assert capsys.readouterr().err.startswith("WRONG: ")


def test_it_needs_nothing_but_the_standard_library() -> None:
    source = Path(recompute.__file__).read_text()
    imported = {line.split()[1].split(".")[0] for line in source.splitlines() if line.startswith(("import ", "from "))}
    assert imported <= set(sys.stdlib_module_names)
