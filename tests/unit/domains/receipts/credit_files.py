"""Files of lots for tests: a line that is right, and the same with other cells."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping

COLUMNS = [
    *("registry", "project_id", "project_name", "standard", "method", "vintage", "serial_block", "block_start", "block_end"),
    *("quantity_t", "retired_at", "retirement_reference", "retirement_url", "beneficiary", "reason"),
    *("corresponding_adjustment", "evidence_sha256"),
]
VERRA = {
    "registry": "verra",
    "project_id": "3",
    "project_name": "Fuel-efficient stoves",
    "standard": "VCS",
    "method": "reduction",
    "vintage": "2020",
    "serial_block": "0001-000001-000100-VCS-VCU-003-VER-US-0003-01012020-31122020-1",
    "block_start": "1",
    "block_end": "100",
    "quantity_t": "100",
    "retired_at": "2026-10-30",
    "retirement_reference": "R-20261030-17",
    "retirement_url": "https://registry.verra.org/app/search/VCS/Retirements/17",
    "beneficiary": "Customers of Carbon Ledger",
    "reason": "Compensation of AI usage",
    "corresponding_adjustment": "no",
    "evidence_sha256": "a" * 64,
}


def line(**other: str) -> dict[str, str]:
    """A line that is right, but for the cells that are given."""
    return {**VERRA, **other}


def block(start: int, end: int, *, registry: str = "acr", batch: str = "2010-203", **other: str) -> dict[str, str]:
    """A line of units ``start`` to ``end`` of a batch of a project."""
    tonnes = str(end - start + 1)
    text = f"ACR-US-192-{batch}-{start}-{end}"
    return line(
        **{"registry": registry, "serial_block": text, "block_start": str(start), "block_end": str(end), "quantity_t": tonnes, **other}
    )


def written(*lines: Mapping[str, str], columns: Iterable[str] = COLUMNS) -> bytes:
    """The file of these lines."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), extrasaction="ignore")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue().encode()
