"""Connections to addresses that a tenant supplied: what is connected to is what was checked.

For every new connection the name is resolved here, all its addresses are judged, and one of those very addresses is connected to. A name
that resolves differently a moment later (DNS rebinding) gains nothing, and Host, SNI and certificate still speak of the name. Every
request has its own connection. Proxies of the environment play no part, for they would resolve anew.

Fails closed: the transport is built on httpcore2's public pool with this backend; there is no way around it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Protocol, cast

import httpcore2
import httpx2

from carbonledger.infra.http import faults, guard

ADDRESSES_MAX = 4  # of a name with many, trying more only keeps a worker busy


class Resolver(Protocol):
    """Names to addresses. Returns their text, best first; raises ``OSError`` when there is none."""

    async def __call__(self, host: str, port: int) -> tuple[str, ...]: ...


async def system_resolver(host: str, port: int) -> tuple[str, ...]:
    """Ask the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Makes connections to checked addresses only."""

    def __init__(self, *, resolver: Resolver = system_resolver, allow_private: bool = False) -> None:
        self._resolver = resolver
        self._allow_private = allow_private
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._checked(host, port)
                return await self._first(addresses, port, timeout, local_address, socket_options)
        except TimeoutError:
            raise httpcore2.ConnectTimeout("timed out resolving or connecting") from None

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's signature
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        del path, timeout, socket_options
        raise faults.AddressRefused("This address may not be called: a local socket.")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)

    async def _checked(self, host: str, port: int) -> list[guard.Address]:
        literal = guard.literal(host)
        if literal is not None:
            addresses = [literal]
        else:
            try:
                texts = await self._resolver(host, port)
            except OSError as error:
                raise httpcore2.ConnectError("the name does not resolve") from error
            addresses = [address for address in map(guard.literal, texts) if address is not None]
            if not addresses or len(addresses) != len(texts):
                raise httpcore2.ConnectError("the name does not resolve to an address")
        for address in addresses:
            # One bad address among good ones refuses them all: it is no accident.
            why = guard.refusal(address, allow_private=self._allow_private)
            if why:
                raise faults.AddressRefused(f"This address may not be called: its name leads to one that is {why}.")
        return addresses[:ADDRESSES_MAX]

    async def _first(
        self,
        addresses: list[guard.Address],
        port: int,
        timeout: float | None,  # noqa: ASYNC109
        local_address: str | None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None,
    ) -> httpcore2.AsyncNetworkStream:
        last: Exception = httpcore2.ConnectError("no address")
        for address in addresses:
            # An equal share for each: a first address that swallows packets must not use up the time of the second.
            share = None if timeout is None else timeout / len(addresses)
            try:
                return await self._inner.connect_tcp(str(address), port, share, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                last = error
        raise last


class GuardedTransport(httpx2.AsyncBaseTransport):
    """A transport of httpx2 whose every connection is made by ``GuardedBackend``."""

    def __init__(self, *, backend: GuardedBackend, ssl_context: ssl.SSLContext, connections_max: int) -> None:
        # No connection is kept: httpcore2 takes bytes that follow an answer for the next one's, so what a tenant's server adds to its
        # answer would reach whoever calls that host next. One connection per request leaves it nobody.
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=ssl_context, max_connections=connections_max, max_keepalive_connections=0, network_backend=backend
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        target = httpcore2.URL(scheme=request.url.raw_scheme, host=request.url.raw_host, port=request.url.port, target=request.url.raw_path)
        answer = await self._pool.handle_async_request(
            httpcore2.Request(
                method=request.method,
                url=target,
                headers=request.headers.raw,
                content=cast("AsyncIterable[bytes]", request.stream),
                extensions=request.extensions,
            )
        )
        return httpx2.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_Stream(cast("AsyncIterable[bytes]", answer.stream)),
            extensions=answer.extensions,
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Stream(httpx2.AsyncByteStream):
    """The body of an answer, as httpx2 wants it."""

    def __init__(self, inner: AsyncIterable[bytes]) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._inner:
            yield part

    async def aclose(self) -> None:
        close = getattr(self._inner, "aclose", None)
        if close is not None:
            await close()
