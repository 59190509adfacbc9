"""One named client per outside system: time limits, a bounded answer, few redirects, and attempts that are safe to repeat.

Owns a single call from first byte to last. It does not own what the answer means (``adapters``) nor retries over minutes
(``infra.queue``).
Nothing here is logged; an observer is told of each attempt in numbers, and faults name client, method and host only.
"""

from __future__ import annotations

import asyncio
import functools
import json as json_codec
import logging
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Self

import httpx2

import carbonledger
from carbonledger.infra import clock, retry
from carbonledger.infra.http import body, faults, guard, terms, transport
from carbonledger.infra.http.answer import Answer

# Both write whole addresses (info) or headers (debug) into the log, whatever level the service runs at.
for _name in ("httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.WARNING)

_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})  # RFC 9110, section 9.2.2
_READS = frozenset({"GET", "HEAD"})
_FOLLOWED_BY_ALL = frozenset({307, 308})  # the method and the body stay
_FOLLOWED_BY_READS = frozenset({301, 302, 303, 307, 308})
_HEADERS_THAT_TRAVEL = frozenset({"accept", "accept-encoding", "connection", "content-type", "user-agent", "x-request-id", "traceparent"})
_Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Call:
    """One request as the caller wants it; the body is bytes, so that it can be sent again."""

    method: str
    url: httpx2.URL
    headers: Mapping[str, str] = field(repr=False)
    content: bytes | None = field(repr=False)
    is_repeatable: bool
    where: str


class Client:
    """Calls one outside system. With ``base_url``, paths are relative to it and no other origin gets the client's headers.

    ``headers`` go with each request, credentials among them. ``guarded`` turns on the checks for addresses supplied by a tenant.
    """

    def __init__(
        self,
        name: str,
        *,
        base_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        limits: terms.Limits | None = None,
        policy: retry.Policy = retry.HTTP_POLICY,
        guarded: terms.Guarded | None = None,
        observer: terms.Observer | None = None,
        ssl_context: ssl.SSLContext | None = None,
        rng: random.Random | None = None,
        sleep: _Sleep = asyncio.sleep,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self.name = name
        self._limits = limits or terms.Limits()
        self._policy = policy
        self._guarded = guarded
        self._observer = observer
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._sleep = sleep
        self._now = now
        self._base = None if base_url is None else httpx2.URL(base_url.rstrip("/"))
        self._headers = {
            "user-agent": f"carbonledger/{carbonledger.__version__}",
            **(headers or {}),
            "accept-encoding": body.ACCEPT_ENCODING,
        }
        if guarded is not None:
            self._headers["connection"] = "close"  # as the guarded transport does; saves the peer from waiting for more
        self._http = _open(self._limits, guarded, ssl_context)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
        json: object = None,
        repeatable: bool | None = None,
        request_id: str | None = None,
        traceparent: str | None = None,
        total_s: float | None = None,
    ) -> Answer:
        """Return the answer, whatever its status (``Answer.checked`` wants 2xx). Raises an ``HttpFault`` when there is none.

        Repeated on transient failures when the method is idempotent or ``repeatable`` says so (False: never); what was never sent is
        repeated always. ``total_s`` replaces the client's limit for the whole call.
        """
        if content is not None and json is not None:
            raise ValueError("a request has one body: content or json")
        target = self._target(method, url, params)
        extra = {"x-request-id": request_id, "traceparent": traceparent}
        sent = {**self._headers, **(headers or {}), **{name: value for name, value in extra.items() if value is not None}}
        if json is not None:
            content = json_codec.dumps(json, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8")
            sent.setdefault("content-type", "application/json")
        call = Call(
            method=method,
            url=target,
            headers=sent,
            content=content,
            is_repeatable=method in _IDEMPOTENT if repeatable is None else repeatable,
            where=self._where(method, target),
        )
        return await self._until_done(call, self._limits.total_s if total_s is None else total_s)

    def _where(self, method: str, url: httpx2.URL) -> str:
        return f"{self.name}: {method} {url.host}"

    def _target(self, method: str, url: str, params: Mapping[str, str] | None) -> httpx2.URL:
        try:
            target = httpx2.URL(url) if self._base is None or "://" in url else httpx2.URL(f"{self._base}/{url.lstrip('/')}")
            target = target.copy_merge_params(dict(params)) if params else target
        except (httpx2.InvalidURL, UnicodeError):
            raise faults.RequestRefused(f"{self.name}: {method}: the address is not valid.") from None
        if self._base is not None and _origin(target) != _origin(self._base):
            # An address taken from an answer ("next page") must not carry our credentials elsewhere.
            raise faults.RequestRefused(f"{self._where(method, target)}: another origin than {self._base.host}.")
        return target

    async def _until_done(self, call: Call, total_s: float) -> Answer:
        ends_at = time.monotonic() + total_s
        number = 0
        while True:
            number += 1
            result: Answer | faults.HttpFault
            try:
                result = await self._observed(call, number, ends_at)
            except faults.HttpFault as fault:
                result = fault
            delay_s = self._decide(call, number, result).delay_s
            # A wait that ends after the caller's patience is no attempt: the last answer says more than a time-out.
            if delay_s is None or time.monotonic() + delay_s >= ends_at:
                if isinstance(result, Answer):
                    return result
                raise result
            await self._sleep(delay_s)

    def _decide(self, call: Call, number: int, result: Answer | faults.HttpFault) -> retry.Decision:
        if not call.is_repeatable and not isinstance(result, faults.ConnectFailed):
            return retry.Decision(None)
        if isinstance(result, faults.HttpFault):
            return retry.decide(result.outcome, attempt=number, rng=self._rng, policy=self._policy)
        outcome = retry.classify(result.status)
        return retry.decide(outcome, attempt=number, rng=self._rng, policy=self._policy, retry_after_s=result.retry_after_s)

    async def _observed(self, call: Call, number: int, ends_at: float) -> Answer:
        started = time.monotonic()
        status: int | None = None
        failure: str | None = "cancelled"
        try:
            async with asyncio.timeout(max(ends_at - started, 0.0)):
                answer = await self._attempt(call)
            status, failure = answer.status, None
        except TimeoutError:
            failure = faults.TimedOut.code
            raise faults.TimedOut(f"{call.where}: no complete answer in time.") from None
        except faults.HttpFault as fault:
            failure = fault.code
            raise
        finally:
            if self._observer is not None:
                self._observer(terms.Attempt(self.name, call.method, number, status, failure, time.monotonic() - started))
        return answer

    async def _attempt(self, call: Call) -> Answer:
        url, headers = call.url, call.headers
        for hop in range(self._limits.redirects + 1):
            if self._guarded is not None:
                guard.check_url(str(url), allow_private=self._guarded.allow_private)
            try:
                answer = await self._exchange(call, url, headers)
            except faults.ConnectFailed as fault:
                if hop == 0:
                    raise
                # The first host has had the request: "never sent" is no longer true.
                raise faults.ConnectionBroke(f"{call.where}: redirected to where nobody answers.") from fault
            followed = _FOLLOWED_BY_READS if call.method in _READS else _FOLLOWED_BY_ALL
            if answer.status not in followed or "location" not in answer.headers:
                return answer
            target = _redirected(url, answer.headers["location"], call.where)
            if _origin(target) != _origin(url):
                headers = {name: value for name, value in headers.items() if name.lower() in _HEADERS_THAT_TRAVEL}
            url = target
        raise faults.RedirectRefused(f"{call.where}: more than {self._limits.redirects} redirects.")

    async def _exchange(self, call: Call, url: httpx2.URL, headers: Mapping[str, str]) -> Answer:
        in_body = False
        try:
            request = self._http.build_request(call.method, url, headers=dict(headers), content=call.content)
            response = await self._http.send(request, stream=True, follow_redirects=False)
            in_body = True
            try:
                # The body of a redirect is nobody's; closing without reading it ends that connection.
                is_read = call.method != "HEAD" and response.status_code not in _FOLLOWED_BY_READS
                content = await body.read(response, limit_bytes=self._limits.answer_bytes, where=call.where) if is_read else b""
            finally:
                await response.aclose()
        except UnicodeError:
            # Without the cause: it holds the header.
            raise faults.RequestRefused(f"{call.where}: a header is not ASCII.") from None
        except faults.FOREIGN as error:
            fault = faults.translate(error, call.where, in_body=in_body)
            # Only these causes speak of the network alone: the parser's quote headers, ours or the peer's.
            is_plain = isinstance(fault, faults.ConnectFailed | faults.TimedOut | faults.CertificateRefused)
            raise fault from (error if is_plain else None)
        asked_s = retry.retry_after(response.headers.get("retry-after"), now=self._now())
        return Answer(call.where, response.status_code, response.headers, content, asked_s)


@functools.cache
def _trusted() -> ssl.SSLContext:
    """Return the trust in the system's authorities, read once for all clients: it takes some 30 ms."""
    return httpx2.create_ssl_context()


def _open(limits: terms.Limits, guarded: terms.Guarded | None, context: ssl.SSLContext | None) -> httpx2.AsyncClient:
    timeout = httpx2.Timeout(connect=limits.connect_s, read=limits.read_s, write=limits.write_s, pool=limits.pool_s)
    # A client serves many tenants: a cookie that one's answer sets must not go out with another's request.
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    if guarded is None:
        pool = httpx2.Limits(
            max_connections=limits.connections, max_keepalive_connections=limits.connections, keepalive_expiry=limits.keepalive_s
        )
        return httpx2.AsyncClient(timeout=timeout, limits=pool, cookies=no_cookies, verify=context or _trusted())
    way = transport.GuardedTransport(
        backend=transport.GuardedBackend(resolver=guarded.resolver, allow_private=guarded.allow_private),
        ssl_context=context or _trusted(),
        connections_max=limits.connections,
    )
    return httpx2.AsyncClient(transport=way, timeout=timeout, cookies=no_cookies, trust_env=False)


def _redirected(url: httpx2.URL, location: str, where: str) -> httpx2.URL:
    try:
        target = url.join(location)
    except (httpx2.InvalidURL, UnicodeError):
        raise faults.RedirectRefused(f"{where}: redirects to no valid address.") from None
    if target.scheme not in {"https", "http"} or not target.host or target.userinfo:
        raise faults.RedirectRefused(f"{where}: redirects to an address that is not plain http or https.")
    if url.scheme == "https" and target.scheme == "http":
        raise faults.RedirectRefused(f"{where}: redirects from https to http.")
    return target


def _origin(url: httpx2.URL) -> tuple[str, bytes, int | None]:
    return url.scheme, url.raw_host, url.port
