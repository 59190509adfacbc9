"""Checks the whole log every night: computed anew from its leaves, it has to be what the head, the nodes and every checkpoint say.

A stretch a transaction, so that nothing waits behind it and memory stays flat. What is found is told, never mended: what made it should be
looked at first.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from carbonledger.domains.receipts.core import replay as core
from carbonledger.domains.receipts.store import keys as key_store
from carbonledger.domains.receipts.store import log as store
from carbonledger.domains.receipts.types import log as types
from carbonledger.infra import db, outbox
from carbonledger.kernel.actor import Actor
from carbonledger_proof import keys, merkle

CHECK_JOB: Final = "receipts.check_log"
DIFFERS: Final = "log.differs"
STRETCH: Final = 4096
FOUND_MAX: Final = 1_000  # whoever has more has something to look at
UNSIGNED_AFTER: Final = timedelta(hours=1)  # a job signs within seconds
_TOLD_MAX: Final = 20

START: Final = merkle.Frontier()


async def head(uow: db.UnitOfWork) -> types.Head:
    """Return how far the log is; a check goes up to there."""
    return await store.head(uow)


async def stretch(uow: db.UnitOfWork, *, before: merkle.Frontier, until: int) -> tuple[merkle.Frontier, tuple[types.Found, ...]]:
    """Check the next leaves after an edge, at most up to the size ``until``; return the edge after them, and what is wrong."""
    size = min(STRETCH, until - before.size)
    leaves = await store.leaves(uow, first=before.size, limit=size)
    signed = await store.checkpoints(uow, after=before.size, limit=size)
    known = keys.KeySet(tuple(key.key for key in await key_store.all_keys(uow)))
    within = [one for one in signed if one.size <= before.size + len(leaves)]
    origin = (await store.head(uow)).origin
    done = core.replay(core.Stretch(before, leaves, within), origin=origin, known=known)
    missing = () if len(leaves) == size else (types.Found(types.Difference.LEAVES, f"leaf {before.size + len(leaves)}"),)
    return done.after, (*done.found, *core.differing_nodes(done.nodes, await _kept(uow, done.nodes)), *missing)


async def _kept(uow: db.UnitOfWork, nodes: Sequence[types.Node]) -> dict[tuple[int, int], bytes]:
    kept: dict[tuple[int, int], bytes] = {}
    for level, some in itertools.groupby(sorted(nodes, key=lambda node: (node.level, node.index)), key=lambda node: node.level):
        indexes = [node.index for node in some]
        kept |= await store.nodes(uow, level=level, first=indexes[0], last=indexes[-1])
    return kept


async def ending(uow: db.UnitOfWork, *, began: types.Head, reached: merkle.Frontier, at: datetime) -> tuple[types.Found, ...]:
    """Check what the leaves come to against the head as it was when the check began; ``at`` is the real time."""
    found = []
    if reached != began.frontier:
        found.append(types.Found(types.Difference.HEAD, f"head of {began.frontier.size}"))
    present = await store.head(uow)
    if await store.leaves(uow, first=present.frontier.size, limit=1):
        found.append(types.Found(types.Difference.LEAVES, f"leaf {present.frontier.size}"))
    if present.signed_size < began.frontier.size and at - began.last_at > UNSIGNED_AFTER:
        found.append(types.Found(types.Difference.UNSIGNED, f"leaf {present.signed_size}"))
    return tuple(found)


async def tell(uow: db.UnitOfWork, *, actor: Actor, now: datetime, found: Sequence[types.Found]) -> None:
    """Alert the operators that the log is not what it was."""
    places = [f"{one.difference.value}: {one.place}" for one in found[:_TOLD_MAX]]
    await outbox.emit(
        uow,
        actor=actor,
        now=now,
        action=DIFFERS,
        target_type="log",
        target_id="log",
        after={"differences": len(found), "first": places},
        severity="critical",
        audience=(outbox.OPERATORS,),
    )
