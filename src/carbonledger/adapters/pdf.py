"""Prints receipts as PDF/A-3 with typst: one page, the bundle attached, a QR code to the page that verifies it.

Fonts are those inside typst, never the machine's, and times come from the receipt, so the same input gives the same bytes everywhere.
How the page looks is in ``typst/receipt.typ``.
"""

from __future__ import annotations

import dataclasses
from functools import cache
from importlib import resources
from itertools import groupby
from typing import Any, Final

import orjson
import segno
import typst

from carbonledger.domains.receipts.types import printing
from carbonledger_proof import bundle as bundles
from carbonledger_proof import pdf

_STANDARD: Final = "a-3a"  # archivable, accessible, with attachments


class TypstPrinter:
    """Implements ``ReceiptPrinter``."""

    def printed(self, sheet: printing.Sheet, *, bundle: bytes) -> bytes:
        """Return the PDF, with a placeholder for its seal."""
        data = orjson.dumps(_data(sheet)).decode()
        return typst.compile(
            _template(),
            sys_inputs={"sheet": data, "bundle": bundle.decode()},
            pdf_standards=_STANDARD,
            ignore_system_fonts=True,
            format="pdf",
        )


@cache
def _template() -> bytes:
    return resources.files("carbonledger.adapters").joinpath("typst/receipt.typ").read_bytes()


def _data(sheet: printing.Sheet) -> dict[str, Any]:
    at = sheet.issued_at
    return dataclasses.asdict(sheet) | {
        "keywords": [pdf.PLACEHOLDER],
        "attachment": {"name": bundles.FILE_NAME, "description": "The receipt with all that proves it; canonical JSON."},
        "issued": {"year": at.year, "month": at.month, "day": at.day, "hour": at.hour, "minute": at.minute, "second": at.second},
        "qr": _runs(sheet.verify_url),
    }


def _runs(url: str) -> list[list[tuple[int, int]]]:
    """Return the dark runs of each row of a QR code, as (first cell, cells)."""
    rows = []
    for row in segno.make(url, error="m", micro=False).matrix:
        runs, x = [], 0
        for is_dark, cells in groupby(row):
            width = len(list(cells))
            if is_dark:
                runs.append((x, width))
            x += width
        rows.append(runs)
    return rows
