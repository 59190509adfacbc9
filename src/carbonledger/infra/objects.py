"""Files that the ledger keeps for good: receipts, invoices, audit packs; in a local folder or in S3, chosen by one address.

Write-once: an object is created or it is not, never half, and never changed. Whoever asks for a key that is taken hears
``ObjectExists``. A name is checked here, before any store reads it as a path. Each organization has its own prefix, and a store narrowed
by ``of_organization`` can't name anything outside it.

    file:///var/lib/carbonledger/objects
    s3://bucket/prefix                         credentials, region and endpoint from AWS's own variables or the machine's role
    s3://bucket/prefix?endpoint=http://…&region=…      another S3 (MinIO, R2), plain http only where it is written out
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import obstore
from obstore import exceptions
from obstore.store import LocalStore, ObjectStore, S3Store

from carbonledger.kernel import errors

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config

KEY_CHARS_MAX = 512
OBJECT_BYTES_MAX = 256 * 2**20  # a conditional write is one request, whole in memory; larger things are several objects
_CHUNK_BYTES = 256 * 1024
# A part begins with a letter or a digit: no ".", no "..", nothing hidden, nothing that a shell reads as an option.
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+@-]{0,127}", re.ASCII)
_CONNECT = timedelta(seconds=5)
_REQUEST = timedelta(seconds=60)
_RETRIES = 3  # beyond it the job tries again, later


class ObjectFault(errors.Fault):
    """A stored file could not be used."""

    code = "object_fault"


class ObjectMissing(ObjectFault):
    """There is no such file."""

    kind = errors.Kind.NOT_FOUND
    code = "object_missing"


class ObjectExists(ObjectFault):
    """A file of this name exists already, and files are never changed."""

    kind = errors.Kind.CONFLICT
    code = "object_exists"


class ObjectTooLarge(ObjectFault):
    """The file is larger than allowed here."""

    kind = errors.Kind.TOO_LARGE
    code = "object_too_large"


class ObjectKeyInvalid(ObjectFault):
    """This can't be the name of a file."""

    kind = errors.Kind.INVALID
    code = "object_key_invalid"


class ObjectsUnavailable(ObjectFault):
    """The file store can't be used now."""

    kind = errors.Kind.UNAVAILABLE
    code = "objects_unavailable"


class ObjectsRefused(ObjectFault):
    """The file store refuses this installation."""

    kind = errors.Kind.FORBIDDEN  # until the operator changes its rights
    code = "objects_refused"


class ObjectsAddressInvalid(ObjectFault):
    """The address of the file store is not usable."""

    kind = errors.Kind.INVALID
    code = "objects_address_invalid"


@dataclass(frozen=True, slots=True)
class Info:
    """What is known of an object without reading it."""

    key: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Download:
    """An object being read: what it is, and its bytes in order, to be read once."""

    info: Info
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Objects:
    """A store, narrowed to the keys below ``prefix`` (empty, or ending in a slash)."""

    store: ObjectStore = field(repr=False)
    prefix: str = ""

    def of_organization(self, organization_id: UUID) -> Objects:
        """Return the same store narrowed to one organization's objects."""
        return Objects(self.store, f"{self.prefix}organizations/{organization_id}/")

    async def put(self, key: str, content: bytes) -> None:
        """Create the object. Raises ``ObjectExists`` when the key is taken, by whatever content."""
        path = self._path(key)
        if len(content) > OBJECT_BYTES_MAX:
            raise ObjectTooLarge(f"{key} has {len(content)} bytes; {OBJECT_BYTES_MAX} are allowed.")
        try:
            await obstore.put_async(self.store, path, content, mode="create", use_multipart=False)
        except _FAILURES as error:
            raise _fault(error, key) from error

    async def ensure(self, key: str, content: bytes) -> bool:
        """Create the object, or find that it is there with this very content; say whether it was created.

        For handlers that may run twice, and for a write whose answer was lost. Raises ``ObjectExists`` when the content differs.
        """
        try:
            await self.put(key, content)
        except ObjectExists:
            try:
                present = await self.read(key, limit_bytes=len(content))
            except ObjectTooLarge:
                present = None
            if present != content:
                raise
            return False
        return True

    async def get(self, key: str, *, limit_bytes: int = OBJECT_BYTES_MAX) -> Download:
        """Begin to read the object. Raises ``ObjectMissing`` or ``ObjectTooLarge`` here, before the first byte is passed on."""
        path = self._path(key)
        try:
            result = await obstore.get_async(self.store, path)
        except _FAILURES as error:
            raise _fault(error, key) from error
        info = self._info(result.meta["path"], result.meta["size"], result.meta["last_modified"])
        if info.size_bytes > limit_bytes:
            raise ObjectTooLarge(f"{key} has {info.size_bytes} bytes; {limit_bytes} are allowed.")
        return Download(info, _chunks(result, key, limit_bytes))

    async def read(self, key: str, *, limit_bytes: int = OBJECT_BYTES_MAX) -> bytes:
        """Return the whole object. Raises ``ObjectMissing`` or ``ObjectTooLarge``."""
        download = await self.get(key, limit_bytes=limit_bytes)
        return b"".join([chunk async for chunk in download.chunks])

    async def head(self, key: str) -> Info:
        """Return what is known of the object. Raises ``ObjectMissing``."""
        try:
            meta = await obstore.head_async(self.store, self._path(key))
        except _FAILURES as error:
            raise _fault(error, key) from error
        return self._info(meta["path"], meta["size"], meta["last_modified"])

    async def below(self, folder: str = "", *, at_most: int) -> AsyncIterator[Info]:
        """Yield up to ``at_most`` objects whose key begins with ``folder/``, in no particular order."""
        path = self._path(folder) if folder else self.prefix.rstrip("/")
        left = at_most
        try:
            async for batch in obstore.list(self.store, path or None, chunk_size=min(max(at_most, 1), 1000)):
                for meta in batch[:left]:
                    yield self._info(meta["path"], meta["size"], meta["last_modified"])
                left -= len(batch)
                if left <= 0:
                    return
        except _FAILURES as error:
            raise _fault(error, folder) from error

    async def delete(self, key: str) -> None:
        """Remove the object; nothing happens when it is gone already."""
        try:
            await obstore.delete_async(self.store, self._path(key))
        except FileNotFoundError:
            return  # some stores say so, others don't: gone is gone
        except _FAILURES as error:
            raise _fault(error, key) from error

    def _path(self, key: str) -> str:
        # All parts are checked, so that no spelling of a key leaves the prefix.
        if len(key) > KEY_CHARS_MAX or not all(_PART.fullmatch(part) for part in key.split("/")):
            raise ObjectKeyInvalid("A key is made of parts with letters, digits and . _ = + @ -, joined by single slashes.")
        return self.prefix + key

    def _info(self, path: str, size: int, modified_at: datetime) -> Info:
        return Info(path.removeprefix(self.prefix), size, modified_at)


def connect(url: str) -> Objects:
    """Open the store at ``url`` without calling it. A local folder is made, closed to others. Raises ``ObjectsAddressInvalid``."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        raise ObjectsAddressInvalid("The address of the file store can't be read.") from None
    try:
        if parts.scheme == "file":
            return Objects(_local(parts))
        if parts.scheme == "s3":
            return Objects(_s3(parts))
    except (exceptions.BaseError, ValueError, OSError) as error:
        raise ObjectsAddressInvalid(f"The file store at {parts.scheme}:// can't be opened: {type(error).__name__}.") from error
    raise ObjectsAddressInvalid("The address of the file store begins with file:// or s3://.")


def _local(parts: urllib.parse.SplitResult) -> LocalStore:
    folder = Path(urllib.parse.unquote(parts.path))
    if parts.netloc not in {"", "localhost"} or not folder.is_absolute() or folder == Path("/") or parts.query:
        raise ObjectsAddressInvalid("A local file store is file:///and/an/absolute/folder.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # receipts and invoices name people
    return LocalStore(folder)


def _s3(parts: urllib.parse.SplitResult) -> S3Store:
    options = dict(urllib.parse.parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    endpoint = options.pop("endpoint", None)
    region = options.pop("region", None)
    if options or not parts.netloc or "@" in parts.netloc or parts.fragment:
        raise ObjectsAddressInvalid(
            "An S3 file store is s3://bucket/prefix, with ?endpoint= and &region= where needed, and no credentials."
        )
    config: S3Config = {}
    if endpoint:
        config["endpoint"] = endpoint
    if region:
        config["region"] = region
    client: ClientConfig = {"connect_timeout": _CONNECT, "timeout": _REQUEST}
    if endpoint and endpoint.startswith("http://"):
        client["allow_http"] = True
    prefix = parts.path.strip("/")
    retries: RetryConfig = {"max_retries": _RETRIES, "retry_timeout": _REQUEST}
    return S3Store(parts.netloc, prefix=prefix or None, config=config, client_options=client, retry_config=retries)


async def _chunks(result: obstore.GetResult, key: str, limit_bytes: int) -> AsyncIterator[bytes]:
    size = 0
    try:
        async for chunk in result.stream(min_chunk_size=_CHUNK_BYTES):
            size += len(chunk)
            if size > limit_bytes:  # the store sends more than it announced
                raise ObjectTooLarge(f"{key} has more than {limit_bytes} bytes.")
            yield bytes(chunk)
    except _FAILURES as error:
        raise _fault(error, key) from error


_FAILURES = (exceptions.BaseError, OSError, ValueError)


def _fault(error: Exception, key: str) -> ObjectFault:
    if isinstance(error, exceptions.AlreadyExistsError | exceptions.PreconditionError | FileExistsError):
        return ObjectExists(f"{key} exists already.")
    if isinstance(error, FileNotFoundError):
        return ObjectMissing(f"There is no {key}.")
    if isinstance(error, exceptions.PermissionDeniedError | exceptions.UnauthenticatedError | PermissionError):
        return ObjectsRefused("The file store does not let this installation in.")
    if isinstance(error, ValueError):
        return ObjectKeyInvalid(f"The file store does not take {key} as a name.")
    return ObjectsUnavailable("The file store does not answer as it should.")
