"""Steering the stand-ins from outside, for tests and the demo: `/control/*`, JSON in and out. No provider has this.

`GET /control` tells the state. `POST /control/clock` `{now?, advance_s?, frozen?}`, `/control/lag` `{lag_s}`, `/control/keys` `{key,
revoked}`, `/control/failures` (see ``faults``), `/control/revisions` and `/control/vanished` `{application, day, hour, …}`,
`/control/orders` `{order, status}`, `/control/reset`. `DELETE /control/failures` and `/control/vanished` forget. `GET /control/requests`
lists what was asked of the providers.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from carbonledger_sandbox import calls, climate, faults
from carbonledger_sandbox.state import Failure, Revision, State, Vanished

PROVIDERS = ("openai", "anthropic", "openrouter", "stripe")


class Unusable(ValueError):
    """The body of a control request makes no sense; the message says why."""


def routes(state: State) -> list[Route]:
    """Return the control routes."""
    known = calls.applications()

    async def show(_: Request) -> Response:
        return _answer(told(state))

    async def requests(_: Request) -> Response:
        return _answer(list(state.requests))

    async def forget(request: Request) -> Response:
        (state.failures if request.url.path.endswith("failures") else state.vanished).clear()
        return _answer(told(state))

    def change(act: Callable[[dict[str, Any]], None]) -> Callable[[Request], Awaitable[Response]]:
        async def apply(request: Request) -> Response:
            content = await request.body()
            try:
                act(json.loads(content) if content else {})
            except (TypeError, ValueError, KeyError) as error:
                return _answer({"error": f"{type(error).__name__}: {error}"}, 400)
            return _answer(told(state))

        return apply

    def hour(body: dict[str, Any]) -> dict[str, Any]:
        if body["application"] not in known:
            raise Unusable(f"no application {body['application']!r}")
        return body

    changes: dict[str, Callable[[dict[str, Any]], None]] = {
        "clock": lambda body: _clock(state, body),
        "lag": lambda body: setattr(state, "lag_s", int(body["lag_s"])),
        "keys": lambda body: setattr(state.keys[body["key"]], "revoked", bool(body["revoked"])),
        "failures": lambda body: state.failures.append(_failure(body)),
        "revisions": lambda body: state.revisions.append(Revision(**hour(body))),
        "vanished": lambda body: state.vanished.append(Vanished(**hour(body))),
        "orders": lambda body: climate.move(state, body["order"], body["status"]),
        "reset": lambda _: state.reset(),
    }
    return [
        Route("/control", show, methods=["GET"]),
        Route("/control/requests", requests, methods=["GET"]),
        Route("/control/failures", forget, methods=["DELETE"]),
        Route("/control/vanished", forget, methods=["DELETE"]),
        *(Route(f"/control/{name}", change(act), methods=["POST"]) for name, act in changes.items()),
    ]


def told(state: State) -> dict[str, Any]:
    """Return the state as JSON."""
    return {
        "now": datetime.fromtimestamp(state.clock.now_s(), UTC).isoformat(),
        "frozen": state.clock.frozen,
        "anchor_day": datetime.fromtimestamp(state.midnight_s, UTC).date().isoformat(),
        "lag_s": state.lag_s,
        "keys": [dataclasses.asdict(key) for key in state.keys.values()],
        "revisions": [dataclasses.asdict(revision) for revision in state.revisions],
        "vanished": [dataclasses.asdict(gone) for gone in state.vanished],
        "failures": [dataclasses.asdict(failure) for failure in state.failures if failure.times > 0],
    }


def _answer(body: object, status: int = 200) -> Response:
    return Response(json.dumps(body), status, media_type="application/json")  # also NaN, which a failure may hold


def instant(text: str) -> datetime:
    """Return an instant; one without an offset, or a bare date, is UTC."""
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def _clock(state: State, body: dict[str, Any]) -> None:
    if not body or body.keys() - {"now", "advance_s", "frozen"}:
        raise Unusable("give now, advance_s or frozen")
    now_s = int(instant(body["now"]).timestamp()) if "now" in body else state.clock.now_s()
    state.clock.set(now_s + int(body.get("advance_s", 0)), frozen=bool(body.get("frozen", state.clock.frozen)))


def _failure(body: dict[str, Any]) -> Failure:
    failure = Failure(**body)
    if failure.provider not in PROVIDERS or failure.kind not in faults.KINDS:
        raise Unusable(f"provider is one of {', '.join(PROVIDERS)}, kind one of {', '.join(faults.KINDS)}")
    failure.path = tuple(failure.path)
    return failure
