"""Pages of a list: bounded, stable, newest first unless said otherwise.

A cursor is the sort key of the last row given, so rows that arrive meanwhile neither repeat nor hide others. It is opaque
to callers but not secret: it holds only values of rows the caller has just been given.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from carbonledger.kernel import errors, instant

T = TypeVar("T")

LIMIT_DEFAULT = 50
LIMIT_MAX = 200
CURSOR_MAX_CHARS = 2048  # the longest key holds one name of 200 characters, escaped; anything longer is not ours


class CursorUnreadable(errors.Malformed):
    """The cursor is not one that this list gave out."""

    code = "cursor_unreadable"


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A stretch of rows, and the cursor that continues it (None at the end)."""

    data: tuple[T, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What the caller asks for: at most ``limit`` rows (1 to 200) after the row whose sort key is ``after``."""

    limit: int = LIMIT_DEFAULT
    after: tuple[str, ...] | None = None


def encode_cursor(key: tuple[str, ...]) -> str:
    """Return the cursor of the row with this sort key. Raises ``ValueError`` for a key too long to be taken back."""
    raw = json.dumps(key, separators=(",", ":")).encode()
    cursor = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    if len(cursor) > CURSOR_MAX_CHARS:
        raise ValueError(f"a cursor of {len(cursor)} characters would be refused; sort by shorter columns")
    return cursor


def decode_cursor(cursor: str, *, parts: int) -> tuple[str, ...]:
    """Return the sort key of ``parts`` strings in ``cursor``. Raises ``CursorUnreadable``."""
    if len(cursor) > CURSOR_MAX_CHARS or not cursor.isascii():
        raise CursorUnreadable("Take next_cursor from the previous page unchanged.")
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        key = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise CursorUnreadable("Take next_cursor from the previous page unchanged.") from error
    if not isinstance(key, list) or len(key) != parts or not all(isinstance(part, str) for part in key):
        raise CursorUnreadable("This cursor belongs to another list.")
    if any(char == "\0" or "\ud800" <= char <= "\udfff" for part in key for char in part):
        raise CursorUnreadable("Take next_cursor from the previous page unchanged.")  # no text column holds these
    return tuple(key)


def before_id(request: PageRequest) -> UUID | None:
    """Return the id below which a list by id (newest first: a later id is greater) goes on, or None. Raises ``CursorUnreadable``."""
    if request.after is None:
        return None
    try:
        (last,) = request.after
        return UUID(last)
    except ValueError as error:
        raise CursorUnreadable("This cursor belongs to another list.") from error


def after_instant(request: PageRequest) -> tuple[datetime, UUID] | None:
    """Return the instant and id after which a list by both goes on, or None. Raises ``CursorUnreadable``."""
    if request.after is None:
        return None
    try:
        at, last = request.after
        return instant.from_api_instant(at), UUID(last)
    except (ValueError, instant.InstantUnreadable) as error:
        raise CursorUnreadable("This cursor belongs to another list.") from error


def cut(rows: Sequence[T], *, limit: int, key: Callable[[T], tuple[str, ...]]) -> Page[T]:
    """Return a page of ``rows``, which hold one more than ``limit`` where the list goes on; ``key`` is a row's sort key."""
    shown = tuple(rows[:limit])
    return Page(data=shown, next_cursor=encode_cursor(key(shown[-1])) if len(rows) > limit else None)
