"""The tree in pieces has the root of the tree as a whole, and proves each leaf, whatever its size and however the bytes come."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.receipts.core import leaves
from carbonledger_proof import merkle

HEADER, ROW = 19, 58


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaves, "LEVEL", 3)
    monkeypatch.setattr(leaves, "CHUNK", 8)


def rows(count: int) -> tuple[list[bytes], list[bytes], bytes]:
    """Ids in their order, hashes, and both as PostgreSQL's COPY sends them (its manual, COPY, File Formats)."""
    ids = sorted(hashlib.sha256(b"id%d" % number).digest()[:16] for number in range(count))
    hashes = [hashlib.sha256(event_id).digest() for event_id in ids]
    body = b"".join(b"\x00\x02\x00\x00\x00\x10" + one + b"\x00\x00\x00\x20" + hash_ for one, hash_ in zip(ids, hashes, strict=True))
    return ids, hashes, b"PGCOPY\n\xff\r\n\x00" + bytes(8) + body + b"\xff\xff"


def grown(stream: bytes, piece: int) -> tuple[leaves.Growing, dict[int, bytes], bytes]:
    growing, chunks = leaves.Growing(HEADER, ROW), {}
    for at in range(0, len(stream), piece):
        chunks.update({chunk.number: chunk.content for chunk in growing.take(stream[at : at + piece])})
    last, root = growing.end()
    if last is not None:
        chunks[last.number] = last.content
    return growing, chunks, root


@given(st.integers(0, 70), st.integers(1, 500))
def test_every_leaf_is_proven_by_the_pieces(count: int, piece: int) -> None:
    ids, hashes, stream = rows(count)
    growing, chunks, root = grown(stream, piece)
    heads = bytes(growing.heads)
    assert (growing.size, root) == (count, merkle.tree_root(hashes))
    assert len(chunks) == -(-count // 8)
    for index, (event_id, hash_) in enumerate(zip(ids, hashes, strict=True)):
        number = leaves.find_chunk(heads, event_id)
        assert number == index // 8
        assert leaves.find_leaf(chunks[number], event_id) == index % 8
        path = merkle.inclusion_path(index, count)
        needed = {at: chunks[at] for at in leaves.chunks_of(path)}
        proof = leaves.prove(path, heads, needed)
        assert len(needed) <= 2
        merkle.verify_inclusion(hash_, index=index, size=count, proof=proof, root=root)


def test_what_is_not_there_is_not_found() -> None:
    ids, _, stream = rows(20)
    growing, chunks, _ = grown(stream, 100)
    assert leaves.find_chunk(bytes(growing.heads), bytes(16)) is None
    other = bytes([*ids[9][:15], ids[9][15] ^ 1])
    number = leaves.find_chunk(bytes(growing.heads), other)
    assert number is not None
    assert leaves.find_leaf(chunks[number], other) is None


def test_a_stream_that_is_cut_off_is_refused() -> None:
    _, _, stream = rows(3)
    growing = leaves.Growing(HEADER, ROW)
    growing.take(stream[:-5])
    with pytest.raises(ValueError, match="left"):
        growing.end()
