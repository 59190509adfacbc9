"""How each provider says no: its error bodies, and the one exception that the stand-ins raise for them.

Shapes: OpenAI and Stripe ``{"error": {message, type, param, code}}``, Anthropic ``{"type": "error", "error": {type, message},
"request_id"}``, OpenRouter ``{"error": {code, message}}``.
"""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response

ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "api_error",
}
OPENAI_TYPES = {429: "rate_limit_error", 500: "server_error"}


class Refused(Exception):
    """The request is answered with an error; ``code`` and ``param`` are OpenAI's."""

    def __init__(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param


def body(provider: str, refused: Refused) -> dict[str, Any]:
    """Return the error as the provider words it."""
    if provider in {"openai", "stripe"}:
        kind = OPENAI_TYPES.get(refused.status, "invalid_request_error")
        return {"error": {"message": refused.message, "type": kind, "param": refused.param, "code": refused.code}}
    if provider == "anthropic":
        kind = ANTHROPIC_TYPES.get(refused.status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": refused.message}, "request_id": "req_demo"}
    return {"error": {"code": refused.status, "message": refused.message}}


def response(provider: str, refused: Refused, headers: dict[str, str] | None = None) -> Response:
    """Return the error as an answer."""
    return Response(json.dumps(body(provider, refused)), refused.status, headers, "application/json")
