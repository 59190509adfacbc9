"""What providers say that they charge, bucket by bucket: which of it is new, other than it was, or told no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from carbonledger.domains.connections.core import booking
from carbonledger.domains.connections.types import Bucket, StoredCost

_ZERO: Final = Decimal(0)


def changes(
    buckets: Sequence[Bucket], known: Mapping[tuple[datetime, str], StoredCost], *, width_s: int, now: datetime
) -> list[StoredCost]:
    """Return the costs to be written, given all that is known of these buckets: each with its next revision, one that vanished as zero."""
    told = {(cost.starts_at, cost.digest): cost for bucket in buckets for cost in _reported(bucket, width_s=width_s, now=now)}
    found = []
    for place, cost in told.items():
        before = known.get(place)
        if before is None:
            found.append(cost)
        elif _said(before) != _said(cost):
            found.append(cost._replace(revision=before.revision + 1))
    for place, before in known.items():
        if place not in told and before.amount:
            quantity = None if before.quantity is None else _ZERO
            found.append(before._replace(amount=_ZERO, quantity=quantity, revision=before.revision + 1, read_at=now))
    return found


def _reported(bucket: Bucket, *, width_s: int, now: datetime) -> list[StoredCost]:
    return [
        StoredCost(
            starts_at=bucket.starts_at,
            digest=booking.cost_digest(cost),
            revision=0,
            amount=cost.amount.amount,
            currency=cost.amount.currency.code,
            quantity=cost.quantity,
            unit=cost.unit,
            read_at=now,
            width_s=width_s,
            item=cost.item,
            model=cost.model,
            dimensions=[list(pair) for pair in cost.dimensions],
        )
        for cost in bucket.costs
    ]


def _said(cost: StoredCost) -> tuple[object, ...]:
    return (cost.amount, cost.quantity, cost.unit, cost.model)
