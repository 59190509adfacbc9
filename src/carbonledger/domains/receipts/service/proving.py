"""The Merkle tree over a period's events: made once from their leaves as they stream out of the ledger, kept in objects, asked for proofs.

    <organization>/periods/<period>/leaves/000000 …   ids and hashes of 16,384 leaves each, in the order of the ids
    <organization>/periods/<period>/tree              first id and root of each of those

Leaves are those of the period's events as they stood at its cut, and of the events of earlier periods that came or changed late since the
cut before: those as they stood at this one. Made again they are the same bytes, so a killed attempt is simply repeated. Content and order
of leaves are those of ``carbonledger_proof.event`` (ADR 0015).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.receipts.core import leaves
from carbonledger.domains.receipts.service import closing
from carbonledger.domains.receipts.service import periods as keeping
from carbonledger.domains.receipts.store import periods as store
from carbonledger.domains.receipts.types import periods as types
from carbonledger.domains.receipts.types.periods import Period, Step
from carbonledger.domains.telemetry.service import closing as ledger
from carbonledger.domains.telemetry.types.closing import Frozen
from carbonledger.domains.vault import service as vault
from carbonledger.domains.vault import types as vault_types
from carbonledger.infra import crypto, db, objects
from carbonledger.kernel.actor import Actor
from carbonledger_proof import merkle

_SECRET_BYTES: Final = 32
_INDEX_BYTES_MAX: Final = 64 * 2**20  # of a period with 20 thousand million events


@dataclass(frozen=True, slots=True)
class Salt:
    """What the salts of an organization's leaves are made of; it never prints."""

    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Tree:
    """What was made of a period's leaves."""

    root: bytes
    size: int


@dataclass(frozen=True, slots=True)
class EventPath:
    """Where an event stands in a period's tree, and the hashes that lead from its leaf to the root (RFC 6962)."""

    index: int
    size: int
    leaf_hash: bytes
    path: tuple[bytes, ...]
    root: bytes


async def salt(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, sealer: crypto.Sealer, organization_id: UUID, outside: bool
) -> vault_types.Located:
    """Return where the secret of the organization's salts is, made at first need. Open it after the commit (``opened``)."""
    found = await store.salt(uow, organization_id=organization_id)
    if found is None:
        secret_id = await vault.seal(
            uow,
            actor=actor,
            now=now,
            at=at,
            sealer=sealer,
            organization_id=organization_id,
            purpose=vault_types.Purpose.RECEIPT_SALT,
            secret=crypto.SecretText(secrets.token_bytes(_SECRET_BYTES).hex()),
            outside=outside,
        )
        if not await store.add_salt(uow, organization_id=organization_id, secret_id=secret_id, at=at):
            await vault.destroy(uow, actor=actor, now=now, organization_id=organization_id, secret_id=secret_id)
        found = await store.salt(uow, organization_id=organization_id)
    if found is None:
        raise AssertionError("a secret of salts was written and is not there")
    return await vault.find(uow, actor=actor, now=now, organization_id=organization_id, secret_id=found, reason="event leaves")


async def opened(located: vault_types.Located, *, sealer: crypto.Sealer, outside: vault_types.SecretStore | None) -> Salt:
    """Return the secret of salts; outside a transaction. Raises ``SecretUnreadable``."""
    secret = await vault.reveal(located, sealer=sealer, outside=outside)
    return Salt(bytes.fromhex(secret.reveal()))


async def make_tree(uow: db.UnitOfWork, *, organization_id: UUID, period_id: UUID, salting: Salt, files: objects.Objects) -> Tree | None:
    """Write the tree of a period that was adjusted; None: it is proven already. ``files`` are the organization's.

    Reads only, however long; what it writes are objects. Raises ``ObjectExists`` where others were written before: a defect.
    """
    period = await keeping.find(uow, organization_id=organization_id, period_id=period_id)
    if types.is_done(Step.PROVEN, within=period.step):
        return None
    await ledger.take_time(uow)
    growing = leaves.Growing(ledger.HEADER_BYTES, ledger.ROW_BYTES)

    async def take(piece: bytes) -> None:
        for chunk in growing.take(piece):
            await files.ensure(_leaves_key(period_id, chunk.number), chunk.content)

    await ledger.leaf_hashes(uow, organization_id=organization_id, frozen=_frozen(period), salting=salting, take=take)
    last, root = growing.end()
    if last is not None:
        await files.ensure(_leaves_key(period_id, last.number), last.content)
    await files.ensure(_tree_key(period_id), bytes(growing.heads))
    return Tree(root, growing.size)


async def proven(uow: db.UnitOfWork, *, now: datetime, organization_id: UUID, period_id: UUID, tree: Tree) -> None:
    """Write the root and size of a period's tree, whose objects are there."""
    period = await closing.held(uow, organization_id, period_id, step=Step.PROVEN)
    if period is None:
        return
    after = replace(period, step=Step.PROVEN, root=tree.root, leaves=tree.size, updated_at=now)
    await store.change(uow, organization_id=organization_id, period=after)


async def event_path(uow: db.UnitOfWork, *, organization_id: UUID, period_id: UUID, event_id: UUID, files: objects.Objects) -> EventPath:
    """Return the proof that an event is among the leaves of a proven period. Raises ``PeriodNotFound``, ``EventNotInPeriod``."""
    period = await keeping.find(uow, organization_id=organization_id, period_id=period_id)
    if period.root is None or not period.leaves:
        raise types.EventNotInPeriod(f"There is no leaf of {event_id} in {period.month:%Y-%m}.")
    heads = await files.read(_tree_key(period_id), limit_bytes=_INDEX_BYTES_MAX)
    number = leaves.find_chunk(heads, event_id.bytes)
    content = b"" if number is None else await files.read(_leaves_key(period_id, number))
    place = leaves.find_leaf(content, event_id.bytes)
    if number is None or place is None:
        raise types.EventNotInPeriod(f"There is no leaf of {event_id} in {period.month:%Y-%m}.")
    index = number * leaves.CHUNK + place
    path = merkle.inclusion_path(index, period.leaves)
    chunks = {number: content}
    for other in leaves.chunks_of(path) - {number}:
        chunks[other] = await files.read(_leaves_key(period_id, other))
    proof = leaves.prove(path, heads, chunks)
    return EventPath(index, period.leaves, leaves.hashes(content)[place], proof, period.root)


async def leaf(uow: db.UnitOfWork, *, organization_id: UUID, period_id: UUID, event_id: UUID, salting: Salt) -> bytes:
    """Return the content of an event's leaf in a period, with its salt: what whoever checks the proof is given.

    Raises ``PeriodNotFound``, ``EventNotInPeriod``.
    """
    period = await keeping.find(uow, organization_id=organization_id, period_id=period_id)
    found = None
    if period.cut is not None:
        found = await ledger.leaf(uow, organization_id=organization_id, frozen=_frozen(period), salting=salting, event_id=event_id)
    if found is None:
        raise types.EventNotInPeriod(f"There is no leaf of {event_id} in {period.month:%Y-%m}.")
    return found


def _frozen(period: Period) -> Frozen:
    return Frozen(starts_at=period.starts_at, ends_at=period.ends_at, cut=closing.cut_of(period))


def _leaves_key(period_id: UUID, number: int) -> str:
    return f"periods/{period_id}/leaves/{number:06d}"


def _tree_key(period_id: UUID) -> str:
    return f"periods/{period_id}/tree"
