"""Lists of receipts and credits for people, which need neither what was signed nor what proves it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from carbonledger.domains.receipts.store import listing as store
from carbonledger.domains.receipts.types.listing import Listed, Stock
from carbonledger.infra import db
from carbonledger.kernel import page as pages

FOUND_MAX: Final = 20


async def receipts(uow: db.UnitOfWork, *, organization_id: UUID, page: pages.PageRequest) -> pages.Page[Listed]:
    """Return receipts, the newest first; those that wait for credits and those that ended too."""
    rows = await store.some(uow, organization_id=organization_id, before=pages.before_id(page), limit=page.limit + 1)
    return pages.cut(rows, limit=page.limit, key=lambda receipt: (str(receipt.id),))


async def of_periods(uow: db.UnitOfWork, *, organization_id: UUID, period_ids: Iterable[UUID]) -> Mapping[UUID, Listed]:
    """Return the receipt of each of these periods, by period: that which is issued or waits for credits, else the last that was made."""
    found = await store.of_periods(uow, organization_id=organization_id, period_ids=period_ids)
    return {one.period_id: one for one in found}


async def with_serial(uow: db.UnitOfWork, *, organization_id: UUID, words: str) -> Sequence[Listed]:
    """Return the organization's receipts whose serial holds these words, the newest first, at most ``FOUND_MAX``."""
    return await store.with_serial(uow, organization_id=organization_id, words=words.upper(), limit=FOUND_MAX)


async def with_id(uow: db.UnitOfWork, *, organization_id: UUID, asked: UUID) -> Listed | None:
    """Return the receipt with this id."""
    return await store.with_id(uow, organization_id=organization_id, asked=asked)


async def stock(uow: db.UnitOfWork) -> Sequence[Stock]:
    """Return what the inventory comes to; in a transaction of the house."""
    return await store.stock(uow)
