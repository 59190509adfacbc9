"""Tiles of a log's tree, as anyone can mirror them over HTTP (C2SP tlog-tiles): height 8, 256 hashes, 8,192 bytes.

A tile at level ``L`` holds nodes of level ``8 * L``, from left to right; what is between those levels is computed from it. Owns the places
and the reading of nodes out of tiles; fetching or storing a tile is the caller's affair.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from carbonledger_proof import errors, merkle

HEIGHT = 8
WIDTH = 1 << HEIGHT
ENTRY_BYTES_MAX = 2**16 - 1  # an entry's length is two bytes
_PATH = re.compile(r"(0|[1-9][0-9]?|entries)/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile by its place. ``level`` -1 is a bundle of entries; ``width`` below 256 is a partial one, at the right edge."""

    level: int
    index: int
    width: int = WIDTH

    def path(self) -> str:
        """Return its path under ``/tile/``, such as ``0/x001/x234/067.p/8``."""
        digits = f"{self.index:03d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        place = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
        level = "entries" if self.level < 0 else str(self.level)
        return f"{level}/{place}" if self.width == WIDTH else f"{level}/{place}.p/{self.width}"


Fetch = Callable[[Tile], bytes]


def parse_path(path: str) -> Tile:
    """Return the tile that a path under ``/tile/`` names. Raises ``MerkleInvalid`` for any other way of writing it."""
    found = _PATH.fullmatch(path)
    if found is None:
        raise errors.MerkleInvalid(f"{path[:64]!r} names no tile.")
    level = -1 if found[1] == "entries" else int(found[1])
    tile = Tile(level, int(found[2].replace("x", "").replace("/", "")), int(found[3] or WIDTH))
    if tile.path() != path or tile.width > WIDTH or tile.level * HEIGHT >= 64:  # noqa: PLR2004 - a level beyond 64-bit sizes
        raise errors.MerkleInvalid(f"{path[:64]!r} names no tile.")
    return tile


def tile_of(node: merkle.Node, size: int) -> Tile:
    """Return the tile that holds a node, as wide as it is in the tree of ``size``. Raises ``MerkleInvalid`` if the node is not in it."""
    level, above = divmod(node.level, HEIGHT)
    index = node.index >> HEIGHT - above
    if not 0 <= node.index < size >> node.level:
        raise errors.MerkleInvalid(f"There is no node {node.level}/{node.index} in a tree of {size}.")
    return Tile(level, index, min(WIDTH, (size >> level * HEIGHT) - index * WIDTH))


def reader(fetch: Fetch, size: int) -> merkle.Reader:
    """Return a reader of nodes for ``merkle.prove`` that fetches each tile of the tree of ``size`` once.

    The reader raises ``MerkleInvalid`` for a tile of another length than its width says.
    """
    fetched: dict[Tile, bytes] = {}

    def read(level: int, index: int) -> bytes:
        tile = tile_of(merkle.Node(level, index), size)
        content = fetched.get(tile)
        if content is None:
            content = fetched[tile] = fetch(tile)
            if len(content) != tile.width * merkle.HASH_BYTES:
                raise errors.MerkleInvalid(f"Tile {tile.path()} is of {len(content)} bytes.")
        return _node(content, level % HEIGHT, index)

    return read


def changed(old: int, new: int) -> Iterator[Tile]:
    """Give the tiles of hashes that a tree grown from ``old`` to ``new`` leaves has and had not before, partial ones included."""
    level = 0
    while new >> level * HEIGHT:
        before, after = old >> level * HEIGHT, new >> level * HEIGHT
        if before != after:
            for index in range(before // WIDTH, -(-after // WIDTH)):
                yield Tile(level, index, min(WIDTH, after - index * WIDTH))
        level += 1


def pack_entries(entries: Iterable[bytes]) -> bytes:
    """Return a bundle of entries: each with its length in two bytes. Raises ``MerkleInvalid`` for one that is too long."""
    packed = bytearray()
    for entry in entries:
        if len(entry) > ENTRY_BYTES_MAX:
            raise errors.MerkleInvalid(f"An entry of {len(entry)} bytes is longer than {ENTRY_BYTES_MAX}.")
        packed += struct.pack(">H", len(entry)) + entry
    return bytes(packed)


def unpack_entries(content: bytes) -> list[bytes]:
    """Return the entries of a bundle. Raises ``MerkleInvalid`` for one that is cut off, or for more than 256."""
    entries: list[bytes] = []
    at = 0
    while at < len(content):
        end = at + 2 + int.from_bytes(content[at : at + 2], "big")
        if end > len(content) or at + 2 > len(content) or len(entries) == WIDTH:
            raise errors.MerkleInvalid("A bundle of entries is cut off, or too long.")
        entries.append(content[at + 2 : end])
        at = end
    return entries


def _node(content: bytes, above: int, index: int) -> bytes:
    count = 1 << above
    first = (index % (WIDTH >> above)) * count
    hashes = [
        content[at : at + merkle.HASH_BYTES]
        for at in range(first * merkle.HASH_BYTES, (first + count) * merkle.HASH_BYTES, merkle.HASH_BYTES)
    ]
    while len(hashes) > 1:
        hashes = [merkle.node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]
