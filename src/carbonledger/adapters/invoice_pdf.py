"""Prints invoices as PDF/A-3 with typst: as many pages as the lines take, the invoice attached as JSON.

Fonts are those inside typst, never the machine's, and times come from the invoice, so the same input gives the same bytes everywhere.
How the pages look is in ``typst/invoice.typ``.
"""

from __future__ import annotations

import dataclasses
from functools import cache
from importlib import resources
from typing import Any, Final

import orjson
import typst

from carbonledger.domains.invoices.types import printing

_STANDARD: Final = "a-3a"  # archivable, accessible, with attachments
_FORMATS: Final = {"image/png": "png", "image/svg+xml": "svg"}


class TypstInvoicePrinter:
    """Implements ``InvoicePrinter``."""

    def printed(self, sheet: printing.Sheet, *, attachment: bytes) -> bytes:
        """Return the PDF."""
        return typst.compile(
            _template(),
            sys_inputs={"sheet": orjson.dumps(_data(sheet)).decode(), "attachment": attachment.decode()},
            pdf_standards=_STANDARD,
            ignore_system_fonts=True,
            format="pdf",
        )


@cache
def _template() -> bytes:
    return resources.files("carbonledger.adapters").joinpath("typst/invoice.typ").read_bytes()


def _data(sheet: printing.Sheet) -> dict[str, Any]:
    at, logo = sheet.issued_at, sheet.logo
    fields = {field.name: getattr(sheet, field.name) for field in dataclasses.fields(sheet) if field.name != "logo"}
    return fields | {
        "attachment": {"name": printing.ATTACHMENT},
        "issued": {"year": at.year, "month": at.month, "day": at.day, "hour": at.hour, "minute": at.minute, "second": at.second},
        # A picture is a list of bytes here: JSON has no other form that typst reads without a decoder of ours.
        "logo": None if logo is None else {"content": list(logo.content), "format": _FORMATS[logo.media_type]},
    }
