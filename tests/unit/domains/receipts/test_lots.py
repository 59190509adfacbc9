"""Files of retired lots: what a line says, and that every bad line is named with everything wrong in it."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.receipts.core import lots
from carbonledger.domains.receipts.types.credits import Block, Credit, CreditKind, LotsInvalid
from tests.unit.domains.receipts import credit_files as files

TODAY = date(2026, 11, 26)


def read(*lines: dict[str, str]) -> tuple[lots.Line, ...]:
    return lots.read(files.written(*lines), today=TODAY)


def refused(content: bytes) -> dict[str, str]:
    """The places that are named, each with its code."""
    with pytest.raises(LotsInvalid) as fault:
        lots.read(content, today=TODAY)
    return {problem.pointer: problem.code for problem in fault.value.problems}


def test_a_line_is_a_lot() -> None:
    (found,) = read(files.VERRA)
    assert found == lots.Line(
        2,
        Credit(
            block=Block("verra", "1-*-VCS-VCU-3-VER-US-3-1012020-31122020-1", files.VERRA["serial_block"], 1, 100),
            quantity_mg=100_000_000_000,
            project_id="3",
            project_name="Fuel-efficient stoves",
            standard="VCS",
            kind=CreditKind.REDUCTION,
            vintage=2020,
            retired_on=date(2026, 10, 30),
            retirement_reference="R-20261030-17",
            retirement_url="https://registry.verra.org/app/search/VCS/Retirements/17",
            beneficiary="Customers of Carbon Ledger",
            reason="Compensation of AI usage",
            corresponding_adjustment=False,
            evidence_sha256="a" * 64,
        ),
    )


@pytest.mark.parametrize(
    "cells, member, value",
    [
        ({"registry": "Verra"}, "block", Block("verra", "1-*-VCS-VCU-3-VER-US-3-1012020-31122020-1", files.VERRA["serial_block"], 1, 100)),
        ({"method": "Removal"}, "kind", CreditKind.REMOVAL),
        ({"reason": ""}, "reason", None),
        ({"corresponding_adjustment": ""}, "corresponding_adjustment", None),
        ({"corresponding_adjustment": "YES"}, "corresponding_adjustment", True),
        ({"evidence_sha256": ""}, "evidence_sha256", None),
        ({"evidence_sha256": "AB" * 32}, "evidence_sha256", "ab" * 32),
        ({"quantity_t": "100.000000000"}, "quantity_mg", 100_000_000_000),
        ({"retired_at": "2026-11-26"}, "retired_on", date(2026, 11, 26)),  # today is not the future
        ({"project_name": "  Kühlung, „Süd“ \n"}, "project_name", "Kühlung, „Süd“"),
        ({"beneficiary": 'The "house", Ltd'}, "beneficiary", 'The "house", Ltd'),
        ({"vintage": "2026"}, "vintage", 2026),
    ],
)
def test_what_a_cell_may_say(cells: dict[str, str], member: str, value: object) -> None:
    (found,) = read(files.line(**cells))
    assert getattr(found.credit, member) == value


@pytest.mark.parametrize(
    "units, tonnes, milligrams",
    [("1-1000", "1", 10**9), ("1-1", "0.001", 10**6), ("5-1504", "1.5", 1_500_000_000)],
)
def test_isometrics_units_are_kilograms(units: str, tonnes: str, milligrams: int) -> None:
    start, end = units.split("-")
    cells = {"registry": "isometric", "serial_block": f"ISO-{units}", "block_start": start, "block_end": end, "quantity_t": tonnes}
    (found,) = read(files.line(**cells))
    assert found.credit.quantity_mg == milligrams


@pytest.mark.parametrize(
    "cells, places",
    [
        ({"registry": "vcs"}, {"registry": "registry_alias"}),
        ({"registry": ""}, {"registry": "registry_unreadable"}),
        ({"project_id": ""}, {"project_id": "cell_invalid"}),
        ({"project_id": "x" * 65}, {"project_id": "cell_invalid"}),
        ({"project_name": "a\x07b"}, {"project_name": "cell_invalid"}),
        ({"project_name": "x" * 201}, {"project_name": "cell_invalid"}),
        ({"standard": ""}, {"standard": "cell_invalid"}),
        ({"method": "avoidance"}, {"method": "cell_invalid"}),
        ({"vintage": "20"}, {"vintage": "cell_invalid"}),
        ({"vintage": "1989"}, {"vintage": "cell_invalid"}),
        ({"vintage": "2027"}, {"vintage": "vintage_after_retirement"}),
        ({"serial_block": ""}, {"serial_block": "cell_invalid"}),
        ({"serial_block": "nonsense"}, {"serial_block": "block_unreadable"}),
        ({"block_start": "1.0"}, {"block_start": "cell_invalid"}),
        ({"block_start": "-1"}, {"block_start": "cell_invalid"}),
        ({"block_end": "1,000"}, {"block_end": "cell_invalid"}),
        ({"block_start": "2"}, {"serial_block": "block_differs"}),
        ({"quantity_t": "99"}, {"quantity_t": "quantity_differs"}),
        ({"quantity_t": "101"}, {"quantity_t": "quantity_differs"}),  # a tonne out of nothing
        ({"quantity_t": "100.0000000001"}, {"quantity_t": "cell_invalid"}),
        ({"quantity_t": "1e2"}, {"quantity_t": "cell_invalid"}),
        ({"quantity_t": "-100"}, {"quantity_t": "cell_invalid"}),
        ({"quantity_t": "0"}, {"quantity_t": "cell_invalid"}),
        ({"quantity_t": "1,000"}, {"quantity_t": "cell_invalid"}),
        ({"retired_at": "2026-11-27"}, {"retired_at": "retired_in_future"}),
        ({"retired_at": "2026-02-30"}, {"retired_at": "cell_invalid"}),
        ({"retired_at": "30.10.2026"}, {"retired_at": "cell_invalid"}),
        ({"retired_at": "20261030"}, {"retired_at": "cell_invalid"}),
        ({"retirement_reference": ""}, {"retirement_reference": "cell_invalid"}),
        ({"retirement_url": "registry.verra.org"}, {"retirement_url": "cell_invalid"}),
        ({"retirement_url": "javascript:alert(1)"}, {"retirement_url": "cell_invalid"}),
        ({"retirement_url": "https://a b"}, {"retirement_url": "cell_invalid"}),
        ({"beneficiary": ""}, {"beneficiary": "cell_invalid"}),
        ({"reason": "x" * 201}, {"reason": "cell_invalid"}),
        ({"corresponding_adjustment": "maybe"}, {"corresponding_adjustment": "cell_invalid"}),
        ({"evidence_sha256": "abc"}, {"evidence_sha256": "cell_invalid"}),
        # everything wrong in a line is named at once
        ({"vintage": "x", "quantity_t": "?", "method": ""}, dict.fromkeys(("vintage", "quantity_t", "method"), "cell_invalid")),
    ],
)
def test_what_is_wrong_is_named_by_line_and_column(cells: dict[str, str], places: dict[str, str]) -> None:
    good = files.block(1, 10)
    content = files.written(good, files.line(**cells), files.block(11, 20))
    assert refused(content) == {f"/lines/3/{column}": code for column, code in places.items()}


def test_every_bad_line_is_named() -> None:
    lines = [files.block(10 * number + 1, 10 * number + 10, **({"vintage": "x"} if number % 2 else {})) for number in range(40)]
    assert refused(files.written(*lines)) == {f"/lines/{number + 2}/vintage": "cell_invalid" for number in range(1, 40, 2)}
    with pytest.raises(LotsInvalid, match=r"20 of its lines can't be taken\. Nothing was imported"):
        lots.read(files.written(*lines), today=TODAY)


def test_a_lot_is_no_larger_than_whole_numbers_of_json() -> None:
    assert refused(files.written(files.block(1, 9_007_200))) == {"/lines/2/quantity_t": "quantity_too_large"}
    (found,) = read(files.block(1, 9_007_199))
    assert found.credit.quantity_mg == 9_007_199_000_000_000


@pytest.mark.parametrize(
    "blocks, named",
    [
        ([(1, 10), (11, 20), (21, 30)], []),
        ([(1, 10), (10, 20)], [3]),
        ([(10, 20), (1, 10)], [3]),  # the later line is the one that is named
        ([(1, 10), (1, 10)], [3]),
        ([(1, 100), (5, 6), (50, 60)], [3, 4]),  # both inside the first
        ([(1, 100), (5, 6), (101, 110)], [3]),
        ([(50, 60), (5, 6), (1, 100)], [4]),
    ],
)
def test_lines_that_share_units_are_refused(blocks: list[tuple[int, int]], named: list[int]) -> None:
    content = files.written(*(files.block(*one) for one in blocks))
    if named:
        assert refused(content) == {f"/lines/{number}/serial_block": "lots_overlap" for number in named}
    else:
        assert len(lots.read(content, today=TODAY)) == len(blocks)


@pytest.mark.parametrize(
    "content, place",
    [
        (b"", {f"/header/{name}": "column_missing" for name in files.COLUMNS}),
        (b"\xff\xfe", {"/file": "file_unreadable"}),
        (files.written(), {"/file": "file_unreadable"}),  # a header and no line
        (files.written(files.VERRA, columns=files.COLUMNS[1:]), {"/header/registry": "column_missing"}),
        (files.written(files.VERRA, columns=[*files.COLUMNS, "colour"]), {"/header/colour": "column_unknown"}),
        (files.written(files.VERRA, columns=[*files.COLUMNS, "vintage"]), {"/header/vintage": "column_twice"}),
        (files.written(files.VERRA) + b"a,b\n", {"/lines/3": "cells_differ"}),
        (files.written(files.VERRA) + b'"open', {"/file": "file_unreadable"}),
        (files.written(*(files.block(number, number) for number in range(2001))), {"/file": "file_unreadable"}),
        (files.written(files.VERRA) + b'"' + b"x" * 200_000 + b'"', {"/file": "file_unreadable"}),
    ],
    ids=["empty", "not utf-8", "no line", "missing", "unknown", "twice", "short", "open quote", "too many", "long cell"],
)
def test_what_is_no_such_file_is_said(content: bytes, place: dict[str, str]) -> None:
    assert refused(content) == place


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + files.written(files.VERRA),  # as a spreadsheet saves it
        files.written(files.VERRA).replace(b"\r\n", b"\n"),
        files.written(files.VERRA).rstrip(),
        files.written(files.VERRA) + b"\r\n,,\r\n\r\n",  # blank lines at the end
        files.written(files.VERRA, columns=reversed(files.COLUMNS)),
    ],
)
def test_the_same_table_is_read_the_same(content: bytes) -> None:
    (found,) = lots.read(content, today=TODAY)
    (plain,) = read(files.VERRA)
    assert found == plain


def test_a_line_has_the_number_on_which_it_begins() -> None:
    """A cell may go over two lines, and what is wrong below it is still named where it stands."""
    content = files.written(files.line(project_name="two\nlines"), files.block(1, 10, vintage="x"))
    assert refused(content) == {"/lines/2/project_name": "cell_invalid", "/lines/4/vintage": "cell_invalid"}


def test_what_the_inventory_has_is_not_added_again() -> None:
    first, second, third = read(files.block(1, 10), files.block(11, 20), files.block(21, 30))
    assert lots.new_ones((first, second, third), [first.credit, third.credit]) == (second,)
    assert lots.new_ones((first,), [first.credit]) == ()


@pytest.mark.parametrize(
    "other",
    [
        files.block(1, 10, beneficiary="Somebody else"),  # the same units, and another story
        files.block(5, 10),
        files.block(10, 20),
        files.block(1, 100),
        files.block(1, 10, serial_block="ACR-US-192-2010-203-01-10"),
    ],
)
def test_units_of_the_inventory_are_refused_whatever_is_said_of_them(other: dict[str, str]) -> None:
    (known,) = read(files.block(1, 10))
    with pytest.raises(LotsInvalid) as fault:
        lots.new_ones(read(other), [known.credit])
    assert [(problem.pointer, problem.code) for problem in fault.value.problems] == [("/lines/2/serial_block", "lot_exists")]


@given(st.binary(max_size=400), st.integers(0, 700), st.integers(0, 40))
def test_whatever_is_in_a_file_it_is_read_or_refused_in_words(noise: bytes, place: int, cut: int) -> None:
    whole = files.written(files.VERRA, files.block(1, 10))
    content = whole[:place] + noise + whole[place + cut :]
    try:
        lots.read(content, today=TODAY)
    except LotsInvalid as fault:
        named = fault.problems
    else:
        return
    assert named
    assert all(problem.pointer.startswith(("/file", "/header/", "/lines/")) and problem.detail for problem in named)
