"""The whole log computed anew from its leaves, a stretch at a time, and held against what is kept. Pure.

What is kept of the tree follows from the leaves, so a difference is a defect, or a hand that reached into the database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from carbonledger.domains.receipts.core import log as core
from carbonledger.domains.receipts.types import log as types
from carbonledger_proof import checkpoint, errors, keys, merkle


@dataclass(frozen=True, slots=True)
class Stretch:
    """Leaves one after the other, from the edge ``before`` on, with the checkpoints that end in them, by size."""

    before: merkle.Frontier
    leaves: Sequence[types.Leaf]
    checkpoints: Sequence[types.Checkpoint]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a stretch comes to: the edge after it, the nodes that it completes, and what is wrong in it."""

    after: merkle.Frontier
    nodes: tuple[types.Node, ...]
    found: tuple[types.Found, ...]


def replay(stretch: Stretch, *, origin: str | None, known: keys.KeySet) -> Replayed:
    """Compute a stretch anew, and check leaf hashes and checkpoints."""
    found: list[types.Found] = []
    nodes: list[types.Node] = []
    hashes = [merkle.leaf_hash(leaf.content) for leaf in stretch.leaves]
    begin, edge = stretch.before.size, stretch.before
    for place, (leaf, hash_) in enumerate(zip(stretch.leaves, hashes, strict=True), start=begin):
        if leaf.hash != hash_:
            found.append(types.Found(types.Difference.LEAF_HASH, f"leaf {place}"))
    for signed in stretch.checkpoints:
        edge, some = core.grow(edge, hashes[edge.size - begin : signed.size - begin])
        nodes += some
        found += _checked(signed, edge, origin=origin, known=known)
    edge, some = core.grow(edge, hashes[edge.size - begin :])
    return Replayed(edge, (*nodes, *some), tuple(found))


def _checked(signed: types.Checkpoint, edge: merkle.Frontier, *, origin: str | None, known: keys.KeySet) -> list[types.Found]:
    place = f"checkpoint {signed.size}"
    try:
        said, _ = checkpoint.verified(signed.note, origin=origin or "", keys=[key.public for key in known.of(keys.Purpose.LOG)])
    except errors.ProofError:
        return [types.Found(types.Difference.CHECKPOINT_SIGNATURE, place)]
    if (said.size, said.root, signed.root) != (edge.size, edge.root(), edge.root()):
        return [types.Found(types.Difference.CHECKPOINT_ROOT, place)]
    return []


def differing_nodes(nodes: Sequence[types.Node], kept: Mapping[tuple[int, int], bytes]) -> tuple[types.Found, ...]:
    """Return which nodes are not kept as the leaves have them; ``kept`` is by level and index."""
    return tuple(
        types.Found(types.Difference.NODE, f"node {node.level}/{node.index}")
        for node in nodes
        if kept.get((node.level, node.index)) != node.hash
    )
