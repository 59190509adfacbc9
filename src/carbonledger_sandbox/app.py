"""The web application of the stand-ins: three usage APIs and Stripe Climate under a prefix each, and ``control``."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from carbonledger_sandbox import analytics, anthropic, climate, control, faults, openai, openrouter, ratecard
from carbonledger_sandbox.refusals import Refused
from carbonledger_sandbox.state import State


def create(state: State) -> Starlette:
    """Build the application over one state."""
    card = ratecard.shipped()

    def route(path: str, answer: Callable[[Request], dict[str, Any]]) -> Route:
        async def handler(request: Request) -> dict[str, Any]:
            return answer(request)

        provider = path.split("/")[1]
        beside = functools.partial(openai.headers, state) if provider == "openai" else None
        return Route(path, faults.endpoint(state, provider, handler, headers=beside), methods=["GET"])

    async def query(request: Request) -> dict[str, Any]:
        return await analytics.query(state, request, card)

    def of_climate(path: str, answer: Callable[[State, Request], Awaitable[dict[str, Any]]], *, method: str = "GET") -> Route:
        async def handler(request: Request) -> dict[str, Any]:
            return await answer(state, request)

        return Route(f"/stripe/v1/climate/{path}", faults.endpoint(state, "stripe", handler), methods=[method])

    def elsewhere(provider: str) -> Route:
        async def nothing(request: Request) -> dict[str, Any]:
            raise Refused(404, f"Not found: {request.method} {request.url.path}")

        return Route(f"/{provider}/{{path:path}}", faults.endpoint(state, provider, nothing), methods=["GET", "POST"])

    return Starlette(
        routes=[
            route("/openai/v1/organization/usage/{endpoint}", lambda request: openai.usage(state, request)),
            route("/openai/v1/organization/costs", lambda request: openai.costs(state, request, card)),
            route("/anthropic/v1/organizations/me", lambda request: anthropic.organization(state, request)),
            route("/anthropic/v1/organizations/usage_report/messages", lambda request: anthropic.messages(state, request)),
            route("/anthropic/v1/organizations/cost_report", lambda request: anthropic.cost(state, request, card)),
            route("/openrouter/api/v1/activity", lambda request: openrouter.activity(state, request, card)),
            route("/openrouter/api/v1/credits", lambda request: openrouter.credit(state, request, card)),
            route("/openrouter/api/v1/key", lambda request: openrouter.own_key(state, request, card)),
            route("/openrouter/api/v1/analytics/meta", lambda request: analytics.meta(state, request)),
            Route("/openrouter/api/v1/analytics/query", faults.endpoint(state, "openrouter", query), methods=["POST"]),
            of_climate("products", climate.products),
            of_climate("orders", climate.orders),
            of_climate("orders", climate.make, method="POST"),
            of_climate("orders/{order}", climate.order),
            *control.routes(state),
            *(elsewhere(provider) for provider in control.PROVIDERS),
        ]
    )
