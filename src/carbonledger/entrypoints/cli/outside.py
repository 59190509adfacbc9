"""The checks of ``doctor`` that look at what lies outside the database: Redis, the mail server, the file store.

Owns: those checks. What one of them writes out there it takes away again.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import ssl
import urllib.parse

from carbonledger import bootstrap
from carbonledger.entrypoints.cli.finding import Finding
from carbonledger.infra import limits, objects, settings

TIMEOUT_S = 15.0
_SMTP_PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}
_SMTP_READY = b"220"  # RFC 5321, section 4.2: the greeting of a server that takes mail


async def check(configuration: settings.Settings) -> list[Finding]:
    """Return what was found of each outside system that is configured."""
    found = []
    if configuration.redis_url is not None:
        found.append(await _redis(configuration.redis_url.get_secret_value()))
    if configuration.smtp_url is not None:
        found.append(await _smtp(configuration.smtp_url.get_secret_value()))
    else:
        found.append(Finding("e-mail", "ok", "none: invitations and resets show their links instead"))
    return found


async def _redis(url: str) -> Finding:
    limiter = limits.SharedLimiter(url, on_fallback=lambda: None)
    try:
        if await limiter.ping():
            return Finding("redis", "ok", f"answers at {_place(url)}")
    finally:
        await limiter.close()
    return Finding(
        "redis",
        "failed",
        f"Nothing answers at {_place(url)}; each process counts its own limits.",
        "Start Redis there, or correct CARBONLEDGER_REDIS_URL.",
    )


async def _smtp(url: str) -> Finding:
    parts = urllib.parse.urlsplit(url)
    port = parts.port or _SMTP_PORTS.get(parts.scheme, 25)
    tls = ssl.create_default_context() if parts.scheme == "smtps" else None
    writer = None
    try:
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=tls)
            greeting = await reader.readline()
    except (OSError, TimeoutError) as error:
        greeting = type(error).__name__.encode()
    finally:
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):  # it was only a look
                await writer.wait_closed()
    if greeting.startswith(_SMTP_READY):
        return Finding("e-mail", "ok", f"{parts.hostname}:{port} takes mail")
    said = greeting.decode("ascii", "replace").strip()
    remedy = "Check the mail server and the network, or correct CARBONLEDGER_SMTP_URL."
    return Finding("e-mail", "failed", f"No mail server greets at {parts.hostname}:{port} ({said or 'silence'}).", remedy)


async def check_objects(configuration: settings.Settings) -> Finding:
    """Write a small file to the file store and delete it."""
    key = f"doctor/{secrets.token_hex(8)}"
    try:
        store = bootstrap.open_objects(configuration)
        await store.put(key, b"written by carbonledger doctor")
        await store.delete(key)
    except objects.ObjectFault as fault:
        remedy = "Check the store and its rights, or correct CARBONLEDGER_OBJECTS_URL."
        return Finding("objects", "failed", f"The file store can't be written: {fault.detail or type(fault).title()}", remedy)
    return Finding("objects", "ok", "the file store can be written")


def _place(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return f"{parts.hostname}:{parts.port or 6379}"
