"""The items of a body that can't be decoded in one piece because of what is inside one of them: each as the bytes that it came in.

NaN, half a surrogate pair, thousands of digits and nesting beyond the decoder's stack are their item's own fault: it is rejected when it is
decoded alone. Owns where items begin and end, and that the body is JSON otherwise. It does not own what an item means.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import Any, Final

DEEP_CHARS_MAX: Final = 2 * 2**20  # of all items of a body that are too deep: read bracket by bracket, which takes half a second at most
_WHITE: Final = r"[ \t\n\r]*"
_MANY: Final = re.compile(rf'{_WHITE}\{{{_WHITE}"events"{_WHITE}:{_WHITE}\[{_WHITE}')
_NEXT: Final = re.compile(rf"{_WHITE}(?:,{_WHITE}|(\]{_WHITE}\}}{_WHITE}\Z))")
_ONE: Final = re.compile(rf"{_WHITE}(?=\{{)")
_END: Final = re.compile(rf"{_WHITE}\Z")
_TOKEN: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}"]', re.DOTALL)
# Finds where a value ends and whether it is JSON. What it makes of numbers is thrown away: whoever decodes the item judges them.
_decoder: Final = json.JSONDecoder(parse_int=str, parse_float=str, strict=False)


class NoItems(ValueError):
    """The body is no JSON; or it is neither an object nor ``{"events": [...]}``."""


def split(body: bytes, *, items_max: int) -> list[bytes]:
    """Return the items of a body, of which there is at least one: up to one more than ``items_max``. Raises ``NoItems``."""
    text = body.removeprefix(codecs.BOM_UTF8).decode(errors="surrogateescape")  # what is not UTF-8 becomes the same bytes again
    ends = _Ends(text)
    many = _MANY.match(text)
    found = _one(text, ends) if many is None else _many(text, ends, many.end(), items_max)
    return [text[start:end].encode(errors="surrogateescape") for start, end in found]


def _one(text: str, ends: _Ends) -> list[tuple[int, int]]:
    begin = _ONE.match(text)
    if begin is None:
        raise NoItems
    value, end = ends.of(begin.end())
    # A list of events has no other member, and an event none of that name; of one that is too deep the names are not known
    if _END.match(text, end) is None or ('"events"' in text if value is None else "events" in value):
        raise NoItems
    return [(begin.end(), end)]


def _many(text: str, ends: _Ends, start: int, items_max: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    while len(found) <= items_max:
        _, end = ends.of(start)
        found.append((start, end))
        after = _NEXT.match(text, end)
        if after is None:
            raise NoItems
        if after[1] is not None:
            break
        start = after.end()
    return found


class _Ends:
    """Where the values of a text end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._left = DEEP_CHARS_MAX

    def of(self, start: int) -> tuple[Any, int]:
        """Return the value that begins there, None for one that is too deep, and where it ends. Raises ``NoItems``."""
        try:
            return _decoder.raw_decode(self._text, start)
        except RecursionError:
            end = _end_of_deep(self._text, start, start + self._left)
        except ValueError:
            raise NoItems from None
        self._left -= end - start
        return None, end


def _end_of_deep(text: str, start: int, stop: int) -> int:
    """Return where an array or object ends, by its brackets: without recursion, whatever it nests."""
    depth = 0
    for found in _TOKEN.finditer(text, start, stop):
        mark = found[0]
        if mark in "[{":
            depth += 1
        elif mark in "]}":
            depth -= 1
            if depth == 0:
                return found.end()
        elif mark == '"':  # text without an end
            break
    raise NoItems
