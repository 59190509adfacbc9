"""How an operation is declared and answered: the one order of things that every REST operation shares.

    who calls -> how often -> may they -> body and parameters -> transaction -> idempotency -> endpoint -> keep the answer -> commit

FastAPI describes operations (signatures, models, OpenAPI); this module runs them itself, because the machinery FastAPI puts around an
endpoint costs more than all of the above (ADR 0006). An endpoint is a few lines: parse, call one use case, convert.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Required, TypedDict, TypeVar, Unpack

import pydantic
from fastapi import routing
from starlette.responses import Response

from carbonledger import bootstrap
from carbonledger.domains.identity import types as identity_types
from carbonledger.entrypoints.rest import call as calls
from carbonledger.entrypoints.rest import parameters, problems
from carbonledger.entrypoints.shared import access, bodies, exchange, gate, strict_json
from carbonledger.infra import db, idempotency, settings
from carbonledger.kernel import errors

Call = calls.Call
CallDep = calls.CallDep
Edge = calls.Edge
Endpoint = TypeVar("Endpoint", bound=Callable[..., Awaitable[Any]])
Check = Callable[[bootstrap.Services], None]
Before = Callable[..., Awaitable[Any]]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

_REPEATED_HEADERS: Final = frozenset({b"location"})  # what a replay repeats besides the media type; the rest belongs to each exchange
_JSON = "application/json"
PUBLIC_BODY_BYTES: Final = 64 * 1024  # who may be anybody says little: an e-mail address, a password, a webhook
SMALL_BODY_BYTES: Final = 2**20  # the model of one thing with its lists; what takes tables says large=True


class Examples(TypedDict, total=False):
    """What a caller sees as example, and what the tests call the operation with."""

    parameters: Mapping[str, Any]
    request: Any
    response: Any


@dataclass(frozen=True, slots=True)
class Options:
    """What a route asks for beyond the usual."""

    transaction: bool = True
    """False: the endpoint opens its own transactions, and commits what must stay although it raises."""
    read_only: bool = False
    """Its transaction can only read, which saves the round trip of a commit."""
    idempotent: bool = False
    seals_answer: bool = False
    """The answer holds a secret: it is kept sealed, and never cached."""
    raw: tuple[str, ...] = ()
    """Media types that the endpoint reads itself, from ``call.body``."""
    body_model: type[pydantic.BaseModel] | None = None
    """What a JSON body that the endpoint reads itself looks like, for the document alone."""
    answers: tuple[str, ...] = ()
    """Media types that the endpoint writes itself, as a Starlette response; after the commit, so a stream opens its own transactions."""
    large: bool = False
    """Takes bodies, and arrays in them, up to the installation's limit; its model bounds its lists itself."""
    ingest: bool = False
    """Takes bodies up to the installation's limit for ingest."""
    open_query: bool = False
    cache_s: int | None = None
    """How long anybody may keep the answer; None: nobody, at all."""
    check: Check | None = None
    """Raises what stands in the way of every request here, such as a part that is off, before a body is read."""
    before: Before | None = None
    """Asks an outside system before the transaction is opened, with the endpoint's own arguments; the answer is ``call.found``."""

    @property
    def is_small(self) -> bool:
        """Whether bodies are bounded to what the model of one thing takes."""
        return not (self.large or self.ingest)


class Route(routing.APIRoute):
    """One operation."""

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Awaitable[Any]],
        *,
        method: Method,
        demand: access.Access,
        options: Options,
        examples: Examples,
        faults: tuple[type[errors.Fault], ...],
        operation_id: str,
        **described: Any,
    ) -> None:
        super().__init__(path, endpoint, methods=[method], operation_id=operation_id, name=operation_id, **described)
        self.method: Method = method
        self.demand = demand
        self.options = options
        self.examples = examples
        self.faults = faults
        self._call_names = tuple(one.name for one in self.dependant.dependencies if one.call is calls.provide and one.name)
        self.reader = parameters.Reader(
            self.dependant, open_query=options.open_query, items_max=strict_json.MEMBERS_MAX if options.is_small else None
        )
        if len(self._call_names) + self.reader.sets != len(self.dependant.dependencies):
            raise TypeError(f"{operation_id}: an endpoint takes a call, parameters, sets of them and a body, and no other dependencies")
        self.accepted: tuple[str, ...] = (_JSON,) if self.reader.takes_body else options.raw
        self._answers: pydantic.TypeAdapter[Any] | None = pydantic.TypeAdapter(self.response_model) if self.response_model else None
        self._check_declaration()

    def _check_declaration(self) -> None:
        if self.options.idempotent and not self.options.transaction:
            raise TypeError(
                f"{self.unique_id}: an answer is kept in the transaction of its effect, so transaction=False needs idempotent=False"
            )
        if (self.reader.takes_body or self.options.body_model is not None) and "request" not in self.examples:
            raise TypeError(f"{self.unique_id}: give an example of the request")
        if self._answers is not None and "response" not in self.examples:
            raise TypeError(f"{self.unique_id}: give an example of the response")

    async def answer(self, request: exchange.Exchange, path: dict[str, str], edge: Edge) -> exchange.Answer | Response:
        """Answer one request. Raises a ``Fault`` for what can't be done; then nothing was committed (but see ``transaction``)."""
        caller = await edge.gate.admit(request, self.demand)
        if self.options.check is not None:
            self.options.check(edge.services)
        if not self.accepted:
            return await self._answer_read(request, path, edge, caller, b"")
        parameters.check_media_type(request, self.accepted)
        with edge.bodies.lease() as lease:
            body = await bodies.read(request, limit_bytes=self.body_limit_bytes(edge.services.settings), lease=lease)
            return await self._answer_read(request, path, edge, caller, body)

    async def _answer_read(
        self, request: exchange.Exchange, path: dict[str, str], edge: Edge, caller: identity_types.Caller | None, body: bytes
    ) -> exchange.Answer | Response:
        values = self.reader.values(request, path, body)
        call = Call(
            edge=edge,
            exchange=request,
            actor=gate.as_actor(caller, request.request_id),
            now=request.at if caller is None else caller.business_now(request.at),
            at=request.at,
            body=body,
            status=self.status_code or 200,
            known_caller=caller,
        )
        for name in self._call_names:
            values[name] = call
        if not self.options.transaction:
            return await self._run(call, values)
        key = request.headers.get("idempotency-key") if self.options.idempotent else None
        asked = None if key is None or caller is None else _asked(request, caller, key, body)
        if self.options.before is not None:
            kept = None if asked is None else await self._kept(call, asked)
            if kept is not None:
                return kept
            call.found = await self.options.before(**values)
        async with edge.services.database.transaction(call.actor.organization_id, read_only=self.options.read_only) as uow:
            call.open_uow = uow
            if asked is None:
                return await self._run(call, values)
            return await self._run_once(call, values, uow, asked)

    def refusal(self, request: exchange.Exchange, fault: errors.Fault) -> exchange.Answer:
        """Return the answer that tells why the request was not done."""
        return problems.answer(fault, request_id=request.request_id)

    async def _kept(self, call: Call, asked: idempotency.Request) -> exchange.Answer | None:
        """Return the answer that is kept, before anybody outside is asked for it again."""
        async with call.services.database.transaction(call.actor.organization_id) as uow:
            kept = await idempotency.begin(uow, asked=asked, at=call.at, sealer=call.services.sealer)
        return None if kept is None else _replayed(kept)

    def body_limit_bytes(self, configuration: settings.Settings) -> int:
        """Return how large a body may be: the installation's limit, or less where the operation needs less."""
        if self.options.ingest:
            return configuration.ingest_body_limit_bytes
        if self.options.large:
            return configuration.body_limit_bytes
        return min(configuration.body_limit_bytes, PUBLIC_BODY_BYTES if self.demand.is_public else SMALL_BODY_BYTES)

    async def _run(self, call: Call, values: dict[str, Any]) -> exchange.Answer | Response:
        result = await self.endpoint(**values)
        if isinstance(result, (Response, exchange.Answer)):
            return result
        if self._answers is None:
            return exchange.Answer(call.status, media_type=None, headers=call.headers)
        return exchange.Answer(call.status, body=self._answers.serializer.to_json(result, by_alias=True), headers=call.headers)

    async def _run_once(self, call: Call, values: dict[str, Any], uow: db.UnitOfWork, asked: idempotency.Request) -> exchange.Answer:
        sealer = call.services.sealer
        kept = await idempotency.begin(uow, asked=asked, at=call.at, sealer=sealer)
        if kept is not None:
            return _replayed(kept)
        answer = await self._run(call, values)
        if not isinstance(answer, exchange.Answer):
            raise TypeError(f"{self.unique_id}: an answer that is kept is a model, not a stream")
        await idempotency.keep(uow, asked=asked, answer=_to_keep(answer), at=call.at, sealer=sealer if self.options.seals_answer else None)
        return answer


def _asked(request: exchange.Exchange, caller: identity_types.Caller, key: str, body: bytes) -> idempotency.Request:
    query: bytes = request.scope["query_string"]
    asker = f"{caller.credential} {caller.credential_id}"
    if caller.credential == "jwt":  # its id is the subject's, and each token may be allowed something else
        asker = " ".join((asker, *sorted(caller.actor.scopes)))
    content = query + b"\n" + body
    return idempotency.request(caller.organization_id, key=key, method=request.method, path=request.path, asker=asker, content=content)


def _to_keep(answer: exchange.Answer) -> idempotency.Kept:
    headers = [(name, value) for name, value in answer.headers if name in _REPEATED_HEADERS]
    if answer.media_type is not None:
        headers.append((b"content-type", answer.media_type))
    return idempotency.Kept(
        status=answer.status,
        headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers),
        body=answer.body,
    )


def _replayed(kept: idempotency.Kept) -> exchange.Answer:
    headers = {name.encode("latin-1"): value.encode("latin-1") for name, value in kept.headers}
    media_type = headers.pop(b"content-type", None)
    return exchange.Answer(
        kept.status, body=kept.body, media_type=media_type, headers=[*headers.items(), (b"idempotent-replayed", b"true")]
    )


class Declared(TypedDict, total=False):
    """What is said beside an endpoint. ``errors`` are its own faults; those that every operation shares document themselves.

    A GET is ``read_only``, unless it says otherwise.

    ``answer_model`` is what an ``exchange.Answer`` that the endpoint writes itself looks like.
    """

    access: Required[access.Access]
    operation_id: Required[str]
    summary: Required[str]
    examples: Examples
    errors: tuple[type[errors.Fault], ...]
    status_code: int
    transaction: bool
    read_only: bool
    idempotent: bool
    seals_answer: bool
    raw: tuple[str, ...]
    body_model: type[pydantic.BaseModel]
    answer_model: type[pydantic.BaseModel]
    answers: tuple[str, ...]
    large: bool
    ingest: bool
    open_query: bool
    cache_s: int
    check: Check
    before: Before


class Router:
    """The operations of one area, under one prefix and one tag."""

    def __init__(self, *, prefix: str, tag: str) -> None:
        self.prefix = prefix
        self.tag = tag
        self.routes: list[Route] = []

    def route(self, *arguments: Any, **described: Any) -> Route:
        """Make the route of a declaration; an edge that answers otherwise makes its own."""
        return Route(*arguments, **described)

    def get(self, path: str, **declared: Unpack[Declared]) -> Callable[[Endpoint], Endpoint]:
        """Declare a read."""
        return self._declare("GET", path, declared)

    def post(self, path: str, **declared: Unpack[Declared]) -> Callable[[Endpoint], Endpoint]:
        """Declare an operation that makes or does something; it takes ``Idempotency-Key`` unless it is public or says otherwise."""
        return self._declare("POST", path, declared)

    def put(self, path: str, **declared: Unpack[Declared]) -> Callable[[Endpoint], Endpoint]:
        """Declare an operation that sets something."""
        return self._declare("PUT", path, declared)

    def patch(self, path: str, **declared: Unpack[Declared]) -> Callable[[Endpoint], Endpoint]:
        """Declare an operation that changes something."""
        return self._declare("PATCH", path, declared)

    def delete(self, path: str, **declared: Unpack[Declared]) -> Callable[[Endpoint], Endpoint]:
        """Declare an operation that removes something."""
        return self._declare("DELETE", path, declared)

    def _declare(self, method: Method, path: str, declared: Declared) -> Callable[[Endpoint], Endpoint]:
        def declare(endpoint: Endpoint) -> Endpoint:
            self._add(method, path, endpoint, declared)
            return endpoint

        return declare

    def _add(self, method: Method, path: str, endpoint: Callable[..., Awaitable[Any]], declared: Declared) -> None:
        demand = declared["access"]
        self.routes.append(
            self.route(
                self.prefix + path,
                endpoint,
                method=method,
                demand=demand,
                options=Options(
                    transaction=declared.get("transaction", True),
                    read_only=declared.get("read_only", method == "GET"),
                    idempotent=declared.get("idempotent", method == "POST" and not demand.is_public),
                    seals_answer=declared.get("seals_answer", False),
                    raw=declared.get("raw", ()),
                    body_model=declared.get("body_model"),
                    answers=declared.get("answers", ()),
                    large=declared.get("large", False),
                    ingest=declared.get("ingest", False),
                    open_query=declared.get("open_query", False),
                    cache_s=declared.get("cache_s"),
                    check=declared.get("check"),
                    before=declared.get("before"),
                ),
                examples=declared.get("examples", {}),
                faults=declared.get("errors", ()),
                operation_id=declared["operation_id"],
                summary=declared["summary"],
                status_code=declared.get("status_code"),
                **({"response_model": declared["answer_model"]} if "answer_model" in declared else {}),
                tags=[self.tag],
            )
        )
