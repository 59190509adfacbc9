"""Tables: what a spreadsheet would run is text, numbers stay numbers, and pieces put together are one file."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import hypothesis
from hypothesis import strategies

from carbonledger.domains.telemetry.service import tabling
from carbonledger.domains.telemetry.types.exports import Column, Kind

COLUMNS = (
    Column("name", Kind.TEXT),
    Column("count", Kind.INTEGER),
    Column("amount", Kind.AMOUNT),
    Column("at", Kind.INSTANT),
    Column("batch", Kind.FLAG),
)
AT = datetime(2026, 11, 25, 12, 0, 0, 1, tzinfo=UTC)


def test_numbers_are_written_as_they_are() -> None:
    writer = tabling.CsvWriter(COLUMNS)
    rows = [("=x", -1, "-0.5", AT, True), ("\uff1dx", None, None, None, None), (None, None, None, None, False)]
    made = writer.begin() + writer.rows(rows) + writer.end()
    written = "name,count,amount,at,batch\r\n'=x,-1,-0.5,2026-11-25T12:00:00.000001Z,true\r\n'\uff1dx,,,,\r\n,,,,false\r\n"
    assert made == written.encode()


cells = strategies.tuples(
    strategies.one_of(strategies.none(), strategies.text(strategies.characters(codec="utf-8", exclude_characters="\0"))),
    strategies.one_of(strategies.none(), strategies.integers()),
    strategies.just("0.1"),
    strategies.just(AT),
    strategies.booleans(),
)


@hypothesis.given(strategies.lists(strategies.lists(cells, max_size=3), max_size=4))
def test_pieces_put_together_are_one_json_document(pieces: list[list[tuple[str | None, int | None, str, datetime, bool]]]) -> None:
    rows = [row for piece in pieces for row in piece]
    whole = tabling.JsonWriter(COLUMNS, is_lines=False)
    read = json.loads(whole.begin() + b"".join(whole.rows(piece) for piece in pieces) + whole.end())
    assert [(one["name"], one["count"]) for one in read] == [row[:2] for row in rows]
    lines = tabling.JsonWriter(COLUMNS, is_lines=True)
    text = (lines.begin() + b"".join(lines.rows(piece) for piece in pieces) + lines.end()).decode()
    assert [json.loads(line) for line in text.split("\n")[:-1]] == read


@hypothesis.given(strategies.lists(cells, max_size=5))
def test_a_csv_reader_finds_every_cell_and_none_that_runs(rows: list[tuple[str | None, int | None, str, datetime, bool]]) -> None:
    writer = tabling.CsvWriter(COLUMNS)
    made = (writer.begin() + writer.rows(rows) + writer.end()).decode()
    read = list(csv.reader(io.StringIO(made, newline="")))[1:]
    assert [row[0].removeprefix("'") for row in read] == [(row[0] or "").removeprefix("'") for row in rows]
    assert not any(row[0].startswith(("=", "+", "-", "@", "\t", "\r")) for row in read)
