"""How a call to an outside system fails, each way its own class with a verdict on another attempt.

    HttpFault
    ├── ConnectFailed         nobody answered; nothing was sent, so another attempt is safe for any request
    ├── TimedOut              connect, read, write, pool or the whole call
    ├── ConnectionBroke       the peer hung up before it answered
    ├── AnswerTruncated       the body ended before its stated length, or its compression did not end
    ├── AnswerTooLarge        the body passed our limit, on the wire or inflated
    ├── AnswerMalformed       not HTTP, too many header bytes, an encoding we did not ask for
    ├── AnswerNotJson         a 200 with a page in it, for instance
    ├── AnswerRefused         a status other than 2xx, where the caller wanted success
    ├── CertificateRefused    TLS that we can't trust
    ├── RedirectRefused       too many, to nowhere, to plain http, or with credentials
    ├── AddressRefused        an address supplied by a tenant that we must not call
    └── RequestRefused        what we were about to send is no valid request

Their texts name the client, the method and the host: never a path, a query, a header or a body, for any of these may hold a secret.
"""

from __future__ import annotations

import ssl
from typing import ClassVar

import httpcore2
import httpx2

from carbonledger.infra import retry
from carbonledger.kernel import errors


class HttpFault(errors.Fault):
    """An outside system could not be used."""

    kind: ClassVar[errors.Kind] = errors.Kind.UNAVAILABLE
    code = "outside_fault"
    outcome: retry.Outcome = retry.Outcome.UNKNOWN


class ConnectFailed(HttpFault):
    """An outside system could not be reached."""

    code = "outside_unreachable"
    outcome = retry.Outcome.TRANSIENT


class TimedOut(HttpFault):
    """An outside system did not answer in time."""

    code = "outside_timed_out"
    outcome = retry.Outcome.TRANSIENT


class ConnectionBroke(HttpFault):
    """An outside system hung up before it answered."""

    code = "outside_broke"
    outcome = retry.Outcome.TRANSIENT


class AnswerTruncated(HttpFault):
    """The answer of an outside system was cut off."""

    code = "outside_answer_truncated"
    outcome = retry.Outcome.TRANSIENT


class AnswerTooLarge(HttpFault):
    """The answer of an outside system was too large."""

    code = "outside_answer_too_large"


class AnswerMalformed(HttpFault):
    """The answer of an outside system could not be read."""

    code = "outside_answer_malformed"


class AnswerNotJson(HttpFault):
    """An outside system answered with something else than JSON."""

    code = "outside_answer_not_json"


class CertificateRefused(HttpFault):
    """The certificate of an outside system can't be trusted."""

    code = "outside_certificate"


class RedirectRefused(HttpFault):
    """An outside system sent us somewhere we don't go."""

    code = "outside_redirect"


class RequestRefused(HttpFault):
    """The request to an outside system could not be made."""

    kind = errors.Kind.INTERNAL
    code = "outside_request"
    outcome = retry.Outcome.PERMANENT


class AddressRefused(HttpFault):
    """This address may not be called."""

    kind = errors.Kind.INVALID
    code = "address_refused"
    outcome = retry.Outcome.PERMANENT


class AnswerRefused(HttpFault):
    """An outside system refused or failed the request."""

    code = "outside_refused"

    def __init__(self, detail: str, *, status: int, retry_after_s: float | None = None) -> None:
        super().__init__(detail, retry_after_s=None if retry_after_s is None else round(retry_after_s))
        self.status = status
        self.outcome = retry.classify(status)


FOREIGN: tuple[type[Exception], ...] = (
    httpx2.HTTPError,
    httpx2.InvalidURL,
    httpx2.StreamError,
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.UnsupportedProtocol,
)

_PHASES: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((httpx2.ConnectTimeout, httpcore2.ConnectTimeout), "connecting"),
    ((httpx2.ReadTimeout, httpcore2.ReadTimeout), "reading"),
    ((httpx2.WriteTimeout, httpcore2.WriteTimeout), "writing"),
    ((httpx2.PoolTimeout, httpcore2.PoolTimeout), "waiting for a free connection"),
)


def translate(error: Exception, where: str, *, in_body: bool) -> HttpFault:
    """Return our fault for an error of the HTTP library. ``where`` names the call; ``in_body``: the headers had arrived."""
    for kinds, phase in _PHASES:
        if isinstance(error, kinds):
            # Nothing was sent while connecting or waiting: the more useful class says so.
            unsent = phase in {"connecting", "waiting for a free connection"}
            return (ConnectFailed if unsent else TimedOut)(f"{where}: timed out {phase}.")
    if _cause(error, ssl.SSLCertVerificationError):
        return CertificateRefused(f"{where}: its certificate does not verify.")
    if isinstance(error, httpx2.ConnectError | httpcore2.ConnectError | httpx2.ProxyError | httpcore2.ProxyError):
        return ConnectFailed(f"{where}: no connection.")
    if isinstance(error, httpx2.RemoteProtocolError | httpcore2.RemoteProtocolError | httpx2.NetworkError | httpcore2.NetworkError):
        return _broken(error, where, in_body=in_body)
    return RequestRefused(f"{where}: {type(error).__name__}.")


def _broken(error: Exception, where: str, *, in_body: bool) -> HttpFault:
    if in_body:
        return AnswerTruncated(f"{where}: the answer ended before its end.")
    # A protocol error with a cause comes from the parser: the peer sent something. Without one the peer just hung up.
    protocol = isinstance(error, httpx2.RemoteProtocolError | httpcore2.RemoteProtocolError)
    if protocol and any(type(cause).__module__.startswith("h11") for cause in _causes(error)):
        return AnswerMalformed(f"{where}: its answer is not HTTP, or its headers are too large.")
    return ConnectionBroke(f"{where}: hung up before it answered.")


def _causes(error: BaseException) -> list[BaseException]:
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or current.__context__
    return chain


def _cause(error: BaseException, kind: type[BaseException]) -> bool:
    return any(isinstance(cause, kind) for cause in _causes(error))
