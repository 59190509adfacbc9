"""Reads a provider's answer member by member, and refuses what is not as it should be with a named fault.

Owns the checks that are the same for every provider: shape, counts, places of buckets, and that parts add up to totals. It does not own
a provider's fields (``adapters``). Details name the place in the answer (RFC 6901), never what was found there.
"""

from __future__ import annotations

import decimal
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Never

from carbonledger.domains.connections.types import faults
from carbonledger.domains.connections.types.pages import DIMENSION_CHARS_MAX, Bucket, Stream, Window
from carbonledger.kernel import currency as currencies
from carbonledger.kernel import decimals, errors, instant
from carbonledger.kernel.money import Money
from carbonledger.kernel.usage import COUNT_MAX, TokenBuckets

ROWS_MAX = 200_000  # of one page; an answer is bounded in bytes, and a row has more than a hundred of them
CURSOR_CHARS_MAX = 2048
_EXPONENT_MAX = 60  # beyond our decimals; arithmetic on 1E+999999999 would not end. What is tiny only rounds to zero
_NUMBER_CHARS_MAX = 256
# A number of RFC 8259, section 6. Nine digits of an exponent are what a Decimal can have anywhere.
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,9})?")
_COUNT_DIGITS_MAX = 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_MAX = 253_402_300_799  # the end of year 9999


@dataclass(frozen=True, slots=True)
class Node:
    """A value in an answer, and its place there. Every way to read it raises ``AnswerUnreadable`` where it is something else."""

    value: object
    pointer: str = ""

    def __repr__(self) -> str:
        return f"Node({self.pointer})"

    @property
    def is_null(self) -> bool:
        """Whether it is absent or null."""
        return self.value is None

    def member(self, name: str) -> Node:
        """Return a member of an object; an absent one reads as null."""
        if not isinstance(self.value, dict):
            raise self.unreadable("an object")
        return Node(self.value.get(name), f"{self.pointer}/{name}")

    def items(self, *, at_most: int = ROWS_MAX) -> Iterator[Node]:
        """Give the elements of an array."""
        if not isinstance(self.value, list) or len(self.value) > at_most:
            raise self.unreadable(f"an array of at most {at_most}")
        for place, value in enumerate(self.value):
            yield Node(value, f"{self.pointer}/{place}")

    def text(self, *, chars_max: int = DIMENSION_CHARS_MAX) -> str:
        """Return a text that can be stored and shown."""
        text = self.value
        if not isinstance(text, str) or not 0 < len(text) <= chars_max or not text.isprintable() or text != text.strip():
            raise self.unreadable(f"1 to {chars_max} printable characters")
        return text

    def optional_text(self, *, chars_max: int = DIMENSION_CHARS_MAX) -> str | None:
        """Return a text, or None where it is null."""
        return None if self.value is None else self.text(chars_max=chars_max)

    def flag(self) -> bool:
        """Return a boolean."""
        if not isinstance(self.value, bool):
            raise self.unreadable("true or false")
        return self.value

    def count(self, *, may_be_text: bool = False) -> int:
        """Return a whole number from 0 to 2^53 - 1. Raises ``CountInvalid`` for any other number, and for null."""
        value = self.value
        if may_be_text and isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _COUNT_DIGITS_MAX:
            value = int(value)
        if type(value) is not int or not 0 <= value <= COUNT_MAX:
            raise faults.CountInvalid(f"{self.pointer or '/'} is not a whole number from 0 to {COUNT_MAX}.")
        return value

    def optional_count(self, *, may_be_text: bool = False) -> int | None:
        """Return a count, or None where it is null."""
        return None if self.value is None else self.count(may_be_text=may_be_text)

    def number(self) -> Decimal:
        """Return a JSON number of any sign; see ``_kept``."""
        if type(self.value) is not int and type(self.value) is not Decimal:
            raise self.unreadable("a number")
        return self._kept(Decimal(self.value))

    def number_in_text(self, *, shift: int = 0) -> Decimal:
        """Return the number that a text spells as JSON does, exponent and all, times ten to the power of ``shift``; see ``_kept``."""
        text = self.value
        if not isinstance(text, str) or len(text) > _NUMBER_CHARS_MAX or _NUMBER.fullmatch(text) is None:
            raise self.unreadable("a decimal number as a text")
        return self._kept(Decimal(text), shift=shift)

    def unix_second(self) -> datetime:
        """Return the instant that is so many seconds after 1970 began."""
        if type(self.value) is not int or not 0 <= self.value <= _SECONDS_MAX:
            raise self.unreadable("a time in seconds since 1970")
        return _EPOCH + timedelta(seconds=self.value)

    def rfc_3339(self) -> datetime:
        """Return the instant of an RFC 3339 text."""
        try:
            return instant.from_api_instant(self.value)
        except errors.Invalid:
            raise self.unreadable("a time of RFC 3339") from None

    def day(self) -> datetime:
        """Return the midnight (UTC) of a ``YYYY-MM-DD`` date."""
        text = self.value
        try:
            if isinstance(text, str) and len(text) == len("YYYY-MM-DD"):
                found = date.fromisoformat(text)
                return datetime(found.year, found.month, found.day, tzinfo=UTC)
        except ValueError:
            raise self.unreadable("a date") from None
        raise self.unreadable("a date")

    def unreadable(self, expected: str) -> faults.AnswerUnreadable:
        """Return the fault that says what should stand here."""
        return faults.AnswerUnreadable(f"{self.pointer or '/'} is not {expected}.")

    def _kept(self, value: Decimal, *, shift: int = 0) -> Decimal:
        """Return the number exactly, if it has no more digits than money and quantities have here (38), else rounded to the last of them.

        Amounts in floats or averages have such tails (5.55e-17, thirty places and more). Refused, one would end every poll for good; left
        out, its amount would be missing. Rounded it is off by less than 1e-38 of its unit or its 38th digit, which no currency has. It is
        compared with our own cost, never billed, and the provider's page is kept with all its digits. What is too large is refused.
        """
        try:
            return decimals.fitted(value, shift=shift)
        except errors.Invalid:
            raise self.unreadable("a number of at most 38 digits before the point") from None


def document(body: bytes) -> Node:
    """Return the JSON document (RFC 8259) of an answer: UTF-8, no NaN, no member twice, fractions exact."""
    try:
        return Node(json.loads(body.decode("utf-8-sig"), parse_float=_fraction, parse_constant=_no_constant, object_pairs_hook=_members))
    except (ValueError, RecursionError, decimal.DecimalException):
        # Without the cause: it holds the answer.
        raise faults.AnswerUnreadable(f"It is {len(body)} bytes that are no JSON.") from None


def next_cursor(page: Node) -> str | None:
    """Return the cursor of a page with ``has_more`` and ``next_page``; None on the last."""
    if not page.member("has_more").flag():
        return None
    return page.member("next_page").text(chars_max=CURSOR_CHARS_MAX)


def money(amount: Decimal, currency: str, *, at: Node) -> Money:
    """Return an amount in major units of the currency of this code, in capitals or not."""
    try:
        return Money(amount, currencies.by_code(currency.upper()))
    except errors.Invalid:
        raise at.unreadable("an amount in a currency of ISO 4217") from None


def arranged(buckets: Sequence[Bucket], *, stream: Stream, window: Window) -> tuple[Bucket, ...]:
    """Return the buckets of a page if each is one of the stream's, inside the window, later than the one before it, and of distinct rows.

    Raises ``BucketWidthWrong``, ``BucketMisplaced`` and ``RowRepeated``.
    """
    last_end = window.starts_at
    for place, bucket in enumerate(buckets):
        if bucket.ends_at - bucket.starts_at != stream.bucket_width:
            raise faults.BucketWidthWrong(f"Bucket {place} is not of {stream.bucket_width_s} s.")
        if (bucket.starts_at - _EPOCH) % stream.bucket_width or bucket.starts_at < last_end or bucket.ends_at > window.ends_at:
            raise faults.BucketMisplaced(f"Bucket {place} is not where it should be.")
        last_end = bucket.ends_at
        identities = (
            [row.dimensions for row in bucket.rows],
            [(one.event, one.dimensions) for one in bucket.activities],
            [(cost.item, cost.dimensions) for cost in bucket.costs],
        )
        if any(len(set(found)) != len(found) for found in identities):
            raise faults.RowRepeated(f"Bucket {place} has two rows of the same dimensions.")
    return tuple(buckets)


def counted(make: Callable[[], TokenBuckets], *, at: Node) -> TokenBuckets:
    """Return the token buckets that ``make`` builds. Raises ``CountsContradict`` where a part exceeds its whole."""
    try:
        return make()
    except errors.Invalid as fault:
        places = ", ".join(problem.pointer.removeprefix("/") for problem in fault.problems)
        raise faults.CountsContradict(f"{at.pointer}: these counts don't fit their parts: {places}.") from None


def agreed(tokens: TokenBuckets, *, total_input: int, total_output: int, at: Node) -> TokenBuckets:
    """Return the tokens if they add up to the totals that the provider itself gives. Raises ``TotalsDisagree``."""
    if (tokens.total_input, tokens.output) != (total_input, total_output):
        raise faults.TotalsDisagree(f"{at.pointer}: the buckets do not add up to the provider's own total.")
    return tokens


def _fraction(text: str) -> Decimal:
    number = Decimal(text)
    if number and number.adjusted() > _EXPONENT_MAX:
        raise ValueError("exponent out of range")
    return number


def _no_constant(name: str) -> Never:
    raise ValueError(f"{name} is no JSON")


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members
