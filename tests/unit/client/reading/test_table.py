"""Tables: what is a record, what breaks one, and that the next one is read all the same."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger_client import errors, rows
from carbonledger_client.reading import table


def read(text: bytes, *, delimiter: str = ",") -> tuple[list[str], list[list[str] | str]]:
    """Return the head and the records, of broken ones the code."""
    header, records = table.opened(io.BufferedReader(io.BytesIO(text)), delimiter=delimiter)
    return header, [record.code if isinstance(record, rows.Rejected) else record for record in records]


@pytest.mark.parametrize(
    "text, records",
    [
        (b"a,b\n1,2\n3,4", [["1", "2"], ["3", "4"]]),  # no line end at the end
        (b"a,b\r\n1,2\r\n", [["1", "2"]]),
        (b"\xef\xbb\xbfa,b\n1,2\n", [["1", "2"]]),  # what spreadsheets put first
        (b"a,b\n1,2\n\n\n3,4\n", [["1", "2"], ["3", "4"]]),
        (b'a,b\n"x,\n""y""",2\n', [['x,\n"y"', "2"]]),
        (b"a,b\n1\n1,2,3\n3,4\n", ["columns_differ", "columns_differ", ["3", "4"]]),
        (b'a,b\n"1"x,2\n3,4\n', ["csv_broken", ["3", "4"]]),
        (b'a,b\n1,2\n"3,4\n5,6\n', [["1", "2"], "csv_broken"]),  # never closed: all of the rest is in it
        (b"a,b\n\xff,2\n", [["\udcff", "2"]]),
        (b"a,b\n", []),
    ],
)
def test_records_come_in_order_and_broken_ones_in_their_place(text: bytes, records: list[list[str] | str]) -> None:
    assert read(text) == (["a", "b"], records)


def test_a_quote_that_is_never_closed_ends_at_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "CELL_CHARS_MAX", 100)
    lines = b"".join(b"%d,2\n" % number for number in range(100))

    _, records = read(b'a,b\n"1,2\n' + lines)

    assert records[0] == "csv_broken"
    assert len(records) > 50
    csv.field_size_limit(131_072)


@pytest.mark.parametrize(
    "text, said",
    [(b"", "empty"), (b"\n\n", "empty"), (b"a;b\n1;2\n", "--delimiter"), ("a,b\n".encode("utf-16"), "UTF-16"), (b'"a"b,c\n', "no head")],
)
def test_a_file_without_a_usable_head_is_refused(text: bytes, said: str) -> None:
    with pytest.raises(errors.Misused, match=said):
        read(text)


def test_another_delimiter_can_be_named() -> None:
    assert read(b"a;b\n1;2,5\n", delimiter=";") == (["a", "b"], [["1", "2,5"]])


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00")), min_size=2, max_size=2), max_size=20))
def test_whatever_a_csv_writer_writes_is_read_back(cells: list[list[str]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerows([["a", "b"], *cells])

    assert read(text.getvalue().encode()) == (["a", "b"], cells)
