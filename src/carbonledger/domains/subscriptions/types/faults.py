"""What can stand in the way of a subscription."""

from __future__ import annotations

from carbonledger.kernel import errors


class SubscriptionsFault(errors.Fault):
    """Something about a subscription does not fit."""

    kind = errors.Kind.CONFLICT
    code = "subscriptions"


class SubscriptionNotFound(SubscriptionsFault):
    """There is no such subscription."""

    kind = errors.Kind.NOT_FOUND
    code = "subscription_not_found"


class SubscriptionExternalIdTaken(SubscriptionsFault):
    """Another subscription has this external id."""

    code = "subscription_external_id_taken"


class SubscriptionStateRefuses(SubscriptionsFault):
    """The subscription does not stand where this can be done."""

    code = "subscription_state"


class SubscriptionOver(SubscriptionStateRefuses):
    """The subscription is canceled or ended already."""

    code = "subscription_over"


class SubscriptionPaused(SubscriptionStateRefuses):
    """The subscription is paused already."""

    code = "subscription_paused"


class SubscriptionNotPaused(SubscriptionStateRefuses):
    """The subscription is not paused, and no pause is planned."""

    code = "subscription_not_paused"


class SubscriptionNotCanceled(SubscriptionStateRefuses):
    """The subscription is not canceled, and no cancellation is planned."""

    code = "subscription_not_canceled"


class SubscriptionFactsFull(SubscriptionsFault):
    """The subscription has been changed as often as one can be."""

    code = "subscription_facts_full"


class PlanCurrencyDiffers(SubscriptionsFault):
    """The plan is in another currency than the subscription."""

    kind = errors.Kind.INVALID
    code = "plan_currency_differs"


class PlanUnavailable(SubscriptionsFault):
    """The plan is archived, or has no version in force yet."""

    code = "plan_unavailable"
