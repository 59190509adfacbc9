"""OpenAI's usage: the table that the usage dashboard exports, and saved pages of ``GET /v1/organization/usage/{completions,embeddings}``.

Both tell the same members; one row is one time bucket of one combination of dimensions. ``input_tokens`` is the whole input, cached and
cache-write tokens inside it; where the source gives ``input_uncached_tokens`` too, the parts must add up. A write to the cache is kept
for a time that is not told, which is ``cache_creation_5m``.
"""

from __future__ import annotations

from carbonledger_client import rows, times
from carbonledger_client.formats import shape

# A table does not say which of those without output it is, so these share their keys: their models are never the same.
_COUNTED = {"completions": "completions", "embeddings": "input_only", "moderations": "input_only", "input_only": "input_only"}
_RESULT = "organization.usage."
_PARTS = {
    "input_audio_tokens": "audio_input",
    "input_image_tokens": "image_input",
    "input_cached_audio_tokens": "cached_audio_input",
    "input_cached_image_tokens": "cached_image_input",
    "output_audio_tokens": "audio_output",
    "output_image_tokens": "image_output",
}
_OTHERS = {frozenset({"usage", "choices"}): "it is an answer of the chat completions, not the usage that OpenAI reports"}
_DIMENSIONS = ("project_id", "user_id", "api_key_id", "model", "service_tier")
_KNOWN = frozenset({*_DIMENSIONS, "object", "batch", "start_time", "end_time"})
_TABLE = frozenset({"start_time", "end_time", "input_tokens"})
_ROWS = (_TABLE, frozenset({"start_time_iso", "end_time_iso", "input_tokens"}))
_WIDTHS_S = frozenset({60, 3600, 86_400})


def read(fields: rows.Fields) -> rows.Item:
    """Return the item of one result of one bucket."""
    kind = _kind(fields)
    requests = rows.count(fields.get("num_model_requests"), "num_model_requests")
    tokens = _tokens(fields)
    start = times.instant(fields.get("start_time") or fields.get("start_time_iso"))
    width_s = times.width_s(start, times.instant(fields.get("end_time") or fields.get("end_time_iso")))
    if not any(tokens.values()) and not requests:
        raise rows.Skipped("empty bucket")
    if width_s not in _WIDTHS_S:
        raise rows.Rejected("bucket_width_invalid", f"The bucket is {width_s} s wide; OpenAI's are a minute, an hour or a day.")
    batch = rows.truth(fields.get("batch"), "batch")
    dimensions = {name: rows.text(fields.get(name), name) for name in _DIMENSIONS}
    if dimensions["model"] is None:
        raise rows.Rejected("model_missing", "It names no model: group the usage by model and export it again.")
    item: rows.Item = {
        "idempotency_key": rows.identity(
            "openai", _COUNTED[kind], start, width_s, batch, *dimensions.values(), *rows.other_dimensions(fields, _KNOWN)
        ),
        "occurred_at": start,
        "provider": "openai",
        "model": dimensions["model"],
        "requests": requests,
        "tokens": tokens,
        "duration_s": width_s,
        "properties": rows.properties(project=dimensions["project_id"], api_key_id=dimensions["api_key_id"]),
    }
    if kind == "embeddings":
        item["operation"] = "embeddings"
    if batch is not None:
        item["batch"] = batch
    if dimensions["service_tier"] is not None:
        item["service_tier"] = dimensions["service_tier"]
    return item


def _kind(fields: rows.Fields) -> str:
    """Return which endpoint the row comes from. A table does not tell; only one of embeddings or moderations has no output column."""
    told = str(fields.get("object") or "")
    kind = told.removeprefix(_RESULT).removesuffix(".result")
    if told.startswith("organization.costs"):
        raise rows.Rejected("not_usage", "These are costs, not usage: export the usage.")
    if told.startswith(_RESULT) and kind not in _COUNTED:
        raise rows.Rejected("not_counted_in_tokens", f"{rows.shown(told)} is not counted in tokens.")
    shape.require(fields, "openai", _ROWS, _OTHERS)
    if told and kind not in _COUNTED:
        raise rows.Rejected("row_unknown", f"It calls itself {rows.shown(told)}, which is no result of OpenAI's usage.")
    return kind or ("completions" if "output_tokens" in fields else "input_only")


def _tokens(fields: rows.Fields) -> dict[str, int | None]:
    total = rows.count(fields.get("input_tokens"), "input_tokens")
    tokens = {
        "uncached_input": None,
        "cached_input": rows.count(fields.get("input_cached_tokens"), "input_cached_tokens"),
        "cache_creation_5m": rows.count(fields.get("input_cache_write_tokens"), "input_cache_write_tokens"),
        # Embeddings and moderations put nothing out, and have no such member.
        "output": rows.count(fields.get("output_tokens"), "output_tokens") if "output_tokens" in fields else 0,
    }
    rows.within_input(total, tokens)
    told = rows.count(fields.get("input_uncached_tokens"), "input_uncached_tokens")
    if told is not None and told != tokens["uncached_input"]:
        raise rows.Rejected(
            "parts_differ", f"It tells {told} uncached input tokens, but its other counts leave {tokens['uncached_input']} of {total}."
        )
    for column, part in _PARTS.items():
        if (number := rows.count(fields.get(column), column)) is not None:
            tokens[part] = number
    return {name: number for name, number in tokens.items() if number is not None or name in {"uncached_input", "output"}}


FORMAT = shape.Format("openai", read, (_TABLE,), shape.buckets)
