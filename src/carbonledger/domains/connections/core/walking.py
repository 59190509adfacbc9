"""Whether a walk over a provider's pages goes on. Pure.

A walk is the pages of one window, in order. It ends, whatever the provider says: every page must bring later buckets than those before
it and a cursor not seen yet, and there is a last number of pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from carbonledger.domains.connections import types


@dataclass(frozen=True, slots=True)
class Walk:
    """How far the reading of a window has come."""

    cursor: str | None = None  # of the next page; None: the first, or none any more
    pages: int = 0
    read_until: datetime | None = None  # the end of the last bucket so far
    seen: frozenset[str] = frozenset()
    is_done: bool = False


def advanced(walk: Walk, page: types.Page) -> Walk:
    """Return the walk after ``page``. Raises ``PageRepeated``, ``CursorLooped`` and ``PagesTooMany``: nothing of such a page is used."""
    if walk.is_done:
        raise ValueError("the walk is over")
    if page.buckets and walk.read_until is not None and page.buckets[0].starts_at < walk.read_until:
        raise types.PageRepeated(f"Page {walk.pages + 1} goes back to what was read before.")
    cursor = page.next_cursor
    if cursor is not None and cursor in walk.seen:
        raise types.CursorLooped(f"Page {walk.pages + 1} leads back to a page that was read before.")
    if cursor is not None and walk.pages + 1 >= types.PAGES_MAX:
        raise types.PagesTooMany(f"There are more than {types.PAGES_MAX}.")
    return Walk(
        cursor=cursor,
        pages=walk.pages + 1,
        read_until=page.buckets[-1].ends_at if page.buckets else walk.read_until,
        seen=walk.seen if cursor is None else walk.seen | {cursor},
        is_done=cursor is None,
    )
