"""Every SQL statement of payment methods. Who writes one holds its account's row."""

from __future__ import annotations

from uuid import UUID

import asyncpg
from sqlalchemy import delete, insert, select, update

from carbonledger.domains.accounts import tables
from carbonledger.domains.accounts.types.payment_methods import PaymentMethod
from carbonledger.infra import db

methods = tables.payment_methods


def _from_row(row: asyncpg.Record) -> PaymentMethod:
    return PaymentMethod(
        id=row["id"],
        account_id=row["account_id"],
        processor=row["processor"],
        reference=row["reference"],
        brand=row["brand"],
        last4=row["last4"],
        label=row["label"],
        is_default=row["is_default"],
        created_at=row["created_at"],
    )


async def add(uow: db.UnitOfWork, *, organization_id: UUID, method: PaymentMethod) -> None:
    """Insert a payment method. Raises ``asyncpg.UniqueViolationError`` for a reference that is there."""
    row = {
        "organization_id": organization_id,
        "id": method.id,
        "account_id": method.account_id,
        "processor": method.processor,
        "reference": method.reference,
        "brand": method.brand,
        "last4": method.last4,
        "label": method.label,
        "is_default": method.is_default,
        "created_at": method.created_at,
    }
    await uow.execute(insert(methods).values(row))


async def every(uow: db.UnitOfWork, *, organization_id: UUID, account_id: UUID) -> tuple[PaymentMethod, ...]:
    """Return an account's payment methods, the default first, then the newest first."""
    statement = (
        select(methods)
        .where(methods.c.organization_id == organization_id, methods.c.account_id == account_id)
        .order_by(methods.c.is_default.desc(), methods.c.id.desc())
    )
    return tuple(_from_row(row) for row in await uow.fetch(statement))


async def set_default(uow: db.UnitOfWork, *, organization_id: UUID, account_id: UUID, method_id: UUID | None) -> None:
    """Make one of an account's payment methods its default, or none, in two steps: there is never a second one."""
    of_account = (methods.c.account_id == account_id,)
    await uow.execute(
        update(methods).where(methods.c.organization_id == organization_id, *of_account, methods.c.is_default).values(is_default=False)
    )
    if method_id is not None:
        this = (*of_account, methods.c.id == method_id)
        await uow.execute(update(methods).where(methods.c.organization_id == organization_id, *this).values(is_default=True))


async def drop(uow: db.UnitOfWork, *, organization_id: UUID, account_id: UUID, method_id: UUID) -> None:
    """Delete a payment method."""
    this = (methods.c.account_id == account_id, methods.c.id == method_id)
    await uow.execute(delete(methods).where(methods.c.organization_id == organization_id, *this))


async def drop_all(uow: db.UnitOfWork, *, organization_id: UUID, account_id: UUID) -> None:
    """Delete all payment methods of an account."""
    await uow.execute(delete(methods).where(methods.c.organization_id == organization_id, methods.c.account_id == account_id))
