"""One-use links, invitations and their ends: how long each lasts, and what may follow what.

A link is unused until it is used or withdrawn (by a newer one, or a changed password); an invitation is pending until it is accepted or
revoked. Neither comes back. That either has run out follows from the clock and is written nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from carbonledger.domains.identity import types

_U, _P = types.LinkState.UNUSED, types.InvitationState.PENDING

LIFETIMES: Mapping[types.LinkPurpose, timedelta] = {
    types.LinkPurpose.VERIFY_EMAIL: timedelta(days=3),  # over a weekend
    types.LinkPurpose.RESET_PASSWORD: timedelta(hours=1),  # it lets somebody in: as short as mail is slow
    types.LinkPurpose.SIGN_IN: timedelta(days=1),  # printed at the first start, for whoever stands before the screen
}
INVITATION_LIFETIME = timedelta(days=7)

LINK_STEPS: Mapping[types.LinkState, frozenset[types.LinkState]] = {
    _U: frozenset({types.LinkState.USED, types.LinkState.WITHDRAWN}),
    types.LinkState.USED: frozenset(),
    types.LinkState.WITHDRAWN: frozenset(),
}
INVITATION_STEPS: Mapping[types.InvitationState, frozenset[types.InvitationState]] = {
    _P: frozenset({types.InvitationState.ACCEPTED, types.InvitationState.REVOKED}),
    types.InvitationState.ACCEPTED: frozenset(),
    types.InvitationState.REVOKED: frozenset(),
}


def is_link_usable(*, state: types.LinkState, expires_at: datetime, at: datetime) -> bool:
    """Say whether a link still does something at ``at``. At the instant of expiry it does not."""
    return types.LinkState.USED in LINK_STEPS[state] and at < expires_at


def is_offer_open(*, state: types.InvitationState, expires_at: datetime, at: datetime) -> bool:
    """Say whether an invitation can be accepted at ``at``. At the instant of expiry it can't."""
    return types.InvitationState.ACCEPTED in INVITATION_STEPS[state] and at < expires_at
