"""The text of an answer as JSON documents: one of a plain answer, one per event of a stream.

Reads JSON, lists of JSON documents (Gemini without ``alt=sse``), JSON lines, and server-sent events (WHATWG HTML, section 9.2). It does
not know what a document means (``responses``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from carbonledger.domains.telemetry.core.bodies.reading import UsageUnreadable
from carbonledger.kernel import errors

BODY_CHARS_MAX = 50_000_000  # the longest recorded stream has 120 thousand; a million tokens, one an event, make 250 million bytes at most
EVENTS_MAX = 2_000_000  # more than the tokens of any answer
DONE = "[DONE]"
_LINE = re.compile(r"\r\n|\n|\r")
_STREAMS = ("text/event-stream", "application/x-ndjson", "application/jsonl", "application/stream+json")
_UNREADABLE = object()


@dataclass(frozen=True, slots=True)
class Documents:
    """What was read. ``is_done``: a stream said so. ``unreadable``: pieces that are no JSON object. ``is_cut``: so is the last."""

    found: tuple[Mapping[str, object], ...]
    is_stream: bool
    is_done: bool = False
    unreadable: int = 0
    is_cut: bool = False


def read(*, content_type: str, body: str) -> Documents:
    """Return the documents of an answer. Raises ``UsageUnreadable`` if it is too long to be one."""
    if len(body) > BODY_CHARS_MAX:
        raise UsageUnreadable(problems=(errors.Problem("", "body_too_large", f"An answer may have {BODY_CHARS_MAX} characters."),))
    media_type = content_type.partition(";")[0].strip().lower()
    text = body.removeprefix("\ufeff")
    if media_type == _STREAMS[0] or re.match(r"\s*(?:data|event|id|retry)?:", text):
        return _of(list(_events(text)), is_stream=True)
    if media_type in _STREAMS:
        return _of([line for line in _LINE.split(text) if line.strip()], is_stream=True)
    value = _parsed(text)
    if isinstance(value, list):
        found = tuple(one for one in value if isinstance(one, Mapping))
        return Documents(found, is_stream=True, unreadable=len(value) - len(found))
    if isinstance(value, Mapping):
        return Documents((value,), is_stream=False)
    return Documents((), is_stream=False, unreadable=1, is_cut=text.lstrip()[:1] in ("{", "["))


def at(document: Mapping[str, object], path: str) -> object:
    """Return what is at ``name.name``; None where there is nothing."""
    node: object = document
    for name in path.split("."):
        node = node.get(name) if isinstance(node, Mapping) else None
    return node


def _of(pieces: list[str], *, is_stream: bool) -> Documents:
    if len(pieces) > EVENTS_MAX:
        raise UsageUnreadable(problems=(errors.Problem("", "body_too_large", f"A stream may have {EVENTS_MAX} events."),))
    values = [_parsed(piece) for piece in pieces if piece != DONE]
    found = tuple(value for value in values if isinstance(value, Mapping))
    is_cut = bool(values) and values[-1] is _UNREADABLE
    return Documents(found, is_stream=is_stream, is_done=DONE in pieces, unreadable=len(values) - len(found), is_cut=is_cut)


def _events(text: str) -> Iterator[str]:
    """Yield the data of each event. One that the stream breaks off before its blank line counts too: its JSON tells if it is whole."""
    lines: list[str] = []
    for line in (*_LINE.split(text), ""):
        name, _, value = line.partition(":")
        if name == "data":
            lines.append(value.removeprefix(" "))
        elif not line and lines:
            yield "\n".join(lines).strip()
            lines = []


def _parsed(text: str) -> object:
    """Return the value of a JSON text, with exact numbers; a mark where it is none, or beyond what a reader takes."""
    try:
        value: object = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError, InvalidOperation):
        return _UNREADABLE
    return value
