"""Tables: a head and records, in CSV as RFC 4180 has it, with any one-character delimiter.

Owns: what is a record and what breaks one. A broken record is a ``Rejected`` in its place and the next line is read on; a quote that is
never closed ends at a bound instead of in all of memory. Bytes that are no text stay in their cell, where a check of that cell meets them.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from carbonledger_client import errors, rows

if TYPE_CHECKING:
    from _csv import Reader

CELL_CHARS_MAX = 16 * 2**20  # a spend log may hold a whole conversation in a cell
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_LIKELY = (";", "\t", "|")

Record = list[str] | rows.Rejected


def opened(content: BinaryIO, *, delimiter: str = ",") -> tuple[list[str], Iterator[Record]]:
    """Return the head and the records after it; blank lines are none. Raises ``Misused`` for a file without a usable head."""
    csv.field_size_limit(CELL_CHARS_MAX)
    reader = csv.reader(_lines(content), delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise errors.Misused(f"The first line is no head of a table: {error}.") from error
    if not any(header):
        raise errors.Misused("The file is empty: it needs a first line that names its columns.")
    other = next((mark for mark in _LIKELY if len(header) == 1 and mark in header[0]), None)
    if other:
        raise errors.Misused(f"The first line is a single column; if {other!r} stands between the columns, say so with --delimiter.")
    return header, _records(reader, len(header))


def _lines(content: BinaryIO) -> Iterator[str]:
    line = content.readline(CELL_CHARS_MAX)
    if line.startswith(_UTF16):
        raise errors.Misused("The file is UTF-16. Save it as UTF-8.")
    line = line.removeprefix(codecs.BOM_UTF8)
    while line:
        yield line.decode("utf-8", "surrogateescape")
        line = content.readline(CELL_CHARS_MAX)


def _records(reader: Reader, width: int) -> Iterator[Record]:
    line = reader.line_num
    while True:
        try:
            for cells in reader:
                line = reader.line_num
                if len(cells) == width:
                    yield cells
                elif cells:
                    yield rows.Rejected("columns_differ", f"It has {len(cells)} cells, the head has {width}.")
        except csv.Error as error:
            first, line = line + 1, reader.line_num
            where = f"Line {line}" if line <= first else f"Lines {first} to {line}"
            yield rows.Rejected("csv_broken", f"{where} can't be read as a record: {error}.")
            continue
        return
