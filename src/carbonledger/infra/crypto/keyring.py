"""The vault's keys: parsed from text, read from or made in a file that only its owner may read.

A key is a Fernet key (32 bytes, URL-safe base64). The first of a ring seals; the others still open what they sealed, until a
rotation has sealed it anew. A fingerprint names a key without giving anything of it away (SHA-256 over 256 random bits); dumps, ``doctor``
and every sealed text carry it.

Changing the master key while serving: ``prepend_key`` puts a new key first; every process sees it at its next seal or open (``KeyFile``
looks at the file's stamp each time); the rotation job seals every row anew; ``retain_newest_key`` then drops the old keys.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import fcntl
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cryptography.fernet import Fernet, MultiFernet

from carbonledger.kernel import errors
from carbonledger.kernel.secret import SecretText

KEYS_MAX = 16  # a rotation leaves two; more than a few means that old ones were never dropped
_FILE_MAX_BYTES = 64 * 1024
_KEY_BYTES = 32
_FINGERPRINT_CHARS = 16
_HEADER = (
    "# Carbon Ledger vault keys, newest first. Whoever reads this file can open every stored secret;\n"
    "# without it none can be opened again. Keep a copy apart from the database's backups.\n"
)


class VaultKeyFault(errors.Fault):
    """The vault's keys are not usable."""

    kind = errors.Kind.UNAVAILABLE
    code = "vault_keys_unusable"


class VaultKeysMissing(VaultKeyFault):
    """There is no vault key file."""

    code = "vault_keys_missing"


class VaultKeysExposed(VaultKeyFault):
    """Others than the owner may read the vault key file."""

    code = "vault_keys_exposed"


class VaultKeysUnreadable(VaultKeyFault):
    """The vault's keys can't be read."""

    code = "vault_keys_unreadable"


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys by fingerprint, newest first. Holds the keys themselves and shows only the fingerprints."""

    fingerprints: tuple[str, ...]
    multi: MultiFernet = field(repr=False, compare=False)
    by_fingerprint: dict[str, Fernet] = field(repr=False, compare=False)

    @property
    def current(self) -> str:
        """Fingerprint of the key that seals."""
        return self.fingerprints[0]


class KeySource(Protocol):
    """Where a sealer takes its keys from, each time it needs them."""

    def ring(self) -> KeyRing: ...


@dataclass(frozen=True, slots=True)
class FixedKeys:
    """Keys that stay the same while the process lives (given by the environment)."""

    keys: KeyRing

    def ring(self) -> KeyRing:
        return self.keys


def generate_key() -> SecretText:
    """Return a fresh key."""
    return SecretText(base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)).decode())


def parse_keys(text: SecretText) -> KeyRing:
    """Read keys separated by commas, spaces or line ends; ``#`` begins a comment.

    Raises ``VaultKeysUnreadable``, which names the place of the wrong key and shows nothing of it.
    """
    words = _words(text)
    if not words:
        raise VaultKeysUnreadable("There is no key in it; one line per key, newest first.")
    if len(words) > KEYS_MAX:
        raise VaultKeysUnreadable(f"It holds {len(words)} keys, at most {KEYS_MAX} are allowed; rotate, then drop the old ones.")
    raw = [_decode(word, place) for place, word in enumerate(words, start=1)]
    names = tuple(fingerprint(key) for key in raw)
    if len(set(names)) != len(names):
        raise VaultKeysUnreadable("The same key stands in it twice.")
    fernets = [Fernet(word) for word in words]
    return KeyRing(fingerprints=names, multi=MultiFernet(fernets), by_fingerprint=dict(zip(names, fernets, strict=True)))


def fingerprint(key: bytes) -> str:
    """Return the public name of a raw key: 64 bits of SHA-256 with our own prefix, as hex. Stored in every sealed text; never to change."""
    return hashlib.sha256(b"carbonledger.vault-key.v1\0" + key).hexdigest()[:_FINGERPRINT_CHARS]


def _words(text: SecretText) -> list[str]:
    return [word for line in text.reveal().splitlines() for word in re.split(r"[\s,]+", line.partition("#")[0]) if word]


def _decode(word: str, place: int) -> bytes:
    try:
        raw = base64.b64decode(word.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raw = b""
    if len(raw) != _KEY_BYTES:
        raise VaultKeysUnreadable(f"Key {place} is not 32 bytes in URL-safe base64.") from None
    return raw


def read_file(path: Path) -> KeyRing:
    """Read the key file. Raises ``VaultKeysMissing``, ``VaultKeysExposed`` or ``VaultKeysUnreadable``."""
    return parse_keys(_read(path))


def _read(path: Path) -> SecretText:
    try:
        with path.open("rb") as file:
            # The open file is judged, not the name: nobody can swap it in between.
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise VaultKeysUnreadable(f"{path} is not a file.")
            if mode & 0o077:
                remedy = f"chmod 600 {path}"
                raise VaultKeysExposed(f"{path} has mode {stat.S_IMODE(mode):04o}; only its owner may read it: {remedy}")
            content = file.read(_FILE_MAX_BYTES + 1)
    except FileNotFoundError:
        raise VaultKeysMissing(f"{path} does not exist. Restore it from its backup; without it stored secrets can't be opened.") from None
    except OSError as error:
        raise VaultKeysUnreadable(f"{path}: {error.strerror}.") from error
    if len(content) > _FILE_MAX_BYTES:
        raise VaultKeysUnreadable(f"{path} is larger than {_FILE_MAX_BYTES} bytes; it is not a key file.")
    try:
        return SecretText(content.decode("utf-8"))
    except UnicodeDecodeError:
        raise VaultKeysUnreadable(f"{path} is not text.") from None  # the error would hold the bytes


def open_or_create(path: Path) -> KeyRing:
    """Read the key file, or make it with one fresh key if there is none. Of several processes that start at once, one makes it.

    Only for an installation that has sealed nothing yet: where sealed rows exist, a missing file is a loss and ``read_file`` says so.
    """
    _make_folder(path.parent)
    with _locked(path):
        if not path.exists():
            _replace(path, [generate_key().reveal()])
    return read_file(path)


def prepend_key(path: Path) -> str:
    """Put a fresh key before the others and return its fingerprint. From now on it seals; the others still open."""
    with _locked(path):
        words = [generate_key().reveal(), *_words(_read(path))]
        ring = parse_keys(SecretText("\n".join(words)))
        _replace(path, words)
    return ring.current


def retain_newest_key(path: Path) -> tuple[str, ...]:
    """Drop every key but the newest and return the fingerprints dropped. Call it only when no sealed text names them any more."""
    with _locked(path):
        content = _read(path)
        ring = parse_keys(content)
        _replace(path, _words(content)[:1])
    return ring.fingerprints[1:]


class KeyFile:
    """Keys of a file that another process may change: read again whenever its stamp differs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = _stamp(path)
        self._ring = read_file(path)

    def ring(self) -> KeyRing:
        try:
            stamp = _stamp(self._path)
        except VaultKeysMissing:
            # Moved away while we serve: what we hold stays right, and stopping every poll and call helps nobody. ``doctor`` reads the file.
            return self._ring
        if stamp != self._stamp:
            # Stamp first, then content: a change in between is seen the next time.
            self._ring = read_file(self._path)
            self._stamp = stamp
        return self._ring


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except FileNotFoundError:
        raise VaultKeysMissing(f"{path} does not exist. Restore it from its backup; without it stored secrets can't be opened.") from None
    except OSError as error:
        raise VaultKeysUnreadable(f"{path}: {error.strerror}.") from error
    return status.st_ino, status.st_mtime_ns, status.st_size


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise VaultKeysUnreadable(f"{folder} can't be made: {error.strerror}.") from error


def _replace(path: Path, words: list[str]) -> None:
    """Write the whole file beside its place, sync it, then rename: a reader sees the old keys or the new ones, never half."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(_HEADER + "\n".join(words) + "\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise VaultKeysUnreadable(f"{path} can't be written: {error.strerror}.") from error
    finally:
        beside.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    # A file's name is durable only when its folder is: a power cut must not leave sealed rows without their key.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the folder's lock: two operators who rotate at once must not lose one another's key."""
    try:
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise VaultKeysUnreadable(f"{path.parent}: {error.strerror}.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
