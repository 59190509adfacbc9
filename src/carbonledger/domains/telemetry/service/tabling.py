"""Tables as CSV, JSON and JSON Lines, a piece at a time, and what keeps a spreadsheet from running what it reads.

A cell of somebody else's words is written so that no spreadsheet takes it for a formula. Numbers are written as they are.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import datetime

from carbonledger.domains.telemetry.types.exports import Cell, Columns, Kind, Row
from carbonledger.kernel import instant, spreadsheet


class CsvWriter:
    """Comma-separated values (RFC 4180) with a header, in UTF-8. Unknown is an empty cell."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._texts = [place for place, column in enumerate(columns) if column.kind is Kind.TEXT]
        self._others = [place for place, column in enumerate(columns) if column.kind in {Kind.INSTANT, Kind.FLAG}]

    def begin(self) -> bytes:
        """Return the header."""
        return _lines([[column.name for column in self._columns]])

    def rows(self, rows: Sequence[Row]) -> bytes:
        """Return these rows."""
        return _lines([self._cells(row) for row in rows])

    def end(self) -> bytes:
        """Return nothing: the last row ends its line."""
        return b""

    def _cells(self, row: Row) -> list[Cell]:
        cells = list(row)
        for place in self._texts:
            text = cells[place]
            if isinstance(text, str):
                cells[place] = spreadsheet.inert(text)
        for place in self._others:
            cells[place] = _plain(cells[place])
        return cells


def _lines(rows: Sequence[Sequence[Cell]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def _plain(cell: Cell) -> Cell:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return instant.to_api_instant(cell) if isinstance(cell, datetime) else cell


class JsonWriter:
    """One JSON array of objects, or with ``is_lines`` one object a line. Decimals are strings, unknown is null."""

    def __init__(self, columns: Columns, *, is_lines: bool) -> None:
        self._names = [column.name for column in columns]
        self._is_lines = is_lines
        self._is_first = True

    def begin(self) -> bytes:
        """Return what opens the array."""
        return b"" if self._is_lines else b"["

    def rows(self, rows: Sequence[Row]) -> bytes:
        """Return these rows."""
        objects = [json.dumps(self._object(row), ensure_ascii=False, separators=(",", ":")) for row in rows]
        if self._is_lines:
            return "".join(f"{text}\n" for text in objects).encode()
        before = "\n" if self._is_first else ",\n"
        self._is_first = self._is_first and not objects
        return (before + ",\n".join(objects)).encode() if objects else b""

    def end(self) -> bytes:
        """Return what closes the array."""
        return b"" if self._is_lines else b"\n]\n"

    def _object(self, row: Row) -> dict[str, Cell]:
        return {
            name: instant.to_api_instant(cell) if isinstance(cell, datetime) else cell for name, cell in zip(self._names, row, strict=True)
        }
