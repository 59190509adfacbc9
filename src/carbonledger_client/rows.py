"""What a row of a file can become: an item of the API, a rejection with its reason, or nothing because nothing was used.

Owns: reading single values strictly. A count is a whole number in plain digits; a decimal comma, a thousands separator or an exponent is
never guessed at. Blank is unknown (None), never zero.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import orjson

COUNT_MAX = 2**53 - 1  # the largest integer that every JSON reader keeps exactly (RFC 8259, section 6)
_COUNT_DIGITS_MAX = 16
_WHOLE = re.compile(r"([0-9]{1,16})\.0{1,9}")  # what a column of counts with gaps becomes in a data frame
_TRUTH = {"true": True, "t": True, "yes": True, "1": True, "false": False, "f": False, "no": False, "0": False}
_NUMBER = re.compile(r"[-+]?[0-9][0-9.,]*(?:[eE][-+]?[0-9]+)?")
_DECORATIONS = ("_name", "_email", "_redacted", "_iso")  # what is only another way to write an id or a time
_SHOWN_MAX = 60
_AMOUNT_PLACES = 12
_AMOUNT_DIGITS_MAX = 15
_AMOUNT_UNIT = Decimal(1).scaleb(-_AMOUNT_PLACES)

Fields = Mapping[str, Any]
Item = dict[str, Any]


class Rejected(Exception):
    """A row that can't become an item: a stable code, and words for a person. ``content`` is the row's text, where none could be read."""

    def __init__(self, code: str, detail: str, content: str | None = None) -> None:
        self.code = code
        self.detail = detail
        self.content = content
        super().__init__(detail)


class Skipped(Exception):
    """A row that says that nothing was used; ``reason`` is counted, so that no row disappears unseen."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def shown(value: object) -> str:
    """Return a value as an error may show it: short, printable."""
    text = value if isinstance(value, str) else repr(value)
    return ascii(text[:_SHOWN_MAX]) + ("…" if len(text) > _SHOWN_MAX else "")


def count(value: object, name: str) -> int | None:
    """Return a count from 0 to 2^53 - 1, or None for a blank. Raises ``Rejected``."""
    if type(value) is str:
        if value.isdecimal() and len(value) < _COUNT_DIGITS_MAX and value.isascii():  # nearly every cell there is
            return int(value)
        number = _digits(value)
    elif type(value) is float and value.is_integer():
        number = int(value)
    else:
        number = value if type(value) is int else None
        if value is None:
            return None
    if number is None and isinstance(value, str) and not value.strip():
        return None
    if number is None or not 0 <= number <= COUNT_MAX:
        raise Rejected("count_invalid", f"{name} is {shown(value)}: give a whole number from 0 to {COUNT_MAX} in plain digits, or nothing.")
    return number


def _digits(value: str) -> int | None:
    text = value.strip()
    whole = _WHOLE.fullmatch(text)
    digits = whole.group(1) if whole else text
    return int(digits) if digits.isdecimal() and digits.isascii() and len(digits) <= _COUNT_DIGITS_MAX else None


def text(value: object, name: str) -> str | None:
    """Return a text without blanks at its ends, or None for a blank. Raises ``Rejected`` for anything that is no text or number."""
    if value is None:
        return None
    if type(value) is int:
        return str(value)
    if not isinstance(value, str):
        raise Rejected("text_invalid", f"{name} is {shown(value)}: give a text.")
    return value.strip() or None


def truth(value: object, name: str) -> bool | None:
    """Return yes or no, or None for a blank. Raises ``Rejected``."""
    if value is None or isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if not word:
        return None
    if word not in _TRUTH:
        raise Rejected("truth_invalid", f"{name} is {shown(value)}: give true or false.")
    return _TRUTH[word]


def usd(value: object) -> Item:
    """Return the member ``reported_cost`` of what a provider says it charged, rounded half up to 12 places; none where it is no number
    from 0: it is a remark beside the usage, never a reason to lose the usage.
    """
    made = amount(value)
    return {} if made is None else {"reported_cost": {"amount": made, "currency": "USD"}}


def amount(value: object) -> str | None:
    """Return a number from 0 as a decimal string of at most 12 places; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        made = Decimal(str(value).strip())
        if not made.is_finite() or made < 0 or made.adjusted() > _AMOUNT_DIGITS_MAX:
            return None
        whole = made if -int(made.as_tuple().exponent) <= _AMOUNT_PLACES else made.quantize(_AMOUNT_UNIT, ROUND_HALF_UP)
    except ArithmeticError:
        return None  # a text that is no number
    return format(whole, "f")


def nested(value: object) -> Fields:
    """Return an object that may stand as JSON text in a table's cell; an empty one where there is none. Raises ``Rejected``."""
    for _ in range(2):  # some exports encode it twice
        if not isinstance(value, str):
            break
        try:
            value = orjson.loads(value) if value.strip() else None
        except orjson.JSONDecodeError as error:
            raise Rejected("json_broken", f"A cell that should hold JSON can't be read: {error}") from error
    return value if isinstance(value, dict) else {}


def properties(**members: object) -> Fields:
    """Return the members that say something, as properties of an item."""
    return {name: value for name, value in members.items() if value is not None and value != ""}


def identity(source: str, *parts: object) -> str:
    """Return a key made of what a source knows a row by, never of its counts: the same bucket exported again is a revision.

    Written keys must never change: never reorder the parts that a format hands over.
    """
    return f"{source}:{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]}"


def other_dimensions(fields: Fields, known: Collection[str]) -> list[str]:
    """Return the members that no format knows and that tell rows apart, as names and values in order: texts and truths, since numbers are
    measures. A source that begins to group by something new would otherwise have its rows taken for revisions of each other.
    """
    found = ((name, value) for name, value in sorted(fields.items()) if name not in known and not name.endswith(_DECORATIONS))
    return [part for name, value in found if _is_dimension(value) for part in (name, str(value).strip())]


def _is_dimension(value: object) -> bool:
    return isinstance(value, bool) or (isinstance(value, str) and bool(value.strip()) and not _NUMBER.fullmatch(value.strip()))


def within_input(total: int | None, tokens: dict[str, int | None]) -> None:
    """Set ``uncached_input`` to what of an inclusive total is in no other input bucket. Raises ``Rejected``."""
    if total is None:
        tokens["uncached_input"] = None
        return
    inside = (tokens.get("cached_input") or 0) + (tokens.get("cache_creation_5m") or 0) + (tokens.get("cache_creation_1h") or 0)
    if inside > total:
        raise Rejected("cached_above_input", f"Its cached and cache-creation tokens ({inside}) are more than its whole input ({total}).")
    tokens["uncached_input"] = total - inside
