"""Tables as CSV, for people and their spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from carbonledger.entrypoints.shared import exchange


def written(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as CSV. Text that may begin like a formula is the caller's to make inert (``kernel.spreadsheet``)."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()


def answer(name: str, text: str) -> exchange.Answer:
    """Return the answer that gives a table as a file of this name."""
    headers: list[exchange.Header] = [(b"content-disposition", f'attachment; filename="{name}"'.encode())]
    return exchange.Answer(200, body=text.encode(), media_type=b"text/csv; charset=utf-8", headers=headers)
