"""The id of an event and the digest of a series: both made from what they name, so that the same thing has the same id everywhere.

An event's id is a UUIDv8 (RFC 9562, section 5.8): the first 128 bits of SHA-256 over the organization's id and the idempotency key, with
version and variant set. So the primary key alone keeps one event for each key, whatever time a retry gives, and an importer knows the
id before it sends. 122 bits are left; two keys of an organization meet by chance once in 2^61 events.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from carbonledger.domains.telemetry.types import SeriesKey

_DOMAIN: Final = b"carbonledger/event\x00"
_STRIDE: Final = 32  # bytes of a SHA-256
_VERSION: Final = bytes((byte & 0x0F) | 0x80 for byte in range(256))
_VARIANT: Final = bytes((byte & 0x3F) | 0x80 for byte in range(256))
_SERIES_DOMAIN: Final = b"carbonledger/series\x00"
_QUERY_DOMAIN: Final = b"carbonledger/query\x00"


def event_bytes(prefix: bytes, key: str) -> bytes:
    """Return the 16 bytes of the id of the event with this idempotency key; ``prefix`` is ``of_organization``'s."""
    return _uuid8(hashlib.sha256(prefix + key.encode()).digest())


def event_ids(prefix: bytes, keys: Iterable[bytes]) -> list[bytes]:
    """Return ``event_bytes`` of many keys, told as bytes, in their order: the bits of all of them are set together."""
    started = hashlib.sha256(prefix)
    digests = bytearray()
    for key in keys:
        digest = started.copy()
        digest.update(key)
        digests += digest.digest()
    digests[6::_STRIDE] = digests[6::_STRIDE].translate(_VERSION)
    digests[8::_STRIDE] = digests[8::_STRIDE].translate(_VARIANT)
    whole = bytes(digests)
    return [whole[start : start + 16] for start in range(0, len(whole), _STRIDE)]


def of_organization(organization_id: UUID) -> bytes:
    """Return what every event's digest of an organization begins with."""
    return _DOMAIN + organization_id.bytes


def event_id(organization_id: UUID, key: str) -> UUID:
    """Return the id of the event with this idempotency key."""
    return UUID(bytes=event_bytes(of_organization(organization_id), key))


def series_digest(key: SeriesKey) -> UUID:
    """Return what keeps a series from being written twice: a digest of all its members, each with its length."""
    digest = hashlib.sha256(_SERIES_DOMAIN)
    for member in key:
        text = b"" if member is None else str(member).encode()
        digest.update(b"-" if member is None else b"%d:" % len(text))
        digest.update(text)
    return UUID(bytes=_uuid8(digest.digest()))


def query_digest(told: bytes) -> UUID:
    """Return what a query is kept under, made of everything that it counts."""
    return UUID(bytes=_uuid8(hashlib.sha256(_QUERY_DOMAIN + told).digest()))


def _uuid8(digest: bytes) -> bytes:
    return digest[:6] + bytes((_VERSION[digest[6]], digest[7], _VARIANT[digest[8]])) + digest[9:16]
