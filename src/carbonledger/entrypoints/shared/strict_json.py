"""JSON as this service reads it: RFC 8259 and RFC 7493 (I-JSON), with bounds, so that what comes in can also be stored and sent again.

Refused, each with a place and a code: text that is not UTF-8 or not JSON, a name given twice in one object (readers disagree on which
counts, and that is how checks are walked around), NaN and infinities, integers beyond 64 bits, U+0000 and lone surrogates (PostgreSQL
and UTF-8 have neither), nesting beyond ``DEPTH_MAX``, and objects of more than ``MEMBERS_MAX`` members.

The standard library's parser does the work: with the check for doubled names it is as fast as orjson where it matters (10 MiB in
0.2 to 0.7 s, a small body in 4 µs), and it is exact about numbers.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import Any, Final

from carbonledger.kernel import errors

DEPTH_MAX = 64  # what people write is below 10; storing and validating recurse, so the bound keeps them far from their own limits
MEMBERS_MAX = 1_000  # of an object, always, and of an array where a reader says so; what people write by name is below 100
PROBLEMS_MAX = 100  # told of one document; who has more than that mends the first hundred and sends it again
NAME_CHARS_MAX = 100  # of a name that a pointer shows; names are the caller's, and as long as they like
INTEGER_MIN: Final = -(2**63)
INTEGER_MAX: Final = 2**63 - 1
_LONG_DIGITS = re.compile(rb"\d{19}")
_ESCAPED_SURROGATE_OR_NUL = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_WALKED: Final = frozenset({str, dict, list})


class JsonUnreadable(errors.Malformed):
    """The body is not the JSON that this service reads."""

    code = "json_unreadable"


class _Refused(ValueError):
    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        super().__init__(detail)


def loads(raw: bytes, *, items_max: int | None = None) -> Any:  # noqa: ANN401 - the value of any JSON document
    """Return the value of the document, none of whose arrays has more than ``items_max`` items. Raises ``JsonUnreadable``."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise _unreadable("", "utf8_invalid", f"Byte {error.start} is not UTF-8.") from None
    value = _decoded(_EXACT if _LONG_DIGITS.search(raw) else _PLAIN, raw, text)
    if items_max is not None and raw.count(b",") >= items_max:
        _check_items(value, items_max)
    if _ESCAPED_SURROGATE_OR_NUL.search(raw):
        _check_text(value)
    return value


def loads_unjudged(raw: bytes) -> Any:  # noqa: ANN401 - as above
    """Return the value of a document most of which is passed over: its form is judged here, each value by whoever reads it.

    So text may hold U+0000 and lone surrogates (also in place of bytes that are not UTF-8), and a number may be NaN or infinite; an integer
    of more digits than 64 bits have is a float. Raises ``JsonUnreadable`` for all the rest.
    """
    return _decoded(_UNJUDGED, raw, raw.decode(errors="surrogateescape"))


def _decoded(decoder: json.JSONDecoder, raw: bytes, text: str) -> Any:  # noqa: ANN401 - as above
    try:
        value = decoder.decode(text)
    except _Refused as error:
        raise _unreadable("", error.code, str(error)) from None
    except json.JSONDecodeError as error:
        raise _unreadable("", "json_invalid", f"{error.msg} at line {error.lineno}, column {error.colno}.") from None
    except RecursionError:
        raise _too_deep() from None
    if raw.count(b"[") + raw.count(b"{") > DEPTH_MAX:
        _check_depth(value)
    return value


def is_storable(text: str) -> bool:
    """Say whether PostgreSQL and UTF-8 can hold the text."""
    return _UNSTORABLE.search(text) is None


def _unreadable(pointer: str, code: str, detail: str) -> JsonUnreadable:
    return JsonUnreadable(detail, problems=(errors.Problem(pointer, code, detail),))


def _too_deep() -> JsonUnreadable:
    return _unreadable("", "json_too_deep", f"Arrays and objects may be nested {DEPTH_MAX} deep.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MEMBERS_MAX:
        raise _Refused("object_too_large", f"An object may have {MEMBERS_MAX} members.")
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        doubled = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]  # add() notes the name
        raise _Refused("name_doubled", f"An object has the name {json.dumps(doubled[:100])} twice.")
    return made


def _constant(name: str) -> None:
    raise _Refused("number_invalid", f"{name} is not a JSON number.")


def _float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise _Refused("number_too_large", "A number is beyond the range of 64 bits.")
    return value


def _integer(digits: str) -> int:
    if len(digits) > len(str(INTEGER_MIN)) or not INTEGER_MIN <= int(digits) <= INTEGER_MAX:
        raise _Refused("number_too_large", "An integer is beyond the range of 64 bits; give it as a string where a field takes one.")
    return int(digits)


_PLAIN: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
_EXACT: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_integer)


def _any_integer(digits: str) -> int | float:
    """Read thousands of digits in the time that they take to be passed over."""
    return int(digits) if len(digits) <= len(str(INTEGER_MIN)) else float(digits)


_UNJUDGED: Final = json.JSONDecoder(object_pairs_hook=_object, parse_int=_any_integer)


def _containers_in(level: list[Any]) -> list[Any]:
    return [
        child
        for node in level
        for child in (node.values() if type(node) is dict else node if type(node) is list else ())
        if type(child) is dict or type(child) is list
    ]


def _check_depth(value: object) -> None:
    """Walk the containers level by level: no recursion, so the check can't itself run out of stack."""
    level: list[Any] = [value]
    for _ in range(DEPTH_MAX):
        level = _containers_in(level)
        if not level:
            return
    raise _too_deep()


def _check_items(value: object, items_max: int) -> None:
    """Find an array that is too long, level by level as ``_check_depth`` does."""
    level: list[Any] = [value]
    while level:
        if any(type(node) is list and len(node) > items_max for node in level):
            raise _unreadable("", "array_too_long", f"An array may have {items_max} items here.")
        level = _containers_in(level)


def _check_text(value: object) -> None:
    """Find the strings that can't be stored; all of them, up to a bound, each with its pointer."""
    found: list[errors.Problem] = []
    _find_unstorable(value, [], found)
    if found:
        raise JsonUnreadable(found[0].detail, problems=tuple(sorted(found, key=lambda problem: problem.pointer)))


def _find_unstorable(node: object, path: list[str | int], found: list[errors.Problem]) -> None:
    """Walk depth first with the one ``path`` to where the walk is, never deeper than ``DEPTH_MAX``; only what is found gets a pointer.

    A pointer for each child would let a long name above many children take their product in memory.
    """
    if type(node) is str:
        if _UNSTORABLE.search(node):
            found.append(errors.Problem(_rendered(path), "text_unstorable", "Text may not hold U+0000 or half of a surrogate pair."))
        return
    for token, child in _children(node):
        if len(found) >= PROBLEMS_MAX:
            return
        path.append(token)
        if type(token) is str:
            _find_unstorable(token, path, found)
        if type(child) in _WALKED:
            _find_unstorable(child, path, found)
        path.pop()


def _children(node: object) -> Iterable[tuple[str | int, object]]:
    if isinstance(node, dict):
        return node.items()
    return enumerate(node) if isinstance(node, list) else ()


def _rendered(path: list[str | int]) -> str:
    return "".join(f"/{escape(str(token)[:NAME_CHARS_MAX])}" for token in path)


def escape(name: str) -> str:
    """Return ``name`` as a token of a JSON pointer (RFC 6901); what can't be sent as UTF-8 is shown as U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", name).replace("~", "~0").replace("/", "~1")
