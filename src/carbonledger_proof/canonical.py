"""Reads JSON strictly and writes it canonically (RFC 8785): a value has one form in bytes, and bytes have one meaning.

What is read has whole numbers only, within what every JSON reader keeps exactly (RFC 8259, section 6): amounts are integers of a small
unit, or strings. It owns no rule of what a document must contain.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import rfc8785

from carbonledger_proof import errors

Json: TypeAlias = "bool | int | str | Sequence[Json] | Mapping[str, Json] | None"
INTEGER_MAX = 2**53 - 1
BYTES_MAX = 4 * 1024 * 1024  # a bundle is some 10 kB; the list of a receipt's projects is what can make it long
DEPTH_MAX = 32  # our documents nest 6 deep
NOT_CANONICAL = "It is JSON, but not in canonical form (RFC 8785): it was rewritten on its way."
_DIGITS_MAX = 17  # of the largest number and its sign
# A string that is never closed is taken to its end, so that the search stays linear whatever is sent.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)', re.DOTALL)
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_INNERMOST = re.compile(rb"\[\]|\{\}")
_BEYOND = re.compile("[\ud800-\U0010ffff]")  # where the order of characters is not that of UTF-16


def read(data: bytes, *, bytes_max: int = BYTES_MAX) -> Json:
    """Return the value of a JSON text.

    Raises ``JsonInvalid`` for what two readers could take differently: a name twice in an object, a number with a fraction, an exponent
    or beyond 2^53 - 1, NaN and Infinity, a lone surrogate, a byte order mark, bytes that are not UTF-8; and for what is too large or deep.
    """
    if len(data) > bytes_max:
        raise errors.JsonInvalid(f"It is larger than {bytes_max} bytes.")
    _check_depth(data)
    try:
        text = data.decode("utf-8")
        value: Json = json.loads(text, object_pairs_hook=_object, parse_int=_integer, parse_float=_not_whole, parse_constant=_not_whole)
    except ValueError as error:
        raise errors.JsonInvalid(f"It is not JSON: {error}.") from error
    if "\\u" in text:  # only an escape can bring half a character
        write(value)
    return value


def read_canonical(data: bytes, *, bytes_max: int = BYTES_MAX) -> Json:
    """Return the value of a JSON text that is in canonical form byte for byte, raising ``JsonInvalid`` for any other."""
    value = read(data, bytes_max=bytes_max)
    if write_known(value) != data:
        raise errors.JsonInvalid(NOT_CANONICAL)
    return value


def write(value: Json) -> bytes:
    """Return the canonical bytes of a value. Raises ``JsonInvalid`` for what has none."""
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise errors.JsonInvalid(f"It has no canonical form: {error}.") from error


def write_known(value: Json) -> bytes:
    """Return what ``write`` returns, in a fifth of the time, for a value that ``read`` gave or that was written before.

    Nothing is checked: such a value has whole numbers within bounds only, and texts for names. RFC 8785 orders names by UTF-16,
    Python by characters; they differ only beyond U+D7FF.
    """
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode() if text.isascii() or not _BEYOND.search(text) else write(value)


def digest(value: Json) -> str:
    """Return SHA-256 of the canonical bytes, in hex."""
    return hashlib.sha256(write(value)).hexdigest()


def _check_depth(data: bytes) -> None:
    """Take the innermost brackets away, level by level."""
    brackets = _STRING.sub(b"", data).translate(None, _NO_BRACKETS)
    for _ in range(DEPTH_MAX):
        left = _INNERMOST.sub(b"", brackets)
        if len(left) == len(brackets):  # there are none, or they don't match
            break
        brackets = left
    if brackets:
        raise errors.JsonInvalid(f"It nests more than {DEPTH_MAX} deep, or its brackets don't match.")


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise errors.JsonInvalid(f"An object has the name {twice[:64]!r} twice.")
    return members


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS_MAX or digits == "-0" or not -INTEGER_MAX <= (number := int(digits)) <= INTEGER_MAX:
        raise errors.JsonInvalid(f"The number {digits[:24]} is not from -{INTEGER_MAX} to {INTEGER_MAX}.")
    return number


def _not_whole(text: str) -> int:
    raise errors.JsonInvalid(f"The number {text[:24]} is not written as a whole one.")
