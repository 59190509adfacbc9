"""Links and invitations: what may follow what, and when they have run out. Both are walked at random."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.identity import types
from carbonledger.domains.identity.core import links

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
US = timedelta(microseconds=1)
LINK, OFFER = types.LinkState, types.InvitationState


@pytest.mark.parametrize(
    "state, left, usable",
    [
        (LINK.UNUSED, US, True),
        (LINK.UNUSED, timedelta(), False),  # at the instant of expiry it is over
        (LINK.UNUSED, -US, False),
        (LINK.USED, timedelta(days=1), False),
        (LINK.WITHDRAWN, timedelta(days=1), False),
    ],
)
def test_when_a_link_does_something(state: types.LinkState, left: timedelta, usable: bool) -> None:
    assert links.is_link_usable(state=state, expires_at=AT + left, at=AT) is usable


@pytest.mark.parametrize(
    "state, left, is_open",
    [
        (OFFER.PENDING, US, True),
        (OFFER.PENDING, timedelta(), False),
        (OFFER.ACCEPTED, timedelta(days=1), False),
        (OFFER.REVOKED, timedelta(days=1), False),
    ],
)
def test_when_an_invitation_can_be_accepted(state: types.InvitationState, left: timedelta, is_open: bool) -> None:
    assert links.is_offer_open(state=state, expires_at=AT + left, at=AT) is is_open


def test_each_purpose_has_a_lifetime_and_the_one_that_opens_an_account_is_the_shortest() -> None:
    assert set(links.LIFETIMES) == set(types.LinkPurpose)
    assert min(links.LIFETIMES, key=lambda purpose: links.LIFETIMES[purpose]) is types.LinkPurpose.RESET_PASSWORD


@pytest.mark.parametrize("steps, states", [(links.LINK_STEPS, LINK), (links.INVITATION_STEPS, OFFER)])
def test_each_state_is_in_the_table(steps: Mapping[Any, frozenset[Any]], states: type[Enum]) -> None:
    assert set(steps) == set(states)
    assert frozenset().union(*steps.values()) <= set(states)


@given(
    wanted=st.lists(st.sampled_from(LINK), max_size=8),
    minutes=st.lists(st.integers(0, 90), min_size=8, max_size=8),
)
def test_a_link_is_used_at_most_once_and_never_after_it_was_withdrawn_or_ran_out(wanted: list[types.LinkState], minutes: list[int]) -> None:
    expires_at, at, state, uses = AT + timedelta(hours=1), AT, LINK.UNUSED, 0
    for step, minute in zip(wanted, minutes, strict=False):
        at += timedelta(minutes=minute)
        if step is LINK.USED and links.is_link_usable(state=state, expires_at=expires_at, at=at):
            assert state is LINK.UNUSED
            assert at < expires_at
            uses += 1
            state = step
        elif step is LINK.WITHDRAWN and step in links.LINK_STEPS[state]:
            state = step
    assert uses <= 1


@given(wanted=st.lists(st.sampled_from(OFFER), max_size=8))
def test_an_invitation_ends_once_and_for_good(wanted: list[types.InvitationState]) -> None:
    path = [OFFER.PENDING]
    for state in wanted:
        if state in links.INVITATION_STEPS[path[-1]]:
            path.append(state)
    assert len(path) <= 2
    assert path.count(OFFER.PENDING) == 1
