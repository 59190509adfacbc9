"""What is kept beside the facts of a subscription, compared with what they say when they are told anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from carbonledger.domains.catalog.types import PlanVersion
from carbonledger.domains.subscriptions.core import charging, cycles, owed, standing, writing
from carbonledger.domains.subscriptions.types import Kept, Subscription

LATE: Final = timedelta(days=1)
"""What is due for longer is not being advanced: the job comes every hour."""


def differences(kept: Kept, versions: Mapping[UUID, PlanVersion], *, now: datetime) -> Iterator[str]:
    """Yield the columns that say otherwise than the facts do; ``now`` is the organization's time.

    Of what is due and waits for the hourly advance, when it is next due is not compared: that will set it.
    """
    one = kept.subscription
    stands = standing.standing(one.facts, at=one.advanced_until)
    if one.status is not stands.status:
        yield "status"
    if kept.plan_id != versions[stands.plan_version_id].plan_id:
        yield "plan_id"
    if kept.facts != len(one.facts):
        yield "facts"
    if not _is_next(one, versions, now=now):
        yield "next_due_at"
    if not _is_found(one, versions, now=now):
        yield "billable_at"


def _is_next(one: Subscription, versions: Mapping[UUID, PlanVersion], *, now: datetime) -> bool:
    if one.next_due_at is not None and one.next_due_at <= now:
        return one.next_due_at > now - LATE
    return one.next_due_at == cycles.next_due(one.facts, versions, after=one.advanced_until)


def _is_found(one: Subscription, versions: Mapping[UUID, PlanVersion], *, now: datetime) -> bool:
    """Say whether a bill run finds it in time: by when something is next due, and at once where something is not billed."""
    if one.next_due_at is not None and (one.billable_at is None or one.billable_at > one.next_due_at):
        return False
    if one.billable_at is not None and one.billable_at <= now:
        return True
    books = writing.Books(subscription_id=one.id, account_id=one.account_id, versions=versions)
    charges = charging.due_charges(one.facts, books, since=one.billed_until, until=min(now, one.advanced_until))
    return not owed.unbilled(one, charges, until=now)
