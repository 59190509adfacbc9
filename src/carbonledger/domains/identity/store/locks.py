"""Turns that no row can give, because the row is not there yet."""

from __future__ import annotations

from carbonledger.infra import db

_HOUSE = 0x0CA8_B0D1_ED6E_0002  # any constant of our own; migrations use …0001


async def take_house(uow: db.UnitOfWork) -> None:
    """Let one first start at a time make the house; the lock ends with the transaction."""
    await uow.conn.execute("SELECT pg_advisory_xact_lock($1)", _HOUSE)
