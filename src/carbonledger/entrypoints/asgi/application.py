"""The web application: the outermost layer of every request.

    request id, client address -> find the operation -> its own order of things (``rest.routing``) -> problem or answer
    -> headers -> send -> log line and measurements

One layer does what elsewhere is a stack of middlewares, because each of those costs every request. Nothing leaves it as an exception: a
``Fault`` becomes its problem document, anything else is logged once with its traceback and becomes a 500 that says only its request id.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Final

import structlog
from starlette.responses import Response

from carbonledger import bootstrap
from carbonledger.entrypoints.asgi import headers, table
from carbonledger.entrypoints.rest import problems, routing
from carbonledger.entrypoints.shared import addresses, exchange, faults
from carbonledger.infra import clock
from carbonledger.infra.observe import logs, metrics, tracing
from carbonledger.kernel import errors

PATH_CHARS_MAX = 4_096
QUERY_BYTES_MAX = 8_192
_PROBES: Final = frozenset({"/health", "/health/ready", "/metrics"})  # asked every few seconds: their lines are for debugging only
_CLIENT_GONE: Final = 499  # what the log says of a request whose client left before it was whole; nothing is sent

log = structlog.get_logger(__name__)

Opener = Callable[[bootstrap.Services], contextlib.AbstractAsyncContextManager[routing.Edge]]
Refusal = Callable[[exchange.Exchange, errors.Fault], exchange.Answer]


class Application:
    """The ASGI application. It serves while ``running``, which a server enters through ASGI's lifespan."""

    def __init__(
        self, services: bootstrap.Services, *, routes: Iterable[routing.Route], opener: Opener, refusal: Refusal | None = None
    ) -> None:
        """``opener`` opens what answering takes when the application starts, and closes it when it stops.

        ``refusal`` tells what failed before an operation was found; a problem document without it.
        """
        self._services = services
        self._refusal = refusal or _refusal
        self._opener = opener
        self._edge: routing.Edge | None = None
        self._table = table.Table(routes)
        self._headers = headers.Headers(services.settings)
        self._proxies = addresses.Proxies(services.settings.trusted_proxies)
        self._requests = metrics.Requests()

    async def __call__(self, scope: exchange.Scope, receive: exchange.Receive, send: exchange.Send) -> None:
        """Serve one connection event of ASGI."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hold what answering takes while the block runs."""
        async with self._opener(self._services) as edge:
            self._edge = edge
            try:
                yield
            finally:
                self._edge = None

    async def _live(self, receive: exchange.Receive, send: exchange.Send) -> None:
        await receive()
        try:
            async with self.running():
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except Exception as error:
            log.exception("the application could not start or stop")
            await send({"type": "lifespan.startup.failed", "message": f"{type(error).__name__}: see the log"})
            raise
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: exchange.Scope, receive: exchange.Receive, send: exchange.Send) -> None:
        request = exchange.Exchange(scope, receive, at=clock.now())
        request.address = self._proxies.client(scope)
        traceparent = tracing.traceparent_from(request.headers.get("traceparent"))
        if traceparent is None:
            logs.begin(request_id=request.request_id)
        else:
            logs.begin(request_id=request.request_id, traceparent=traceparent)
        self._requests.open += 1
        try:
            status = await self._traced(request, traceparent, send)
        finally:
            self._requests.open -= 1
        self._note(request, status)

    async def _traced(self, request: exchange.Exchange, traceparent: str | None, send: exchange.Send) -> int:
        """Answer in a span, while tracing is on, and return the status."""
        if tracing.active is None:
            return await self._respond(request, send)
        facts = {"http.request.method": request.method, "carbonledger.request_id": request.request_id}
        with tracing.active.span("request", part="request", parent=traceparent, attributes=facts) as span:
            status = await self._respond(request, send)
            span.update_name(f"{request.method} {request.route}")
            span.set_attributes({"http.route": request.route, "http.response.status_code": status})
        return status

    async def _respond(self, request: exchange.Exchange, send: exchange.Send) -> int:
        """Answer, and return the status."""
        try:
            answer = await self._answer(request)
            if isinstance(answer, Response):
                await self._stream(request, answer, send)
                return answer.status_code
            await self._send(request, answer, send)
        except faults.ClientGone:
            return _CLIENT_GONE
        return answer.status

    async def _answer(self, request: exchange.Exchange) -> exchange.Answer | Response:
        refusal = self._refusal
        try:
            _check_length(request)
            preflight = self._headers.preflight(request)
            if preflight is not None:
                return preflight
            route, path = self._table.find(request.method, request.path)
            request.route = route.path
            request.cache_s = route.options.cache_s
            refusal = route.refusal
            return await route.answer(request, path, self._opened())
        except errors.Fault as fault:
            if fault.kind is errors.Kind.INTERNAL:
                log.exception("request failed", route=request.route)
            return refusal(request, fault)
        except faults.ClientGone:
            raise
        except Exception:
            log.exception("request failed", route=request.route)
            return refusal(request, errors.Fault())

    def _opened(self) -> routing.Edge:
        if self._edge is None:
            raise RuntimeError("the application answers only while it is running")
        return self._edge

    async def _send(self, request: exchange.Exchange, answer: exchange.Answer, send: exchange.Send) -> None:
        own = answer.headers
        if answer.media_type is not None:
            own = [(b"content-type", answer.media_type), *own]
        cache_s = request.cache_s if answer.status < 300 else None  # noqa: PLR2004 - a failure is never cached
        whole = self._headers.of(request, own, cache_s=cache_s)
        if answer.status not in {204, 304}:
            whole.append((b"content-length", str(len(answer.body)).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": whole})
        await send({"type": "http.response.body", "body": answer.body})

    async def _stream(self, request: exchange.Exchange, response: Response, send: exchange.Send) -> None:
        async def with_headers(message: exchange.Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = self._headers.of(request, list(message["headers"]), cache_s=request.cache_s)
            await send(message)

        await response(request.scope, request.receive, with_headers)

    def _note(self, request: exchange.Exchange, status: int) -> None:
        """Write the request's line, and measure it."""
        seconds = request.seconds()
        self._requests.seen(route=request.route, method=request.method, status=status, seconds=seconds)
        facts: dict[str, Any] = {
            "method": request.method if request.route != exchange.UNMATCHED else "",
            "route": request.route,
            "status": status,
            "duration_ms": round(seconds * 1000, 2),
        }
        actor = request.actor
        if actor is not None:
            facts["organization_id"] = actor.organization_id
            facts["actor_kind"] = actor.kind.value
            facts["actor_id"] = actor.id
        logs.plain("request", facts, logger=__name__, level="debug" if request.route in _PROBES else "info")


def _refusal(request: exchange.Exchange, fault: errors.Fault) -> exchange.Answer:
    return problems.answer(fault, request_id=request.request_id)


def _check_length(request: exchange.Exchange) -> None:
    if len(request.path) > PATH_CHARS_MAX or len(request.scope["query_string"]) > QUERY_BYTES_MAX:
        raise faults.AddressTooLong(f"A path may have {PATH_CHARS_MAX} characters and a query {QUERY_BYTES_MAX}.")
