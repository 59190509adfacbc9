"""LiteLLM's spend logs: an export of its table ``LiteLLM_SpendLogs``, or saved answers of ``GET /spend/logs``.

``prompt_tokens`` is the whole input, cache reads and writes inside it, for Anthropic's models too; their split is in the row's metadata
(``usage_object``, or in older rows ``additional_usage_values``). A row that LiteLLM answered from its own cache used no tokens. Messages
and answers, which a row may hold, are never read.
"""

from __future__ import annotations

from collections.abc import Iterator

from carbonledger_client import rows, times
from carbonledger_client.formats import shape

_OPERATIONS = {
    "completion": "chat",
    "acompletion": "chat",
    "anthropic_messages": "chat",
    "responses": "chat",
    "aresponses": "chat",
    "text_completion": "text_completion",
    "atext_completion": "text_completion",
    "embedding": "embeddings",
    "aembedding": "embeddings",
}
_TABLE = frozenset({"request_id", "startTime", "model", "prompt_tokens", "completion_tokens"})
_DAILY = "it is of /user/daily/activity, which sums calls by day: save GET /spend/logs instead"
_OTHERS = {
    frozenset({"results", "metadata"}): _DAILY,
    frozenset({"date", "metrics", "breakdown"}): _DAILY,
    frozenset({"startTime", "spend", "users", "models"}): "it is a day's sum of GET /spend/logs: ask with summarize=false",
}
_KEY_CHARS_MAX = 200


def read(fields: rows.Fields) -> rows.Item:
    """Return the item of one call."""
    shape.require(fields, "litellm", (_TABLE,), _OTHERS)
    if str(fields.get("cache_hit")).strip().lower() in {"true", "t", "1"}:
        raise rows.Skipped("answered from LiteLLM's own cache")
    name = rows.text(fields.get("request_id"), "request_id")
    if name is None:
        raise rows.Rejected("idempotency_key_missing", "The row has no request_id.")
    metadata = rows.nested(fields.get("metadata"))
    tokens = _tokens(fields, metadata)
    if not any(tokens.values()):
        raise rows.Skipped("call without tokens")
    key = f"litellm:{name}"
    provider = (rows.text(fields.get("custom_llm_provider"), "custom_llm_provider") or "").lower()
    item: rows.Item = {
        "idempotency_key": key if len(key) <= _KEY_CHARS_MAX else rows.identity("litellm", name),
        "occurred_at": times.instant(fields.get("startTime")),
        "provider": provider or None,
        "model": (rows.text(fields.get("model"), "model") or "").removeprefix(f"{provider}/") or None,
        "requests": 1,
        "tokens": tokens,
        "properties": rows.properties(team=rows.text(fields.get("team_id"), "team_id")),
        **rows.usd(fields.get("spend")),
    }
    operation = _OPERATIONS.get(str(fields.get("call_type")))
    return item if operation is None else {**item, "operation": operation}


def _tokens(fields: rows.Fields, metadata: rows.Fields) -> dict[str, int | None]:
    usages = [rows.nested(metadata.get(name)) for name in ("usage_object", "additional_usage_values")]
    prompt = [rows.nested(usage.get("prompt_tokens_details")) for usage in usages]
    completion = [rows.nested(usage.get("completion_tokens_details")) for usage in usages]
    lasting = [rows.nested(details.get("cache_creation_token_details")) for details in prompt]
    tokens = {
        "uncached_input": None,
        "cached_input": _first((*usages, "cache_read_input_tokens"), (*prompt, "cached_tokens")),
        "cache_creation_5m": _first((*lasting, "ephemeral_5m_input_tokens")),
        "cache_creation_1h": _first((*lasting, "ephemeral_1h_input_tokens")),
        "output": rows.count(fields.get("completion_tokens"), "completion_tokens"),
        "reasoning": _first((*completion, "reasoning_tokens")),
    }
    written = _first((*usages, "cache_creation_input_tokens"), (*prompt, "cache_creation_tokens"))
    if written is not None:
        # What the split does not tell was written for a time not told, which is the five-minute bucket.
        lasting_1h = tokens["cache_creation_1h"] or 0
        if lasting_1h > written:
            raise rows.Rejected("parts_differ", f"Of {written} cache-creation tokens it tells {lasting_1h} as kept an hour.")
        tokens["cache_creation_5m"] = written - lasting_1h
    rows.within_input(rows.count(fields.get("prompt_tokens"), "prompt_tokens"), tokens)
    return {name: number for name, number in tokens.items() if number is not None or name in {"uncached_input", "output"}}


def _first(*places: tuple[rows.Fields | str, ...]) -> int | None:
    """Return the first count that is told: of each place the objects are tried for its last entry, a name."""
    return next(_told(places), None)


def _told(places: tuple[tuple[rows.Fields | str, ...], ...]) -> Iterator[int]:
    for *objects, name in places:
        for found in objects:
            number = rows.count(found.get(str(name)), str(name)) if isinstance(found, dict) else None
            if number is not None:
                yield number


FORMAT = shape.Format("litellm", read, (_TABLE,), shape.each)
