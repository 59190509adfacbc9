"""The id of an event and the digest of a series: both made from what they name, so that the same thing has the same id everywhere.

An event's id is a UUIDv8 (RFC 9562, section 5.8). Its first 48 bits are the *path* of the idempotency key, the others SHA-256 over the
organization's id and the key, from the seventh byte on, with version and variant set. So the primary key alone keeps one event for each
key, whatever time a retry gives, and an importer knows the id before it sends.

Keys with the same beginning, as ids that begin with a time have (UUIDv7, ULID, ``resp_…``), or that differ at their end alone, as numbers
do, have paths that begin alike: they lie together in every index of ids, and a batch meets a few of its pages and not as many as it has
events. A path has a byte, Pearson's hash (Communications of the ACM 33 (6), 1990), of the first 6, 9, 12 and 15 bytes of the key, and of
12 and 14 of its last 18, without the last 6 and 4. Of keys with one path 74 bits are left: two of them meet by chance once in 2^37, and
are told apart then (``service.comparing``). A key at random has a path at random, and 122 bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final
from uuid import UUID

from carbonledger.domains.telemetry.types import SeriesKey

_DOMAIN: Final = b"carbonledger/event\x00"
_STRIDE: Final = 32  # bytes of a SHA-256
_PEARSON: Final = bytes(sorted(range(256), key=lambda byte: hashlib.sha256(bytes((byte,))).digest()))
_FIRST, _LAST = 15, 18  # bytes of a key that its path is made of
_HEADS: Final = (6, 9, 12, 15)  # after so many of the first, and so many of the last, a byte of the path is made
_TAILS: Final = (12, 14)
_VERSION: Final = bytes((byte & 0x0F) | 0x80 for byte in range(256))
_VARIANT: Final = bytes((byte & 0x3F) | 0x80 for byte in range(256))
_SERIES_DOMAIN: Final = b"carbonledger/series\x00"
_QUERY_DOMAIN: Final = b"carbonledger/query\x00"


def event_ids(prefix: bytes, keys: Iterable[bytes]) -> list[bytes]:
    """Return the 16 bytes of the id of the event of each key, told as bytes; ``prefix`` is ``of_organization``'s.

    All ids are made together: what is done to a byte of each is done by one call.
    """
    told, started = list(keys), hashlib.sha256(prefix)
    digests = bytearray()
    for key in told:
        digest = started.copy()
        digest.update(key)
        digests += digest.digest()
    for place, column in enumerate(_paths(told)):
        digests[place::_STRIDE] = column
    digests[6::_STRIDE] = digests[6::_STRIDE].translate(_VERSION)
    digests[8::_STRIDE] = digests[8::_STRIDE].translate(_VARIANT)
    whole = bytes(digests)
    return [whole[start : start + 16] for start in range(0, len(whole), _STRIDE)]


def _paths(keys: list[bytes]) -> list[bytes]:
    """Return the six bytes of the paths, each of all keys.

    A key that is too short has zeros after it for its first bytes, and before it for its last.
    """
    first = b"".join([key[:_FIRST].ljust(_FIRST, b"\0") for key in keys])
    last = b"".join([key[-_LAST:].rjust(_LAST, b"\0") for key in keys])
    return [*_hashes(first, _FIRST, _HEADS), *_hashes(last, _LAST, _TAILS)]


def _hashes(texts: bytes, stride: int, after: tuple[int, ...]) -> Iterator[bytes]:
    """Yield Pearson's hash of the first bytes of each of the texts, ``stride`` bytes long, after so many of them."""
    count = len(texts) // stride
    state = bytes(count)
    for place in range(after[-1]):
        mixed = int.from_bytes(state) ^ int.from_bytes(texts[place::stride])
        state = mixed.to_bytes(count).translate(_PEARSON)
        if place + 1 in after:
            yield state


def of_organization(organization_id: UUID) -> bytes:
    """Return what every event's digest of an organization begins with."""
    return _DOMAIN + organization_id.bytes


def event_id(organization_id: UUID, key: str) -> UUID:
    """Return the id of the event with this idempotency key."""
    [raw] = event_ids(of_organization(organization_id), [key.encode()])
    return UUID(bytes=raw)


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
