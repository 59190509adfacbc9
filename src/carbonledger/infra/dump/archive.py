"""The file of a dump: a zip of what ``pg_dump`` wrote and a manifest that says what it is.

Owns: the format. Members are stored as they are (``pg_dump`` compresses), the manifest last, since it holds the digest of the other. Stored
format, version 1: names of members and of the manifest's fields are never to change.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import secrets
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from carbonledger.kernel import errors

FORMAT = "carbonledger-dump-1"
DATABASE = "database.pgdump"
MANIFEST = "manifest.json"
_MANIFEST_MAX_BYTES = 16 * 2**20
_CHUNK_BYTES = 2**20


class DumpExists(errors.Conflict):
    """The file exists already."""

    code = "dump_exists"


class DumpMissing(errors.NotFound):
    """There is no such dump."""

    code = "dump_missing"


class DumpUnwritable(errors.Unavailable):
    """The dump can't be written."""

    code = "dump_unwritable"


class DumpDamaged(errors.Invalid):
    """The file is not a whole dump of Carbon Ledger."""

    code = "dump_damaged"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a dump holds: enough to judge it before anything is restored."""

    made_at: str
    version: str
    """Of Carbon Ledger."""
    revision: str
    """Of the schema."""
    server: str
    keys: tuple[str, ...]
    """Fingerprints of the vault keys that its sealed values need."""
    tables: dict[str, int]
    """Rows by table, as one snapshot saw them."""
    protection: tuple[str, ...]
    """Row-level security, policies, grants, triggers and owners of functions, one line each, in order."""
    sha256: str
    size_bytes: int


class Writer:
    """Takes what ``pg_dump`` writes. Made by ``writing``."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def database(self, source: IO[bytes]) -> tuple[str, int]:
        """Copy the database's part and return its digest and size."""
        digest, size = hashlib.sha256(), 0
        with self._archive.open(DATABASE, "w", force_zip64=True) as target:
            while chunk := source.read(_CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
                target.write(chunk)
        return digest.hexdigest(), size

    def manifest(self, manifest: Manifest) -> None:
        """Write the manifest; the dump is whole."""
        self._archive.writestr(MANIFEST, json.dumps({"format": FORMAT, **dataclasses.asdict(manifest)}, indent=1))


@contextlib.contextmanager
def writing(path: Path, *, replace: bool) -> Iterator[Writer]:
    """Write a dump beside its place, for its owner's eyes only, and move it there when it is whole.

    Raises ``DumpExists`` unless told to ``replace``, ``DumpUnwritable``.
    """
    if path.exists() and not replace:
        raise DumpExists(f"{path} exists already; choose another name, or replace it with --force.")
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        file = os.fdopen(os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w+b")
    except OSError as error:
        raise DumpUnwritable(f"{path} can't be written ({error.strerror}); choose another place.") from error
    try:
        with file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
                yield Writer(archive)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise DumpUnwritable(f"{path} can't be written ({error.strerror}); choose another place.") from error
    finally:
        beside.unlink(missing_ok=True)


def read_manifest(path: Path) -> Manifest:
    """Return the manifest of a dump. Raises ``DumpMissing``, ``DumpDamaged``."""
    with _opened(path) as archive:
        if archive.getinfo(MANIFEST).file_size > _MANIFEST_MAX_BYTES:
            raise DumpDamaged(f"{path} is not a dump of Carbon Ledger: its manifest is too large.")
        try:
            fields = json.loads(archive.read(MANIFEST))
            if fields.pop("format") != FORMAT:
                raise DumpDamaged(f"{path} has a format that this version does not know; use the version that made it.")
            fields = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
            return Manifest(**fields)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DumpDamaged(f"{path} has a manifest that can't be read; take it from another backup.") from error


def verify(path: Path, manifest: Manifest) -> None:
    """Read the database's part through and compare its digest. Raises ``DumpDamaged``."""
    digest = hashlib.sha256()
    with reading(path) as source:
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
    if digest.hexdigest() != manifest.sha256:
        raise _damaged(path)


@contextlib.contextmanager
def reading(path: Path) -> Iterator[IO[bytes]]:
    """Open the database's part. Raises ``DumpMissing``, ``DumpDamaged``."""
    with _opened(path) as archive, archive.open(DATABASE) as source:
        yield source


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise DumpMissing(f"There is no file {path}.") from None
    except OSError as error:
        raise DumpMissing(f"{path} can't be read ({error.strerror}).") from error
    except zipfile.BadZipFile as error:
        raise DumpDamaged(f"{path} is cut off or is not a dump of Carbon Ledger; take it from another backup.") from error
    with archive:
        if sorted(archive.namelist()) != [DATABASE, MANIFEST]:
            raise DumpDamaged(f"{path} is not a dump of Carbon Ledger; give the file that `carbonledger db dump` wrote.")
        try:
            yield archive
        # zipfile's own words for bytes that are not what they were: checksums, flags, lengths, methods of compression.
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
            raise _damaged(path) from error


def _damaged(path: Path) -> DumpDamaged:
    return DumpDamaged(f"{path} is damaged: it is not what was written; take it from another backup.")
