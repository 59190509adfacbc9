"""Rows that are items of the API already, one JSON object a line: checked, their time brought to UTC, otherwise as they are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo

from carbonledger_client import items, rows, times


def reader(zone: tzinfo) -> Callable[[rows.Fields], rows.Item]:
    """Return the function that reads a row; a time without an offset is one of ``zone``."""

    def read(fields: rows.Fields) -> rows.Item:
        strange = [name for name in fields if name not in items.MEMBERS and name not in items.METERED]
        if strange:
            raise rows.Rejected("member_unknown", f"An item has no {', '.join(map(rows.shown, strange[:5]))}. Other rows need --map.")
        item = dict(fields)
        item["occurred_at"] = times.instant(fields.get("occurred_at"), zone)
        if item.get("idempotency_key") is None:
            item.pop("idempotency_key", None)
        if item.get("requests") is not None:
            item["requests"] = rows.count(item["requests"], "requests")
        if isinstance(tokens := item.get("tokens"), dict):
            unknown = [name for name in tokens if name not in items.COUNTS]
            if unknown:
                raise rows.Rejected("bucket_unknown", f"There is no token bucket {', '.join(map(rows.shown, unknown[:5]))}.")
            item["tokens"] = {name: rows.count(value, name) for name, value in tokens.items()}
        return item

    return read
