"""Items on their way to the server: at most 10,000 and at most 8 MB, each with the number of its row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from carbonledger_client import client, rows

BYTES_MAX = 8_000_000  # before compression; the server's bound is four times this
_RECORDS_BYTES_MAX = 32_000_000  # of the rows themselves, where they have to be kept for --rejects


class Entry(NamedTuple):
    """One item, the number of its row, its JSON, and the row itself where it may be needed again. A tuple because there is one a row."""

    row: int
    item: rows.Item
    encoded: bytes
    record: Any = None


@dataclass(slots=True)
class Batch:
    """Entries in the order of their rows."""

    entries: list[Entry] = field(default_factory=list)
    size_bytes: int = 0
    records_bytes: int = 0

    def add(self, entry: Entry) -> None:
        """Take an entry."""
        self.entries.append(entry)
        self.size_bytes += len(entry.encoded) + 1
        if entry.record is not None:
            self.records_bytes += _rough_bytes(entry.record)

    def has_room(self, entry: Entry, *, items_max: int = client.EVENTS_MAX) -> bool:
        """Say whether an entry fits; anything fits into an empty batch."""
        if not self.entries:
            return True
        fits = self.size_bytes + len(entry.encoded) < BYTES_MAX and self.records_bytes < _RECORDS_BYTES_MAX
        return fits and len(self.entries) < items_max

    def halves(self) -> tuple[Self, Self]:
        """Return the two halves of a batch of two or more."""
        middle, halves = len(self.entries) // 2, (type(self)(), type(self)())
        for place, entry in enumerate(self.entries):
            halves[place >= middle].add(entry)
        return halves


def _rough_bytes(record: Any) -> int:  # noqa: ANN401 - cells or an object
    return sum(map(len, record)) if isinstance(record, list) else len(str(record))
