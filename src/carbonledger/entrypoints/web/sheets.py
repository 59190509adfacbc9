"""Tables as CSV, for people and their spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

from carbonledger.entrypoints.shared import exchange

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def written(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as CSV. Text that may begin like a formula is the caller's to make ``inert``; numbers may."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()


def inert(text: str) -> str:
    """Return text that no spreadsheet takes for a formula (OWASP, CSV Injection)."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def answer(name: str, text: str) -> exchange.Answer:
    """Return the answer that gives a table as a file of this name."""
    headers: list[exchange.Header] = [(b"content-disposition", f'attachment; filename="{name}"'.encode())]
    return exchange.Answer(200, body=text.encode(), media_type=b"text/csv; charset=utf-8", headers=headers)
