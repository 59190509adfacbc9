"""Whose rows a transaction works on, where that changes on the way: the person, and rarely the organization."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from uuid import UUID

from carbonledger.infra import db
from carbonledger.kernel import errors


async def enter_user(uow: db.UnitOfWork, *, user_id: UUID) -> None:
    """From here on the transaction reads and writes the personal rows of this user, and of nobody else."""
    await uow.conn.execute("SELECT set_config('carbonledger.user_id', $1, true)", str(user_id))


@contextlib.asynccontextmanager
async def inside(uow: db.UnitOfWork, *, organization_id: UUID) -> AsyncIterator[None]:
    """Serve another organization for the block: the house opens its customers' organizations in its own transaction.

    After any error but a ``Fault`` nothing is put back: the database refuses further work, and the transaction ends there.
    """
    before = uow.organization_id
    await _set(uow, organization_id)
    try:
        yield
    except errors.Fault:
        await _set(uow, before)
        raise
    await _set(uow, before)


async def _set(uow: db.UnitOfWork, organization_id: UUID | None) -> None:
    value = "" if organization_id is None else str(organization_id)
    await uow.conn.execute("SELECT set_config('carbonledger.organization_id', $1, true)", value)
    uow.organization_id = organization_id
