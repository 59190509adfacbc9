"""How PostgreSQL plans the questions that add the ledger up: settings of the transaction, around the statements of one question.

Left to itself, PostgreSQL would keep a plan made for any period after some calls, which joins tens of thousands of rows as if they were
ten; and where statistics are old it takes thousands of models for a few, and compares each with each: a minute in place of a fifth of a
second. So nothing is joined by nested loops here. What is looked up row by row stays so: it can't be joined otherwise.

A small question takes as long to plan as to answer. All small ones that ask the broad roll-up have the same good plan, whatever the period
and the filters: rows looked up by the roll-up's key, joined by hashes. It is made once a connection and kept. That tables are
never read as a whole keeps it good while they grow: a plan made when one had a page would still read all of it when it has thousands.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Final

from carbonledger.domains.telemetry.core import slots
from carbonledger.domains.telemetry.core.slots import Part
from carbonledger.infra import db

STEPS_MAX: Final = 400
"""Of a question whose plan is kept: a quarter of a year by days of any zone. To answer more takes many times what planning does."""
_KEPT: Final = "SET LOCAL enable_nestloop = off; SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off"
_OWN: Final = "SET LOCAL enable_nestloop = off; SET LOCAL plan_cache_mode = force_custom_plan"
_AFTER: Final = (  # for whatever else the transaction asks
    "SET LOCAL enable_nestloop TO DEFAULT; SET LOCAL plan_cache_mode TO DEFAULT; SET LOCAL enable_seqscan TO DEFAULT"
)


@contextlib.asynccontextmanager
async def planned(uow: db.UnitOfWork, *, parts: Sequence[Part], is_broad: bool) -> AsyncIterator[None]:
    """Plan the statements of the block, which ask for these parts, by a plan that is kept or by one of their own."""
    await uow.conn.execute(_KEPT if is_broad and slots.steps(parts) <= STEPS_MAX else _OWN)
    yield
    await uow.conn.execute(_AFTER)
