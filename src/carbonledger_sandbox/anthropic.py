"""A stand-in of Anthropic's usage and cost report (`/v1/organizations/usage_report/messages`, `/v1/organizations/cost_report`).

Answers as the reference pages say: instants in RFC 3339, four kinds of input that never overlap, no count of requests, dimensions null
unless grouped by, cost in cents as a decimal text and without what Priority Tier used.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from starlette.requests import Request

from carbonledger_sandbox import buckets, calls, ratecard
from carbonledger_sandbox.refusals import Refused
from carbonledger_sandbox.state import State, account_id

GEOS = ("global", "us", "not_available")
TIERS = ("standard", "batch", "priority")
WINDOWS = ("0-200k", "200k-1M")
SPEED_BETA = "fast-mode-2026-02-01"
CENTS = 100
DIMENSIONS: dict[str, buckets.Dimension] = {
    "api_key_id": lambda call: call.application.api_key,
    "workspace_id": lambda call: call.application.project,
    "model": lambda call: call.application.model,
    "service_tier": lambda call: call.application.tier,
    "context_window": lambda call: call.context_window,
    "inference_geo": lambda call: call.application.region,
    "account_id": lambda call: call.application.user,
    "service_account_id": lambda call: None,  # noqa: ARG005 - the demo has no service account
    "speed": lambda call: "standard",  # noqa: ARG005 - nor fast mode
}
FILTERS: dict[str, tuple[str, tuple[str, ...] | None]] = {
    "api_key_ids": ("api_key_id", None),
    "workspace_ids": ("workspace_id", None),
    "models": ("model", None),
    "account_ids": ("account_id", None),
    "service_tiers": ("service_tier", TIERS),
    "context_window": ("context_window", WINDOWS),
    "inference_geos": ("inference_geo", GEOS),
}
TOKEN_TYPES = {
    "uncached_input": ("uncached_input_tokens", "Input Tokens"),
    "cached_input": ("cache_read_input_tokens", "Input Tokens, Cache Read"),
    "cache_creation_5m": ("cache_creation.ephemeral_5m_input_tokens", "Input Tokens, Cache Write"),
    "cache_creation_1h": ("cache_creation.ephemeral_1h_input_tokens", "Input Tokens, Cache Write (1h)"),
    "output": ("output_tokens", "Output Tokens"),
}
DESCRIBED = ("description", "cost_type", "model", "token_type", "context_window", "service_tier", "inference_geo")


def account(state: State, request: Request) -> str:
    """Return whose admin key this is."""
    if "anthropic-version" not in request.headers:
        raise Refused(400, "anthropic-version: header is required")
    key = state.keys.get(request.headers.get("x-api-key", ""))
    if key is None or key.provider != "anthropic" or key.revoked:
        raise Refused(401, "invalid x-api-key")
    if key.kind != "admin":
        raise Refused(403, "This operation needs an Admin API key.")
    return key.account


def organization(state: State, request: Request) -> dict[str, Any]:
    """`GET /v1/organizations/me`."""
    who = account(state, request)
    return {"id": str(account_id(who)), "type": "organization", "name": who}


def messages(state: State, request: Request) -> dict[str, Any]:
    """`GET /v1/organizations/usage_report/messages`."""
    who = account(state, request)
    query = buckets.Query.parse(request.query_params.multi_items())
    asked = query.many("group_by", DIMENSIONS)
    if "speed" in asked and SPEED_BETA not in request.headers.get("anthropic-beta", ""):
        raise Refused(400, f"group_by: speed needs the beta header {SPEED_BETA}")
    width = query.width()
    page = _page(state, query, width_s=buckets.WIDTHS[width], limits=buckets.LIMITS[width])
    keep = _kept(query)
    by_bucket = buckets.sums(
        (call for call in state.seen(who, page.start_s, page.end_s) if keep(call)),
        bucket=lambda call: _bucket(state, call, page.width_s),
        dimensions=[DIMENSIONS[name] for name in asked],
        zero=calls.Tokens(),
        add=lambda total, call: total + call.tokens,
    )
    if width != "1d":
        state.mark_read(who, page.start_s, page.end_s)
    named = [name for name in DIMENSIONS if name != "speed"]
    return _answer(
        page,
        {
            start: [_usage(total) | dict.fromkeys(named) | dict(zip(asked, group, strict=True)) for group, total in groups.items()]
            for start, groups in by_bucket.items()
        },
    )


def cost(state: State, request: Request, card: ratecard.RateCard) -> dict[str, Any]:
    """`GET /v1/organizations/cost_report`."""
    who = account(state, request)
    query = buckets.Query.parse(request.query_params.multi_items())
    asked = query.many("group_by", ("workspace_id", "description"))
    query.width(("1d",))
    page = _page(state, query, width_s=calls.DAY_S, limits=buckets.LIMITS["1d"])
    by_bucket: dict[int, dict[tuple[Any, ...], Decimal]] = {}
    for call in state.seen(who, page.start_s, page.end_s):
        if call.application.tier == "priority":
            continue
        groups = by_bucket.setdefault(_bucket(state, call, page.width_s), {})
        for kind, (_, usd) in card.charges(call).items():
            group = (
                call.application.project if "workspace_id" in asked else None,
                *(_described(call, kind) if "description" in asked else [None] * len(DESCRIBED)),
            )
            groups[group] = groups.get(group, Decimal(0)) + usd
    return _answer(page, {start: [_cost(*item) for item in groups.items()] for start, groups in by_bucket.items()})


def instant(text: str, name: str) -> int:
    """Return an RFC 3339 instant in Unix seconds."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused(400, f"{name}: must be an RFC 3339 datetime") from error
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return int(found.timestamp())


def rfc3339(at_s: int) -> str:
    """Return Unix seconds as the provider writes instants."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _page(state: State, query: buckets.Query, *, width_s: int, limits: tuple[int, int]) -> buckets.Page:
    start, end = query.one("starting_at"), query.one("ending_at")
    if start is None:
        raise Refused(400, "starting_at: field required")
    start_s = instant(start, "starting_at")
    now_s = state.clock.now_s()
    until_s = now_s
    if end is not None:
        end_s = instant(end, "ending_at")
        if end_s <= start_s:
            raise Refused(400, "ending_at: must be after starting_at")
        until_s = min(end_s - end_s % width_s, now_s)  # "buckets that end before": a bucket that ends later is left out
    at = buckets.from_cursor(query.one("page"))
    cursor_s = None if at is None else instant(at, "page")
    return buckets.page(start_s, until_s, width_s=width_s, limit=query.limit(*limits), cursor_s=cursor_s)


def _kept(query: buckets.Query) -> Callable[[calls.Call], bool]:
    chosen = {dimension: set(query.many(name, allowed)) for name, (dimension, allowed) in FILTERS.items() if query.many(name)}
    return lambda call: all(DIMENSIONS[name](call) in values for name, values in chosen.items())


def _bucket(state: State, call: calls.Call, width_s: int) -> int:
    at_s = state.midnight_s + call.at_s
    return at_s - at_s % width_s


def _usage(total: calls.Tokens) -> dict[str, Any]:
    return {
        "uncached_input_tokens": total.uncached,
        "cache_creation": {"ephemeral_1h_input_tokens": total.created_1h, "ephemeral_5m_input_tokens": total.created_5m},
        "cache_read_input_tokens": total.cached,
        "output_tokens": total.output,
        "server_tool_use": {"web_search_requests": 0},
    }


def _described(call: calls.Call, kind: str) -> list[str]:
    token_type, words = TOKEN_TYPES[kind]
    application = call.application
    batch = " - Batch" if application.batch else ""
    return [
        f"{application.model} Usage{batch} - {words}",
        "tokens",
        application.model,
        token_type,
        call.context_window,
        application.tier,
        application.region,
    ]


def _cost(group: tuple[Any, ...], usd: Decimal) -> dict[str, Any]:
    workspace, *described = group
    return {
        "amount": f"{(usd * CENTS).normalize():f}",
        "currency": "USD",
        "workspace_id": workspace,
        **dict(zip(DESCRIBED, described, strict=True)),
    }


def _answer(page: buckets.Page, results: dict[int, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        "data": [
            {"starting_at": rfc3339(start), "ending_at": rfc3339(start + page.width_s), "results": results.get(start, [])}
            for start in page.starts
        ],
        "has_more": page.next_s is not None,
        "next_page": None if page.next_s is None else buckets.cursor(rfc3339(page.next_s)),
    }
