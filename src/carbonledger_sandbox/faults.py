"""What goes wrong on purpose: every answer of a provider passes here, and leaves as it is unless a failure waits for it.

Kinds: ``rate_limit`` (429, with Retry-After where given), ``server_error`` (500), ``html`` (a page of a proxy, with status 200),
``slow`` (the right answer, late), ``half_page`` (cut in the middle), ``short_body`` (fewer bytes than announced), ``repeat_page`` (what
the path answered last, again), ``loop_cursor`` (a next page that is this page), ``replace`` (one value of the answer is another).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from carbonledger_sandbox import buckets, refusals
from carbonledger_sandbox.refusals import Refused
from carbonledger_sandbox.state import Failure, State

HTML = "<!doctype html><title>Just a moment...</title><p>Checking your browser before you go on.</p>"
BEFORE = frozenset({"rate_limit", "server_error", "html"})  # the provider's own code never ran
KINDS = (*sorted(BEFORE), "slow", "half_page", "short_body", "repeat_page", "loop_cursor", "replace")

Handler = Callable[[Request], Awaitable[dict[str, Any]]]
Headers = Callable[[Request], dict[str, str]]


def endpoint(state: State, provider: str, handler: Handler, *, headers: Headers | None = None) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of a provider that answers with what ``handler`` returns, beside what ``headers`` does."""

    async def answer(request: Request) -> Response:
        path = request.url.path
        failure = state.failure(provider, path)
        if failure is not None and failure.kind in BEFORE:
            response = _instead(provider, failure)
        else:
            if failure is not None and failure.kind == "slow":
                await asyncio.sleep(failure.delay_s)
            try:
                response = _spoilt(state, request, failure, await handler(request))
            except Refused as refused:
                response = refusals.response(provider, refused)
            response.headers.update({} if headers is None else headers(request))
        state.requests.append(
            {"provider": provider, "method": request.method, "path": path, "query": request.url.query, "status": response.status_code}
        )
        return response

    return answer


def _instead(provider: str, failure: Failure) -> Response:
    if failure.kind == "html":
        return Response(HTML, media_type="text/html")
    if failure.kind == "server_error":
        return refusals.response(provider, Refused(500, "The server had an error while processing your request."))
    if failure.retry_after_s is None:
        return refusals.response(provider, Refused(429, "You exceeded your current quota.", code="insufficient_quota"))
    headers = {"retry-after": str(failure.retry_after_s)}
    return refusals.response(provider, Refused(429, "Rate limit reached.", code="rate_limit_exceeded"), headers)


def _spoilt(state: State, request: Request, failure: Failure | None, body: dict[str, Any]) -> Response:
    path = request.url.path
    kind = None if failure is None else failure.kind
    if failure is not None and kind == "replace":
        body = replaced(body, failure.path, failure.value)
    if kind == "loop_cursor" and "next_page" in body:
        body |= {"has_more": True, "next_page": request.query_params.get("page") or body["next_page"] or buckets.cursor("0")}
    content = json.dumps(body).encode()
    if kind == "repeat_page":
        content = state.last_bodies.get(path, content)
    state.last_bodies[path] = content
    if kind == "half_page":
        content = content[: len(content) // 2]
    response = Response(content, media_type="application/json")
    if kind == "short_body":
        response.headers["content-length"] = str(len(content) + 100)
    return response


def replaced(body: Any, path: tuple[str | int, ...], value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a copy of ``body`` in which the value at ``path`` is another; numbers count in lists, names in objects."""
    if not path:
        return value
    step, *rest = path
    copy: Any = list(body) if isinstance(body, list) else dict(body)
    copy[step] = replaced(body[step] if rest else None, tuple(rest), value)
    return copy
