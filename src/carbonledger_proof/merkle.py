"""The Merkle tree of RFC 6962: leaf and node hashes, roots, and verifying and building both kinds of proof.

A tree of ``size`` leaves is made of perfect subtrees. A *node* is one of them, named by its place: ``Node(level, index)`` is the root over
the leaves from ``index * 2^level`` to before ``(index + 1) * 2^level``. Whoever stores a tree stores nodes (or tiles of them, see
``tiles``); which ones a proof is made of is computed here, reading them is the caller's affair.

Hashes are SHA-256, 32 bytes. Sizes go up to 2^53 - 1, so that JSON can name them; a proof is at most 106 hashes long.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from carbonledger_proof import errors

HASH_BYTES = 32
SIZE_MAX = 2**53 - 1
EMPTY_ROOT = hashlib.sha256(b"").digest()  # RFC 6962, section 2.1
_sha256 = hashlib.sha256


@dataclass(frozen=True, slots=True)
class Node:
    """A perfect subtree by its place: of ``2^level`` leaves, the ``index``-th from the left."""

    level: int
    index: int


Reader = Callable[[int, int], bytes]  # level and index of a node to its hash
# For each hash of a proof, from the leaf upwards, the nodes that it is made of, from left to right: mostly one, more at the right edge.
Path = tuple[tuple[Node, ...], ...]


def leaf_hash(content: bytes) -> bytes:
    """Return the hash of a leaf (RFC 6962, section 2.1)."""
    return _sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two subtrees (RFC 6962, section 2.1)."""
    return _sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The right edge of a tree, from which it grows: its size and its largest perfect subtrees, from left to right.

    There is one for each bit that is set in the size. That is all a log has to hold to go on, whatever its size.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size <= SIZE_MAX or len(self.peaks) != self.size.bit_count() or not all(map(_is_hash, self.peaks)):
            raise errors.MerkleInvalid(f"A tree of {self.size} leaves has no such edge.")

    def root(self) -> bytes:
        """Return the root of the tree."""
        return fold(self.peaks) if self.peaks else EMPTY_ROOT

    def extended(self, leaves: Iterable[bytes], *, keep: Callable[[int, int, bytes], None] | None = None) -> Frontier:
        """Return the edge after more leaf hashes, in time linear in them and memory of the depth only.

        ``keep`` is given each node that becomes complete, the leaves themselves included: level, index, hash. Raises ``MerkleInvalid``
        for a hash of another length.
        """
        size, peaks, sha256 = self.size, list(self.peaks), _sha256
        for leaf in leaves:
            if len(leaf) != HASH_BYTES:
                raise errors.MerkleInvalid(f"A leaf hash of {len(leaf)} bytes.")
            node, index, level = leaf, size, 0
            if keep is not None:
                keep(0, index, node)
            while index & 1:
                node = sha256(b"\x01" + peaks.pop() + node).digest()
                index >>= 1
                level += 1
                if keep is not None:
                    keep(level, index, node)
            peaks.append(node)
            size += 1
        return Frontier(size, tuple(peaks))


def tree_root(leaves: Iterable[bytes]) -> bytes:
    """Return the root over leaf hashes in their order."""
    return Frontier().extended(leaves).root()


def fold(hashes: Sequence[bytes]) -> bytes:
    """Return the root over perfect subtrees of falling size, one or more, from left to right."""
    result = hashes[-1]
    for left in reversed(hashes[:-1]):
        result = node_hash(left, result)
    return result


def inclusion_path(index: int, size: int) -> Path:
    """Say which nodes prove that leaf ``index`` is in the tree of ``size`` (RFC 6962, section 2.1.1). Raises ``MerkleInvalid``."""
    _check_index(index, size)
    siblings = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            siblings.append(_nodes(middle, end))
            end = middle
        else:
            siblings.append(_nodes(begin, middle))
            begin = middle
    return tuple(reversed(siblings))


def consistency_path(first: int, second: int) -> Path:
    """Say which nodes prove that the tree of ``first`` leaves is the beginning of that of ``second`` (RFC 6962, section 2.1.2).

    Raises ``MerkleInvalid``. There are none if either tree proves it by itself: an empty one, or the same.
    """
    _check_sizes(first, second)
    if first in {0, second}:
        return ()
    siblings = []
    begin, end, is_known = 0, second, True  # whether the verifier has the root of what remains of the first tree
    while first != end:
        middle = begin + _split(end - begin)
        if first <= middle:
            siblings.append(_nodes(middle, end))
            end = middle
        else:
            siblings.append(_nodes(begin, middle))
            begin, is_known = middle, False
    if not is_known:
        siblings.append(_nodes(begin, end))
    return tuple(reversed(siblings))


def prove(path: Path, read: Reader) -> list[bytes]:
    """Return the hashes of a proof, reading each node once."""
    return [fold([read(node.level, node.index) for node in nodes]) for nodes in path]


def root_of_inclusion(leaf: bytes, *, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """Return the root that an inclusion proof leads to (RFC 9162, section 2.1.3.2).

    Raises ``MerkleInvalid`` for an index outside of the tree, or a proof that is not exactly as long as it has to be.
    """
    _check_index(index, size)
    inner, border = _lengths(index, size)
    _check_hashes(proof, inner + border)
    _check_hashes((leaf,), 1)
    return _up_left(_up(leaf, proof[:inner], index), proof[inner:])


def verify_inclusion(leaf: bytes, *, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raise ``MerkleInvalid`` unless the proof shows that this leaf hash stands at ``index`` of the tree of ``size`` with this root."""
    if not hmac.compare_digest(root_of_inclusion(leaf, index=index, size=size, proof=proof), root):
        raise errors.MerkleInvalid("The inclusion proof leads to another root.")


def verify_consistency(*, first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]) -> None:
    """Raise ``MerkleInvalid`` unless the proof shows that the second tree only adds to the first (RFC 9162, section 2.1.4.2).

    Every tree continues the empty one, whatever its root is said to be.
    """
    _check_sizes(first, second)
    _check_hashes((first_root, second_root), 2)
    if first in {0, second}:
        _check_hashes(proof, 0)
        if first == second and first_root != second_root:
            raise errors.MerkleInvalid("Two trees of the same size have different roots.")
        return
    if _roots_of_consistency(first, second, first_root, proof) != (first_root, second_root):
        raise errors.MerkleInvalid("The consistency proof leads to other roots.")


def _roots_of_consistency(first: int, second: int, first_root: bytes, proof: Sequence[bytes]) -> tuple[bytes, bytes]:
    inner, border = _lengths(first - 1, second)
    whole = (first & -first).bit_length() - 1  # the last perfect subtree of the first tree is of 2^whole leaves
    inner -= whole
    if first == 1 << whole:
        seed, rest = first_root, proof
        _check_hashes(proof, inner + border)
    else:
        _check_hashes(proof, 1 + inner + border)
        seed, rest = proof[0], proof[1:]
    index = (first - 1) >> whole
    inside = rest[:inner]
    left_only = [hash_ for level, hash_ in enumerate(inside) if index >> level & 1]
    return _up_left(_up_left(seed, left_only), rest[inner:]), _up_left(_up(seed, inside, index), rest[inner:])


def _up(node: bytes, siblings: Sequence[bytes], index: int) -> bytes:
    for level, sibling in enumerate(siblings):
        node = node_hash(sibling, node) if index >> level & 1 else node_hash(node, sibling)
    return node


def _up_left(node: bytes, siblings: Sequence[bytes]) -> bytes:
    for sibling in siblings:
        node = node_hash(sibling, node)
    return node


def _lengths(index: int, size: int) -> tuple[int, int]:
    """Return how many siblings are inside of the tree, and how many then follow at its right edge, which are all to the left."""
    inner = (index ^ (size - 1)).bit_length()
    return inner, (index >> inner).bit_count()


def _split(size: int) -> int:
    """Return the largest power of two that is smaller than ``size``."""
    return 1 << (size - 1).bit_length() - 1


def _nodes(begin: int, end: int) -> tuple[Node, ...]:
    return tuple(_perfect(begin, end))


def _perfect(begin: int, end: int) -> Iterator[Node]:
    """Give the perfect subtrees of a subtree of the tree, from left to right; each is the largest that still fits."""
    while begin < end:
        level = (end - begin).bit_length() - 1
        yield Node(level, begin >> level)
        begin += 1 << level


def _is_hash(value: bytes) -> bool:
    return len(value) == HASH_BYTES


def _check_hashes(hashes: Sequence[bytes], count: int) -> None:
    if len(hashes) != count:
        raise errors.MerkleInvalid(f"The proof has {len(hashes)} hashes where {count} are needed.")
    if not all(map(_is_hash, hashes)):
        raise errors.MerkleInvalid(f"A hash is not of {HASH_BYTES} bytes.")


def _check_index(index: int, size: int) -> None:
    if not 0 <= index < size <= SIZE_MAX:
        raise errors.MerkleInvalid(f"There is no leaf {index} in a tree of {size}.")


def _check_sizes(first: int, second: int) -> None:
    if not 0 <= first <= second <= SIZE_MAX:
        raise errors.MerkleInvalid(f"A tree of {second} leaves can't continue one of {first}.")
