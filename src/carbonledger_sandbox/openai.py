"""A stand-in of OpenAI's organization usage and costs (`/v1/organization/usage/*`, `/v1/organization/costs`).

Answers as the published specification says: buckets also where nothing happened, dimensions null unless grouped by, `input_tokens` with
cached and cache-write tokens inside, costs by the day. Of the ten usage endpoints the demo uses completions and embeddings; the others
are empty.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from starlette.requests import Request

from carbonledger_sandbox import buckets, calls, ratecard
from carbonledger_sandbox.refusals import Refused
from carbonledger_sandbox.state import Key, State, account_id

# What each usage endpoint can be grouped by.
_PEOPLE = ("project_id", "user_id", "api_key_id")
GROUPS = {
    "completions": (*_PEOPLE, "model", "batch", "service_tier"),
    "embeddings": (*_PEOPLE, "model"),
    "moderations": (*_PEOPLE, "model"),
    "images": (*_PEOPLE, "model", "size", "source"),
    "audio_speeches": (*_PEOPLE, "model"),
    "audio_transcriptions": (*_PEOPLE, "model"),
    "vector_stores": ("project_id",),
    "code_interpreter_sessions": ("project_id",),
    "file_search_calls": (*_PEOPLE, "vector_store_id"),
    "web_search_calls": (*_PEOPLE, "model", "context_level"),
}
DIMENSIONS: dict[str, buckets.Dimension] = {
    "project_id": lambda call: call.application.project,
    "user_id": lambda call: call.application.user,
    "api_key_id": lambda call: call.application.api_key,
    "model": lambda call: call.application.model,
    "batch": lambda call: call.application.batch,
    "service_tier": lambda call: call.application.tier,
}
FILTERS = {"project_ids": "project_id", "user_ids": "user_id", "api_key_ids": "api_key_id", "models": "model"}
COST_GROUPS = ("project_id", "line_item", "api_key_id")
COST_LIMITS = (7, 180)
LINE_ITEMS = {
    "uncached_input": "input",
    "cached_input": "cached input",
    "cache_creation_5m": "cache write input",
    "cache_creation_1h": "cache write input",
    "output": "output",
}


def account(state: State, request: Request) -> str:
    """Return whose admin key this is."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret:
        raise Refused(401, "Missing bearer authentication in header", code=None)
    key = _key(state, request)
    if key is None:
        raise Refused(401, "Incorrect API key provided.", code="invalid_api_key")
    if key.kind != "admin":
        raise Refused(403, "You have insufficient permissions for this operation. Missing scopes: api.usage.read.", code="missing_scope")
    return key.account


def headers(state: State, request: Request) -> dict[str, str]:
    """Return what an answer says beside its body: whose key it was, if that is known."""
    key = _key(state, request)
    return {} if key is None else {"openai-organization": f"org-{account_id(key.account).hex[:24]}"}


def _key(state: State, request: Request) -> Key | None:
    _, _, secret = request.headers.get("authorization", "").partition(" ")
    key = state.keys.get(secret.strip())
    return None if key is None or key.provider != "openai" or key.revoked else key


def usage(state: State, request: Request) -> dict[str, Any]:
    """`GET /v1/organization/usage/{endpoint}`."""
    endpoint = request.path_params["endpoint"]
    who = account(state, request)
    if endpoint not in GROUPS:
        raise Refused(404, f"Invalid URL (GET {request.url.path})", code="unknown_url")
    query = buckets.Query.parse(request.query_params.multi_items())
    width = query.width()
    asked = query.many("group_by", GROUPS[endpoint])
    page = _page(state, query, width_s=buckets.WIDTHS[width], limits=buckets.LIMITS[width])
    keep = _kept(query)
    found = [call for call in state.seen(who, page.start_s, page.end_s) if call.application.endpoint == endpoint and keep(call)]
    dimensions = [DIMENSIONS[name] for name in asked if name in DIMENSIONS]
    by_bucket = buckets.sums(
        found,
        bucket=lambda call: _bucket(state, call, page.width_s),
        dimensions=dimensions,
        zero=calls.Tokens(),
        add=lambda total, call: total + call.tokens,
    )
    if width != "1d":
        state.mark_read(who, page.start_s, page.end_s)
    result = _completions if endpoint == "completions" else _embeddings
    named = [name for name in GROUPS[endpoint] if name in DIMENSIONS]
    return _answer(
        page,
        {
            start: [result(total) | dict.fromkeys(named) | dict(zip(asked, group, strict=True)) for group, total in groups.items()]
            for start, groups in by_bucket.items()
        },
    )


def costs(state: State, request: Request, card: ratecard.RateCard) -> dict[str, Any]:
    """`GET /v1/organization/costs`."""
    who = account(state, request)
    query = buckets.Query.parse(request.query_params.multi_items())
    width = query.width(("1d",))
    asked = query.many("group_by", COST_GROUPS)
    page = _page(state, query, width_s=buckets.WIDTHS[width], limits=COST_LIMITS)
    keep = _kept(query)
    by_bucket: dict[int, dict[buckets.Group, tuple[int, Decimal]]] = {}
    for call in state.seen(who, page.start_s, page.end_s):
        if not keep(call):
            continue
        groups = by_bucket.setdefault(_bucket(state, call, page.width_s), {})
        for kind, (count, usd) in card.charges(call).items():
            names = {"project_id": call.application.project, "line_item": _line_item(call, kind), "api_key_id": call.application.api_key}
            group = tuple(names[name] for name in asked)
            tokens, amount = groups.get(group, (0, Decimal(0)))
            groups[group] = tokens + count, amount + usd
    return _answer(page, {start: [_cost(asked, *item) for item in groups.items()] for start, groups in by_bucket.items()})


def _page(state: State, query: buckets.Query, *, width_s: int, limits: tuple[int, int]) -> buckets.Page:
    start_s = _seconds(query, "start_time")
    if start_s is None:
        raise Refused(400, "Missing required parameter: 'start_time'.", code="missing_required_parameter", param="start_time")
    end_s = _seconds(query, "end_time")
    now_s = state.clock.now_s()
    if end_s is not None and end_s <= start_s:
        raise Refused(400, "end_time: must be after start_time", code="invalid_value", param="end_time")
    at = buckets.from_cursor(query.one("page"))
    if at is not None and not at.isdigit():
        raise Refused(400, "page: not a cursor", code="invalid_value", param="page")
    limit = query.limit(*limits)
    until_s = now_s if end_s is None else min(end_s, now_s)
    return buckets.page(start_s, until_s, width_s=width_s, limit=limit, cursor_s=None if at is None else int(at))


def _seconds(query: buckets.Query, name: str) -> int | None:
    given = query.one(name)
    if given is None:
        return None
    if not given.isascii() or not given.isdigit() or len(given) > 11:  # noqa: PLR2004 - the year 5138 is far enough
        raise Refused(400, f"{name}: must be Unix seconds", code="invalid_type", param=name)
    return int(given)


def _kept(query: buckets.Query) -> Callable[[calls.Call], bool]:
    chosen: dict[str, set[str | bool | None]] = {FILTERS[name]: set(query.many(name)) for name in FILTERS if query.many(name)}
    batch = query.many("batch", ("true", "false"))
    if batch:
        chosen["batch"] = {value == "true" for value in batch}
    return lambda call: all(DIMENSIONS[name](call) in values for name, values in chosen.items())


def _bucket(state: State, call: calls.Call, width_s: int) -> int:
    at_s = state.midnight_s + call.at_s
    return at_s - at_s % width_s


def _completions(total: calls.Tokens) -> dict[str, Any]:
    written = total.created_5m + total.created_1h
    return {
        "object": "organization.usage.completions.result",
        "input_tokens": total.input,
        "input_cached_tokens": total.cached,
        "input_cache_write_tokens": written,
        "input_uncached_tokens": total.uncached,
        "output_tokens": total.output,
        "input_text_tokens": total.uncached,
        "output_text_tokens": total.output,
        "input_cached_text_tokens": total.cached,
        **dict.fromkeys(("input_audio_tokens", "input_cached_audio_tokens", "output_audio_tokens"), 0),
        **dict.fromkeys(("input_image_tokens", "input_cached_image_tokens", "output_image_tokens"), 0),
        "num_model_requests": total.calls,
    }


def _embeddings(total: calls.Tokens) -> dict[str, Any]:
    return {"object": "organization.usage.embeddings.result", "input_tokens": total.input, "num_model_requests": total.calls}


def _line_item(call: calls.Call, kind: str) -> str:
    batch = ", batch" if call.application.batch else ""
    return f"{call.application.model}{batch}, {LINE_ITEMS[kind]}"


def _cost(asked: tuple[str, ...], group: buckets.Group, sums: tuple[int, Decimal]) -> dict[str, Any]:
    tokens, usd = sums
    itemized = "line_item" in asked
    return {
        "object": "organization.costs.result",
        "amount": {"value": float(usd), "currency": "usd"},  # a JSON number, as the provider sends it
        **dict.fromkeys(COST_GROUPS),
        **dict(zip(asked, group, strict=True)),
        "quantity": tokens if itemized else None,
        "quantity_unit": "tokens" if itemized else None,
    }


def _answer(page: buckets.Page, results: dict[int, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        "object": "page",
        "data": [
            {"object": "bucket", "start_time": start, "end_time": start + page.width_s, "results": results.get(start, [])}
            for start in page.starts
        ],
        "has_more": page.next_s is not None,
        "next_page": None if page.next_s is None else buckets.cursor(str(page.next_s)),
    }
