"""The manifest of an audit pack: what the pack is of, each file with its size and SHA-256, and the seal over all of it.

A pack is a zip file (``archive``) whose first file is ``manifest.json``: canonical JSON, sealed as a bundle is, under a name of its own
(``signature.MANIFEST``). The other files follow in the order of their names, and the manifest names every one. Which files there are, and
what is in them, is said in ADR 0023; verifying is in ``pack``.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from carbonledger_proof import archive, bundle, canonical, errors, keys, measures, shape, signature, statement

SCHEMA = signature.MANIFEST
FILE_NAME = "manifest.json"
RECEIPTS_MAX = 1000
STATEMENT, BUNDLE, PAGE = "receipt.json", "bundle.json", "receipt.pdf"  # what was signed, what proves it, and its page


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of the pack: its name, size in bytes, and SHA-256 in hex."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """A receipt of the period, and how it stood when the pack was made."""

    serial: str
    state: bundle.State


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a pack is of, and what is in it. ``number`` counts the packs of the period from 1 on; ``files`` are in order of their names.

    ``test``: it is of a sandbox, about no real usage and no real credits. ``events``: the tree over the events that the pack holds.
    """

    test: bool
    issuer: str
    organization: str
    period: statement.Period
    number: int
    events: statement.Events
    receipts: tuple[Stated, ...]
    files: tuple[File, ...]
    keys: keys.KeySet
    made_at: datetime
    seal: bundle.Seal

    def __post_init__(self) -> None:
        names = [file.name for file in self.files]
        if any(left >= right for left, right in itertools.pairwise(names)) or FILE_NAME in names:
            raise errors.StatementInvalid("Its files are not in the order of their names, each once, without the manifest.", "/files")
        if len({one.serial for one in self.receipts}) != len(self.receipts):
            raise errors.StatementInvalid("A receipt stands there twice.", "/receipts")

    def encode(self) -> bytes:
        """Return the file."""
        return canonical.write(MANIFEST.write(self))


def with_files(given: Manifest, *, files: tuple[File, ...], known: keys.KeySet, made_at: datetime) -> Manifest:
    """Return a manifest with its files, the keys as they are published, and when it is made."""
    return dataclasses.replace(given, files=files, keys=known, made_at=made_at)


def sealed(unsealed: Manifest, *, kid: str, sign: signature.Signer) -> Manifest:
    """Return the manifest with the seal of a key, after reading it as a verifier will. Raises ``StatementInvalid``, ``JsonInvalid``."""
    parts = bundle.parts_of(MANIFEST.write(unsealed))
    made = signature.to_base64url(sign(signature.message(SCHEMA, bundle.sealed_part(parts))))
    result = dataclasses.replace(unsealed, seal=bundle.Seal(kid=kid, signature=made))
    if read(result.encode()) != result:
        raise errors.StatementInvalid("It would be read as another manifest.")
    return result


def read(data: bytes) -> Manifest:
    """Return the manifest of a file. Raises ``JsonInvalid`` or ``StatementInvalid``."""
    return MANIFEST.read(canonical.read_canonical(data))


def check_seal(data: bytes, opened: Manifest, known: keys.KeySet) -> None:
    """Raise a ``ProofError`` unless a known key, valid when it was made, sealed the manifest of this file."""
    key = known.get(opened.seal.kid, keys.Purpose.RECEIPTS)
    key.check(opened.made_at)
    parts = bundle.parts_of(canonical.read_canonical(data))
    signature.verify(SCHEMA, bundle.sealed_part(parts), opened.seal.signature, key.public)


def folder(serial: str) -> str:
    """Return where the files of a receipt are."""
    return f"receipts/{serial}"


def in_order(files: Iterable[File]) -> tuple[File, ...]:
    """Return files as a manifest names them."""
    return tuple(sorted(files, key=lambda file: file.name))


MANIFEST = shape.record(
    Manifest,
    {"schema": SCHEMA},
    test=shape.boolean(),
    issuer=statement.ORIGIN,
    organization=statement.PSEUDONYM,
    period=statement.PERIOD,
    number=shape.integer(1),
    events=statement.EVENTS,
    receipts=shape.array(shape.record(Stated, serial=statement.SERIAL, state=shape.choice(bundle.State)), most=RECEIPTS_MAX),
    files=shape.array(
        shape.record(File, name=shape.text(archive.NAME_MAX), size=measures.COUNT, sha256=shape.hash_hex()), most=archive.ENTRIES_MAX
    ),
    keys=keys.KEY_SET,
    made_at=shape.instant(),
    seal=bundle.SEAL,
)
