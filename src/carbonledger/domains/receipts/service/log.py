"""The public log, an append-only Merkle tree (RFC 6962) of what happened to receipts, credits and keys: append, sign, prove, give tiles.

``append`` runs in the transaction of the fact, and holds the head of the log until that ends: so indexes are without holes, and what rolls
back leaves none. It is the last lock that a transaction takes; a key that is signed with comes before it. A job signs what was appended.
Leaves are public: they name no organization, no person and no usage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from carbonledger.domains.receipts.core import log as core
from carbonledger.domains.receipts.service import signing
from carbonledger.domains.receipts.store import log as store
from carbonledger.domains.receipts.types import log as types
from carbonledger.infra import db, queue
from carbonledger_proof import checkpoint as checkpoints
from carbonledger_proof import errors, keys, leaves, merkle, tiles

SIGN_JOB: Final = "receipts.sign_checkpoint"


async def turn(uow: db.UnitOfWork, *, at: datetime) -> datetime:
    """Take the head of the log, and return the time (to the second) for leaves that this transaction will append.

    It is ``at``, or the last leaf's if another process, whose clock is ahead, has just appended one. Leaves say it, and so does what they
    are made of.
    """
    return core.turn(await store.head(uow, lock=True), at=at)


async def append(uow: db.UnitOfWork, *, statement: leaves.Leaf, at: datetime) -> types.Entry:
    """Append one leaf in the caller's transaction; see ``append_all``."""
    [entry] = await append_all(uow, statements=(statement,), at=at)
    return entry


async def append_all(uow: db.UnitOfWork, *, statements: Sequence[leaves.Leaf], at: datetime) -> tuple[types.Entry, ...]:
    """Append leaves in their order, in the caller's transaction, and have them signed after its commit. Returns where they stand.

    ``at`` is the real time. Raises ``LeafTimeReversed`` for a leaf before the last one (take its time from ``turn``), ``LeafRefused`` for
    one from the future or one of more than 65,535 bytes.
    """
    if not statements:
        return ()
    head = await store.head(uow, lock=True)
    core.check_times(head, [statement.at for statement in statements], at=at)
    made = [_to_leaf(statement) for statement in statements]
    frontier, nodes = core.grow(head.frontier, [leaf.hash for leaf in made])
    await store.insert_leaves(uow, first=head.frontier.size, leaves=made)
    await store.insert_nodes(uow, nodes=nodes)
    await store.move_head(uow, frontier=frontier, last_at=made[-1].at)
    await _ask_to_sign(uow, signed_size=head.signed_size, at=at)
    return tuple(types.Entry(index, leaf.hash) for index, leaf in enumerate(made, start=head.frontier.size))


def _to_leaf(statement: leaves.Leaf) -> types.Leaf:
    content = leaves.content(statement)
    if len(content) > tiles.ENTRY_BYTES_MAX:
        raise types.LeafRefused(f"It has {len(content)} bytes; a leaf has at most {tiles.ENTRY_BYTES_MAX}.")
    return types.Leaf(leaves.word_of(statement), content, merkle.leaf_hash(content), statement.at)


async def _ask_to_sign(uow: db.UnitOfWork, *, signed_size: int, at: datetime) -> None:
    # Keyed by what is signed already: a job that is about to sign more has read the head under its lock, so whoever appends after it sees
    # the new size here and asks again. Keyed by the log alone, the last leaf could find a job that has just looked and will not look again.
    await queue.enqueue(uow, name=SIGN_JOB, args={}, now=at, dedupe_key=f"after {signed_size}")


async def checkpoint(uow: db.UnitOfWork, *, at: datetime) -> types.Checkpoint | None:
    """Sign the head of the log as it is now; None if that was done already.

    Raises ``SigningKeyMissing`` or ``SigningKeyClosed`` where the key of the log is not open in this process.
    """
    by = await signing.current(uow, purpose=keys.Purpose.LOG, at=at)
    head = await store.head(uow, lock=True)
    if head.origin is None:
        raise types.CheckpointNotFound("The log has no name yet.")
    if head.signed_size == head.frontier.size:
        return None
    said = checkpoints.Checkpoint(head.origin, head.frontier.size, head.frontier.root())
    note = said.signed(by.key.public, by.sign)
    made = types.Checkpoint(size=said.size, root=said.root, note=note, kid=by.key.kid, signed_at=at)
    await store.insert_checkpoint(uow, checkpoint=made)
    return made


async def signed_size(uow: db.UnitOfWork) -> int:
    """Return how many leaves checkpoints cover."""
    return (await store.head(uow)).signed_size


async def is_signed(uow: db.UnitOfWork) -> bool:
    """Say whether checkpoints cover all that was appended. Of an empty log they do."""
    head = await store.head(uow)
    return head.signed_size == head.frontier.size


async def origin(uow: db.UnitOfWork) -> str | None:
    """Return the name of the log, or None before the first key was made."""
    return (await store.head(uow)).origin


def origin_of(address: str) -> str:
    """Return the name that the log would get at this public address."""
    return core.origin_of(address)


async def latest(uow: db.UnitOfWork) -> types.Checkpoint:
    """Return the newest checkpoint. Raises ``CheckpointNotFound``."""
    found = await store.latest_checkpoint(uow)
    if found is None:
        raise types.CheckpointNotFound("The log is empty; its first checkpoint comes with its first leaf.")
    return found


async def covering(uow: db.UnitOfWork, *, index: int) -> types.Checkpoint:
    """Return the first checkpoint that covers the leaf of an index. Raises ``CheckpointNotFound``: it is signed in a moment."""
    found = await store.checkpoint_from(uow, size=index + 1)
    if found is None:
        raise types.CheckpointNotFound(f"Leaf {index} is in no checkpoint yet. Try again in a moment.")
    return found


async def tile(uow: db.UnitOfWork, *, tile: tiles.Tile) -> bytes:
    """Return a tile of the tree that is signed: hashes of 32 bytes each, or a bundle of entries. Raises ``TileNotFound``."""
    if not core.is_of_tree(tile, (await store.head(uow)).signed_size):
        raise types.TileNotFound(f"The log has no tile {tile.path()}, or not yet.")
    if tile.level < 0:
        bundle = await store.leaves(uow, first=tile.index * tiles.WIDTH, limit=tile.width)
        return tiles.pack_entries(leaf.content for leaf in bundle)
    [found] = await store.hashes(uow, rows=[core.stretch_of(tile)])
    return found


async def find(uow: db.UnitOfWork, *, index: int | None = None, leaf_hash: bytes | None = None) -> types.Entry:
    """Return where a leaf stands, by its index, or the first of a hash. Raises ``EntryNotFound``."""
    found = None
    if index is not None:
        found = await store.entry(uow, index=index)
    elif leaf_hash is not None:
        found = await store.entry_by_hash(uow, leaf_hash=leaf_hash)
    if found is None:
        raise types.EntryNotFound("The log has no such leaf.")
    return found


async def inclusion(uow: db.UnitOfWork, *, index: int, size: int) -> tuple[bytes, ...]:
    """Return the proof that the leaf of an index is in the tree of ``size``: hashes from the leaf up. Raises ``SizeInvalid``."""
    return await _proof(uow, size, lambda: merkle.inclusion_path(index, size))


async def consistency(uow: db.UnitOfWork, *, old: int, new: int) -> tuple[bytes, ...]:
    """Return the proof that the tree of ``new`` leaves only adds to that of ``old``. Raises ``SizeInvalid``."""
    return await _proof(uow, new, lambda: merkle.consistency_path(old, new))


async def _proof(uow: db.UnitOfWork, size: int, path_of: Callable[[], merkle.Path]) -> tuple[bytes, ...]:
    present = (await store.head(uow)).frontier.size
    if size > present:
        raise types.SizeInvalid(f"The log has {present} leaves, not {size}.")
    try:
        path = path_of()
    except errors.MerkleInvalid as error:
        raise types.SizeInvalid(str(error)) from error
    wanted = core.tiles_of(path, size)
    read = dict(zip(wanted, await store.hashes(uow, rows=[core.stretch_of(one) for one in wanted]), strict=True))
    return tuple(merkle.prove(path, tiles.reader(read.__getitem__, size)))


async def proven(uow: db.UnitOfWork, *, entry: types.Entry, size: int | None = None) -> types.Inclusion:
    """Return the proof of a leaf in the tree of ``size``, with its checkpoint if that size was signed; by default the newest that was.

    Raises ``SizeInvalid``, ``CheckpointNotFound``.
    """
    signed = await latest(uow) if size is None else await store.checkpoint(uow, size=size)
    wanted = signed.size if size is None and signed is not None else size or 0
    path = await inclusion(uow, index=entry.index, size=wanted)
    return types.Inclusion(entry, wanted, path, None if signed is None else signed.note)


async def signed(uow: db.UnitOfWork, *, size: int) -> types.Checkpoint:
    """Return the checkpoint of a size that was signed. Raises ``CheckpointNotFound``."""
    found = await store.checkpoint(uow, size=size)
    if found is None:
        raise types.CheckpointNotFound(f"No checkpoint of {size} leaves was signed.")
    return found
