"""What of the due charges of a subscription is still to be billed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from carbonledger.domains.subscriptions.core import charging, story
from carbonledger.domains.subscriptions.types import DueCharge, Fact, FactKind, Subscription


def unbilled(subscription: Subscription, charges: Sequence[DueCharge], *, until: datetime) -> tuple[DueCharge, ...]:
    """Return what of ``charges`` is to be billed at ``until``: not what is billed, nor what comes to nothing, nor what expired unpaid.

    A fact recorded at the very instant up to which was billed makes things billable at that instant.
    """
    billed, facts = subscription.billed_until, subscription.billed_facts
    open_ = [due for due in charges if billed is None or due.billable_at > billed or due.fact > facts]
    return charging.netted(forgone(open_, subscription.facts, until=until))


def forgone(charges: Sequence[DueCharge], facts: Sequence[Fact], *, until: datetime) -> tuple[DueCharge, ...]:
    """Return ``charges``, none of which is billed yet, without those whose first payment did not come by ``until``: they never will be."""
    if not any(due.alone for due in charges) or all(turn.fact.kind is not FactKind.EXPIRED for turn in story.tell(facts, until=until)):
        return tuple(charges)
    return tuple(due for due in charges if not due.alone)
