"""Our own entries of the price book as what they settle, for a person who wants to know whom we follow and why.

Owns that view alone. What an entry does to a price is ``entries`` and ``timelines``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from carbonledger.domains.pricing import types


def settled(overrides: bytes) -> tuple[types.Settled, ...]:
    """Return the entries by provider, in the order of the file. Raises ``BookUnreadable``."""
    try:
        return tuple(sorted(_entries(json.loads(overrides)), key=lambda one: one.provider))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise types.BookUnreadable(f"The overrides do not have the form that this version reads: {error!r}") from error


def _entries(ours: Mapping[str, Any]) -> Iterator[types.Settled]:
    for row in ours["prices"]:
        yield _settled(row, service=row.get("service", types.STANDARD), prices={kind: _text(price) for kind, price in row["rates"].items()})
    for row in ours["batches"]:
        yield _settled(row, service=types.BATCH, times=row["times"])
    for row in ours["regions"]:
        yield _settled(row, service=f"region {row['region']}", times=row["times"])


def _settled(row: Mapping[str, Any], *, service: str, prices: Mapping[str, str] | None = None, times: str | None = None) -> types.Settled:
    return types.Settled(
        rule=f"override:{row['id']}",
        provider=row["provider"],
        models=tuple(row.get("models", ())),
        service=service,
        starts_on=row.get("from"),
        ends_on=row.get("to"),
        prices=prices or {},
        times=times,
        kinds=tuple(row.get("kinds", ())),
        hours=tuple((start, end) for start, end in row.get("hours", ())),
        days=tuple(row.get("days", ())),
        reason=row["reason"],
        links=tuple(row["links"]),
        decided_on=date.fromisoformat(row["date"]),
        is_disputed="disputed" in row,
    )


def _text(price: object) -> str:
    """Return a price as text; one with price tiers as ``3, above 200000: 6``."""
    if not isinstance(price, list):
        return str(price)
    base, *above = price
    return ", ".join((str(base), *(f"above {edge}: {text}" for edge, text in above)))
