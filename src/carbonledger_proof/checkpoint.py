"""Checkpoints of a log (C2SP tlog-checkpoint): signed notes of its name, size and root. And proofs of an entry as text (tlog-proof)."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from carbonledger_proof import errors, merkle, note, signature

PROOF_HEADER = "c2sp.org/tlog-proof@v1"
_NUMBER = re.compile(r"0|[1-9][0-9]{0,15}")
_LINES = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself: its name, how many leaves it has, and their root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the text that is signed. Raises ``NoteInvalid`` for what can't be one."""
        if not self.origin or not self.origin.isprintable() or not 0 <= self.size <= merkle.SIZE_MAX or len(self.root) != merkle.HASH_BYTES:
            raise errors.NoteInvalid("The checkpoint has no name, a size out of range, or a root that is no hash.")
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    def signed(self, public: signature.PublicKey, sign: signature.Signer) -> str:
        """Return the signed note, the log's name being the name of its key."""
        return note.signed(self.text(), [(note.Verifier(self.origin, public), sign)]).encode()


@dataclass(frozen=True, slots=True)
class Proof:
    """That an entry stands at ``index`` of the log, by a checkpoint (the note, verbatim)."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None

    def encode(self) -> str:
        """Return the proof as text."""
        extra = [] if self.extra is None else [f"extra {base64.b64encode(self.extra).decode()}"]
        path = [base64.b64encode(hash_).decode() for hash_ in self.path]
        return "\n".join([PROOF_HEADER, *extra, f"index {self.index}", *path, "", self.checkpoint])


def parse(text: str) -> Checkpoint:
    """Return what a note's text says as a checkpoint. Lines after the third are not for us, and are ignored. Raises ``NoteInvalid``."""
    lines = text.split("\n")
    if len(lines) <= _LINES or lines.pop() or not all(lines) or not _NUMBER.fullmatch(lines[1]):
        raise errors.NoteInvalid("It is no checkpoint: name, size and root in a line each.")
    size = int(lines[1])
    if size > merkle.SIZE_MAX:
        raise errors.NoteInvalid(f"A log of {size} leaves is beyond {merkle.SIZE_MAX}.")
    return Checkpoint(lines[0], size, note.from_base64_hash(lines[2]))


def verified(content: str | bytes, *, origin: str, keys: Sequence[signature.PublicKey]) -> tuple[Checkpoint, signature.PublicKey]:
    """Return the checkpoint of the log ``origin`` and which of its keys signed it. Raises ``NoteInvalid``."""
    opened = note.parse(content)
    [signer, *_] = opened.verified_by([note.Verifier(origin, key) for key in keys])
    found = parse(opened.text)
    if found.origin != origin:
        raise errors.NoteInvalid(f"It is a checkpoint of {found.origin[:64]}, not of {origin}.")
    return found, signer.public


def parse_proof(text: str) -> Proof:
    """Return a proof from its text. Raises ``NoteInvalid``."""
    above, separator, checkpoint = text.partition("\n\n")
    lines = above.split("\n")
    if not separator or lines.pop(0) != PROOF_HEADER:
        raise errors.NoteInvalid(f"It does not begin with {PROOF_HEADER}.")
    extra = note.from_base64(lines.pop(0).removeprefix("extra ")) if lines and lines[0].startswith("extra ") else None
    word, _, number = (lines.pop(0) if lines else "").partition(" ")
    if word != "index" or not _NUMBER.fullmatch(number) or len(lines) > 2 * merkle.SIZE_MAX.bit_length():
        raise errors.NoteInvalid("It has no index, or is longer than a proof can be.")
    return Proof(int(number), tuple(map(note.from_base64_hash, lines)), checkpoint, extra)
