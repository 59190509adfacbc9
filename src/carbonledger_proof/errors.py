"""What can be wrong with a proof, each a class of its own under ``ProofError``.

Whoever checks a file with ``verify`` never meets one: it says there, in a failed check, what the error says.
"""

from __future__ import annotations


class ProofError(Exception):
    """Something that is to prove a thing does not prove it, or can't be read."""


class JsonInvalid(ProofError):
    """These bytes are not JSON as it is signed here: one meaning only, whole numbers, bounded."""


class MerkleInvalid(ProofError):
    """A Merkle proof is malformed, or leads to another root."""


class KeyInvalid(ProofError):
    """This is no public key that may be used, or a set of keys can't be read."""


class KeyUnknown(ProofError):
    """The signature names a key that is not among the known ones."""


class KeyNotValid(ProofError):
    """The key was not valid at that time."""


class SignatureInvalid(ProofError):
    """The signature was not made by this key over these bytes."""


class NoteInvalid(ProofError):
    """This is no signed note, or no trusted key signed it."""


class SerialInvalid(ProofError):
    """This is no serial of a receipt."""


class SerialsExhausted(ProofError):
    """All 1,048,576 serials of the month are taken."""


class StatementInvalid(ProofError):
    """A member of a statement is missing, unknown, or not what it has to be.

    ``pointer`` leads to the member (RFC 6901); empty: the statement as a whole.
    """

    def __init__(self, problem: str, pointer: str = "") -> None:
        super().__init__(f"{pointer}: {problem}" if pointer else problem)
        self.problem = problem
        self.pointer = pointer

    def inside(self, name: str | int) -> StatementInvalid:
        """Return the same, seen from the object or list that it happened in."""
        return StatementInvalid(self.problem, f"/{name}{self.pointer}")


class PdfInvalid(ProofError):
    """The PDF can't be read, or holds no bundle."""


class ArchiveInvalid(ProofError):
    """The zip file is not exactly as an audit pack is written."""


class PackInvalid(ProofError):
    """Files of an audit pack are missing, changed, or not those that its manifest names."""
