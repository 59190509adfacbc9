"""A stand-in of OpenRouter's account side: activity, credits, the key (`/api/v1/*`).

Answers as the published specification says: `activity` has the last 30 completed UTC days, needs a management key, is not paged and
does not tell cached tokens apart. The hourly numbers are ``analytics``.
"""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from starlette.requests import Request

from carbonledger_sandbox import buckets, calls, ratecard
from carbonledger_sandbox.refusals import Refused
from carbonledger_sandbox.state import Key, State

ACTIVITY_DAYS = 30
NAMESPACE = uuid.UUID("5a7c9d1e-8f20-4b36-9c58-7e1a2b3c4d5e")  # of the demo's endpoint ids


def key(state: State, request: Request) -> Key:
    """Return the key of a request."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret:
        raise Refused(401, "Missing Authentication header")
    found = state.keys.get(secret.strip())
    if found is None or found.provider != "openrouter" or found.revoked:
        raise Refused(401, "User not found.")
    return found


def manager(state: State, request: Request) -> Key:
    """Return the key of a request that only a management key may make."""
    found = key(state, request)
    if found.kind != "admin":
        raise Refused(403, "Only management keys can perform this operation")
    return found


def activity(state: State, request: Request, card: ratecard.RateCard) -> dict[str, Any]:
    """`GET /api/v1/activity`."""
    who = manager(state, request).account
    query = buckets.Query.parse(request.query_params.multi_items())
    by_workspace = bool(query.many("group_by", ("workspace",)))
    start_s, end_s = _days(state, query.one("date"))
    workspace, user = query.one("workspace_id"), query.one("user_id")
    found: dict[tuple[str, str, str, str | None], tuple[calls.Call, calls.Tokens, Decimal]] = {}
    for call in state.seen(who, start_s, end_s):
        application = call.application
        if (workspace is not None and application.project != workspace) or (user is not None and application.user != user):
            continue
        day = datetime.fromtimestamp(state.midnight_s + call.at_s, UTC).date().isoformat()
        place = (day, application.permaslug, application.upstream, application.project if by_workspace else None)
        _, tokens, usd = found.get(place, (call, calls.Tokens(), Decimal(0)))
        found[place] = call, tokens + call.tokens, usd + card.total(call)
    rows = sorted(found.items(), key=lambda item: (item[0][0], item[0][1]), reverse=True)
    return {"data": [_item(place, *sums) for place, sums in rows]}


def credit(state: State, request: Request, card: ratecard.RateCard) -> dict[str, Any]:
    """`GET /api/v1/credits`."""
    who = manager(state, request).account
    bought = Decimal(state.accounts["credits_usd"].get(who, "0"))
    return {"data": {"total_credits": float(bought), "total_usage": float(_spent(state, card, who, 0))}}


def own_key(state: State, request: Request, card: ratecard.RateCard) -> dict[str, Any]:
    """`GET /api/v1/key`: what the key itself used, which for a management key is nothing."""
    found = key(state, request)
    manages = found.kind == "admin"
    today = datetime.fromtimestamp(state.clock.now_s(), UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    starts = {
        "usage": 0,
        "usage_daily": int(today.timestamp()),
        "usage_weekly": int((today - timedelta(days=today.weekday())).timestamp()),
        "usage_monthly": int(today.replace(day=1).timestamp()),
    }
    used = {name: 0.0 if manages else float(_spent(state, card, found.account, start_s)) for name, start_s in starts.items()}
    return {
        "data": {
            "label": f"{found.key[:12]}...{found.key[-3:]}",
            "limit": None,
            "limit_remaining": None,
            "limit_reset": None,
            "include_byok_in_limit": False,
            "is_free_tier": False,
            "is_management_key": manages,
            "is_provisioning_key": manages,
            "creator_user_id": "user_demoMaja",
            "expires_at": None,
            **used,
            **dict.fromkeys(("byok_usage", "byok_usage_daily", "byok_usage_weekly", "byok_usage_monthly"), 0),
            "rate_limit": {"requests": -1, "interval": "10s", "note": "This field is deprecated and safe to ignore."},
        }
    }


def _days(state: State, given: str | None) -> tuple[int, int]:
    """Return the completed days that are asked for, in Unix seconds."""
    today_s = state.clock.now_s() - state.clock.now_s() % calls.DAY_S
    first_s = today_s - ACTIVITY_DAYS * calls.DAY_S
    if given is None:
        return first_s, today_s
    try:
        day = date.fromisoformat(given)
    except ValueError as error:
        raise Refused(400, "Date must be in YYYY-MM-DD format") from error
    start_s = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    if not first_s <= start_s < today_s:
        raise Refused(400, "Date must be within the last 30 (completed) UTC days")
    return start_s, start_s + calls.DAY_S


def _spent(state: State, card: ratecard.RateCard, account: str, start_s: int) -> Decimal:
    return sum((card.total(call) for call in state.seen(account, start_s, state.clock.now_s())), Decimal(0))


def _item(place: tuple[str, str, str, str | None], call: calls.Call, tokens: calls.Tokens, usd: Decimal) -> dict[str, Any]:
    day, permaslug, upstream, workspace = place
    item: dict[str, Any] = {
        "date": day,
        "model": call.application.model,
        "model_permaslug": permaslug,
        "endpoint_id": str(uuid.uuid5(NAMESPACE, f"{permaslug} {upstream}")),
        "provider_name": upstream,
        "usage": float(usd),  # a JSON number, as the provider sends it
        "byok_usage_inference": 0,
        "requests": tokens.calls,
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "reasoning_tokens": 0,
    }
    return item if workspace is None else {**item, "workspace_id": workspace}
