"""Signed notes (C2SP signed-note): a text with signature lines below it, made by keys that have a name each.

Only Ed25519 (type 1) is made and verified here; lines of other keys are kept and ignored, as the specification asks.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from carbonledger_proof import errors, signature

ED25519 = 0x01
KEY_ID_BYTES = 4
SIGNATURES_MAX = 64  # the specification asks for 16 at least
NOTE_BYTES_MAX = 1_000_000
_DASH = "\N{EM DASH} "
_HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Line:
    """A signature line: whose, by which key, and the signature's bytes."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.signature).decode()}\n"


@dataclass(frozen=True, slots=True)
class Verifier:
    """A key that notes are signed with, and the name that it goes by."""

    name: str
    public: signature.PublicKey

    def __post_init__(self) -> None:
        _check_name(self.name)

    @property
    def key_id(self) -> bytes:
        """The first four bytes of a hash over name, type and key."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes((ED25519,)) + self.public.raw).digest()[:KEY_ID_BYTES]

    def __str__(self) -> str:
        """Return the form in which such keys are handed around: ``name+id+type and key`` (golang.org/x/mod/sumdb/note)."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(bytes((ED25519,)) + self.public.raw).decode()}"


@dataclass(frozen=True, slots=True)
class Note:
    """A note that was taken apart and not yet verified."""

    text: str
    lines: tuple[Line, ...]

    def encode(self) -> str:
        """Return the whole note."""
        return self.text + "\n" + "".join(map(str, self.lines))

    def verified_by(self, verifiers: Sequence[Verifier]) -> tuple[Verifier, ...]:
        """Return which keys signed it.

        Raises ``NoteInvalid`` if none of them did, or if a line that names one of them does not verify.
        """
        known = {(verifier.name, verifier.key_id): verifier for verifier in verifiers}
        found = []
        for line in self.lines:
            verifier = known.get((line.name, line.key_id))
            if verifier is None:
                continue
            try:
                verifier.public.verify(line.signature, self.text.encode())
            except errors.SignatureInvalid as error:
                raise errors.NoteInvalid(f"The signature of {line.name} does not fit the text.") from error
            found.append(verifier)
        if not found:
            raise errors.NoteInvalid("No known key signed it.")
        return tuple(dict.fromkeys(found))


def parse(content: str | bytes) -> Note:
    """Return a note's text and lines. Raises ``NoteInvalid`` for what is not exactly a note."""
    text = _decoded(content)
    if len(text) > NOTE_BYTES_MAX or any(character < " " and character != "\n" for character in text):
        raise errors.NoteInvalid("It is too long, or has control characters.")
    above, separator, below = text.rpartition("\n\n")
    if not separator or not below.endswith("\n"):
        raise errors.NoteInvalid("It has no signature lines after an empty one.")
    lines = below[:-1].split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise errors.NoteInvalid(f"It has more than {SIGNATURES_MAX} signatures.")
    return Note(above + "\n", tuple(map(_line, lines)))


def signed(text: str, signers: Sequence[tuple[Verifier, signature.Signer]]) -> Note:
    """Return the note that these keys sign. Raises ``NoteInvalid`` for a text that can't be one."""
    lines = tuple(Line(verifier.name, verifier.key_id, sign(text.encode())) for verifier, sign in signers)
    note = Note(text, lines)
    if not lines or parse(note.encode()) != note:
        raise errors.NoteInvalid("The text does not end with a newline, or nobody signs it.")
    return note


def parse_verifier(text: str) -> Verifier:
    """Return a key from the form in which it is handed around. Raises ``NoteInvalid``."""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    raw = from_base64(encoded)
    if len(raw) != 1 + signature.KEY_BYTES or raw[0] != ED25519:
        raise errors.NoteInvalid("It is no key of Ed25519.")
    try:
        verifier = Verifier(name, signature.PublicKey(raw[1:]))
    except errors.KeyInvalid as error:
        raise errors.NoteInvalid(str(error)) from error
    if verifier.key_id.hex() != key_id:
        raise errors.NoteInvalid("The key does not have the id that stands beside it.")
    return verifier


def _decoded(content: str | bytes) -> str:
    try:
        return content.decode("utf-8") if isinstance(content, bytes) else content.encode().decode()
    except UnicodeError as error:
        raise errors.NoteInvalid("It is not UTF-8.") from error


def _line(line: str) -> Line:
    name, separator, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not separator:
        raise errors.NoteInvalid(f"{line[:64]!r} is no signature line.")
    _check_name(name)
    content = from_base64(encoded)
    if len(content) <= KEY_ID_BYTES:
        raise errors.NoteInvalid("A signature is too short.")
    return Line(name, content[:KEY_ID_BYTES], content[KEY_ID_BYTES:])


def _check_name(name: str) -> None:
    if not name or "+" in name or any(character.isspace() or character < " " for character in name):
        raise errors.NoteInvalid(f"{name[:64]!r} is no name of a key.")


def from_base64(text: str) -> bytes:
    """Return the bytes of base64 in its only form, with padding."""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise errors.NoteInvalid(f"{text[:64]!r} is not base64.") from error
    if base64.b64encode(content).decode() != text:
        raise errors.NoteInvalid(f"{text[:64]!r} is not base64 in its only form.")
    return content


def from_base64_hash(text: str) -> bytes:
    """Return the 32 bytes of a hash that stands in a note. Raises ``NoteInvalid``."""
    content = from_base64(text)
    if len(content) != _HASH_BYTES:
        raise errors.NoteInvalid(f"A hash is of {_HASH_BYTES} bytes, this one is of {len(content)}.")
    return content
