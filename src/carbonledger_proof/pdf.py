"""Reads the files attached to a PDF, and seals and verifies the PDF itself.

Only the plain form that a receipt's PDF has is read (one cross-reference table, no later revisions, ISO 32000-1 sections 7.5 and 7.11), and
what is read is bounded: whatever else comes is refused rather than guessed at.

**The seal.** A document is rendered with a placeholder among its keywords, which PDF/A keeps as plain text in the file. The placeholder is
replaced by a signature over the hash of the whole file with the placeholder still in it, so that every byte is signed and none moves.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass

from carbonledger_proof import canonical, errors, signature

BYTES_MAX = 32 * 1024 * 1024
OBJECTS_MAX = 100_000
ATTACHMENTS_MAX = 100
SEAL = "carbon-ledger-seal:"
PLACEHOLDER = SEAL + "A" * 86
"""The keyword that a document is rendered with, to be sealed afterwards."""
_ENTRY_BYTES = 20
_DICTIONARY_BYTES_MAX = 200_000
_SEALED = re.compile(re.escape(SEAL.encode()) + rb"([A-Za-z0-9_-]{86})")
_TOO_MUCH = f"An attachment is cut off, or they are larger than {canonical.BYTES_MAX} bytes."
_END = re.compile(rb"startxref\s+([0-9]{1,10})\s+%%EOF\s*\Z")
_TABLE = re.compile(rb"xref\s+0 ([0-9]{1,6})\s*\n")
_TRAILER = re.compile(rb"\s*trailer\s*<<(.*?)>>\s*startxref", re.DOTALL)
_ROOT = re.compile(rb"/Root\s+([0-9]{1,6}) 0 R")
_OBJECT = re.compile(rb"([0-9]{1,6}) 0 obj\s*")
_BODY = re.compile(rb"(?:endobj|stream\r?\n)")
_NAMES = re.compile(rb"/EmbeddedFiles\s*<<\s*/Names\s*\[")
# Short, as each bracket may begin one: a longer search would be quadratic in what is sent.
_NAME = re.compile(rb"\(((?:[^()\\]|\\.){0,200})\)\s{0,9}([0-9]{1,6}) 0 R")
_FILE = re.compile(rb"/EF\s*<<\s*/F\s+([0-9]{1,6}) 0 R")
_STREAM_END = re.compile(rb"[\r\n]{0,2}endstream")
_LENGTH = re.compile(rb"/Length\s+([0-9]{1,8})(?!\s+[0-9]+\s+R)")
_FILTER = re.compile(rb"/Filter\s*(/\w+|\[)")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside a PDF."""

    name: str
    content: bytes


def attachments(data: bytes) -> tuple[Attachment, ...]:
    """Return the files attached to a PDF, in the order in which it names them. Raises ``PdfInvalid``."""
    if len(data) > BYTES_MAX or not data.startswith(b"%PDF-"):
        raise errors.PdfInvalid(f"It is no PDF, or larger than {BYTES_MAX} bytes.")
    offsets, root = _table(data)
    catalog, _ = _object(data, offsets, root)
    named = _NAMES.search(catalog)
    found = _NAME.findall(catalog[named.end() :].partition(b"]")[0]) if named is not None else []
    if len(found) > ATTACHMENTS_MAX:
        raise errors.PdfInvalid(f"It has more than {ATTACHMENTS_MAX} attachments.")
    files, room = [], canonical.BYTES_MAX  # for all together: a hundred names may share one file
    for name, number in found:
        files.append(Attachment(name.decode("latin-1"), _content(data, offsets, int(number), room)))
        room -= len(files[-1].content)
    return tuple(files)


def sealed(data: bytes, sign: signature.Signer) -> bytes:
    """Return a PDF with its seal in the place of each placeholder. Raises ``PdfInvalid`` if it has none, or a seal already."""
    if {found[0] for found in _SEALED.finditer(data)} != {PLACEHOLDER.encode()}:
        raise errors.PdfInvalid("It has no placeholder for a seal among its keywords.")
    made = signature.to_base64url(sign(_message(data)))
    return data.replace(PLACEHOLDER.encode(), f"{SEAL}{made}".encode())


def verify(data: bytes, key: signature.PublicKey) -> None:
    """Raise ``PdfInvalid`` or ``SignatureInvalid`` unless the key sealed this PDF, byte for byte."""
    seals = {found[1] for found in _SEALED.finditer(data)}
    if len(seals) != 1:
        raise errors.PdfInvalid("It has no seal, or more than one.")
    made = signature.from_base64url(seals.pop().decode(), signature.SIGNATURE_BYTES)
    key.verify(made, _message(_SEALED.sub(PLACEHOLDER.encode(), data)))


def _message(data: bytes) -> bytes:
    return signature.message(signature.PDF, hashlib.sha256(data).hexdigest().encode())


def _table(data: bytes) -> tuple[list[int], int]:
    """Return where each object begins, and which is the root."""
    end = _END.search(data, max(0, len(data) - 100))
    head = None if end is None else _TABLE.match(data, int(end[1]))
    if end is None or head is None or int(head[1]) > OBJECTS_MAX:
        raise errors.PdfInvalid("It has no plain table of its objects.")
    count, begin = int(head[1]), head.end()
    entries = data[begin : begin + count * _ENTRY_BYTES]
    trailer = _TRAILER.match(data, begin + count * _ENTRY_BYTES)
    root = None if trailer is None else _ROOT.search(trailer[1])
    if trailer is None or root is None or b"/Prev" in trailer[1] or b"/Encrypt" in trailer[1]:
        raise errors.PdfInvalid("It was changed after it was made, or is encrypted.")
    digits = [entries[at : at + 10] for at in range(0, len(entries), _ENTRY_BYTES)]
    if not all(entry.isdigit() for entry in digits):
        raise errors.PdfInvalid("The table of its objects is damaged.")
    return [int(entry) for entry in digits], int(root[1])


def _object(data: bytes, offsets: list[int], number: int) -> tuple[bytes, int]:
    """Return the dictionary of an object, and where its stream begins."""
    if not 0 < number < len(offsets):
        raise errors.PdfInvalid(f"It has no object {number}.")
    head = _OBJECT.match(data, offsets[number])
    body = None if head is None else _BODY.search(data, head.end(), head.end() + _DICTIONARY_BYTES_MAX)
    if head is None or body is None or int(head[1]) != number:
        raise errors.PdfInvalid(f"Object {number} is not where it is said to be.")
    return data[head.end() : body.start()], body.end()


def _content(data: bytes, offsets: list[int], number: int, room: int) -> bytes:
    """Return the content of an attached file, of at most ``room`` bytes."""
    specification, _ = _object(data, offsets, number)
    file = _FILE.search(specification)
    if file is None:
        raise errors.PdfInvalid("An attachment has no content.")
    dictionary, begin = _object(data, offsets, int(file[1]))
    length, filters = _LENGTH.search(dictionary), _FILTER.search(dictionary)
    if length is None or not _STREAM_END.match(data, begin + int(length[1])):
        raise errors.PdfInvalid("An attachment has no length, or another one.")
    stored = data[begin : begin + int(length[1])]
    if filters is None and len(stored) <= room:
        return stored
    if filters is None:
        raise errors.PdfInvalid(_TOO_MUCH)
    if filters[1] != b"/FlateDecode":
        raise errors.PdfInvalid("An attachment is packed in a way that is not read here.")
    return _inflated(stored, room)


def _inflated(stored: bytes, room: int) -> bytes:
    """Return the content of deflated bytes, of at most ``room``."""
    packed = zlib.decompressobj()
    try:
        content = packed.decompress(stored, room + 1)
    except zlib.error as error:
        raise errors.PdfInvalid(f"An attachment is damaged: {error}.") from error
    if len(content) > room or not packed.eof:
        raise errors.PdfInvalid(_TOO_MUCH)
    return content
