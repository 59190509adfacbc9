"""OpenRouter's activity: the table of single generations, the table by day, and saved answers of ``GET /api/v1/activity``.

``tokens_prompt`` is the whole input with cached tokens inside it, reasoning tokens are inside the completion. The daily forms do not tell
cached tokens: they stay unknown, inside ``uncached_input``. A generation is known by its id, a day by its date, model and endpoint.
"""

from __future__ import annotations

from carbonledger_client import rows, times
from carbonledger_client.formats import shape

_DAY_S = 86_400
_DAILY_TABLE = {
    "Date": "date",
    "Slug": "model",
    "Usage": "usage",
    "Requests": "requests",
    "Prompt Tokens": "prompt_tokens",
    "Completion Tokens": "completion_tokens",
    "Reasoning Tokens": "reasoning_tokens",
}
_TABLES = (frozenset({"generation_id", "created_at", "tokens_prompt", "tokens_completion"}), frozenset({"Date", "Prompt Tokens"}))
_ROWS = (*_TABLES, frozenset({"date", "prompt_tokens", "completion_tokens"}))
_GENERATION = "it is of GET /generation, which names its counts otherwise: export the generations from the activity page"
_OTHERS = {
    frozenset({"data.id", "data.tokens_prompt"}): _GENERATION,
    frozenset({"id", "tokens_prompt", "native_tokens_prompt"}): _GENERATION,
    frozenset({"data.data", "data.metadata"}): "it is of /analytics/query, which the connection to OpenRouter reads: save GET /activity",
}
_DAY_KNOWN = frozenset({"date", "model"})  # permaslug, endpoint and workspace are what tells the rows of a day apart


def read(fields: rows.Fields) -> rows.Item:
    """Return the item of one generation or one day."""
    shape.require(fields, "openrouter", _ROWS, _OTHERS)
    if "generation_id" in fields:
        return _generation(fields)
    if "Date" in fields:
        named = {ours: fields.get(theirs) for theirs, ours in _DAILY_TABLE.items()}
        # Whatever else the table is grouped by keeps its rows apart.
        return _day(named, rows.other_dimensions(fields, _DAILY_TABLE))
    return _day(fields, rows.other_dimensions(fields, _DAY_KNOWN))


def _generation(fields: rows.Fields) -> rows.Item:
    name = rows.text(fields.get("generation_id"), "generation_id")
    if name is None:
        raise rows.Rejected("idempotency_key_missing", "The generation has no id.")
    tokens = _tokens(fields, ("tokens_prompt", "tokens_completion", "tokens_reasoning"))
    tokens["cached_input"] = rows.count(fields.get("tokens_cached"), "tokens_cached")
    rows.within_input(tokens["uncached_input"], tokens)
    start = times.instant(fields.get("created_at"))
    if not any(tokens.values()):
        raise rows.Skipped("generation without tokens")
    return {
        "idempotency_key": f"openrouter:{name}",
        "occurred_at": start,
        "provider": "openrouter",
        "model": rows.text(fields.get("model_permaslug"), "model_permaslug") or rows.text(fields.get("model"), "model"),
        "requests": 1,
        "tokens": _known(tokens),
        "properties": rows.properties(
            upstream=rows.text(fields.get("provider_name"), "provider_name"),
            api_key=rows.text(fields.get("api_key_name"), "api_key_name"),
            app=rows.text(fields.get("app_name"), "app_name"),
        ),
        **rows.usd(fields.get("cost_total")),
    }


def _day(fields: rows.Fields, rest: list[str]) -> rows.Item:
    tokens = _tokens(fields, ("prompt_tokens", "completion_tokens", "reasoning_tokens"))
    requests = rows.count(fields.get("requests"), "requests")
    start = times.instant(fields.get("date"))
    if not any(tokens.values()) and not requests:
        raise rows.Skipped("empty bucket")
    model = rows.text(fields.get("model"), "model")
    if model is None:
        raise rows.Rejected("model_missing", "It names no model: group the activity by model and export it again.")
    return {
        "idempotency_key": rows.identity("openrouter-day", start, model, *rest),
        "occurred_at": start,
        "provider": "openrouter",
        "model": model,
        "requests": requests,
        "tokens": _known(tokens),
        "duration_s": _DAY_S,
        "properties": rows.properties(upstream=rows.text(fields.get("provider_name"), "provider_name")),
        **rows.usd(fields.get("usage")),
    }


def _tokens(fields: rows.Fields, names: tuple[str, str, str]) -> dict[str, int | None]:
    counts = (rows.count(fields.get(name), name) for name in names)
    return dict(zip(("uncached_input", "output", "reasoning"), counts, strict=True))


def _known(tokens: dict[str, int | None]) -> dict[str, int | None]:
    return {name: number for name, number in tokens.items() if number is not None or name in {"uncached_input", "output"}}


FORMAT = shape.Format("openrouter", read, _TABLES, shape.each)
