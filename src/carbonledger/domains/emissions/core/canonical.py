"""Strict JSON in, one canonical spelling out: what the identity of a factor set is computed over.

Owns reading JSON without losing a digit, and its canonical form: RFC 8785 (JCS), so that anybody can compute the same digest with a
library of theirs. JCS writes numbers as IEEE doubles; the numbers accepted here have at most 15 digits and 6 places, within which a
double and our decimal are spelled alike. It does not own what the members mean (``loading``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from decimal import Decimal

from carbonledger.domains.emissions import types
from carbonledger.kernel import decimals, errors

DIGITS_MAX = 15  # every decimal of so many digits survives a double (DBL_DIG)
PLACES_MAX = 6  # below 10^-6 JCS writes an exponent
BYTES_MAX = 1 << 20
DEPTH_MAX = 32


def parsed(data: bytes) -> object:
    """Return the document: objects as dict, numbers as int or Decimal. Raises ``FactorSetInvalid``."""
    if len(data) > BYTES_MAX:
        raise types.FactorSetInvalid(f"The file has {len(data)} bytes; a factor set has at most {BYTES_MAX}.")
    try:
        return json.loads(data.decode("utf-8"), parse_float=_number, parse_int=_number, parse_constant=_refused, object_pairs_hook=_members)
    except (ValueError, RecursionError) as error:
        raise types.FactorSetInvalid(f"The file is not JSON in UTF-8: {error}.") from error


def canonical(value: object) -> bytes:
    """Return the canonical form of what ``parsed`` gave."""
    return "".join(_pieces(value, 0)).encode()


def digest(value: object) -> str:
    """Return the SHA-256 of the canonical form, in hex."""
    return hashlib.sha256(canonical(value)).hexdigest()


def _pieces(value: object, depth: int) -> Iterable[str]:
    if depth > DEPTH_MAX:
        raise types.FactorSetInvalid(f"The file is nested deeper than {DEPTH_MAX} levels.")
    match value:
        case dict():
            names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
            members = ",".join(f"{_text(name)}:{''.join(_pieces(value[name], depth + 1))}" for name in names)
            return "{", members, "}"
        case list():
            return "[", ",".join("".join(_pieces(item, depth + 1)) for item in value), "]"
        case str():
            return (_text(value),)
        case Decimal():
            return (decimals.to_api_decimal(value),)
        case None | bool() | int():
            return (json.dumps(value),)
        case _:
            raise TypeError(f"{type(value).__name__} is not JSON")


def _text(text: str) -> str:
    """Return a JSON string with the escapes of JCS, which are those of the standard library. Raises ``FactorSetInvalid``."""
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise types.FactorSetInvalid("The file has half of a surrogate pair.")
    return json.dumps(text, ensure_ascii=False)


def _number(text: str) -> int | Decimal:
    """Return the number if it is one whose spelling is the same everywhere; whole numbers as int, as 14 and 14.0 are one number."""
    try:
        number = decimals.checked(Decimal(text))
    except (ArithmeticError, errors.Invalid) as error:
        raise ValueError(f"the number {text[:40]} is out of bounds") from error
    whole, _, places = decimals.to_api_decimal(number).lstrip("-").partition(".")
    if len(whole) + len(places) > DIGITS_MAX or len(places) > PLACES_MAX:
        raise ValueError(f"the number {text[:40]} has more than {DIGITS_MAX} digits or {PLACES_MAX} places")
    return number if places else int(number)


def _refused(text: str) -> object:
    raise ValueError(f"{text} is not a JSON number")


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        twice = next(name for name, _ in pairs if sum(name == other for other, _ in pairs) > 1)
        raise ValueError(f"the member {twice!r} is there twice")
    return members
