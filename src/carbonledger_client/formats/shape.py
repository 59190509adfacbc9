"""What a format is: a name, how a document opens into rows, how a row becomes an item, and by which columns a table is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from carbonledger_client import rows

Expand = Callable[[rows.Fields], Iterator[rows.Fields]]
Read = Callable[[rows.Fields], rows.Item]


@dataclass(frozen=True, slots=True)
class Format:
    """A known format. A table needs all columns of one of ``tables``; ``repeats`` says that rows of one file may share a key, and then
    are told apart by their order.
    """

    name: str
    read: Read
    tables: tuple[frozenset[str], ...]
    expand: Expand
    repeats: bool = False


def each(document: rows.Fields) -> Iterator[rows.Fields]:
    """Open a document into the rows of its member ``data``; one without it is a row itself."""
    data = document.get("data")
    if not isinstance(data, list):
        yield document
        return
    for row in data:
        if not isinstance(row, dict):
            raise rows.Rejected("row_invalid", "An entry of data is not an object.")
        yield row


def buckets(document: rows.Fields) -> Iterator[rows.Fields]:
    """Open a page of time buckets into their results, each with the times of its bucket; an empty bucket gives nothing."""
    for bucket in each(document):
        results = bucket.get("results")
        if results is None:
            yield bucket
            continue
        if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
            raise rows.Rejected("row_invalid", "results of a bucket is not a list of objects.")
        times = {name: bucket.get(name) for name in ("start_time", "end_time", "starting_at", "ending_at") if name in bucket}
        for result in results:
            yield {**result, **times}
