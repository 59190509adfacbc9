"""JSON: one object a line, or documents of any layout one after the other, or one array of them; objects come out.

Owns: where one object ends. Lines are read one by one with a bound; other layouts through a window that grows with the largest object and
no further. A line that can't be read is a ``Rejected`` in its place. Within a document nobody can tell where the next object begins, so
there the first break ends the reading, which is said.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

import orjson

from carbonledger_client import rows

OBJECT_MAX_BYTES = 64 * 2**20
_WINDOW_BYTES = 2**18
_BOM = codecs.BOM_UTF8
_BETWEEN = " \t\r\n,"

Record = dict[str, Any] | rows.Rejected


def lines(content: BinaryIO) -> Iterator[Record]:
    """Return the objects of a file that has one a line; blank lines are none."""
    while line := content.readline(OBJECT_MAX_BYTES):
        text = line.removeprefix(_BOM).strip()
        if not text:
            continue
        if not line.endswith(b"\n") and len(line) == OBJECT_MAX_BYTES:
            _pass_over(content)
            yield rows.Rejected("json_broken", f"The line is longer than {OBJECT_MAX_BYTES} bytes.")
            continue
        yield _parsed(text)


def anything(content: BinaryIO) -> Iterator[Record]:
    """Return the objects of JSON in any layout: lines, documents, or an array."""
    # Two lines, so that one broken line at the start does not make documents of lines.
    first = [content.readline(OBJECT_MAX_BYTES).removeprefix(_BOM).strip() for _ in range(2)]
    content.seek(0)
    is_lines = first[0].startswith(b"{") and any(isinstance(_parsed(line), dict) for line in first)
    return lines(content) if is_lines else _window(content)


def looks_like_json(content: BinaryIO) -> bool:
    """Say whether the content begins as JSON does, which no table's head can; leaves the content at its start."""
    start = content.read(64).removeprefix(_BOM).lstrip()
    content.seek(0)
    return start[:1] in {b"{", b"["}


def _parsed(text: bytes) -> Record:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return rows.Rejected("json_broken", f"It is not JSON: {error}.", text.decode("utf-8", "surrogateescape"))
    return found if isinstance(found, dict) else rows.Rejected("row_invalid", "It is JSON, but no object.")


def _pass_over(content: BinaryIO) -> None:
    while (part := content.readline(_WINDOW_BYTES)) and not part.endswith(b"\n"):
        pass


def _window(content: BinaryIO) -> Iterator[Record]:
    decoder, scan = codecs.getincrementaldecoder("utf-8-sig")("replace"), json.JSONDecoder()
    text, place, depth, is_end = "", 0, 0, False
    while True:
        place = _past(text, place)
        if place < len(text) and text[place] in "[]":
            depth += 1 if text[place] == "[" else -1
            place += 1
            continue
        if place < len(text):
            try:
                found, place = scan.raw_decode(text, place)
            except (json.JSONDecodeError, RecursionError) as error:
                if is_end or len(text) - place > OBJECT_MAX_BYTES:
                    yield rows.Rejected("json_broken", f"Here the file stops being JSON, and nothing after this is read: {error}.")
                    return
            except ValueError:  # an integer longer than Python converts; from here on each is looked at, which is slower
                scan = json.JSONDecoder(parse_int=_integer)
                continue
            else:
                yield found if isinstance(found, dict) else rows.Rejected("row_invalid", "It is JSON, but no object.")
                continue
        if is_end:
            break
        part = content.read(max(_WINDOW_BYTES, len(text) - place))  # doubles, so that a large object is not scanned again and again
        is_end = not part
        text, place = text[place:] + decoder.decode(part, final=is_end), 0
    if depth:
        yield rows.Rejected("json_broken", "The file ends in the middle of its list: a part is missing.")


def _integer(digits: str) -> int | str:
    """Return an integer, or its text where it is too long for one: no check takes that for a count, and what follows can be read."""
    try:
        return int(digits)
    except ValueError:
        return digits


def _past(text: str, place: int) -> int:
    while place < len(text) and text[place] in _BETWEEN:
        place += 1
    return place
