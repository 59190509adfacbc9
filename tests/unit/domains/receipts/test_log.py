"""How the log grows, which tiles a proof is read from, and which times leaves may have: against the tree of all leaves."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.receipts.core import keys as key_core
from carbonledger.domains.receipts.core import log as core
from carbonledger.domains.receipts.types import log as types
from carbonledger_proof import merkle, tiles

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def leaf_hashes(count: int) -> list[bytes]:
    return [hashlib.sha256(number.to_bytes(8, "big")).digest() for number in range(count)]


def head(*, last_at: datetime = NOON) -> types.Head:
    return types.Head(merkle.Frontier(), 0, last_at, None)


def root(hashes: list[bytes]) -> bytes:
    """The definition of RFC 6962, section 2.1, word for word."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return hashlib.sha256(b"\x01" + root(hashes[:split]) + root(hashes[split:])).digest()


# Appended in whatever pieces, the tree and the kept nodes are those of all leaves at once. 65,536 + 300 leaves reach the second kept level.
@given(st.lists(st.integers(1, 300), min_size=1, max_size=6))
def test_growing_in_pieces_keeps_the_nodes_of_the_whole_tree(pieces: list[int]) -> None:
    hashes = leaf_hashes(sum(pieces))
    frontier, kept, at = merkle.Frontier(), list[types.Node](), 0
    for piece in pieces:
        frontier, nodes = core.grow(frontier, hashes[at : at + piece])
        kept += nodes
        at += piece
    assert frontier.root() == root(hashes)
    assert [(node.level, node.index) for node in kept] == [(8, index) for index in range(len(hashes) // 256)]
    assert all(node.hash == root(hashes[node.index * 256 : node.index * 256 + 256]) for node in kept)


def test_every_eighth_level_is_kept_and_no_other() -> None:
    _, nodes = core.grow(merkle.Frontier(), leaf_hashes(2**16 + 300))
    assert sorted({node.level for node in nodes}) == [8, 16]
    assert sum(node.level == 8 for node in nodes) == 257
    assert [(node.index, node.hash) for node in nodes if node.level == 16] == [(0, root(leaf_hashes(2**16)))]


# A proof of a leaf out of 10 million is read from at most one tile a level on its way and one at the right edge of each.
@given(st.integers(1, 10_000_000), st.data())
def test_a_proof_is_read_from_few_tiles_all_of_the_tree(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    wanted = core.tiles_of(merkle.inclusion_path(index, size), size)
    assert len(wanted) <= 2 * 3
    assert all(core.is_of_tree(tile, size) for tile in wanted)
    assert len(set(wanted)) == len(wanted)


# 70,000 leaves: 273 full tiles and one of 112; one full of the next level and one of 17; one of 1 (C2SP tlog-tiles' own example).
@pytest.mark.parametrize(
    "tile,is_there",
    [
        (tiles.Tile(0, 272), True),
        (tiles.Tile(0, 273, 112), True),
        (tiles.Tile(0, 273, 111), True),
        (tiles.Tile(0, 273, 113), False),
        (tiles.Tile(0, 273), False),
        (tiles.Tile(1, 0), True),
        (tiles.Tile(1, 1, 17), True),
        (tiles.Tile(1, 1, 18), False),
        (tiles.Tile(2, 0, 1), True),
        (tiles.Tile(2, 0, 2), False),
        (tiles.Tile(3, 0, 1), False),
        (tiles.Tile(-1, 273, 112), True),
        (tiles.Tile(-1, 273, 113), False),
        (tiles.Tile(-1, 274, 1), False),
    ],
)
def test_which_tiles_a_log_of_70000_leaves_has(tile: tiles.Tile, is_there: bool) -> None:
    assert core.is_of_tree(tile, 70_000) is is_there


def test_the_turn_is_to_the_second_and_never_before_the_last_leaf() -> None:
    assert core.turn(head(), at=NOON + timedelta(seconds=7, microseconds=999_999)) == NOON + timedelta(seconds=7)
    assert core.turn(head(), at=NOON - timedelta(seconds=7)) == NOON


@pytest.mark.parametrize("seconds", [0, 1, 300])
def test_a_leaf_may_be_of_now_or_a_little_later(seconds: int) -> None:
    core.check_times(head(), [NOON + timedelta(seconds=seconds)], at=NOON)


def test_leaves_of_one_append_may_not_run_backwards() -> None:
    with pytest.raises(types.LeafTimeReversed):
        core.check_times(head(), [NOON + timedelta(seconds=2), NOON + timedelta(seconds=1)], at=NOON)


def test_a_leaf_before_the_last_one_or_far_ahead_is_refused() -> None:
    with pytest.raises(types.LeafTimeReversed):
        core.check_times(head(), [NOON - timedelta(seconds=1)], at=NOON)
    with pytest.raises(types.LeafRefused):
        core.check_times(head(), [NOON + timedelta(seconds=301)], at=NOON)


def test_after_a_leaf_from_ahead_the_next_may_be_of_its_time_although_the_clock_is_behind() -> None:
    last = NOON + timedelta(minutes=4)
    core.check_times(head(last_at=last), [last], at=NOON - timedelta(minutes=10))


@pytest.mark.parametrize(
    "address,origin",
    [
        ("https://ledger.example", "ledger.example/v1/public/log"),
        ("https://ledger.example/", "ledger.example/v1/public/log"),
        ("http://127.0.0.1:8400", "127.0.0.1:8400/v1/public/log"),
    ],
)
def test_the_log_is_named_by_where_it_stands(address: str, origin: str) -> None:
    assert core.origin_of(address) == origin


def test_a_replaced_key_stays_valid_for_five_minutes() -> None:
    assert key_core.ends(NOON + timedelta(microseconds=5)) == NOON + timedelta(minutes=5)
