"""What a format is: a name, how a document opens into rows, how a row becomes an item, and by which columns a table is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from carbonledger_client import rows

Expand = Callable[[rows.Fields], Iterator[rows.Fields]]
Read = Callable[[rows.Fields], rows.Item]
Shapes = tuple[frozenset[str], ...]
_MEMBERS_SHOWN_MAX = 8


@dataclass(frozen=True, slots=True)
class Format:
    """A known format. A table needs all columns of one of ``tables``; ``repeats`` says that rows of one file may share a key, and then
    are told apart by their order.
    """

    name: str
    read: Read
    tables: Shapes
    expand: Expand
    repeats: bool = False


def require(fields: rows.Fields, name: str, needed: Shapes, others: Mapping[frozenset[str], str]) -> None:
    """Raise ``Rejected`` for what has not all members of one of ``needed``: of anything else the counts are absent, which would read as
    nothing used. ``others`` is what is taken for this format by mistake: by the members it is known by, what it is and what to do.
    """
    if any(fields.keys() >= members for members in needed):
        return
    error = _error(fields)
    if error:
        raise rows.Rejected("error_answer", f"It is an error that was answered in place of usage: {rows.shown(error)}. Fetch it again.")
    names = _names(fields)
    known = next((word for members, word in others.items() if members.issubset(names)), None)
    if known is None:
        told = ", ".join(map(rows.shown, names[:_MEMBERS_SHOWN_MAX])) or "no member"
        known = f"it has {told}{' …' if len(names) > _MEMBERS_SHOWN_MAX else ''}"
    wanted = " or ".join(", ".join(sorted(members)) for members in needed)
    raise rows.Rejected("row_unknown", f"It is no row of {name} usage: {known}. A row needs {wanted}.")


def _error(fields: rows.Fields) -> object:
    """Return the words of an error's body, or None: the sources answer ``error``, LiteLLM's framework also ``detail`` alone."""
    told = fields.get("detail" if fields.keys() == {"detail"} else "error")
    return told.get("message") or told.get("error") or told if isinstance(told, dict) else told


def _names(fields: rows.Fields) -> list[str]:
    """Return the names of members, and after each those one step inside it, with a dot between."""
    inner = {outer: list(found) if isinstance(found, dict) else [] for outer, found in fields.items()}
    return [name for outer, names in inner.items() for name in (outer, *(f"{outer}.{name}" for name in names))]


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
