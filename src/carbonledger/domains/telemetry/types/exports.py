"""Words of exports: columns of a table, its rows, and who writes them in a format. Part of what callers rely on: add columns at the end."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

Cell = str | int | bool | datetime | None
"""A decimal is its plain text, so that no format rounds it."""


class Kind(enum.Enum):
    """What a column holds."""

    TEXT = "text"  # somebody else's words: a spreadsheet must not run them
    WORD = "word"  # ours: ids, versions, flags
    INTEGER = "integer"
    FLAG = "flag"
    INSTANT = "instant"
    MONEY = "money"  # 12 places at most; a metered quantity too
    AMOUNT = "amount"  # of energy, CO2e or water: 18 places at most


@dataclass(frozen=True, slots=True)
class Column:
    """A column's name and kind."""

    name: str
    kind: Kind


Columns = tuple[Column, ...]
Row = Sequence[Cell]


class Format(enum.Enum):
    """How an export is written."""

    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"
    PARQUET = "parquet"
    FOCUS = "focus"


class Writer(Protocol):
    """Writes one table, a piece at a time. Its parts put together are the file."""

    def begin(self) -> bytes:
        """Return what stands before the rows."""
        ...

    def rows(self, rows: Sequence[Row]) -> bytes:
        """Return these rows as they are written; what waits for more rows comes later."""
        ...

    def end(self) -> bytes:
        """Return what stands after the rows."""
        ...


class Tables(Protocol):
    """Makes writers of a format that needs a library."""

    def writer(self, columns: Columns) -> Writer:
        """Return the writer of one table."""
        ...


class Place(NamedTuple):
    """Where an export goes on: after the event with this time and id."""

    occurred_at: datetime
    event_id: UUID


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of an export in its order, and where it goes on; None: there are no more."""

    rows: Sequence[Row]
    next: Place | None
