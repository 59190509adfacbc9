"""Facts: read for many subscriptions at once, and added, never changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import insert

from carbonledger.domains.catalog.types import Proration, documents
from carbonledger.domains.subscriptions import tables
from carbonledger.domains.subscriptions.types import Fact, FactKind
from carbonledger.infra import db

_COLUMNS: Final = (
    "subscription_id, number, kind, effective_at, recorded_at, planned, actor_kind, actor_id, plan_version_id, overrides, quantity,"
    " proration, zone, anchor, trialing, payment_first, credit, withdraws, reason"
)
_OF: Final = f"""
SELECT {_COLUMNS} FROM subscription_facts WHERE organization_id = $1 AND subscription_id = ANY ($2::uuid[]) ORDER BY subscription_id, number
"""
_KINDS: Final = {kind.value: kind for kind in FactKind}
_PRORATIONS: Final[dict[str | None, Proration | None]] = {None: None, **{proration.value: proration for proration in Proration}}


def _to_row(organization_id: UUID, subscription_id: UUID, fact: Fact) -> dict[str, Any]:
    return {
        "organization_id": organization_id,
        "subscription_id": subscription_id,
        "number": fact.number,
        "kind": fact.kind.value,
        "effective_at": fact.effective_at,
        "recorded_at": fact.recorded_at,
        "planned": fact.planned,
        "actor_kind": fact.actor_kind,
        "actor_id": fact.actor_id,
        "plan_version_id": fact.plan_version_id,
        "overrides": [documents.charge_to_document(charge) for charge in fact.overrides] or None,
        "quantity": fact.quantity,
        "proration": None if fact.proration is None else fact.proration.value,
        "zone": fact.zone,
        "anchor": fact.anchor,
        "trialing": fact.trialing,
        "payment_first": fact.payment_first,
        "credit": fact.credit,
        "withdraws": fact.withdraws,
        "reason": fact.reason,
    }


def _from_row(row: asyncpg.Record) -> Fact:
    return Fact(
        number=row["number"],
        kind=_KINDS[row["kind"]],
        effective_at=row["effective_at"],
        recorded_at=row["recorded_at"],
        planned=row["planned"],
        actor_kind=row["actor_kind"],
        actor_id=row["actor_id"],
        plan_version_id=row["plan_version_id"],
        overrides=tuple(documents.charge_from_document(document) for document in row["overrides"] or ()),
        quantity=row["quantity"],
        proration=_PRORATIONS[row["proration"]],
        zone=row["zone"],
        anchor=row["anchor"],
        trialing=row["trialing"],
        payment_first=row["payment_first"],
        credit=row["credit"],
        withdraws=row["withdraws"],
        reason=row["reason"],
    )


async def of(uow: db.UnitOfWork, *, organization_id: UUID, subscription_ids: Sequence[UUID]) -> dict[UUID, tuple[Fact, ...]]:
    """Return the facts of subscriptions, each one's in order of recording; one that has none is left out."""
    found: dict[UUID, list[Fact]] = {}
    for row in await uow.conn.fetch(_OF, organization_id, subscription_ids):
        found.setdefault(row["subscription_id"], []).append(_from_row(row))
    return {subscription_id: tuple(facts) for subscription_id, facts in found.items()}


async def add(uow: db.UnitOfWork, *, organization_id: UUID, recorded: Iterable[tuple[UUID, Fact]]) -> None:
    """Insert facts of subscriptions whose rows the transaction holds."""
    rows = [_to_row(organization_id, subscription_id, fact) for subscription_id, fact in recorded]
    await uow.execute_many(insert(tables.facts), rows)
