"""Words of subscriptions: states and moves, facts, what is due, and the faults."""

from __future__ import annotations

from carbonledger.domains.subscriptions.types.due import Days, DueCharge, DueKind, is_usage
from carbonledger.domains.subscriptions.types.facts import Fact, FactKind
from carbonledger.domains.subscriptions.types.faults import (
    PlanCurrencyDiffers,
    PlanUnavailable,
    SubscriptionExternalIdTaken,
    SubscriptionFactsFull,
    SubscriptionNotCanceled,
    SubscriptionNotFound,
    SubscriptionNotPaused,
    SubscriptionOver,
    SubscriptionPaused,
    SubscriptionsFault,
    SubscriptionStateRefuses,
)
from carbonledger.domains.subscriptions.types.records import (
    EXTERNAL_ID_MAX_CHARS,
    FACTS_MAX,
    NAME_MAX_CHARS,
    QUANTITY_MAX,
    REASON_MAX_CHARS,
    Cycle,
    Direction,
    Kept,
    Standing,
    Subscription,
    Terms,
    View,
    When,
)
from carbonledger.domains.subscriptions.types.states import BILLED, FIRST_PAYMENT, OVER, TRANSITIONS, Move, Status

__all__ = [
    "BILLED",
    "EXTERNAL_ID_MAX_CHARS",
    "FACTS_MAX",
    "FIRST_PAYMENT",
    "NAME_MAX_CHARS",
    "OVER",
    "QUANTITY_MAX",
    "REASON_MAX_CHARS",
    "TRANSITIONS",
    "Cycle",
    "Days",
    "Direction",
    "DueCharge",
    "DueKind",
    "Fact",
    "FactKind",
    "Kept",
    "Move",
    "PlanCurrencyDiffers",
    "PlanUnavailable",
    "Standing",
    "Status",
    "Subscription",
    "SubscriptionExternalIdTaken",
    "SubscriptionFactsFull",
    "SubscriptionNotCanceled",
    "SubscriptionNotFound",
    "SubscriptionNotPaused",
    "SubscriptionOver",
    "SubscriptionPaused",
    "SubscriptionStateRefuses",
    "SubscriptionsFault",
    "Terms",
    "View",
    "When",
    "is_usage",
]
