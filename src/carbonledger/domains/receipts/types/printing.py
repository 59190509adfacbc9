"""What stands on the printed receipt, word by word, and the port that prints it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Figure:
    """A value under its label, and what is said beneath it."""

    label: str
    value: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Gross:
    """The range of the emissions in words. ``start`` and ``at`` are where low and mid stand on a bar from 0 to high, in parts of 10,000."""

    basis: str
    low: str
    mid: str
    high: str
    start: int
    at: int


@dataclass(frozen=True, slots=True)
class ProjectRow:
    """One project's part."""

    name: str
    mid: str
    range: str
    cost: str


@dataclass(frozen=True, slots=True)
class CreditRow:
    """One part of a retired block of credits."""

    project: str
    block: str
    standard: str
    retirement: str
    interval: str
    amount: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A receipt's one page. Rows that do not fit are left out, and said to be; the attached bundle has all of them.

    ``is_test``: it was issued to a sandbox, and says so across the page.
    """

    is_test: bool
    title: str
    description: str
    serial: str
    issuer: str
    issued_at: datetime
    month: str
    parties: tuple[Figure, ...]
    standing: str | None
    gross: Gross | None
    story: str
    measures: tuple[Figure, ...]
    projects: tuple[ProjectRow, ...]
    adjustments: tuple[str, ...]
    compensation: str
    credits: tuple[CreditRow, ...]
    wording: str
    verify_url: str
    checking: str
    proof: tuple[Figure, ...]


class ReceiptPrinter(Protocol):
    """Prints receipts."""

    def printed(self, sheet: Sheet, *, bundle: bytes) -> bytes:
        """Return a PDF/A-3 with the bundle attached and a placeholder for its seal; the same input gives the same bytes."""
        ...
