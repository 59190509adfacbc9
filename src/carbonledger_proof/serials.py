"""Serials of receipts: ``CL-YYYYMM-XXXXX``, the month of the period and five characters of Crockford's base 32.

The first four are a number from 0 to 2^20 - 1 that a counter of the month becomes under a permutation only the issuer can follow, so that
serials tell nobody how many there are. The fifth is a check character over month and number.

**Permutation.** A Feistel network of ten rounds over two halves of 10 bits (as FF1 has them, NIST SP 800-38G) with HMAC-SHA256 as its round
function: a bijection whatever the key, so that no two counters of a month meet. It hides order and volume from people who read serials; it
is no secret that anything else may rest on.

**Check character.** All eleven characters count as elements of GF(2^5), made by x^5 + x^2 + 1; the one at place ``i`` from the right, the
check character being 0, is multiplied by ``x^i``, and all products sum to zero. The eleven powers differ from each other and from zero, so
one wrong character changes the sum by ``(a - b) x^i``, and two exchanged ones, next to each other or not, by ``(a - b)(x^i - x^j)``:
neither is zero in a field. Every such mistake is found, also a digit of the month taken for another.
"""

from __future__ import annotations

import hmac
import re

from carbonledger_proof import errors

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford: no I, L, O, U
PER_MONTH = 1 << 20
SECRET_BYTES_MIN = 16
PATTERN = re.compile(r"CL-([0-9]{4})(0[1-9]|1[0-2])-([0-9A-HJKMNP-TV-Z]{4})([0-9A-HJKMNP-TV-Z])")
MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
_VALUES = {character: value for value, character in enumerate(ALPHABET)}
_ALIKE = str.maketrans("ILO", "110")  # how Crockford reads what looks alike
_ROUNDS = 10
_HALF = 10
_MASK = (1 << _HALF) - 1
_DOMAIN = b"carbon-ledger/serial/v1\n"


def _power(exponent: int) -> int:
    """Return x^exponent in GF(2^5)."""
    value = 1
    for _ in range(exponent):
        value = _doubled(value)
    return value


def _doubled(value: int) -> int:
    value <<= 1
    return value ^ 0b100101 if value & 0b100000 else value


def _product(left: int, right: int) -> int:
    result = 0
    while right:
        if right & 1:
            result ^= left
        left, right = _doubled(left), right >> 1
    return result


_CHARACTERS = 11
_WEIGHTS = tuple(_power(place) for place in reversed(range(_CHARACTERS)))


def make(secret: bytes, *, month: str, counter: int) -> str:
    """Return the serial of the ``counter``-th receipt (from 0) of a month such as ``2026-11``.

    Raises ``SerialsExhausted`` for the 1,048,577th of a month, and ``SerialInvalid`` for what is no month, counter or secret.
    """
    return of_number(month, permuted(secret, month=month, counter=counter))


def permuted(secret: bytes, *, month: str, counter: int) -> int:
    """Return the number of 20 bits that a counter of 20 bits becomes in a month."""
    _check(secret, month)
    if counter >= PER_MONTH:
        raise errors.SerialsExhausted(f"All {PER_MONTH:,} serials of {month} are taken; no receipt of that month can be issued any more.")
    if counter < 0:
        raise errors.SerialInvalid(f"A counter of {counter}.")
    left, right = counter >> _HALF, counter & _MASK
    for number in range(_ROUNDS):
        left, right = right, left ^ _mixed(secret, month, number, right)
    return left << _HALF | right


def counter_of(secret: bytes, *, month: str, number: int) -> int:
    """Return the counter that became this number: what ``permuted`` did, backwards."""
    _check(secret, month)
    if not 0 <= number < PER_MONTH:
        raise errors.SerialInvalid(f"A number of {number}.")
    left, right = number >> _HALF, number & _MASK
    for round_ in reversed(range(_ROUNDS)):
        left, right = right ^ _mixed(secret, month, round_, left), left
    return left << _HALF | right


def of_number(month: str, number: int) -> str:
    """Return the serial of a number that was already permuted."""
    if not MONTH.fullmatch(month) or not 0 <= number < PER_MONTH:
        raise errors.SerialInvalid(f"{month[:16]!r} is no month like 2026-11, or {number} no number of 20 bits.")
    digits = month.replace("-", "")
    characters = "".join(ALPHABET[number >> shift & 31] for shift in (15, 10, 5, 0))
    return f"CL-{digits}-{characters}{ALPHABET[check_value(digits + characters)]}"


def check_value(characters: str) -> int:
    """Return the value of the check character over six digits of the month and four characters of the number."""
    result = 0
    for character, weight in zip(characters, _WEIGHTS, strict=False):
        result ^= _product(_VALUES[character], weight)
    return result


def parse(text: str) -> str:
    """Return a serial as it is written here, from what a person typed: small letters, and I, L, O for 1, 1, 0, are read.

    Raises ``SerialInvalid`` if it is none, or if its check character says that one is wrong.
    """
    typed = text.strip().upper() if len(text) <= 64 else ""  # noqa: PLR2004 - a serial is 15 long
    serial = typed[:3] + typed[3:].translate(_ALIKE)
    if not is_serial(serial):
        raise errors.SerialInvalid(f"{text[:32]!r} is no serial of a receipt (CL-YYYYMM-XXXXX), or a character of it is wrong.")
    return serial


def is_serial(text: str) -> bool:
    """Say whether a text is a serial exactly as it is written here."""
    found = PATTERN.fullmatch(text)
    return found is not None and check_value("".join(found.groups()[:3])) == _VALUES[found[4]]


def month_of(serial: str) -> str:
    """Return the month of a serial, such as ``2026-11``."""
    return f"{serial[3:7]}-{serial[7:9]}"


def _mixed(secret: bytes, month: str, number: int, half: int) -> int:
    message = _DOMAIN + month.encode() + bytes((number,)) + half.to_bytes(2, "big")
    return int.from_bytes(hmac.digest(secret, message, "sha256")[:2], "big") & _MASK


def _check(secret: bytes, month: str) -> None:
    if len(secret) < SECRET_BYTES_MIN:
        raise errors.SerialInvalid(f"The secret of serials is shorter than {SECRET_BYTES_MIN} bytes.")
    if not MONTH.fullmatch(month):
        raise errors.SerialInvalid(f"{month[:16]!r} is no month like 2026-11.")
