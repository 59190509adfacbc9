"""The Merkle tree over a period's events, made as they stream by and kept in pieces that prove any of them later. Pure.

Leaves come in the order of their ids, as ids and hashes. Every ``CHUNK`` of them is a perfect subtree and becomes an object: its ids and
hashes, ``ENTRY`` bytes each. The index has the first id and the root of every chunk. So a proof reads the index and one or two chunks,
whatever the size of the period, and the memory of making it is one chunk.
"""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from carbonledger_proof import merkle

LEVEL: Final = 14
CHUNK: Final = 1 << LEVEL
ID: Final = 16
ENTRY: Final = ID + merkle.HASH_BYTES
_ID_FROM: Final = 6  # in a row of COPY's binary form: after the number of fields, and a length
_HASH_FROM: Final = _ID_FROM + ID + 4


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of the leaves: its number, and ids with hashes."""

    number: int
    content: bytes


@dataclass(slots=True)
class Growing:
    """A tree that grows from rows of ``telemetry.closing.leaf_hashes``, given in pieces of any length."""

    header_bytes: int
    row_bytes: int
    size: int = 0
    heads: bytearray = field(default_factory=bytearray)
    """The index so far: first id and root of every chunk that is complete."""
    _rest: bytearray = field(default_factory=bytearray)
    _entries: bytearray = field(default_factory=bytearray)
    _is_begun: bool = False

    def take(self, piece: bytes) -> list[Chunk]:
        """Take the next piece and return the chunks that it completes."""
        rest = self._rest
        rest += piece
        start = 0 if self._is_begun else self.header_bytes
        if len(rest) < start:
            return []
        self._is_begun = True
        rows = (len(rest) - start) // self.row_bytes
        end = start + rows * self.row_bytes
        view = bytes(rest[start:end])
        step = self.row_bytes
        self._entries += b"".join(
            [
                part
                for at in range(0, len(view), step)
                for part in (view[at + _ID_FROM : at + _ID_FROM + ID], view[at + _HASH_FROM : at + step])
            ]
        )
        del rest[:end]
        self.size += rows
        return self._complete()

    def _complete(self) -> list[Chunk]:
        done = []
        while len(self._entries) >= CHUNK * ENTRY:
            content = bytes(self._entries[: CHUNK * ENTRY])
            del self._entries[: CHUNK * ENTRY]
            done.append(self._chunk(content))
        return done

    def _chunk(self, content: bytes) -> Chunk:
        number = len(self.heads) // ENTRY
        self.heads += content[:ID] + root_of(content)
        return Chunk(number, content)

    def end(self) -> tuple[Chunk | None, bytes]:
        """Return the last chunk, if one is begun, and the root of the whole."""
        if len(self._rest) > 2:  # noqa: PLR2004 - COPY ends with two bytes that say so
            message = f"{len(self._rest)} bytes of a row are left"
            raise ValueError(message)
        last = self._chunk(bytes(self._entries)) if self._entries else None
        return last, whole_root(bytes(self.heads), self.size, b"" if last is None else last.content)


def root_of(content: bytes) -> bytes:
    """Return the root over a chunk's leaves."""
    level = hashes(content)
    if len(level) < CHUNK:
        return merkle.tree_root(level)
    sha256 = hashlib.sha256
    while len(level) > 1:
        level = [sha256(b"\x01" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=True)]
    return level[0]


def hashes(content: bytes) -> list[bytes]:
    """Return a chunk's leaf hashes."""
    return [content[at + ID : at + ENTRY] for at in range(0, len(content), ENTRY)]


def whole_root(heads: bytes, size: int, last: bytes) -> bytes:
    """Return the root over ``size`` leaves. ``last``: the content of the chunk that is not full, empty if all are."""
    whole = size // CHUNK
    roots = hashes(heads)[:whole]
    peaks = merkle.Frontier().extended(roots).peaks
    rest = merkle.Frontier().extended(hashes(last)).peaks if size % CHUNK else ()
    return merkle.Frontier(size, (*peaks, *rest)).root()


def find_chunk(heads: bytes, event_id: bytes) -> int | None:
    """Return the number of the chunk that has the event if any has; None: its id is before all."""
    firsts = [heads[at : at + ID] for at in range(0, len(heads), ENTRY)]
    place = bisect.bisect_right(firsts, event_id)
    return place - 1 if place else None


def find_leaf(content: bytes, event_id: bytes) -> int | None:
    """Return the place of an event in a chunk; None: it is not there."""
    ids = [content[at : at + ID] for at in range(0, len(content), ENTRY)]
    place = bisect.bisect_left(ids, event_id)
    return place if place < len(ids) and ids[place] == event_id else None


def chunks_of(path: merkle.Path) -> set[int]:
    """Return the chunks whose inside a proof needs."""
    return {node.index >> LEVEL - node.level for nodes in path for node in nodes if node.level < LEVEL}


def prove(path: merkle.Path, heads: bytes, chunks: Mapping[int, bytes]) -> tuple[bytes, ...]:
    """Return the hashes of a proof. ``chunks`` has the contents of ``chunks_of(path)``."""
    roots = hashes(heads)
    inside = {number: hashes(content) for number, content in chunks.items()}

    def read(level: int, index: int) -> bytes:
        if level >= LEVEL:
            return merkle.tree_root(roots[index << level - LEVEL : index + 1 << level - LEVEL])
        at = (index << level) % CHUNK
        return merkle.tree_root(inside[index >> LEVEL - level][at : at + (1 << level)])

    return tuple(merkle.prove(path, read))
