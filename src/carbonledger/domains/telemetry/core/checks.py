"""What an item must be to enter the ledger, beyond what its usage must be: its key, its time, its labels, its properties."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.types import Rejection

EARLIEST: Final = datetime(2015, 1, 1, tzinfo=UTC)
AHEAD_MAX: Final = timedelta(days=1)
_DEPTH_MAX: Final = 8
_KEY = Rejection("idempotency_key_invalid", "Give 1 to 200 printable characters, none blank at an end.")
_ACCOUNT = Rejection("account_invalid", "Give 1 to 200 printable characters, none blank at an end.")
_OPERATION = Rejection("operation_invalid", "Give 1 to 64 printable characters, none blank at an end.")
_EVENT = Rejection("event_invalid", "Give 1 to 64 printable characters, none blank at an end.")
_DURATION = Rejection("duration_invalid", "A bucket is at most 366 days wide.")
_QUANTITY = Rejection("quantity_invalid", "Give a decimal from 0 with at most 26 digits before and 12 after the point.")
_PROPERTIES = Rejection("properties_too_large", "Properties are a JSON object of at most 4096 bytes and 8 levels, in plain Unicode.")
_QUANTITY_MAX: Final = Decimal(10) ** (types.QUANTITY_DIGITS_MAX - types.QUANTITY_PLACES_MAX)


def latest(now: datetime) -> datetime:
    """Return the latest time an event may have at the organization's time ``now``."""
    return now + AHEAD_MAX


def draft(item: types.Draft, *, last: datetime) -> Rejection | None:
    """Return why a draft can't be taken, or None. ``last`` is ``latest``'s."""
    if not EARLIEST <= item.usage.occurred_at <= last:
        return types.TIME_OUT_OF_RANGE
    if item.operation is not None and not is_label(item.operation, types.NAME_CHARS_MAX):
        return _OPERATION
    if not 0 <= item.duration_s <= types.DURATION_S_MAX:
        return _DURATION
    return _shared(item)


def metered(item: types.MeteredDraft, *, last: datetime) -> Rejection | None:
    """Return why a metered event can't be taken, or None."""
    if not EARLIEST <= item.occurred_at <= last:
        return types.TIME_OUT_OF_RANGE
    if not is_label(item.event, types.NAME_CHARS_MAX):
        return _EVENT
    if not is_quantity(item.quantity):
        return _QUANTITY
    return _shared(item)


def _shared(item: types.AnyDraft) -> Rejection | None:
    if not is_label(item.idempotency_key, types.KEY_CHARS_MAX):
        return _KEY
    if item.account is not None and not is_label(item.account, types.ACCOUNT_CHARS_MAX):
        return _ACCOUNT
    if item.properties is not None and not are_properties(item.properties):
        return _PROPERTIES
    return None


def is_label(text: str, chars_max: int) -> bool:
    """Say whether ``text`` can be stored and shown: no control character, NUL or lone surrogate, no blank at an end."""
    return 0 < len(text) <= chars_max and text.isprintable() and text[0] != " " and text[-1] != " "


def are_labels(texts: Sequence[str], chars_max: int) -> bool:
    """Say whether ``is_label`` holds for each, at a tenth of the time that asking for one after the other takes."""
    if not texts:
        return True
    lengths = set(map(len, texts))
    if min(lengths) == 0 or max(lengths) > chars_max or not "".join(texts).isprintable():
        return False
    joined = "\n".join(("", *texts, ""))  # none of them has a line feed, which is not printable
    return " \n" not in joined and "\n " not in joined


def is_quantity(value: Decimal) -> bool:
    """Say whether a metered quantity is a number from 0 within the ledger's digits."""
    if not value.is_finite() or value.is_signed() or value >= _QUANTITY_MAX:
        return False
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -types.QUANTITY_PLACES_MAX


def are_properties(properties: Mapping[str, object]) -> bool:
    """Say whether properties can be stored as they are: bounded in bytes and depth, without NUL or lone surrogates."""
    if not _is_plain(properties, _DEPTH_MAX):
        return False
    try:
        size = len(json.dumps(properties, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode())
    except (TypeError, ValueError):  # ValueError: NaN, or a lone surrogate that has no bytes
        return False
    return size <= types.PROPERTIES_BYTES_MAX


def _is_plain(value: object, depth: int) -> bool:
    if isinstance(value, str):
        return "\0" not in value
    if isinstance(value, Mapping):
        return depth > 0 and all(_is_plain(key, 0) and _is_plain(inner, depth - 1) for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return depth > 0 and all(_is_plain(inner, depth - 1) for inner in value)
    return True
