"""The API described: one OpenAPI 3.1 document, made from the declared operations alone, without settings or a database.

FastAPI writes paths, parameters and schemas; this module adds what it can't know: who may call (``x-access``), the examples, every way an
operation fails, idempotency keys. The document is checked in as ``docs/reference/openapi.json`` and compared on every change.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

import orjson
import pydantic
from fastapi.openapi import utils
from starlette.responses import Response

import carbonledger
from carbonledger.domains.identity import types as identity_types
from carbonledger.entrypoints.rest import areas, parameters, problems, routing, shapes
from carbonledger.entrypoints.shared import access, bodies, faults, gate, strict_json
from carbonledger.infra import db, idempotency
from carbonledger.kernel import errors

TITLE: Final = "Carbon Ledger"
_DESCRIPTION: Final = """\
The open back office for AI: usage, cost, emissions, budgets, invoices and receipts from one ledger.

Errors are RFC 9457 problem documents; their `code` is stable. Lists are read with `limit` and `cursor`. Every `POST` that says so takes an
`Idempotency-Key`: the same key and body within 24 hours give the first answer again. Times are RFC 3339 in UTC, ids are UUIDv7, amounts
are decimal strings. `x-access` on each operation says who may call it.
"""
_KINDS: Final = {"application/json": "object", "application/jwk-set+json": "object"}
"""What the body of an answer is that an endpoint writes itself; any other is a text."""
_SCHEMES: Final = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key (`cl_live_…`, `cl_test_…`) or a JWT of the configured issuer.",
    },
    "session": {"type": "apiKey", "in": "cookie", "name": "__Host-carbonledger_session", "description": "A browser's session."},
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": gate.CSRF_HEADER,
        "description": "The session's CSRF token; needed beside the cookie for what changes something.",
    },
}
_IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "1 to 255 visible ASCII characters of your own. The same key and request give the first answer again for 24 hours.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "example": "6f1c2a52-8f0e-4b8e-9a0e-2f5f7b0c9d11",
}
_HEADERS: Final = {
    "X-Request-Id": {"description": "The request's id: yours if it was sane, else a new one.", "schema": {"type": "string"}},
    "Location": {
        "description": "Address of what was made, or of the job that makes it.",
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
    "Idempotent-Replayed": {"description": "`true` when this is the first answer, given again.", "schema": {"type": "string"}},
}
_WAITING: Final = frozenset({429, 503})


def faults_of(route: routing.Route) -> list[type[errors.Fault]]:
    """Return every failure of an operation that is part of its contract: those of all operations, of its form, and its own."""
    found: list[type[errors.Fault]] = [faults.AddressTooLong, errors.Malformed, errors.Fault]
    if not route.demand.is_public:
        found += [errors.Unauthenticated, identity_types.OrganizationUnknown, identity_types.IssuerUnavailable, gate.AttemptsLimited]
    if route.demand.scope is not None:
        found.append(access.ScopeMissing)
    if route.demand.kind is access.Kind.HOUSE:
        found.append(access.HouseOnly)
    if not route.demand.is_public and route.method not in gate.SAFE_METHODS:
        found.append(gate.CsrfTokenWrong)
    if route.demand.counter != "none":
        found.append(gate.RateLimited)
    if route.accepted:
        found += [
            faults.RequestTimeout,
            faults.BodyTooLarge,
            faults.MediaTypeUnsupported,
            faults.EncodingUnsupported,
            bodies.BodyUndecodable,
            bodies.BodiesHeld,
        ]
    if route.reader.takes_body:
        found += [strict_json.JsonUnreadable, parameters.BodyMissing]
    found += [parameters.RequestInvalid, errors.Invalid, db.DatabaseUnavailable]
    if route.options.idempotent:
        found += [idempotency.KeyMalformed, idempotency.KeyReused, idempotency.InProgress]
    if route.options.seals_answer:
        found.append(idempotency.AnswerLost)
    return [*found, *route.faults]


def document(routes: Sequence[routing.Route] | None = None) -> dict[str, Any]:
    """Return the document of ``routes``, by default of every area."""
    routes = areas.routes() if routes is None else routes
    made: dict[str, Any] = utils.get_openapi(
        title=TITLE,
        version=carbonledger.__version__,
        summary="Usage, cost, emissions, budgets, invoices and receipts of AI",
        description=_DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        servers=[{"url": "/"}],
        routes=routes,
    )
    failures: dict[str, Any] = {}
    for route in routes:
        _complete(made["paths"][route.path_format][route.method.lower()], route, failures)
    components = made.setdefault("components", {})
    components["responses"] = dict(sorted(failures.items()))
    components["securitySchemes"] = _SCHEMES
    components["parameters"] = {"IdempotencyKey": _IDEMPOTENCY_KEY}
    components["headers"] = _HEADERS
    components["schemas"] = _schemas(components.get("schemas", {}), [route.options.body_model for route in routes])
    return made


def _schemas(found: dict[str, Any], bodies: Iterable[type[pydantic.BaseModel] | None]) -> dict[str, Any]:
    """Return the schemas with the problem document in place of FastAPI's own, and those of bodies that endpoints read themselves."""
    for body in bodies:
        if body is not None:
            schema = body.model_json_schema(ref_template="#/components/schemas/{model}")
            found = {**found, **schema.pop("$defs", {}), body.__name__: schema}
    problem = shapes.Problem.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    schemas = {**found, **problem.pop("$defs", {}), "Problem": problem}
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    return dict(sorted(schemas.items()))


def _complete(operation: dict[str, Any], route: routing.Route, failures: dict[str, Any]) -> None:
    """Add to FastAPI's description of an operation what it can't know; ``failures`` collects the responses that operations share."""
    operation["security"] = _security(route)
    operation["x-access"] = route.demand.described()
    if route.options.idempotent:
        operation.setdefault("parameters", []).append({"$ref": "#/components/parameters/IdempotencyKey"})
    _add_examples(operation, route)
    _complete_success(operation["responses"][str(route.status_code or 200)], route)
    for status, found in _by_status(faults_of(route)).items():
        name, response = _failure(status, found)
        failures[name] = response
        operation["responses"][str(status)] = {"$ref": f"#/components/responses/{name}"}
    operation["responses"] = dict(sorted(operation["responses"].items()))


def _security(route: routing.Route) -> list[dict[str, list[str]]]:
    if route.demand.is_public:
        return []
    session: dict[str, list[str]] = {"session": []} if route.method in gate.SAFE_METHODS else {"session": [], "csrf": []}
    return [{"bearer": []}, session]


def _add_examples(operation: dict[str, Any], route: routing.Route) -> None:
    examples = route.examples
    for parameter in operation.get("parameters", []):
        if parameter.get("name") in examples.get("parameters", {}):
            parameter["example"] = examples["parameters"][parameter["name"]]
    if route.reader.takes_body:
        operation["requestBody"]["content"]["application/json"]["example"] = examples["request"]
    elif route.options.raw:
        content: dict[str, Any] = {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in route.options.raw}
        model = route.options.body_model
        if model is not None:
            schema = {"$ref": f"#/components/schemas/{model.__name__}"}
            content["application/json"] = {"schema": schema, "example": examples["request"]}
        operation["requestBody"] = {"required": True, "content": content}


def _complete_success(response: dict[str, Any], route: routing.Route) -> None:
    response["description"] = route.summary or response["description"]
    response["headers"] = {"X-Request-Id": _header("X-Request-Id")}
    if route.status_code in {201, 202}:
        response["headers"]["Location"] = _header("Location")
    if route.options.idempotent:
        response["headers"]["Idempotent-Replayed"] = _header("Idempotent-Replayed")
    if "response" in route.examples and "content" in response:
        response["content"]["application/json"]["example"] = route.examples["response"]
    elif route.options.answers:
        response["content"] = {media_type: {"schema": {"type": _KINDS.get(media_type, "string")}} for media_type in route.options.answers}


def _header(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/headers/{name}"}


def _by_status(found: Iterable[type[errors.Fault]]) -> dict[int, list[type[errors.Fault]]]:
    grouped: dict[int, dict[str, type[errors.Fault]]] = {}
    for fault in found:
        grouped.setdefault(problems.status_of(fault), {}).setdefault(fault.code, fault)
    return {status: list(by_code.values()) for status, by_code in sorted(grouped.items())}


def _failure(status: int, found: list[type[errors.Fault]]) -> tuple[str, dict[str, Any]]:
    """Return the response for a set of failures, and its name; the same set has the same name in every version."""
    codes = sorted(fault.code for fault in found)
    name = f"Problem{status}-{hashlib.sha256(' '.join(codes).encode()).hexdigest()[:8]}"
    headers = {"X-Request-Id": _header("X-Request-Id")}
    if status in _WAITING:
        headers["Retry-After"] = _header("Retry-After")
    return name, {
        "description": "\n".join(f"- `{fault.code}`: {fault.title()}" for fault in found),
        "headers": headers,
        "content": {problems.MEDIA_TYPE.decode(): {"schema": {"$ref": "#/components/schemas/Problem"}}},
        "x-codes": codes,
    }


router = routing.Router(prefix="", tag="Reference")


@functools.cache
def _rendered() -> bytes:
    return orjson.dumps(document())


@router.get(
    "/openapi.json",
    access=access.public(limit="public"),
    transaction=False,
    cache_s=300,
    answers=("application/json",),
    summary="This document",
    operation_id="getOpenApi",
)
async def get_openapi(call: routing.CallDep) -> Response:  # noqa: ARG001 - every endpoint takes its call
    """Give the description of the API that this process serves."""
    return Response(_rendered(), media_type="application/json")
