"""Commitments: what the operator has ordered ahead. They belong to the installation, not to an organization."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import insert, select, update

from carbonledger.domains.receipts.tables import credits as tables
from carbonledger.domains.receipts.types.commitments import Commitment, CommitmentState, Delivery, Order
from carbonledger.infra import db
from carbonledger.kernel import currency
from carbonledger.kernel.money import Money


async def add(uow: db.UnitOfWork, *, commitment: Commitment) -> None:
    """Insert a commitment."""
    row = {"id": commitment.id, "seller": commitment.seller, "offer_id": commitment.offer_id, "quantity_mg": commitment.quantity_mg}
    row |= {"beneficiary": commitment.beneficiary, "asked_at": commitment.asked_at}
    await uow.execute(insert(tables.commitments).values({**row, **_changing(commitment)}))


async def change(uow: db.UnitOfWork, *, commitment: Commitment) -> None:
    """Write what has become of a commitment, whose row the transaction holds."""
    await uow.execute(update(tables.commitments).where(tables.commitments.c.id == commitment.id).values(_changing(commitment)))


async def find(uow: db.UnitOfWork, *, commitment_id: UUID, lock: bool = False) -> Commitment | None:
    """Return a commitment; locked, nobody else changes it until the transaction ends."""
    statement = select(tables.commitments).where(tables.commitments.c.id == commitment_id)
    row = await uow.fetch_one(statement.with_for_update() if lock else statement)
    return None if row is None else _from_row(row)


async def some(uow: db.UnitOfWork, *, states: tuple[CommitmentState, ...], limit: int) -> tuple[Commitment, ...]:
    """Return commitments in these states, the last one first, at most ``limit``."""
    column = tables.commitments.c
    statement = select(tables.commitments).where(column.state.in_([state.value for state in states])).order_by(column.id.desc())
    return tuple(_from_row(row) for row in await uow.fetch(statement.limit(limit)))


def _changing(commitment: Commitment) -> dict[str, Any]:
    order = commitment.order
    return {
        "state": commitment.state.value,
        "order_id": None if order is None else order.id,
        "amount_minor": None if order is None else order.total.minor_units,
        "currency": None if order is None else order.total.currency.code,
        "expected_year": None if order is None else order.expected_year,
        "certificate_url": None if order is None else order.certificate_url,
        "deliveries": [] if order is None else [_delivery_to_row(one) for one in order.deliveries],
        "refused_words": commitment.refused_words,
        "updated_at": commitment.updated_at,
    }


def _from_row(row: asyncpg.Record) -> Commitment:
    return Commitment(
        state=CommitmentState(row["state"]),
        order=None if row["order_id"] is None else _order_from_row(row),
        **{
            name: row[name]
            for name in ("id", "seller", "offer_id", "quantity_mg", "beneficiary", "refused_words", "asked_at", "updated_at")
        },
    )


def _order_from_row(row: asyncpg.Record) -> Order:
    return Order(
        id=row["order_id"],
        state=CommitmentState(row["state"]),
        quantity_mg=row["quantity_mg"],
        total=Money.from_minor(row["amount_minor"], currency.by_code(row["currency"])),
        expected_year=row["expected_year"],
        certificate_url=row["certificate_url"],
        deliveries=tuple(_delivery_from_row(one) for one in row["deliveries"]),
    )


def _delivery_to_row(delivery: Delivery) -> dict[str, Any]:
    return {
        "delivered_at": delivery.delivered_at.isoformat(),
        "quantity_mg": delivery.quantity_mg,
        "supplier": delivery.supplier,
        "registry_url": delivery.registry_url,
    }


def _delivery_from_row(one: dict[str, Any]) -> Delivery:
    return Delivery(datetime.fromisoformat(one["delivered_at"]), one["quantity_mg"], one["supplier"], one["registry_url"])
