"""A stand-in of OpenRouter's analytics (`POST /api/v1/analytics/query`, `GET /api/v1/analytics/meta`).

Answers as the published reference says: at most two dimensions, rows keyed `date__<granularity>`, newest first, counts as texts and
money as numbers, keys and workspaces by their names, and `truncated` when the limit cut rows off.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from starlette.requests import Request

from carbonledger_sandbox import buckets, calls, openrouter, ratecard
from carbonledger_sandbox.anthropic import instant
from carbonledger_sandbox.refusals import Refused
from carbonledger_sandbox.state import State

DIMENSIONS_MAX = 2
FILTERS_MAX = 20
LIMIT = 1000
LIMIT_MAX = 10_000
DAYS_MAX = 365
DAYS_MAX_BY_PROVIDER = 31
DEFAULT_DAYS = 7

Sums = tuple[calls.Tokens, Decimal]
METRICS: dict[str, Callable[[Sums], str | float]] = {
    "request_count": lambda sums: str(sums[0].calls),
    "tokens_prompt": lambda sums: str(sums[0].input),
    "tokens_completion": lambda sums: str(sums[0].output),
    "tokens_total": lambda sums: str(sums[0].input + sums[0].output),
    "cached_tokens": lambda sums: str(sums[0].cached),
    "reasoning_tokens": lambda sums: "0",  # noqa: ARG005 - the traces don't tell
    "total_usage": lambda sums: float(sums[1]),
    "credits_usage": lambda sums: float(sums[1]),
    "byok_usage": lambda sums: 0.0,  # noqa: ARG005 - the demo brings no keys of its own
    "cache_hit_rate": lambda sums: sums[0].cached / sums[0].input if sums[0].input else 0.0,
}
# What a row shows, and what a filter compares with.
SHOWN: dict[str, buckets.Dimension] = {
    "model": lambda call: call.application.model,
    "provider": lambda call: call.application.upstream,
    "workspace": lambda call: call.application.project_name,
    "api_key_id": lambda call: call.application.api_key,
    "user": lambda call: call.application.user.removeprefix("user_demo"),
}
COMPARED: dict[str, buckets.Dimension] = {
    "model": lambda call: call.application.permaslug,
    "provider": lambda call: call.application.upstream,
    "workspace": lambda call: call.application.project,
    "api_key_id": lambda call: call.application.api_key,
    "user": lambda call: call.application.user,
}
OPERATORS = {"eq": "scalar", "neq": "scalar", "in": "array", "not_in": "array"}
GRANULARITIES = ("minute", "hour", "day", "week", "month")


def meta(state: State, request: Request) -> dict[str, Any]:
    """`GET /api/v1/analytics/meta`."""
    openrouter.manager(state, request)
    rates = {"cache_hit_rate": "percent", "total_usage": "currency", "credits_usage": "currency", "byok_usage": "currency"}
    return {
        "data": {
            "metrics": [
                {
                    "name": name,
                    "display_label": _label(name),
                    "is_rate": name.endswith("_rate"),
                    "display_format": rates.get(name, "number"),
                }
                for name in METRICS
            ],
            "dimensions": [{"name": name, "display_label": _label(name)} for name in SHOWN],
            "operators": [{"name": name, "value_type": kind} for name, kind in OPERATORS.items()],
            "granularities": [{"name": name, "display_label": _label(name)} for name in GRANULARITIES],
        }
    }


async def query(state: State, request: Request, card: ratecard.RateCard) -> dict[str, Any]:
    """`POST /api/v1/analytics/query`."""
    who = openrouter.manager(state, request).account
    asked = _body(await request.body())
    metrics = _names(asked, "metrics", METRICS)
    if not metrics:
        raise Refused(400, "metrics: at least one is required")
    dimensions = _names(asked, "dimensions", SHOWN)
    if len(dimensions) > DIMENSIONS_MAX:
        raise Refused(400, f"dimensions: at most {DIMENSIONS_MAX}")
    granularity = asked.get("granularity")
    if granularity is not None and granularity not in GRANULARITIES:
        raise Refused(400, "granularity: not supported")
    start_s, end_s = _range(state, asked, "provider" in dimensions)
    keep = _kept(asked)
    found: dict[tuple[Any, ...], Sums] = {}
    for call in state.seen(who, start_s, end_s):
        if keep(call):
            at = () if granularity is None else (_bucket(state.midnight_s + call.at_s, granularity),)
            place = (*at, *(SHOWN[name](call) for name in dimensions))
            tokens, usd = found.get(place, (calls.Tokens(), Decimal(0)))
            found[place] = tokens + call.tokens, usd + card.total(call)
    if granularity in {"minute", "hour"}:
        state.mark_read(who, start_s, end_s)
    columns = (*([] if granularity is None else [f"date__{granularity}"]), *dimensions)
    rows = [dict(zip(columns, place, strict=True)) | {name: METRICS[name](sums) for name in metrics} for place, sums in found.items()]
    return _answer(asked, _ordered(asked, granularity, rows), dimensions, limit=_limit(asked, granularity, dimensions, len(rows)))


def _label(name: str) -> str:
    return name.replace("_", " ").title()


def _body(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError as error:
        raise Refused(400, "Invalid JSON body") from error
    if not isinstance(found, dict):
        raise Refused(400, "Invalid JSON body")
    return found


def _names(asked: dict[str, Any], field: str, known: dict[str, Any]) -> list[str]:
    names = asked.get(field, [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Refused(400, f"{field}: must be a list of names")
    wrong = [name for name in names if name not in known]
    if wrong:
        raise Refused(400, f"{field}: {wrong[0]!r} is not known")
    return names


def _range(state: State, asked: dict[str, Any], by_provider: bool) -> tuple[int, int]:  # noqa: FBT001 - one caller
    given = asked.get("time_range")
    now_s = state.clock.now_s()
    if given is None:
        return now_s - DEFAULT_DAYS * calls.DAY_S, now_s
    if not isinstance(given, dict) or not {"start", "end"} <= given.keys():
        raise Refused(400, "time_range: needs start and end")
    start_s, end_s = instant(str(given["start"]), "start"), instant(str(given["end"]), "end")
    most = DAYS_MAX_BY_PROVIDER if by_provider else DAYS_MAX
    if start_s >= end_s or end_s - start_s > most * calls.DAY_S:
        raise Refused(400, f"time_range: start must be before end, at most {most} days")
    return start_s, end_s


def _kept(asked: dict[str, Any]) -> Callable[[calls.Call], bool]:
    filters = asked.get("filters", [])
    if not isinstance(filters, list) or len(filters) > FILTERS_MAX or not all(isinstance(each, dict) for each in filters):
        raise Refused(400, f"filters: a list of at most {FILTERS_MAX} objects")
    tests: list[tuple[buckets.Dimension, set[str], bool]] = []
    for each in filters:
        field, operator, value = str(each.get("field")), str(each.get("operator")), each.get("value")
        if field not in COMPARED or operator not in OPERATORS:
            raise Refused(400, f"filters: {field!r} {operator!r} is not known")
        values = set(map(str, value)) if isinstance(value, list) else {str(value)}
        tests.append((COMPARED[field], values, operator in {"eq", "in"}))
    return lambda call: all((dimension(call) in values) is wanted for dimension, values, wanted in tests)


def _bucket(at_s: int, granularity: str) -> str:
    at = datetime.fromtimestamp(at_s, UTC)
    if granularity == "minute":
        return at.strftime("%Y-%m-%d %H:%M:00")
    if granularity == "hour":
        return at.strftime("%Y-%m-%d %H:00:00")
    if granularity == "week":
        at -= timedelta(days=at.weekday())
    return at.strftime("%Y-%m-01" if granularity == "month" else "%Y-%m-%d")


def _ordered(asked: dict[str, Any], granularity: str | None, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    order = asked.get("order_by")
    if order is not None and not isinstance(order, dict):
        raise Refused(400, "order_by: must be an object")
    field, backwards = (None, True) if order is None else (str(order.get("field")), order.get("direction") == "desc")
    if field in {None, "date"} and granularity is not None:
        field = f"date__{granularity}"
    if field is None:
        return rows
    if any(field not in row for row in rows):
        raise Refused(400, "order_by: must be a metric, a dimension or date of this query")
    return sorted(rows, key=lambda row: _weight(field, row[field]), reverse=backwards)


def _weight(field: str, value: Any) -> tuple[float, str]:  # noqa: ANN401 - a cell is a text or a number
    return (float(value), "") if field in METRICS else (0, str(value))


def _limit(asked: dict[str, Any], granularity: str | None, dimensions: list[str], rows: int) -> int:
    given = asked.get("limit")
    if given is None:
        # The service raises its default to hold every time bucket of every group.
        return min(max(LIMIT, rows), LIMIT_MAX) if granularity and dimensions else LIMIT
    if not isinstance(given, int) or not 1 <= given <= LIMIT_MAX:
        raise Refused(400, f"limit: must be from 1 to {LIMIT_MAX}")
    return given


def _answer(asked: dict[str, Any], rows: list[dict[str, Any]], dimensions: list[str], *, limit: int) -> dict[str, Any]:
    whole = len(rows)
    per_group = asked.get("group_limit")
    if per_group is not None and (not isinstance(per_group, int) or not 1 <= per_group <= LIMIT_MAX):
        raise Refused(400, f"group_limit: must be from 1 to {LIMIT_MAX}")
    if per_group is not None and dimensions:
        taken: dict[tuple[Any, ...], int] = {}
        kept = []
        for row in rows:
            group = tuple(row[name] for name in dimensions)
            taken[group] = taken.get(group, 0) + 1
            if taken[group] <= per_group:
                kept.append(row)
        rows = kept
    rows = rows[:limit]
    return {"data": {"data": rows, "metadata": {"query_time_ms": 1, "row_count": len(rows), "truncated": len(rows) < whole}}}
