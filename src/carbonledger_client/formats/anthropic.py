"""Anthropic's usage: the table that the Console exports, and saved pages of ``GET /v1/organizations/usage_report/messages``.

One row is one time bucket of one combination of dimensions; the four input counts are disjoint, as ours are. No row counts requests:
they are unknown, not none. The table names keys and workspaces by their labels, so two rows of a bucket may look alike; those are told
apart by their order.
"""

from __future__ import annotations

from carbonledger_client import rows, times
from carbonledger_client.formats import shape

_COLUMNS = {
    "uncached_input": "usage_input_tokens_no_cache",
    "cached_input": "usage_input_tokens_cache_read",
    "cache_creation_5m": "usage_input_tokens_cache_write_5m",
    "cache_creation_1h": "usage_input_tokens_cache_write_1h",
    "output": "usage_output_tokens",
}
_TABLE = frozenset({"usage_date_utc", "model_version", "usage_output_tokens"})
_ROWS = (_TABLE, frozenset({"starting_at", "ending_at", "uncached_input_tokens", "output_tokens"}))
_OTHERS = {
    frozenset({"usage", "stop_reason"}): "it is an answer of the Messages API, not the usage that Anthropic reports",
    frozenset({"actor", "model_breakdown"}): "it is of the Claude Code report: fetch /v1/organizations/usage_report/messages",
}
_DATE_CHARS = 10
_DAY_S = 86_400
_PLACE_UNKNOWN = "not_available"
_DIMENSIONS = ("model", "api_key", "workspace", "service_tier", "context_window", "inference_geo", "speed")
_PAGE_ONLY = ("account_id", "service_account_id")
_KNOWN = frozenset(
    {"usage_date_utc", "model_version", "usage_type", "starting_at", "ending_at", "api_key_id", "workspace_id", *_DIMENSIONS, *_PAGE_ONLY}
)


def read(fields: rows.Fields) -> rows.Item:
    """Return the item of one row of the table or one result of a page."""
    if "token_type" in fields or "amount" in fields:
        raise rows.Rejected("not_usage", "These are costs, not usage: export the usage.")
    shape.require(fields, "anthropic", _ROWS, _OTHERS)
    return _of_table(fields) if "usage_date_utc" in fields else _of_page(fields)


def _of_table(fields: rows.Fields) -> rows.Item:
    date = rows.text(fields.get("usage_date_utc"), "usage_date_utc") or ""
    columns = _COLUMNS if _COLUMNS["cache_creation_5m"] in fields else {**_COLUMNS, "cache_creation_5m": "usage_input_tokens_cache_write"}
    tokens = {bucket: rows.count(fields.get(column), column) for bucket, column in columns.items() if column in fields}
    told = dict(zip(_DIMENSIONS, ("model_version", "api_key", "workspace", "usage_type", *_DIMENSIONS[4:]), strict=True))
    dimensions = {name: rows.text(fields.get(column), column) for name, column in told.items()}
    # An hour is written with its minutes and a minute likewise, so only the width of a day is known.
    width_s = _DAY_S if len(date) == _DATE_CHARS else None
    start = times.instant(date)
    key = rows.identity("anthropic-table", start, width_s, *dimensions.values(), *rows.other_dimensions(fields, _KNOWN))
    return _item(key, start, width_s, dimensions, tokens)


def _of_page(fields: rows.Fields) -> rows.Item:
    start = times.instant(fields.get("starting_at"))
    width_s = times.width_s(start, times.instant(fields.get("ending_at")))
    if width_s <= 0:
        raise rows.Rejected("bucket_width_invalid", "The bucket ends before it begins.")
    creation = fields.get("cache_creation")
    creation = creation if isinstance(creation, dict) else {}
    tokens = {
        "uncached_input": rows.count(fields.get("uncached_input_tokens"), "uncached_input_tokens"),
        "cached_input": rows.count(fields.get("cache_read_input_tokens"), "cache_read_input_tokens"),
        "cache_creation_5m": rows.count(creation.get("ephemeral_5m_input_tokens"), "ephemeral_5m_input_tokens"),
        "cache_creation_1h": rows.count(creation.get("ephemeral_1h_input_tokens"), "ephemeral_1h_input_tokens"),
        "output": rows.count(fields.get("output_tokens"), "output_tokens"),
    }
    told = dict(zip(_DIMENSIONS, ("model", "api_key_id", "workspace_id", *_DIMENSIONS[3:]), strict=True))
    dimensions = {name: rows.text(fields.get(column), column) for name, column in (told | {name: name for name in _PAGE_ONLY}).items()}
    key = rows.identity("anthropic", start, width_s, *dimensions.values(), *rows.other_dimensions(fields, _KNOWN))
    return _item(key, start, width_s, dimensions, tokens)


def _item(key: str, start: str, width_s: int | None, dimensions: dict[str, str | None], tokens: dict[str, int | None]) -> rows.Item:
    if not any(tokens.values()):
        raise rows.Skipped("empty bucket")
    if dimensions["model"] is None:
        raise rows.Rejected("model_missing", "It names no model: group the usage by model and export it again.")
    item: rows.Item = {
        "idempotency_key": key,
        "occurred_at": start,
        "provider": "anthropic",
        "model": dimensions["model"],
        "requests": None,
        "tokens": tokens,
        "properties": rows.properties(**{name: dimensions[name] for name in ("api_key", "workspace", "context_window", "speed")}),
    }
    if width_s is not None:
        item["duration_s"] = width_s
    if dimensions["service_tier"] is not None:
        item |= {"service_tier": dimensions["service_tier"], "batch": dimensions["service_tier"] == "batch"}
    if dimensions["inference_geo"] not in {None, _PLACE_UNKNOWN}:
        item["region"] = dimensions["inference_geo"]
    return item


FORMAT = shape.Format("anthropic", read, (_TABLE,), shape.buckets, repeats=True)
