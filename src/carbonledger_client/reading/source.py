"""The file that is imported: opened twice, once for its digest and once for its rows.

Owns: gzip (recognised by its first bytes, whatever the name), stdin (kept in a temporary file, since it can't be read twice), the digest
of the content as it is after unpacking, and noticing that a file changed in between.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from carbonledger_client import errors

_GZIP = b"\x1f\x8b"
_PART_BYTES = 2**20
STDIN = "-"


@dataclass(frozen=True, slots=True)
class Source:
    """A file that can be read from its start as often as wanted. ``digest`` is the SHA-256 of its unpacked content, in hex."""

    raw: BinaryIO
    digest: str
    size_bytes: int
    stamp: tuple[int, int]

    def reading(self) -> contextlib.AbstractContextManager[io.BufferedReader]:
        """Open the unpacked content at its start, for one reader at a time."""
        return _unpacked(self.raw)

    def read_bytes(self) -> int:
        """Return how far the file itself has been read, of ``size_bytes``."""
        return os.lseek(self.raw.fileno(), 0, os.SEEK_CUR)

    def require_unchanged(self) -> None:
        """Raise ``Misused`` if the file is not what its digest was taken of."""
        if _stamp(self.raw) != self.stamp:
            raise errors.Misused("The file changed while it was read. Import a copy that nobody writes to.")

    def is_at(self, place: Path) -> bool:
        """Say whether ``place`` is the file itself."""
        try:
            return os.path.samestat(place.stat(), os.fstat(self.raw.fileno()))
        except FileNotFoundError:
            return False


@contextlib.contextmanager
def opened(path: str, stdin: BinaryIO) -> Iterator[Source]:
    """Open ``path``, or spool ``stdin`` for ``-``. Raises ``Misused`` for a file that can't be read or ends in the middle of its gzip."""
    with _raw(path, stdin) as raw:
        if not raw.seekable():
            raise errors.Misused(f"{path} can't be read twice; pipe it in and name it -.")
        stamp = _stamp(raw)
        try:
            with _unpacked(raw) as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
        except (EOFError, OSError, zlib.error) as error:
            raise errors.Misused(f"{path} can't be read to its end: {error}") from error
        yield Source(raw, digest, stamp[0], stamp)


def _raw(path: str, stdin: BinaryIO) -> BinaryIO:
    if path == STDIN:
        made = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - `opened` closes it
        shutil.copyfileobj(stdin, made, _PART_BYTES)
        made.flush()
        return made
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise errors.Misused(f"{path} can't be read: {error.strerror}.") from error


@contextlib.contextmanager
def _unpacked(raw: BinaryIO) -> Iterator[io.BufferedReader]:
    # A second descriptor: whoever closes what is read here leaves `raw` open, and both share one place in the file.
    os.lseek(raw.fileno(), 0, os.SEEK_SET)
    with cast("io.BufferedReader", os.fdopen(os.dup(raw.fileno()), "rb", _PART_BYTES)) as plain:
        if plain.peek(len(_GZIP))[: len(_GZIP)] != _GZIP:
            yield plain
            return
        with gzip.GzipFile(fileobj=plain) as packed, io.BufferedReader(packed, _PART_BYTES) as content:
            yield cast("io.BufferedReader", content)


def _stamp(raw: BinaryIO) -> tuple[int, int]:
    found = os.fstat(raw.fileno())
    return found.st_size, found.st_mtime_ns
