"""Every SQL statement of accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import insert, or_, select, update

from carbonledger.domains.accounts import tables
from carbonledger.domains.accounts.types import Account, Address, Locale, TaxId, TaxTreatment
from carbonledger.infra import db

accounts = tables.accounts
EXTERNAL_ID_INDEX: Final = "accounts_external_id_idx"


def _to_row(account: Account) -> dict[str, Any]:
    return {
        "external_id": account.external_id,
        "name": account.name,
        "email": account.email,
        "currency": account.currency,
        "time_zone": account.time_zone,
        "locale": account.locale.value,
        "address": {name: value for name, value in asdict(account.address).items() if value is not None},
        "tax_ids": [asdict(one) for one in account.tax_ids],
        "tax_treatment": account.tax_treatment.value,
        "payment_terms_days": account.payment_terms_days,
        "metadata": dict(account.metadata),
        "updated_at": account.updated_at,
        "deleted_at": account.deleted_at,
        "erased_at": account.erased_at,
    }


def _from_row(row: asyncpg.Record) -> Account:
    return Account(
        id=row["id"],
        external_id=row["external_id"],
        name=row["name"],
        email=row["email"],
        currency=row["currency"],
        time_zone=row["time_zone"],
        locale=Locale(row["locale"]),
        address=Address(**row["address"]),
        tax_ids=tuple(TaxId(**one) for one in row["tax_ids"]),
        tax_treatment=TaxTreatment(row["tax_treatment"]),
        payment_terms_days=row["payment_terms_days"],
        metadata=row["metadata"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        deleted_at=row["deleted_at"],
        erased_at=row["erased_at"],
    )


async def add(uow: db.UnitOfWork, *, organization_id: UUID, account: Account) -> None:
    """Insert an account. Raises ``asyncpg.UniqueViolationError`` for an external id that is taken."""
    row = {"organization_id": organization_id, "id": account.id, "created_at": account.created_at, **_to_row(account)}
    await uow.execute(insert(accounts).values(row))


async def find(uow: db.UnitOfWork, *, organization_id: UUID, account_id: UUID, lock: bool = False) -> Account | None:
    """Return an account, deleted or not. ``lock``: nobody else changes it, or begins anything for it, until the transaction ends."""
    statement = select(accounts).where(accounts.c.organization_id == organization_id, accounts.c.id == account_id)
    row = await uow.fetch_one(statement.with_for_update() if lock else statement)
    return None if row is None else _from_row(row)


async def with_external_id(uow: db.UnitOfWork, *, organization_id: UUID, external_id: str) -> Account | None:
    """Return the account that has this external id now."""
    statement = select(accounts).where(
        accounts.c.organization_id == organization_id, accounts.c.external_id == external_id, accounts.c.deleted_at.is_(None)
    )
    row = await uow.fetch_one(statement)
    return None if row is None else _from_row(row)


_THOSE: Final = "SELECT * FROM accounts WHERE organization_id = $1 AND id = ANY ($2::uuid[])"


async def those(uow: db.UnitOfWork, *, organization_id: UUID, account_ids: Sequence[UUID]) -> tuple[Account, ...]:
    """Return these accounts, deleted or not, in no particular order; however many, in one statement."""
    return tuple(_from_row(row) for row in await uow.conn.fetch(_THOSE, organization_id, account_ids))


async def some(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    deleted: bool,
    external_id: str | None,
    search: str | None,
    before: UUID | None,
    limit: int,
) -> tuple[Account, ...]:
    """Return accounts, newest first, at most ``limit``, made before the one named.

    ``deleted``: those that were, instead of the others. ``search``: a part of the name, the email or the external id, whatever its case.
    """
    statement = select(accounts).where(
        accounts.c.organization_id == organization_id,
        accounts.c.deleted_at.is_not(None) if deleted else accounts.c.deleted_at.is_(None),
    )
    if external_id is not None:
        statement = statement.where(accounts.c.external_id == external_id)
    if search:
        columns = (accounts.c.name, accounts.c.email, accounts.c.external_id)
        statement = statement.where(or_(*(column.icontains(search, autoescape=True) for column in columns)))
    if before is not None:
        statement = statement.where(accounts.c.id < before)
    return tuple(_from_row(row) for row in await uow.fetch(statement.order_by(accounts.c.id.desc()).limit(limit)))


async def change(uow: db.UnitOfWork, *, organization_id: UUID, account: Account) -> None:
    """Write an account, whose row the transaction holds. Raises ``asyncpg.UniqueViolationError`` for an external id that is taken."""
    statement = update(accounts).where(accounts.c.organization_id == organization_id, accounts.c.id == account.id)
    await uow.execute(statement.values(_to_row(account)))


_HOLD: Final = """
SELECT id FROM accounts WHERE organization_id = $1 AND id = ANY ($2::uuid[]) AND deleted_at IS NULL ORDER BY id FOR KEY SHARE
"""
_USE: Final = """
INSERT INTO account_uses AS u (organization_id, account_id, kind, live)
SELECT $1, c.account_id, $2, c.live FROM unnest($3::uuid[], $4::integer[]) AS c (account_id, live) ORDER BY c.account_id
ON CONFLICT (organization_id, account_id, kind) DO UPDATE SET live = excluded.live WHERE u.live <> excluded.live
"""
_USES: Final = "SELECT kind, live FROM account_uses WHERE organization_id = $1 AND account_id = $2"


async def held(uow: db.UnitOfWork, *, organization_id: UUID, account_ids: Sequence[UUID]) -> frozenset[UUID]:
    """Return which of these accounts are there and not deleted; none of them is deleted before the transaction ends."""
    return frozenset(row["id"] for row in await uow.conn.fetch(_HOLD, organization_id, account_ids))


async def set_uses(uow: db.UnitOfWork, *, organization_id: UUID, kind: str, live: Mapping[UUID, int]) -> None:
    """Write how many things of this kind are live for each account."""
    await uow.conn.execute(_USE, organization_id, kind, list(live), list(live.values()))


async def uses_of(uow: db.UnitOfWork, *, organization_id: UUID, account_id: UUID) -> dict[str, int]:
    """Return how many things are live for an account, by kind."""
    return {row["kind"]: row["live"] for row in await uow.conn.fetch(_USES, organization_id, account_id)}
