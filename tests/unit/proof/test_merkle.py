"""Merkle proofs agree with RFC 6962 as it is written there (a second, recursive program below) and pass transparency-dev's vectors."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbonledger_proof import errors, merkle
from tests.unit.proof import vectors

MERKLE = vectors.load("merkle.json")
LEAVES = [bytes.fromhex(leaf) for leaf in MERKLE["leaves"]]
ROOTS = [bytes.fromhex(root) for root in MERKLE["roots"]]
EMPTY_ROOT = bytes.fromhex(MERKLE["empty_root"])
RANDOM_ROOT = bytes.fromhex(MERKLE["random_root"])


def sha(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def largest_power_below(count: int) -> int:
    power = 1
    while power * 2 < count:
        power *= 2
    return power


def mth(entries: list[bytes]) -> bytes:
    """RFC 6962, section 2.1."""
    if not entries:
        return sha(b"")
    if len(entries) == 1:
        return sha(b"\x00" + entries[0])
    middle = largest_power_below(len(entries))
    return sha(b"\x01" + mth(entries[:middle]) + mth(entries[middle:]))


def path(index: int, entries: list[bytes]) -> list[bytes]:
    """RFC 6962, section 2.1.1."""
    if len(entries) == 1:
        return []
    middle = largest_power_below(len(entries))
    if index < middle:
        return [*path(index, entries[:middle]), mth(entries[middle:])]
    return [*path(index - middle, entries[middle:]), mth(entries[:middle])]


def subproof(first: int, entries: list[bytes], *, whole: bool) -> list[bytes]:
    """RFC 6962, section 2.1.2."""
    if first == len(entries):
        return [] if whole else [mth(entries)]
    middle = largest_power_below(len(entries))
    if first <= middle:
        return [*subproof(first, entries[:middle], whole=whole), mth(entries[middle:])]
    return [*subproof(first - middle, entries[middle:], whole=False), mth(entries[:middle])]


def entries_of(count: int) -> list[bytes]:
    return [f"entry {number}".encode() for number in range(count)]


def grown(entries: list[bytes]) -> tuple[merkle.Frontier, dict[tuple[int, int], bytes]]:
    nodes: dict[tuple[int, int], bytes] = {}

    def keep(level: int, index: int, hash_: bytes) -> None:
        assert (level, index) not in nodes, "a node is complete once"
        nodes[level, index] = hash_

    return merkle.Frontier().extended(map(merkle.leaf_hash, entries), keep=keep), nodes


def test_roots_of_the_official_tree() -> None:
    assert merkle.EMPTY_ROOT == EMPTY_ROOT
    for size, root in enumerate(ROOTS, 1):
        assert merkle.tree_root(map(merkle.leaf_hash, LEAVES[:size])) == root


@dataclasses.dataclass(frozen=True)
class Inclusion:
    index: int
    size: int
    leaf: bytes
    proof: list[bytes]
    root: bytes

    def holds(self) -> bool:
        try:
            merkle.verify_inclusion(self.leaf, index=self.index, size=self.size, proof=self.proof, root=self.root)
        except errors.MerkleInvalid:
            return False
        return True

    def corrupted(self) -> Iterator[tuple[str, Inclusion]]:
        """The corruptions of transparency-dev's testdata/inclusion, by their names there."""
        proof, root, index, size = self.proof, self.root, self.index, self.size

        def but(**changes: Any) -> Inclusion:
            return dataclasses.replace(self, **changes)

        yield "leafIdx - 1", but(index=index - 1)
        yield "leafIdx + 1", but(index=index + 1)
        yield "leafIdx ^ 2", but(index=index ^ 2)
        yield "treeSize * 2", but(size=size * 2)
        yield "treeSize / 2", but(size=size // 2)
        yield "wrong leaf", but(leaf=b"WrongLeaf")
        yield "empty root", but(root=EMPTY_ROOT)
        yield "random root", but(root=RANDOM_ROOT)
        yield "trailing garbage", but(proof=[*proof, b""])
        yield "trailing root", but(proof=[*proof, root])
        yield "preceding garbage", but(proof=[b"", *proof])
        yield "preceding root", but(proof=[root, *proof])
        for place, hash_ in enumerate(proof):
            yield f"modified proof[{place}] bit 3", but(proof=[*proof[:place], bytes((hash_[0] ^ 8,)) + hash_[1:], *proof[place + 1 :]])
        if proof:
            yield "removed component", but(proof=proof[:-1])
        if len(proof) > 1:
            yield "inserted component", but(proof=[proof[0], RANDOM_ROOT, *proof[1:]])


@pytest.mark.parametrize("case", MERKLE["inclusion"])
def test_official_inclusion_proofs_hold_and_each_corrupted_one_does_not(case: dict[str, Any]) -> None:
    leaf = merkle.leaf_hash(LEAVES[case["index"]])
    given_ = Inclusion(case["index"], case["size"], leaf, [bytes.fromhex(hash_) for hash_ in case["proof"]], ROOTS[case["size"] - 1])
    assert given_.holds()
    assert not [name for name, wrong in given_.corrupted() if wrong.holds()]
    _, nodes = grown(LEAVES[: given_.size])
    assert merkle.prove(merkle.inclusion_path(given_.index, given_.size), lambda level, index: nodes[level, index]) == given_.proof


@pytest.mark.parametrize("index,size", [(0, 0), (0, 1), (1, 0), (2, 1), (-1, 1)])
def test_an_inclusion_needs_a_tree_a_leaf_and_a_root(index: int, size: int) -> None:
    for leaf, root in ((RANDOM_ROOT, b""), (b"", EMPTY_ROOT), (RANDOM_ROOT, EMPTY_ROOT)):
        assert not Inclusion(index, size, leaf, [], root).holds()


@dataclasses.dataclass(frozen=True)
class Consistency:
    first: int
    second: int
    first_root: bytes
    second_root: bytes
    proof: list[bytes]

    def holds(self) -> bool:
        try:
            merkle.verify_consistency(**{field.name: getattr(self, field.name) for field in dataclasses.fields(self)})
        except errors.MerkleInvalid:
            return False
        return True

    def corrupted(self) -> Iterator[tuple[str, Consistency]]:
        """The corruptions of transparency-dev's testdata/consistency, by their names there."""
        proof, first, second = self.proof, self.first, self.second
        root1, root2 = self.first_root, self.second_root

        def but(**changes: Any) -> Consistency:
            return dataclasses.replace(self, **changes)

        yield "size1 - 1", but(first=first - 1)
        yield "size1 + 1", but(first=first + 1)
        yield "size1 ^ 2", but(first=first ^ 2)
        yield "size2 * 2", but(second=second * 2)
        yield "size2 / 2", but(second=second // 2)
        yield "wrong root1", but(first_root=b"WrongRoot")
        yield "wrong root2", but(second_root=b"WrongRoot")
        yield "swapped roots", but(first_root=root2, second_root=root1)
        yield "empty proof", but(proof=[])
        yield "trailing garbage", but(proof=[*proof, b""])
        yield "trailing root1", but(proof=[*proof, root1])
        yield "trailing root2", but(proof=[*proof, root2])
        yield "preceding garbage", but(proof=[b"", *proof])
        yield "preceding root1", but(proof=[root1, *proof])
        yield "preceding root2", but(proof=[root2, *proof])
        yield "preceding proof[0]", but(proof=[proof[0], *proof])
        yield "truncated proof", but(proof=proof[:-1])
        for place, hash_ in enumerate(proof):
            yield f"modified proof[{place}] bit 4", but(proof=[*proof[:place], bytes((hash_[0] ^ 16,)) + hash_[1:], *proof[place + 1 :]])


@pytest.mark.parametrize("case", MERKLE["consistency"])
def test_official_consistency_proofs_hold_and_each_corrupted_one_does_not(case: dict[str, Any]) -> None:
    first, second = case["first"], case["second"]
    given_ = Consistency(first, second, ROOTS[first - 1], ROOTS[second - 1], [bytes.fromhex(hash_) for hash_ in case["proof"]])
    assert given_.holds()
    assert not given_.proof or not [name for name, wrong in given_.corrupted() if wrong.holds()]
    _, nodes = grown(LEAVES[:second])
    assert merkle.prove(merkle.consistency_path(first, second), lambda level, index: nodes[level, index]) == given_.proof


# transparency-dev's TestVerifyConsistency. Its roots "don't care 1" and "2" are no hashes, which is refused here before anything else, so
# the hashes of those words stand for them.
ONE, TWO = sha(b"don't care 1"), sha(b"don't care 2")


@pytest.mark.parametrize(
    "first,second,root1,root2,proof,holds",
    [
        (0, 0, ONE, TWO, [], False),
        (1, 1, ONE, TWO, [], False),
        (0, 0, ONE, ONE, [], True),
        (0, 1, ONE, TWO, [], True),
        (1, 1, TWO, TWO, [], True),
        (1, 0, ONE, TWO, [], False),
        (2, 1, ONE, TWO, [], False),
        (1, 2, ONE, TWO, [], False),
        (0, 0, EMPTY_ROOT, TWO, [], False),
        (1, 1, EMPTY_ROOT, TWO, [], False),
        (0, 0, EMPTY_ROOT, EMPTY_ROOT, [EMPTY_ROOT], False),
        (0, 1, EMPTY_ROOT, EMPTY_ROOT, [EMPTY_ROOT], False),
        (1, 1, EMPTY_ROOT, EMPTY_ROOT, [EMPTY_ROOT], False),
    ],
)
def test_trees_that_are_consistent_by_themselves(
    first: int, second: int, root1: bytes, root2: bytes, proof: list[bytes], holds: bool
) -> None:
    assert Consistency(first, second, root1, root2, proof).holds() is holds


@given(st.integers(1, 70), st.data())
def test_inclusion_is_as_rfc_6962_defines_it(size: int, data: st.DataObject) -> None:
    entries = entries_of(size)
    edge, nodes = grown(entries)
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.prove(merkle.inclusion_path(index, size), lambda level, place: nodes[level, place])
    assert edge.root() == mth(entries)
    assert proof == path(index, entries)
    assert Inclusion(index, size, merkle.leaf_hash(entries[index]), proof, mth(entries)).holds()
    other = data.draw(st.integers(0, size - 1).filter(lambda place: place != index) if size > 1 else st.just(1))
    assert not Inclusion(other, size, merkle.leaf_hash(entries[index]), proof, mth(entries)).holds()


@given(st.integers(0, 70), st.integers(0, 70))
def test_consistency_is_as_rfc_6962_defines_it(one: int, two: int) -> None:
    first, second = sorted((one, two))
    entries = entries_of(second)
    _, nodes = grown(entries)
    proof = merkle.prove(merkle.consistency_path(first, second), lambda level, index: nodes[level, index])
    assert proof == (subproof(first, entries, whole=True) if first > 0 else [])
    case = Consistency(first, second, mth(entries[:first]), mth(entries), proof)
    assert case.holds()
    if proof:
        assert not [name for name, wrong in case.corrupted() if wrong.holds()]


@given(st.lists(st.integers(0, 20), max_size=6))
def test_a_tree_grows_the_same_in_any_portions(portions: list[int]) -> None:
    entries = entries_of(sum(portions))
    edge, at = merkle.Frontier(), 0
    for portion in portions:
        edge = merkle.Frontier(edge.size, edge.peaks).extended(map(merkle.leaf_hash, entries[at : at + portion]))
        at += portion
    assert edge.root() == mth(entries)
    assert len(edge.peaks) == len(entries).bit_count()


@settings(max_examples=50)
@given(st.integers(0, 2**53 - 2), st.integers(1, 2**53 - 1))
def test_the_largest_trees_have_short_proofs(index: int, size: int) -> None:
    index %= size
    proof = [ONE] * len(merkle.inclusion_path(index, size))
    assert len(proof) <= 53
    root = merkle.root_of_inclusion(TWO, index=index, size=size, proof=proof)
    assert Inclusion(index, size, TWO, proof, root).holds()
    for length in (len(proof) - 1, len(proof) + 1, 10_000):
        assert not Inclusion(index, size, TWO, [ONE] * max(length, 0), root).holds() or length < 0


@pytest.mark.parametrize("size,peaks", [(1, ()), (0, (ONE,)), (3, (ONE,)), (1, (b"short",)), (-1, ()), (2**53, (ONE,))])
def test_an_edge_that_belongs_to_no_tree_is_refused(size: int, peaks: tuple[bytes, ...]) -> None:
    with pytest.raises(errors.MerkleInvalid):
        merkle.Frontier(size, peaks)


def test_a_leaf_hash_of_another_length_is_refused() -> None:
    with pytest.raises(errors.MerkleInvalid):
        merkle.Frontier().extended([b"leaf"])
    with pytest.raises(errors.MerkleInvalid):
        merkle.consistency_path(3, 2)
