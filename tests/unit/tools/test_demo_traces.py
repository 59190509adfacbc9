"""The demo's traces and assignment table: what is shipped is what the tool makes and what the published files say."""

from __future__ import annotations

import hashlib
import json
import lzma
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools import demo_traces

DATA = demo_traces.DATA


@given(st.integers(0, 10_000), st.lists(st.integers(0, 1000), min_size=1).filter(any))
def test_rows_are_shared_out_whole_and_each_share_is_within_one_of_its_part(rows: int, weights: list[int]) -> None:
    shares = list(demo_traces.spread(rows, weights))
    assert sum(shares) == rows
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share * sum(weights) - rows * weight) < sum(weights)
        assert weight or not share


def test_shares_are_those_worked_by_hand() -> None:
    # running parts 10/3, 20/3, 10 of ten rows: 3, 6, 10
    assert list(demo_traces.spread(10, [1, 1, 1])) == [3, 3, 4]
    assert list(demo_traces.spread(3, [0, 5, 0, 1])) == [0, 2, 0, 1]


def test_the_weekly_shape_sums_clients_and_rounds_half_up() -> None:
    shape = demo_traces.shape("model,client,hour,requests\nm-large,0,0,1.2\nm-mid,4,0,1.3\nm-mid,4,167,0.4\n").splitlines()
    assert shape[:2] == ["hour,requests", "0,3"]
    assert (len(shape), shape[-1]) == (169, "167,0")


def test_a_file_that_is_not_the_published_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / demo_traces.AZURE).write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n")
    with pytest.raises(demo_traces.WrongFile, match="digest"):
        demo_traces.read(tmp_path, demo_traces.AZURE)


@pytest.mark.parametrize("name", [demo_traces.AZURE, demo_traces.MOONCAKE])
def test_the_shipped_traces_are_the_published_ones_byte_for_byte(name: str) -> None:
    assert hashlib.sha256(lzma.decompress((DATA / f"{name}.xz").read_bytes())).hexdigest() == demo_traces.DIGESTS[name]


def test_the_shipped_traces_have_the_documented_totals() -> None:
    azure = [line.split(",") for line in lzma.decompress((DATA / f"{demo_traces.AZURE}.xz").read_bytes()).decode().splitlines()[1:]]
    assert (len(azure), sum(int(row[1]) for row in azure), sum(int(row[2]) for row in azure)) == (19_366, 22_361_870, 4_088_665)
    mooncake = [json.loads(line) for line in lzma.decompress((DATA / f"{demo_traces.MOONCAKE}.xz").read_bytes()).splitlines()]
    totals = (len(mooncake), sum(row["input_length"] for row in mooncake), sum(row["output_length"] for row in mooncake))
    assert totals == (5_719, 73_604_194, 1_977_204)


def test_the_shipped_table_is_what_the_tool_makes_of_the_applications() -> None:
    made = demo_traces.assignment((DATA / "applications.csv").read_text(), (DATA / demo_traces.SHAPE).read_text())
    assert (DATA / "assignment.csv").read_text() == made


def test_all_that_is_shipped_is_under_700_kilobytes() -> None:
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) < 700_000
