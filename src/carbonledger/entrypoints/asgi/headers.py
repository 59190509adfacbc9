"""Headers that every answer carries, and the answers to browsers that ask from another origin.

The API is not for documents: its answers may not be framed, sniffed, or run anything. Pages of the dashboard bring their own policy.
"""

from __future__ import annotations

from typing import Final

from carbonledger.entrypoints.shared import exchange
from carbonledger.infra import settings

_ALWAYS: Final[tuple[exchange.Header, ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=()"),
)
_API_POLICY: Final = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
_HSTS: Final = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")
_NO_STORE: Final = (b"cache-control", b"no-store")

_CORS_METHODS: Final = b"GET, HEAD, POST, PUT, PATCH, DELETE"
_CORS_REQUEST_HEADERS: Final = b"authorization, content-type, idempotency-key, x-csrf-token, x-request-id, traceparent"
_CORS_SHOWN_HEADERS: Final = b"location, retry-after, x-request-id, idempotent-replayed, ratelimit, ratelimit-policy"
_CORS_MAX_AGE: Final = b"600"


class Headers:
    """What the settings make of it; made once."""

    def __init__(self, configuration: settings.Settings) -> None:
        self._fixed = list(_ALWAYS)
        if configuration.is_https:
            self._fixed.append(_HSTS)
        self._plain = [*self._fixed, _API_POLICY, _NO_STORE]
        self._origins = frozenset(origin.rstrip("/") for origin in configuration.cors_origins)

    def of(self, request: exchange.Exchange, headers: list[exchange.Header], *, cache_s: int | None) -> list[exchange.Header]:
        """Return the headers of an answer: its own, the request's id, and what protects the reader."""
        whole = [*headers, *request.answer_headers, (b"x-request-id", request.request_id.encode("latin-1"))]
        if cache_s is None and not _names(headers) & {b"cache-control", b"content-security-policy"}:
            whole += self._plain
        else:
            whole += self._own(headers, cache_s)
        if self._origins:
            whole += self._cors(request)
        return whole

    def _own(self, headers: list[exchange.Header], cache_s: int | None) -> list[exchange.Header]:
        """Return what protects an answer that says something of it itself."""
        given = _names(headers)
        own = list(self._fixed)
        if b"content-security-policy" not in given:
            own.append(_API_POLICY)
        if b"cache-control" not in given:
            own.append(_NO_STORE if cache_s is None else (b"cache-control", f"public, max-age={cache_s}".encode()))
        return own

    def _cors(self, request: exchange.Exchange) -> list[exchange.Header]:
        origin = request.headers.get("origin")
        vary = (b"vary", b"origin")
        if origin not in self._origins:
            return [vary]
        return [
            vary,
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", _CORS_SHOWN_HEADERS),
        ]

    def preflight(self, request: exchange.Exchange) -> exchange.Answer | None:
        """Return the answer to a browser's question whether another origin may call, or None if this is no such question."""
        asked = request.method == "OPTIONS" and "access-control-request-method" in request.headers
        if not asked or request.headers.get("origin") not in self._origins:
            return None
        return exchange.Answer(
            204,
            media_type=None,
            headers=[
                (b"access-control-allow-methods", _CORS_METHODS),
                (b"access-control-allow-headers", _CORS_REQUEST_HEADERS),
                (b"access-control-max-age", _CORS_MAX_AGE),
            ],
        )


def _names(headers: list[exchange.Header]) -> set[bytes]:
    return {name for name, _ in headers}
