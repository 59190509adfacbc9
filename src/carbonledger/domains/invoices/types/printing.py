"""What stands on a printed invoice, word by word, and the port that prints it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from carbonledger.domains.invoices.types.sellers import Logo

ATTACHMENT: Final = "invoice.json"


@dataclass(frozen=True, slots=True)
class Fact:
    """A value beside its label."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line: what it is for, beneath it its period and tiers in words, and its figures."""

    description: str
    details: tuple[str, ...]
    quantity: str
    unit_price: str
    amount: str


@dataclass(frozen=True, slots=True)
class Sum:
    """A line under the table. ``is_total``: the one that counts."""

    label: str
    value: str
    is_total: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """An invoice as it is printed, in the words of its locale. ``headings``: those of the table's columns.

    ``is_test``: a sandbox issued it, and it says so across every page. ``language`` is ``en``, ``de`` or ``fr``.
    """

    language: str
    is_test: bool
    title: str
    heading: str
    number: str
    seller_name: str
    seller: tuple[str, ...]
    seller_line: str
    buyer: tuple[str, ...]
    facts: tuple[Fact, ...]
    headings: tuple[str, str, str, str]
    rows: tuple[Row, ...]
    sums: tuple[Sum, ...]
    notes: tuple[str, ...]
    footer: str | None
    page_words: str
    test_word: str
    attachment_words: str
    color: str
    logo: Logo | None
    issued_at: datetime


class InvoicePrinter(Protocol):
    """Prints invoices."""

    def printed(self, sheet: Sheet, *, attachment: bytes) -> bytes:
        """Return a PDF/A-3 with the invoice attached as JSON; the same input gives the same bytes."""
        ...
