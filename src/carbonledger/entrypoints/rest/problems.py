"""Failures as RFC 9457 problem documents (``application/problem+json``), the only form in which this API reports them.

Owns the mapping of kinds to statuses and the document's shape. What went wrong is said by the fault; what nobody foresaw is a 500
that says nothing but the request's id.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from carbonledger.entrypoints.shared import exchange, faults
from carbonledger.kernel import errors

MEDIA_TYPE: Final = b"application/problem+json"
PROBLEMS_MAX = 100  # of one request: enough to mend it, and an input of 10,000 bad rows does not make an answer of megabytes

STATUS: Final = {
    errors.Kind.MALFORMED: 400,
    errors.Kind.UNAUTHENTICATED: 401,
    errors.Kind.PAYMENT_REQUIRED: 402,
    errors.Kind.FORBIDDEN: 403,
    errors.Kind.NOT_FOUND: 404,
    errors.Kind.CONFLICT: 409,
    errors.Kind.GONE: 410,
    errors.Kind.TOO_LARGE: 413,
    errors.Kind.UNSUPPORTED: 415,
    errors.Kind.INVALID: 422,
    errors.Kind.LIMITED: 429,
    errors.Kind.INTERNAL: 500,
    errors.Kind.UNAVAILABLE: 503,
}
_RETRY_AFTER_S: Final = {429: 1, 503: 5}  # where the fault does not say
_SILENT = "The failure is ours. It is logged under this request id; tell it to support."


def status_of(fault: errors.Fault | type[errors.Fault]) -> int:
    """Return the HTTP status of a failure."""
    of = fault if isinstance(fault, type) else type(fault)
    return of.status if issubclass(of, faults.HttpFault) else STATUS[of.kind]


def type_uri(code: str) -> str:
    """Return the problem type's URI: a name, not an address; ``docs/reference/errors.md`` lists them."""
    return f"urn:carbonledger:problem:{code}"


def document(fault: errors.Fault, *, request_id: str) -> dict[str, Any]:
    """Return the problem document. A failure of ours tells nothing of itself."""
    status = status_of(fault)
    if fault.kind is errors.Kind.INTERNAL:
        return _document(errors.Fault.title(), status, _SILENT, "internal", request_id)
    said = _document(fault.title(), status, fault.detail or fault.title(), fault.code, request_id)
    said.update(fault.extra)
    if fault.problems:
        said["errors"] = [
            {"pointer": problem.pointer, "code": problem.code, "detail": problem.detail} for problem in fault.problems[:PROBLEMS_MAX]
        ]
    if len(fault.problems) > PROBLEMS_MAX:
        said["errors_left_out"] = len(fault.problems) - PROBLEMS_MAX
    return said


def _document(title: str, status: int, detail: str, code: str, request_id: str) -> dict[str, Any]:
    return {"type": type_uri(code), "title": title, "status": status, "detail": detail, "code": code, "request_id": request_id}


def answer(fault: errors.Fault, *, request_id: str) -> exchange.Answer:
    """Return the answer that tells ``fault``, with the headers that its status asks for."""
    status = status_of(fault)
    headers: list[exchange.Header] = []
    if status == STATUS[errors.Kind.UNAUTHENTICATED]:
        headers.append((b"www-authenticate", b'Bearer realm="carbonledger"'))
    retry_after_s = fault.retry_after_s if fault.retry_after_s is not None else _RETRY_AFTER_S.get(status)
    if retry_after_s is not None:
        headers.append((b"retry-after", str(retry_after_s).encode()))
    if isinstance(fault, faults.MethodNotAllowed):
        headers.append((b"allow", ", ".join(fault.allowed).encode()))
    if isinstance(fault, faults.EncodingUnsupported):
        headers.append((b"accept-encoding", b"gzip, deflate, identity"))
    return exchange.Answer(
        status=status,
        body=orjson.dumps(document(fault, request_id=request_id)),
        media_type=MEDIA_TYPE,
        headers=headers,
    )
