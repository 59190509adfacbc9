"""Which books priced a time, as far as days tell it, and which of its parts have to be read to know."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

from carbonledger.domains.telemetry.types.tallying import Stretch


def told(days: Iterable[tuple[date, tuple[int, ...]]], period: Stretch) -> tuple[frozenset[int], list[Stretch]]:
    """Return the books that are certain, and the days whose events may have been priced by another one, cut to the time.

    A day (UTC) names the books by which its events were priced once at least. Of a whole day that names one it is certain; of a day that
    names several, of which some may have priced nothing that still stands, or that is only in part of the time, it is not.
    """
    known = [
        (books, Stretch(datetime.combine(day, time(), UTC), datetime.combine(day, time(), UTC) + timedelta(days=1))) for day, books in days
    ]
    certain = frozenset(books[0] for books, whole in known if len(books) == 1 and period.start <= whole.start and whole.end <= period.end)
    doubtful = {
        Stretch(max(whole.start, period.start), min(whole.end, period.end)) for books, whole in known if not certain.issuperset(books)
    }
    return certain, sorted(doubtful)
