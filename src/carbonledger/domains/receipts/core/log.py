"""Arithmetic of the public log: how it grows, which tiles a proof is read from, what its name is. Pure.

Of the tree only every eighth level is kept (C2SP tlog-tiles), so growing by one leaf adds a row for the leaf and, for each 256, a node.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from carbonledger.domains.receipts.types import log as types
from carbonledger_proof import merkle, tiles

AHEAD_MAX = timedelta(minutes=5)
"""How far a leaf's time may be ahead: clocks of processes differ, and a leaf from the far future would hold back all that follow."""


def grow(frontier: merkle.Frontier, hashes: Iterable[bytes]) -> tuple[merkle.Frontier, tuple[types.Node, ...]]:
    """Return the edge of the tree after more leaf hashes (32 bytes each), and the nodes to keep that became complete, in that order."""
    kept: list[types.Node] = []

    def keep(level: int, index: int, hash_: bytes) -> None:
        if level and level % tiles.HEIGHT == 0:
            kept.append(types.Node(level, index, hash_))

    return frontier.extended(hashes, keep=keep), tuple(kept)


def turn(head: types.Head, *, at: datetime) -> datetime:
    """Return the time that leaves appended now may have: ``at`` to the second, or the last leaf's if that is later."""
    return max(at.astimezone(UTC).replace(microsecond=0), head.last_at)


def check_times(head: types.Head, times: Sequence[datetime], *, at: datetime) -> None:
    """Raise ``LeafTimeReversed`` for a leaf before the one before it, ``LeafRefused`` for one from the future.

    Whoever audits the log holds the order of the leaves against their times.
    """
    before = head.last_at
    for time in times:
        if time > max(at + AHEAD_MAX, head.last_at):
            raise types.LeafRefused(f"It is of {time}, and now it is {at}. Sandboxes with a clock of their own have no place in the log.")
        if time < before:
            raise types.LeafTimeReversed(f"It is of {time}, the leaf before it of {before}.")
        before = time


def tiles_of(path: merkle.Path, size: int) -> tuple[tiles.Tile, ...]:
    """Return the tiles of the tree of ``size`` in which the nodes of a proof are, each once."""
    return tuple(dict.fromkeys(tiles.tile_of(node, size) for nodes in path for node in nodes))


def stretch_of(tile: tiles.Tile) -> types.Stretch:
    """Return which nodes a tile of hashes holds."""
    return types.Stretch(tile.level * tiles.HEIGHT, tile.index * tiles.WIDTH, tile.width)


def is_of_tree(tile: tiles.Tile, size: int) -> bool:
    """Say whether a tree of ``size`` leaves has the tile: a full one, or one that is exactly as wide as it was at some size up to this."""
    level = max(tile.level, 0)
    return tile.index * tiles.WIDTH + tile.width <= size >> level * tiles.HEIGHT


def origin_of(address: str) -> str:
    """Return the name of the log of an installation at an address: where its tiles are, without the scheme (C2SP tlog-checkpoint)."""
    return address.partition("://")[2].rstrip("/") + types.MONITOR_PATH
