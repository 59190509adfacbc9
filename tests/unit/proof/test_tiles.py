"""Tiles are named as C2SP tlog-tiles names them, and proofs read out of them are those of the whole tree."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbonledger_proof import errors, merkle, tiles
from carbonledger_proof.tiles import Tile


# The specification's own examples: the path of index 1234067, and the tiles of 70,000 leaves (273 full at level 0, then width 112; one full
# at level 1, then width 17; width 1 at level 2), and of 256 leaves.
@pytest.mark.parametrize(
    "tile,path",
    [
        (Tile(0, 1234067), "0/x001/x234/067"),
        (Tile(0, 0), "0/000"),
        (Tile(0, 999, 8), "0/999.p/8"),
        (Tile(2, 1000, 255), "2/x001/000.p/255"),
        (Tile(-1, 1234067, 1), "entries/x001/x234/067.p/1"),
    ],
)
def test_paths_of_the_specification(tile: Tile, path: str) -> None:
    assert tile.path() == path
    assert tiles.parse_path(path) == tile


def test_tiles_of_70000_leaves_as_the_specification_counts_them() -> None:
    found = list(tiles.changed(0, 70_000))
    assert found[:273] == [Tile(0, index) for index in range(273)]
    assert found[273:] == [Tile(0, 273, 112), Tile(1, 0), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert list(tiles.changed(0, 256)) == [Tile(0, 0), Tile(1, 0, 1)]
    assert list(tiles.changed(256, 257)) == [Tile(0, 1, 1)]
    assert list(tiles.changed(0, 0)) == []


@pytest.mark.parametrize(
    "path",
    [
        "",
        "0/0",
        "0/0000",
        "0/1",
        "00/000",
        "0/x000/001",
        "0/001/002",
        "0/x001",
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/01",
        "64/000",
        "8/000/",
        "-1/000",
        "0/000.p/999",
    ],
)
def test_another_way_of_writing_a_path_is_refused(path: str) -> None:
    with pytest.raises(errors.MerkleInvalid):
        tiles.parse_path(path)


def stored(size: int) -> tuple[merkle.Frontier, dict[Tile, bytes]]:
    """Every tile of a tree, cut from its nodes."""
    levels: dict[int, list[bytes]] = {}
    edge = merkle.Frontier().extended(
        (merkle.leaf_hash(str(number).encode()) for number in range(size)),
        keep=lambda level, _, hash_: levels.setdefault(level, []).append(hash_),
    )
    content = {tile: b"".join(levels[tile.level * 8][tile.index * 256 : tile.index * 256 + tile.width]) for tile in tiles.changed(0, size)}
    return edge, content


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 70_000), st.data())
def test_proofs_out_of_tiles_hold(size: int, data: st.DataObject) -> None:
    edge, content = stored(size)
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.prove(merkle.inclusion_path(index, size), tiles.reader(content.__getitem__, size))
    merkle.verify_inclusion(merkle.leaf_hash(str(index).encode()), index=index, size=size, proof=proof, root=edge.root())
    earlier = data.draw(st.integers(1, size))
    smaller = merkle.tree_root(merkle.leaf_hash(str(number).encode()) for number in range(earlier))
    between = merkle.prove(merkle.consistency_path(earlier, size), tiles.reader(content.__getitem__, size))
    merkle.verify_consistency(first=earlier, second=size, first_root=smaller, second_root=edge.root(), proof=between)


def test_a_tile_that_is_cut_short_is_refused() -> None:
    _, content = stored(300)
    read = tiles.reader(lambda tile: content[tile][:-1], 300)
    with pytest.raises(errors.MerkleInvalid):
        read(0, 0)
    with pytest.raises(errors.MerkleInvalid):
        tiles.reader(content.__getitem__, 300)(0, 300)


@given(st.lists(st.binary(max_size=40), max_size=256))
def test_entries_are_read_as_they_were_packed(entries: list[bytes]) -> None:
    assert tiles.unpack_entries(tiles.pack_entries(entries)) == entries


@pytest.mark.parametrize("content", [b"\x00", b"\x00\x02a", b"\x00\x00" * 257, b"\x00\x01a\xff"])
def test_a_damaged_bundle_of_entries_is_refused(content: bytes) -> None:
    with pytest.raises(errors.MerkleInvalid):
        tiles.unpack_entries(content)


def test_an_entry_beyond_two_bytes_of_length_is_refused() -> None:
    assert len(tiles.pack_entries([b"a" * 65535])) == 65537
    with pytest.raises(errors.MerkleInvalid):
        tiles.pack_entries([b"a" * 65536])
